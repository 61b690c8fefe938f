"""From `purposes.toml` to `Purpose` structs, refusing what the law does not let a controller declare.

What is refused: an unknown category or purpose; no category at all; legitimate interests without an
assessment; special categories without consent (Art. 9); consent without a notice in English; taking consent
where it cannot be withdrawn (Art. 7(3)); grounds that would outweigh an objection to direct marketing
(Art. 21); purposes that are a condition of themselves.

Pure. Raises PolicyInvalid.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from assent.core.document_places import (
    Place,
    one_of,
    read,
    read_duration,
    read_optional_duration,
    read_time,
)
from assent.core.document_shapes import LinksShape, PurposeShape
from assent.core.ids import CategoryId, CategoryMask, NamespaceId, PurposeId, ViewId, mask
from assent.core.policy import (
    BasisChange,
    Category,
    LegalBasis,
    LinkKind,
    LinkUse,
    Notice,
    NoticeVersion,
    Purpose,
)
from assent.core.time import BEGINNING, Duration, longest

CONSENT: Final = frozenset({LegalBasis.CONSENT, LegalBasis.EXPLICIT_CONSENT})
"""The bases that rest on what a person says, and so need a notice to refer to."""

LINKING: Final = "identity_linking"
"""The purpose whose denial splits, and whose agreement a link use may ask for."""

_ONE_MONTH: Final = Duration(months=1)
"""GDPR Art. 12(3): what a person asks for is done within one month."""


class Declared(Struct, frozen=True, kw_only=True):
    """What purposes refer to: the numbers of this version's names, and the other documents."""

    purposes: Mapping[str, PurposeId]
    categories: Mapping[str, Category]
    views: Mapping[str, int]
    notices: Mapping[str, Mapping[str, Notice]]
    signalled: frozenset[PurposeId]
    """Purposes that `Sec-GPC` speaks to."""
    namespaces: Mapping[str, NamespaceId]


def purpose(place: Place, name: str, shape: PurposeShape, declared: Declared) -> Purpose:
    """Return one compiled purpose, each of its keys checked against what it refers to."""
    categories = _categories(place.at("categories"), shape, declared)
    _check_bases(place, shape, [declared.categories[each] for each in categories])
    _check_profiling(place, shape, [declared.categories[each] for each in categories])
    _check_withdrawing(place, shape)
    if shape.links.agreement and LINKING not in declared.purposes:
        raise place.at("links", "agreement").fault(f"expected a purpose {LINKING}, whose statements agree")
    retroactive = _retroactive(place.at("retroactive"), shape, declared, categories)
    return Purpose(
        id=declared.purposes[name],
        name=name,
        title=shape.title,
        text=shape.text,
        legal_basis=shape.legal_basis,
        categories=_mask(declared.categories[each].id for each in categories),
        view=ViewId(declared.views[use_key(shape.links)]),
        opened_by=frozenset(shape.opened_by),
        retroactive=_mask(declared.categories[each].id for each in retroactive),
        notice=shape.notice or "",
        notices=_notice_versions(place, shape, declared.notices),
        validity=read_optional_duration(place.at("validity"), shape.validity),
        parent=_purpose_id(place.at("parent"), shape.parent, declared),
        declared=None if shape.declared is None else read_time(place.at("declared"), shape.declared),
        basis_changes=_basis_changes(place.at("basis_changes"), shape),
        requires_all=_purpose_ids(place.at("requires_all"), shape.requires_all, declared),
        double_opt_in=shape.double_opt_in,
        digital_age=shape.digital_age,
        automated_significant=shape.automated_significant,
        profiling=shape.profiling,
        direct_marketing=shape.direct_marketing,
        compelling_grounds=shape.compelling_grounds,
        lia=shape.lia,
        imbalance=shape.imbalance,
        gpc=declared.purposes[name] in declared.signalled,
        give_channels=frozenset(shape.give_channels),
        withdraw_channels=frozenset(shape.withdraw_channels),
        tcf_purpose=shape.tcf_purpose,
        ask_again_after=read_duration(place.at("ask_again_after"), shape.ask_again_after),
        erase_within=_erase_within(place.at("erase_within"), shape.erase_within),
        k=shape.k,
        exports=_exports(place, shape, declared),
        gains_basis=shape.gains_basis or "",
    )


