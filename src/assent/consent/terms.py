"""What of a policy decides when a purpose's permits may change, worked out once a policy.

Pure: a function of the policy alone, so that `permit` may remember it for as long as it knows the policy.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from assent.consent.case import lineage
from assent.core.ids import CategoryId, CategoryMask, PurposeId, mask, members
from assent.core.policy import Policy, Purpose
from assent.core.time import Duration, Instant


class Terms(Struct, frozen=True, kw_only=True):
    """One purpose's terms."""

    purpose: Purpose
    about: tuple[PurposeId | None, ...]
    """Whose statements matter: its own, its ancestors', its parts', its companions', and everything's."""
    validities: tuple[Duration, ...]
    instants: tuple[Instant, ...]
    """When the policy itself changes: declarations, notices, legal bases."""
    classes: tuple[CategoryMask, ...]
    """Categories that nothing but a statement about single categories can tell apart."""


def terms_of(policy: Policy) -> tuple[Terms, ...]:
    """Return every purpose's terms, by number."""
    return tuple(_terms(policy, policy.purposes[number]) for number in sorted(policy.purposes))


def split(classes: Sequence[CategoryMask], by: Iterable[CategoryMask]) -> list[CategoryMask]:
    """Return the classes, cut so that each mask of `by` holds all of a class or nothing of it."""
    parts: list[int] = list(classes)
    for cut in by:
        parts = [part for whole in parts for part in (whole & cut, whole & ~cut) if part]
    return [CategoryMask(part) for part in parts]


def _terms(policy: Policy, purpose: Purpose) -> Terms:
    reached = list(_reached(policy, purpose))
    instants: set[Instant] = set()
    for each in reached:
        instants.update(notice.at for notice in each.notices)
        instants.update(change.at for change in each.basis_changes)
        instants.update(() if each.declared is None else (each.declared,))
    return Terms(
        purpose=purpose,
        about=(*(each.id for each in reached), None),
        validities=tuple({each.validity for each in reached if each.validity is not None}),
        instants=tuple(sorted(instants)),
        classes=tuple(_classes(policy, purpose, reached)),
    )


def _reached(policy: Policy, purpose: Purpose) -> Iterator[Purpose]:
    """Yield the purpose and every other one whose statements or terms its answer can depend on."""
    waiting, seen = [purpose], set[PurposeId]()
    while waiting:
        each = waiting.pop()
        if each.id not in seen:
            seen.add(each.id)
            yield each
            others = {*each.requires_all, *_companions(policy, purpose)}
            waiting.extend(lineage(policy, each)[1:])
            waiting.extend(policy.purposes[number] for number in others if number in policy.purposes)


def _companions(policy: Policy, purpose: Purpose) -> set[PurposeId]:
    return {
        number
        for category in members(purpose.categories)
        if category in policy.categories
        for number in policy.categories[CategoryId(category)].also
    }


def _classes(policy: Policy, purpose: Purpose, reached: Sequence[Purpose]) -> Iterator[CategoryMask]:
    alike: dict[object, list[int]] = {}
    for number in members(purpose.categories):
        category = policy.categories.get(CategoryId(number))
        if category is not None:
            declared = tuple(each.categories >> number & 1 for each in reached)
            alike.setdefault((category.special, category.also, declared), []).append(number)
    return (CategoryMask(mask(numbers)) for numbers in alike.values())
