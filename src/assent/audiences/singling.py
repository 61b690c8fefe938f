"""Find where a rule names people singly: nothing of it is counted where only floored counts may be told.

    (1) a list of people (`ids`)
    (2) a comparison with an identifier, or with what the policy says tells people apart (`singling`)
    (3) shares so fine, or so many crossed, that a draw is as good as a name

A floor hides k - 1 people, not one beside k - 1 who are known already: nine known members and a target make
10 or 0. So what names them is not counted at all, in the rule, in audiences it refers to, or in a goal.
Ordinary facts may happen to be true of one person alone; that a floor cannot know (`floors`). Pure.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import Final

from assent.audiences.rule import (
    Absent,
    Agg,
    AnyItem,
    Audience,
    Bucket,
    Did,
    Ids,
    Known,
    Rule,
    Seq,
    children,
)
from assent.core.policy import Aggregate, Feature, Policy, ValueType
from assent.features.catalogue import MILLIONTHS, millionths

FINEST: Final = Fraction(1, 1_000)
"""The least share of people that all draws of a rule together may cut out."""

_GROUPS: Final = ("context.traits.", "context.", "traits.", "properties.")


def singling(rule: Rule, policy: Policy, audiences: Mapping[str, Rule]) -> str | None:
    """Return the pointer to what names people singly in a checked rule; None where nothing does.

    `audiences` are those it may refer to; of what one of them names, the reference is told.
    """
    looking = _Looking(policy, audiences)
    found = looking.through(rule)
    return "" if found is None and looking.finest < FINEST else found  # (3)


def names(part: Rule, policy: Policy) -> bool:
    """Say whether one part of a checked rule names people singly, apart from those inside it."""
    return _Looking(policy, {}).names(part)


class _Looking:
    """One rule looked through, with every audience that it leads to."""

    def __init__(self, policy: Policy, audiences: Mapping[str, Rule]) -> None:
        self._policy = policy
        self._audiences = audiences
        self._passed = set[str]()
        self._cuts: dict[tuple[str, str | None], set[int]] = {}
        named = {path for space in policy.namespaces.values() for path in space.sources}
        self._identifying = frozenset(map(_relative, named))

    @property
    def finest(self) -> Fraction:
        """The least share that the draws met so far cut out together: salts are drawn independently."""
        return prod((_least(cuts) for cuts in self._cuts.values()), start=Fraction(1))

    def through(self, rule: Rule) -> str | None:
        """Return where a rule names people, all but draws, which are gathered."""
        waiting = [(rule, "")]
        while waiting:
            node, place = waiting.pop()
            if self.names(node):
                return place
            if isinstance(node, Audience) and self._referred(node.audience):
                return place + "/audience"
            if not isinstance(node, Did | Agg | Seq | AnyItem):  # whose insides are about properties
                waiting += [(child, place + step) for step, child in reversed([*children(node)])]
        return None

    def _referred(self, name: str) -> bool:
        if name in self._passed or name not in self._audiences:
            return False
        self._passed.add(name)
        return self.through(self._audiences[name]) is not None

    def names(self, node: Rule) -> bool:
        """Say whether a part names people; a draw is gathered."""
        match node:
            case Ids():  # (1)
                return True
            case Did() | Agg() | Seq():  # (2)
                return any(map(self._tells, _properties(node)))
            case AnyItem():
                trait = self._feature(node.feature)
                within = "" if trait is None else f"traits.{trait.trait}."
                return any(self._tells(path, within) for path in _conditions(node.where))
            case Bucket():
                cuts = self._cuts.setdefault((node.salt, node.feature), set())
                cuts.update(millionths(end) or 0 for end in (node.low, node.high))
            case Known() | Absent():  # whether there is a value tells of no value
                return False
            case _:
                pass
        feature = self._feature(getattr(node, "feature", ""))
        return feature is not None and self._of_identifier(feature)

    def _feature(self, name: str) -> Feature | None:
        number = self._policy.feature_ids.get(name)
        return None if number is None else self._policy.features[number]

    def _of_identifier(self, feature: Feature) -> bool:
        if feature.trait is not None:
            return feature.account is None and self._tells(feature.trait, "traits.")
        counts = feature.aggregate is Aggregate.DISTINCT and feature.type is ValueType.NUMBER
        return feature.path is not None and not counts and self._tells(feature.path)

    def _tells(self, path: str, within: str = "properties.") -> bool:
        whole = path if path.startswith("context.") else within + path
        return _relative(path) in self._identifying or whole in self._policy.singling


def _properties(leaf: Did | Agg | Seq) -> Iterable[str]:
    """Yield the paths of the properties whose values a leaf over events asks for."""
    match leaf:
        case Seq(steps=steps):
            for step in steps:
                yield from _properties(step)
            return
        case Agg(path=path, aggregate=aggregate) if path is not None and aggregate != "distinct":
            yield path
    if leaf.where is not None:
        yield from _conditions(leaf.where)


def _conditions(where: Rule) -> Iterable[str]:
    """Yield the paths that a condition compares with something."""
    waiting = [(where, "")]
    while waiting:
        node, within = waiting.pop()
        path = getattr(node, "feature", None)
        inside = f"{within}{path}." if isinstance(node, AnyItem) else within
        waiting += [(child, inside) for _, child in children(node)]
        if isinstance(path, str) and not isinstance(node, Known | Absent):
            # An identifier is one wherever it stands, also in a list.
            yield from {within + path, path}


def _relative(path: str) -> str:
    """Return a path without the group it leads into: what is an identifier in one is one in all."""
    return next((path[len(group) :] for group in _GROUPS if path.startswith(group)), path)


def _least(cuts: Iterable[int]) -> Fraction:
    ends = sorted({0, MILLIONTHS, *cuts})
    return Fraction(min(high - low for low, high in pairwise(ends)), MILLIONTHS)
