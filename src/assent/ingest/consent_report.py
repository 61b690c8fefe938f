"""What was agreed to over time, what lapses soon, and who disagrees with themselves: for the officer.

Reads the projections in the caller's snapshot. Identifiers appear by number alone; nothing is decided here.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from assent.consent.statement import NARROWING, State
from assent.core.ids import ControllerId, IdentifierId, NamespaceId, PurposeId
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection

_SQL = load("reports")

WORDS: Final[Mapping[str, str]] = {
    State.GIVEN: "given",
    State.RENEWED: "given",
    State.REFUSED: "refused",
    State.WITHDRAWN: "withdrawn",
    State.OBJECTED: "objected",
    State.GPC: "objected",
}
"""What a person said, as reports call it. A notice shown, or a question put off, says nothing."""

NEGATIVE: Final = tuple(state for state in WORDS if State(state) in NARROWING)

ASPECTS: Final = ("notice_version", "language", "channel", "jurisdiction")

_ORIGIN: Final = (-(1 << 62), 0, -1, 0)

Group = tuple[PurposeId, tuple[str | None, ...]]


class Interval(Struct, frozen=True, kw_only=True):
    """What happened to the consents of one group in one interval."""

    place: int
    purpose: PurposeId
    aspects: Mapping[str, str | None]
    said: Mapping[str, int]
    """Statements made in the interval, by what they said."""
    standing: Mapping[str, int]
    """Identifiers by what they had said last when it ended."""


class Lapsing(Struct, frozen=True, kw_only=True):
    """A permit that ends by itself."""

    until: Instant
    purpose: PurposeId
    identifier: IdentifierId
    categories: int
    since: Instant
    entry: int
    namespace: NamespaceId

    @property
    def key(self) -> tuple[int, int, int, int]:
        """Where it stands in the order of the report."""
        return self.until, self.purpose, self.identifier, self.categories


class Word(Struct, frozen=True, kw_only=True):
    """What one identifier said last."""

    identifier: IdentifierId
    state: str
    at: Instant
    entry: int


class Conflict(Struct, frozen=True, kw_only=True):
    """A person whose identifiers said opposite things last."""

    profile: int
    purpose: PurposeId
    words: tuple[Word, ...]


async def consent_over_time(
    connection: Connection,
    controller_id: ControllerId,
    purposes: Collection[PurposeId],
    bounds: Sequence[Instant],
    known_at: Instant,
    by: Collection[str],
) -> tuple[Interval, ...]:
    """Return, for each interval between two bounds, what was said and what stood, by purpose and `by`."""
    rows = await connection.fetch(
        _SQL.consent_over_time,
        controller_id,
        list(WORDS),
        list(NEGATIVE),
        list(bounds),
        known_at,
        list(purposes),
    )
    said: dict[tuple[int, Group], Counter[str]] = defaultdict(Counter)
    steps: dict[Group, dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    chosen = [aspect for aspect in ASPECTS if aspect in by]
    for row in rows:
        group = row["purpose_id"], tuple(row[aspect] or None for aspect in chosen)
        word, first, last = WORDS[row["state"]], row["said_in"], row["until_in"]
        if 0 < first < len(bounds):
            said[first, group][word] += row["statements"]
        # It stands at the end of every interval from the one it was said in to before that of the next.
        steps[group][max(first, 1)][word] += row["statements"]
        steps[group][max(last, 1)][word] -= row["statements"]
    return tuple(_intervals(said, steps, len(bounds), chosen))


def _intervals(
    said: Mapping[tuple[int, Group], Counter[str]],
    steps: Mapping[Group, Mapping[int, Counter[str]]],
    bounds: int,
    chosen: Sequence[str],
) -> Iterator[Interval]:
    standing: dict[Group, Counter[str]] = {group: Counter() for group in steps}
    groups = sorted(steps, key=lambda group: (group[0], [one or "" for one in group[1]]))
    for place in range(1, bounds):
        for group in groups:
            standing[group].update(steps[group].get(place, {}))
            stands = {word: count for word, count in sorted(standing[group].items()) if count}
            spoken = dict(sorted(said.get((place, group), {}).items()))
            if stands or spoken:
                yield Interval(
                    place=place - 1,
                    purpose=group[0],
                    aspects=dict(zip(chosen, group[1], strict=True)),
                    said=spoken,
                    standing=stands,
                )


async def lapsing(
    connection: Connection,
    controller_id: ControllerId,
    policy_version: int,
    purposes: Collection[PurposeId],
    now: Instant,
    until: Instant,
    after: tuple[int, int, int, int] | None,
    limit: int,
) -> tuple[Lapsing, ...]:
    """Return permits open at `now` that end by `until`, the next to end first, after the key `after`."""
    rows = await connection.fetch(
        _SQL.lapsing,
        controller_id,
        policy_version,
        now,
        until,
        list(purposes),
        *(after or _ORIGIN),
        limit,
    )
    return tuple(
        Lapsing(
            until=row["until"],
            purpose=row["purpose_id"],
            identifier=row["identifier_id"],
            categories=row["categories"],
            since=row["since"],
            entry=row["entry_index"],
            namespace=row["namespace_id"],
        )
        for row in rows
    )


async def disagreements(
    connection: Connection,
    controller_id: ControllerId,
    purposes: Collection[PurposeId],
    after: tuple[int, int] | None,
    limit: int,
) -> tuple[Conflict, ...]:
    """Return people whose identifiers said opposite things last, after (profile, purpose) `after`."""
    rows = await connection.fetch(
        _SQL.conflicts,
        controller_id,
        list(WORDS),
        list(NEGATIVE),
        list(purposes),
        *(after or (-1, 0)),
        limit,
    )
    return tuple(
        Conflict(
            profile=row["profile_id"],
            purpose=row["purpose_id"],
            words=tuple(
                Word(identifier=one, state=state, at=at, entry=entry)
                for one, state, at, entry in zip(
                    row["identifiers"], row["states"], row["times"], row["entries"], strict=True
                )
            ),
        )
        for row in rows
    )
