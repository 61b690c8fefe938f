"""The tracking contract: a request's body into calls, each with its place, or with the reason it is refused.

The contract is that of Segment's HTTP API, as its documents and `segment-analytics-python` have it. What it
leaves open is decided here:

- The path names the type; in a batch each item names its own. `type` in a single call's body is ignored.
- A batch hands its `context`, member by member, to items that lack the member; never `traits` and
  `externalIds`, which are about one person, while a batch is about many. It hands on `sentAt` too.
- `null`, `""` for an identifier, and `[]` for an object (PHP's empty one) are nothing said. An identifier may
  be an integer: its decimal text counts. Anything else that is no text is refused.
- Every call is an event. One that is no track call is named for its type, `$page` or `$identify`, as policies
  name it; the `name` and `category` of a page or screen are properties.
- Times carry an offset. A missing one is the time of receipt; a malformed one refuses the item, because an
  event at the wrong time would stand under the wrong permit.
- `integrations` and members we do not know are accepted and not looked at.

One faulty item is one refusal with its index; the others go on. Pure. Raises UnreadableBody and BodyTooLarge
for a request as a whole, nothing else.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from assent.core.errors import BodyTooLarge, MalformedIdentifier, Refused, UnreadableBody
from assent.core.time import DAY, Instant, parse_time
from assent.ingest import exact_json
from assent.ingest.body import Body
from assent.ingest.masked import Masked


class CallType(StrEnum):
    """What a call says."""

    IDENTIFY = "identify"
    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"


PATHS: Final[Mapping[str, CallType | None]] = MappingProxyType(
    {call.value: call for call in CallType}
    | {call.value[0]: call for call in CallType if call is not CallType.SCREEN}
    | {"s": CallType.SCREEN, "batch": None, "b": None, "import": None}
)
"""The last segment of the path, to the type it names; None where each item names its own."""


class Limits(Struct, frozen=True, kw_only=True):
    """How much one request may hold: the contract's own sizes, a kilobyte being 1,024 bytes."""

    item_bytes: int = 32 * 1024
    batch_bytes: int = 500 * 1024
    batch_items: int = 2_500

    def body_bytes(self, path_call: str) -> int:
        """Return how long a decompressed body of this path may be."""
        return self.item_bytes if PATHS.get(path_call) is not None else self.batch_bytes


class Refusal(Struct, frozen=True, kw_only=True):
    """Why the item at `index` is not taken: a code of the wire."""

    index: int
    code: str


class Call(Masked, frozen=True, kw_only=True):
    """One call, read: what it says of whom and when. `item` is the whole of it, for `from` paths."""

    index: int
    type: CallType
    name: str
    """The event's name: what a track call gives, else `$` and the type."""
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    message_id: str | None = None
    timestamp: Instant | None = None
    original_timestamp: Instant | None = None
    sent_at: Instant | None = None
    """The item's own, else the batch's."""
    traits: Mapping[str, object] = {}
    properties: Mapping[str, object] = {}
    context: Mapping[str, object] = {}
    item: Mapping[str, object] = {}
    inherited: Mapping[str, object] = {}
    """The context of its batch, members of which stand in its own where it lacked them."""


class Calls(Masked, frozen=True, kw_only=True):
    """The calls of one request, in its order."""

    write_key: str | None
    sent_at: Instant | None
    items: tuple[Call | Refusal, ...]


def calls(path_call: str, body: Body, *, limits: Limits) -> Calls:
    """Return what the body of a request to `/v1/<path_call>` says."""
    if path_call not in PATHS:
        raise UnreadableBody("the path names no call of the tracking contract")
    write_key, sent_at = key_of(body, "writeKey"), time_of(body, "sentAt")
    call_type = PATHS[path_call]
    if call_type is not None:
        if len(body.text) > limits.item_bytes:
            raise BodyTooLarge
        alone = _Around(context={}, sent_at=sent_at, limit_bytes=limits.item_bytes)
        items: tuple[Call | Refusal, ...] = (_taken(0, body.text, call_type, alone),)
    else:
        items = _batch(body, sent_at, limits)
    return Calls(write_key=write_key, sent_at=sent_at, items=items)


def items_of(body: Body, limits: Limits) -> list[msgspec.Raw]:
    """Return the items of a batch, unread. Raises UnreadableBody and BodyTooLarge."""
    if "batch" not in body.members:
        raise UnreadableBody("expected a list of calls", pointer="/batch")
    items = exact_json.elements(body.members["batch"], "/batch")
    if len(items) > limits.batch_items:
        raise BodyTooLarge
    return items


def key_of(body: Body, name: str) -> str | None:
    """Return the key that a request carries in this member. Raises UnreadableBody."""
    key = exact_json.read(body.members[name]) if name in body.members else None
    if not isinstance(key, str | None):
        raise UnreadableBody("expected text", pointer=f"/{name}")
    return key or None


def time_of(body: Body, name: str) -> Instant | None:
    """Return the time that a request carries in this member. Raises UnreadableBody."""
    try:
        return _time(exact_json.read(body.members[name])) if name in body.members else None
    except UnreadableBody as error:
        raise UnreadableBody("expected a time with its offset", pointer=f"/{name}") from error