def read_purposes(place: Place, tables: Mapping[str, object]) -> dict[str, PurposeShape]:
    """Return the tables as shapes, by name."""
    return {name: read(place.at(name), table, PurposeShape) for name, table in tables.items()}


def use_key(links: LinksShape) -> str:
    """Return the canonical text of a link use: equal uses, equal text, one view."""
    kinds = "+".join(sorted(set(links.kinds)))
    return f"{kinds or 'none'}{' by agreement' if links.agreement else ''}"


def use_of(links: LinksShape) -> LinkUse:
    """Return the link use."""
    return LinkUse(kinds=frozenset(LinkKind[kind.upper()] for kind in links.kinds), agreement=links.agreement)


def check_circles(place: Place, shapes: Mapping[str, PurposeShape]) -> None:
    """Refuse purposes that are, through `parent` and `requires_all`, a condition of themselves."""
    for name in shapes:
        waiting, seen = [name], set[str]()
        while waiting:
            shape = shapes[waiting.pop()]
            following = {*shape.requires_all, *([shape.parent] if shape.parent else [])}
            if name in following:
                key = "parent" if shape.parent else "requires_all"
                raise place.at(name, key).fault("expected no circle: the purpose would be its own condition")
            waiting.extend(following - seen)
            seen |= following


def check_notices(place: Place, shapes: Mapping[str, PurposeShape]) -> None:
    """Refuse a consent that rests on no notice.

    A composite may do without one of its own, standing on those of its parts, if every part rests on consent:
    else it would be open to people who were never asked anything.
    """
    for name, shape in shapes.items():
        if shape.notice is None and CONSENT & _bases(shape):
            parts = [shapes[part] for part in shape.requires_all]
            if not parts or not all(_bases(part) <= CONSENT for part in parts):
                raise place.at(name, "notice").fault(
                    "missing; expected a notice's id, because consent rests on one"
                )


def _bases(shape: PurposeShape) -> frozenset[LegalBasis]:
    """Return every basis the purpose rests on, now or after a change."""
    return frozenset({shape.legal_basis, *(change.legal_basis for change in shape.basis_changes)})


def _categories(place: Place, shape: PurposeShape, declared: Declared) -> tuple[str, ...]:
    if shape.categories == ("*",):
        named = tuple(
            name
            for name, category in declared.categories.items()
            if not category.special and not category.profiling
        )
    else:
        named = _known(place, shape.categories, declared.categories)
    if not named:
        # An empty list would read as "everything" to one person and as "nothing" to another.
        raise place.fault("expected at least one declared category")
    return named


def _check_bases(place: Place, shape: PurposeShape, categories: Iterable[Category]) -> None:
    """Refuse a purpose whose legal bases, now or after a change, do not bear what it declares."""
    stated = [(place.at("legal_basis"), shape.legal_basis, shape.lia)]
    for number, change in enumerate(shape.basis_changes):
        stated.append((place.at("basis_changes", number, "legal_basis"), change.legal_basis, change.lia))
    special = [category.name for category in categories if category.special]
    for where, basis, assessed in stated:
        if basis is LegalBasis.LEGITIMATE_INTERESTS and not assessed:
            raise where.fault("expected lia = true beside it: Art. 6(1)(f) needs an assessment")
        if special and basis not in CONSENT:
            # Art. 9(2)(a); under plain consent `decide` still asks each statement to be explicit.
            raise where.fault(f"expected explicit_consent, because {', '.join(special)} is special (Art. 9)")
    if shape.direct_marketing and shape.compelling_grounds:
        raise place.at("compelling_grounds").fault("expected false: no ground outweighs Art. 21(2) and (3)")


def _check_profiling(place: Place, shape: PurposeShape, categories: Iterable[Category]) -> None:
    """Refuse what models say of people to a purpose that does not say that it profiles (Art. 4(4))."""
    models = [category.name for category in categories if category.profiling]
    if models and not shape.profiling:
        raise place.at("profiling").fault(f"expected true, because {', '.join(models)} is profiling")


def _exports(place: Place, shape: PurposeShape, declared: Declared) -> frozenset[NamespaceId]:
    """Refuse to hand out values of people whom a claim or a model's guess may have put together."""
    unsure = sorted(
        {kind.upper() for kind in shape.links.kinds} & {LinkKind.CLAIMED.name, LinkKind.PROBABLE.name}
    )
    if shape.exports and unsure:
        raise place.at("links", "kinds").fault(
            "expected neither claimed nor probable, because of exports: a value may be another person's"
        )
    names = _known(place.at("exports"), shape.exports, declared.namespaces)
    return frozenset(declared.namespaces[each] for each in names)


