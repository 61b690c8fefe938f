"""The fold of an erasure: who was erased leaves the graph, and who stays is derived without them.

Live, an erasure is worked out beforehand (`erasure`), so the fold first makes sure that nothing moved since.
Replayed, those who were erased are not there: their entries have no payload, or what is left of it. What the
board ends up with is the same, except for what `rebuild` loads for who stays: their values as they stood.

Pure. Raises ErasureOutdated before anything is changed.
"""

from typing import TYPE_CHECKING

from assent.consent.statement import State, Statement
from assent.core.errors import ErasureOutdated
from assent.core.ids import EntryIndex, IdentifierId
from assent.ingest.accounts import follow
from assent.ingest.changing import changes
from assent.ingest.closing import closings
from assent.ingest.component import Component, Derived, derive, union
from assent.ingest.facts import ErasureBody
from assent.ingest.joining import split

if TYPE_CHECKING:
    from assent.ingest.board import Board

_CARRIED = 64
"""Positions of statements that an erasure leaves behind begin here."""


def erase(board: "Board", index: EntryIndex, body: ErasureBody, *, replaying: bool) -> None:
    """Take everybody in `body.erased` off the board."""
    erased = frozenset(body.erased)
    stays = dict(body.stays)
    held = list(board.components())
    everybody = {one for component, _ in held for one in component.nodes}
    # (1) live: exactly those who were looked at, and nothing said since
    if not replaying and (everybody != erased | stays.keys() or board.moved_since >= body.as_of):
        raise ErasureOutdated
    # (2) what stays of the evidence, and what follows from it
    before = union([derived for _, derived in held]) if held else Derived(profiles={}, permits={})
    component = _without(Component.of([each for each, _ in held] or [_NOBODY]), erased, body, index, board)
    after = derive(component, board.policy, board.now) if component.nodes else _NOTHING
    # (3) no purpose sees them any more
    for change in changes(before, after, board.policy, everybody, board.seen_by, board.now):
        board.bump(change)
    follow(board, before, after, everybody)
    # (4) what only they had permitted closes for good
    if not replaying:
        for closing in closings(before, after, board.now, negative=True):
            if closing.identifier not in erased:
                board.strip(closing)
    # (5) the board holds those who stay
    board.replace(erased, split(component, after) if component.nodes else (), after)
    board.keep_masks(stays, component)
    board.erasures.append((index, body))


def _without(
    component: Component,
    erased: frozenset[IdentifierId],
    body: ErasureBody,
    index: EntryIndex,
    board: "Board",
) -> Component:
    statements = {
        one: tuple(each for each in said if each.address not in erased)
        for one, said in component.statements.items()
        if one not in erased
    }
    for place, denial in enumerate(body.denials):
        if denial.identifier in component.nodes:
            carried = Statement(
                identifier=denial.identifier,
                purpose=denial.purpose,
                state=State(denial.state),
                acted_at=denial.acted_at,
                known_at=board.now,
                entry=index,
                position=_CARRIED + place,
                mechanism="erasure",
            )
            statements[denial.identifier] = (*statements.get(denial.identifier, ()), carried)
            board.statements.append(carried)
    shared = {(one, one): board.now for one in body.shared if one in component.nodes and one not in erased}
    board.denied.update((pair, (at, index)) for pair, at in shared.items())
    return Component(
        nodes={one: node for one, node in component.nodes.items() if one not in erased},
        links={
            key: link for key, link in component.links.items() if not (key[0] in erased or key[1] in erased)
        },
        denied={pair: at for pair, at in component.denied.items() if not erased.intersection(pair)} | shared,
        statements={one: said for one, said in statements.items() if said},
    )


_NOBODY = Component(nodes={})
_NOTHING = Derived(profiles={}, permits={})
