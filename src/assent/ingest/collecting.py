"""The fold of an event: its identifiers are linked, and of its content is kept what some purpose permits.

Pure. Keeps nothing, and only counts, when no purpose permits anything of an event.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from msgspec import structs

from assent.consent.permit import standing
from assent.core.ids import EntryIndex, IdentifierId, PurposeMask, mask
from assent.core.time import Instant
from assent.features.accumulate import EMPTY, absorb
from assent.ingest.accounts import show, told_now
from assent.ingest.board_parts import KeptContent, Taken
from assent.ingest.changing import Change
from assent.ingest.component import Derived
from assent.ingest.facts import EventBody
from assent.ingest.keeping import content_of, kept_items, slot_of
from assent.ledger.append import ContentPart, Fact

if TYPE_CHECKING:
    from assent.ingest.board import Board


def collect(
    board: "Board", index: EntryIndex, fact: Fact, body: EventBody, *, replaying: bool
) -> Taken | None:
    """Take an event; None when no purpose permits any of its content."""
    at = min(body.at, board.now)
    joined = board.join(index, fact)
    for one, other in combinations(joined.ids, 2):
        joined.link(one, other, body.link, at, source=body.source)
    after = joined.derived()
    closed = mask(body.closed)
    kept = tuple(_permitted(board, index, fact.contents, joined.ids, after, at, closed))
    if not kept and not replaying:
        board.refusals[fact.source, "not_permitted"] += 1
        return None
    board.accept(joined, after)
    for content in kept:
        _absorb(board, index, at, content)
    _introduce(board, joined.ids, kept)
    return Taken(identifier=joined.ids[0], contents=kept)


def _permitted(
    board: "Board",
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
        permitted = mask(permit.purpose for permit in after.permits[one] if board.is_open(permit))
        # What it denied and the person, authenticated, gave since, is denied no longer.
        denied |= board.denies.get(one, 0) & ~permitted
    owner = ids[0]
    number = 0
    for part in parts:
        basis = 0
        for permit in after.permits[owner]:
            if permit.categories >> part.category & 1 and permit.since <= at and board.is_open(permit):
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


def _absorb(board: "Board", index: EntryIndex, at: Instant, kept: KeptContent) -> None:
    content = content_of(kept.part.content, kept.category, at, index)
    owner, key = kept.identifier, (kept.category, kept.basis)
    if content.account is None:
        states = board.states.setdefault(owner, {})
        states[key] = absorb(board.policy, states.get(key, EMPTY), content)
        board.dirty_states.add((owner, key))
    kept_of = kept_items(board.policy, owner, content, kept.basis, kept.part.account)
    board.items += kept_of
    told_now(board, kept_of)
    slot = slot_of(owner, content, kept.part.account)
    board.contents.append(kept if slot is None else structs.replace(kept, slot=slot))
    board.show(owner, kept.category, kept.basis)


def _introduce(board: "Board", ids: Sequence[IdentifierId], kept: Sequence[KeptContent]) -> None:
    """Let the purposes that need no statement know of everybody on an event whose data they may use.

    Also of whom nothing may be shown yet: who is restricted now may not be for ever, and what names them is
    there. What is said of an account makes nobody known: it goes when somebody else says it anew.
    """
    usable = 0
    for content in kept:
        if not content.part.account:
            usable |= content.basis
            for purpose in board.policy.purposes.values():
                usable |= (purpose.retroactive >> content.category & 1) << purpose.id
    usable &= mask(one.purpose for one in standing(board.policy))
    for one in ids:
        known = board.seen_by.get(one, 0)
        fresh = usable & ~known
        if not fresh:
            continue
        board.seen_by[one] = PurposeMask(known | fresh)
        board.new_masks.add(one)
        derived = board.derived_of(one)
        for permit in derived.permits[one]:
            if permit.entry < 0 and fresh >> permit.purpose & 1:
                view = board.policy.purposes[permit.purpose].view
                board.bump(Change(permit.purpose, derived.profile(view, one), narrowing=False))
                for told in sorted(board.told.get(one, ())):
                    # To the others it is no news that this one knows them.
                    show(board, one, told, gone=False, purposes=PurposeMask(1 << permit.purpose))
