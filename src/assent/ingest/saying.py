"""The fold of what people say, and of the marks of Art. 18 and of findings.

What a statement closes loses its data; a mark closes, or lifts, and takes nothing away. Pure. Raises
UnknownPurpose before anything is changed.
"""

from typing import TYPE_CHECKING

from assent.consent.news import is_chosen, stands
from assent.consent.statement import EVERY, NARROWING, Statement, statement_of
from assent.consent.statement import State as Said
from assent.core.errors import UnknownPurpose
from assent.core.ids import EntryIndex
from assent.core.time import Instant
from assent.ingest.board_parts import Taken
from assent.ingest.closing import closings, refused, reopened
from assent.ingest.denials import denied_purposes
from assent.ingest.facts import FindingBody, MarkBody, StatedBody
from assent.ingest.joining import Joined
from assent.ingest.restriction import lifted, mark_of, unrestricted
from assent.ledger.append import Fact

if TYPE_CHECKING:
    from assent.ingest.board import Board


def state(
    board: "Board", index: EntryIndex, fact: Fact, body: StatedBody, *, replaying: bool
) -> Taken | None:
    """Take a statement; None for a signal that says nothing new."""
    if body.statement.purpose != EVERY and body.statement.purpose not in board.policy.purpose_ids:
        raise UnknownPurpose(pointer="/purpose")
    joined = board.join(index, fact)
    statement = statement_of(
        body.statement,
        board.policy,
        identifier=joined.ids[0],
        known_at=board.now,
        entry=index,
        authenticated=body.authenticated,
        person_scope=body.person_scope,
        vendors=body.vendors,
        address=joined.ids[1] if len(joined.ids) > 1 else None,
        signal=body.signal,
    )
    if body.signal and not replaying and _repeats(board, joined, statement, body.chosen_at):
        return None
    joined.state(statement)
    before, after = joined.before, joined.derived()
    board.accept(joined, after)
    board.statements.append(statement)
    _deny(board, statement, joined)
    component = joined.component()
    reached = component.nodes if joined.reached is None else joined.reached
    ended = closings(before, after, board.now, negative=statement.state in NARROWING, among=reached)
    for closing in unrestricted(ended, component, after, board.policy):
        board.strip(closing)
    left = (*reopened(before, after, reached), *refused(statement, after, board.policy))
    for closing in unrestricted(left, component, after, board.policy):
        if board.carries(closing):
            board.strip(closing)
    return Taken(identifier=joined.ids[0])


def _repeats(board: "Board", joined: Joined, statement: Statement, chosen_at: Instant | None) -> bool:
    """Whether a signal says nothing that does not stand already."""
    one = statement.identifier
    own = joined.said_by(one)
    held = joined.before.permits.get(one, ())
    is_open = any(permit.purpose == statement.purpose and board.is_open(permit) for permit in held)
    if statement.state not in NARROWING:
        chosen_at = None if chosen_at is None else min(chosen_at, board.now)
        return not is_chosen(statement, own, chosen_at=chosen_at, is_open=is_open)
    if not stands(statement, own):
        return False
    # Said before, and open all the same: the person gave since elsewhere, or the basis overrides.
    return not is_open or joined.stating(statement).permits == joined.before.permits


def mark_out(board: "Board", index: EntryIndex, fact: Fact, body: MarkBody | FindingBody) -> Taken:
    """Take a mark that closes, or lifts, without deleting: what was restricted stays for the person."""
    joined = board.join(index, fact)
    before = joined.component()
    said = mark_of(body, board.policy, joined.ids[0], board.now, index)
    joined.state(said)
    after = joined.derived()
    board.accept(joined, after)
    board.statements.append(said)
    if said.state is Said.UNRESTRICTED:
        component = joined.component()
        due = lifted(before, component, after, board.policy, said)
        for closing in unrestricted(due, component, after, board.policy):
            board.strip(closing)
    return Taken(identifier=joined.ids[0])


def _deny(board: "Board", statement: Statement, joined: Joined) -> None:
    said = joined.component().statements[statement.identifier]
    board.set_denies(statement.identifier, denied_purposes(said, board.policy))
