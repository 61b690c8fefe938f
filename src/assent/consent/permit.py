"""Say who may be used for what, from when, until when: `decide`, for every instant from now on.

Pure. An answer can only change at a breakpoint: when somebody spoke, when a give lapses, when the policy or
the resolution changes. So `decide` is asked once between each two, forward from now, and back to where the
present yes began. The gate joins on permits; nothing sweeps, time alone opens and closes them.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from assent.consent import given
from assent.consent.case import open_case
from assent.consent.decide import Cluster, Decision, Question, judge
from assent.consent.denial import denying
from assent.consent.duties import lapse
from assent.consent.history import History
from assent.consent.statement import MARKS, WIDENING, Statement
from assent.consent.terms import Terms, split, terms_of
from assent.consent.voices import Closings, Voices
from assent.core.ids import CategoryId, CategoryMask, IdentifierId, PurposeId, members
from assent.core.policy import Policy
from assent.core.time import BEGINNING, FOREVER, Instant

Ask = Callable[[Instant], Decision | None]
"""Asked about an instant, answers; None is a no as well."""

Span = tuple[Instant, Instant, int]
"""Since, until, and the entry that decided (-1: none)."""


class Standing(Struct, frozen=True, array_like=True):
    """A permit that every identifier has without having said anything (a contract, a legal obligation)."""

    purpose: PurposeId
    categories: CategoryMask
    since: Instant
    until: Instant


class Permit(Struct, frozen=True, array_like=True):
    """One identifier may be used for one purpose's categories in [since, until)."""

    identifier: IdentifierId
    purpose: PurposeId
    categories: CategoryMask
    since: Instant
    until: Instant
    entry: int
    """The deciding entry, -1 when no statement decided."""


def permits(
    history: Sequence[Statement], cluster: Cluster, policy: Policy, now: Instant
) -> tuple[Permit, ...]:
    """Return every member's permits that are not over at `now`, by identifier, purpose and time.

    Equal to `decide` at every instant from `now` on, as far as is known at `now`. Categories with the same
    interval share a permit. `since` reaches back over the past as it is known now.
    """
    terms, silent = _policy_terms(policy)
    known = History(history, cluster, now)
    found = []
    for each, standing_permits in zip(terms, silent, strict=True):
        number = each.purpose.id
        if known.about.keys().isdisjoint(each.about):
            found += [
                Permit(identifier, number, permit.categories, permit.since, permit.until, -1)
                for permit in standing_permits
                if permit.until > now
                for identifier in cluster.members
            ]
        else:
            found += [
                Permit(identifier, number, categories, *span)
                for identifier, span, categories in _by_member(
                    known, policy, each, now, silence_opens=bool(standing_permits)
                )
            ]
    found.sort(key=lambda permit: (permit.identifier, permit.purpose, permit.since, permit.categories))
    return tuple(found)


def standing(policy: Policy) -> tuple[Standing, ...]:
    """Return the permits, past and future ones too, that hold without any statement."""
    return tuple(permit for permits in _policy_terms(policy)[1] for permit in permits)


def stances(
    history: Sequence[Statement], policy: Policy, now: Instant
) -> tuple[frozenset[IdentifierId], frozenset[IdentifierId]]:
    """Return who denies and who agrees to `identity_linking`, each by its own words alone.

    Whoever gave and whose give has lapsed does neither.
    """
    linking = None if policy.linking is None else policy.purposes.get(policy.linking)
    if linking is None:
        return frozenset(), frozenset()
    said_by: dict[IdentifierId, list[Statement]] = {}
    for said in history:
        said_by.setdefault(said.identifier, []).append(said)
    denies, agrees = set[IdentifierId](), set[IdentifierId]()
    for identifier, own in said_by.items():
        known = History(own, Cluster(members=(identifier,)), now)
        question = Question(identifier=identifier, purpose=linking.id, at=now, known_at=now)
        case = open_case(known, policy, question, identifier, linking)
        if denying(case) is not None:
            denies.add(identifier)
        elif given.answer(case).allowed:
            agrees.add(identifier)
    return frozenset(denies), frozenset(agrees)


