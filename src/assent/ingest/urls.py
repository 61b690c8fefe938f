"""Cut from URLs what may name somebody, after reading from the query string what may be kept of it.

A query string may hold anything: addresses of letters, tokens, names. What was searched for and which
campaign brought somebody is read by the names of parameters; the rest goes, and so do the fragment and a user
name.

Pure, and total: text that is no URL is cut the same way.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final
from urllib.parse import unquote_plus

_URLS: Final = ("path", "referrer", "url")
_QUERIED: Final = frozenset({*_URLS, "search"})

_SEARCHED: Final = frozenset({"q", "s", "search", "query", "keyword"})
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


def cut(url: str) -> str:
    """Return a URL or a path without query string, fragment and user name."""
    kept = url.partition("?")[0].partition("#")[0]
    if "@" in kept:
        scheme, separator, rest = kept.rpartition("//")
        authority, slash, path = rest.partition("/")
        kept = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
    return kept


def host(url: str) -> str:
    """Return the host of a URL that was cut, in small letters; empty where it names none."""
    _, separator, rest = url.partition("//")
    return rest.partition("/")[0].partition(":")[0].lower() if separator else ""


def query_of(page: Mapping[str, object]) -> str:
    """Return a page's query string without its question mark, empty where there is none."""
    search, url = page.get("search"), page.get("url")
    if isinstance(search, str) and search:
        return search.removeprefix("?")
    return url.partition("#")[0].partition("?")[2] if isinstance(url, str) else ""


def searched(query: str) -> str | None:
    """Return what was searched for."""
    return next((text for _, text in _parameters(query, _SEARCHED)), None) if query else None


def campaign(query: str) -> dict[str, str]:
    """Return the campaign that a query string names, by its members; of a member given twice the first."""
    found: dict[str, str] = {}
    if "utm_" in query:
        for name, text in _parameters(query, _UTM.keys()):
            found.setdefault(_UTM[name], text)
    return found


def without_queries(properties: Mapping[str, object]) -> Mapping[str, object]:
    """Return the properties of a page call, URLs cut and the query string read for what was searched."""
    if _QUERIED.isdisjoint(properties):
        return properties
    kept = dict(properties)
    for name in _URLS:
        if isinstance(url := kept.get(name), str):
            kept[name] = cut(url)
    terms = searched(query_of(properties))
    kept.pop("search", None)
    if terms is not None:
        kept.setdefault("search_terms", terms)
    return kept


def _parameters(query: str, wanted: AbstractSet[str]) -> Iterator[tuple[str, str]]:
    """Yield the wanted parameters of a query string that say something, decoded, in their order."""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in wanted:
            text = unquote_plus(value).strip()
            if 0 < len(text) <= _LONGEST and "\0" not in text:
                yield name, text
