"""Read the fields of a call's context that categories claim, and make harmless what could name somebody.

Only single values are kept (text, numbers, booleans), only under claimed names (`core/context_fields.py`). Of
a URL its query string, its fragment and a user name in it are cut off; what was searched for is read from the
query string first, as are `utm_` parameters when the client sent no campaign. Of a network address nothing
but the network is kept, and that only where it is claimed. `channel` and `source` are the call's own, else
what its key declares.

Pure. Raises nothing: what is not as expected is not there.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from assent.core.context_fields import ADDRESSES, GROUPS
from assent.core.ids import CategoryId
from assent.core.policy import Policy
from assent.ingest.tracking import Call, CallType

Values = dict[str, object]
"""Fields by name; those of a group in one of their own."""

NOTHING: Final[Mapping[str, str]] = {}


class Fields:
    """The context fields of one policy, ready to be read from calls."""

    __slots__ = ("_asked", "_names", "_paged", "_sent")

    def __init__(self, policy: Policy) -> None:
        claims: dict[str, dict[str, CategoryId]] = {}
        for category in policy.categories.values():
            for path in category.context:
                group, _, member = path.partition(".")
                whole = group in GROUPS
                claims.setdefault(group if whole else path, {})[member if whole else ""] = category.id
        groups = [_group(name, claims[name]) for name in sorted(claims)]
        self._asked = [group for group in groups if group.name in _WORDS]
        self._sent = [group for group in groups if group.name not in _WORDS]
        self._paged = [group for group in self._sent if "page" in group.names]
        self._names = frozenset[str]().union(*(group.names for group in self._sent))

    def read(self, call: Call, declared: Mapping[str, str] = NOTHING) -> dict[CategoryId, Values]:
        """Return what the call's context says, by category. `declared` is what its key says of every call."""
        found: dict[CategoryId, Values] = {}
        said = _Said(call, declared)
        for group in self._asked:
            _put(found, group, group.read(said))
        # Most calls of servers have nothing of the rest: then no group is asked.
        if not self._names.isdisjoint(call.context):
            for group in self._sent:
                _put(found, group, group.read(said))
        elif call.type is CallType.PAGE:
            for group in self._paged:
                _put(found, group, group.read(said))
        return found


def network(address: object) -> str | None:
    """Return the network that an address is in, /24 of IPv4 and /48 of IPv6; None for what is no address."""
    if not isinstance(address, str):
        return None
    try:
        found = ipaddress.ip_address(address.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        # An IPv4 address may be written as an IPv6 one, whose first 48 bits would say nothing of it.
        mapped = found.ipv4_mapped
        if mapped is None:
            return str(ipaddress.ip_network((found, 48), strict=False))
        found = mapped
    return str(ipaddress.ip_network((found, 24), strict=False))


def without_queries(properties: Mapping[str, object]) -> Mapping[str, object]:
    """Return the properties of a page call, URLs cut and the query string read for what was searched."""
    if _QUERIED.isdisjoint(properties):
        return properties
    kept = dict(properties)
    for name in _URLS:
        if isinstance(url := kept.get(name), str):
            kept[name] = cut(url)
    terms = _searched(_query(properties))
    kept.pop("search", None)
    if terms is not None:
        kept.setdefault("search_terms", terms)
    return kept


def cut(url: str) -> str:
    """Return a URL or a path without query string, fragment and user name."""
    kept = url.partition("?")[0].partition("#")[0]
    if "@" in kept:
        scheme, separator, rest = kept.rpartition("//")
        authority, slash, path = rest.partition("/")
        kept = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
    return kept


class _Said:
    """One call, with what several groups look at."""

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


Read = Callable[[_Said], object]


class _Group(NamedTuple):
    """A group, or a field alone: how it is read, from which members of the context, for whom."""

    name: str
    names: frozenset[str]
    read: Read
    claims: Mapping[str, CategoryId]
    category: CategoryId | None
    """The one category that claims all of it; None where several do."""


def _put(found: dict[CategoryId, Values], group: _Group, value: object) -> None:
    if value is None:
        return
    if group.category is not None:
        found.setdefault(group.category, {})[group.name] = value
    elif isinstance(value, dict):
        by_category: dict[CategoryId, Values] = {}
        for member, one in value.items():
            by_category.setdefault(group.claims[member], {})[member] = one
        for category, members in by_category.items():
            found.setdefault(category, {})[group.name] = members


def _group(name: str, claims: Mapping[str, CategoryId]) -> _Group:
    owners = set(claims.values())
    members = frozenset(claims)
    if name in GROUPS:
        read = _READERS.get(name, _plain)(name, members)
        names = frozenset({name, *_ALSO.get(name, ())})
    else:
        read = _alone(name)
        names = frozenset({name.partition(".")[0]})
    return _Group(name, names, read, claims, owners.pop() if len(owners) == 1 else None)


_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "campaign": ("page",),
    "device": ("userAgentData",),
    "os": ("userAgentData",),
    "referrer": ("page",),
}
"""Members of the context that fill gaps of a group."""

_SINGLE: Final = frozenset({str, int, bool, float, Decimal})