def _by_member(
    known: History, policy: Policy, terms: Terms, now: Instant, *, silence_opens: bool
) -> Iterator[tuple[IdentifierId, Span, CategoryMask]]:
    """Yield the spans of one purpose for every member, with all the categories that share each.

    `silence_opens`: whether the purpose has permits without any statement. Where it has none, a member who
    said nothing has none either, unless the person, authenticated, spoke for all that is theirs.
    """
    heard = [said for number in terms.about for said in known.about.get(number, ())]
    classes = split(terms.classes, {said.categories for said in heard if said.categories})
    voices = Voices(heard)
    joins, parts = _turns(known.cluster if voices.loud else Cluster(members=()))
    edges = _breakpoints(voices.loud, {*joins, *parts}, terms) if voices.loud else []
    asked = policy, terms, now
    closed = Closings(known.of(voices.loud), *asked, edges)
    restricted = any(said.state in MARKS for said in heard)
    calm = Closings(known.of(_calm(voices.loud)), *asked, edges) if restricted else closed
    lately = _said_lately(policy, now)
    for identifier in known.cluster.members:
        if not (silence_opens or voices.has(identifier)):
            continue
        own = voices.of(identifier)
        # With nobody who can close for others, the answer is a function of these words alone.
        key = None if voices.loud else (identifier, terms.purpose.id, *map(id, own))
        found = None if key is None else lately.get(key)
        if found is None:
            turns = _breakpoints(own, parts, terms)
            breakpoints = sorted({*edges, *turns}) if edges else turns
            alike: dict[Span, int] = {}
            for categories in classes:
                member = identifier, _lowest(categories), turns
                ask = _Asked(known.of(own), *asked, closed, *member)
                ask_back = _Asked(known.of(_calm(own)), *asked, calm, *member) if restricted else ask
                for span in _spans(ask, ask_back, breakpoints, now):
                    alike[span] = alike.get(span, 0) | categories
            found = own, alike
            if key is not None and len(lately) < _LATELY:
                lately[key] = found
        for span, together in found[1].items():
            yield identifier, span, CategoryMask(together)


class _Asked:
    """The answer about one member and category at any instant, asked as seldom as it can change."""

    def __init__(
        self,
        known: History,
        policy: Policy,
        terms: Terms,
        now: Instant,
        closed: Closings,
        identifier: IdentifierId,
        category: CategoryId,
        turns: Sequence[Instant],
    ) -> None:
        """Take the words that can matter to the member, and when what they decide can change (`turns`)."""
        self._known = known
        self._policy = policy
        self._purpose = terms.purpose.id
        self._now = now
        self._closed = closed
        self._identifier = identifier
        self._category = category
        self._turns = turns
        self._answers: dict[int, Decision] = {}

    def __call__(self, at: Instant) -> Decision | None:
        """Return the answer; None where somebody closes it for everybody."""
        if self._closed(self._identifier, self._category, at):
            return None
        turn = bisect_right(self._turns, at)
        answer = self._answers.get(turn)
        if answer is None:
            question = Question(
                identifier=self._identifier,
                purpose=self._purpose,
                category=self._category,
                at=at,
                known_at=self._now,
            )
            answer = judge(self._known, self._policy, question, self._identifier)
            self._answers[turn] = answer
        return answer


def _turns(cluster: Cluster) -> tuple[frozenset[Instant], frozenset[Instant]]:
    """Return when members of a cluster join, and when they part."""
    bonds = cluster.bonds if len(cluster.members) > 1 else ()
    return frozenset(bond.first_at for bond in bonds), frozenset(bond.until for bond in bonds)


def _calm(said: Iterable[Statement]) -> list[Statement]:
    """Return statements without restrictions (Art. 18): lifted, they were never a beginning."""
    return [one for one in said if one.state not in MARKS]


