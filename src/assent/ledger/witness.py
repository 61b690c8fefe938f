"""Keep each signed checkpoint outside the database, so that a database put back to an older state is noticed.

    checkpoints/<controller>/<log>/latest       the newest checkpoint, replaced whole
    checkpoints/<controller>/<log>/2026-11-21   every checkpoint of the day, one note after the other

Call `keep` after the commit that the checkpoint belongs to, never before: a checkpoint kept for a commit
that then failed would refuse the next start. A crash in between leaves `latest` one commit behind, which only
makes the next check a little weaker.

Raises LedgerRolledBack when two checkpoints contradict each other, ProofInvalid when a kept one is not ours.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from assent.core.errors import LedgerRolledBack
from assent.core.time import Instant, to_datetime
from assent.ledger.checkpoint import Checkpoint, open_checkpoint
from assent.ledger.note import Verifier, parse_note

LATEST: Final = "latest"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


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
        """Keep a checkpoint that was signed and committed.

        The newest stays the newest when processes finish out of turn. Raises LedgerRolledBack when this
        one has the size of the newest and another root: the log has forked.
        """
        ours = _unverified(note)
        with self._locked() as folder:
            self._append(note, now)  # first: when the log has forked, this is the evidence
            kept = self.latest()
            newest = None if kept is None else _unverified(kept)
            if newest is not None and newest.size == ours.size and newest.root != ours.root:
                raise LedgerRolledBack("two checkpoints of one size have different roots")
            if newest is None or newest.size < ours.size:
                self._replace(note)
            if self._durable:
                os.fsync(folder)

    def latest(self) -> bytes | None:
        """Return the newest checkpoint kept, as it was signed, or None."""
        try:
            return (self.folder / LATEST).read_bytes()
        except FileNotFoundError:
            return None

    def _append(self, note: bytes, now: Instant) -> None:
        day = self.folder / f"{to_datetime(now):%Y-%m-%d}"
        with day.open("ab") as file:
            file.write(
                note + b"\n"
            )  # a note holds no two empty lines at its end: this one parts it from the next
            self._settle(file.fileno())

    def _replace(self, note: bytes) -> None:
        staged = self.folder / f".{LATEST}"  # one name is enough under the lock; a crash leaves it, unread
        with staged.open("wb") as file:
            file.write(note)
            file.flush()
            self._settle(file.fileno())
        staged.replace(self.folder / LATEST)

    def _settle(self, descriptor: int) -> None:
        if self._durable:
            os.fsync(descriptor)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def _unverified(note: bytes) -> Checkpoint:
    return Checkpoint.from_text(parse_note(note).text)


def kept_checkpoint(note: bytes | None, log: Verifier) -> Checkpoint | None:
    """Return the checkpoint in a kept note, having checked that `log` signed it. Raises ProofInvalid."""
    return None if note is None else open_checkpoint(note, log)


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
