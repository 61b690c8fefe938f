"""From `features.toml` to categories and features, each feature in the category of what it is made of.

What is refused: an event, trait or family of accounts that two categories claim; a context field that nobody
may claim, because it is an identifier; a feature of what no category claims, or of another category than it
says; of an event and a context field that are not of one category; keys that its aggregate cannot use; a type
that its aggregate cannot give; a window longer than the category keeps its data; what a model computed,
outside of a category that is profiling, or anything else in one.

Pure. Raises PolicyInvalid.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from assent.core.context_fields import ELSEWHERE, PREFIX, expanded, members_of
from assent.core.document_places import Place, one_of, read, read_optional_duration, shortest
from assent.core.document_shapes import CategoryShape, FeatureShape
from assent.core.ids import CategoryId, FeatureId, NamespaceId, PurposeId
from assent.core.policy import FINEST, Aggregate, Cart, Category, Feature, Model, ValueType
from assent.core.time import Duration, longest

_SINGLE: Final = (
    ValueType.BOOLEAN,
    ValueType.NUMBER,
    ValueType.TEXT,
    ValueType.TIME,
    ValueType.PLACE,
)

POSSIBLE: Final[Mapping[Aggregate, tuple[ValueType, ...]]] = {
    Aggregate.TRAIT: tuple(ValueType),
    Aggregate.COUNT: (ValueType.NUMBER,),
    Aggregate.SUM: (ValueType.NUMBER,),
    Aggregate.MEAN: (ValueType.NUMBER,),
    Aggregate.LOW: (ValueType.NUMBER, ValueType.TIME),
    Aggregate.HIGH: (ValueType.NUMBER, ValueType.TIME),
    Aggregate.FIRST: _SINGLE,
    Aggregate.LAST: _SINGLE,
    Aggregate.DISTINCT: (ValueType.SET, ValueType.NUMBER),
    Aggregate.TOP: (ValueType.SET,),
    Aggregate.CART: (ValueType.LIST,),
    Aggregate.FIRST_TIME: (ValueType.TIME,),
    Aggregate.LAST_TIME: (ValueType.TIME,),
}
"""The types an aggregate can give. A distinct set holds the texts seen, a distinct number counts them."""

_WITHOUT_PATH: Final = frozenset({Aggregate.COUNT, Aggregate.FIRST_TIME, Aggregate.LAST_TIME})
_OF_CART: Final = frozenset({"amount", "cleared", "removed"})
_BY_AGGREGATE: Final = ("account", "event", "path", "window", "less", "size", "amount", "cleared", "removed")
_NEVER_NEEDED: Final = frozenset({"window", "size", "less"})
_FEW: Final = 3
"""Values of `top` where none is said."""


def read_categories(place: Place, tables: Mapping[str, object]) -> dict[str, CategoryShape]:
    """Return the categories' tables as shapes; every event, trait and account belongs to one at most."""
    shapes = {name: read(place.at(name), table, CategoryShape) for name, table in tables.items()}
    for kind in ("events", "traits", "accounts"):
        owners: dict[str, str] = {}
        for name, shape in shapes.items():
            for number, member in enumerate(getattr(shape, kind)):
                if owners.setdefault(member, name) != name:
                    raise place.at(name, kind, number).fault(
                        f"expected one category; {owners[member]} has it"
                    )
    return shapes


def check_context(place: Place, shapes: Mapping[str, CategoryShape], sources: Collection[str]) -> None:
    """Refuse a context field that is a namespace's: an identifier is kept as one, never as content."""
    for name, shape in shapes.items():
        for number, claim in enumerate(shape.context):
            at = place.at(name, "context", number)
            if any(PREFIX + field in sources for field in _fields(at, claim)):
                raise at.fault("expected no identifier: identity.toml reads this path")


def read_features(place: Place, tables: Mapping[str, object]) -> dict[str, FeatureShape]:
    """Return the features' tables as shapes, by name."""
    for name in tables:
        if name.startswith(PREFIX):
            raise place.at(name).fault("expected another name: rules ask a decision's request by this one")
    return {name: read(place.at(name), table, FeatureShape) for name, table in tables.items()}


def category(
    place: Place,
    name: str,
    shape: CategoryShape,
    numbers: Mapping[str, int],
    purposes: Mapping[str, int],
    accounts: Collection[str],
) -> Category:
    """Return one compiled category."""
    for number, account in enumerate(shape.accounts):
        if account not in accounts:
            raise place.at("accounts", number).fault(f"{one_of(accounts)}, which identity.toml declares")
    for number, purpose in enumerate(shape.also):
        if purpose not in purposes:
            raise place.at("also", number).fault(one_of(purposes))
    return Category(
        id=CategoryId(numbers[name]),
        name=name,
        events=frozenset(shape.events),
        traits=frozenset(shape.traits),
        accounts=frozenset(shape.accounts),
        context=frozenset(
            field
            for number, claim in enumerate(shape.context)
            for field in _fields(place.at("context", number), claim)
        ),
        special=shape.special,
        profiling=shape.profiling,
        also=tuple(PurposeId(purposes[purpose]) for purpose in dict.fromkeys(shape.also)),
        retention=read_optional_duration(place.at("retention"), shape.retention),
        titles=shape.titles,
    )


