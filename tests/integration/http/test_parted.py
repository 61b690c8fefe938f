"""What a person denied by one of their addresses holds for them, though the address becomes another's too."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from assent.config import Settings
from assent.ingest import component
from tests.integration.http.shop import Shop
from tests.integration.http.test_erasure import opened
from tests.support.service import subject

pytestmark = pytest.mark.asyncio(loop_scope="session")

PURPOSE = "personalisation"
ADDRESS = "ada@example.org"


async def one_person(shop: Shop) -> None:
    """A customer whose server knows their number and their address, and who agreed by both."""
    await shop.given("user_id:ada", PURPOSE)
    await shop.given(f"email:{ADDRESS}", PURPOSE)
    await shop.track("identify", userId="ada", traits={"email": ADDRESS})
    assert (await shop.decision(PURPOSE, "user_id:ada"))["tier"] == "named"


async def another_comes(shop: Shop, by: str) -> None:
    """Somebody else is said to go by the same address."""
    said = await shop.track("identify", by=by, userId="eve", anonymousId="c1", traits={"email": ADDRESS})
    assert said.status_code == 200


async def is_parted(shop: Shop) -> bool:
    who = {"subject": subject(f"email:{ADDRESS}")}
    found = await shop.post("/v1/identities/resolve", who, by="dpo", status=200)
    return len(found["identifiers"]) == 1


async def a_withdrawal_holds(shop: Shop, by: str, *, authenticated: bool) -> None:
    await one_person(shop)
    stated = await shop.state(f"email:{ADDRESS}", PURPOSE, "withdrawn", authenticated=authenticated)
    assert stated.status_code == 201
    assert (await shop.decision(PURPOSE, "user_id:ada"))["tier"] is None
    await another_comes(shop, by)
    assert await is_parted(shop) is (by != "browser")  # a claim parts nobody
    assert (await shop.decision(PURPOSE, "user_id:ada"))["tier"] is None
    why = {"subject": {"namespace": "user_id", "value": "ada"}, "purpose": PURPOSE}
    decided = await shop.post("/v1/audit/decide", {"question": why}, by="dpo", status=200)
    assert decided["decision"] == "deny"


@pytest.mark.parametrize("authenticated", [True, False])
@pytest.mark.parametrize("by", ["browser", "collector"])
async def test_a_withdrawal_holds(shop: Shop, by: str, *, authenticated: bool) -> None:
    await a_withdrawal_holds(shop, by, authenticated=authenticated)


async def test_a_restriction_holds_until_it_is_lifted(shop: Shop, settings: Settings) -> None:
    await one_person(shop)
    page = f"page {uuid4().hex}"
    await shop.track("page", userId="ada", name=page)
    mark = {"subject": subject(f"email:{ADDRESS}")}
    await shop.post("/v1/audit/restrict", mark, by="dpo", status=200)
    # No event that names them is kept meanwhile: an officer says so.
    ends = {"from": subject(f"email:{ADDRESS}"), "to": subject("user_id:eve"), "kind": "asserted"}
    await shop.post("/v1/identities/links", {"links": [ends]}, by="dpo")
    assert await is_parted(shop)
    assert (await shop.decision(PURPOSE, "user_id:ada"))["tier"] is None
    await shop.state("user_id:ada", PURPOSE, "withdrawn")
    assert any(page in text for text in await opened(shop, settings))
    await shop.post("/v1/audit/restrict", {**mark, "state": "lifted"}, by="dpo", status=200)
    # What was kept back meanwhile is made up for.
    assert not any(page in text for text in await opened(shop, settings))


async def test_their_own_later_word_opens_again(shop: Shop) -> None:
    await one_person(shop)
    await shop.state(f"email:{ADDRESS}", PURPOSE, "withdrawn")
    await another_comes(shop, "collector")
    assert await is_parted(shop)
    await shop.given("user_id:ada", PURPOSE)
    assert (await shop.decision(PURPOSE, "user_id:ada"))["tier"] == "named"


async def test_what_the_address_took_back_itself_closes_nothing(shop: Shop) -> None:
    await one_person(shop)
    await shop.state(f"email:{ADDRESS}", PURPOSE, "withdrawn")
    await shop.state(f"email:{ADDRESS}", PURPOSE, "given", authenticated=True)
    await another_comes(shop, "collector")
    assert await is_parted(shop)
    assert (await shop.decision(PURPOSE, "user_id:ada"))["tier"] == "named"


def nobody_hears_an_address(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(component, "_in_force", lambda *_: [])


@pytest.mark.parametrize("plant", [nobody_hears_an_address])
async def test_a_planted_fault_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        await a_withdrawal_holds(shop, "collector", authenticated=True)
