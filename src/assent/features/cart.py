"""What lies in a cart: added, neither removed nor ordered since, with the amount and since when.

A feature of the catalogue is the list of what lies there; a rule's leaf over it is 1 where something in it
fulfils the condition, long enough if it says how long. An item is one event, as text: what was added or
removed, how many, the price of one. What says nothing usable (no name, no whole number) is no item; without
a number one is added, and all of it removed. Pure; raises nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from assent.core.policy import Cart, Feature
from assent.core.time import Instant, format_time, shifted
from assent.features.catalogue import MILLIONTHS, Value, list_value, millionths, number_to_json
from assent.features.condition import compiled
from assent.features.state import Item

if TYPE_CHECKING:
    from assent.features.accumulate import Content

_NUMBER: Final = "quantity"
_MOST: Final = 1_000
"""Different things in one cart: beyond, the oldest are out of it."""


class _Said(msgspec.Struct, frozen=True, array_like=True):
    """One event of a cart; `number` is None for all of it, `price` for none said."""

    added: bool
    sku: str
    number: int | None
    price: int | None


class _Held(msgspec.Struct, frozen=True):
    number: int
    price: int | None
    since: Instant


_DECODER: Final = msgspec.json.Decoder(_Said)


def taking(added: str, path: tuple[str, ...], cart: Cart) -> "Callable[[Content], Value | None]":
    """Return what a cart keeps of a content."""
    price_at = tuple(cart.amount.split("."))

    def take(content: "Content") -> Value | None:
        sku, number = _at(content.data, path), content.data.get(_NUMBER)
        count = None if number is None else _whole(number)
        if isinstance(sku, int) and not isinstance(sku, bool):
            sku = str(sku)
        if not isinstance(sku, str) or not sku or (number is not None and count is None):
            return None
        is_added = content.name == added
        if is_added and count is None:
            count = 1
        price = millionths(_at(content.data, price_at)) if is_added else None
        return msgspec.json.encode(_Said(is_added, sku, count, price)).decode()

    return take


def read(feature: Feature, items: Iterable[Item], cleared: Instant | None, now: Instant) -> Value | None:
    """Return the list of what lies in the cart or, for a rule's leaf, whether something fulfils it."""
    held = _held(item for item in items if cleared is None or item.at > cleared)
    objects = [_object(sku, one) for sku, one in held]
    if feature.leaf is None:
        return list_value(objects)
    until = now if feature.leaf.until is None else shifted(now, -feature.leaf.until)
    fulfils = compiled(feature.leaf.where)
    long_enough = (said for (_, one), said in zip(held, objects, strict=True) if one.since <= until)
    return MILLIONTHS if any(map(fulfils, long_enough)) else 0


def _held(items: Iterable[Item]) -> list[tuple[str, _Held]]:
    """Return what is there after all of it, the oldest first."""
    held: dict[str, _Held] = {}
    for item in sorted(items, key=lambda item: (item.at, item.entry, str(item.value))):
        said = _DECODER.decode(str(item.value))
        before = held.pop(said.sku, None)
        if said.added:
            number = (said.number or 0) + (0 if before is None else before.number)
            held[said.sku] = _Held(number, said.price, item.at)
        elif before is not None and said.number is not None and said.number < before.number:
            held[said.sku] = _Held(before.number - said.number, before.price, before.since)
    return sorted(held.items(), key=lambda pair: (pair[1].since, pair[0]))[-_MOST:]


def _object(sku: str, one: _Held) -> dict[str, object]:
    said: dict[str, object] = {"sku": sku, "quantity": one.number, "time": format_time(one.since)}
    if one.price is not None:
        said["amount"] = number_to_json(one.price * one.number)
    return said


def _at(data: Mapping[str, object], path: tuple[str, ...]) -> object:
    held: object = data
    for step in path:
        held = held.get(step) if isinstance(held, dict) else None
    return held


def _whole(raw: object) -> int | None:
    number = millionths(raw)
    return number // MILLIONTHS if number is not None and number > 0 and number % MILLIONTHS == 0 else None
