"""Bring an identifier's value into the one form in which it is compared, or refuse it.

Pure, and idempotent: a normalised value normalises to itself. A value is never mended beyond what its
normaliser says: `exact` does not even trim. No error carries the value.

Raises MalformedIdentifier (not well formed for its namespace), BlockedIdentifier (the policy blocks it: a
value that stands for nobody) and PolicyInvalid (the namespace names a normaliser that there is not).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from unicodedata import category

import phonenumbers

from assent.core.errors import BlockedIdentifier, MalformedIdentifier, PolicyInvalid
from assent.core.policy import Account

LONGEST: Final = 512
"""Characters. The longest address SMTP can carry is 254, the longest advertising id we know of 128."""

_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, NUL among them, and lone surrogates: PostgreSQL stores neither NUL nor surrogates."""

_ASCII_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")

_LABEL: Final = re.compile(r"(?!-)[a-z0-9\-\u00a1-\U0010ffff]{1,63}(?<!-)")
"""A label of a host name (RFC 1035; letters beyond ASCII as in RFC 5890), no hyphen at either end."""

_E164: Final = re.compile(r"\+[0-9]{10,15}")
"""What UID2 takes for a normalised phone number: a plus sign and 10 to 15 digits, nothing else."""

Normaliser = Callable[[str, str | None], str]
"""Takes the raw value and the namespace's region."""


def normalise(namespace: Account, raw: str) -> str:
    """Return the value as it is compared and kept.

    Steps: (1) what no namespace takes, (2) the namespace's own form, (3) what the policy blocks. Patterns
    (`re.fullmatch`) see the normalised value; blocked values are brought into the namespace's form first.
    """
    # (1) empty, blank, over-long, or with characters that stand for no text
    if len(raw) > LONGEST or _is_blank(raw) or _UNFIT.search(raw):
        raise MalformedIdentifier
    # (2) trimmed, lower-cased, folded, parsed: as the normaliser says
    try:
        normaliser = NORMALISERS[namespace.normaliser]
    except KeyError:
        raise PolicyInvalid(f"normaliser: expected one of {', '.join(sorted(NORMALISERS))}") from None
    value = normaliser(raw, namespace.region)
    if len(value) > LONGEST:  # lower-casing may lengthen
        raise MalformedIdentifier
    # (3) a value that stands for nobody
    if value in namespace.blocked:
        raise BlockedIdentifier
    if value in _blocked(namespace.normaliser, namespace.region, namespace.blocked):
        raise BlockedIdentifier
    if any(re.fullmatch(pattern, value) for pattern in namespace.blocked_patterns):
        raise BlockedIdentifier
    return value


def _is_blank(raw: str) -> bool:
    """Whether nobody could see anything of it: a byte order mark alone would make one person of many."""
    return all(one.isspace() or category(one) == "Cf" for one in raw)


@lru_cache(maxsize=256)
def _blocked(normaliser: str, region: str | None, blocked: frozenset[str]) -> frozenset[str]:
    """Return the blocked values in the namespace's form; those it could never hold are left out."""
    values = set()
    for value in blocked:
        try:
            values.add(NORMALISERS[normaliser](value, region))
        except MalformedIdentifier:
            continue
    return frozenset(values)


def _exact(raw: str, _region: str | None) -> str:
    return raw


def _lower(raw: str, _region: str | None) -> str:
    return raw.lower()


def _email(raw: str, _region: str | None) -> str:
    """Trim, lower-case, and ask for one @ with a host name of at least two labels after it."""
    local, domain = _halves(raw.strip().lower())
    labels = domain.split(".")
    # 64 and 253: RFC 5321 section 4.5.3.1 and RFC 1035 section 2.3.4.
    if len(local) > 64 or len(domain) > 253 or len(labels) < 2:
        raise MalformedIdentifier
    if labels[-1].isdecimal() or not all(map(_LABEL.fullmatch, labels)):
        raise MalformedIdentifier
    return f"{local}@{domain}"


def _email_uid2(raw: str, _region: str | None) -> str:
    """As Unified ID 2.0 does, so that hashes agree: ASCII lower case; at gmail.com no dots and no `+...`."""
    local, domain = _halves(raw.strip().translate(_ASCII_LOWER))
    if domain == "gmail.com":
        local = local.partition("+")[0].replace(".", "")
    if not local:
        raise MalformedIdentifier
    return f"{local}@{domain}"


def _halves(address: str) -> tuple[str, str]:
    local, at, domain = address.partition("@")
    if not (local and at and domain) or "@" in domain or any(map(str.isspace, address)):
        raise MalformedIdentifier
    return local, domain


def _phone(raw: str, region: str | None) -> str:
    """E.164, for numbers that the numbering plan of their country knows.

    An extension is refused: dropping it would make one person of a whole office.
    """
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException as error:
        raise MalformedIdentifier from error
    if number.extension or not phonenumbers.is_valid_number(number):
        raise MalformedIdentifier
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _e164_strict(raw: str, _region: str | None) -> str:
    if not _E164.fullmatch(raw):
        raise MalformedIdentifier
    return raw


NORMALISERS: Final[Mapping[str, Normaliser]] = MappingProxyType(
    {
        "exact": _exact,
        "lower": _lower,
        "email": _email,
        "email_uid2": _email_uid2,
        "phone": _phone,
        "e164_strict": _e164_strict,
    }
)
"""By the name that `identity.toml` uses."""
