"""Which language an answer is in: the one that the caller asks for first and that there is.

`Accept-Language` as RFC 9110 (12.5.4) writes it, looked up as RFC 4647 (3.4) says: the ranges by their
weight, each cut from its end until a language fits. What cannot be read is passed over. Pure; raises nothing.
"""

import re
from collections.abc import Collection
from typing import Final

FALLBACK: Final = "en"

_LONGEST: Final = 2_000
"""Characters of the header that are read; no person's list of languages is longer."""

_RANGE: Final = re.compile(
    r"(?P<range>\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)"
    r"(?:[ \t]*;[ \t]*[qQ]=(?P<weight>0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?",
    re.ASCII,
)


def negotiated(header: str, available: Collection[str]) -> str:
    """Return the language of `available` that the header asks for; English where it asks for none of them."""
    known = {language.lower(): language for language in available}
    weighted: list[tuple[float, str]] = []
    for part in header[:_LONGEST].split(","):
        found = _RANGE.fullmatch(part.strip(" \t"))
        if found is not None:
            weighted.append((float(found["weight"] or 1), found["range"].lower()))
    # "Not acceptable" is the language and whatever lies in it.
    refused = tuple(asked for weight, asked in weighted if weight == 0)
    for weight, asked in sorted(weighted, key=lambda one: -one[0]):
        language = _looked_up(asked, known) if weight > 0 else None
        if language is not None and not any(_is_in(language.lower(), one) for one in refused):
            return language
    return FALLBACK


def _looked_up(asked: str, known: dict[str, str]) -> str | None:
    """Return the longest language that the range begins with. `*` asks for none in particular."""
    while asked:
        if asked in known:
            return known[asked]
        asked = asked.rpartition("-")[0]
        if asked[-2:-1] == "-":  # what introduces an extension goes with it
            asked = asked[:-2]
    return None


def _is_in(language: str, asked: str) -> bool:
    return language == asked or language.startswith(f"{asked}-")