def event_time(call: Call, *, received_at: Instant) -> Instant:
    """Return when the call happened, by our clock: shifted by receivedAt - sentAt, never after receipt.

    `timestamp` or `originalTimestamp` alone is what the client's clock said, and is shifted. Beside
    `originalTimestamp`, `timestamp` is not: whoever forwarded the call corrected it, or whoever made it
    meant another time than its making (RudderStack's clients stamp every call with an `originalTimestamp`).
    Without `sentAt` nothing is known of that clock.
    """
    said = call.timestamp if call.timestamp is not None else call.original_timestamp
    both = call.timestamp is not None and call.original_timestamp is not None
    shift = 0 if both or call.sent_at is None else received_at - call.sent_at
    if said is None:
        return received_at
    return Instant(max(_EARLIEST, min(said + shift, received_at)))


_EARLIEST: Final = Instant(-719_162 * DAY)
"""0001-01-01T00:00:00Z, the first instant that can be written; an absurd `sentAt` could shift beyond it."""

_LONGEST_WORD: Final = 512
"""Characters of an event's name, or of any id that is no identifier of a person."""

_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})

_OF_ONE_PERSON: Final = frozenset({"traits", "externalIds"})


def _batch(body: Body, sent_at: Instant | None, limits: Limits) -> tuple[Call | Refusal, ...]:
    items = items_of(body, limits)
    try:
        context = _object(exact_json.read(body.members["context"])) if "context" in body.members else {}
    except UnreadableBody as error:
        raise UnreadableBody(pointer="/context") from error
    inherited = {name: value for name, value in context.items() if name not in _OF_ONE_PERSON}
    around = _Around(context=inherited, sent_at=sent_at, limit_bytes=limits.item_bytes)
    return tuple(_taken(index, item, None, around) for index, item in enumerate(items))


class _Around(Masked, frozen=True, kw_only=True):
    """What stands around an item: what it inherits, and how long it may be."""

    context: Mapping[str, object]
    sent_at: Instant | None
    limit_bytes: int


def _taken(
    index: int, text: bytes | msgspec.Raw, call_type: CallType | None, around: _Around
) -> Call | Refusal:
    """Return the call, or its refusal: an item's faults are its own."""
    try:
        item = read_item(text, around.limit_bytes)
        if around.context:
            item = {**item, "context": {**around.context, **_object(item.get("context"))}}
        named = call_type or _type(item.get("type"))
        return call_of(index, item, named, sent_at=around.sent_at, inherited=around.context)
    except Refused as error:
        return Refusal(index=index, code=error.code)


def read_item(text: bytes | msgspec.Raw, limit_bytes: int) -> dict[str, object]:
    """Return an item's members. Raises BodyTooLarge, and UnreadableBody for what is no object."""
    if len(memoryview(text)) > limit_bytes:
        raise BodyTooLarge
    item = exact_json.read(text)
    if not isinstance(item, dict):
        raise UnreadableBody
    return item


def call_of(
    index: int,
    item: dict[str, object],
    call_type: CallType,
    *,
    sent_at: Instant | None,
    inherited: Mapping[str, object] = _NOTHING,
) -> Call:
    """Return the call that an item makes; `sent_at` is its request's. Raises what refuses the item."""
    own_sent_at = _time(item.get("sentAt"))
    name, properties = _event(call_type, item)
    return Call(
        index=index,
        type=call_type,
        name=name,
        user_id=identifier_text(item.get("userId")),
        anonymous_id=identifier_text(item.get("anonymousId")),
        previous_id=identifier_text(item.get("previousId")),
        group_id=identifier_text(item.get("groupId")),
        message_id=_word(item.get("messageId")),
        timestamp=_time(item.get("timestamp")),
        original_timestamp=_time(item.get("originalTimestamp")),
        sent_at=sent_at if own_sent_at is None else own_sent_at,
        traits=_object(item.get("traits")),
        properties=properties,
        context=_object(item.get("context")),
        item=item,
        inherited=inherited,
    )


def _event(call_type: CallType, item: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Return the event's name and its properties."""
    properties = _object(item.get("properties"))
    match call_type:
        case CallType.TRACK:
            name = item.get("event")
            if not isinstance(name, str) or not name or len(name) > _LONGEST_WORD:
                raise UnreadableBody
            return name, properties
        case CallType.PAGE | CallType.SCREEN:
            said = {part: item[part] for part in ("name", "category") if item.get(part) not in (None, "")}
            return f"${call_type.value}", {**said, **properties}
        case CallType.IDENTIFY | CallType.GROUP | CallType.ALIAS:
            return f"${call_type.value}", {}


def identifier_text(value: object) -> str | None:
    """Return an identifier's text, None for nothing said. Raises MalformedIdentifier.

    An integer counts as its decimal text; a fraction does not, since 17 and 17.0 would be two people.
    """
    match value:
        case None | "":
            return None
        case str():
            return value
        case bool():
            raise MalformedIdentifier
        case int():
            return str(value)
        case _:
            raise MalformedIdentifier


def _type(value: object) -> CallType:
    if not isinstance(value, str):
        raise UnreadableBody
    try:
        return CallType(value)
    except ValueError:
        # Without its cause, which quotes the value.
        raise UnreadableBody from None


def _word(value: object) -> str | None:
    try:
        word = identifier_text(value)
    except MalformedIdentifier as error:
        raise UnreadableBody from error
    if word is not None and len(word) > _LONGEST_WORD:
        raise UnreadableBody
    return word


def _object(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    if value is None or value == []:
        return {}
    raise UnreadableBody


def _time(value: object) -> Instant | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnreadableBody
    try:
        return parse_time(value)
    except ValueError:
        # Without its cause, which quotes the value.
        raise UnreadableBody from None
