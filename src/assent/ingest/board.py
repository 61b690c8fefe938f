"""Apply facts, one after another, to what was loaded for them; remember what became different.

A `Board` holds the part of the projections that a batch touches. `apply` is the fold: the same facts in the
same order give the same board, live or in a rebuild. Pure: it reads no database and no clock. It raises
`Refused` for a fact that cannot be taken, before it has changed anything.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from assent.consent.news import is_chosen, stands
from assent.consent.permit import Permit
from assent.consent.statement import EVERY, NARROWING, Statement, statement_of
from assent.consent.statement import State as Said
from assent.core.documents import parse_policy
from assent.core.errors import FactRejected, UnknownPurpose
from assent.core.ids import (
    CategoryId,
    EntryIndex,
    IdentifierId,
    ProfileId,
    PurposeId,
    PurposeMask,
    mask,
)
from assent.core.names import NameBook
from assent.core.policy import LinkKind, Policy
from assent.core.time import Instant
from assent.features.accumulate import EMPTY, Content, Item, State, absorb, items, merge
from assent.ingest.component import (
    Change,
    Closing,
    Component,
    Derived,
    LinkKey,
    Pair,
    changes,
    closings,
    derive,
    derive_prepared,
    refused,
    reopened,
)
from assent.ingest.erasing import erase
from assent.ingest.facts import (
    IMPORTED,
    AudienceBody,
    ContentBody,
    ErasureBody,
    EventBody,
    FindingBody,
    LinkBody,
    MarkBody,
    PolicyBody,
    RestBody,
    StatedBody,
    UnlinkBody,
)
from assent.ingest.joining import Holding, Joined, split
from assent.ingest.restriction import lifted, mark_of, unrestricted
from assent.ledger.append import ContentPart, Fact, Ref

if TYPE_CHECKING:
    from assent.identity.resolve import Link, Node

EVERYTHING = ProfileId(0)
"""A change of this profile says: whatever you hold for the purpose, load it anew."""

StateKey = tuple[CategoryId, PurposeMask]


class Loaded(Struct, kw_only=True):
    """What the database holds of everything a batch may touch."""

    identifiers: dict[Ref, IdentifierId]
    denies: dict[IdentifierId, PurposeMask]
    seen_by: dict[IdentifierId, PurposeMask] = {}
    components: list[Component]
    derived: list[Derived]
    """What stood for each component, in the same order."""
    states: dict[IdentifierId, dict[StateKey, State]]
    messages: dict[bytes, EntryIndex]
    """The entries of those messages of the batch that were taken before."""
    sequences: dict[PurposeId, int]
    audience_versions: dict[str, int]
    suppressed: dict[Ref, Instant] = {}
    """Those of the batch who objected to direct marketing, when, and were erased."""
    moved_since: int = -1
    """The newest entry that names anybody an erasure is about."""


class KeptContent(Struct, frozen=True, kw_only=True):
    """A content part that some purpose permitted, with the purposes that did."""

    identifier: IdentifierId
    entry: EntryIndex
    number: int
    """Which of the entry's commitments it opens, from 1."""
    category: CategoryId
    basis: PurposeMask
    at: Instant
    part: ContentPart


class KeptItem(Struct, frozen=True, kw_only=True):
    """An item of a windowed or distinct feature, with the purposes that carry it."""

    identifier: IdentifierId
    category: CategoryId
    basis: PurposeMask
    item: Item


class Taken(Struct, frozen=True, kw_only=True):
    """A fact that becomes an entry: who it is about, and the content that is kept."""

    identifier: IdentifierId
    contents: tuple[KeptContent, ...] = ()


class NewAudience(Struct, frozen=True, kw_only=True):
    """A version of an audience."""

    entry: EntryIndex
    version: int
    body: AudienceBody


class Activated(Struct, frozen=True, kw_only=True):
    """A policy that a batch put in force."""

    entry: EntryIndex
    documents: str
    before: Policy
    flips: bool
    """Whether it was prepared: what is on the board is then only what had still to be derived."""


