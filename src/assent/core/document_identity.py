"""From `identity.toml` to namespaces.

What is refused: two namespaces of one priority, because an event belongs to its identifier of highest
priority and a conflict is cut at the lowest; a device or cookie that outranks a person; one path read into
two namespaces; a network address, which names nobody and is not kept; patterns that do not compile; a region
where no telephone number is read; accounts that no call could name, or by a namespace's name.

Pure. Raises PolicyInvalid.
"""

import re
import warnings
from collections.abc import Iterable, Mapping
from typing import TypedDict

from phonenumbers import SUPPORTED_REGIONS

from assent.core.context_fields import ADDRESSES
from assent.core.document_places import Place, read, read_duration, read_optional_duration
from assent.core.document_shapes import AccountShape, IdentityShape, LimitShape, NamespaceShape
from assent.core.ids import NamespaceId
from assent.core.policy import Account, IdentifierKind, Namespace
from assent.core.time import Duration


def read_namespaces(place: Place, tables: Mapping[str, object]) -> dict[str, NamespaceShape]:
    """Return the namespaces' tables as shapes, consistent with each other."""
    shapes = {name: read(place.at(name), table, NamespaceShape) for name, table in tables.items()}
    _check_priorities(place, shapes)
    paths: dict[str, str] = {}
    for name, shape in shapes.items():
        _check_paths(place, name, shape.sources, paths)
    return shapes


def read_accounts(
    place: Place, tables: Mapping[str, object], namespaces: Mapping[str, NamespaceShape]
) -> dict[str, AccountShape]:
    """Return the accounts' tables as shapes; none shares a name or a path with a namespace."""
    shapes = {name: read(place.at(name), table, AccountShape) for name, table in tables.items()}
    paths = {path: name for name, shape in namespaces.items() for path in shape.sources}
    for name, shape in shapes.items():
        if name in namespaces:
            raise place.at(name).fault("expected a name of its own; a namespace has this one")
        if not shape.sources:
            raise place.at(name, "from").fault("expected at least one path such as groupId")
        _check_paths(place, name, shape.sources, paths)
    return shapes


def _check_paths(place: Place, name: str, sources: Iterable[str], paths: dict[str, str]) -> None:
    for number, path in enumerate(sources):
        if path.rpartition(".")[2] in ADDRESSES:
            raise place.at(name, "from", number).fault("expected no network address: it names nobody")
        if paths.setdefault(path, name) != name:
            raise place.at(name, "from", number).fault(f"expected its own path; {paths[path]} has it")


def account(place: Place, name: str, shape: AccountShape, common: IdentityShape, number: int) -> Account:
    """Return one compiled family of accounts; what `common` blocks is blocked here too."""
    return Account(id=NamespaceId(number), name=name, **_found(place, shape, common))


def namespace(
    place: Place, name: str, shape: NamespaceShape, common: IdentityShape, number: int
) -> Namespace:
    """Return one compiled namespace; what `common` blocks is blocked here too."""
    limit, period = _limit(place.at("limit"), shape.limit)
    if shape.unique and (limit not in (None, 1) or period is not None):
        raise place.at("limit").fault("expected none beside unique = true")
    return Namespace(
        id=NamespaceId(number),
        name=name,
        kind=shape.kind,
        priority=shape.priority,
        limit=1 if shape.unique else limit,
        limit_period=period,
        lifetime=read_optional_duration(place.at("lifetime"), shape.lifetime),
        **_found(place, shape, common),
    )


class _Found(TypedDict):
    """Where values stand in calls, and which of them count."""

    sources: tuple[str, ...]
    normaliser: str
    region: str | None
    blocked: frozenset[str]
    blocked_patterns: tuple[str, ...]


def _found(place: Place, shape: NamespaceShape | AccountShape, common: IdentityShape) -> _Found:
    if shape.region is not None and shape.normaliser != "phone":
        raise place.at("region").fault("expected none unless the normaliser is phone")
    if shape.region is not None and shape.region not in SUPPORTED_REGIONS:
        raise place.at("region").fault("expected a country with telephone numbers of its own, such as GB")
    check_patterns(place.at("blocked_patterns"), shape.blocked_patterns)
    return _Found(
        sources=tuple(dict.fromkeys(shape.sources)),
        normaliser=shape.normaliser,
        region=shape.region,
        blocked=frozenset(shape.blocked) | frozenset(common.blocked),
        blocked_patterns=tuple(dict.fromkeys(common.blocked_patterns + shape.blocked_patterns)),
    )


def _limit(place: Place, said: int | LimitShape | None) -> tuple[int | None, Duration | None]:
    """Return how many, and in which period; no period is ever."""
    if not isinstance(said, LimitShape):
        return said, None
    return said.count, read_duration(place.at("period"), said.period)


def check_patterns(place: Place, patterns: tuple[str, ...]) -> None:
    """Refuse a pattern that is no regular expression, or that means something else in a later Python."""
    for number, pattern in enumerate(patterns):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                re.compile(pattern)
        except (re.error, Warning, OverflowError, RecursionError) as error:
            raise place.at(number).fault("expected a regular expression that compiles") from error


def _check_priorities(place: Place, shapes: Mapping[str, NamespaceShape]) -> None:
    taken: dict[int, str] = {}
    for name, shape in shapes.items():
        holder = taken.setdefault(shape.priority, name)
        if holder != name:
            raise place.at(name, "priority").fault(f"expected a priority of its own; {holder} has this one")
    people = [shape.priority for shape in shapes.values() if shape.kind is IdentifierKind.PERSON]
    for name, shape in shapes.items():
        if shape.kind is not IdentifierKind.PERSON and people and shape.priority < max(people):
            raise place.at(name, "priority").fault(
                f"expected more than {max(people)}: a {shape.kind.value} cannot outrank a person"
            )
