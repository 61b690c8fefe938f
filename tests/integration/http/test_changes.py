"""The stored change feed: who entered and left, told once, in order, and nobody who may not be used now."""

import asyncio

import httpx
import pytest

from assent.audiences import following
from assent.audiences.engine import Population
from assent.audiences.feed import replayed
from assent.audiences.lease import LEASE, Feed, Feeds, LeaseLost
from assent.core.errors import Unavailable
from assent.core.ids import ControllerId
from assent.core.time import DAY
from assent.http import changes
from tests.integration.http.shop import Json, Shop, refused, subject
from tests.integration.http.test_audiences import BUYERS, PURPOSE, asked, lines, people

pytestmark = pytest.mark.asyncio(loop_scope="session")


FOLLOW_ALL = following.Following.follow_all


@pytest.fixture(autouse=True)
def only_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeds move when they are read, so that what is told when is the test's to say."""
    monkeypatch.setattr(following.Following, "follow_all", lambda _: asyncio.sleep(0))


async def read(shop: Shop, after: int = 0, *, audience: str = "buyers", **more: Json) -> Json:
    found = await ask(shop, after, audience=audience, **more)
    assert found.status_code == 200, found.text
    return found.json()


async def ask(
    shop: Shop, after: int = 0, *, audience: str = "buyers", by: str = f"engine:{PURPOSE}", **more: Json
) -> httpx.Response:
    params = {"purpose": PURPOSE, "after": after, **more}
    return await shop.ask("GET", f"/v1/audiences/{audience}/changes", by=by, params=params)


def told(page: Json) -> list[tuple[int, str]]:
    return [(one["seq"], one["kind"]) for one in page["changes"]]


def members_of(page: Json) -> set[str]:
    return replayed((one["subject"], one["kind"]) for one in page["changes"])


async def members(shop: Shop) -> set[str]:
    *found, _ = lines(await asked(shop, "buyers/members"))
    return {one["subject"] for one in found}


async def test_a_feed_begins_with_the_members_and_goes_on_from_there(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(2))
    first = await read(shop)
    assert told(first) == [(1, "entered"), (2, "entered")]
    assert members_of(first) == await members(shop)
    assert first["next"] == 2
    assert await read(shop, 2) == {"changes": [], "next": 2}
    await people(shop, range(2, 3))
    assert told(await read(shop, 2)) == [(3, "entered")]
    assert members_of(await read(shop)) == await members(shop)
    assert told(await read(shop, limit=2)) == [(1, "entered"), (2, "entered")]


async def test_who_withdraws_is_stopped_for_whom_they_were_given_to_and_nobody_else(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(2))
    first = await read(shop)
    await people(shop, range(2, 3))
    other = {"role": "engine", "purposes": [PURPOSE], "members": True, "consumer": "another"}
    shop_key = (await shop.post("/v1/keys", other))["key"]
    unread = await read(shop, by=shop_key, limit=1)
    assert told(unread) == [(1, "entered")]
    await shop.state("user_id:buyer-0", PURPOSE, "withdrawn")
    await shop.state("user_id:buyer-2", PURPOSE, "withdrawn")
    page = await read(shop, first["next"])
    # The third was never given to this consumer: nothing says that they were ever there.
    assert [one["kind"] for one in page["changes"]] == ["stop"]
    gone = page["changes"][0]["subject"]
    assert gone in members_of(first)
    again = await read(shop)
    assert [one["kind"] for one in again["changes"]] == ["entered", "stop"]
    assert members_of(again) == await members(shop)
    elsewhere = await read(shop, by=shop_key)
    assert [one["kind"] for one in elsewhere["changes"]].count("entered") == 1
    assert not {one["subject"] for one in elsewhere["changes"]} & {
        one["subject"] for one in (*first["changes"], *again["changes"])
    }


