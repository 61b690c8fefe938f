"""Keep the keys a ledger is written with: one file beside the database, never inside it.

The file is JSON, readable by its owner alone, and written whole: it stands under its name complete or not at
all. It is created only when the caller says that the ledger is empty; a second ring would make every name of
the first unknown. Whoever holds the file can name people and sign for the log; without it nothing sealed can
be read. No key appears in a repr, a log or an error. Check values, kept in the database, tell a wrong ring
before it writes.

Raises KeyRingExposed, KeyRingMalformed and KeyMismatch.
"""

import base64
import fcntl
import hmac
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from assent.core.errors import KeyMismatch, KeyRingExposed, KeyRingMalformed, ProofInvalid
from assent.core.ids import ControllerId, NamespaceId, PurposeId
from assent.ledger.note import Signer, check_name, decode_base64
from assent.ledger.sealing import HIGHEST_KEY_ID, KEY_BYTES, Random, Sealer

PAIRWISE_BYTES: Final = 20
MESSAGE_KEY_BYTES: Final = 16

_FORMAT: Final = "assent/key-ring@1"
_CHECK_BYTES: Final = 8
_MOST_BYTES: Final = 1 << 20
_NOBODY: Final = 0
"""Numbers of controllers begin at 1: what is derived for 0 is the installation's."""

