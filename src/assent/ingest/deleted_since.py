"""What a question about the past can no longer be told: of which categories something was deleted since.

A purpose's data goes with its consent and with time, so what is left of a person does not say what there was.
Three signs tell: the permit of then did not go on to now, an entry commits to more than is kept of
it, or what is kept was carried by other purposes alone. It errs towards `lost`. Never for an engine.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from assent.core.ids import (
    CategoryId,
    ControllerId,
    EntryIndex,
    IdentifierId,
    PurposeMask,
    members,
)
from assent.core.policy import Policy, Purpose
from assent.core.time import FOREVER, Instant, kept_since
from assent.database.statements import load
from assent.database.types import Connection
from assent.features.accumulate import Content
from assent.identity.store import known_by_id, known_since
from assent.ingest.component import Derived, union
from assent.ingest.facts import EventBody, open_body
from assent.ingest.gains import Span
from assent.ingest.loading import load_components
from assent.ledger.entries import Entry
from assent.ledger.keyring import KeyRing

_SQL = load("moments")

Told = tuple[IdentifierId, PurposeMask, Content]


class Ledger(Struct, frozen=True, kw_only=True):
    """A snapshot of a controller's ledger: how many entries, when it is, and the policy in force now."""

    connection: Connection
    ring: KeyRing
    controller_id: ControllerId
    revision: int
    now: Instant
    policy: Policy


async def known_entries(ledger: Ledger, at: Instant) -> EntryIndex:
    """Return how many entries there were at an instant. Commits are in order of time: found by halving."""
    if at >= ledger.now:
        return EntryIndex(ledger.revision)
    low, high = 0, ledger.revision
    while low < high:
        middle = EntryIndex((low + high) // 2)
        committed = await known_since(ledger.connection, ledger.controller_id, {middle})
        if committed[middle] <= at:
            low = middle + 1
        else:
            high = middle
    return EntryIndex(low)


async def lost_since(
    ledger: Ledger,
    policy: Policy,
    purpose: Purpose,
    spans: Mapping[IdentifierId, Sequence[Span]],
    contents: Sequence[Told],
    at: Instant,
    end: EntryIndex,
) -> frozenset[CategoryId]:
    """Return the categories of which something that the purpose could see at `at` may be gone."""
    if at >= ledger.now:
        return frozenset()
    today = await _today(ledger, spans)
    missing = await _missing(ledger, list(spans), at, end)
    lost = set()
    for one, held in spans.items():
        gone = missing.get(one, ())
        for category, since in _open(held, at):
            if not _went_on(today, one, purpose, category, since, ledger.now):
                if gone or _carried_no_more(purpose, one, category, contents):
                    lost.add(category)
            elif _timed_out(policy, category, gone, at, ledger.now):
                lost.add(category)
    return frozenset(lost)


async def _today(ledger: Ledger, spans: Mapping[IdentifierId, Sequence[Span]]) -> Derived:
    of = ledger.connection, ledger.controller_id
    loaded = await load_components(*of, ledger.policy, await known_by_id(*of, spans), evidence=False)
    return union(loaded.derived)


def _open(held: Sequence[Span], at: Instant) -> Iterator[tuple[CategoryId, Instant]]:
    for categories, since, until in held:
        if since <= at < until:
            yield from ((CategoryId(category), since) for category in members(categories))


def _went_on(
    today: Derived,
    one: IdentifierId,
    purpose: Purpose,
    category: CategoryId,
    since: Instant,
    now: Instant,
) -> bool:
    """Say whether a permit stands to this day: what was carried by it was not deleted for its end."""
    return any(
        permit.purpose == purpose.id
        and permit.categories >> category & 1
        and permit.since <= since
        and now < permit.until
        for permit in today.permits.get(one, ())
    )


def _carried_no_more(
    purpose: Purpose, one: IdentifierId, category: CategoryId, contents: Sequence[Told]
) -> bool:
    """Say whether anything is kept that the purpose does not carry, and may have carried."""
    return not purpose.retroactive >> category & 1 and any(
        owner == one and content.category == category and not basis >> purpose.id & 1
        for owner, basis, content in contents
    )


def _timed_out(
    policy: Policy, category: CategoryId, missing: Collection[Instant], at: Instant, now: Instant
) -> bool:
    """Say whether time may have deleted, between then and now, any of what is missing."""
    retention = policy.categories[category].retention
    if retention is None:
        return False
    return any(kept_since(at, retention) < happened <= kept_since(now, retention) for happened in missing)


async def _missing(
    ledger: Ledger, ids: Sequence[IdentifierId], at: Instant, end: EntryIndex
) -> dict[IdentifierId, list[Instant]]:
    """Return of whom content is gone, and when what it told of happened, up to `at`."""
    found: dict[IdentifierId, list[Instant]] = {}
    rows = await ledger.connection.fetch(_SQL.entries_lacking, ledger.controller_id, list(ids), end)
    for one, sealed, leaf in rows:
        body = open_body(ledger.ring, ledger.controller_id, sealed)
        if isinstance(body, EventBody):
            # One without a time of its own happened when it was taken.
            happened = body.at if body.at < FOREVER else Entry.from_leaf(leaf).header.minute
            if happened <= at:
                found.setdefault(one, []).append(happened)
    return found
