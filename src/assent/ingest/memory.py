"""Keep what a commit loaded and made, for the commits that follow it.

A memory holds true as long as nobody else moves the controller's head, and every writer of projections moves
it first: so it is used only where the head still stands as the commit left it, and thrown away otherwise. A
batch changes it in place, before anything is durable: when a batch fails, its memory must be thrown away too.

Bounded: whoever was not seen among the last few thousand identifiers is forgotten, and loaded again.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from assent.core.ids import IdentifierId, PurposeId, PurposeMask, Revision
from assent.core.names import NameBook
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.features.accumulate import State
from assent.ingest.board import Board
from assent.ingest.board_parts import Loaded, StateKey
from assent.ingest.component import Component, Derived
from assent.ledger.append import Ref

MOST_KEPT: Final = 8_192
"""Identifiers of one generation; two are kept. Each takes some kilobytes."""


class Held(Struct, frozen=True, kw_only=True):
    """One component as the database holds it."""

    component: Component
    derived: Derived
    denies: Mapping[IdentifierId, PurposeMask]
    seen_by: Mapping[IdentifierId, PurposeMask]
    states: dict[IdentifierId, dict[StateKey, State]]
    """Of those identifiers whose states were loaded; an empty one says that there is none."""


class Memory:
    """What one controller's last commit left."""

    def __init__(
        self,
        revision: Revision,
        at: Instant,
        policy: Policy,
        names: NameBook,
        sequences: dict[PurposeId, int],
        *,
        suppressing: bool = False,
    ) -> None:
        """Begin with nobody; `suppressing` says whether anybody's objection outlasted an erasure."""
        self.suppressing = suppressing
        self.policy = policy
        self.names = names
        self.sequences = sequences
        self._stands_at = (revision, at)
        self._young: dict[Ref, Held] = {}
        self._old: dict[Ref, Held] = {}

    def is_of(self, revision: Revision, at: Instant) -> bool:
        """Return whether the head stands where it stood when this was kept."""
        return self._stands_at == (revision, at)

    def find(self, refs: Iterable[Ref]) -> tuple[list[Held], list[Ref]]:
        """Return the components of identifiers that are kept, each once, and the identifiers that are not."""
        found: dict[int, Held] = {}
        missing: list[Ref] = []
        for ref in refs:
            held = self._young.get(ref) or self._old.get(ref)
            if held is None:
                missing.append(ref)
            else:
                found[id(held)] = held
        return list(found.values()), missing

    def keep(self, revision: Revision, at: Instant, board: Board) -> None:
        """Keep what a committed board holds."""
        self._stands_at = (revision, at)
        self.policy = board.policy
        if len(self._young) > MOST_KEPT:
            self._old, self._young = self._young, {}
        new = {node.id for node in board.new_identifiers}
        for component, derived in board.components():
            held = Held(
                component=component,
                derived=derived,
                denies={one: board.denies.get(one, PurposeMask(0)) for one in component.nodes},
                seen_by={one: board.seen_by.get(one, PurposeMask(0)) for one in component.nodes},
                states={
                    one: board.states.get(one, {})
                    for one in component.nodes
                    if one in board.states or one in new
                },
            )
            for node in component.nodes.values():
                self._young[Ref(namespace=node.namespace, lookup=node.key)] = held


def recall(loaded: Loaded, found: Iterable[Held]) -> None:
    """Add kept components to what was loaded."""
    for held in found:
        loaded.components.append(held.component)
        loaded.derived.append(held.derived)
        loaded.denies.update(held.denies)
        loaded.seen_by.update(held.seen_by)
        loaded.states.update(held.states)
        for one, node in held.component.nodes.items():
            loaded.identifiers[Ref(namespace=node.namespace, lookup=node.key)] = one