class Board:
    """The touched part of the projections, and what a batch made of it."""

    def __init__(self, policy: Policy, names: NameBook, now: Instant, loaded: Loaded) -> None:
        self.policy = policy
        self.names = names
        self.now = now
        self.identifiers = loaded.identifiers
        self.denies = loaded.denies
        self.seen_by = loaded.seen_by
        self.states = loaded.states
        self.sequences = loaded.sequences
        self.suppressed = loaded.suppressed
        self.moved_since = loaded.moved_since
        self._messages = loaded.messages
        self._audience_versions = loaded.audience_versions
        self._holdings: dict[IdentifierId, Holding] = {}
        self.stored: dict[IdentifierId, Derived] = {}
        for component, derived in zip(loaded.components, loaded.derived, strict=True):
            holding = Holding(component, derived)
            for one in component.nodes:
                self._holdings[one] = holding
                self.stored[one] = derived
        # What the batch made different, for whoever writes it down.
        self.new_identifiers: list[Node] = []
        self.new_masks: set[IdentifierId] = set()
        self.new_messages: dict[bytes, EntryIndex] = {}
        self.links: dict[LinkKey, Link] = {}
        self.gone_links: set[LinkKey] = set()
        self.denied: dict[Pair, tuple[Instant, EntryIndex]] = {}
        self.lifted: set[Pair] = set()
        self.statements: list[Statement] = []
        self.moved: set[IdentifierId] = set()
        self.dirty_states: set[tuple[IdentifierId, StateKey]] = set()
        self.items: list[KeptItem] = []
        self.contents: list[KeptContent] = []
        self.strips: list[Closing] = []
        self.changed: dict[tuple[PurposeId, ProfileId], tuple[int, bool]] = {}
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.audiences: list[NewAudience] = []
        self.activated: Activated | None = None
        self.erasures: list[tuple[EntryIndex, ErasureBody]] = []

    def apply(self, index: EntryIndex, fact: Fact, *, replaying: bool = False) -> Taken | None:
        """Apply one fact as the entry `index`; None when nothing of it is to be kept.

        When `replaying`, the fact is an entry already: it is taken even if its content was deleted since.
        """
        if fact.message_key is not None and fact.message_key in self._messages:
            return None
        taken = self._taken(index, fact, replaying=replaying)
        if taken is not None and fact.message_key is not None:
            self._messages[fact.message_key] = index
            self.new_messages[fact.message_key] = index
        return taken

    def _taken(self, index: EntryIndex, fact: Fact, *, replaying: bool) -> Taken | None:
        match fact.body:
            case EventBody() as body:
                return self._event(index, fact, body, replaying=replaying)
            case StatedBody() as body:
                return self._stated(index, fact, body, replaying=replaying)
            case LinkBody() as body:
                return self._linked(index, fact, body)
            case PolicyBody() as body:
                return self._policy(index, body, replaying=replaying)
            case AudienceBody() as body:
                return self._audience(index, body)
            case _:
                return self._rarely(index, fact, replaying=replaying)

    def _rarely(self, index: EntryIndex, fact: Fact, *, replaying: bool) -> Taken:
        match fact.body:
            case MarkBody() | FindingBody() as body:
                return self._marked(index, fact, body)
            case UnlinkBody():
                return self._unlinked(index, fact)
            case RestBody() as body:
                return self._rest(index, fact, body)
            case ErasureBody() as body:
                erase(self, index, body, replaying=replaying)
                return Taken(identifier=IdentifierId(0))
            case other:
                message = f"no fold for {type(other).__name__}"
                raise TypeError(message)

    def entry_of(self, fact: Fact) -> EntryIndex | None:
        """Return the entry that a fact became when it was taken, by its message; None when it never was."""
        return None if fact.message_key is None else self._messages.get(fact.message_key)

    def derived_of(self, identifier: IdentifierId) -> Derived:
        """Return what follows for an identifier now."""
        return self._holdings[identifier].derived

    def touched(self) -> set[IdentifierId]:
        """Return everybody of whom something changed that another policy may read otherwise."""
        erased = (body.erased for _, body in self.erasures)
        return self.moved.union(*(key[:2] for key in self.links), *erased)

    def components(self) -> Iterator[tuple[Component, Derived]]:
        """Yield every component on the board, with what follows from it."""
        for holding in {id(one): one for one in self._holdings.values()}.values():
            yield holding.component, holding.derived

    def _join(self, index: EntryIndex, fact: Fact, positions: Sequence[int] = ()) -> Joined:
        known = [(ref, self.identifiers.get(ref)) for ref in fact.refs]
        holdings = {one: self._holdings[one] for _, one in known if one is not None}
        joined = Joined(self.policy, self.now, index, known, holdings, positions)
        if self.suppressed:
            for ref, node in joined.new_nodes:
                if ref in self.suppressed:
                    joined.state(suppression_of(node.id, index, self.suppressed[ref], self.now))
        return joined

    # Events.

    def _event(self, index: EntryIndex, fact: Fact, body: EventBody, *, replaying: bool) -> Taken | None:
        at = min(body.at, self.now)
        joined = self._join(index, fact)
        for one, other in combinations(joined.ids, 2):
            joined.link(one, other, body.link, at)
        after = joined.derived()
        closed = mask(body.closed)
        kept = tuple(self._collect(index, fact.contents, joined.ids, after, at, closed))
        if not kept and not replaying:
            self.refusals[fact.source, "not_permitted"] += 1
            return None
        self._accept(joined, after)
        for content in kept:
            self._absorb(index, at, content)
        self._introduce(joined.ids, kept)
        return Taken(identifier=joined.ids[0], contents=kept)

    def _collect(
        self,
        index: EntryIndex,
        parts: Sequence[ContentPart],
        ids: Sequence[IdentifierId],
        after: Derived,
        at: Instant,
        closed: int,
    ) -> Iterator[KeptContent]:
        """Yield the content that some purpose permits now, and permitted when it happened.

        The data is its owner's; any identifier on the event that denies a purpose closes it for the event,
        and so does a signal of the event's own (`closed`).
        """
        denied = closed
        for one in ids:
            permitted = mask(permit.purpose for permit in after.permits[one] if self._open(permit))
            # What it denied and the person, authenticated, gave since, is denied no longer.
            denied |= self.denies.get(one, 0) & ~permitted
        owner = ids[0]
        number = 0
        for part in parts:
            basis = 0
            for permit in after.permits[owner]:
                if permit.categories >> part.category & 1 and permit.since <= at and self._open(permit):
                    basis |= 1 << permit.purpose
            basis &= ~denied
            if part.carried is not None:
                basis &= part.carried
            if basis:
                number += 1
                yield KeptContent(
                    identifier=owner,
                    entry=index,
                    number=number,
                    category=part.category,
                    basis=PurposeMask(basis),
                    at=at,
                    part=part,
                )

    def _absorb(self, index: EntryIndex, at: Instant, kept: KeptContent) -> None:
        body = kept.part.content
        if not isinstance(body, ContentBody):
            message = "a content part carries a ContentBody"
            raise TypeError(message)
        content = Content(
            category=kept.category,
            kind=body.kind,
            name=body.name,
            at=at,
            entry=index,
            data=body.data,
            context=body.context,
        )
        owner, key = kept.identifier, (kept.category, kept.basis)
        states = self.states.setdefault(owner, {})
        states[key] = absorb(self.policy, states.get(key, EMPTY), content)
        self.dirty_states.add((owner, key))
        self.items += [
            KeptItem(identifier=owner, category=kept.category, basis=kept.basis, item=item)
            for item in items(self.policy, content)
        ]
        self.contents.append(kept)
        self.show(owner, kept.category, kept.basis)

    def show(
        self, owner: IdentifierId, category: CategoryId, basis: PurposeMask, *, gone: bool = False
    ) -> None:
        """Count a change for every purpose that can see the datum, or could until it was `gone`."""
        derived = self._holdings[owner].derived
        for permit in derived.permits[owner]:
            purpose = self.policy.purposes[permit.purpose]
            seen = basis >> permit.purpose & 1 or purpose.retroactive >> category & 1
            if seen and permit.categories >> category & 1 and self._open(permit):
                self.bump(Change(permit.purpose, derived.profile(purpose.view, owner), narrowing=gone))

    def _introduce(self, ids: Sequence[IdentifierId], kept: Sequence[KeptContent]) -> None:
        """Let the purposes that need no statement know of everybody on an event whose data they may use."""
        for one in ids:
            derived = self._holdings[one].derived
            known = self.seen_by.get(one, 0)
            seen = known
            for permit in derived.permits[one]:
                purpose = self.policy.purposes[permit.purpose]
                if permit.entry >= 0 or seen >> purpose.id & 1:
                    continue
                if any(
                    (content.basis >> purpose.id | purpose.retroactive >> content.category) & 1
                    for content in kept
                ):
                    seen |= 1 << purpose.id
                    self.bump(Change(purpose.id, derived.profile(purpose.view, one), narrowing=False))
            if seen != known:
                self.seen_by[one] = PurposeMask(seen)
                self.new_masks.add(one)

    def _open(self, permit: Permit) -> bool:
        return permit.since <= self.now < permit.until

    # Statements.

    def _stated(self, index: EntryIndex, fact: Fact, body: StatedBody, *, replaying: bool) -> Taken | None:
        if body.statement.purpose != EVERY and body.statement.purpose not in self.policy.purpose_ids:
            raise UnknownPurpose(pointer="/purpose")
        joined = self._join(index, fact)
        statement = statement_of(
            body.statement,
            self.policy,
            identifier=joined.ids[0],
            known_at=self.now,
            entry=index,
            authenticated=body.authenticated,
            person_scope=body.person_scope,
            vendors=body.vendors,
            address=joined.ids[1] if len(joined.ids) > 1 else None,
            signal=body.signal,
        )
        if body.signal and not replaying and self._repeats(joined, statement, body.chosen_at):
            return None
        joined.state(statement)
        before, after = joined.before, joined.derived()
        self._accept(joined, after)
        self.statements.append(statement)
        self._deny(statement, joined)
        component = joined.component()
        ended = closings(before, after, self.now, negative=statement.state in NARROWING)
        for closing in unrestricted(ended, component, after, self.policy):
            self.strip(closing)
        left = (*reopened(before, after), *refused(statement, after, self.policy))
        for closing in unrestricted(left, component, after, self.policy):
            if self.carries(closing):
                self.strip(closing)
        return Taken(identifier=joined.ids[0])

    def _repeats(self, joined: Joined, statement: Statement, chosen_at: Instant | None) -> bool:
        """Whether a signal says nothing that does not stand already."""
        one = statement.identifier
        own = joined.said_by(one)
        held = joined.before.permits.get(one, ())
        is_open = any(permit.purpose == statement.purpose and self._open(permit) for permit in held)
        if statement.state not in NARROWING:
            chosen_at = None if chosen_at is None else min(chosen_at, self.now)
            return not is_chosen(statement, own, chosen_at=chosen_at, is_open=is_open)
        if not stands(statement, own):
            return False
        # Said before, and open all the same: the person gave since elsewhere, or the basis overrides.
        return not is_open or joined.stating(statement).permits == joined.before.permits

    def _marked(self, index: EntryIndex, fact: Fact, body: MarkBody | FindingBody) -> Taken:
        """Take a mark that closes, or lifts, without deleting: what was restricted stays for the person."""
        joined = self._join(index, fact)
        before = joined.component()
        said = mark_of(body, self.policy, joined.ids[0], self.now, index)
        joined.state(said)
        after = joined.derived()
        self._accept(joined, after)
        self.statements.append(said)
        if said.state is Said.UNRESTRICTED:
            component = joined.component()
            due = lifted(before, component, after, self.policy, said)
            for closing in unrestricted(due, component, after, self.policy):
                self.strip(closing)
        return Taken(identifier=joined.ids[0])

    def carries(self, closing: Closing) -> bool:
        """Whether anything is stored that such a closing would take a purpose from."""
        held = self.states.get(closing.identifier, {})
        return any(basis >> closing.purpose & closing.categories >> category & 1 for category, basis in held)

    def _deny(self, statement: Statement, joined: Joined) -> None:
        said = joined.component().statements[statement.identifier]
        self._set_denies(statement.identifier, denied_purposes(said, self.policy))

    def _set_denies(self, one: IdentifierId, denies: PurposeMask) -> None:
        if denies != self.denies.get(one, 0):
            self.denies[one] = denies
            self.new_masks.add(one)

    def strip(self, closing: Closing) -> None:
        """Take a purpose from the basis sets of an identifier's data; what no purpose carries is gone."""
        one, purpose, categories = closing
        bit = 1 << purpose
        states = self.states.setdefault(one, {})
        for key in [key for key in states if key[1] & bit and categories >> key[0] & 1]:
            state = states.pop(key)
            self.dirty_states.add((one, key))
            rest = PurposeMask(key[1] & ~bit)
            if rest:
                kept = (key[0], rest)
                states[kept] = merge((states.get(kept, EMPTY), state))
                self.dirty_states.add((one, kept))
            else:
                self.show(one, key[0], rest, gone=True)
        self.items = [
            msgspec.structs.replace(kept, basis=PurposeMask(kept.basis & ~bit))
            if kept.identifier == one and categories >> kept.category & 1
            else kept
            for kept in self.items
        ]
        self.contents = [
            msgspec.structs.replace(kept, basis=PurposeMask(kept.basis & ~bit))
            if kept.identifier == one and categories >> kept.category & 1
            else kept
            for kept in self.contents
        ]
        self.strips.append(closing)

    # Links, policies, audiences.

    def _linked(self, index: EntryIndex, fact: Fact, body: LinkBody) -> Taken:
        joined = self._join(index, fact)
        first, second = joined.ids[0], joined.ids[1]
        if body.denied:
            joined.deny(first, second)
        else:
            # A file is old evidence, and a model guesses: neither takes back what somebody entitled denied.
            if body.link is not LinkKind.PROBABLE and fact.role != IMPORTED:
                joined.lift(first, second)
            joined.link(first, second, body.link, min(body.at, self.now), body.weight)
        self._accept(joined, joined.derived())
        return Taken(identifier=first)

    def _unlinked(self, index: EntryIndex, fact: Fact) -> Taken:
        if any(ref not in self.identifiers for ref in fact.refs):
            raise FactRejected("nothing links an identifier that was never seen")
        joined = self._join(index, fact)
        if len(joined.ids) > 1:
            joined.retract(joined.ids[0], joined.ids[1])
        else:
            joined.part(joined.ids[0])
        self._accept(joined, joined.derived())
        return Taken(identifier=joined.ids[0])

    def _policy(self, index: EntryIndex, body: PolicyBody, *, replaying: bool) -> Taken:
        before, documents = self.policy, msgspec.json.decode(body.documents)
        policy, self.names = parse_policy(documents, names=self.names, version=before.version + 1)
        self.policy = policy
        self.activated = Activated(
            entry=index,
            documents=body.documents,
            before=before,
            flips=body.as_of is not None and not replaying,
        )
        for holding in {id(one): one for one in self._holdings.values()}.values():
            component = holding.component
            if body.as_of is None:
                holding.derived = derive(component, policy, self.now)
            else:
                holding.derived = derive_prepared(component, policy, body.as_of)
            for one, said in component.statements.items():
                self._set_denies(one, denied_purposes(said, policy))
        self.moved.update(self._holdings)
        for purpose in sorted(policy.purposes):
            self.bump(Change(purpose, EVERYTHING, narrowing=True))
        return Taken(identifier=IdentifierId(0))

    def _audience(self, index: EntryIndex, body: AudienceBody) -> Taken:
        version = self._audience_versions.get(body.audience, 0) + 1
        self._audience_versions[body.audience] = version
        self.audiences.append(NewAudience(entry=index, version=version, body=body))
        return Taken(identifier=IdentifierId(0))

    def _rest(self, index: EntryIndex, fact: Fact, body: RestBody) -> Taken:
        joined = self._join(index, fact, body.positions)
        if body.link is not None:
            for one, other in combinations(joined.ids, 2):
                joined.link(one, other, body.link, min(body.at, self.now))
        self._accept(joined, joined.derived())
        return Taken(identifier=joined.ids[0])

    def replace(self, gone: Iterable[IdentifierId], parts: Iterable[Component], after: Derived) -> None:
        """Hold `parts`, with what follows from them, and nothing of those who are `gone`."""
        for one in gone:
            self._holdings.pop(one, None)
            self.states.pop(one, None)
        for part in parts:
            holding = Holding(part, after.of(part.nodes))
            for one in part.nodes:
                self._holdings[one] = holding
                self.moved.add(one)

    def settle(self, states: Mapping[IdentifierId, dict[StateKey, State]], items: Iterable[KeptItem]) -> None:
        """Take over what identifiers' data came to, where nothing else was folded of it."""
        for one, made in states.items():
            self.states[one] = made
            self.dirty_states.update((one, key) for key in made)
        self.items += items

    def keep_masks(self, seen_by: Mapping[IdentifierId, PurposeMask], component: Component) -> None:
        """Set who may know of each identifier of a component, and what each denies."""
        for one in component.nodes:
            self.seen_by[one] = seen_by.get(one, self.seen_by.get(one, PurposeMask(0)))
            self.denies[one] = denied_purposes(component.statements.get(one, ()), self.policy)
            self.new_masks.add(one)

    # What a fact changes.

    def _accept(self, joined: Joined, after: Derived) -> None:
        self._write_down(joined)
        if not joined.changed:
            if joined.new_links:  # of which only the newest time moved
                self._holdings[joined.ids[0]].component = joined.component()
            return
        component = joined.component()
        for change in changes(joined.before, after, self.policy, component.nodes, self.seen_by):
            self.bump(change)
        if any(one.until <= self.now for held in joined.before.permits.values() for one in held):
            lapsed = closings(joined.before, after, self.now, negative=False)
            for closing in unrestricted(lapsed, component, after, self.policy):
                self.strip(closing)
        self.moved.update(component.nodes)
        parts = split(component, after)
        for part in parts:
            holding = Holding(part, after if len(parts) == 1 else after.of(part.nodes))
            for one in part.nodes:
                self._holdings[one] = holding

    def _write_down(self, joined: Joined) -> None:
        """Note what a fact adds to the graph, and what it takes away."""
        for ref, node in joined.new_nodes:
            self.identifiers[ref] = node.id
            self.new_identifiers.append(node)
            if ref in self.suppressed:
                said = suppression_of(node.id, joined.index, self.suppressed[ref], self.now)
                self.statements.append(said)
                self.denies[node.id] = denied_purposes((said,), self.policy)
        for key in joined.gone_links:
            self.links.pop(key, None)
        self.gone_links |= joined.gone_links
        self.links.update(joined.new_links)
        for pair in joined.lifted:
            self.denied.pop(pair, None)
        self.lifted |= joined.lifted
        for pair in joined.new_denied:
            self.denied[pair] = (self.now, joined.index)

    def bump(self, change: Change) -> None:
        """Count a change of what a purpose can see."""
        seq = self.sequences.get(change.purpose, 0) + 1
        self.sequences[change.purpose] = seq
        key = (change.purpose, change.profile)
        _, narrowing = self.changed.get(key, (0, False))
        self.changed[key] = (seq, narrowing or change.narrowing)


