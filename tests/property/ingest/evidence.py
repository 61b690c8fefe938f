"""Evidence about a few people, folded by a board that starts empty, and what purposes are shown of it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from assent.consent.statement import NoticeReference, StatementBody
from assent.core.documents import parse_policy
from assent.core.errors import FactRejected
from assent.core.ids import RESOLUTION, EntryIndex, IdentifierId, ProfileId, PurposeId
from assent.core.names import NameBook
from assent.core.policy import LinkKind, Policy
from assent.core.time import HOUR, SECOND, Instant, parse_time, to_datetime
from assent.features.accumulate import Item, State, Value, merge, read
from assent.ingest.board import Board
from assent.ingest.board_parts import Loaded
from assent.ingest.contents import contents
from assent.ingest.facts import KINDS, Body, EventBody, Identifier, LinkBody, StatedBody, UnlinkBody
from assent.ingest.tracking import Call, CallType
from assent.ledger.append import ContentPart, Fact, Part, Ref
from tests.support.policy_documents import shipped

BEGIN = parse_time("2026-01-01T00:00:00Z")
NOW = parse_time("2026-03-01T00:00:00Z")
"""When the first of the evidence arrives: after all of it happened."""


class Said(NamedTuple):
    """A statement, brought in with the time at which it was made."""

    hour: int
    who: str
    purpose: str
    state: str
    by_person: bool = False
    """Authenticated, and for the whole person."""


class Seen(NamedTuple):
    """An event with its identifiers, the owner first."""

    hour: int
    who: tuple[str, ...]
    event: str
    value: str | int
    source: str = ""
    claimed: bool = False
    """Through a public key."""


class Tied(NamedTuple):
    """Two identifiers said to be one person, or not to be; by a model where it has a weight."""

    hour: int
    who: tuple[str, ...]
    denied: bool = False
    weight: int = 0
    source: str = ""


class Parted(NamedTuple):
    """What links two identifiers taken back, or all that links one; of sources, what they proved."""

    who: tuple[str, ...]
    sources: tuple[str, ...] = ()


Evidence = Said | Seen | Tied | Parted

POLICY, NAMES = parse_policy(shipped())
_NOTHING = Part(sealed=b"", commitment=b"")


def instant(hour: int) -> Instant:
    return Instant(BEGIN + hour * HOUR)


def fold(arrived: Iterable[Evidence], policy: Policy = POLICY, names: NameBook = NAMES) -> Board:
    """Return the board after evidence that arrived in this order, a second apart."""
    (*_, last) = boards(arrived, policy, names)
    return last


def boards(arrived: Iterable[Evidence], policy: Policy = POLICY, names: NameBook = NAMES) -> Iterator[Board]:
    """Yield the board, empty and after each piece of evidence; what cannot be taken changes nothing."""
    board = Board(
        policy,
        names,
        NOW,
        Loaded(
            identifiers={},
            denies={},
            components=[],
            derived=[],
            states={},
            messages={},
            sequences={},
            audience_versions={},
        ),
    )
    yield board
    for index, evidence in enumerate(arrived):
        board.now = Instant(NOW + index * SECOND)
        with suppress(FactRejected):
            board.apply(EntryIndex(index), _fact(evidence, policy))
        yield board


def _fact(evidence: Evidence, policy: Policy) -> Fact:
    names = (evidence.who,) if isinstance(evidence.who, str) else evidence.who
    identifiers = tuple(
        Identifier(policy.namespace_ids[name.partition(":")[0]], name.partition(":")[2]) for name in names
    )
    said: Sequence[ContentPart] = ()
    body: Body
    match evidence:
        case Said():
            body = StatedBody(
                identifiers=identifiers,
                statement=_statement(evidence, policy),
                authenticated=evidence.by_person,
                person_scope=evidence.by_person,
            )
        case Seen():
            data = {"category": evidence.value, "revenue": evidence.value}
            call = Call(index=0, type=CallType.TRACK, name=evidence.event, properties=data)
            said = [
                ContentPart(category=category, content=content, sealed=b"", commitment=b"")
                for category, content in contents(call, policy)
            ]
            at = instant(evidence.hour)
            body = EventBody(
                identifiers=identifiers,
                link=LinkKind.CLAIMED if evidence.claimed else LinkKind.OBSERVED,
                at=at,
                call="track",
                source=evidence.source,
            )
        case Tied():
            kind = LinkKind.PROBABLE if evidence.weight else LinkKind.ASSERTED
            body = LinkBody(
                identifiers=identifiers,
                link=kind,
                at=instant(evidence.hour),
                denied=evidence.denied,
                weight=evidence.weight,
                source=evidence.source,
            )
        case Parted():
            body = UnlinkBody(identifiers=identifiers, sources=evidence.sources)
    refs = tuple(Ref(namespace=one.namespace, lookup=one.value.encode()) for one in identifiers)
    return Fact(
        kind=KINDS[type(body)], role="collector", body=body, refs=refs, who=_NOTHING, contents=tuple(said)
    )


def _statement(evidence: Said, policy: Policy) -> StatementBody:
    notice = policy.purposes[policy.purpose_ids[evidence.purpose]].notice
    return StatementBody(
        purpose=evidence.purpose,
        state=evidence.state,  # type: ignore[arg-type]
        mechanism="click",
        notice=NoticeReference(id=notice, version=1, language="en"),
        channel="web",
        imported=True,
        event_time=to_datetime(instant(evidence.hour)),
        evidence={"form": "kept"},
    )


Clusters = dict[str, frozenset[frozenset[str]]]
Permits = frozenset[tuple[str, str, int, int, int]]
Released = dict[tuple[str, frozenset[str]], dict[str, Value]]
"""For a purpose and the identifiers of a profile that it may use: the values."""


class Outcome(NamedTuple):
    """What follows from the evidence, by names: ids tell the order of arrival."""

    clusters: Clusters
    permits: Permits
    released: Released


def outcome(board: Board) -> Outcome:
    """Return what follows; of values, what the gate would show each purpose at the end."""
    names = {
        number: f"{board.policy.namespaces[ref.namespace].name}:{ref.lookup.decode()}"
        for ref, number in board.identifiers.items()
    }
    return Outcome(_clusters(board, names), _permits(board, names), _released(board, names))


def _clusters(board: Board, names: dict[IdentifierId, str]) -> Clusters:
    views = {"resolution": RESOLUTION} | {one.name: one.view for one in board.policy.purposes.values()}
    return {
        name: frozenset(
            frozenset(names[member] for member in board.derived_of(one).members(view, one)) for one in names
        )
        for name, view in views.items()
    }


def _permits(board: Board, names: dict[IdentifierId, str]) -> Permits:
    return frozenset(
        (
            name,
            board.policy.purposes[permit.purpose].name,
            permit.categories,
            permit.since,
            permit.until,
        )
        for one, name in names.items()
        for permit in board.derived_of(one).permits[one]
    )


def _released(board: Board, names: dict[IdentifierId, str]) -> Released:
    found: Released = {}
    for purpose in board.policy.purposes.values():
        profiles: dict[ProfileId, set[IdentifierId]] = {}
        for one in names:
            if any(_is_open(board, one, purpose.id)):
                profiles.setdefault(board.derived_of(one).profile(purpose.view, one), set()).add(one)
        for members in profiles.values():
            key = purpose.name, frozenset(names[one] for one in members)
            found[key] = _values(board, purpose.id, members)
    return found


def _is_open(board: Board, one: IdentifierId, purpose: PurposeId) -> list[tuple[int, Instant]]:
    return [
        (permit.categories, permit.since)
        for permit in board.derived_of(one).permits[one]
        if permit.purpose == purpose and permit.since <= board.now < permit.until
    ]


def _values(board: Board, number: PurposeId, members: Iterable[IdentifierId]) -> dict[str, Value]:
    """Return what `gate.released` yields of these identifiers, read."""
    states: list[State] = []
    items: list[Item] = []
    visible = 0
    for one in members:
        for categories, since in _is_open(board, one, number):
            visible |= categories
            states += _states(board, number, one, categories)
            items += _items(board, number, one, categories, since)
    merged = merge(states)
    read_now = {
        feature.name: read(board.policy, feature, merged, items, board.now)
        for feature in board.policy.features.values()
        if visible >> feature.category & 1
    }
    return {name: value for name, value in read_now.items() if value is not None}


def _states(board: Board, number: PurposeId, one: IdentifierId, categories: int) -> Iterator[State]:
    purpose = board.policy.purposes[number]
    for (category, basis), state in board.states.get(one, {}).items():
        if categories >> category & 1 and (basis >> number | purpose.retroactive >> category) & 1:
            yield state


def _items(
    board: Board, number: PurposeId, one: IdentifierId, categories: int, since: Instant
) -> Iterator[Item]:
    purpose = board.policy.purposes[number]
    for kept in board.items:
        if kept.identifier == one and kept.basis and categories >> kept.category & 1:
            carried = kept.basis >> number & 1 and kept.item.at >= since
            if carried or purpose.retroactive >> kept.category & 1:
                yield kept.item
