"""What a rule asks of a decision's own request: leaves over `context.` and what the caller sent as context.

    context.device = "mobile" and order_count >= 3

Such a leaf is true or false of what the request says, as a condition on properties is; of what it does not
say it is unknown, and so it is wherever nobody asks about somebody in front of them: counts, members, feeds.
The context is used for the one answer and kept nowhere. Pure. `check_asked` raises WrongType or EmptyGroup.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import structs

from assent.audiences.rule import (
    Absent,
    All,
    And,
    AtLeast,
    Audience,
    Between,
    Contains,
    Eq,
    Ge,
    Gt,
    Has,
    In,
    Known,
    Le,
    Lt,
    Ne,
    Near,
    Not,
    NotIn,
    Or,
    Recent,
    Rule,
    Score,
    children,
    unparse,
)
from assent.features.condition import predicate

PREFIX: Final = "context."

UNSAID: Final = Audience(audience="")
"""What is unknown of everybody: no audience has this name."""

_Asked = Eq | Ne | Lt | Le | Gt | Ge | Between | In | NotIn | Known | Absent | Has | Contains | Near | Recent

_NOBODY: Final = Not(of=All())


def is_of_request(rule: Rule) -> bool:
    """Say whether a leaf asks of the request rather than of a person."""
    return isinstance(rule, _Asked) and rule.feature.startswith(PREFIX) and rule.feature != PREFIX


def check_asked(leaf: Rule, place: str) -> None:
    """Raise WrongType or EmptyGroup where a leaf over the request is none that can be answered."""
    predicate(unparse(leaf), place)


def heard(rule: Rule, context: Mapping[str, object]) -> Rule:
    """Return a checked rule with what the context says of it in its place; the same where it says nothing."""
    match rule:
        case And(of=of) | Or(of=of) | AtLeast(of=of):
            inner = tuple(heard(each, context) for each in of)
            same = all(one is other for one, other in zip(of, inner, strict=True))
            return rule if same else structs.replace(rule, of=inner)
        case Not(of=one):
            other = heard(one, context)
            return rule if other is one else Not(of=other)
        case Score(parts=parts):
            weighed = tuple(structs.replace(part, rule=heard(part.rule, context)) for part in parts)
            return structs.replace(rule, parts=weighed)
        case _ if is_of_request(rule):
            return _answered(rule, context)
        case _:
            return rule


def of_request(rules: Mapping[str, Rule]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the audiences that ask of the request, and those with all that refer to them."""
    referring: dict[str, set[str]] = {}
    asking = set[str]()
    for name, rule in rules.items():
        waiting = [rule]
        while waiting:
            node = waiting.pop()
            waiting += [inner for _, inner in children(node)]
            if isinstance(node, Audience):
                referring.setdefault(node.audience, set()).add(name)
            elif is_of_request(node):
                asking.add(name)
    leading, names = set(asking), list(asking)
    while names:
        more = referring.get(names.pop(), set()) - leading
        leading |= more
        names += more
    return frozenset(asking), frozenset(leading)


def _answered(leaf: Rule, context: Mapping[str, object]) -> Rule:
    tree = unparse(leaf)
    if not isinstance(tree, dict):
        return leaf
    name = str(tree["feature"]).removeprefix(PREFIX)
    held: object = context
    for step in name.split("."):
        if not isinstance(held, dict) or step not in held:
            return leaf  # unsaid
        held = held[step]
    return All() if predicate({**tree, "feature": name})(context) else _NOBODY
