"""Which fields of a call's `context` a category may claim, and by which names.

A group such as `page` is a name for members that say nothing about who somebody is: an identifier beside them
(`device.id`, `device.advertisingId`) or a name somebody gave (`device.name`) is no member, and is not kept.
Three fields are made at the door: `page.search_terms` of the query string, which is otherwise cut off,
`referrer.host`, and `location.place` of a location's degrees, cut to a coarse grid. Any other field can be
claimed by its own path, and is kept when it is text, a number or a boolean.

Pure. Raises nothing.
"""

from collections.abc import Mapping
from typing import Final

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "app": ("build", "name", "version"),
    "campaign": ("content", "id", "medium", "name", "source", "term"),
    "device": ("manufacturer", "model", "type"),
    "library": ("name", "version"),
    "location": ("city", "country", "place", "region"),
    "os": ("name", "version"),
    "page": ("path", "search_terms", "title", "url"),
    "referrer": ("host", "url"),
    "screen": ("density", "height", "width"),
}
"""What the name of a group stands for."""

BY_NAME: Final[Mapping[str, tuple[str, ...]]] = {"page": ("query",)}
"""Members that the name of their group does not cover. A query string may hold anything."""

ELSEWHERE: Final = frozenset({"externalIds", "traits"})
"""Members of `context` that are no fields: identifiers, and traits, which categories claim as such."""

PREFIX: Final = "context."
"""Begins the path of a feature that is made of a context field."""

ADDRESSES: Final = frozenset({"$ip", "clientIp", "client_ip", "ip", "ipAddress", "ip_address", "request_ip"})
"""Members that hold a network address, wherever in a call. Kept only where a category names one, as a
network."""


def expanded(claim: str) -> tuple[str, ...] | None:
    """Return the fields that a claim stands for; None for a member that its group does not have."""
    group, _, member = claim.partition(".")
    members = GROUPS.get(group)
    if members is None:
        return (claim,)
    if not member:
        return tuple(f"{group}.{one}" for one in members)
    return (claim,) if member in members + BY_NAME.get(group, ()) else None


def members_of(group: str) -> tuple[str, ...]:
    """Return every field that can be claimed of a group."""
    return tuple(f"{group}.{one}" for one in GROUPS[group] + BY_NAME.get(group, ()))
