"""What is kept and used by nothing: features that no rule reads, audiences that nobody asks for.

For the data protection officer (GDPR Art. 5(1)(c) and (e)). Asked for is an audience that an answer named
(decisions, counts, members, changes, goals; a preview names none), and one that such an audience refers to. A
feature that no audience reads may still leave with decisions; that is for the officer to weigh. Of no person.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from assent.audiences.derive import EventLeaf
from assent.audiences.rule import Audience, Rule, children
from assent.audiences.shelf import Audience as Saved
from assent.core.derived import is_derived
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.database.statements import load
from assent.database.types import Connection
from assent.gate.asked import named

_SQL = load("reports")


class Unread(Struct, frozen=True, kw_only=True):
    """A feature that no rule of an audience in force reads, and the purposes that may use it."""

    feature: str
    category: str
    purposes: tuple[str, ...]


class Unasked(Struct, frozen=True, kw_only=True):
    """An audience that nobody asked for; `last_asked` is None where nobody ever did."""

    audience: str
    version: int
    purposes: tuple[str, ...]
    saved_at: Instant
    last_asked: Instant | None


def unread(policy: Policy, audiences: Iterable[Saved]) -> list[Unread]:
    """Return the features that no rule and no goal reads, by name."""
    read = {name for saved in audiences for rule in saved.rules for name in _features(rule)}
    read |= {
        one.cart.cleared for one in policy.features.values() if one.cart is not None and one.name in read
    }
    return [
        Unread(
            feature=feature.name,
            category=policy.categories[feature.category].name,
            purposes=tuple(
                sorted(one.name for one in policy.purposes.values() if one.categories >> feature.category & 1)
            ),
        )
        for feature in sorted(policy.features.values(), key=lambda one: one.name)
        if feature.name not in read and not is_derived(feature.name)
    ]


async def unasked(
    connection: Connection, controller_id: ControllerId, audiences: Mapping[str, Saved], since: Instant
) -> list[Unasked]:
    """Return the audiences that were last asked for, and last saved, before an instant."""
    rows = await connection.fetch(_SQL.rules_asked, controller_id)
    asked = through(audiences, named((rules, at) for rules, at in rows))
    saved = dict(map(tuple, await connection.fetch(_SQL.audiences_saved, controller_id)))
    return [
        Unasked(
            audience=name,
            version=one.version,
            purposes=one.purposes,
            saved_at=saved[name],
            last_asked=asked.get(name),
        )
        for name, one in sorted(audiences.items())
        # One that is not saved yet in this snapshot is new.
        if name in saved and max(saved[name], asked.get(name, 0)) < since
    ]


def through(audiences: Mapping[str, Saved], asked: Mapping[str, Instant]) -> dict[str, Instant]:
    """Return when each audience was asked for last, by its own name or by that of one that refers to it."""
    found: dict[str, Instant] = {}
    for name, at in sorted(asked.items(), key=lambda one: -one[1]):
        waiting = [name]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found[one] = at
                saved = audiences.get(one)
                waiting += [] if saved is None else _references(saved)
    return found


def _references(saved: Saved) -> Iterable[str]:
    return (node.audience for rule in saved.rules for node in _nodes(rule) if isinstance(node, Audience))


def _features(rule: Rule) -> Iterable[str]:
    for node in _nodes(rule):
        name = getattr(node, "feature", None)
        if isinstance(name, str):
            yield name


def _nodes(rule: Rule) -> Iterable[Rule]:
    """Yield what a rule asks; not what stands inside a leaf over events, which is about properties."""
    waiting = [rule]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, EventLeaf):
            waiting += [each for _, each in children(node)]