def _breakpoints(heard: Iterable[Statement], turns: Iterable[Instant], terms: Terms) -> list[Instant]:
    """Return, in order, every instant at which an answer that rests on these can change."""
    instants = {*terms.instants, *turns}
    for said in heard:
        instants.add(said.acted_at)
        if said.state in WIDENING:
            instants.add(lapse(said.acted_at, said.expires_at, ()))
            instants.update(lapse(said.acted_at, None, (validity,)) for validity in terms.validities)
    return sorted(instant for instant in instants if BEGINNING < instant < FOREVER)


def _spans(
    ask: Ask,
    ask_back: Ask,
    breakpoints: Sequence[Instant],
    now: Instant,
) -> Iterator[Span]:
    """Yield each uninterrupted yes that is not over at `now`; only the first can have begun before.

    Over the past `ask_back` is asked, for what did not interrupt it.
    """
    starts = (BEGINNING, *breakpoints)
    present = bisect_right(breakpoints, now)
    opened: tuple[int, int] | None = None
    for index in range(present, len(starts)):
        answer = ask(starts[index])
        is_open = answer is not None and answer.allowed
        if answer is not None and is_open and opened is None:
            opened = index, -1 if answer.entry is None else answer.entry
        elif not is_open and opened is not None:
            yield _since(ask_back, starts, opened[0], present), starts[index], opened[1]
            opened = None
    if opened is not None:
        yield _since(ask_back, starts, opened[0], present), FOREVER, opened[1]


def _since(ask: Ask, starts: Sequence[Instant], opened: int, present: int) -> Instant:
    """Return where the yes began: for the present one, back over the past as far as it goes."""
    if opened == present:
        while opened > 0 and (answer := ask(starts[opened - 1])) is not None and answer.allowed:
            opened -= 1
    return starts[opened]


def _lowest(categories: CategoryMask) -> CategoryId:
    return CategoryId(next(members(categories)))


_Lately = dict[tuple[int, ...], tuple[Sequence[Statement], dict[Span, int]]]
"""By member, purpose and the identity of its words, which are kept beside, so that it is not given again."""

_LATELY: Final = 10_000
"""More than a batch joins, with a hundred identifiers a person at most; a simulation asks about millions."""

_lately: Final[dict[tuple[int, Instant], tuple[Policy, _Lately]]] = {}


def _said_lately(policy: Policy, now: Instant) -> _Lately:
    """Return what was found at this instant: a batch asks about the same people once a fact."""
    found = _lately.get((id(policy), now))
    if found is None:
        _lately.clear()
        found = _lately[id(policy), now] = policy, {}
    return found[1]


_Remembered = tuple[Policy, tuple[Terms, ...], tuple[tuple[Standing, ...], ...]]

_remembered: Final[dict[int, _Remembered]] = {}
"""By the policy's identity; the policy itself is kept beside it, so that its identity is not given again."""

_REMEMBERED_POLICIES: Final = 256
"""One policy in force for each controller that is being written to, and some being prepared."""


def _policy_terms(policy: Policy) -> tuple[tuple[Terms, ...], tuple[tuple[Standing, ...], ...]]:
    """Return each purpose's terms, and its permits without any statement."""
    found = _remembered.get(id(policy))
    if found is None:
        terms = terms_of(policy)
        found = policy, terms, tuple(_standing(policy, each) for each in terms)
        while len(_remembered) >= _REMEMBERED_POLICIES:
            _remembered.pop(next(iter(_remembered)), None)
        _remembered[id(policy)] = found
    return found[1], found[2]


def _standing(policy: Policy, terms: Terms) -> tuple[Standing, ...]:
    nobody = IdentifierId(0)
    known = History((), Cluster(members=(nobody,)), FOREVER)
    spans = _by_member(known, policy, terms, BEGINNING, silence_opens=True)
    return tuple(
        Standing(terms.purpose.id, categories, since, until)
        for _, (since, until, _entry), categories in spans
    )
