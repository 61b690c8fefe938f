"""Apply facts, one after another, to what was loaded for them; remember what became different.

A `Board` holds the part of the projections that a batch touches. `apply` is the fold: the same facts in the
same order give the same board, live or in a rebuild. What each kind of fact does stands in a module of its
own (`collecting`, `saying`, `relating`, `erasing`), as functions over the board. Pure: it reads no database
and no clock. It raises `Refused` for a fact that cannot be taken, before it has changed anything.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import msgspec

from assent.consent.permit import Permit
from assent.core import derived
from assent.core.documents import parse_policy
from assent.core.errors import FactRejected
from assent.core.ids import (
    CategoryId,
    EntryIndex,
    FeatureId,
    IdentifierId,
    ProfileId,
    PurposeId,
    PurposeMask,
)
from assent.core.names import NameBook
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.features.accumulate import EMPTY, State, merge
from assent.identity.former import Former
from assent.ingest.accounts import follow, taken
from assent.ingest.board_parts import Activated, KeptContent, KeptItem, Loaded, NewAudience, StateKey, Taken
from assent.ingest.changing import Change, changes
from assent.ingest.closing import Closing, closings
from assent.ingest.collecting import collect
from assent.ingest.component import Component, Derived, LinkKey, Pair, derive, derive_prepared
from assent.ingest.denials import denied_purposes, suppression_of
from assent.ingest.erasing import erase
from assent.ingest.facts import (
    AudienceBody,
    DerivationBody,
    ErasureBody,
    EventBody,
    ExpiryBody,
    FindingBody,
    LinkBody,
    MarkBody,
    PolicyBody,
    RestBody,
    StatedBody,
    UnlinkBody,
)
from assent.ingest.joining import Holding, Joined
from assent.ingest.relating import expire, link, remain, unlink
from assent.ingest.restriction import unrestricted
from assent.ingest.saying import mark_out, state
from assent.ledger.append import Fact

if TYPE_CHECKING:
    from assent.consent.statement import Statement
    from assent.identity.resolve import Link, Node

EVERYTHING = ProfileId(0)
"""A change of this profile says: whatever you hold for the purpose, load it anew."""


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
        self.told = loaded.told
        self.sequences = loaded.sequences
        self.suppressed = loaded.suppressed
        self.moved_since = loaded.moved_since
        self._messages = loaded.messages
        self._audience_versions = loaded.audience_versions
        self._holdings: dict[IdentifierId, Holding] = {}
        self.stored: dict[IdentifierId, Derived] = {}
        for component, stood in zip(loaded.components, loaded.derived, strict=True):
            holding = Holding(component, stood)
            for one in component.nodes:
                self._holdings[one] = holding
                self.stored[one] = stood
        # What the batch made different, for whoever writes it down.
        self.new_identifiers: list[Node] = []
        self.new_masks: set[IdentifierId] = set()
        self.new_messages: dict[bytes, EntryIndex] = {}
        self.links: dict[LinkKey, Link] = {}
        self.gone_links: set[LinkKey] = set()
        self.former: list[Former] = []
        self.denied: dict[Pair, tuple[Instant, EntryIndex]] = {}
        self.lifted: set[Pair] = set()
        self.statements: list[Statement] = []
        self.moved: set[IdentifierId] = set()
        self.dirty_states: set[tuple[IdentifierId, StateKey]] = set()
        self.items: list[KeptItem] = []
        self.contents: list[KeptContent] = []
        self.strips: list[Closing] = []
        self.put_off: set[IdentifierId] = set()
        self.changed: dict[tuple[PurposeId, ProfileId], tuple[int, bool]] = {}
        self.changed_accounts: dict[tuple[PurposeId, bytes], tuple[int, bool]] = {}
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.audiences: list[NewAudience] = []
        self.activated: Activated | None = None
        self.erasures: list[tuple[EntryIndex, ErasureBody]] = []
        self.derivations = loaded.derivations
        self._derivations_given = loaded.derivations_given
        self.new_derivations: dict[FeatureId, tuple[str, EntryIndex]] = {}
        self.gone_derivations: set[FeatureId] = set()

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
                return collect(self, index, fact, body, replaying=replaying)
            case StatedBody() as body:
                return state(self, index, fact, body, replaying=replaying)
            case LinkBody() as body:
                return link(self, index, fact, body)
            case PolicyBody() as body:
                return self._policy(index, body, replaying=replaying)
            case AudienceBody() as body:
                return self._audience(index, body)
            case _:
                return self._rarely(index, fact, replaying=replaying)

    def _rarely(self, index: EntryIndex, fact: Fact, *, replaying: bool) -> Taken | None:
        match fact.body:
            case MarkBody() | FindingBody() as body:
                return mark_out(self, index, fact, body)
            case UnlinkBody() as body:
                return unlink(self, index, fact, body)
            case ExpiryBody():
                return expire(self, index, fact, replaying=replaying)
            case RestBody() as body:
                return remain(self, index, fact, body)
            case DerivationBody() as body:
                return self._derivation(index, body)
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

    def join(self, index: EntryIndex, fact: Fact, positions: Sequence[int] = ()) -> Joined:
        """Join what holds the identifiers of a fact, which change nothing before they are accepted."""
        known = [(ref, self.identifiers.get(ref)) for ref in fact.refs]
        holdings = {one: self._holdings[one] for _, one in known if one is not None}
        joined = Joined(self.policy, self.now, index, known, holdings, positions)
        if self.suppressed:
            for ref, node in joined.new_nodes:
                if ref in self.suppressed:
                    joined.state(suppression_of(node.id, index, self.suppressed[ref], self.now))
        return joined

    def show(
        self, owner: IdentifierId, category: CategoryId, basis: PurposeMask, *, gone: bool = False
    ) -> None:
        """Count a change for every purpose that can see the datum, or could until it was `gone`."""
        derived = self._holdings[owner].derived
        for permit in derived.permits[owner]:
            purpose = self.policy.purposes[permit.purpose]
            seen = basis >> permit.purpose & 1 or purpose.retroactive >> category & 1
            if seen and permit.categories >> category & 1 and self.is_open(permit):
                self.bump(Change(permit.purpose, derived.profile(purpose.view, owner), narrowing=gone))

    @property
    def has_changes(self) -> bool:
        """Whether anything changed for any purpose."""
        return bool(self.changed or self.changed_accounts)

    def is_open(self, permit: Permit) -> bool:
        """Whether a permit is in force now."""
        return permit.since <= self.now < permit.until

    def carries(self, closing: Closing) -> bool:
        """Whether anything is stored that such a closing would take a purpose from."""
        held = [*self.states.get(closing.identifier, ())]
        held += [(told.category, told.basis) for told in self.told.get(closing.identifier, ())]
        return any(basis >> closing.purpose & closing.categories >> category & 1 for category, basis in held)

    def set_denies(self, one: IdentifierId, denies: PurposeMask) -> None:
        """Note which purposes an identifier's own statements deny."""
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
        taken(self, closing)
        self.items = [_without(kept, closing) for kept in self.items]
        self.contents = [_without(kept, closing) for kept in self.contents]
        self.strips.append(closing)

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
            component, holding.web = holding.component, None
            if body.as_of is None:
                holding.derived = derive(component, policy, self.now)
            else:
                holding.derived = derive_prepared(component, policy, body.as_of)
            for one, said in component.statements.items():
                self.set_denies(one, denied_purposes(said, policy))
        self.moved.update(self._holdings)
        for purpose in sorted(policy.purposes):
            self.bump(Change(purpose, EVERYTHING, narrowing=True))
        return Taken(identifier=IdentifierId(0))

    def _audience(self, index: EntryIndex, body: AudienceBody) -> Taken:
        version = self._audience_versions.get(body.audience, 0) + 1
        self._audience_versions[body.audience] = version
        self.audiences.append(NewAudience(entry=index, version=version, body=body))
        return Taken(identifier=IdentifierId(0))

    def _derivation(self, index: EntryIndex, body: DerivationBody) -> Taken:
        asked = [name for name in dict.fromkeys(body.definitions) if name not in self.derivations]
        # Not what this commit lets go: what was kept by it is deleted with the commit.
        taken = {*self.derivations.values(), *self.gone_derivations}
        numbers = list(islice(derived.free_numbers(taken, self._derivations_given), len(asked)))
        if len(numbers) < len(asked):
            raise FactRejected
        for name, number in zip(asked, numbers, strict=True):
            self.derivations[name] = number
            self.new_derivations[number] = (name, index)
            self._derivations_given = max(self._derivations_given, number - derived.FIRST + 1)
        for name in body.dropped:
            if name in self.derivations:
                self.gone_derivations.add(self.derivations.pop(name))
        self.policy = derived.with_derived(
            self.policy, {number: name for name, number in self.derivations.items()}
        )
        return Taken(identifier=IdentifierId(0))

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

    def accept(self, joined: Joined, after: Derived) -> None:
        """Hold what a fact made, with what follows from it, and count what changed for each purpose."""
        self._write_down(joined)
        if not joined.changed:
            if joined.new_links:  # of which no rule asks for what is new
                self._holdings[joined.ids[0]].component = joined.component()
            return
        component = joined.component()
        reached = component.nodes if joined.reached is None else joined.reached
        for change in changes(joined.before, after, self.policy, reached, self.seen_by, self.now):
            self.bump(change)
        follow(self, joined.before, after, reached)
        held = (joined.before.permits.get(one, ()) for one in reached)
        if any(permit.until <= self.now for permits in held for permit in permits):
            lapsed = closings(joined.before, after, self.now, negative=False, among=reached)
            for closing in unrestricted(lapsed, component, after, self.policy):
                self.strip(closing)
        self.moved.update(reached)
        for holding in joined.held(component, after):
            self._holdings.update(dict.fromkeys(holding.component.nodes, holding))

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
        self.former += [Former(link=link, until=self.now, undone_by=joined.index) for link in joined.voided()]
        self.links.update(joined.new_links)
        for pair in joined.lifted:
            self.denied.pop(pair, None)
        self.lifted |= joined.lifted
        for pair in joined.new_denied:
            self.denied[pair] = (self.now, joined.index)

    def bump(self, change: Change) -> None:
        """Count a change of what a purpose can see."""
        key = (change.purpose, change.profile)
        _, narrowing = self.changed.get(key, (0, False))
        self.changed[key] = (self._following(change.purpose), narrowing or change.narrowing)

    def bump_account(self, purpose: PurposeId, account: bytes, *, narrowing: bool) -> None:
        """Count a change of what a purpose can see of an account."""
        _, narrowed = self.changed_accounts.get((purpose, account), (0, False))
        self.changed_accounts[purpose, account] = (self._following(purpose), narrowed or narrowing)

    def _following(self, purpose: PurposeId) -> int:
        self.sequences[purpose] = self.sequences.get(purpose, 0) + 1
        return self.sequences[purpose]


Kept = TypeVar("Kept", KeptItem, KeptContent)


def _without(kept: Kept, closing: Closing) -> Kept:
    one, purpose, categories = closing
    if kept.identifier != one or not categories >> kept.category & 1:
        return kept
    return msgspec.structs.replace(kept, basis=PurposeMask(kept.basis & ~(1 << purpose)))