async def test_who_left_and_then_withdraws_is_stopped_too(shop: Shop) -> None:
    await shop.save("new", {"op": "eq", "feature": "order_count", "value": 1}, PURPOSE)
    await people(shop, range(1))
    assert told(await read(shop, audience="new")) == [(1, "entered")]
    await shop.bought("user_id:buyer-0", 1)
    assert told(await read(shop, 1, audience="new")) == [(2, "left")]
    await shop.state("user_id:buyer-0", PURPOSE, "withdrawn")
    assert told(await read(shop, 2, audience="new")) == [(3, "stop")]
    assert told(await read(shop, audience="new")) == [(3, "stop")]


async def test_who_is_erased_and_back_between_two_reads_is_stopped_and_holds_up_nobody(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(3))
    first = await read(shop)
    await shop.post("/v1/audit/erase", {"subject": subject("user_id:buyer-0")}, by="dpo", status=200)
    await people(shop, range(1))
    page = await read(shop, first["next"])
    assert told(page) == [(4, "stop"), (5, "entered")]
    assert len({one["subject"] for one in page["changes"]}) == 1
    assert members_of(await read(shop)) == members_of(first) == await members(shop)


async def test_who_is_back_as_a_profile_older_than_the_erased_one_enters_though_asked_about_apart(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PAGE", 1)
    await shop.save("buyers", BUYERS, PURPOSE)
    await shop.given("anonymous_id:old", "service")
    await people(shop, range(2))
    first = await read(shop)
    await shop.post("/v1/audit/erase", {"subject": subject("user_id:buyer-0")}, by="dpo", status=200)
    await people(shop, range(1))
    await shop.given("anonymous_id:old", PURPOSE)
    await shop.track("identify", userId="buyer-0", anonymousId="old")
    page = await read(shop, first["next"])
    assert told(page) == [(3, "stop"), (4, "entered")]
    assert members_of(await read(shop)) == members_of(first) == await members(shop)


async def test_two_who_become_one_are_told_as_merged(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await shop.given("anonymous_id:browser", PURPOSE)
    await shop.bought("anonymous_id:browser", 5)
    await people(shop, range(1))
    first = await read(shop)
    assert len(first["changes"]) == 2
    await shop.track("identify", userId="buyer-0", anonymousId="browser")
    page = await read(shop, first["next"])
    assert [one["kind"] for one in page["changes"]] == ["merged"]
    assert {page["changes"][0]["subject"], page["changes"][0]["into"]} == members_of(first)
    assert members_of(await read(shop)) == await members(shop)
    assert len(await members(shop)) == 1
    # Taken apart again, the one that had become another enters again, and nothing tells of the link.
    await shop.state("user_id:buyer-0", "identity_linking", "withdrawn")
    again = await read(shop)
    assert members_of(again) == await members(shop) == members_of(first)
    assert "merged" not in {one["kind"] for one in again["changes"]}


async def test_who_waits_for_news_is_answered_at_once_when_the_service_is_asked_to_end(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await read(shop)
    waiting = asyncio.create_task(read(shop, wait=30))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    shop.service.stopping.set()
    try:
        assert await asyncio.wait_for(waiting, 5) == {"changes": [], "next": 0}
    finally:
        shop.service.stopping.clear()  # others share the service


async def test_waiting_for_news_is_no_answer_until_there_is_some(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_LOOK_EVERY_S", 0.05)
    await shop.save("buyers", BUYERS, PURPOSE)
    await read(shop)
    waiting = asyncio.create_task(read(shop, wait=10))
    await asyncio.sleep(0.3)
    await people(shop, range(1))
    await FOLLOW_ALL(shop.service.following)
    assert told(await waiting) == [(1, "entered")]
    page = await shop.post("/v1/audit/releases", {}, by="dpo", status=200)
    assert sorted(one["number"] for one in page["releases"]) == [0, 0, 1]


async def test_time_alone_closes(shop: Shop) -> None:
    await shop.save("recent", {"op": "ge", "feature": "orders_30d", "value": 1}, PURPOSE)
    await people(shop, range(1))
    assert told(await read(shop, audience="recent")) == [(1, "entered")]
    shop.clock.step(31 * DAY)
    assert told(await read(shop, 1, audience="recent")) == [(2, "left")]
    shop.clock.step(340 * DAY)
    assert told(await read(shop, 2, audience="recent")) == [(3, "stop")]


async def test_whoever_moves_is_told_without_asking_everybody_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    recent = {"op": "ge", "feature": "orders_30d", "value": 1}
    await shop.save("buyers", BUYERS, PURPOSE)
    await shop.save("recent", recent, PURPOSE)
    await people(shop, range(2))
    first = {name: await read(shop, audience=name) for name in ("buyers", "recent")}
    sound = Population.members
    monkeypatch.setattr(Population, "members", None)
    # One comes, one changes nothing that matters, one withdraws; then time alone takes those who are left.
    await people(shop, range(2, 3))
    await shop.bought("user_id:buyer-1", 1)
    await shop.state("user_id:buyer-0", PURPOSE, "withdrawn")
    pages = {name: await read(shop, page["next"], audience=name) for name, page in first.items()}
    assert {name: [kind for _, kind in told(page)] for name, page in pages.items()} == {
        "buyers": ["stop", "entered"],
        "recent": ["stop", "entered"],
    }
    shop.clock.step(31 * DAY)
    assert told(await read(shop, pages["buyers"]["next"])) == []
    left = await read(shop, pages["recent"]["next"], audience="recent")
    assert [kind for _, kind in told(left)] == ["left", "left"]
    # A rule that is saved anew is asked of everybody.
    await shop.save("recent", {"op": "ge", "feature": "orders_30d", "value": 0}, PURPOSE)
    assert (await ask(shop, left["next"], audience="recent")).status_code == 500
    monkeypatch.setattr(Population, "members", sound)
    again = await read(shop, left["next"], audience="recent")
    assert [kind for _, kind in told(again)] == ["entered", "entered"]


async def test_a_read_is_a_release_and_needs_the_members_right(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(1))
    await read(shop)
    page = await shop.post("/v1/audit/releases", {}, by="dpo", status=200)
    assert [(one["kind"], one["number"]) for one in page["releases"]] == [("changes", 1)]
    refused(await ask(shop, by=f"counting:{PURPOSE}"), 403, "forbidden")
    refused(await ask(shop, audience="unheard_of"), 404, "unknown_audience")
    refused(await ask(shop, purpose="service"), 403, "purpose_not_bound")
    refused(await ask(shop, 7), 409, "revision_ahead")
    refused(await ask(shop, limit="many"), 400, "unreadable_body")
    refused(await ask(shop, limit=0), 400, "unreadable_body")


async def test_a_deleted_audience_leaves_nobody_in_it(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(1))
    assert told(await read(shop)) == [(1, "entered")]
    await shop.ask("DELETE", "/v1/audiences/buyers")
    refused(await ask(shop), 404, "unknown_audience")


async def test_one_worker_writes_a_feed_and_another_goes_on_where_a_killed_one_stopped(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await people(shop, range(1))
    first = await read(shop)
    pool, clock = shop.service.database.writer, shop.service.clock
    (feed,) = [
        one for one in await Feeds(pool, clock, "-").every() if one.controller_id == shop.controller_id
    ]
    another, third = Feeds(pool, clock, "another"), Feeds(pool, clock, "third")
    with pytest.raises(LeaseLost):
        await another.take(feed)
    shop.clock.step(LEASE)
    commits = await another.take(feed)
    with pytest.raises(LeaseLost):
        await third.take(feed)
    # Held by a worker that says nothing more, the feed is read as it stands, as long as nothing is narrower.
    assert await read(shop) == first
    await shop.state("user_id:buyer-0", PURPOSE, "withdrawn")
    refused(await ask(shop), 503, "unavailable")
    shop.clock.step(LEASE)
    assert told(await read(shop)) == [(2, "stop")]
    # Who wakes up late writes nothing, and neither does who holds it but does not know its newest commit.
    with pytest.raises(LeaseLost):
        await another.write(feed, commits, [], 1 << 40, clock())
    shop.clock.step(LEASE)
    assert await another.take(feed) > commits
    with pytest.raises(LeaseLost):
        await another.write(feed, commits, [], 1 << 40, clock())
    await another.give_back()
    assert told(await read(shop)) == [(2, "stop")]


async def test_a_load_that_failed_is_told_to_whoever_asks_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = shop.service.following._live
    lost = asyncio.Event()

    async def load(*_: object) -> None:
        if lost.is_set():
            await asyncio.sleep(3600)  # the next one goes well, and takes long
        await lost.wait()
        raise ConnectionResetError

    monkeypatch.setattr(live, "_load", load)
    with pytest.raises(Unavailable):
        async with live.current(ControllerId(shop.controller_id), PURPOSE, [], patient=False):
            pass
    lost.set()
    await asyncio.sleep(0.01)
    with pytest.raises(ConnectionResetError):
        async with live.current(ControllerId(shop.controller_id), PURPOSE, [], patient=False):
            pass


async def test_a_fault_of_one_feed_holds_up_no_other(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("buyers", "others"):
        await shop.save(name, BUYERS, PURPOSE)
        await read(shop, audience=name)
    await people(shop, range(1))
    feeds, advance = shop.service.following, following.Following._advance

    async def faulty(self: following.Following, feed: Feed, *, patient: bool = True) -> None:
        if feed.audience == "buyers":
            raise LookupError
        await advance(self, feed, patient=patient)

    monkeypatch.setattr(following.Following, "_advance", faulty)
    await FOLLOW_ALL(feeds)
    mine = [one for one in await feeds._feeds.every() if one.controller_id == shop.controller_id]
    assert {one.audience: one.position == one.head for one in mine} == {"buyers": False, "others": True}


async def test_a_feed_knows_people_by_the_names_that_a_list_gives_its_consumer(shop: Shop) -> None:
    for early in ("anonymous_id:browser", "user_id:buyer-2"):
        await shop.given(early, "service")
    await shop.given("anonymous_id:first", PURPOSE)
    await people(shop, range(4))
    await shop.given("anonymous_id:browser", PURPOSE)
    names = [(await shop.decision(PURPOSE, f"user_id:buyer-{n}"))["subject"] for n in range(4)]
    listed = {"op": "ids", "values": [names[1], names[3]]}
    await shop.save("buyers", {"op": "and", "of": [BUYERS, {"op": "not", "of": listed}]}, PURPOSE)
    await shop.save("listed", listed, PURPOSE)
    assert members_of(await read(shop)) == await members(shop) == {names[0], names[2]}
    assert members_of(await read(shop, audience="listed")) == {names[1], names[3]}
    await people(shop, range(1, 6))
    assert members_of(await read(shop)) == await members(shop)
    assert members_of(await read(shop, audience="listed")) == {names[1], names[3]}
    # Another consumer knows the same people by other names: to it the list names nobody.
    other = {"role": "engine", "purposes": [PURPOSE], "members": True, "consumer": "another"}
    key = (await shop.post("/v1/keys", other))["key"]
    assert (await read(shop, audience="listed", by=key))["changes"] == []
    assert len(members_of(await read(shop, by=key))) == 6
    await shop.state("user_id:buyer-1", PURPOSE, "withdrawn")
    assert members_of(await read(shop, audience="listed")) == {names[3]}
    # One of them is another profile from now on, as the older identifier's, and has the name still.
    await shop.track("identify", userId="buyer-3", anonymousId="browser")
    assert members_of(await read(shop, audience="listed")) == {names[3]}
    assert members_of(await read(shop)) == await members(shop)
    assert (await shop.decision(PURPOSE, "anonymous_id:browser"))["subject"] == names[3]
    await shop.save("listed", {"op": "ids", "values": names[2:3]}, PURPOSE)
    assert members_of(await read(shop, audience="listed")) == {names[2]}
    # Whom the purpose could use before under another identifier goes by that one's name.
    await shop.track("identify", userId="buyer-2", anonymousId="first")
    assert (await shop.decision(PURPOSE, "user_id:buyer-2"))["subject"] != names[2]
    assert members_of(await read(shop, audience="listed")) == set()
