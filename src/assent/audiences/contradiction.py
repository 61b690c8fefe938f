"""Plans that can be true for nobody, whoever there is: two parts ask for values that exclude each other.

Pure. Whoever a leaf is true for has a value that it asks for, whole or in part; whoever it is false for has
another or none. So where all of several must hold of one value and no value is in all, nobody is found.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from assent.audiences.plan import Choice, Every, Nobody, Opposite, Plan, Ranges, Reference, Some
from assent.core.ids import FeatureId

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def never(plan: Plan, sets: AbstractSet[FeatureId]) -> bool:
    """Say whether the plan is true for nobody. `sets` are features that have several values at once.

    An audience that is referred to many times is looked at once.
    """
    return _never(plan, sets, {})


def _never(plan: Plan, sets: AbstractSet[FeatureId], known: dict[int, bool]) -> bool:
    if not isinstance(plan, Reference):
        return _excluded(plan, sets, known)
    if plan.number not in known:
        known[plan.number] = _excluded(plan.of, sets, known)
    return known[plan.number]


def _excluded(plan: Plan, sets: AbstractSet[FeatureId], known: dict[int, bool]) -> bool:
    codes: dict[FeatureId, set[int]] = {}
    ends: dict[FeatureId, tuple[int, int]] = {}
    excluded: list[tuple[FeatureId, int, int]] = []
    for part in _conjuncts(plan, set()):
        match part:
            case Nobody():
                return True
            case Some(of=of) if all(_never(each, sets, known) for each in of):
                return True
            case Choice(feature=feature, chosen=chosen):
                asked = set(chosen.codes.tolist())
                if feature not in sets:
                    asked &= codes.setdefault(feature, asked)
                    codes[feature] = asked
                if not asked:
                    return True
            case Ranges(feature=feature, ranges=((least, most),)):
                low, high = ends.get(feature, (_LEAST, _MOST))
                low = low if least is None else max(low, least)
                high = high if most is None else min(high, most)
                ends[feature] = low, high
            case Opposite(of=Ranges(feature=feature, ranges=((least, most),))):
                span = _LEAST if least is None else least, _MOST if most is None else most
                excluded.append((feature, *span))
            case _:
                pass
    if any(low > high for low, high in ends.values()):
        return True
    return any(
        feature in ends and least <= ends[feature][0] and ends[feature][1] <= most
        for feature, least, most in excluded
    )


def _conjuncts(plan: Plan, met: set[int]) -> Iterator[Plan]:
    """Yield what must be true all together for the plan to be; of each audience referred to, once."""
    match plan:
        case Every(of=of):
            for part in of:
                yield from _conjuncts(part, met)
        case Reference(number=number, of=inner):
            if number not in met:
                met.add(number)
                yield from _conjuncts(inner, met)
        case Opposite(of=Opposite(of=inner)):
            yield from _conjuncts(inner, met)
        case _:
            yield plan
