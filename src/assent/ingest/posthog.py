"""The requests of PostHog's clients, as calls of the tracking contract: the host name changes, nothing else.

`posthog` (Python) and `posthog-node` send `{"api_key", "sent_at", "batch": [...]}` to `/batch/`; one event
alone may come in the same words without a batch. What their documents leave open is decided here:

- An event has one `distinct_id` for people and browsers alike. It is taken for a person's, except where the
  client says that there is no person (`$process_person_profile: false`, PostHog's *anonymous event*): then it
  is a browser's, an `anonymousId`.
- `$identify` and `$set` are identify calls. Of whom: `distinct_id`, with `$anon_distinct_id` as the browser.
  `$set` on any event holds traits. `$set_once` is left out: the contract has no trait that yields to an
  older one, and overwriting would be wrong.
- `$create_alias` names two ids, and the clients disagree about which is which: `alias(previous_id,
  distinct_id)` of Python puts the *previous* one in `distinct_id`, every other client puts it in `alias`.
- `$groupidentify` is a group call, `$pageview` a page, `$screen` a screen. Every other event keeps its name.
- Properties that begin with `$` are the client's own observations. Where the contract has a field for
  them (the page, the device, its system, the campaign) they are its context, kept as policies claim it; the
  others (an address among them) go no further.

Pure. Raises UnreadableBody and BodyTooLarge for a request as a whole; a faulty event is one refusal.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from assent.core.errors import BodyTooLarge, Refused, UnreadableBody
from assent.core.time import Instant
from assent.ingest.body import Body
from assent.ingest.tracking import (
    Call,
    Calls,
    CallType,
    Limits,
    Refusal,
    call_of,
    items_of,
    key_of,
    read_item,
    time_of,
)

Members = Mapping[str, object]


def posthog_calls(body: Body, *, limits: Limits) -> Calls:
    """Return what the body of a PostHog client's request says."""
    sent_at = time_of(body, "sent_at")
    if "batch" in body.members:
        events: list[msgspec.Raw] | list[bytes] = items_of(body, limits)
    elif "event" in body.members:
        if len(body.text) > limits.item_bytes:
            raise BodyTooLarge
        events = [body.text]
    else:
        raise UnreadableBody("expected a list of events", pointer="/batch")
    return Calls(
        write_key=key_of(body, "api_key"),
        sent_at=sent_at,
        items=tuple(_taken(index, text, sent_at, limits) for index, text in enumerate(events)),
    )


def _taken(index: int, text: bytes | msgspec.Raw, sent_at: Instant | None, limits: Limits) -> Call | Refusal:
    try:
        call_type, item = _translated(read_item(text, limits.item_bytes))
        return call_of(index, item, call_type, sent_at=sent_at)
    except Refused as error:
        return Refusal(index=index, code=error.code)


_TYPES: Final[Mapping[str, CallType]] = MappingProxyType(
    {
        "$identify": CallType.IDENTIFY,
        "$set": CallType.IDENTIFY,
        "$create_alias": CallType.ALIAS,
        "$groupidentify": CallType.GROUP,
        "$pageview": CallType.PAGE,
        "$screen": CallType.SCREEN,
    }
)

_SEEN: Final = MappingProxyType(
    {
        "$current_url": "url",
        "$pathname": "path",
        "$referrer": "referrer",
        "$title": "title",
        "$screen_name": "name",
    }
)
"""What PostHog calls the properties that the contract has for pages and screens."""

_OBSERVED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "$app_build": ("app", "build"),
        "$app_name": ("app", "name"),
        "$app_version": ("app", "version"),
        "$current_url": ("page", "url"),
        "$device_manufacturer": ("device", "manufacturer"),
        "$device_model": ("device", "model"),
        "$device_type": ("device", "type"),
        "$lib": ("library", "name"),
        "$lib_version": ("library", "version"),
        "$os": ("os", "name"),
        "$os_version": ("os", "version"),
        "$pathname": ("page", "path"),
        "$referrer": ("page", "referrer"),
        "$title": ("page", "title"),
        "utm_campaign": ("campaign", "name"),
        "utm_content": ("campaign", "content"),
        "utm_medium": ("campaign", "medium"),
        "utm_source": ("campaign", "source"),
        "utm_term": ("campaign", "term"),
    }
)
"""Where the contract's context says what PostHog says among the properties."""

_OBSERVED_ALONE: Final = MappingProxyType({"$locale": "locale", "$timezone": "timezone"})

_NOWHERE: Final = (None, "", "$direct")
"""What stands for nothing observed: browsers say `$direct` where nobody referred to the page."""

_PREVIOUS_IN_DISTINCT_ID: Final = frozenset({"posthog-python"})
"""Clients (`$lib`) whose alias puts the previous id into `distinct_id` and the person's into `alias`."""


def _translated(event: Members) -> tuple[CallType, dict[str, object]]:
    """Return the event as an item of the contract, and its type."""
    name = event.get("event")
    if not isinstance(name, str):
        raise UnreadableBody
    properties = _object(event.get("properties"))
    call_type = _TYPES.get(name, CallType.TRACK)
    item: dict[str, object] = {"messageId": event.get("uuid"), "timestamp": event.get("timestamp")}
    distinct_id = event.get("distinct_id", properties.get("distinct_id"))
    traits = {**_object(event.get("$set")), **_object(properties.get("$set"))}
    match call_type:
        case CallType.IDENTIFY:
            item |= {"userId": distinct_id, "anonymousId": properties.get("$anon_distinct_id")}
            item["traits"] = traits
        case CallType.ALIAS:
            item |= _alias(properties, distinct_id)
        case CallType.GROUP:
            item |= _group(properties, distinct_id)
        case CallType.TRACK | CallType.PAGE | CallType.SCREEN:
            nobody = properties.get("$process_person_profile") is False
            item["anonymousId" if nobody else "userId"] = distinct_id
            seen = {} if call_type is CallType.TRACK else _SEEN
            item |= {"event": name, "properties": _own(properties, seen)}
            item["context"] = {**_context(properties), "traits": traits}
    return call_type, item


def _alias(properties: Members, distinct_id: object) -> dict[str, object]:
    alias = properties.get("alias")
    if properties.get("$lib") in _PREVIOUS_IN_DISTINCT_ID:
        return {"previousId": distinct_id, "userId": alias}
    return {"previousId": alias, "userId": distinct_id}


def _group(properties: Members, distinct_id: object) -> dict[str, object]:
    """Return a group's members; the person is nobody where a client made one up of the group's own name."""
    kind, key = properties.get("$group_type"), properties.get("$group_key")
    person = None if distinct_id == f"${kind}_{key}" else distinct_id
    return {"userId": person, "groupId": key, "traits": properties.get("$group_set")}


def _own(properties: Members, seen: Mapping[str, str]) -> dict[str, object]:
    own = {name: value for name, value in properties.items() if not name.startswith("$")}
    found = {
        seen[name]: value for name, value in properties.items() if name in seen and value not in _NOWHERE
    }
    return found | own


def _context(properties: Members) -> dict[str, object]:
    """Return what the client observed of where it runs."""
    found: dict[str, dict[str, object]] = {}
    for name, value in properties.items():
        if name in _OBSERVED and value not in _NOWHERE:
            group, member = _OBSERVED[name]
            found.setdefault(group, {})[member] = value
    alone = {
        field: properties[name]
        for name, field in _OBSERVED_ALONE.items()
        if properties.get(name) not in _NOWHERE
    }
    return {**found, **alone}


def _object(value: object) -> Members:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnreadableBody
    return value
