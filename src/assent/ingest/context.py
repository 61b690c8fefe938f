"""The fields of a call's context that categories claim (`core/context_fields.py`), each under its category.

What nobody claims is not read. Of a URL its query string, its fragment and a user name in it are cut off, of
a network address only the network is kept, and that only where it is claimed. `channel` and `source` are the
call's own, else what its key declares.

Pure. Raises nothing.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from assent.core.context_fields import GROUPS
from assent.core.ids import CategoryId
from assent.core.policy import Policy
from assent.ingest.context_groups import ASKED, Read, Said, Values, read_from, reader
from assent.ingest.tracking import Call, CallType

NOTHING: Final[Mapping[str, str]] = {}


class Fields:
    """The context fields of one policy, ready to be read from calls.

    A field stands with the event where the event's own category claims it, else under the one category that
    does. One that several others claim is theirs beside their own events alone.
    """

    __slots__ = ("_plans",)

    def __init__(self, policy: Policy) -> None:
        self._plans = {own: _plan(policy, own) for own in policy.categories}

    def read(
        self, call: Call, category: CategoryId, declared: Mapping[str, str] = NOTHING
    ) -> dict[CategoryId, Values]:
        """Return what the context of an event of `category` says, by category.

        `declared` is what the call's key says of every call.
        """
        plan = self._plans[category]
        found: dict[CategoryId, Values] = {}
        said = Said(call, declared)
        for group in plan.asked:
            _put(found, group, group.read(said))
        # Most calls of servers have nothing of the rest: then no group is asked.
        if not plan.names.isdisjoint(call.context):
            for group in plan.sent:
                _put(found, group, group.read(said))
        elif call.type is CallType.PAGE:
            for group in plan.paged:
                _put(found, group, group.read(said))
        return found


class _Group(NamedTuple):
    """A group, or a field that is in none: how it is read, and whose its members are."""

    name: str
    read: Read
    owners: Mapping[str, CategoryId]
    owner: CategoryId | None
    """The one owner of all members; None where there are several."""


class _Plan(NamedTuple):
    """What is read of events of one category: of every call, of a context, of a page call without one."""

    asked: tuple[_Group, ...]
    sent: tuple[_Group, ...]
    paged: tuple[_Group, ...]
    names: frozenset[str]


def _plan(policy: Policy, own: CategoryId) -> _Plan:
    groups = [_group(name, owners) for name, owners in sorted(_owners(policy, own).items())]
    sent = tuple(group for group in groups if group.name not in ASKED)
    return _Plan(
        asked=tuple(group for group in groups if group.name in ASKED),
        sent=sent,
        paged=tuple(group for group in sent if "page" in read_from(group.name)),
        names=frozenset[str]().union(*(read_from(group.name) for group in sent)),
    )


def _owners(policy: Policy, own: CategoryId) -> dict[str, dict[str, CategoryId]]:
    """Return whose each member of each group is beside an event of the category `own`."""
    found: dict[str, dict[str, CategoryId]] = {}
    for path in {path for category in policy.categories.values() for path in category.context}:
        claimants = [category.id for category in policy.categories.values() if path in category.context]
        if own not in claimants and len(claimants) > 1:
            continue
        group, _, member = path.partition(".")
        if group not in GROUPS:
            group, member = path, ""
        found.setdefault(group, {})[member] = own if own in claimants else claimants[0]
    return found


def _group(name: str, owners: Mapping[str, CategoryId]) -> _Group:
    distinct = set(owners.values())
    return _Group(
        name=name,
        read=reader(name, frozenset(owners)),
        owners=owners,
        owner=distinct.pop() if len(distinct) == 1 else None,
    )


def _put(found: dict[CategoryId, Values], group: _Group, value: object) -> None:
    if value is None:
        return
    if group.owner is not None:
        found.setdefault(group.owner, {})[group.name] = value
    elif isinstance(value, dict):
        by_owner: dict[CategoryId, Values] = {}
        for member, one in value.items():
            by_owner.setdefault(group.owners[member], {})[member] = one
        for owner, members in by_owner.items():
            found.setdefault(owner, {})[group.name] = members
