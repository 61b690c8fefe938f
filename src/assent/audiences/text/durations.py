"""Durations as rules write them: `30d` stands for P30D alone, and what has no short form stands as it is.

Text to text, digit by digit, so that nothing is rounded or normalised: whether it is a duration at all is
`check`'s to say.
"""

import re
from typing import Final

_UNITS: Final = {"w": "P{}W", "d": "P{}D", "h": "PT{}H", "min": "PT{}M", "s": "PT{}S"}
_SHORT: Final = re.compile(r"(-?)([0-9]+)(w|d|h|min|s)")
_LONG: Final = {
    unit: re.compile(r"(-?)" + form.format(r"([0-9]+)"), re.ASCII) for unit, form in _UNITS.items()
}
UNSIGNED: Final = re.compile(r"P[0-9YMWDTHS.]+")
ISO: Final = re.compile(r"-?P[0-9YMWDTHS.]+")
"""What stands as it is; everything else that a rule may hold in a duration's place stands in quotes."""


def expanded(short: str) -> str | None:
    """Return the ISO 8601 duration that a short one stands for; None when it is none."""
    found = _SHORT.fullmatch(short)
    return None if found is None else found[1] + _UNITS[found[3]].format(found[2])


def shortened(iso: str) -> str | None:
    """Return the short form of which `expanded` gives back exactly `iso`; None when there is none."""
    for unit, long in _LONG.items():
        found = long.fullmatch(iso)
        if found is not None:
            return found[1] + found[2] + unit
    return None
