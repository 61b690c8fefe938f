"""A database put back to an older state is noticed by what was kept beside it."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from assent.core.errors import LedgerRolledBack, ProofInvalid
from assent.core.time import DAY, Instant, parse_time
from assent.ledger.checkpoint import Checkpoint, sign_checkpoint
from assent.ledger.note import Signer, open_note
from assent.ledger.tree import EMPTY_ROOT
from assent.ledger.witness import Witness, kept_checkpoint, refuse_rollback

LOG = Signer("assent.example/shop/facts", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NOW = parse_time("2026-11-21T19:53:00Z")


def root(size: int) -> bytes:
    return size.to_bytes(32, "big") if size else EMPTY_ROOT


def note(size: int, fork: bytes | None = None) -> bytes:
    return sign_checkpoint(Checkpoint(origin=LOG.name, size=size, root=fork or root(size)), LOG)


@pytest.fixture
def kept(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "checkpoints", "shop", "facts")


def test_the_newest_checkpoint_is_kept_as_it_was_signed(kept: Witness, tmp_path: Path) -> None:
    assert kept.latest() is None
    kept.keep(note(1), NOW)
    kept.keep(note(2), NOW)
    assert kept.latest() == note(2)
    assert kept.folder == tmp_path / "checkpoints" / "shop" / "facts"
    assert {path.name for path in kept.folder.iterdir()} == {"2026-11-21", "latest"}


def test_every_checkpoint_of_a_day_is_kept_and_can_be_cut_out_again(kept: Witness) -> None:
    for size in (1, 2, 3):
        kept.keep(note(size), NOW)
    kept.keep(note(4), Instant(NOW + DAY))
    day = (kept.folder / "2026-11-21").read_bytes()
    # A note is text, an empty line and signatures; the next empty line ends it.
    pieces = day.removesuffix(b"\n\n").split(b"\n\n")
    notes = [pieces[at] + b"\n\n" + pieces[at + 1] + b"\n" for at in range(0, len(pieces), 2)]
    assert notes == [note(1), note(2), note(3)]
    assert [open_note(one, [LOG.verifier])[0].split("\n")[1] for one in notes] == ["1", "2", "3"]
    assert (kept.folder / "2026-11-22").read_bytes() == note(4) + b"\n"


def test_an_older_checkpoint_does_not_replace_a_newer_one(kept: Witness) -> None:
    kept.keep(note(2), NOW)
    kept.keep(note(1), NOW)
    assert kept.latest() == note(2)


def test_processes_that_finish_out_of_turn_leave_the_newest_one(kept: Witness) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda size: kept.keep(note(size), NOW), (3, 1, 8, 2, 7, 4, 6, 5)))
    assert kept.latest() == note(8)
    assert (kept.folder / "2026-11-21").read_bytes().count(LOG.name.encode()) == 16


def test_the_same_checkpoint_may_be_kept_twice(kept: Witness) -> None:
    kept.keep(note(5), NOW)
    kept.keep(note(5), NOW)
    assert kept.latest() == note(5)


def test_a_fork_is_refused_and_its_checkpoint_kept_as_evidence(kept: Witness) -> None:
    kept.keep(note(5), NOW)
    with pytest.raises(LedgerRolledBack, match="different roots"):
        kept.keep(note(5, bytes(32)), NOW)
    assert kept.latest() == note(5)
    assert note(5, bytes(32)) in (kept.folder / "2026-11-21").read_bytes()


def test_a_durable_copy_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    Witness(tmp_path, "shop", "facts").keep(note(1), NOW)
    assert synced == []
    Witness(tmp_path, "shop", "releases", durable=True).keep(note(1), NOW)
    assert len(synced) == 3  # the day's file, the latest one and the folder that names them


@pytest.mark.parametrize("name", ["", "..", "a/b", "Shop", "a b", "-a", "a" * 64, "shop\n"])
def test_a_name_that_could_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    for controller, log in ((name, "facts"), ("shop", name)):
        with pytest.raises(ValueError, match="names of"):
            Witness(tmp_path, controller, log)
    assert not list(tmp_path.iterdir())


def test_a_kept_checkpoint_counts_only_when_the_log_signed_it() -> None:
    assert kept_checkpoint(None, LOG.verifier) is None
    assert kept_checkpoint(note(5), LOG.verifier) == Checkpoint(origin=LOG.name, size=5, root=root(5))
    with pytest.raises(ProofInvalid):
        kept_checkpoint(note(5).replace(b"\n5\n", b"\n6\n"), LOG.verifier)


KEPT = Checkpoint(origin=LOG.name, size=5, root=root(5))


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


def test_the_turn_test_finds_a_witness_that_always_replaces(
    kept: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace_whatever_stands(self: Witness, note: bytes, now: Instant) -> None:
        self._append(note, now)
        self._replace(note)

    monkeypatch.setattr(Witness, "keep", replace_whatever_stands)
    with pytest.raises(AssertionError):
        test_an_older_checkpoint_does_not_replace_a_newer_one(kept)
