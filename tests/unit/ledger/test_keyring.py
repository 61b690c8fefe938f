"""The ring is created once, read by its owner alone, and recognised by its ledger."""

import json
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from assent.core.errors import KeyMismatch, KeyRingExposed, KeyRingMalformed, SealBroken
from assent.core.ids import ControllerId, NamespaceId, PurposeId
from assent.ledger import keyring
from assent.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from assent.ledger.keyring import KeyRing, load_ring, rotate_ring

ORIGIN = "assent.example"
ONE, TWO = ControllerId(1), ControllerId(2)
EMAIL, PHONE = NamespaceId(1), NamespaceId(2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "ring.json"


@pytest.fixture
def ring(path: Path) -> KeyRing:
    return load_ring(path, origin=ORIGIN, create=True)


def test_a_new_ring_is_one_file_that_its_owner_alone_may_read(ring: KeyRing, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    assert ring.origin == ORIGIN


def test_a_ring_is_not_created_unless_asked(path: Path) -> None:
    with pytest.raises(KeyMismatch, match="found none"):
        load_ring(path)
    assert not path.exists()


def test_a_ring_that_stands_is_never_replaced(ring: KeyRing, path: Path) -> None:
    before = path.read_bytes()
    again = load_ring(path, origin="other.example", create=True)
    keyring.create_ring(path, origin="other.example")
    assert path.read_bytes() == before
    assert again.check_values() == ring.check_values()


def test_processes_that_create_at_once_end_up_with_one_ring(path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        rings = list(pool.map(lambda _: load_ring(path, origin=ORIGIN, create=True), range(8)))
    assert len({tuple(ring.check_values().items()) for ring in rings}) == 1
    assert list(path.parent.iterdir()) == [path]


def test_two_rings_share_no_key(ring: KeyRing, tmp_path: Path) -> None:
    other = load_ring(tmp_path / "other.json", origin=ORIGIN, create=True)
    assert not set(ring.check_values().values()) & set(other.check_values().values())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o777])
@pytest.mark.usefixtures("ring")
def test_a_ring_that_others_may_touch_is_refused(mode: int, path: Path) -> None:
    path.chmod(mode)
    with pytest.raises(KeyRingExposed):
        load_ring(path)
    with pytest.raises(KeyRingExposed):
        rotate_ring(path)


MALFORMED: dict[str, Callable[[dict[str, Any]], object]] = {
    "not an object": lambda _: [],
    "an unknown field": lambda ring: ring | {"spare": "x"},
    "a missing key": lambda ring: {name: ring[name] for name in ring if name != "lookup"},
    "another format": lambda ring: ring | {"format": "assent/key-ring@2"},
    "a short key": lambda ring: ring | {"lookup": "AAAA"},
    "a key that is not base64": lambda ring: ring | {"lookup": "!" + ring["lookup"][1:]},
    "a key in another spelling": lambda ring: ring | {"lookup": ring["lookup"] + "\n"},
    "a short wrapping key": lambda ring: ring | {"wrapping": {"1": "AAAA"}},
    "no wrapping key": lambda ring: ring | {"wrapping": {}},
    "another current key": lambda ring: ring | {"current": 2},
    "a wrapping key numbered 0": lambda ring: ring | {"wrapping": {"0": ring["lookup"]}, "current": 0},
    "a wrapping key numbered beyond 32 bits": lambda ring: (
        ring | {"wrapping": {str(1 << 32): ring["lookup"]}, "current": 1 << 32}
    ),
    "an origin that no log can have": lambda ring: ring | {"origin": "two words"},
}


@pytest.mark.parametrize("what", MALFORMED)
@pytest.mark.usefixtures("ring")
def test_a_malformed_ring_is_refused_and_its_keys_are_not_shown(what: str, path: Path) -> None:
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps(MALFORMED[what](content)))
    with pytest.raises(KeyRingMalformed) as refused:
        load_ring(path)
    assert content["lookup"] not in repr(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
@pytest.mark.usefixtures("ring")
def test_what_is_not_json_is_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(KeyRingMalformed):
        load_ring(path)


def test_a_folder_is_not_a_ring(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(KeyRingMalformed):
        load_ring(path)


def test_a_ring_is_not_created_for_an_origin_that_no_log_can_have(path: Path) -> None:
    with pytest.raises(KeyRingMalformed, match="origin"):
        load_ring(path, create=True)
    assert not path.exists()


def test_no_key_is_shown(ring: KeyRing, path: Path) -> None:
    content = json.loads(path.read_bytes())
    assert repr(ring) == "KeyRing(origin='assent.example', wrapping=[1], keys=***)"
    assert content["signing"] not in repr(keyring._parse(path.read_bytes()))
    assert not hasattr(ring, "__dict__")


def test_a_ring_matches_the_check_values_it_gave(ring: KeyRing, path: Path) -> None:
    kept = ring.check_values()
    assert set(kept) == {"signing", "lookup", "pairwise", "suppression", "subject_token", "wrapping:1"}
    load_ring(path).matches(kept)


def test_a_check_value_is_short_and_not_the_key(ring: KeyRing, path: Path) -> None:
    content = path.read_text()
    for value in ring.check_values().values():
        assert len(value) == 8
        assert value.hex() not in content


@pytest.mark.parametrize(
    "name", ["signing", "lookup", "pairwise", "suppression", "subject_token", "wrapping:1"]
)
def test_a_wrong_key_is_named(name: str, ring: KeyRing) -> None:
    kept = ring.check_values()
    with pytest.raises(KeyMismatch, match=f"`{name}`"):
        ring.matches(kept | {name: bytes(8)})
    with pytest.raises(KeyMismatch):
        ring.matches({other: value for other, value in kept.items() if other != name})


def test_another_ring_does_not_match(ring: KeyRing, tmp_path: Path) -> None:
    other = load_ring(tmp_path / "other.json", origin=ORIGIN, create=True)
    with pytest.raises(KeyMismatch):
        other.matches(ring.check_values())


@pytest.mark.parametrize("kept", [{}, {"wrapping:1": b""}, {"wrapping:9": b""}])
def test_a_ledger_that_kept_nothing_matches_no_ring(kept: dict[str, bytes], ring: KeyRing) -> None:
    with pytest.raises(KeyMismatch):
        ring.matches(kept)


def test_a_ring_without_a_wrapping_key_of_the_ledger_does_not_match(ring: KeyRing, path: Path) -> None:
    newer = rotate_ring(path)
    newer.matches(ring.check_values())
    with pytest.raises(KeyMismatch, match="`wrapping:2`"):
        ring.matches(newer.check_values())


def test_an_unknown_key_with_an_empty_check_value_does_not_match(ring: KeyRing) -> None:
    with pytest.raises(KeyMismatch, match="`wrapping:9`"):
        ring.matches(ring.check_values() | {"wrapping:9": b""})


def test_rotation_seals_with_a_new_key_and_opens_what_the_old_one_sealed(ring: KeyRing, path: Path) -> None:
    old = ring.seal(b"before", b"place")
    newer = rotate_ring(path)
    assert (newer.current, repr(newer)) == (2, "KeyRing(origin='assent.example', wrapping=[1, 2], keys=***)")
    assert newer.open(old, b"place") == b"before"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(SealBroken):
        ring.open(newer.seal(b"after", b"place"), b"place")


def test_rotation_changes_no_name(ring: KeyRing, path: Path) -> None:
    newer = rotate_ring(path)
    assert newer.lookup(ONE, EMAIL, "a@example.com") == ring.lookup(ONE, EMAIL, "a@example.com")
    assert newer.signer("shop", "facts").verifier == ring.signer("shop", "facts").verifier


def test_seals_open_by_the_ring_that_is_loaded_again(ring: KeyRing, path: Path) -> None:
    again = load_ring(path)
    assert [again.open(one, b"place") for one in ring.seal_many([(b"a", b"place"), (b"b", b"place")])] == [
        b"a",
        b"b",
    ]


def test_a_look_up_differs_by_value_namespace_controller_and_use(ring: KeyRing) -> None:
    hashes = {
        ring.lookup(ONE, EMAIL, "a"),
        ring.lookup(ONE, EMAIL, "b"),
        ring.lookup(ONE, PHONE, "a"),
        ring.lookup(TWO, EMAIL, "a"),
        ring.suppression(ONE, EMAIL, "a"),
    }
    assert len(hashes) == 5
    assert {len(one) for one in hashes} == {32}


def test_a_pairwise_name_differs_by_consumer_purpose_subject_and_controller(ring: KeyRing) -> None:
    purpose, subject = PurposeId(1), bytes(32)
    names = {
        ring.pairwise(ONE, "engine", purpose, subject),
        ring.pairwise(ONE, "other", purpose, subject),
        ring.pairwise(ONE, "engine", PurposeId(2), subject),
        ring.pairwise(ONE, "engine", purpose, bytes(31) + b"1"),
        ring.pairwise(TWO, "engine", purpose, subject),
    }
    assert len(names) == 5
    for name in names:
        assert name[0] == "k"
        assert len(name) == 33
        assert set(name[1:]) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_a_message_key_takes_source_and_id_apart(ring: KeyRing) -> None:
    keys = {
        ring.message_key(ONE, "web", "1"),
        ring.message_key(ONE, "we", "b1"),
        ring.message_key(TWO, "web", "1"),
    }
    assert len(keys) == 3
    assert {len(key) for key in keys} == {16}


# Computed apart, with HMAC alone: extract with a salt of zeroes, expand once, hash (RFC 5869).
LOOKUP = "978ced5d3bf45e56fa6b2455c45d33411b345500b52f1779addd492701ad7292"
PAIRWISE = "k5kd4gwp7l26egvbqdt3xefzmj3ribw7a"
MESSAGE = "be40e01d22e2c607d4b29d9de43bcba5"


def test_names_do_not_change_between_releases(tmp_path: Path) -> None:
    # A ring of known keys: these values are stored, so a change of encoding would lose every person.
    ring = load_ring(
        tmp_path / "ring.json", origin=ORIGIN, create=True, random=lambda size: bytes(range(size))
    )
    assert ring.lookup(ONE, EMAIL, "a@example.com").hex() == LOOKUP
    assert ring.pairwise(ONE, "engine", PurposeId(1), bytes(range(32))) == PAIRWISE
    assert ring.message_key(ONE, "web", "1").hex() == MESSAGE


def test_each_log_signs_under_its_own_name(ring: KeyRing) -> None:
    facts, releases = ring.signer("shop", "facts"), ring.signer("shop", "releases")
    assert facts.name == "assent.example/shop/facts"
    head = Checkpoint(origin=facts.name, size=1, root=bytes(32))
    assert open_checkpoint(sign_checkpoint(head, facts), facts.verifier) == head
    assert facts.verifier.key_id != releases.verifier.key_id


def test_subject_tokens_have_a_key_of_their_own(ring: KeyRing) -> None:
    assert ring.subject_token_key().public_key() != ring.signer().private_key.public_key()


# Planted faults.


def test_the_permission_test_finds_a_ring_that_is_read_without_looking(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_ring(path, origin=ORIGIN, create=True)
    monkeypatch.setattr(stat, "S_IRWXG", 0)
    monkeypatch.setattr(stat, "S_IRWXO", 0)
    with pytest.raises(pytest.fail.Exception):
        test_a_ring_that_others_may_touch_is_refused(0o640, path)


def test_the_message_key_test_finds_parts_that_run_together(
    ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyring, "_framed", lambda *parts: "".join(map(str, parts)).encode())
    with pytest.raises(AssertionError):
        test_a_message_key_takes_source_and_id_apart(ring)


def test_the_create_once_test_finds_a_ring_that_is_replaced(
    ring: KeyRing, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", lambda staged, target: target.write_bytes(staged.read_bytes()))
    with pytest.raises(AssertionError):
        test_a_ring_that_stands_is_never_replaced(ring, path)
