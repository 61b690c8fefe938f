"""Say what differs between two policies, in names, and what each difference means for people.

*opens*: more may be used, or of more people, without anybody saying anything new; *closes*: less; *asks* and
*asks again*: nothing until people agree, for the first time or anew. No meaning: it changes no release.

Pure. What it means for whom, and how many they are, is for a simulation to say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from assent.core.ids import CategoryId, CategoryMask, members
from assent.core.policy import Category, LegalBasis, Policy, Purpose
from assent.core.time import Duration


class Meaning(StrEnum):
    """What a difference does."""

    OPENS = "opens"
    CLOSES = "closes"
    BOTH = "opens and closes"
    ASKS = "asks"
    ASKS_AGAIN = "asks again"
    NOTHING = ""


class Difference(Struct, frozen=True, kw_only=True):
    """One key of one named thing; without a key the thing itself came or went."""

    part: str
    name: str
    key: str = ""
    before: Any = None
    after: Any = None
    meaning: Meaning = Meaning.NOTHING


def differences(before: Policy, after: Policy) -> tuple[Difference, ...]:
    """Return every difference, by part, name and key."""
    return (
        *_named("purpose", _purposes(before), _purposes(after), _PURPOSE, _new_purpose),
        *_named("category", _categories(before), _categories(after), _CATEGORY, _opens),
        *_named("feature", _features(before), _features(after), {}, _opens),
        *_named("namespace", _namespaces(before), _namespaces(after), {}, _opens),
        *_named("notice", _notices(before), _notices(after), {}, _means_nothing),
        *_named("signal", _signals(before), _signals(after), {}, _closes),
        *_named("event", _events(before), _events(after), {}, _closes),
        *_named("identity", _identity(before), _identity(after), _IDENTITY, _means_nothing),
    )


Keys = Mapping[str, Any]
Judge = Callable[[Any, Any], Meaning]


def _named(
    part: str,
    before: Mapping[str, Keys],
    after: Mapping[str, Keys],
    judges: Mapping[str, Judge],
    arrival: Callable[[Keys], Meaning],
) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield Difference(part=part, name=name, after="added", meaning=arrival(after[name]))
        elif name not in after:
            gone = _turned(arrival(before[name]))
            yield Difference(part=part, name=name, before="removed", meaning=gone)
        else:
            for key, new in after[name].items():
                old = before[name][key]
                if old != new:
                    meaning = judges.get(key, lambda _, __: Meaning.NOTHING)(old, new)
                    yield Difference(part=part, name=name, key=key, before=old, after=new, meaning=meaning)


# What things say, in names.


def _purposes(policy: Policy) -> dict[str, Keys]:
    return {one.name: _purpose(policy, one) for one in policy.purposes.values()}


def _purpose(policy: Policy, one: Purpose) -> Keys:
    use = policy.views[one.view]
    said = {
        "title": one.title,
        "text": one.text,
        "legal_basis": one.legal_basis.value,
        "basis_changes": [f"{each.legal_basis.value} from {each.at}" for each in one.basis_changes],
        "categories": _names(policy, one.categories),
        "retroactive": _names(policy, one.retroactive),
        "links": sorted(kind.name.lower() for kind in use.kinds),
        "agreement": use.agreement,
        "opened_by": sorted(kind.value for kind in one.opened_by),
        "notice": one.notice,
        "notice_versions": [f"{each.version}{'!' if each.material else ''}" for each in one.notices],
        "validity": _length(one.validity),
        "parent": None if one.parent is None else policy.purposes[one.parent].name,
        "requires_all": sorted(policy.purposes[each].name for each in one.requires_all),
        "digital_age": one.digital_age,
        "give_channels": sorted(one.give_channels),
        "withdraw_channels": sorted(one.withdraw_channels),
        "erase_within": _length(one.erase_within),
        "k": one.k,
        "exports": sorted(policy.namespaces[each].name for each in one.exports),
        "gains_basis": one.gains_basis,
    }
    return said | {name: getattr(one, name) for name in (*_NARROWING_FLAGS, *_WIDENING_FLAGS)}


def _categories(policy: Policy) -> dict[str, Keys]:
    return {one.name: _category(policy, one) for one in policy.categories.values()}


def _category(policy: Policy, one: Category) -> Keys:
    return {
        "events": sorted(one.events),
        "traits": sorted(one.traits),
        "context": sorted(one.context),
        "special": one.special,
        "profiling": one.profiling,
        "also": sorted(policy.purposes[each].name for each in one.also),
        "retention": _length(one.retention),
    }


def _features(policy: Policy) -> dict[str, Keys]:
    return {
        one.name: {
            "category": policy.categories[one.category].name,
            "type": one.type.value,
            "aggregate": one.aggregate.value,
            "source": one.trait or one.event or "every call",
            "path": one.path,
            "window": _length(one.window),
            "less": one.less,
            "size": one.size,
            "decimals": one.decimals,
            "cart": None if one.cart is None else [one.cart.removed, one.cart.amount, one.cart.cleared],
            "model": None if one.model is None else f"{one.model.name} {one.model.version}",
        }
        for one in policy.features.values()
    }


def _namespaces(policy: Policy) -> dict[str, Keys]:
    return {
        one.name: {
            "kind": one.kind.value,
            "priority": one.priority,
            "limit": one.limit,
            "limit_period": _length(one.limit_period),
            "from": list(one.sources),
            "normaliser": one.normaliser,
            "region": one.region,
            "blocked": sorted(one.blocked),
            "blocked_patterns": sorted(one.blocked_patterns),
            "lifetime": _length(one.lifetime),
        }
        for one in policy.namespaces.values()
    }


def _notices(policy: Policy) -> dict[str, Keys]:
    return {
        f"{notice}.{language}": {
            "version": text.version,
            "title": text.title,
            "text": text.text,
            "benefit": text.benefit,
            "storage": text.storage,
        }
        for notice, texts in policy.notices.items()
        for language, text in texts.items()
    }


def _signals(policy: Policy) -> dict[str, Keys]:
    return {
        name: {
            "value": one.value,
            "state": one.state,
            "purposes": sorted(policy.purposes[each].name for each in one.purposes),
        }
        for name, one in policy.signals.items()
    }


def _events(policy: Policy) -> dict[str, Keys]:
    return {name: {} for name in policy.schemas}


def _identity(policy: Policy) -> dict[str, Keys]:
    return {
        "settings": {
            "conflict": policy.conflict.value,
            "identifiers_per_profile": policy.identifiers_per_profile,
            "links_per_identifier": policy.links_per_identifier,
            "singling": sorted(policy.singling),
        }
    }


def _names(policy: Policy, categories: CategoryMask) -> list[str]:
    return sorted(policy.categories[CategoryId(number)].name for number in members(categories))


def _length(duration: Duration | None) -> Mapping[str, int] | None:
    if duration is None:
        return None
    parts = {"months": duration.months, "microseconds": duration.microseconds}
    return {name: value for name, value in parts.items() if value}


# What differences mean.


def _new_purpose(said: Keys) -> Meaning:
    asks = said["legal_basis"] in {LegalBasis.CONSENT.value, LegalBasis.EXPLICIT_CONSENT.value}
    return Meaning.ASKS if asks else Meaning.OPENS


def _opens(_: object) -> Meaning:
    return Meaning.OPENS


def _closes(_: object) -> Meaning:
    return Meaning.CLOSES


def _means_nothing(_: object) -> Meaning:
    return Meaning.NOTHING


def _turned(meaning: Meaning) -> Meaning:
    """Return what it means that something goes whose coming means `meaning`."""
    turned = {Meaning.ASKS: Meaning.CLOSES, Meaning.OPENS: Meaning.CLOSES, Meaning.CLOSES: Meaning.OPENS}
    return turned.get(meaning, meaning)


def _more(old: Iterable[object], new: Iterable[object]) -> Meaning:
    """Judge what opens by every member it has."""
    came, went = set(new) - set(old), set(old) - set(new)
    if came and went:
        return Meaning.BOTH
    return Meaning.OPENS if came else Meaning.CLOSES


def _fewer(old: Iterable[object], new: Iterable[object]) -> Meaning:
    """Judge what closes by every member it has: conditions."""
    return _turned(_more(old, new))


def _basis(old: str, new: str) -> Meaning:
    rests = {LegalBasis.CONSENT.value, LegalBasis.EXPLICIT_CONSENT.value}
    if new in rests:
        return Meaning.ASKS_AGAIN if old in rests else Meaning.ASKS
    return Meaning.OPENS


def _versions(old: list[str], new: list[str]) -> Meaning:
    fresh = [one for one in new if one not in old]
    return Meaning.ASKS_AGAIN if any(one.endswith("!") for one in fresh) else Meaning.NOTHING


def _lasting(old: Mapping[str, int] | None, new: Mapping[str, int] | None) -> Meaning:
    return Meaning.OPENS if _days(new) > _days(old) else Meaning.CLOSES


def _days(length: Mapping[str, int] | None) -> float:
    if length is None:
        return float("inf")
    return length.get("months", 0) * 30.5 + length.get("microseconds", 0) / 86_400_000_000


def _age(old: int | None, new: int | None) -> Meaning:
    return Meaning.CLOSES if (new or 0) > (old or 0) else Meaning.OPENS


def _condition(old: object, new: object) -> Meaning:
    """Judge a single condition: one that comes closes, one that goes opens, another one may do both."""
    if old and new:
        return Meaning.BOTH
    return Meaning.CLOSES if new else Meaning.OPENS


def _leave(old: object, new: object) -> Meaning:
    return _turned(_condition(old, new))


def _other(_: object, __: object) -> Meaning:
    return Meaning.BOTH


_NARROWING_FLAGS: Final = ("double_opt_in", "automated_significant", "direct_marketing", "imbalance", "gpc")
_WIDENING_FLAGS: Final = ("compelling_grounds", "lia", "profiling")

_PURPOSE: Final[Mapping[str, Judge]] = {
    "legal_basis": _basis,
    "basis_changes": _other,
    "categories": _more,
    "retroactive": _more,
    "exports": _more,
    "links": _more,
    "agreement": _condition,
    "opened_by": _more,
    "notice_versions": _versions,
    "notice": lambda _, __: Meaning.ASKS_AGAIN,
    "validity": _lasting,
    "parent": _condition,
    "requires_all": _fewer,
    "digital_age": _age,
    **dict.fromkeys(_NARROWING_FLAGS, _condition),
    **dict.fromkeys(_WIDENING_FLAGS, _leave),
}

_CATEGORY: Final[Mapping[str, Judge]] = {
    "events": _more,
    "traits": _more,
    "context": _more,
    "special": _condition,
    "profiling": _condition,
    "also": _fewer,
    "retention": _lasting,
}

_IDENTITY: Final[Mapping[str, Judge]] = dict.fromkeys(
    ("conflict", "identifiers_per_profile", "links_per_identifier"), _other
) | {"singling": _fewer}
