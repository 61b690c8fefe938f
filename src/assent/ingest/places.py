"""Cut the places in a call to the grid of the features made of them, before anything is stored.

A feature says where its place stands: a trait, or a path in an event's properties or in the context. Of two
features of one place the finer grid is kept. What stands there and is no place is left out. Pure; raises
nothing.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import structs

from assent.core.context_fields import PREFIX
from assent.core.policy import Feature, Policy, ValueType
from assent.features.place import cut
from assent.ingest.facts import ContentBody

Grids = dict[tuple[str, ...], int]
"""Decimals by path."""

_NONE: Final[Grids] = {}


class Places:
    """The places that one policy's features are made of; true if there are any."""

    __slots__ = ("_context", "_events", "_traits")

    def __init__(self, policy: Policy) -> None:
        self._traits: Grids = {}
        self._context: Grids = {}
        self._events: dict[str, Grids] = {}
        for feature in policy.features.values():
            if feature.type is ValueType.PLACE and feature.decimals is not None:
                grids, path = self._of(feature)
                grids[path] = max(feature.decimals, grids.get(path, 0))

    def __bool__(self) -> bool:
        return bool(self._traits or self._context or self._events)

    def cut(self, content: ContentBody) -> ContentBody:
        """Return the content with its places cut."""
        grids = self._traits if content.kind == "traits" else self._events.get(content.name, _NONE)
        data, context = _coarse(content.data, grids), _coarse(content.context, self._context)
        if data is content.data and context is content.context:
            return content
        return structs.replace(content, data=data, context=context)

    def _of(self, feature: Feature) -> tuple[Grids, tuple[str, ...]]:
        if feature.trait is not None:
            return self._traits, (feature.trait,)
        path = feature.path or ""
        if path.startswith(PREFIX):
            return self._context, tuple(path.removeprefix(PREFIX).split("."))
        return self._events.setdefault(feature.event or "", {}), tuple(path.split("."))


def _coarse(data: Mapping[str, object], grids: Grids) -> Mapping[str, object]:
    for path, decimals in grids.items():
        data = _replaced(data, path, decimals)
    return data


def _replaced(data: Mapping[str, object], path: tuple[str, ...], decimals: int) -> Mapping[str, object]:
    """Return the data with what stands at a path cut; the same object where nothing stands there."""
    first, *rest = path
    if first not in data or data[first] is None:  # null takes a trait back
        return data
    held = data[first]
    if rest:
        if not isinstance(held, Mapping):
            return data
        inner = _replaced(held, tuple(rest), decimals)
        return data if inner is held else {**data, first: inner}
    cell = cut(held, decimals)
    others = {name: value for name, value in data.items() if name != first}
    return others if cell is None else {**others, first: cell}
