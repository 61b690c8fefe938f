"""Which sources prove a link is kept, folded again, and goes with it; what it was is kept for then."""

from pathlib import Path

import pytest
from msgspec import structs

from assent.core.ids import IdentifierId
from assent.core.time import HOUR, Instant
from assent.identity.proofs import number_of, parts
from assent.identity.resolve import Link
from assent.identity.store import former_around, links_among
from assent.ingest import erasure_reading
from assent.ingest.facts import Body, Draft, Identifier, RestBody, UnlinkBody
from assent.ingest.rebuild import rebuild
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench
from tests.support.policy_documents import shipped

TILL, WEB = "till", "web"


def seen(bench: Bench, source: str, *who: Identifier) -> Draft:
    event = bench.event("Order Completed", who, revenue=1)
    return Draft(body=event.body, role=event.role, source=source, contents=event.contents)


def unproven(one: Identifier, other: Identifier, *sources: str) -> Draft:
    return Draft(body=UnlinkBody(identifiers=(one, other), sources=sources), role="dpo")


def three(bench: Bench) -> tuple[Identifier, Identifier, Identifier]:
    names = (("user_id", "ada"), ("device_id", "d1"), ("anonymous_id", "a1"))
    one, other, third = (bench.identifier(space, value) for space, value in names)
    return one, other, third


async def links(bench: Bench) -> list[Link]:
    everybody = [
        IdentifierId(row["identifier_id"])
        for row in await bench.connection.fetch("SELECT identifier_id FROM identifier")
    ]
    return await links_among(bench.connection, bench.controller_id, everybody)


async def is_rebuilt(bench: Bench) -> bool:
    rebuilt = await rebuild(bench.connection, bench.ring)
    return (rebuilt.faults, rebuilt.differences) == ((), ())


async def test_a_link_is_of_what_is_left_and_was_of_more(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, shipped()) as bench:
        ada, _, browser = three(bench)
        begun = bench.now
        for source in (TILL, WEB):
            bench.now = Instant(bench.now + HOUR)
            await bench.commit(seen(bench, source, ada, browser))
        (before,) = await links(bench)
        assert {part.sources for part in parts(before)} == {number_of(TILL), number_of(WEB)}
        bench.now = Instant(bench.now + HOUR)
        await bench.commit(unproven(ada, browser, TILL))
        (after,) = await links(bench)
        assert (after.sources, after.first_at) == (number_of(WEB), before.last_at)
        (former,) = await former_around(bench.connection, bench.controller_id, [before.low], bench.now, begun)
        assert (former.link.first_at, former.until) == (before.first_at, bench.now)
        assert await is_rebuilt(bench)
        assert (await bench.commit(unproven(ada, browser, TILL))).tree is None


async def erased_and_retracted(bench: Bench) -> bool:
    """Erase one of three whom a till saw together, then take back what it proved; whether that rebuilds."""
    ada, device, browser = three(bench)
    await bench.commit(seen(bench, TILL, ada, device, browser))
    await bench.commit(seen(bench, WEB, device, browser))
    await bench.erase(ada, alone=True)
    (left,) = await links(bench)
    assert {part.sources for part in parts(left)} == {number_of(TILL), number_of(WEB)}
    before = await is_rebuilt(bench)
    await bench.commit(unproven(device, browser, TILL))
    (left,) = await links(bench)
    assert left.sources == number_of(WEB)
    await bench.commit(unproven(device, browser, WEB))
    assert await links(bench) == []
    return before and await is_rebuilt(bench)


async def test_who_stays_beside_somebody_erased_is_proved_by_the_same_sources(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, shipped()) as bench:
        assert await erased_and_retracted(bench)


async def test_a_rest_that_forgets_whose_evidence_it_was_is_found(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = erasure_reading.rest_of

    def rest_of(body: Body, erased: frozenset[Identifier]) -> RestBody | None:
        left = sound(body, erased)
        return left and structs.replace(left, source="")

    monkeypatch.setattr(erasure_reading, "rest_of", rest_of)
    async with open_bench(fresh_database, folder, shipped()) as bench:
        assert not await erased_and_retracted(bench)
