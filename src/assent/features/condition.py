"""What the properties of one event, or one item of a list, must fulfil: a JSON tree made a predicate.

Two-valued, since an event that is seen at all is seen whole: what is absent equals nothing, and `ne`,
`not_in` and `absent` are true of it. Numbers compare exactly, texts that are both times as times; values of
different kinds are unequal and in no order. Dots in a name lead into objects, `any_item` into a list of them.
The operators are those of rules.

Pure. `predicate` raises WrongType or EmptyGroup, with the place of the fault, on a tree that is no condition.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from assent.core.errors import EmptyGroup, WrongType
from assent.core.time import Instant, parse_time
from assent.features.catalogue import millionths

Predicate = Callable[[Mapping[str, object]], bool]

_MISSING: Final = object()
_DECODE: Final = msgspec.json.Decoder(float_hook=Decimal).decode


def always(_: Mapping[str, object]) -> bool:
    """Fulfilled by anything."""
    return True


def compiled(text: str) -> Predicate:
    """Return the predicate of a condition as JSON text; of no text, `always`."""
    return predicate(_DECODE(text)) if text else always


def predicate(tree: object, pointer: str = "") -> Predicate:
    """Return the predicate of a condition."""
    if not isinstance(tree, dict) or not isinstance(tree.get("op"), str):
        raise WrongType("expected a condition on properties", pointer=pointer)
    op = tree["op"]
    if op in _GROUPS:
        return _group(op, tree, pointer)
    if op == "not":
        inner = predicate(tree.get("of"), pointer + "/of")
        return lambda data: not inner(data)
    make = _LEAVES.get(op)
    name = tree.get("feature")
    if make is None or not isinstance(name, str) or not name:
        raise WrongType("expected an operator on one property", pointer=pointer + "/op")
    return _of_property(tuple(name.split(".")), make(tree, pointer))


def _group(op: str, tree: Mapping[str, Any], pointer: str) -> Predicate:
    of = tree.get("of")
    if not isinstance(of, list | tuple):
        raise WrongType("expected a list of conditions", pointer=pointer + "/of")
    if not of:
        raise EmptyGroup(pointer=pointer + "/of")
    inner = [predicate(each, f"{pointer}/of/{place}") for place, each in enumerate(of)]
    least = {"and": len(inner), "or": 1}.get(op, tree.get("count"))
    if not isinstance(least, int) or not 1 <= least <= len(inner):
        raise WrongType(f"expected a count from 1 to {len(inner)}", pointer=pointer + "/count")
    return lambda data: sum(each(data) for each in inner) >= least


def _of_property(path: tuple[str, ...], test: Callable[[object], bool]) -> Predicate:
    def fulfilled(data: Mapping[str, object]) -> bool:
        held: object = data
        for step in path:
            held = held.get(step, _MISSING) if isinstance(held, dict) else _MISSING
        return test(_MISSING if held is None else held)

    return fulfilled


def _key(value: object) -> tuple[str, object]:
    """Return what two equal values have in common: their kind, and the value as it compares."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float | Decimal):
        return "number", Decimal(repr(value)) if isinstance(value, float) else value
    if isinstance(value, str):
        return "text", value
    return "none", _MISSING


def _equal(wanted: object) -> Callable[[object], bool]:
    key = _key(wanted)
    return lambda value: key[0] != "none" and _key(value) == key


def _order(value: object) -> tuple[str, int | Decimal | Instant] | None:
    """Return what orders a value: a number with numbers, a time with times; None where nothing does."""
    kind, known = _key(value)
    if kind == "number":
        return kind, known  # type: ignore[return-value]
    if isinstance(value, str):
        try:
            return "time", parse_time(value)
        except ValueError:
            return None
    return None


def _ranged(
    low: object, high: object, test: Callable[[Any, Any, Any], bool], pointer: str
) -> Callable[[object], bool]:
    least, most = _order(low), _order(high)
    if least is None or most is None or least[0] != most[0]:
        raise WrongType("expected a number or a time", pointer=pointer)

    def holds(value: object) -> bool:
        found = _order(value)
        return found is not None and found[0] == least[0] and test(found[1], least[1], most[1])

    return holds


