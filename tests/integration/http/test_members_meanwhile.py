"""Who says no while members are listed: nothing of them leaves after it, and the list is not called whole."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from assent.audiences import answers
from assent.audiences.answers import Audiences, Chunk
from assent.audiences.live import Live
from assent.core.time import DAY
from tests.integration.http.conftest import OpenShop
from tests.integration.http.shop import Json, Shop, subject
from tests.integration.http.test_audiences import BUYERS, lines
from tests.integration.http.test_erasure import erase
from tests.integration.http.test_exports import PURPOSE, asked, buyer, documents

pytestmark = pytest.mark.asyncio(loop_scope="session")

MEMBERS = 4
MIDDLE = 2

Says = Callable[[Shop, str], Awaitable[object]]


async def erased(shop: Shop, who: str) -> object:
    return await erase(shop, f"user_id:{who}")


async def withdrawn(shop: Shop, who: str) -> object:
    return await shop.state(f"user_id:{who}", PURPOSE, "withdrawn", authenticated=True)


async def address_withdrawn(shop: Shop, who: str) -> object:
    return await shop.state(f"email:{who}@example.com", PURPOSE, "withdrawn")


async def restricted(shop: Shop, who: str) -> object:
    return await shop.post(
        "/v1/audit/restrict",
        {"subject": subject(f"user_id:{who}"), "state": "restricted", "ground": "accuracy"},
        by="dpo",
        status=200,
    )


async def exported_no_more(shop: Shop, _: str) -> object:
    said = {"documents": documents(validity="P30D", exports=[]), "activate": True}
    return await shop.post("/v1/policies", said, status=200)


async def lapsed(shop: Shop, _: str) -> object:
    shop.clock.step(31 * DAY)
    return None


async def listed(
    open_shop: OpenShop, patch: pytest.MonkeyPatch, says: Says, *, before: str
) -> tuple[str, str, list[Json]]:
    """List members one by one; before the third is looked at by `before`, let that one say it.

    Return who that is, and what the engine was sent.
    """
    shop = await open_shop(documents(validity="P30D"))
    await shop.save("buyers", BUYERS, PURPOSE)
    for who in (uuid4().hex for _ in range(MEMBERS)):
        await buyer(shop, who, f"{who}@example.com")
        await shop.given(f"email:{who}@example.com", PURPOSE)
    patch.setattr(answers, "CHUNK", 1)
    *members, _ = lines(await asked(shop, "email"))
    (address,) = members[MIDDLE]["identifiers"]["email"]
    who = address.partition("@")[0]
    sound, looks = getattr(Live, before), iter(range(2 * MEMBERS))

    async def meanwhile(live: Live, *about: Any) -> Any:  # noqa: ANN401
        if next(looks) == MIDDLE:
            await says(shop, who)
        return await sound(live, *about)

    patch.setattr(Live, before, meanwhile)
    answer = await asked(shop, "email")
    return who, answer.text, lines(answer)


@pytest.mark.parametrize("before", ["narrowed", "exported"])
@pytest.mark.parametrize("says", [erased, withdrawn, address_withdrawn, restricted, exported_no_more])
async def test_nothing_of_them_leaves_and_the_list_is_to_be_read_anew(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, says: Says, before: str
) -> None:
    who, sent, (*members, end) = await listed(open_shop, monkeypatch, says, before=before)
    assert who not in sent
    assert end == {"end": True, "restart": True}
    assert [len(one["identifiers"]) for one in members[:MIDDLE]] == [1] * MIDDLE
    # Looked at just before it was said: a name of theirs for this engine alone, and none of their values.
    assert [one["identifiers"] for one in members[MIDDLE:]] == ([] if before == "narrowed" else [{}])


async def test_who_lapsed_meanwhile_is_left_out(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    who, sent, (*members, end) = await listed(open_shop, monkeypatch, lapsed, before="narrowed")
    assert who not in sent
    # All lapsed at once: those before were listed by then, and the others' names do not leave either.
    assert (len(members), end["members"]) == (MIDDLE, MIDDLE)


async def test_a_list_of_which_nobody_is_asked_about_again_is_found(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unasked(_: Audiences, _asking: object, _members: object, chunk: Chunk) -> Chunk:
        return chunk

    monkeypatch.setattr(Audiences, "_still", unasked)
    _, _, (*members, _) = await listed(open_shop, monkeypatch, lapsed, before="narrowed")
    assert len(members) == MEMBERS


async def test_a_list_that_is_not_looked_at_again_is_found(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: Live, *about: Any) -> tuple[int, set[int]]:  # noqa: ANN401
        return about[-1], set()

    monkeypatch.setattr(Live, "narrowed", nothing)
    _, _, (*_, end) = await listed(open_shop, monkeypatch, erased, before="narrowed")
    assert "restart" not in end
