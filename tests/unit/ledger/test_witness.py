"""A database put back to an older state is noticed by what was kept beside it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assent.core.errors import LedgerRolledBack, ProofInvalid
from assent.core.time import DAY, Instant, parse_time
from assent.ledger import witness
from assent.ledger.checkpoint import Checkpoint, sign_checkpoint
from assent.ledger.note import Signer
from assent.ledger.tree import EMPTY_ROOT
from assent.ledger.witness import Witness, refuse_rollback

LOG = Signer("assent.example/shop/facts", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NOW = parse_time("2026-11-21T19:53:00Z")


def root(size: int) -> bytes:
    return size.to_bytes(32, "big") if size else EMPTY_ROOT


def head(size: int) -> Checkpoint:
    return Checkpoint(origin=LOG.name, size=size, root=root(size))


def note(size: int, log: Signer = LOG) -> bytes:
    return sign_checkpoint(head(size), log)


@pytest.fixture
def kept(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "checkpoints", "shop", "facts")


def test_the_newest_checkpoint_is_kept(kept: Witness, tmp_path: Path) -> None:
    assert kept.latest(LOG.verifier) is None
    kept.keep(note(9), NOW)
    kept.keep(note(10), NOW)
    assert kept.latest(LOG.verifier) == head(10)
    assert kept.folder == tmp_path / "checkpoints" / "shop" / "facts"
    assert [path.name for path in kept.folder.iterdir()] == ["2026-11-21"]
    assert stat.S_IMODE((kept.folder / "2026-11-21").stat().st_mode) == 0o600


def test_the_newest_checkpoint_is_looked_for_in_the_newest_file(kept: Witness) -> None:
    kept.keep(note(1), NOW)
    kept.keep(note(2), Instant(NOW + DAY))
    (kept.folder / "notes.txt").write_bytes(note(3))
    assert kept.latest(LOG.verifier) == head(2)
    (kept.folder / "2026-11-22").write_bytes(b"")
    assert kept.latest(LOG.verifier) == head(1)


def test_every_checkpoint_of_a_day_can_be_read_by_hand(kept: Witness) -> None:
    for size in (1, 2, 3):
        kept.keep(note(size), NOW)
    assert (kept.folder / "2026-11-21").read_bytes() == b"".join(b"\n\n" + note(size) for size in (1, 2, 3))


def test_an_older_checkpoint_does_not_replace_a_newer_one(kept: Witness) -> None:
    kept.keep(note(10), NOW)
    kept.keep(note(9), NOW)
    assert kept.latest(LOG.verifier) == head(10)


def test_processes_that_finish_out_of_turn_leave_the_newest_one(kept: Witness) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda size: kept.keep(note(size), NOW), (3, 1, 12, 2, 7, 4, 6, 5)))
    assert kept.latest(LOG.verifier) == head(12)
    assert (kept.folder / "2026-11-21").read_bytes().count(LOG.name.encode()) == 16


@pytest.mark.parametrize("length", range(1, len(note(2)) - 1))
def test_a_torn_note_is_passed_over_and_harms_no_other(length: int, kept: Witness) -> None:
    kept.keep(note(1), NOW)
    with (kept.folder / "2026-11-21").open("ab") as file:
        file.write(b"\n\n" + note(2)[:length])
    assert kept.latest(LOG.verifier) == head(1)
    kept.keep(note(3), NOW)
    assert kept.latest(LOG.verifier) == head(3)


def test_a_long_day_is_read_from_its_end(kept: Witness) -> None:
    for size in range(1, 501):
        kept.keep(note(size), NOW)
    assert (kept.folder / "2026-11-21").stat().st_size > witness._TAIL
    assert kept.latest(LOG.verifier) == head(500)


def test_files_without_a_checkpoint_are_refused_rather_than_taken_for_a_new_log(kept: Witness) -> None:
    (kept.folder / "2026-11-21").write_bytes(b"")
    with pytest.raises(ProofInvalid, match="none of this log"):
        kept.latest(LOG.verifier)


def test_a_durable_copy_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    Witness(tmp_path, "shop", "facts").keep(note(1), NOW)
    assert synced == []
    durable = Witness(tmp_path, "shop", "releases", durable=True)
    durable.keep(note(1), NOW)
    assert len(synced) == 2  # the file and, once a day, the folder that names it
    durable.keep(note(2), NOW)
    assert len(synced) == 3


@pytest.mark.parametrize("name", ["", "..", "a/b", "Shop", "a b", "-a", "a" * 64, "shop\n"])
def test_a_name_that_could_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    for controller, log in ((name, "facts"), ("shop", name)):
        with pytest.raises(ValueError, match="names of"):
            Witness(tmp_path, controller, log)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_the_log_did_not_sign_counts_for_nothing(kept: Witness) -> None:
    thief = Signer(LOG.name, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    kept.keep(note(9, thief), NOW)
    with pytest.raises(ProofInvalid, match="none of this log"):
        kept.latest(LOG.verifier)
    kept.keep(note(5), NOW)
    kept.keep(note(9, thief), NOW)
    assert kept.latest(LOG.verifier) == head(5)


KEPT = head(5)


@pytest.mark.parametrize("head_size", [5, 6, 500])
def test_a_head_at_or_ahead_of_the_kept_checkpoint_with_the_same_past_passes(head_size: int) -> None:
    refuse_rollback(KEPT, head_size=head_size, root_at_kept=root(5))


def test_nothing_kept_yet_passes() -> None:
    refuse_rollback(None, head_size=3, root_at_kept=None)


@pytest.mark.parametrize("head_size", [0, 4])
def test_a_head_behind_the_kept_checkpoint_is_refused(head_size: int) -> None:
    with pytest.raises(LedgerRolledBack, match=f"holds {head_size} entries, a kept checkpoint 5"):
        refuse_rollback(KEPT, head_size=head_size, root_at_kept=None)


@pytest.mark.parametrize("head_size", [5, 6])
@pytest.mark.parametrize("found", [None, bytes(32)])
def test_a_head_with_another_past_is_refused(head_size: int, found: bytes | None) -> None:
    with pytest.raises(LedgerRolledBack, match="not those"):
        refuse_rollback(KEPT, head_size=head_size, root_at_kept=found)


def test_the_turn_test_finds_a_witness_that_takes_the_last_for_the_newest(
    kept: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = witness._checkpoints
    monkeypatch.setattr(witness, "_checkpoints", lambda tail, log: list(every(tail, log))[-1:])
    with pytest.raises(AssertionError):
        test_an_older_checkpoint_does_not_replace_a_newer_one(kept)


def test_the_torn_note_test_finds_a_witness_that_does_not_part_its_notes(
    kept: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data.removeprefix(b"\n\n")))
    with pytest.raises((AssertionError, ProofInvalid)):
        test_a_torn_note_is_passed_over_and_harms_no_other(40, kept)