_SECRETS: Final = ("signing", "lookup", "pairwise", "suppression", "subject_token")


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ring as it stands in its file: keys of 32 bytes in base64."""

    format: Literal["assent/key-ring@1"]
    origin: str
    signing: str
    lookup: str
    pairwise: str
    suppression: str
    subject_token: str
    wrapping: dict[int, str]
    current: int

    def __repr__(self) -> str:
        return "_File(***)"


class KeyRing:
    """The keys, and what is done with them. Nothing here reads or writes a file."""

    __slots__ = ("_derived", "_sealer", "_secrets", "_wrapping", "current", "origin")

    def __init__(
        self,
        origin: str,
        secrets: Mapping[str, bytes],
        wrapping: Mapping[int, bytes],
        current: int,
        random: Random,
    ) -> None:
        self.origin = origin
        self.current = current
        self._secrets = dict(secrets)
        self._wrapping = dict(wrapping)
        self._sealer = Sealer(wrapping, current, random)
        self._derived: dict[tuple[str, int], bytes] = {}

    def __repr__(self) -> str:
        return f"KeyRing(origin={self.origin!r}, wrapping={sorted(self._wrapping)}, keys=***)"

    # Names of people and messages, as keyed hashes.

    def lookup(self, controller_id: ControllerId, namespace_id: NamespaceId, value: str) -> bytes:
        """Return the 32 bytes under which an identifier is found. Equal within one controller alone."""
        key = self._derive("lookup", controller_id)
        return hmac.digest(key, _framed(namespace_id, value), "sha256")

    def pairwise(
        self, controller_id: ControllerId, consumer: str, purpose_id: PurposeId, subject: bytes
    ) -> str:
        """Return the name of a profile for one consumer and one purpose: `k` and 32 letters or digits.

        `subject` is the keyed hash of the identifier that stands for the profile (`gate.anchors`).
        """
        key = self._derive("pairwise", controller_id)
        name = hmac.digest(key, _framed(consumer, purpose_id, subject.hex()), "sha256")[:PAIRWISE_BYTES]
        return "k" + base64.b32encode(name).decode().lower()

    def message_key(self, controller_id: ControllerId, source: str, message_id: str) -> bytes:
        """Return the 16 bytes under which a message is known to have been taken already."""
        key = self._derive("lookup", controller_id, use="message")
        return hmac.digest(key, _framed(source, message_id), "sha256")[:MESSAGE_KEY_BYTES]

    def suppression(self, controller_id: ControllerId, namespace_id: NamespaceId, value: str) -> bytes:
        """Return the 32 bytes that remain of an erased person who objected to direct marketing."""
        key = self._derive("suppression", controller_id)
        return hmac.digest(key, _framed(namespace_id, value), "sha256")

    def _derive(self, secret: str, controller_id: int, use: str = "") -> bytes:
        """Return the key of one controller for one use (HKDF, RFC 5869)."""
        use = use or secret
        key = self._derived.get((use, controller_id))
        if key is None:
            info = b"assent/derive@1" + _framed(use, controller_id)
            key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(
                self._secrets[secret]
            )
            self._derived[use, controller_id] = key
        return key

    # Values that only this ring opens.

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return `plaintext` sealed under a data key of its own: it opens with the same `aad` alone."""
        return self._sealer.seal(plaintext, aad)

    def seal_many(self, values: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Return each (plaintext, aad) sealed, in order; cheaper than one by one."""
        return self._sealer.seal_many(values)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Return what was sealed with this `aad`. Raises SealBroken."""
        return self._sealer.open(sealed, aad)

    # Signatures.

    def signer(self, *path: str) -> Signer:
        """Return the signer of one log, named `<origin>/<path>`, as its checkpoints are."""
        key = Ed25519PrivateKey.from_private_bytes(self._secrets["signing"])
        return Signer("/".join((self.origin, *path)), key)

    def receipt_key(self) -> Ed25519PrivateKey:
        """Return the key that receipts of consent are signed with.

        Derived from the secret that signs checkpoints, and no other key of the ring: what one of them signed
        can never pass for a word of the other, and a ring made before there were receipts has it too.
        """
        return Ed25519PrivateKey.from_private_bytes(self._derive("signing", _NOBODY, use="receipt"))

    def subject_token_key(self) -> Ed25519PrivateKey:
        """Return the key that subject tokens are signed with."""
        return Ed25519PrivateKey.from_private_bytes(self._secrets["subject_token"])

    # Telling the right ring from a wrong one.

    def check_values(self) -> dict[str, bytes]:
        """Return eight bytes for each key, one-way, to be kept with the ledger."""
        keys = self._secrets | {_wrapping_name(key_id): key for key_id, key in self._wrapping.items()}
        return {
            name: hmac.digest(key, b"assent/check@1" + _framed(self.origin, name), "sha256")[:_CHECK_BYTES]
            for name, key in keys.items()
        }

    def matches(self, check_values: Mapping[str, bytes]) -> None:
        """Return when the ledger that kept `check_values` was written with this ring.

        A ring may hold wrapping keys that the ledger has not heard of yet, and no others. Raises KeyMismatch,
        naming the key.
        """
        ours = self.check_values()
        if not any(name.startswith(_wrapping_name("")) for name in check_values):
            raise KeyMismatch("the ledger keeps no check value for a wrapping key")
        for name in (*_SECRETS, *check_values):
            kept = check_values.get(name)
            if kept is None or name not in ours or not hmac.compare_digest(ours[name], kept):
                raise KeyMismatch(f"the key `{name}` is not the one this ledger was written with")


def load_ring(path: Path, *, origin: str = "", create: bool = False, random: Random = os.urandom) -> KeyRing:
    """Return the ring in `path`; with `create`, make one named `origin` when there is none.

    The caller passes `create` only after it found the ledger empty. Two processes that create at once end up
    with one ring. Raises KeyRingExposed, KeyRingMalformed, or KeyMismatch when there is none to load.
    """
    if create and not path.exists():
        create_ring(path, origin=origin, random=random)
    return _read(path, random)


def create_ring(path: Path, *, origin: str, random: Random = os.urandom) -> None:
    """Write a new ring unless there is one already. Raises KeyRingMalformed for an origin no log can have."""
    try:
        check_name(origin)
    except ProofInvalid as error:
        raise KeyRingMalformed("the origin of a key ring is a name without spaces and plus signs") from error
    keys = {name: _draw(random) for name in _SECRETS}
    ring = _File(format=_FORMAT, origin=origin, wrapping={1: _draw(random)}, current=1, **keys)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged = _stage(path, ring, random)
    try:
        os.link(staged, path)  # atomic, and refuses to replace: the first of two starts wins
    except FileExistsError:
        pass
    finally:
        staged.unlink()
    _sync_folder(path.parent)


def rotate_ring(path: Path, *, random: Random = os.urandom) -> KeyRing:
    """Add a wrapping key and make it the current one; what the others sealed opens as before.

    Other processes open what is sealed from now on once they have loaded the ring again. The caller then
    keeps the new check values; a crash in between leaves a ring that matches the old ones.
    """
    with _locked(path.parent):
        ring = _parse(_read_bytes(path))
        added = max(ring.wrapping) + 1
        wrapping = ring.wrapping | {added: _draw(random)}
        _stage(path, msgspec.structs.replace(ring, wrapping=wrapping, current=added), random).replace(path)
        _sync_folder(path.parent)
    return _read(path, random)


def _read(path: Path, random: Random) -> KeyRing:
    ring = _parse(_read_bytes(path))
    secrets = {name: _key(getattr(ring, name)) for name in _SECRETS}
    wrapping = {key_id: _key(key) for key_id, key in ring.wrapping.items()}
    return KeyRing(ring.origin, secrets, wrapping, ring.current, random)


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(
                file.fileno()
            ).st_mode  # of the file that is read, not of what the name points to by now
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeyRingExposed("expected a key ring that its owner alone may read (0600)")
            return file.read(_MOST_BYTES)
    except FileNotFoundError as error:
        raise KeyMismatch("expected the key ring that this ledger was written with, found none") from error
    except OSError as error:
        raise KeyRingMalformed from error


def _parse(content: bytes) -> _File:
    try:
        ring = msgspec.json.decode(content, type=_File)
        check_name(ring.origin)
    except (msgspec.DecodeError, ProofInvalid) as error:
        raise KeyRingMalformed from error
    if ring.current not in ring.wrapping or not all(0 < key_id <= HIGHEST_KEY_ID for key_id in ring.wrapping):
        raise KeyRingMalformed("the key ring's current wrapping key is not among its wrapping keys")
    for encoded in (*(getattr(ring, name) for name in _SECRETS), *ring.wrapping.values()):
        _key(encoded)
    return ring


def _key(encoded: str) -> bytes:
    try:
        key = decode_base64(encoded)
    except ProofInvalid as error:
        raise KeyRingMalformed from error
    if len(key) != KEY_BYTES:
        raise KeyRingMalformed("a key of the ring is 32 bytes")
    return key


def _stage(path: Path, ring: _File, random: Random) -> Path:
    """Write the ring beside `path` and return where: a crash here leaves a hidden file that nothing reads."""
    staged = path.with_name(f".{path.name}.{random(8).hex()}")
    content = msgspec.json.format(msgspec.json.encode(ring)) + b"\n"
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return staged


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)  # without it the file's name may be gone after a power cut
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _draw(random: Random) -> str:
    return base64.b64encode(random(KEY_BYTES)).decode()


def _wrapping_name(key_id: int | str) -> str:
    return f"wrapping:{key_id}"


def _framed(*parts: int | str) -> bytes:
    """Return the parts so that no two lists of them give the same bytes: each after its kind and length."""
    framed = bytearray()
    for part in parts:
        encoded = part.to_bytes(8, "big", signed=True) if isinstance(part, int) else part.encode()
        framed += (b"i" if isinstance(part, int) else b"s") + len(encoded).to_bytes(4, "big") + encoded
    return bytes(framed)
