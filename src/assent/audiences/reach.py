"""Who refers to an audience, where a rule leads, and how deep references go around one that is saved anew.

A rule is checked with whatever it refers to; but a chain may be saved from its end, and then every rule of it
passes while what leads to it grows. So one that is saved must fit below all that refer to it, too. Pure.
Raises RuleTooDeep.
"""

from collections.abc import Iterable, Iterator, Mapping

from assent.audiences.rule import MOST_REFERENCES, Audience, Rule, children
from assent.core.errors import RuleTooDeep


def fits_below(name: str, below: int, audiences: Mapping[str, Rule], pointer: str) -> None:
    """Raise RuleTooDeep where audiences that lead to this one would refer too deep.

    `below` says how many references lie below its rule, one inside the other. None at all always fit, so that
    what is too deep already can be mended.
    """
    if below and below + _above(name, audiences) > MOST_REFERENCES:
        raise RuleTooDeep("an audience that refers to this one would refer too deep", pointer=pointer)


def referring(name: str, audiences: Mapping[str, Iterable[Rule]]) -> list[str]:
    """Return the other audiences of which a rule refers to this one, sorted."""
    return sorted(
        other
        for other, rules in audiences.items()
        if other != name and any(name in referred(rule) for rule in rules)
    )


def reached(rule: Rule, audiences: Mapping[str, Rule]) -> list[Rule]:
    """Return a rule and those of every audience it leads to, each once."""
    found, passed = [rule], set[str]()
    for one in found:
        for name in referred(one):
            if name in audiences and name not in passed:
                passed.add(name)
                found.append(audiences[name])
    return found


def _above(name: str, audiences: Mapping[str, Rule]) -> int:
    """Return how many audiences lead to one, one inside the other; more than are allowed count as such."""
    referring: dict[str, set[str]] = {}
    for other, rule in audiences.items():
        for below in referred(rule):
            referring.setdefault(below, set()).add(other)
    level, deep = {name}, 0
    while deep <= MOST_REFERENCES and (
        level := {other for each in level for other in referring.get(each, ())}
    ):
        deep += 1
    return deep


def referred(rule: Rule) -> Iterator[str]:
    """Yield the names of the audiences that a rule itself refers to."""
    waiting = [rule]
    while waiting:
        node = waiting.pop()
        waiting += [inner for _, inner in children(node)]
        if isinstance(node, Audience):
            yield node.audience
