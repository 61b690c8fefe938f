"""What a board becomes when time deletes: states made of what is left, and who may still know of whom.

Pure. Beside the fold, for the jobs that delete in time (`upkeep`).
"""

from collections.abc import Iterable, Iterator, Mapping

from assent.core.ids import CategoryId, CategoryMask, IdentifierId, PurposeId, PurposeMask, members
from assent.core.policy import Policy
from assent.core.time import DAY, Instant, shifted
from assent.features.accumulate import State
from assent.ingest.board import Board
from assent.ingest.board_parts import StateKey
from assent.ingest.changing import Change
from assent.ingest.closing import Closing
from assent.ingest.restriction import unrestricted


def spared(board: Board, ids: Iterable[IdentifierId]) -> set[IdentifierId]:
    """Return those of the identifiers whose data is restricted: no job deletes anything of them."""
    wanted = set(ids)
    due = set[IdentifierId]()
    for component, derived in board.components():
        asked = [Closing(one, PurposeId(0), CategoryMask(0)) for one in component.nodes.keys() & wanted]
        due |= {each.identifier for each in unrestricted(asked, component, derived, board.policy)}
    return wanted - due


def remake(board: Board, one: IdentifierId, category: CategoryId, made: Mapping[StateKey, State]) -> None:
    """Let a category's states of an identifier be those made of what is left; whoever saw more is told."""
    states = board.states.setdefault(one, {})
    for key in [key for key in states if key[0] == category]:
        if made.get(key) != states[key]:
            board.show(one, category, key[1], gone=True)
            board.dirty_states.add((one, key))
            del states[key]
    for key, state in made.items():
        if states.get(key) != state:
            states[key] = state
            board.dirty_states.add((one, key))


def narrow_seen(board: Board, known: Mapping[IdentifierId, PurposeMask]) -> None:
    """Let nobody know of an identifier by data that is gone."""
    for one, mask in known.items():
        seen = board.seen_by.get(one, PurposeMask(0))
        left = PurposeMask(seen & mask)
        if left == seen:
            continue
        board.seen_by[one] = left
        board.new_masks.add(one)
        derived = board.derived_of(one)
        for number, purpose in board.policy.purposes.items():
            if (seen & ~left) >> number & 1:
                board.bump(Change(number, derived.profile(purpose.view, one), narrowing=True))


def grace(policy: Policy, now: Instant) -> int:
    """Return how long what a policy closes is kept, in microseconds: an activation may be a mistake.

    Half of the time within which everything is to be gone, half a day at most.
    """
    within = [shifted(now, purpose.erase_within) - now for purpose in policy.purposes.values()]
    return min([DAY, *within]) // 2


def covered(policy: Policy) -> tuple[list[CategoryId], list[PurposeMask]]:
    """Return, for each category, the purposes that may use it of anybody."""
    carried: dict[CategoryId, int] = dict.fromkeys(policy.categories, 0)
    for number, purpose in policy.purposes.items():
        for category in members(purpose.categories):
            carried[CategoryId(category)] = carried.get(CategoryId(category), 0) | 1 << number
    return list(carried), [PurposeMask(purposes) for purposes in carried.values()]


def uncovered(board: Board, ids: Iterable[IdentifierId]) -> Iterator[Closing]:
    """Yield what purposes carry of these identifiers, and the policy lets them use of nobody."""
    carried = dict(zip(*covered(board.policy), strict=True))
    for one in ids:
        closed: dict[int, int] = {}
        for category, basis in board.states.get(one, {}):
            for purpose in members(basis & ~carried.get(category, 0)):
                closed[purpose] = closed.get(purpose, 0) | 1 << category
        for purpose, categories in sorted(closed.items()):
            yield Closing(one, PurposeId(purpose), CategoryMask(categories))
