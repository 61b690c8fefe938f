"""Whose consent lapsed is nobody to that purpose: what happens to them moves nothing it is told."""

from collections.abc import Awaitable, Callable

import pytest

from assent.core.time import DAY
from assent.ingest import accounts, changing
from assent.ingest.changing import coverage
from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Shop
from tests.integration.http.test_erasure import erase
from tests.support.policy_documents import with_companies

pytestmark = pytest.mark.asyncio(loop_scope="session")

PURPOSE = "personalisation"

Happens = Callable[[Shop], Awaitable[object]]


async def agrees_to_another(shop: Shop) -> None:
    await shop.given("anonymous_id:a1", "analytics")


async def is_linked(shop: Shop) -> object:
    return await shop.track("identify", userId="u2", anonymousId="a2")


async def is_erased(shop: Shop) -> object:
    return await erase(shop, "anonymous_id:a3")


async def moved(open_shop: OpenShop) -> list[str]:
    """Return what moved the sequence of a purpose for which everybody's consent is over."""
    shop = await open_shop(with_companies())
    for who in ("a1", "a2", "a3"):
        await shop.given(f"anonymous_id:{who}", PURPOSE)
        await shop.track("group", anonymousId=who, groupId="acme", traits={"plan": "pro"})
    shop.clock.step(370 * DAY)
    found, before = [], await sequence(shop)
    happens: list[Happens] = [agrees_to_another, is_linked, is_erased]
    for one in happens:
        await one(shop)
        after = await sequence(shop)
        if after != before:
            found.append(one.__name__)
        before = after
    return found


async def sequence(shop: Shop) -> int:
    return int((await shop.decide(PURPOSE, "anonymous_id:a1")).headers["assent-sequence"])


async def test_what_happens_to_who_lapsed_moves_no_sequence(open_shop: OpenShop) -> None:
    assert await moved(open_shop) == []


@pytest.mark.parametrize(
    ("where", "found"),
    [(changing, ["agrees_to_another", "is_linked", "is_erased"]), (accounts, ["is_erased"])],
)
async def test_a_sequence_that_counts_who_lapsed_is_found(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, where: object, found: list[str]
) -> None:
    monkeypatch.setattr(where, "coverage", lambda *of, now, known: coverage(*of, now=now - now, known=known))
    assert await moved(open_shop) == found