def _single(value: object) -> object:
    return value if type(value) in _SINGLE and value != "" else None


def _plain(name: str, members: frozenset[str]) -> Read:
    """Return a reader of a group that is taken as it was sent."""

    def read(said: _Said) -> Values | None:
        held = said.context.get(name)
        return _those(held, members) if isinstance(held, dict) else None

    return read


def _those(held: Mapping[str, object], members: frozenset[str]) -> Values | None:
    return {
        name: value for name, value in held.items() if name in members and _single(value) is not None
    } or None


def _device(name: str, members: frozenset[str]) -> Read:
    """Return a reader that asks a browser's client hints for what no library said."""
    hint, member = ("platform", "name") if name == "os" else ("mobile", "type")

    def read(said: _Said) -> Values | None:
        held = said.context.get(name)
        found = (_those(held, members) if isinstance(held, dict) else None) or {}
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
    def read(said: _Said) -> Values | None:
        page = said.page
        if not page:
            return None
        found: Values = {}
        for name in ("path", "url"):
            url = page.get(name)
            if name in members and isinstance(url, str) and (kept := cut(url)):
                found[name] = kept
        if "title" in members and isinstance(title := page.get("title"), str) and title:
            found["title"] = title
        query = _query(page)
        if query and "query" in members:
            found["query"] = query
        if query and "search_terms" in members and (terms := _searched(query)) is not None:
            found["search_terms"] = terms
        return found or None

    return read


def _referrer(_: str, members: frozenset[str]) -> Read:
    def read(said: _Said) -> Values | None:
        held = said.context.get("referrer")
        url = held.get("url") if isinstance(held, dict) else held
        if not isinstance(url, str) or not url:
            url = said.page.get("referrer")
        if not isinstance(url, str) or not url:
            return None
        kept = cut(url)
        both = {"url": kept, "host": _host(kept)}
        return {name: value for name, value in both.items() if name in members and value} or None

    return read


def _host(url: str) -> str:
    _, separator, rest = url.partition("//")
    return rest.partition("/")[0].partition(":")[0].lower() if separator else ""


def _campaign(_: str, members: frozenset[str]) -> Read:
    def read(said: _Said) -> Values | None:
        held = said.context.get("campaign")
        if isinstance(held, dict) and held:
            return _those(held, members)
        query = _query(said.page)
        if "utm_" not in query:
            return None
        given = _parameters(query, _UTM)
        return {_UTM[name]: value for name, value in given.items() if _UTM[name] in members} or None

    return read


def _alone(path: str) -> Read:
    """Return a reader of one field, wherever in the context it stands."""
    steps = tuple(path.split("."))
    if path in _WORDS:
        return _WORDS[path]

    def read(said: _Said) -> object:
        held: object = said.context
        for step in steps:
            if not isinstance(held, dict):
                return None
            held = held.get(step)
        return network(held) if steps[-1] in ADDRESSES else _single(held)

    return read


_CHANNEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def channel_word(value: object) -> str | None:
    """Return a channel as one word in small letters, None for what is no such word."""
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    return word if _CHANNEL.fullmatch(word) else None


def _channel(said: _Said) -> object:
    return (
        channel_word(said.context.get("channel"))
        or channel_word(said.call.properties.get("channel"))
        or said.declared.get("channel")
    )


def _source(said: _Said) -> object:
    own = said.context.get("source")
    return own if isinstance(own, str) and own else said.declared.get("source")


_WORDS: Final[Mapping[str, Read]] = {"channel": _channel, "source": _source}

_READERS: Final[Mapping[str, Callable[[str, frozenset[str]], Read]]] = {
    "campaign": _campaign,
    "device": _device,
    "os": _device,
    "page": _page,
    "referrer": _referrer,
}

_URLS: Final = ("path", "referrer", "url")
_QUERIED: Final = frozenset({*_URLS, "search"})

_SEARCHED: Final[Mapping[str, str]] = dict.fromkeys(("q", "s", "search", "query", "keyword"), "terms")
"""The parameters that Google Analytics takes for a site's search unless told otherwise."""

_UTM: Final[Mapping[str, str]] = {
    "utm_campaign": "name",
    "utm_content": "content",
    "utm_id": "id",
    "utm_medium": "medium",
    "utm_source": "source",
    "utm_term": "term",
}

_LONGEST: Final = 200
"""Characters of a parameter: nobody searches for more, and no campaign is named by more."""


def _query(page: Mapping[str, object]) -> str:
    """Return a page's query string without its question mark, empty where there is none."""
    search, url = page.get("search"), page.get("url")
    if isinstance(search, str) and search:
        return search.removeprefix("?")
    return url.partition("#")[0].partition("?")[2] if isinstance(url, str) else ""


def _searched(query: str) -> str | None:
    return next(iter(_parameters(query, _SEARCHED).values()), None) if query else None


def _parameters(query: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the wanted parameters of a query string, the first of each, decoded."""
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in wanted and name not in found:
            text = unquote_plus(value).strip()
            if 0 < len(text) <= _LONGEST and "\0" not in text:
                found[name] = text
    return found


__all__ = ["NOTHING", "Fields", "channel_word", "cut", "network", "without_queries"]