def _compare(test: Callable[[Any, Any], bool]) -> "_Make":
    def make(tree: Mapping[str, Any], pointer: str) -> Callable[[object], bool]:
        wanted = tree.get("value")
        return _ranged(wanted, wanted, lambda value, low, _: test(value, low), pointer + "/value")

    return make


def _between(tree: Mapping[str, Any], pointer: str) -> Callable[[object], bool]:
    low, high = tree.get("low"), tree.get("high")
    return _ranged(low, high, lambda value, least, most: bool(least <= value <= most), pointer + "/low")


def _eq(tree: Mapping[str, Any], pointer: str) -> Callable[[object], bool]:
    return _equal(_single(tree.get("value"), pointer + "/value"))


def _ne(tree: Mapping[str, Any], pointer: str) -> Callable[[object], bool]:
    equal = _eq(tree, pointer)
    return lambda value: not equal(value)


def _in(tree: Mapping[str, Any], pointer: str) -> Callable[[object], bool]:
    values = tree.get("values")
    if not isinstance(values, list | tuple):
        raise WrongType("expected a list of values", pointer=pointer + "/values")
    if not values:
        raise EmptyGroup(pointer=pointer + "/values")
    tests = [_equal(_single(each, f"{pointer}/values/{place}")) for place, each in enumerate(values)]

    def one_of(value: object) -> bool:
        held = value if isinstance(value, list | tuple) else (value,)
        return any(test(each) for test in tests for each in held)

    return one_of


def _not_in(tree: Mapping[str, Any], pointer: str) -> Callable[[object], bool]:
    inside = _in(tree, pointer)
    return lambda value: not inside(value)


def _has(tree: Mapping[str, Any], pointer: str) -> Callable[[object], bool]:
    equal = _eq(tree, pointer)
    return lambda value: isinstance(value, list | tuple) and any(map(equal, value))


def _contains(tree: Mapping[str, Any], pointer: str) -> Callable[[object], bool]:
    wanted = tree.get("value")
    if not isinstance(wanted, str) or not wanted:
        raise WrongType("expected a text", pointer=pointer + "/value")
    needle = wanted.casefold()
    return lambda value: isinstance(value, str) and needle in value.casefold()


def _known(_: Mapping[str, Any], __: str) -> Callable[[object], bool]:
    return lambda value: value is not _MISSING


def _absent(_: Mapping[str, Any], __: str) -> Callable[[object], bool]:
    return lambda value: value is _MISSING


def _any_item(tree: Mapping[str, Any], pointer: str) -> Callable[[object], bool]:
    if tree.get("for") is not None:
        raise WrongType("expected none: only of a cart it is known how long", pointer=pointer + "/for")
    fulfils = predicate(tree.get("where"), pointer + "/where")

    def one_of(value: object) -> bool:
        items = value if isinstance(value, list | tuple) else ()
        return any(isinstance(item, dict) and fulfils(item) for item in items)

    return one_of


def _single(value: object, pointer: str) -> object:
    if not isinstance(value, bool | int | float | Decimal | str):
        raise WrongType("expected a text, a number or a boolean", pointer=pointer)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and millionths(value) is None:
        raise WrongType("expected a number that can be held exactly", pointer=pointer)
    return value


_Make = Callable[[Mapping[str, Any], str], Callable[[object], bool]]

_GROUPS: Final = frozenset({"and", "or", "at_least"})

_LEAVES: Final[Mapping[str, _Make]] = {
    "eq": _eq,
    "ne": _ne,
    "lt": _compare(lambda value, wanted: value < wanted),
    "le": _compare(lambda value, wanted: value <= wanted),
    "gt": _compare(lambda value, wanted: value > wanted),
    "ge": _compare(lambda value, wanted: value >= wanted),
    "between": _between,
    "in": _in,
    "not_in": _not_in,
    "known": _known,
    "absent": _absent,
    "has": _has,
    "icontains": _contains,
    "any_item": _any_item,
}