def suppression_of(one: IdentifierId, index: EntryIndex, since: Instant, now: Instant) -> Statement:
    """Return the objection to direct marketing that outlasted an erasure, for who is seen again."""
    return Statement(
        identifier=one,
        purpose=None,
        state=Said.SUPPRESSED,
        acted_at=since,
        known_at=now,
        entry=index,
        position=1,
        mechanism="suppression",
    )


def denied_purposes(said: Sequence[Statement], policy: Policy) -> PurposeMask:
    """Return the purposes that an identifier's own newest statements deny; a tie denies, a parent covers."""
    newest: dict[PurposeId | None, tuple[Instant, bool]] = {}
    for one in said:
        if one.state is Said.SUPPRESSED:
            marketing = [purpose.id for purpose in policy.purposes.values() if purpose.direct_marketing]
            for each in marketing:
                newest[each] = max(newest.get(each, (one.acted_at, True)), (one.acted_at, True))
            continue
        negative = one.state in NARROWING
        speaks = negative or one.state in ("given", "renewed")
        if one.address is None and speaks and (one.purpose is not None or one.state is not Said.GPC):
            newest[one.purpose] = max(
                newest.get(one.purpose, (one.acted_at, False)), (one.acted_at, negative)
            )
    # What was said of every purpose stands for each about which nothing was said later.
    of_all = newest.pop(None, None)
    denied = {purpose for purpose, stance in newest.items() if max(stance, of_all or stance)[1]}
    if of_all is not None and of_all[1]:
        denied |= policy.purposes.keys() - newest.keys()
    bits = 0
    for purpose in policy.purposes.values():
        step: PurposeId | None = purpose.id
        while step is not None:
            if step in denied:
                bits |= 1 << purpose.id
            parent = policy.purposes.get(step)
            step = parent.parent if parent is not None else None
    return PurposeMask(bits)
