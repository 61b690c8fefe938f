"""The live projections are a fold over the entries: folded again, they are the same, row for row."""

import random
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import pytest

from assent.app import ring_path
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.identity.resolve import Link, Node, Resolution, resolve
from assent.ingest import component
from assent.ingest.rebuild import rebuild
from assent.ingest.resolved import prove_clusters
from assent.ledger.keyring import load_ring
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench, random_drafts
from tests.support.policy_documents import Documents, changed, shipped
from tests.support.service import SteppedClock, bearer, in_process, subject

TABLES = {"identifier", "link", "cluster", "permit", "statement", "feature_state", "feature_item"}


def documents() -> Documents:
    """The shipped policy, with consents that lapse within the test and one limit that conflicts."""
    return changed(shipped(), "purposes", '[purposes.personalisation]\nvalidity = "P30D"')


async def write(bench: Bench, seed: int, count: int) -> None:
    dice = random.Random(seed)
    drafts = random_drafts(bench, seed, count)
    while drafts:
        size = dice.choice((1, 1, 2, 7))
        together, drafts = drafts[:size], drafts[size:]
        bench.now = type(bench.now)(bench.now + sum(pause for pause, _ in together))
        await bench.commit(*(draft for _, draft in together))


@pytest.mark.parametrize("seed", range(4))
async def test_a_rebuild_equals_the_live_projections(
    fresh_database: TestDatabase, folder: Path, seed: int
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await write(bench, seed, 150)
        await bench.activate(changed(documents(), "purposes", "[purposes.analytics]\nk = 20"))
        await write(bench, seed + 100, 100)
        told: list[tuple[int, int]] = []
        rebuilt = await rebuild(bench.connection, bench.ring, progress=lambda *at: told.append(at))
        assert (rebuilt.faults, rebuilt.differences) == ((), ())
        revision = await bench.connection.fetchval("SELECT revision FROM ledger.head")
        assert rebuilt.entries == revision == told[-1][0] == told[-1][1]
        assert all(rebuilt.rows[table] for table in TABLES), rebuilt.rows


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE permit SET until = until - 1 WHERE identifier_id = (SELECT max(identifier_id) FROM permit)",
        "DELETE FROM feature_item WHERE entry_index = (SELECT max(entry_index) FROM feature_item)",
        "UPDATE link SET last_at = last_at + 1 WHERE low_id = (SELECT min(low_id) FROM link)",
        "INSERT INTO cluster (controller_id, view_id, identifier_id, profile_id) VALUES (1, 1, 1, 1)",
    ],
)
async def test_a_row_that_no_entry_made_is_found(
    fresh_database: TestDatabase, folder: Path, fault: str
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await write(bench, 5, 80)
        assert (await rebuild(bench.connection, bench.ring)).differences == ()
        assert not (await bench.connection.execute(fault)).endswith(" 0")
        assert (await rebuild(bench.connection, bench.ring)).differences


async def test_what_signals_stated_is_rebuilt(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        dice = random.Random(11)
        browsers = [bench.identifier("anonymous_id", f"a{n}") for n in range(3)]
        told = 0
        for pause, draft in random_drafts(bench, 11, 60):
            bench.now = type(bench.now)(bench.now + pause)
            state, signal = dice.choice((("objected", "sec_gpc"), ("given", "segment_consent")))
            one = bench.stated(dice.choice(browsers), "analytics", state, signal=signal)
            # The same once more: nothing new is said, so nothing is stated.
            committed = await bench.commit(one, one, draft)
            assert committed.outcomes[1].index is None
            told += committed.outcomes[0].index is not None
        assert 0 < told < 60
        assert (await rebuild(bench.connection, bench.ring)).differences == ()


_LAST = "SELECT max(m.identifier_id) FROM cluster AS m WHERE m.view_id = 0"

MOVED = (
    f"DELETE FROM cluster WHERE view_id = 0 AND identifier_id = ({_LAST})",
    f"UPDATE cluster SET profile_id = profile_id + 1 WHERE view_id = 0 AND identifier_id = ({_LAST})",
    "INSERT INTO cluster SELECT controller_id, 1, max(identifier_id) + 1, 1 FROM identifier GROUP BY 1",
)


async def test_clusters_that_were_moved_are_not_what_all_links_say(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await write(bench, 5, 80)
        sound = await rebuild(bench.connection, bench.ring)
        assert (sound.faults, sound.differences) == ((), ())
        for fault in MOVED:
            transaction = bench.connection.transaction()
            await transaction.start()
            assert not (await bench.connection.execute(fault)).endswith(" 0")
            (found,) = await prove_clusters(bench.connection, bench.controller_id, bench.policy)
            assert "1 identifiers stand elsewhere than all links say together" in found
            await transaction.rollback()


async def test_a_fold_that_is_wrong_twice_alike_is_found(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf(
        policy: Policy, nodes: Sequence[Node], links: Sequence[Link], _: object, *, now: Instant
    ) -> Resolution:
        return resolve(policy, nodes, links, now=now)

    monkeypatch.setattr(component, "resolve", deaf)  # to denials, live and in the rebuild
    async with open_bench(fresh_database, folder, documents()) as bench:
        one, other, third = (bench.identifier("anonymous_id", name) for name in "abc")
        await bench.commit(bench.link(one, third), bench.link(one, other, denied=True))
        await bench.commit(bench.event("Product Viewed", (one, other)))
        await bench.commit(bench.event("Order Completed", (one, other)))
        found = await rebuild(bench.connection, bench.ring)
        assert found.differences == ()
        assert ["the resolution" in fault for fault in found.faults] == [True]


async def test_a_rebuild_leaves_nothing_behind(fresh_database: TestDatabase, folder: Path) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await rebuild(bench.connection, bench.ring)
        schemas = await bench.connection.fetchval(
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'projection_rebuild'"
        )
        assert schemas == 0


# The log itself.

TAMPERED = [
    pytest.param(
        "UPDATE ledger.payload AS p SET sealed = o.sealed FROM ledger.payload AS o "
        "WHERE (p.entry_index, o.entry_index) IN ((7, 8), (8, 7))",
        [
            "entry 7: the payload is not what the leaf commits to",
            "entry 8: the payload is not what the leaf commits to",
        ],
        id="payloads-swapped",
    ),
    pytest.param(
        "UPDATE ledger.payload SET sealed = '\\x01' WHERE entry_index = 9",
        ["entry 9: the payload is not what the leaf commits to"],
        id="payload-that-does-not-open",
    ),
    pytest.param(
        "DELETE FROM ledger.payload WHERE entry_index = 7",
        ["entry 7: the payload is missing"],
        id="payload-deleted",
    ),
    pytest.param(
        "UPDATE ledger.content AS c SET sealed = p.sealed FROM ledger.payload AS p "
        "WHERE p.entry_index = c.entry_index",
        ["content part 1 is not what the leaf commits to"],
        id="content-changed",
    ),
    pytest.param(
        "UPDATE ledger.entry AS e SET leaf = o.leaf FROM ledger.entry AS o "
        "WHERE (e.entry_index, o.entry_index) IN ((7, 8), (8, 7))",
        ["entry 7: the payload is not", "facts: the leaves do not make the root that the head says"],
        id="leaves-swapped",
    ),
    pytest.param(
        "UPDATE ledger.entry SET leaf = 'assent/entry@2'::bytea || leaf WHERE entry_index = 4",
        ["entry 4: the leaf cannot be read"],
        id="leaf-malformed",
    ),
    pytest.param(
        "DELETE FROM ledger.entry WHERE entry_index = 7", ["entry 7: there is no leaf"], id="leaf-deleted"
    ),
    pytest.param(
        "DELETE FROM ledger.entry WHERE entry_index = (SELECT max(entry_index) FROM ledger.entry)",
        ["facts: the leaves end at"],
        id="newest-leaf-deleted",
    ),
    pytest.param(
        "INSERT INTO ledger.entry SELECT controller_id, max(entry_index) + 1, min(leaf) FROM ledger.entry "
        "GROUP BY controller_id",
        ["the payload is missing", "facts: the leaves do not make the root that the head says"],
        id="leaf-added",
    ),
    pytest.param(
        "DELETE FROM ledger.batch WHERE first_index = (SELECT max(first_index) FROM ledger.batch)",
        ["facts: the commits end at"],
        id="commit-deleted",
    ),
    pytest.param("DELETE FROM ledger.head", ["the head says None"], id="head-deleted"),
]


@pytest.mark.parametrize(("fault", "said"), TAMPERED)
async def test_a_log_that_was_tampered_with_is_found(
    fresh_database: TestDatabase, folder: Path, fault: str, said: list[str]
) -> None:
    async with open_bench(fresh_database, folder, documents()) as bench:
        await write(bench, 5, 60)
        assert (await rebuild(bench.connection, bench.ring)).faults == ()
        assert not (await bench.connection.execute(fault)).endswith(" 0")
        faults = (await rebuild(bench.connection, bench.ring)).faults
        assert all(any(one in fault for fault in faults) for one in said), faults


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "UPDATE ledger.release SET number = number + 1 WHERE leaf_index = 1",
            ["releases, entry 1: the release is not what its leaf says"],
        ),
        (
            "UPDATE ledger.release SET reference = 7 WHERE leaf_index = 1",
            ["releases, entry 1: the release is not what its leaf says"],
        ),
        (
            "UPDATE ledger.release SET at = 9223372036854775807 WHERE leaf_index = 0",
            ["releases, entry 0: the release is not what its leaf says"],
        ),
        (
            "DELETE FROM ledger.release WHERE leaf_index = 1",
            ["releases, entry 1: the release is missing"],
        ),
        (
            "UPDATE ledger.release SET leaf_index = 7 WHERE leaf_index = 1",
            [
                "releases, entry 1: the release is missing",
                "releases, entry 7: there is a release and no leaf",
            ],
        ),
        (
            (
                "UPDATE ledger.release_entry AS e SET leaf = o.leaf FROM ledger.release_entry AS o "
                "WHERE e.entry_index + o.entry_index = 1"
            ),
            [
                "releases, entry 0: the release is not what its leaf says",
                "releases, entry 1: the release is not what its leaf says",
                "releases: the leaves do not make the root that the head says",
            ],
        ),
        (
            "DELETE FROM ledger.release_entry WHERE entry_index = 0",
            [
                "releases, entry 0: there is no leaf",
                "releases: the leaves do not make the root that the head says",
            ],
        ),
    ],
)
async def test_a_release_log_that_was_tampered_with_is_found(
    fresh_database: TestDatabase, folder: Path, fault: str, said: list[str]
) -> None:
    settings = fresh_database.settings(folder)
    async with in_process(settings, SteppedClock()) as running:
        for name in ("ada", "bob", "eve"):
            body = {"purpose": "service", "subjects": [subject(f"user_id:{name}")]}
            key = bearer(running.keys.engines["service"])
            answer = await running.http.post("/v1/decisions", json=body, headers=key)
            assert answer.status_code == 200, answer.text
    ring = load_ring(ring_path(settings))
    connection = await asyncpg.connect(fresh_database.dsn())
    try:
        assert await connection.fetchval("SELECT size FROM ledger.release_head") == 3
        clean = await rebuild(connection, ring)
        assert (clean.faults, clean.differences) == ((), ())
        assert not (await connection.execute(fault)).endswith(" 0")
        found = [one.partition(", ")[2] for one in (await rebuild(connection, ring)).faults]
        assert found == said
    finally:
        await connection.close()
