"""Where a ping may be sent: http or https, to no address inside unless a setting allows it.

The name is resolved once, every address it has must be allowed, and the request goes to one of those: a name
that points elsewhere a moment later gains nothing. Raises AddressRefused; it names no address.
"""

import asyncio
import ipaddress
import socket
from typing import Final

import httpx
from msgspec import Struct

from assent.core.errors import UnreadableBody

SCHEMES: Final = ("http", "https")

_LONGEST: Final = 2_000
_LAST_PORT: Final = 65_535


class AddressRefused(UnreadableBody):
    """A webhook's url is http or https, names a host outside, and holds no user name."""


class Target(Struct, frozen=True, kw_only=True):
    """Where to connect, and by which name the other side knows itself."""

    url: httpx.URL
    host: str
    name: str
    """The host alone, for TLS."""


def read_url(text: str) -> httpx.URL:
    """Return the url, if its form is one that a ping may be sent to. Raises AddressRefused."""
    try:
        url = httpx.URL(text) if len(text) <= _LONGEST else None
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(pointer="/url") from error
    if url is None or url.scheme not in SCHEMES or not url.host or url.userinfo or url.fragment:
        raise AddressRefused(pointer="/url")
    try:
        url.host.encode("idna")  # as the resolver will
    except UnicodeError as error:
        raise AddressRefused(pointer="/url") from error
    if (url.port or 0) > _LAST_PORT:
        raise AddressRefused(pointer="/url")
    return url


def refuse_inside(url: httpx.URL) -> None:
    """Refuse a url that names an address inside by its number. Raises AddressRefused."""
    try:
        address = ipaddress.ip_address(url.host)
    except ValueError:
        return
    if not _is_outside(str(address)):
        raise AddressRefused(pointer="/url")


async def target(url: httpx.URL, *, inside: bool) -> Target:
    """Return where to connect; `inside` allows private networks. Raises AddressRefused, OSError."""
    port = url.port or (443 if url.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    if not addresses or not (inside or all(map(_is_outside, addresses))):
        raise AddressRefused
    return Target(
        url=url.copy_with(host=addresses[0]),
        host=url.netloc.decode("ascii"),
        name=url.raw_host.decode("ascii"),
    )


def _is_outside(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        # An IPv4 address in other clothes is judged as what it is; so is one that is tunnelled.
        within = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if within is not None:
            address = within
        elif address not in _UNICAST:
            return False
    return address.is_global and not address.is_multicast


_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All that is assigned to the world (IANA). Beyond lie ways to IPv4 (64:ff9b::/96, 64:ff9b:1::/48, ::/96),
sites' own addresses (fec0::/10) and what is nobody's: Python takes some of them for global."""
