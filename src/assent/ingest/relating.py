"""The fold of links: stated, denied, taken back, and what remains of them where an entry lost its payload.

Pure. Raises FactRejected before anything is changed.
"""

from itertools import combinations
from typing import TYPE_CHECKING

from assent.core.errors import FactRejected
from assent.core.ids import EntryIndex
from assent.core.policy import LinkKind
from assent.ingest.board_parts import Taken
from assent.ingest.facts import IMPORTED, LinkBody, RestBody, UnlinkBody
from assent.ingest.joining import is_moved
from assent.ledger.append import Fact

if TYPE_CHECKING:
    from assent.ingest.board import Board


def link(board: "Board", index: EntryIndex, fact: Fact, body: LinkBody) -> Taken:
    """Take evidence that two identifiers are one person, or the word that they are not."""
    joined = board.join(index, fact)
    first, second = joined.ids[0], joined.ids[1]
    if body.denied:
        joined.deny(first, second)
    else:
        # A file is old evidence, and a model guesses: neither takes back what somebody entitled denied.
        if body.link is not LinkKind.PROBABLE and fact.role != IMPORTED:
            joined.lift(first, second)
        joined.link(first, second, body.link, min(body.at, board.now), body.weight, body.source)
    board.accept(joined, joined.derived())
    return Taken(identifier=first)


def unlink(board: "Board", index: EntryIndex, fact: Fact, body: UnlinkBody) -> Taken | None:
    """Take back what links two identifiers, or all that links one; of sources what they proved, if any.

    Nothing is kept of two of whom nothing was stated: an entry would name strangers beside each other, and an
    erasure looks where evidence leads.
    """
    if body.sources:
        return _unlink_sources(board, index, fact, body.sources)
    if any(ref not in board.identifiers for ref in fact.refs):
        raise FactRejected("nothing links an identifier that was never seen")
    joined = board.join(index, fact)
    if len(joined.ids) > 1:
        joined.retract(joined.ids[0], joined.ids[1])
        if not joined.changed:
            return None
    else:
        joined.part(joined.ids[0])
    board.accept(joined, joined.derived())
    return Taken(identifier=joined.ids[0])


def _unlink_sources(board: "Board", index: EntryIndex, fact: Fact, sources: tuple[str, ...]) -> Taken | None:
    if any(ref not in board.identifiers for ref in fact.refs):
        return None  # erased since
    joined = board.join(index, fact)
    if len(joined.ids) < 2:
        return None  # nothing links somebody to themself
    joined.retract_sources(joined.ids[0], joined.ids[1], sources)
    if not (joined.gone_links or joined.new_links):
        return None  # taken back since
    board.accept(joined, joined.derived())
    return Taken(identifier=joined.ids[0])


def remain(board: "Board", index: EntryIndex, fact: Fact, body: RestBody) -> Taken:
    """Take what an erasure left of an entry that named others too."""
    joined = board.join(index, fact, body.positions)
    if body.link is not None:
        for one, other in combinations(joined.ids, 2):
            joined.link(one, other, body.link, min(body.at, board.now), source=body.source)
    board.accept(joined, joined.derived())
    return Taken(identifier=joined.ids[0])


def expire(board: "Board", index: EntryIndex, fact: Fact, *, replaying: bool) -> Taken | None:
    """Let links that are over join nobody; nothing is kept where another fact has done so already."""
    if any(ref not in board.identifiers for ref in fact.refs):
        return None  # erased since
    joined = board.join(index, fact)
    joined.expire()
    after = joined.derived()
    if not replaying and not is_moved(joined.before, after, board.now):
        return None
    board.accept(joined, after)
    return Taken(identifier=joined.ids[0])
