"""What changes for purposes when somebody who told something of an account may be used for it more, or less.

A change is noted once for the account, however many belong to it: `gate.changes` gives it to each of them. It
is noted only for purposes that see, or saw, what was told: what they may not see moves nothing of theirs.

Pure: functions over the board. Raises nothing.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from assent.core.ids import IdentifierId, PurposeMask
from assent.core.policy import Purpose
from assent.ingest.board_parts import KeptItem, Told
from assent.ingest.changing import coverage, covers
from assent.ingest.closing import Closing
from assent.ingest.component import Derived

EVERY: Final = PurposeMask(-1)

if TYPE_CHECKING:
    from assent.ingest.board import Board


def told_now(board: "Board", items: Iterable[KeptItem]) -> None:
    """Note what an identifier says of accounts from now on, and who sees it."""
    for kept in items:
        if kept.account is not None and kept.item.feature > 0:
            told = Told(kept.account, kept.category, kept.basis)
            board.told.setdefault(kept.identifier, set()).add(told)
            show(board, kept.identifier, told, gone=False)


def show(board: "Board", one: IdentifierId, told: Told, *, gone: bool, purposes: PurposeMask = EVERY) -> None:
    """Count a change of an account for each of `purposes` that sees what was told, or saw it until `gone`."""
    for permit in board.derived_of(one).permits[one]:
        purpose = board.policy.purposes[permit.purpose]
        if not purposes >> purpose.id & 1:
            continue
        if _sees(purpose, told) and permit.categories >> told.category & 1 and board.is_open(permit):
            board.bump_account(purpose.id, told.account, narrowing=gone)


def follow(board: "Board", before: Derived, after: Derived, ids: Iterable[IdentifierId]) -> None:
    """Count what it means for accounts that these identifiers' permits became others."""
    for one in ids:
        for purpose in board.policy.purposes.values() if one in board.told else ():
            known = board.seen_by.get(one, 0) >> purpose.id & 1 == 1
            old = coverage(before, one, purpose.id, now=board.now, known=known)
            new = coverage(after, one, purpose.id, now=board.now, known=known)
            if old == new:
                continue
            narrower = bool(old) and not covers(new, old)
            shown = {
                told.account
                for told in board.told[one]
                if _sees(purpose, told)
                and any(categories >> told.category & 1 for categories, _, _ in (*old, *new))
            }
            for account in sorted(shown):
                board.bump_account(purpose.id, account, narrowing=narrower)


def taken(board: "Board", closing: Closing) -> None:
    """Take a purpose from what an identifier told; what no purpose carries any more is gone."""
    one, purpose, categories = closing
    for told in sorted(board.told.get(one, ())):
        if not (told.basis >> purpose & 1 and categories >> told.category & 1):
            continue
        left = told._replace(basis=PurposeMask(told.basis & ~(1 << purpose)))
        board.told[one].remove(told)
        if left.basis:
            board.told[one].add(left)
        else:
            show(board, one, left, gone=True)


def _sees(purpose: Purpose, told: Told) -> bool:
    return (told.basis >> purpose.id | purpose.retroactive >> told.category) & 1 == 1
