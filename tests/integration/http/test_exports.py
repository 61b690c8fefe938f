"""Values of identifiers leave with an audience's members only where the policy and the identifier say so."""

from typing import Any

import asyncpg
import pytest

from assent.core.ids import ControllerId
from tests.integration.http.conftest import Installation, OpenShop
from tests.integration.http.shop import Json, Shop, refused
from tests.integration.http.test_audiences import BUYERS, lines
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

PURPOSE = "email_marketing"


def documents(**keys: object) -> Any:  # noqa: ANN401 - a policy's documents
    said: Any = shipped()
    said["purposes"]["purposes"][PURPOSE] |= {"exports": ["email"], **keys}
    return said


async def members(shop: Shop, *namespaces: str) -> list[Json]:
    *found, end = lines(await asked(shop, *namespaces))
    assert end["end"] is True
    return found


async def asked(shop: Shop, *namespaces: str) -> Any:  # noqa: ANN401 - a response
    body = {"purpose": PURPOSE, "namespaces": namespaces}
    return await shop.ask("POST", "/v1/audiences/buyers/members", body, by=f"engine:{PURPOSE}")


async def buyer(shop: Shop, name: str, *addresses: str) -> None:
    await shop.given(f"user_id:{name}", PURPOSE)
    await shop.bought(f"user_id:{name}", 10)
    for address in addresses:
        await shop.track("identify", userId=name, traits={"email": address})


async def test_an_address_leaves_only_by_its_own_statement(open_shop: OpenShop) -> None:
    shop = await open_shop(documents())
    await shop.save("buyers", BUYERS, PURPOSE)
    await buyer(shop, "u1", "one@example.com", "two@example.com")
    assert [one["identifiers"] for one in await members(shop, "email")] == [{}]
    await shop.given("email:one@example.com", PURPOSE)
    (found,) = await members(shop, "email")
    assert found["identifiers"] == {"email": ["one@example.com"]}
    assert [one["identifiers"] for one in await members(shop)] == [{}]
    page = await shop.post("/v1/audit/releases", {}, by="dpo", status=200)
    assert [one["rules"] for one in page["releases"]] == ["buyers@1:email", "buyers@1:email", "buyers@1"]
    await shop.state("email:one@example.com", PURPOSE, "withdrawn")
    assert [one["identifiers"] for one in await members(shop, "email")] in ([], [{}])


async def test_what_the_policy_does_not_export_is_refused(open_shop: OpenShop) -> None:
    shop = await open_shop(documents())
    await shop.save("buyers", BUYERS, PURPOSE)
    for names in (["user_id"], ["email", "phone"], ["unheard_of"]):
        refused(await asked(shop, *names), 422, "not_permitted_for_purpose", "/namespaces")


async def test_the_database_itself_hands_out_nothing_that_the_policy_does_not_export(
    open_shop: OpenShop, installation: Installation
) -> None:
    async def handed_out(shop: Shop) -> list[asyncpg.Record]:
        policy = await installation.service.policies.current(ControllerId(shop.controller_id))
        async with installation.service.database.reader.acquire() as connection, connection.transaction():
            await installation.service.door.stand(connection, ControllerId(shop.controller_id), PURPOSE)
            rows = await connection.fetch("SELECT DISTINCT profile_id FROM gate.released")
            profiles = [row["profile_id"] for row in rows]
            assert profiles
            numbers = list(policy.namespaces)
            return await connection.fetch("SELECT * FROM gate.exported($1, $2)", profiles, numbers)

    for said, expected in ((documents(), 1), (documents(exports=[]), 0), (shipped(), 0)):
        shop = await open_shop(said)
        await buyer(shop, "u1", "one@example.com")
        await shop.given("email:one@example.com", PURPOSE)
        assert len(await handed_out(shop)) == expected


@pytest.mark.parametrize("kind", ["claimed", "probable"])
async def test_no_policy_exports_over_links_that_are_not_sure(installation: Installation, kind: str) -> None:
    shop = await installation.controller()
    said = documents(links={"kinds": ["observed", kind], "agreement": False})
    response = await shop.ask("POST", "/v1/policies", {"documents": said, "activate": True})
    assert response.status_code == 400
    assert "exports" in response.text
