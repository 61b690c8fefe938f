"""From `features.toml` to categories and features, each feature in the category of what it is made of.

What is refused: an event or trait that two categories claim; a feature of an event or trait that no category
claims, or of another category than it says; keys that its aggregate cannot use; a type that its aggregate
cannot give; a window longer than the category keeps its data.

Pure. Raises PolicyInvalid.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from assent.core.document_places import Place, longest, one_of, read, read_optional_duration, shortest
from assent.core.document_shapes import CategoryShape, FeatureShape
from assent.core.ids import CategoryId, FeatureId, PurposeId
from assent.core.policy import Aggregate, Category, Feature, ValueType
from assent.core.time import Duration

POSSIBLE: Final[Mapping[Aggregate, tuple[ValueType, ...]]] = {
    Aggregate.TRAIT: tuple(ValueType),
    Aggregate.COUNT: (ValueType.NUMBER,),
    Aggregate.SUM: (ValueType.NUMBER,),
    Aggregate.MEAN: (ValueType.NUMBER,),
    Aggregate.LOW: (ValueType.NUMBER, ValueType.TIME),
    Aggregate.HIGH: (ValueType.NUMBER, ValueType.TIME),
    Aggregate.FIRST: (ValueType.BOOLEAN, ValueType.NUMBER, ValueType.TEXT, ValueType.TIME),
    Aggregate.LAST: (ValueType.BOOLEAN, ValueType.NUMBER, ValueType.TEXT, ValueType.TIME),
    Aggregate.DISTINCT: (ValueType.SET, ValueType.NUMBER),
    Aggregate.FIRST_TIME: (ValueType.TIME,),
    Aggregate.LAST_TIME: (ValueType.TIME,),
}
"""The types an aggregate can give. A distinct set holds the texts seen, a distinct number counts them."""

_WITHOUT_PATH: Final = frozenset({Aggregate.COUNT, Aggregate.FIRST_TIME, Aggregate.LAST_TIME})


def read_categories(place: Place, tables: Mapping[str, object]) -> dict[str, CategoryShape]:
    """Return the categories' tables as shapes; every event and trait belongs to one of them at most."""
    shapes = {name: read(place.at(name), table, CategoryShape) for name, table in tables.items()}
    for kind in ("events", "traits"):
        owners: dict[str, str] = {}
        for name, shape in shapes.items():
            for number, member in enumerate(getattr(shape, kind)):
                if owners.setdefault(member, name) != name:
                    raise place.at(name, kind, number).fault(
                        f"expected one category; {owners[member]} has it"
                    )
    return shapes


def read_features(place: Place, tables: Mapping[str, object]) -> dict[str, FeatureShape]:
    """Return the features' tables as shapes, by name."""
    return {name: read(place.at(name), table, FeatureShape) for name, table in tables.items()}


def category(
    place: Place, name: str, shape: CategoryShape, numbers: Mapping[str, int], purposes: Mapping[str, int]
) -> Category:
    """Return one compiled category."""
    for number, purpose in enumerate(shape.also):
        if purpose not in purposes:
            raise place.at("also", number).fault(one_of(purposes))
    return Category(
        id=CategoryId(numbers[name]),
        name=name,
        events=frozenset(shape.events),
        traits=frozenset(shape.traits),
        special=shape.special,
        also=tuple(PurposeId(purposes[purpose]) for purpose in dict.fromkeys(shape.also)),
        retention=read_optional_duration(place.at("retention"), shape.retention),
    )


def feature(place: Place, name: str, shape: FeatureShape, categories: Mapping[str, Category]) -> Feature:
    """Return one compiled feature, not numbered yet (its id is 0)."""
    aggregate = _aggregate(place, shape)
    owner = _owner(place, shape, categories)
    return Feature(
        id=FeatureId(0),
        name=name,
        category=owner.id,
        type=_type(place.at("type"), shape.type, aggregate),
        aggregate=aggregate,
        trait=shape.trait,
        event=shape.event,
        path=shape.path,
        window=_window(place.at("window"), shape.window, owner),
    )


def definition(feature: Feature, category: str) -> str:
    """Return the canonical text of a feature: all that decides about its values, and nothing else."""
    window = feature.window and [feature.window.months, feature.window.microseconds]
    made_of = [category, feature.type, feature.aggregate, feature.trait, feature.event, feature.path, window]
    return f"{feature.name} {msgspec.json.encode(made_of).decode()}"


def _aggregate(place: Place, shape: FeatureShape) -> Aggregate:
    """Return how values come about, refusing keys that have no part in it."""
    if shape.trait is not None:
        allowed = {"trait"}
        aggregate = Aggregate.TRAIT if shape.aggregate is None else shape.aggregate
        if aggregate is not Aggregate.TRAIT:
            raise place.at("aggregate").fault("expected none beside a trait")
    elif shape.aggregate is None or shape.aggregate is Aggregate.TRAIT:
        raise place.at("trait").fault("missing; expected a trait, or an aggregate with its event")
    else:
        aggregate = shape.aggregate
        allowed = {"event", "window"} if aggregate in _WITHOUT_PATH else {"event", "path", "window"}
        for key in sorted(allowed - {"window"}):
            if getattr(shape, key) is None:
                raise place.at(key).fault(f"missing; expected it beside aggregate {aggregate.value}")
    for key in ("event", "path", "window"):
        if key not in allowed and getattr(shape, key) is not None:
            raise place.at(key).fault(f"expected none beside {aggregate.value}")
    return aggregate


def _owner(place: Place, shape: FeatureShape, categories: Mapping[str, Category]) -> Category:
    """Return the category that claims the event or trait. A feature cannot move data into another one."""
    kind, member = ("trait", shape.trait) if shape.event is None else ("event", shape.event)
    claims = {name: each.traits if kind == "trait" else each.events for name, each in categories.items()}
    owner = next((name for name, claimed in claims.items() if member in claimed), None)
    owner = owner or next((name for name, claimed in claims.items() if "*" in claimed), None)
    if owner is None or member == "*":
        raise place.at(kind).fault(f"expected one that a category of this file claims as {kind}")
    if shape.category not in (None, owner):
        raise place.at("category").fault(f"expected {owner}, which claims this {kind}")
    return categories[owner]


def _type(place: Place, stated: ValueType | None, aggregate: Aggregate) -> ValueType:
    possible = POSSIBLE[aggregate]
    if stated is None and len(possible) > 1:
        raise place.fault(f"missing; {one_of(possible)}")
    if stated is not None and stated not in possible:
        raise place.fault(f"{one_of(possible)}, which {aggregate.value} can give")
    return stated or possible[0]


def _window(place: Place, text: str | None, owner: Category) -> Duration | None:
    window, kept = read_optional_duration(place, text), owner.retention
    if window is None or kept is None:
        return window
    fits = window.months <= kept.months and window.microseconds <= kept.microseconds
    if not fits and longest(window) > shortest(kept):
        raise place.fault(f"expected no longer than {owner.name} keeps its data (retention)")
    return window
