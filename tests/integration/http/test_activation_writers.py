"""Whoever speaks while a policy is prepared is heard by it when it comes into force, however many speak."""

import asyncio

import pytest

from assent.core.ids import ControllerId
from assent.ingest import activation, preparation
from assent.ingest.preparing import Pace
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Shop
from tests.support.policy_documents import changed, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

PEOPLE = 24
WRITERS = 8
PURPOSE = "personalisation"


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few people there are, they are prepared in chunks."""
    monkeypatch.setattr(activation, "SMALL", 0)


def who(number: int) -> str:
    return f"anonymous_id:writer-{number:04d}"


async def permitted(shop: Shop) -> set[str]:
    """Return who may be used under the policy in force, as a decision tells."""
    answers = await asyncio.gather(*(shop.decision(PURPOSE, who(number)) for number in range(PEOPLE)))
    return {who(number) for number, answer in enumerate(answers) if answer.get("features")}


async def activated(installation: Installation, shop: Shop, half: asyncio.Event) -> None:
    """Prepare one component after the other, with time for others between; half way say so."""
    documents = changed(shipped(), "purposes", f'[purposes.{PURPOSE}]\nvalidity = "P6M"')
    await activation.activate(
        installation.service.means,
        ControllerId(shop.controller_id),
        documents,
        "admin",
        progress=lambda done, of: half.set() if done * 2 >= of else None,
        pace=Pace(components=1, rest=10.0),
    )


async def used_in_spite_of_it(shop: Shop, installation: Installation) -> set[str]:
    """Let everybody agree and half of them withdraw while another policy is prepared; return who is used."""
    for number in range(PEOPLE):
        await shop.given(who(number), PURPOSE)
        await shop.bought(who(number), 10 + number)
    everybody = {who(number) for number in range(PEOPLE)}
    assert await permitted(shop) == everybody
    half = asyncio.Event()
    withdrawn: set[str] = set()

    async def writes(writer: int) -> None:
        await half.wait()
        for number in range(writer, PEOPLE, WRITERS):
            if number % 2:
                response = await shop.state(who(number), PURPOSE, "withdrawn")
                assert response.status_code == 201, response.text
                withdrawn.add(who(number))
            else:
                await shop.given(who(number), "analytics")

    await asyncio.gather(
        activated(installation, shop, half),
        *(writes(writer) for writer in range(WRITERS)),
    )
    assert len(withdrawn) == PEOPLE // 2
    used = await permitted(shop)
    assert used >= everybody - withdrawn
    return used & withdrawn


async def test_withdrawals_by_many_while_a_policy_is_prepared_are_in_force_with_it(
    shop: Shop, installation: Installation
) -> None:
    assert await used_in_spite_of_it(shop, installation) == set()
    # Nor by the rows, whatever a decision shows: nobody who withdrew has a permit of any version.
    async with installation.service.database.auditor.acquire() as connection:
        rows = await connection.fetch(
            """
            SELECT p.policy_version, count(DISTINCT p.identifier_id) AS people
            FROM permit AS p
            INNER JOIN purpose AS u USING (controller_id, policy_version, purpose_id)
            WHERE p.controller_id = $1 AND u.name = $2
            GROUP BY p.policy_version
            """,
            shop.controller_id,
            PURPOSE,
        )
    assert [tuple(row) for row in rows] == [(2, PEOPLE // 2)]


async def test_canary_nobody_is_noted_who_speaks_meanwhile(
    shop: Shop, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forgotten(*_: object) -> None:
        pass

    monkeypatch.setattr(preparation, "touch", forgotten)
    assert await used_in_spite_of_it(shop, installation)
