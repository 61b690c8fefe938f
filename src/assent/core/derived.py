"""Features that rules ask for and no catalogue names: a leaf over events, with a number of its own.

A derived feature is told by its definition, which is its name too: the same question asked by two rules is
one feature. Names of the catalogue never begin with `~`. Pure.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final

import msgspec
from msgspec import structs

from assent.core.ids import CategoryId, FeatureId
from assent.core.policy import Feature, Policy

PREFIX: Final = "~"

FIRST: Final = FeatureId(16_384)
"""Numbers from here on are of derived features; the catalogue's begin at 1."""

LAST: Final = FeatureId(32_767)
"""The last number that a feature can have."""

_DECODER: Final = msgspec.json.Decoder(Feature)


def named(feature: Feature) -> Feature:
    """Return a feature without a number, named after what it is made of."""
    bare = structs.replace(feature, id=FeatureId(0), name="")
    return structs.replace(bare, name=PREFIX + msgspec.json.encode(bare, order="sorted").decode())


def is_derived(name: str) -> bool:
    """Whether a name is that of a derived feature, which no answer shows."""
    return name.startswith(PREFIX)


def with_derived(policy: Policy, definitions: Mapping[FeatureId, str]) -> Policy:
    """Return the policy with derived features in its catalogue, except those of undeclared categories."""
    if not definitions:
        return policy
    features = dict(policy.features)
    numbers = dict(policy.feature_ids)
    for number, name in definitions.items():
        feature = _DECODER.decode(name.removeprefix(PREFIX))
        if feature.category in policy.categories:
            features[number] = structs.replace(feature, id=number, name=name)
            numbers[name] = number
    return structs.replace(policy, features=features, feature_ids=numbers)


def widened(policy: Policy, definitions: Iterable[str]) -> Policy:
    """Return the policy with these derived features as well, under numbers that nothing is stored by."""
    missing = sorted(set(definitions) - policy.feature_ids.keys())
    begin = max([FIRST, *policy.features]) + 1
    return with_derived(policy, {FeatureId(begin + place): one for place, one in enumerate(missing)})


def free_numbers(taken: Collection[FeatureId], given: int) -> Iterator[FeatureId]:
    """Yield numbers for derived features: those never `given` yet, then what is free again, lowest first.

    So a number means the same for as long as may be, and none is given to two features at once.
    """
    new = range(FIRST + given, LAST + 1)
    again = (number for number in range(FIRST, min(FIRST + given, LAST + 1)) if number not in taken)
    yield from map(FeatureId, chain(new, again))


def asked_of(policy: Policy) -> dict[FeatureId, str]:
    """Return the derived features in a policy's catalogue, by number."""
    return {number: one.name for number, one in policy.features.items() if is_derived(one.name)}


def narrowed(policy: Policy, features: Mapping[FeatureId, Feature]) -> Policy:
    """Return the policy with these features alone."""
    return structs.replace(
        policy, features=features, feature_ids={one.name: number for number, one in features.items()}
    )


def category_of(policy: Policy, kind: str, name: str) -> CategoryId | None:
    """Return which category claims an event or a trait (`kind`); None where such a one is never kept."""
    claims = {one.id: one.traits if kind == "trait" else one.events for one in policy.categories.values()}
    by_name = (number for number, claimed in claims.items() if name in claimed)
    by_rest = (number for number, claimed in claims.items() if "*" in claimed)
    return next(by_name, None) or next(by_rest, None)