def feature(
    place: Place,
    name: str,
    shape: FeatureShape,
    categories: Mapping[str, Category],
    namespaces: Mapping[str, int],
) -> Feature:
    """Return one compiled feature, not numbered yet (its id is 0)."""
    aggregate = _aggregate(place, shape)
    owner = _owner(place, shape, categories)
    kind = _type(place.at("type"), shape.type, aggregate)
    return Feature(
        id=FeatureId(0),
        name=name,
        category=owner.id,
        type=kind,
        aggregate=aggregate,
        trait=shape.trait,
        account=None if shape.account is None else NamespaceId(namespaces[shape.account]),
        event=shape.event,
        path=shape.path,
        window=_window(place.at("window"), shape.window, owner),
        less=_less(place, shape, owner, categories),
        size=(shape.size or _FEW) if aggregate is Aggregate.TOP else None,
        decimals=_decimals(place.at("decimals"), shape, kind),
        cart=_cart(place, shape, owner, categories) if aggregate is Aggregate.CART else None,
        model=_model(place, shape, owner),
    )


def check_carts(place: Place, features: Mapping[str, Feature]) -> None:
    """Refuse a cart that nothing clears: up to when everything was ordered, another feature says."""
    for name, one in features.items():
        cleared = None if one.cart is None else features.get(one.cart.cleared)
        if one.cart is not None and (cleared is None or not _says_when_last(cleared)):
            times = [each.name for each in features.values() if _says_when_last(each)]
            raise place.at(name, "cleared").fault(one_of(times))


def _says_when_last(feature: Feature) -> bool:
    return feature.aggregate is Aggregate.LAST_TIME and not feature.itemised


def definition(feature: Feature, category: str) -> str:
    """Return the canonical text of a feature: all that decides about its values, and nothing else."""
    window = feature.window and [feature.window.months, feature.window.microseconds]
    made_of: list[object] = [category, feature.type, feature.aggregate, feature.trait]
    made_of += [feature.event, feature.path, window]
    more = (feature.size, feature.decimals, feature.cart, feature.model)
    made_of += [one for one in more if one is not None]
    made_of += [] if feature.account is None else [{"account": feature.account}]
    made_of += [] if feature.less is None else [{"less": feature.less}]
    return f"{feature.name} {msgspec.json.encode(made_of).decode()}"


def _aggregate(place: Place, shape: FeatureShape) -> Aggregate:
    """Return how values come about, refusing keys that have no part in it."""
    if shape.trait is not None:
        allowed = {"trait", "account"}
        aggregate = Aggregate.TRAIT if shape.aggregate is None else shape.aggregate
        if aggregate is not Aggregate.TRAIT:
            raise place.at("aggregate").fault("expected none beside a trait")
    elif shape.aggregate is None or shape.aggregate not in POSSIBLE or shape.aggregate is Aggregate.TRAIT:
        raise place.at("trait").fault("missing; expected a trait, or an aggregate with its event")
    else:
        aggregate = shape.aggregate
        allowed = _keys(aggregate)
        needed = {"path"} if "path" in allowed and _of_context(shape) else allowed - _NEVER_NEEDED
        for key in sorted(needed):
            if getattr(shape, key) is None:
                raise place.at(key).fault(f"missing; expected it beside aggregate {aggregate.value}")
    for key in _BY_AGGREGATE:
        if key not in allowed and getattr(shape, key) is not None:
            raise place.at(key).fault(f"expected none beside {aggregate.value}")
    return aggregate


def _keys(aggregate: Aggregate) -> set[str]:
    """Return the keys that an aggregate may have beside it."""
    if aggregate in _WITHOUT_PATH:
        return {"event", "window"}
    more = {
        Aggregate.CART: _OF_CART,
        Aggregate.TOP: frozenset({"size"}),
        Aggregate.SUM: frozenset({"less"}),
    }
    return {"event", "path", "window", *more.get(aggregate, ())}


def _less(
    place: Place, shape: FeatureShape, owner: Category, categories: Mapping[str, Category]
) -> str | None:
    if shape.less is not None:
        _check_claimed(place.at("less"), shape.less, owner, categories)
        if _of_context(shape):
            raise place.at("path").fault("expected a property of the event")
    return shape.less


