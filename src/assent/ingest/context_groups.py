"""How each group of context fields is read from a call, by the members that categories claim.

Only single values are read: text, numbers, booleans. Gaps are filled from what says the same elsewhere: a
page call's properties, the page's referrer and its `utm_` parameters, a browser's client hints, a key's
declaration.

Pure. Raises nothing: what is not as expected is not there.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from assent.core.context_fields import ADDRESSES, GROUPS
from assent.core.policy import FINEST
from assent.features.place import cut
from assent.ingest import urls
from assent.ingest.addresses import network
from assent.ingest.tracking import Call, CallType

Values = dict[str, object]


class Said:
    """One call, and what several groups look at of it."""

    __slots__ = ("_page", "call", "context", "declared")

    def __init__(self, call: Call, declared: Mapping[str, str]) -> None:
        self.call = call
        self.context = call.context
        self.declared = declared
        self._page: Mapping[str, object] | None = None

    @property
    def page(self) -> Mapping[str, object]:
        """What is said of the page: a page call says it among its properties too."""
        if self._page is None:
            held = self.context.get("page")
            page: dict[str, object] = held if isinstance(held, dict) else {}
            self._page = {**self.call.properties, **page} if self.call.type is CallType.PAGE else page
        return self._page


Read = Callable[[Said], object]


def reader(name: str, members: frozenset[str]) -> Read:
    """Return what reads these members of a group or, by its path, a field that is in none."""
    if name in GROUPS:
        return _READERS.get(name, _plain)(name, members)
    return ASKED[name] if name in ASKED else _alone(name)


def read_from(name: str) -> frozenset[str]:
    """Return the members of a context that a group, or a field by its path, is read from."""
    return frozenset({name.partition(".")[0], *_ALSO.get(name, ())})


def channel_word(value: object) -> str | None:
    """Return a channel as one word in small letters, None for what is no such word."""
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    return word if _CHANNEL.fullmatch(word) else None


_CHANNEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")

_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "campaign": ("page",),
    "device": ("userAgentData",),
    "os": ("userAgentData",),
    "referrer": ("page",),
}
"""What fills the gaps of a group."""

_SINGLE: Final = frozenset({str, int, bool, float, Decimal})


def _single(value: object) -> object:
    return value if type(value) in _SINGLE and value != "" else None


def _those(held: Mapping[str, object], members: frozenset[str]) -> Values:
    return {name: value for name, value in held.items() if name in members and _single(value) is not None}


def _plain(name: str, members: frozenset[str]) -> Read:
    def read(said: Said) -> Values | None:
        held = said.context.get(name)
        return (_those(held, members) if isinstance(held, dict) else None) or None

    return read


def _hinted(name: str, members: frozenset[str]) -> Read:
    """Return a reader that asks a browser's client hints for what no library said."""
    hint, member = ("platform", "name") if name == "os" else ("mobile", "type")

    def read(said: Said) -> Values | None:
        held = said.context.get(name)
        found = _those(held, members) if isinstance(held, dict) else {}
        hints = said.context.get("userAgentData")
        if isinstance(hints, dict) and member in members and member not in found:
            value = hints.get(hint)
            if isinstance(value, bool):
                value = "mobile" if value else "desktop"
            if isinstance(value, str) and value:
                found[member] = value
        return found or None

    return read


def _page(_: str, members: frozenset[str]) -> Read:
    def read(said: Said) -> Values | None:
        page = said.page
        found: Values = {}
        for name in ("path", "url"):
            url = page.get(name)
            if name in members and isinstance(url, str) and (kept := urls.cut(url)):
                found[name] = kept
        if "title" in members and isinstance(title := page.get("title"), str) and title:
            found["title"] = title
        query = urls.query_of(page)
        if query and "query" in members:
            found["query"] = query
        if query and "search_terms" in members and (terms := urls.searched(query)) is not None:
            found["search_terms"] = terms
        return found or None

    return read


def _referrer(_: str, members: frozenset[str]) -> Read:
    def read(said: Said) -> Values | None:
        held = said.context.get("referrer")
        url = held.get("url") if isinstance(held, dict) else held
        if not isinstance(url, str) or not url:
            url = said.page.get("referrer")
        if not isinstance(url, str):
            return None
        kept = urls.cut(url)
        both = {"url": kept, "host": urls.host(kept)}
        return {name: value for name, value in both.items() if name in members and value} or None

    return read


def _campaign(_: str, members: frozenset[str]) -> Read:
    def read(said: Said) -> Values | None:
        held = said.context.get("campaign")
        if not isinstance(held, dict) or not held:
            held = urls.campaign(urls.query_of(said.page))
        return _those(held, members) or None

    return read


def _location(_: str, members: frozenset[str]) -> Read:
    def read(said: Said) -> Values | None:
        held = said.context.get("location")
        if not isinstance(held, dict):
            return None
        found = _those(held, members - {"place"})
        if "place" in members and (cell := cut(held, FINEST)) is not None:
            found["place"] = cell
        return found or None

    return read


def _alone(path: str) -> Read:
    steps = tuple(path.split("."))

    def read(said: Said) -> object:
        held: object = said.context
        for step in steps:
            if not isinstance(held, dict):
                return None
            held = held.get(step)
        return network(held) if steps[-1] in ADDRESSES else _single(held)

    return read


def _channel(said: Said) -> object:
    return (
        channel_word(said.context.get("channel"))
        or channel_word(said.call.properties.get("channel"))
        or said.declared.get("channel")
    )


def _source(said: Said) -> object:
    own = said.context.get("source")
    return own if isinstance(own, str) and own else said.declared.get("source")


ASKED: Final[Mapping[str, Read]] = {"channel": _channel, "source": _source}
"""Fields that a call may have without any context of its own."""

_READERS: Final[Mapping[str, Callable[[str, frozenset[str]], Read]]] = {
    "campaign": _campaign,
    "device": _hinted,
    "location": _location,
    "os": _hinted,
    "page": _page,
    "referrer": _referrer,
}
