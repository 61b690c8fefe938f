"""Seal values so that one key ring opens them, each under a data key of its own.

AES-256-GCM twice: the value under a random data key, the data key under the current wrapping key. Deleting a
sealed value deletes its data key with it, and a ring can be given a new wrapping key without touching what is
sealed. The additional data (`aad`) says what a value is and where it belongs: elsewhere it does not open.

    version 1 | wrapping key id 4 | nonce 12 | wrapped data key 48 | nonce 12 | ciphertext and tag

Random nonces bear 2**32 values under one wrapping key (NIST SP 800-38D section 8.3): rotate before that.

Pure: keys and randomness are given. Raises SealBroken.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assent.core.errors import SealBroken

Random = Callable[[int], bytes]
"""Returns as many random bytes as asked for, such as `os.urandom`."""

KEY_BYTES: Final = 32
HIGHEST_KEY_ID: Final = (1 << 32) - 1

_VERSION: Final = b"\x01"
_NONCE: Final = 12
_TAG: Final = 16
_HEAD: Final = 1 + 4
_WRAPPED: Final = _HEAD + _NONCE
_INNER: Final = _WRAPPED + KEY_BYTES + _TAG
_CIPHERTEXT: Final = _INNER + _NONCE
_DRAWN: Final = _NONCE + KEY_BYTES + _NONCE

OVERHEAD: Final = _CIPHERTEXT + _TAG
"""How many bytes longer than its plaintext a sealed value is."""


class Sealer:
    """Seals with one wrapping key and opens with any of the ring's."""

    __slots__ = ("_head", "_random", "_wrap", "_wrapping")

    def __init__(self, wrapping: Mapping[int, bytes], current: int, random: Random) -> None:
        self._wrapping = {key_id: AESGCM(key) for key_id, key in wrapping.items()}
        self._wrap = self._wrapping[current].encrypt
        self._head = _VERSION + current.to_bytes(4, "big")
        self._random = random

    def __repr__(self) -> str:
        return "Sealer(***)"

    def seal(self, plaintext: bytes, aad: bytes) -> bytes:
        """Return `plaintext` sealed: it opens with the same `aad` alone."""
        return self.seal_many([(plaintext, aad)])[0]

    def seal_many(self, values: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        """Return each (plaintext, aad) sealed, in order. One draw of randomness serves them all."""
        values = list(values)
        drawn = self._random(_DRAWN * len(values))
        head, wrap, sealed = self._head, self._wrap, []
        for at, (plaintext, aad) in zip(range(0, len(drawn), _DRAWN), values, strict=True):
            outer = drawn[at : at + _NONCE]
            data_key = drawn[at + _NONCE : at + _NONCE + KEY_BYTES]
            inner = drawn[at + _NONCE + KEY_BYTES : at + _DRAWN]
            ciphertext = AESGCM(data_key).encrypt(inner, plaintext, aad)
            sealed.append(b"".join((head, outer, wrap(outer, data_key, head), inner, ciphertext)))
        return sealed

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Return what was sealed with this `aad`.

        Raises SealBroken when it was changed, was sealed with another `aad`, or needs a key that is not in
        the ring.
        """
        if len(sealed) < OVERHEAD or sealed[:1] != _VERSION:
            raise SealBroken("expected a sealed value of version 1")
        head = sealed[:_HEAD]
        wrapping = self._wrapping.get(int.from_bytes(head[1:], "big"))
        if wrapping is None:
            raise SealBroken("the value is sealed with a wrapping key that is not in the ring")
        try:
            data_key = wrapping.decrypt(sealed[_HEAD:_WRAPPED], sealed[_WRAPPED:_INNER], head)
            return AESGCM(data_key).decrypt(sealed[_INNER:_CIPHERTEXT], sealed[_CIPHERTEXT:], aad)
        except InvalidTag as error:
            raise SealBroken from error
