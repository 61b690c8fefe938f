"""What single facts do to the projections: what a link closes comes back, what a statement takes is gone."""

from pathlib import Path

import pytest

from assent.core.time import DAY, HOUR, Instant
from tests.support.database import TestDatabase
from tests.support.ledger import BEGIN, Bench, open_bench
from tests.support.policy_documents import Documents, changed, shipped


def documents() -> Documents:
    return changed(shipped(), "purposes", '[purposes.personalisation]\nvalidity = "P30D"\nretroactive = []')


async def rows(bench: Bench, table: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in await bench.connection.fetch(f"SELECT * FROM {table}"))


async def visible(bench: Bench, purpose: str) -> dict[int, int]:
    """Return, as the gate shows a purpose now, how many states and items it sees of each profile."""
    number = bench.policy.purpose_ids[purpose]
    async with bench.connection.transaction():
        await bench.connection.execute(
            f"SET LOCAL assent.controller = '{bench.controller_id}';"
            f"SET LOCAL assent.purpose = '{number}'; SET LOCAL assent.now = '{bench.now}'"
        )
        found = await bench.connection.fetch(
            "SELECT profile_id, count(body) AS data FROM gate.released GROUP BY profile_id"
        )
    return {row["profile_id"]: row["data"] for row in found}


async def test_linking_then_unlinking_is_identity(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        person, browser = bench.identifier("user_id", "u1"), bench.identifier("anonymous_id", "a1")
        await bench.commit(bench.stated(person, "personalisation", "given"))
        await bench.commit(bench.stated(browser, "personalisation", "refused"))
        await bench.commit(bench.event("Product Viewed", [person], category="shoes"))
        tables = ("permit", "cluster", "feature_state", "feature_item", "ledger.content")
        before = {table: await rows(bench, table) for table in tables}
        shown = await visible(bench, "personalisation")
        await bench.commit(bench.link(person, browser))
        assert await visible(bench, "personalisation") == {}, "the browser's refusal travels to the person"
        await bench.commit(bench.link(person, browser, denied=True))
        assert {table: await rows(bench, table) for table in tables} == before
        assert await visible(bench, "personalisation") == shown
        assert len(await rows(bench, "former_link")) == 1, (
            "what was is told to questions about the past alone"
        )


async def test_a_withdrawal_deletes_what_only_that_consent_carried(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        browser = bench.identifier("anonymous_id", "a1")
        await bench.commit(bench.stated(browser, "personalisation", "given"))
        await bench.commit(bench.event("Product Viewed", [browser], category="shoes"))
        await bench.commit(bench.stated(browser, "analytics", "given"))
        await bench.commit(bench.event("Product Viewed", [browser], category="hats"))
        await bench.commit(bench.event("Order Completed", [browser], revenue=5))
        await bench.commit(bench.stated(browser, "personalisation", "withdrawn"))
        bits = {name: 1 << number for name, number in bench.policy.purpose_ids.items()}
        left = [row[0] for row in await bench.connection.fetch("SELECT basis FROM ledger.content")]
        assert sorted(left) == sorted([bits["analytics"], bits["analytics"] | bits["service"]])
        for table in ("feature_state", "feature_item"):
            carried = await bench.connection.fetch(f"SELECT basis FROM {table}")
            assert carried
            assert not any(row[0] & bits["personalisation"] for row in carried)


async def test_the_world_begins_again_at_the_next_consent(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        browser = bench.identifier("anonymous_id", "a1")
        await bench.commit(bench.stated(browser, "personalisation", "given"))
        await bench.commit(bench.event("Product Viewed", [browser], category="shoes"))
        await bench.commit(bench.stated(browser, "personalisation", "withdrawn"))
        await bench.commit(bench.stated(browser, "personalisation", "given"))
        assert sum((await visible(bench, "personalisation")).values()) == 0


@pytest.mark.parametrize("touch", ["nothing", "event", "link"])
async def test_a_lapsed_consent_takes_its_data_along_before_the_next(
    fresh_database: TestDatabase, folder: Path, touch: str
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        browser, other = bench.identifier("anonymous_id", "a1"), bench.identifier("anonymous_id", "a2")
        await bench.commit(bench.stated(browser, "personalisation", "given"))
        await bench.commit(bench.event("Product Viewed", [browser], category="shoes"))
        assert sum((await visible(bench, "personalisation")).values()) > 0
        bench.now = Instant(BEGIN + 31 * DAY)
        assert await visible(bench, "personalisation") == {}
        if touch == "event":
            await bench.commit(bench.event("Order Completed", [browser], revenue=5))
        if touch == "link":
            await bench.commit(bench.link(browser, other))
            bit = 1 << bench.policy.purpose_ids["personalisation"]
            for table in ("feature_state", "ledger.content"):
                assert not [
                    row for row in await bench.connection.fetch(f"SELECT basis FROM {table}") if row[0] & bit
                ]
        await bench.commit(bench.stated(browser, "personalisation", "given"))
        assert sum((await visible(bench, "personalisation")).values()) == 0


async def test_an_event_from_before_the_consent_is_not_collected_for_it(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        browser = bench.identifier("anonymous_id", "a1")
        bench.now = Instant(BEGIN + DAY)
        await bench.commit(bench.stated(browser, "personalisation", "given"))
        committed = await bench.commit(
            bench.event("Product Viewed", [browser], at=Instant(bench.now - HOUR), category="shoes")
        )
        assert [outcome.index for outcome in committed.outcomes] == [None]
        assert await bench.connection.fetchval("SELECT code FROM ledger.refusal") == "not_permitted"


async def test_any_identifier_on_the_event_that_denies_closes_it(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        person, browser = bench.identifier("user_id", "u1"), bench.identifier("anonymous_id", "a1")
        await bench.commit(bench.stated(person, "personalisation", "given"))
        await bench.commit(bench.stated(browser, "personalisation", "refused"))
        await bench.commit(bench.event("Product Viewed", [person, browser], category="shoes"))
        assert await rows(bench, "ledger.content") == []
        assert await rows(bench, "link") == [], "what is not collected proves nothing"


async def test_who_denies_closes_the_event_also_where_no_link_carries_the_denial(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        person, browser = bench.identifier("user_id", "u1"), bench.identifier("anonymous_id", "a1")
        await bench.commit(bench.link(person, browser, denied=True))
        await bench.commit(bench.stated(person, "personalisation", "given"))
        await bench.commit(bench.stated(browser, "personalisation", "refused"))
        assert await visible(bench, "personalisation"), "they are not one person"
        await bench.commit(bench.event("Product Viewed", [person, browser], category="shoes"))
        assert await rows(bench, "ledger.content") == []


@pytest.mark.parametrize("about", ["personalisation", "*"])
async def test_what_a_person_withdrew_stays_withdrawn_when_a_device_is_parted_from_them(
    fresh_database: TestDatabase, folder: Path, about: str
) -> None:
    """Somebody else who signs in on the browser makes it nobody's: what it gave once must not speak again."""
    async with open_bench(fresh_database, folder, shipped()) as bench:
        person, other = bench.identifier("user_id", "u1"), bench.identifier("user_id", "u2")
        browser = bench.identifier("anonymous_id", "a1")
        await bench.commit(bench.stated(browser, "personalisation", "given"))
        await bench.commit(bench.event("Order Completed", [browser], revenue=7))
        await bench.commit(bench.event("Order Completed", [person, browser], revenue=1))
        await bench.commit(bench.stated(person, "personalisation", "given"))
        assert await visible(bench, "personalisation")
        await bench.commit(bench.stated(person, about, "withdrawn", by_person=True))
        assert await visible(bench, "personalisation") == {}
        await bench.commit(bench.event("Order Completed", [other, browser], revenue=1))
        assert await visible(bench, "personalisation") == {}


async def test_withdrawing_from_everything_reaches_a_purpose_that_is_not_declared_now(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        person = bench.identifier("user_id", "u1")
        await bench.commit(bench.stated(person, "personalisation", "given"))
        await bench.commit(bench.event("Product Viewed", [person], category="shoes"))
        await bench.activate(changed(documents(), "purposes", "-purposes.personalisation"))
        await bench.commit(bench.stated(person, "*", "withdrawn", by_person=True))
        await bench.activate(documents())
        assert await visible(bench, "personalisation") == {}
        await bench.commit(bench.stated(person, "personalisation", "given"))
        assert sum((await visible(bench, "personalisation")).values()) == 0, "and begins anew"


async def test_a_sequence_counts_only_what_its_purpose_sees(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        browser = bench.identifier("anonymous_id", "a1")
        heads = dict(await rows_of_heads(bench))
        await bench.commit(bench.stated(browser, "analytics", "given"))
        await bench.commit(bench.event("Product Viewed", [browser], category="shoes"))
        after = dict(await rows_of_heads(bench))
        moved = {number for number in after if after[number] != heads.get(number)}
        named = {name for name, number in bench.policy.purpose_ids.items() if number in moved}
        assert named == {"analytics"}, "for a contract nobody exists by another purpose's data"


async def rows_of_heads(bench: Bench) -> list[tuple[int, int]]:
    found = await bench.connection.fetch("SELECT purpose_id, seq FROM ledger.purpose_head")
    return [(row["purpose_id"], row["seq"]) for row in found]