def _check_withdrawing(place: Place, shape: PurposeShape) -> None:
    """Refuse channels that take a consent but no withdrawal (Art. 7(3)). None named means every channel."""
    if not shape.withdraw_channels:
        return
    missing = sorted(set(shape.give_channels) - set(shape.withdraw_channels))
    if missing or not shape.give_channels:
        wanted = ", ".join(missing) if missing else "every channel, as give_channels does"
        raise place.at("withdraw_channels").fault(
            f"expected also {wanted}: withdrawing must be as easy as giving (Art. 7(3))"
        )


def _notice_versions(
    place: Place, shape: PurposeShape, notices: Mapping[str, Mapping[str, Notice]]
) -> tuple[NoticeVersion, ...]:
    """Return the versions with the times from which they are in force, the first since the beginning."""
    if shape.notice is None:
        if shape.notice_changes:
            raise place.at("notice_changes").fault("expected a notice that changes")
        return ()
    texts = notices.get(shape.notice, {})
    if "en" not in texts:
        raise place.at("notice").fault(f"expected a notice whose text lies in notices/{shape.notice}.en.toml")
    current = texts["en"].version
    versions: list[NoticeVersion] = []
    for number, change in enumerate(shape.notice_changes):
        where = place.at("notice_changes", number)
        at = read_time(where.at("t"), change.t)
        if versions and (change.version <= versions[-1].version or at <= versions[-1].at):
            raise where.fault("expected a higher version at a later time than the change before")
        versions.append(NoticeVersion(version=change.version, at=at, material=change.material))
    if versions and versions[-1].version != current:
        raise place.at("notice_changes").fault("expected the last version to be the one of the notice's text")
    first = versions[0].version - 1 if versions else current
    return (*([NoticeVersion(version=first, at=BEGINNING)] if first else []), *versions)


def _basis_changes(place: Place, shape: PurposeShape) -> tuple[BasisChange, ...]:
    changes: list[BasisChange] = []
    for number, change in enumerate(shape.basis_changes):
        at = read_time(place.at(number, "t"), change.t)
        if changes and at <= changes[-1].at:
            raise place.at(number, "t").fault("expected a later time than the change before")
        changes.append(BasisChange(at=at, legal_basis=change.legal_basis, lia=change.lia))
    return tuple(changes)


def _erase_within(place: Place, text: str) -> Duration:
    duration = read_duration(place, text)
    if longest(duration) > longest(_ONE_MONTH):
        raise place.fault("expected at most P1M (Art. 12(3))")
    return duration


def _purpose_id(place: Place, name: str | None, declared: Declared) -> PurposeId | None:
    if name is None:
        return None
    _known(place, (name,), declared.purposes, numbered=False)
    return declared.purposes[name]


def _purpose_ids(place: Place, names: tuple[str, ...], declared: Declared) -> tuple[PurposeId, ...]:
    return tuple(declared.purposes[name] for name in _known(place, names, declared.purposes))


def _known(
    place: Place, names: tuple[str, ...], declared: Iterable[str], *, numbered: bool = True
) -> tuple[str, ...]:
    """Return `names` without repetition, all of them declared."""
    possible = frozenset(declared)
    for number, name in enumerate(names):
        if name not in possible:
            raise (place.at(number) if numbered else place).fault(one_of(possible))
    return tuple(dict.fromkeys(names))


def _retroactive(
    place: Place, shape: PurposeShape, declared: Declared, categories: Iterable[str]
) -> tuple[str, ...]:
    """Return the categories that the purpose reaches back for; never what is told of accounts.

    There a newer word takes over for the purposes that carry it. Whoever reaches back reads the older one all
    the same, and would read it again once the newer one is withdrawn.
    """
    names = _known(place, shape.retroactive, categories)
    for number, name in enumerate(names):
        if declared.categories[name].accounts:
            raise place.at(number).fault("expected a category without accounts")
    return names


def _mask(numbers: Iterable[CategoryId]) -> CategoryMask:
    return CategoryMask(mask(numbers))
