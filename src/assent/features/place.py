"""Coarse places: a cell of a grid of degrees, and how far its centre lies from a point.

Where somebody was is cut to a cell before it is kept (`cut`), so the precise place is nowhere. A cell is told
by its centre, as text: `45.465,9.195` is the cell of two decimals that begins at 45.46 and 9.19. Cells of
fewer decimals are made of whole cells of more, so cutting a cell again gives the coarser one.

A distance is the great circle's on a sphere (haversine), the same across the antimeridian and over a pole.
Pure. Raises nothing: what is no place is None.
"""

import re
from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from math import asin, cos, radians, sin, sqrt
from typing import Final

EARTH_KM: Final = 6371.0088
"""The mean radius (IUGG)."""

FARTHEST_KM: Final = 20_038
"""No two points are farther apart."""

_NAMES: Final = (("latitude", "longitude"), ("lat", "lon"), ("lat", "lng"))
_CELL: Final = re.compile(r"(-?[0-9]{1,2}\.[0-9]{1,3}),(-?[0-9]{1,3}\.[0-9]{1,3})", re.ASCII)


def cut(raw: object, decimals: int) -> str | None:
    """Return the cell of a place as calls write it: a pair, an object with both degrees, or a cell."""
    degrees = _degrees(raw)
    if degrees is None:
        return None
    latitude, longitude = degrees
    # The poles belong to the last row; 180 degrees east is 180 degrees west.
    north = min(_floor(latitude, decimals), 90 * 10**decimals - 1)
    east = _floor(longitude, decimals)
    if east == 180 * 10**decimals:
        east = -east
    return f"{_centre(north, decimals)},{_centre(east, decimals)}"


def centre(cell: str) -> tuple[float, float] | None:
    """Return latitude and longitude of a cell's centre."""
    found = _CELL.fullmatch(cell)
    return None if found is None else (float(found[1]), float(found[2]))


def is_near(cell: str, of: tuple[float, float], within_km: float) -> bool:
    """Say whether a cell's centre lies no farther from a point than that."""
    middle = centre(cell)
    return middle is not None and distance_km(middle, of) <= within_km


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return how far two points, in degrees, lie apart on the sphere."""
    north, south = radians(one[0]), radians(other[0])
    half = sin((south - north) / 2) ** 2
    half += cos(north) * cos(south) * sin(radians(other[1] - one[1]) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(min(1.0, half)))


def point(raw: object) -> tuple[float, float] | None:
    """Return a pair of degrees, as a rule writes it, as a point."""
    degrees = _degrees(raw)
    return None if degrees is None or isinstance(raw, str) else (float(degrees[0]), float(degrees[1]))


def _degrees(raw: object) -> tuple[Decimal, Decimal] | None:
    pair: tuple[object, object] | None = None
    if isinstance(raw, str):
        found = _CELL.fullmatch(raw)
        pair = None if found is None else (Decimal(found[1]), Decimal(found[2]))
    elif isinstance(raw, Mapping):
        names = next((names for names in _NAMES if names[0] in raw and names[1] in raw), None)
        pair = None if names is None else (raw[names[0]], raw[names[1]])
    elif isinstance(raw, list | tuple) and len(raw) == 2:
        pair = raw[0], raw[1]
    if pair is None:
        return None
    latitude, longitude = _degree(pair[0], 90), _degree(pair[1], 180)
    return None if latitude is None or longitude is None else (latitude, longitude)


def _degree(raw: object, most: int) -> Decimal | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        return None
    degree = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw)
    return degree if degree.is_finite() and -most <= degree <= most else None


def _floor(degree: Decimal, decimals: int) -> int:
    return int(degree.scaleb(decimals).to_integral_value(ROUND_FLOOR))


def _centre(cell: int, decimals: int) -> str:
    return str(Decimal(10 * cell + 5).scaleb(-decimals - 1))
