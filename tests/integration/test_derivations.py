"""What rules ask of events is kept from then on, read again from before, and dropped when nobody asks."""

import random
from pathlib import Path

import pytest

from assent.audiences.derive import needed
from assent.audiences.rule import parse
from assent.core import derived
from assent.core.errors import FactRejected
from assent.core.ids import EntryIndex, FeatureId
from assent.core.time import DAY, HOUR, SECOND
from assent.ingest import derivations
from assent.ingest.derivations import backfill_chunk
from assent.ingest.facts import DerivationBody, Draft
from assent.ingest.rebuild import rebuild
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench
from tests.support.policy_documents import shipped

VIEWED = {"op": "did", "event": "Product Viewed", "compare": ">=", "count": 1}
RULES = [
    VIEWED,
    {**VIEWED, "last": "P30D", "where": {"op": "eq", "feature": "category", "value": "shoes"}},
    {"op": "seq", "steps": [VIEWED, {**VIEWED, "event": "Product Added"}], "gap": "P1D", "last": "P60D"},
    {"op": "any_item", "feature": "cart", "where": {"op": "known", "feature": "sku"}, "for": "PT1H"},
    {"op": "held", "feature": "plan", "value": "free", "compare": ">=", "duration": "P7D"},
]


async def ask(bench: Bench) -> None:
    """Ask for what the rules need, in an entry, and read what came before, three contents at a time."""
    names: set[str] = set()
    for rule in RULES:
        names |= needed(parse(rule), bench.policy).keys()
    asked = await bench.commit(Draft(body=DerivationBody(definitions=tuple(sorted(names))), role="admin"))
    entry = EntryIndex(asked.revision - 1)
    for _ in range(1_000):
        async with bench.connection.transaction():
            if await backfill_chunk(bench.connection, bench.ring, bench.controller_id, entry):
                return
    pytest.fail("reading what came before never ends")


async def write(bench: Bench, seed: int, count: int) -> None:
    """Let eight browsers agree, look around, link to accounts, and sometimes take it back."""
    dice = random.Random(seed)
    browsers = [bench.identifier("anonymous_id", f"a{number}") for number in range(8)]
    accounts = [bench.identifier("user_id", f"u{number}") for number in range(4)]
    await bench.commit(*(bench.stated(one, "personalisation", "given") for one in (*browsers, *accounts)))
    for _ in range(count):
        bench.now = type(bench.now)(bench.now + dice.choice((SECOND, HOUR, DAY)))
        one = dice.randrange(8)
        seen = [browsers[one]] if dice.random() < 0.8 else [accounts[one % 4], browsers[one]]
        if dice.random() < 0.1:
            state = dice.choice(("withdrawn", "given"))
            await bench.commit(bench.stated(browsers[one], "personalisation", state))
            continue
        name = dice.choice(("Product Viewed", "Product Viewed", "Product Added", "Product Removed"))
        category, product = dice.choice(("shoes", "hats")), dice.choice("xyz")
        await bench.commit(bench.event(name, seen, category=category, product_id=product))


async def derived_items(bench: Bench) -> list[tuple[object, ...]]:
    rows = await bench.connection.fetch(
        "SELECT identifier_id, feature_id, entry_index, category_id, basis, at, value "
        "FROM projection.feature_item WHERE feature_id >= 16384 ORDER BY 1, 2, 3, 7"
    )
    return [tuple(row) for row in rows]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derivations, "_PAGE", 3)


@pytest.mark.usefixtures("small_pages")
async def test_what_came_before_is_kept_as_if_it_had_been_asked_for_from_the_beginning(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, shipped()) as bench:
        await write(bench, 3, 120)
        await ask(bench)
        await write(bench, 4, 60)
        assert len(await derived_items(bench)) > 20
        rebuilt = await rebuild(bench.connection, bench.ring)
        assert (rebuilt.faults, rebuilt.differences) == ((), ())


async def test_contents_that_are_passed_over_are_found(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The canary: a reading that begins in the middle.
    async with open_bench(fresh_database, folder, shipped()) as bench:
        await write(bench, 3, 120)
        half = await bench.connection.fetchval("SELECT max(identifier_id) / 2 FROM projection.identifier")
        begun = derivations._SQL.begin_backfill.replace("-1,\n    -1", f"{half},\n    -1", 1)
        assert begun != derivations._SQL.begin_backfill
        monkeypatch.setattr("assent.ingest.batch._DERIVATIONS", _with(begin_backfill=begun))
        await ask(bench)
        assert (await rebuild(bench.connection, bench.ring)).differences


def _with(**replaced: str) -> object:
    class Statements:
        def __getattr__(self, name: str) -> str:
            return replaced.get(name) or getattr(derivations._SQL, name)

    return Statements()


async def test_what_is_dropped_leaves_nothing_and_comes_back_whole(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, shipped()) as bench:
        await write(bench, 3, 120)
        await ask(bench)
        before = await derived_items(bench)
        rows = await bench.connection.fetch("SELECT definition FROM projection.derived_feature")
        names = tuple(name for (name,) in rows)
        await bench.commit(Draft(body=DerivationBody(dropped=names), role="admin"))
        assert await derived_items(bench) == []
        await ask(bench)
        after = await derived_items(bench)
        assert [(row[0], *row[2:]) for row in after] == [(row[0], *row[2:]) for row in before]
        assert not {row[1] for row in after} & {row[1] for row in before}, "no number is given twice"
        assert (await rebuild(bench.connection, bench.ring)).differences == ()


async def test_when_every_number_was_given_those_of_dropped_features_are_given_again(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_bench(fresh_database, folder, shipped()) as bench:
        await write(bench, 3, 60)
        await ask(bench)
        rows = await bench.connection.fetch(
            "SELECT feature_id, definition FROM projection.derived_feature ORDER BY feature_id"
        )
        (least, dropped), (other, too), *_ = map(tuple, rows)
        monkeypatch.setattr(derived, "LAST", FeatureId(rows[-1][0]))
        anew = needed(parse({**VIEWED, "last": "P3D"}), bench.policy).keys()
        full = await bench.commit(Draft(body=DerivationBody(definitions=tuple(anew)), role="admin"))
        assert full.outcomes[0].code == FactRejected.code
        await bench.commit(Draft(body=DerivationBody(dropped=(dropped, too)), role="admin"))
        await bench.commit(Draft(body=DerivationBody(definitions=tuple(anew)), role="admin"))
        rows = await bench.connection.fetch("SELECT feature_id, definition FROM projection.derived_feature")
        given = dict(map(tuple, rows))
        assert (given[least], given[other]) == (*anew, "")
        assert (await rebuild(bench.connection, bench.ring)).differences == ()
