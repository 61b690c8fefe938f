"""Who is calling: the key or the subject token that a request brought.

Raises Unauthorized, Forbidden, NotVerified.
"""

import base64
import binascii
import re
from typing import Final

import jwt
from jwt.types import Options
from msgspec import Struct

from assent.core.errors import NotVerified, PurposeNotBound, Unauthorized, UnknownPurpose
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.core.time import MINUTE, SECOND
from assent.http.keys import Caller, Role
from assent.http.wiring import AnyRequest, Service, service

ALGORITHM: Final = "EdDSA"

LONGEST_TOKEN: Final = 15 * MINUTE

_AUDIENCE: Final = "assent:controller:"
_CONTROLLER: Final = re.compile(rf"{_AUDIENCE}([1-9][0-9]{{0,17}})", re.ASCII)


class Subject(Struct, frozen=True, kw_only=True):
    """A person, as a subject token names them: their identifiers, and whether somebody verified them."""

    controller_id: ControllerId
    identifiers: tuple[tuple[str, str], ...]
    verified: bool

    def __repr__(self) -> str:
        """Hide the identifiers: they are personal."""
        return f"Subject(controller_id={self.controller_id}, verified={self.verified})"


async def caller(request: AnyRequest, *roles: Role) -> Caller:
    """Return whose key the request brought in `Authorization: Bearer`; it must have one of `roles`."""
    found = await service(request).keys.caller(_bearer(request))
    found.require(*roles)
    return found


def may_use(who: Caller, policy: Policy, purpose: str, pointer: str = "/purpose") -> None:
    """Raise UnknownPurpose when the policy declares none of that name, PurposeNotBound when another key's."""
    if purpose not in policy.purpose_ids:
        raise UnknownPurpose(pointer=pointer)
    if purpose not in who.purposes:
        raise PurposeNotBound(pointer=pointer)


async def collector(request: AnyRequest, write_key: str | None) -> Caller:
    """Return whose key a tracking call brought: Bearer, Basic with the key as user name, or `writeKey`."""
    key = _bearer_or_basic(request) or write_key or ""
    found = await service(request).keys.caller(key)
    found.require(Role.COLLECTOR)
    return found


def subject(request: AnyRequest) -> Subject:
    """Return the person whose token the request brought. Raises Unauthorized."""
    wired = service(request)
    # Our clock decides when a token has lived, not the library's.
    options: Options = {"require": ["exp", "aud", "sub_ids"], "verify_exp": False, "verify_aud": False}
    try:
        claims = jwt.decode(
            _bearer(request),
            wired.ring.subject_token_key().public_key(),
            algorithms=[ALGORITHM],
            options=options,
        )
        controller_id = _controller(claims["aud"])
        identifiers = tuple((str(namespace), str(value)) for namespace, value in claims["sub_ids"])
        expires = int(claims["exp"]) * SECOND
    except (jwt.InvalidTokenError, ValueError, TypeError) as error:
        raise Unauthorized from error
    now = wired.clock()
    # 15 minutes at most, whatever it says; a minute for clocks that differ.
    if not identifiers or not now < expires <= now + LONGEST_TOKEN + MINUTE:
        raise Unauthorized
    return Subject(
        controller_id=ControllerId(controller_id),
        identifiers=identifiers,
        verified=claims.get("verified") is True,
    )


def verified_subject(request: AnyRequest) -> Subject:
    """Return the person, whom somebody verified. Raises NotVerified when nobody did."""
    found = subject(request)
    if not found.verified:
        raise NotVerified
    return found


def mint(wired: Service, found: Subject, lifetime: int) -> str:
    """Return a subject token that lives `lifetime` microseconds, at most 15 minutes."""
    expires = (wired.clock() + min(lifetime, LONGEST_TOKEN)) // SECOND
    claims = {
        "aud": f"{_AUDIENCE}{found.controller_id}",
        "exp": expires,
        "sub_ids": [list(one) for one in found.identifiers],
        "verified": found.verified,
    }
    return jwt.encode(claims, wired.ring.subject_token_key(), algorithm=ALGORITHM)


def _controller(audience: object) -> int:
    found = _CONTROLLER.fullmatch(audience) if isinstance(audience, str) else None
    if found is None:
        raise Unauthorized
    return int(found[1])


def _bearer(request: AnyRequest) -> str:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not credentials:
        raise Unauthorized
    return credentials.strip()


def _bearer_or_basic(request: AnyRequest) -> str | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            try:
                decoded = base64.b64decode(credentials.strip(), validate=True).decode("ascii")
            except (binascii.Error, ValueError) as error:
                raise Unauthorized from error
            return decoded.partition(":")[0]
        case _:
            return None
