"""Write consent strings, field by field: an encoder of its own, so that no decoder is asked about itself."""

from collections.abc import Iterable, Sequence

from assent.core.time import Instant, parse_time

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

DAY_MADE = parse_time("2026-02-20T00:00:00Z")


def number(value: int, width: int) -> str:
    return format(value, f"0{width}b")


def flags(held: Iterable[int], width: int) -> str:
    chosen = set(held)
    return "".join("1" if each in chosen else "0" for each in range(1, width + 1))


def letters(text: str) -> str:
    return "".join(number(ALPHABET.index(letter), 6) for letter in text)


def packed(bits: str, fill: int = 24) -> str:
    """Return bits as base64url, filled with zeros up to a multiple of `fill`, or of a letter."""
    bits += "0" * (-len(bits) % fill)
    bits += "0" * (-len(bits) % 6)
    return "".join(ALPHABET[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def unpacked(text: str) -> str:
    return "".join(number(ALPHABET.index(letter), 6) for letter in text)


def ranges(runs: Sequence[tuple[int, int]]) -> str:
    entries = (
        f"1{number(first, 16)}{number(last, 16)}" if first != last else f"0{number(first, 16)}"
        for first, last in runs
    )
    return number(len(runs), 12) + "".join(entries)


def vendors(held: Iterable[int]) -> str:
    """Return the field encoding of a set of vendors."""
    chosen = sorted(held)
    highest = chosen[-1] if chosen else 0
    return number(highest, 16) + "0" + flags(chosen, highest)


def ranged(runs: Sequence[tuple[int, int]], highest: int | None = None) -> str:
    """Return the range encoding of a set of vendors."""
    return number(runs[-1][1] if highest is None else highest, 16) + "1" + ranges(runs)


def core(
    *,
    version: int = 2,
    created: Instant = DAY_MADE,
    updated: Instant | None = None,
    cmp_id: int = 407,
    language: str = "IT",
    policy: int = 5,
    service_specific: bool = True,
    consents: Iterable[int] = (),
    interests: Iterable[int] = (),
    purpose_one_treatment: bool = False,
    country: str = "IT",
    consented: str | None = None,
    interested: str | None = None,
    restrictions: Sequence[tuple[int, int, Sequence[tuple[int, int]]]] = (),
) -> str:
    """Return the bits of a core string; `consented` and `interested` are bits of `vendors` or `ranged`."""
    return "".join(
        (
            number(version, 6),
            number(created // 100_000, 36),
            number((created if updated is None else updated) // 100_000, 36),
            number(cmp_id, 12),
            number(1, 12),
            number(1, 6),
            letters(language),
            number(141, 12),
            number(policy, 6),
            str(int(service_specific)),
            "0",
            flags((), 12),
            flags(consents, 24),
            flags(interests, 24),
            str(int(purpose_one_treatment)),
            letters(country),
            vendors(()) if consented is None else consented,
            vendors(()) if interested is None else interested,
            number(len(restrictions), 12),
            *(number(purpose, 6) + number(kind, 2) + ranges(runs) for purpose, kind, runs in restrictions),
        )
    )


def disclosed(bits: str) -> str:
    return packed(number(1, 3) + bits)


def publisher(consents: Iterable[int] = (), interests: Iterable[int] = (), custom: int = 0) -> str:
    own = flags((), custom) * 2
    return packed(number(3, 3) + flags(consents, 24) + flags(interests, 24) + number(custom, 6) + own)


def tc_string(*segments: str, **fields: object) -> str:
    """Return a TC string; without segments, with one that discloses vendors 1 to 5."""
    others = segments or (disclosed(vendors(range(1, 6))),)
    return ".".join((packed(core(**fields)), *others))  # type: ignore[arg-type]


def fibonacci(value: int) -> str:
    """Return the Fibonacci code of a positive integer."""
    weights = [1, 2]
    while weights[-1] <= value:
        weights.append(weights[-1] + weights[-2])
    found = ""
    for weight in reversed(weights):
        if weight <= value:
            value -= weight
            found = "1" + found
        elif found:
            found = "0" + found
    return found + "1"


def gpp(**sections: str) -> str:
    """Return a GPP string of sections by their numbers (`_7="..."`), ascending, each a range of its own."""
    ids = [int(name.removeprefix("_")) for name in sections]
    steps = (after - before for before, after in zip([0, *ids], ids, strict=False))
    header = number(3, 6) + number(1, 6) + number(len(ids), 12)
    return "~".join(
        (packed(header + "".join("0" + fibonacci(step) for step in steps), 8), *sections.values())
    )


def usnat(sale: int = 0, sharing: int = 0, targeted: int = 0, *, gpc: bool | None = None) -> str:
    """Return the national section, version 1."""
    answers = [*[1] * 6, sale, sharing, targeted, *[0] * 15, 1, 0, 0]
    text = packed(number(1, 6) + "".join(number(each, 2) for each in answers), 8)
    return text if gpc is None else f"{text}.{packed('01' + str(int(gpc)), 8)}"