def _check_claimed(place: Place, event: str, owner: Category, categories: Mapping[str, Category]) -> None:
    """Refuse a second event of another category: one feature would move data into the other."""
    if _claimant("event", event, categories) != owner.name:
        raise place.fault(f"expected an event that {owner.name} claims, as it does the other")


def _cart(place: Place, shape: FeatureShape, owner: Category, categories: Mapping[str, Category]) -> Cart:
    removed = shape.removed or ""
    _check_claimed(place.at("removed"), removed, owner, categories)
    if _of_context(shape):
        raise place.at("path").fault("expected a property of the event")
    return Cart(removed=removed, amount=shape.amount or "", cleared=shape.cleared or "")


def _model(place: Place, shape: FeatureShape, owner: Category) -> Model | None:
    """Return what computed the feature: said of all that a profiling category holds, and of nothing else."""
    if shape.model is None:
        if owner.profiling:
            raise place.at("model").fault(f"missing; expected what computed it: {owner.name} is profiling")
        return None
    if shape.trait is None:
        raise place.at("model").fault("expected a trait beside it: what a model computed comes as one")
    if not owner.profiling:
        raise place.at("model").fault(f"expected a category that is profiling, which {owner.name} is not")
    return Model(name=shape.model.name, version=shape.model.version)


def _owner(place: Place, shape: FeatureShape, categories: Mapping[str, Category]) -> Category:
    """Return the category of what the feature is made of: a feature cannot move data into another one."""
    if _of_context(shape):
        return categories[_owner_of_field(place, shape, categories)]
    made_of = {"account": shape.account, "event": shape.event, "trait": shape.trait}
    kind, member = next((kind, said) for kind, said in made_of.items() if said is not None)
    owner = _claimant(kind, member, categories)
    if owner is None:
        raise place.at(kind).fault(f"expected one that a category of this file claims as {kind}")
    if shape.category not in (None, owner):
        raise place.at("category").fault(f"expected {owner}, which claims this {kind}")
    return categories[owner]


def _owner_of_field(place: Place, shape: FeatureShape, categories: Mapping[str, Category]) -> str:
    field = (shape.path or "").removeprefix(PREFIX)
    owners = [name for name, each in categories.items() if field in each.context]
    if not owners:
        raise place.at("path").fault("expected a field that a category of this file claims as context")
    if shape.event is not None:
        # Elsewhere the context stands alone, without the event's name, which is data of another category.
        owner = _claimant("event", shape.event, categories)
        if owner not in owners:
            raise place.at("event").fault(
                f"expected none, or one of {' or '.join(owners)}, which has this field"
            )
        owners = [owner]
    if shape.category is None and len(owners) > 1:
        raise place.at("category").fault(f"missing; {one_of(owners)}, which claim this field")
    if shape.category is not None and shape.category not in owners:
        raise place.at("category").fault(one_of(owners))
    return shape.category or owners[0]


def _claimant(kind: str, member: str | None, categories: Mapping[str, Category]) -> str | None:
    """Return the name of the category that claims an event or a trait."""
    claims: dict[str, frozenset[str]] = {name: getattr(each, f"{kind}s") for name, each in categories.items()}
    if member == "*":
        return None
    named = next((name for name, claimed in claims.items() if member in claimed), None)
    return named or next((name for name, claimed in claims.items() if "*" in claimed), None)


def _of_context(shape: FeatureShape) -> bool:
    return shape.path is not None and shape.path.startswith(PREFIX)


def _fields(place: Place, claim: str) -> tuple[str, ...]:
    """Return the fields of a call's context that a category claims."""
    group = claim.partition(".")[0]
    if group in ELSEWHERE:
        raise place.fault(f"expected a field of the context: {group} is claimed elsewhere")
    fields = expanded(claim)
    if fields is None:
        raise place.fault(one_of((group, *members_of(group))))
    return fields


def _type(place: Place, stated: ValueType | None, aggregate: Aggregate) -> ValueType:
    possible = POSSIBLE[aggregate]
    if stated is None and len(possible) > 1:
        raise place.fault(f"missing; {one_of(possible)}")
    if stated is not None and stated not in possible:
        raise place.fault(f"{one_of(possible)}, which {aggregate.value} can give")
    return stated or possible[0]


def _decimals(place: Place, shape: FeatureShape, kind: ValueType) -> int | None:
    if kind is ValueType.PLACE:
        return FINEST if shape.decimals is None else shape.decimals
    if shape.decimals is not None:
        raise place.fault("expected none beside a type other than place")
    return None


def _window(place: Place, text: str | None, owner: Category) -> Duration | None:
    window, kept = read_optional_duration(place, text), owner.retention
    if window is None or kept is None:
        return window
    fits = window.months <= kept.months and window.microseconds <= kept.microseconds
    if not fits and longest(window) > shortest(kept):
        raise place.fault(f"expected no longer than {owner.name} keeps its data (retention)")
    return window
