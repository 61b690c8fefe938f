"""Keep each signed checkpoint outside the database, so that a database put back to an older state is noticed.

    checkpoints/<controller>/<log>/2026-11-21   every checkpoint of the day, one note after the other

One append a checkpoint, 30 microseconds, and the newest is found at the end of the newest file. (A file of
its own for the newest, replaced by rename, took 2 to 4 milliseconds: ext4 flushes each replacement.)

Call `keep` after the commit that the checkpoint belongs to, never before: a checkpoint kept for a commit that
then failed would refuse the next start. A crash in between leaves the files one commit behind, which only
makes the next check a little weaker. A power cut may tear the last note: the one before it is then the
newest, and what is kept later stands.

Raises LedgerRolledBack for a database that is behind or has another past, ProofInvalid for files that hold no
checkpoint of the log.
"""

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from assent.core.errors import LedgerRolledBack, ProofInvalid
from assent.core.time import Instant, to_datetime
from assent.ledger.checkpoint import Checkpoint, open_checkpoint
from assent.ledger.note import Verifier

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_DAY: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_TAIL: Final = 1 << 16
"""Some 200 checkpoints: processes never finish that far out of turn."""


class Witness:
    """The checkpoints of one log, kept in a folder of its own. Processes may share it."""

    def __init__(self, checkpoints: Path, controller: str, log: str, *, durable: bool = False) -> None:
        """Keep under `checkpoints`; `durable` also waits for the disk, at some milliseconds a checkpoint."""
        if not _NAME.fullmatch(controller) or not _NAME.fullmatch(log):
            raise ValueError("expected names of lower-case letters, digits, - and _")
        self.folder = checkpoints / controller / log
        self._durable = durable
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, note: bytes, now: Instant) -> None:
        """Keep a checkpoint that was signed and committed."""
        day = self.folder / f"{to_datetime(now):%Y-%m-%d}"
        is_new = self._durable and not day.exists()
        descriptor = os.open(day, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # The empty lines in front part the note from a predecessor that a power cut has torn.
            os.write(descriptor, b"\n\n" + note)
            if self._durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(self.folder)

    def latest(self, log: Verifier) -> Checkpoint | None:
        """Return the largest kept checkpoint that `log` signed, or None before the first was kept.

        Raises ProofInvalid when there are files and none holds a checkpoint of the log.
        """
        days = sorted(self.folder.glob(_DAY), reverse=True)
        for day in days:
            kept = max(_checkpoints(_tail(day), log), key=lambda one: one.size, default=None)
            if kept is not None:
                return kept
        if days:
            raise ProofInvalid("the files of kept checkpoints hold none of this log")
        return None


def kept_controllers(checkpoints: Path) -> frozenset[str]:
    """Return the names of the controllers of which any checkpoint is kept."""
    return frozenset(day.parents[1].name for day in checkpoints.glob(f"*/*/{_DAY}"))


def refuse_rollback(kept: Checkpoint | None, *, head_size: int, root_at_kept: bytes | None) -> None:
    """Return when the database still holds all that the kept checkpoint commits to.

    `root_at_kept` is the root that the database's tree had at the kept size, recomputed from its tiles, or
    None where it has no such size any more. Nothing kept yet proves nothing and passes.

    Raises LedgerRolledBack when the head is behind the kept checkpoint, or ahead of it by another history.
    """
    if kept is None:
        return
    if kept.size > head_size:
        raise LedgerRolledBack(f"the database holds {head_size} entries, a kept checkpoint {kept.size}")
    if root_at_kept != kept.root:
        raise LedgerRolledBack("the database's entries are not those that a kept checkpoint commits to")


def _tail(day: Path) -> bytes:
    with day.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        return file.read()


def _checkpoints(tail: bytes, log: Verifier) -> Iterator[Checkpoint]:
    """Yield every whole checkpoint of `log`. What is torn, at either end or between, is passed over."""
    _, *pieces = tail.split(b"\n\n")  # a note begins after an empty line: what comes before is cut
    for text, signatures in pairwise(piece.strip(b"\n") for piece in pieces):
        try:
            yield open_checkpoint(text + b"\n\n" + signatures + b"\n", log)
        except ProofInvalid:
            continue


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)  # without it the new day's name may be gone after a power cut
    finally:
        os.close(descriptor)
