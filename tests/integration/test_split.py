"""Merging and then splitting gives back what was: profiles, permits and every value, row for row."""

from pathlib import Path

import pytest

from assent.core.policy import LinkKind
from assent.core.time import FOREVER
from assent.ingest import joining
from assent.ingest.facts import Draft, Identifier, LinkBody, UnlinkBody
from tests.integration.test_rebuild import documents
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench

TABLES = ("cluster", "permit", "feature_state", "feature_item", "statement", "link", "denied_link")

Rows = dict[str, list[tuple[object, ...]]]


async def rows(bench: Bench) -> Rows:
    """Return every row that says what a purpose may see of whom."""
    found = {table: await bench.connection.fetch(f"SELECT * FROM {table}") for table in TABLES}
    return {table: sorted(map(tuple, each), key=repr) for table, each in found.items()}


async def lives(bench: Bench) -> list[Identifier]:
    """Let a person and a browser each agree to something, buy and look around."""
    ada, browser = bench.identifier("user_id", "ada"), bench.identifier("anonymous_id", "a1")
    await bench.commit(bench.stated(ada, "personalisation", "given", by_person=True))
    await bench.commit(bench.stated(browser, "analytics", "given"))
    await bench.commit(bench.event("Order Completed", [ada], revenue=7))
    await bench.commit(bench.event("Product Viewed", [browser], category="velvet"))
    await bench.commit(bench.event("Order Completed", [browser], revenue=11))
    return [ada, browser]


async def merge_and_split(bench: Bench) -> tuple[Rows, Rows, Rows]:
    pair = tuple(await lives(bench))
    before = await rows(bench)
    said = LinkBody(identifiers=pair, link=LinkKind.ASSERTED, at=FOREVER)
    await bench.commit(Draft(body=said, role="dpo"))
    merged = await rows(bench)
    await bench.commit(Draft(body=UnlinkBody(identifiers=pair), role="dpo"))
    return before, merged, await rows(bench)


async def test_merging_and_then_splitting_restores_every_value(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        before, merged, after = await merge_and_split(bench)
        assert merged["cluster"] != before["cluster"]
        assert after == before


async def test_a_split_that_leaves_the_link_is_found(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining.Joined, "retract", lambda *_: None)
    async with open_bench(fresh_database, folder, documents()) as bench:
        before, _, after = await merge_and_split(bench)
        assert after != before
