"""Find whom a call is about: its identifiers, normalised, the owner first.

An event belongs to its first identifier alone (person before device before cookie, then the namespace's
priority); the others become evidence of a link. Values stand at the `from` paths of each namespace and in
`context.externalIds[] {id, type}`, whose type is a namespace's name.

`alias` asserts that `previousId` and `userId` are one person. Which namespace a `previousId` is in, the
contract does not say: here it is that of `anonymousId`, unless the policy names `previousId` among a
namespace's own paths.

Pure. Raises, without any value in the error:
- MalformedIdentifier: a value is not well formed, there are too many, or there is none;
- AmbiguousIdentifier: two values of a namespace that admits one;
- BlockedIdentifier: a person's identifier is blocked, or nothing but blocked ones is left;
- UnknownNamespace: an external id of a type the policy does not declare.

`accounts` finds the accounts that a call says its owner belongs to. They are found like identifiers and are
none: no event is theirs and nothing is linked by them.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final

from assent.core.errors import (
    AmbiguousIdentifier,
    BlockedIdentifier,
    MalformedIdentifier,
    UnknownNamespace,
)
from assent.core.ids import IDENTIFIERS_PER_ENTRY, NamespaceId
from assent.core.policy import IdentifierKind, Namespace, Policy
from assent.identity.normalise import normalise
from assent.ingest.facts import Identifier
from assent.ingest.tracking import Call, CallType, identifier_text


def found(call: Call, policy: Policy) -> tuple[Identifier, ...]:
    """Return the call's identifiers, at least one, each once; the first is the owner.

    Steps: (1) every value with its namespace, (2) normalised, blocked ones left out, (3) at least one, and
    one only of a namespace that admits one, (4) in order of priority.
    """
    values: dict[tuple[NamespaceId, str], Namespace] = {}
    blocked = False
    for namespace, raw in _said(call, policy):  # (1)
        try:
            values[namespace.id, normalise(namespace, raw)] = namespace  # (2)
        except BlockedIdentifier:
            # A blocked cookie or device (an advertising id of zeros, say) names nobody and is left out. A
            # blocked person identifier means that the caller takes for a person what is none.
            if namespace.kind is IdentifierKind.PERSON or call.type is CallType.ALIAS:
                raise
            blocked = True
    if not values:  # (3)
        raise BlockedIdentifier if blocked else MalformedIdentifier("expected at least one identifier")
    if len(values) > IDENTIFIERS_PER_ENTRY:
        raise MalformedIdentifier("expected fewer identifiers on one event")
    unique = [number for (number, _), namespace in values.items() if namespace.unique]
    if len(unique) != len(set(unique)):
        raise AmbiguousIdentifier
    ranked = sorted(values, key=lambda key: (*_rank(values[key]), key[1]))  # (4)
    return tuple(Identifier(number, value) for number, value in ranked)


def accounts(call: Call, policy: Policy) -> tuple[Identifier, ...]:
    """Return the accounts that a call names, one of each family at most; a blocked one is left out."""
    named: dict[NamespaceId, str] = {}
    for family in policy.accounts.values():
        for source in family.sources:
            raw = identifier_text(value_at(call.item, source))
            if raw is None:
                continue
            with suppress(BlockedIdentifier):
                value = normalise(family, raw)
                if named.setdefault(family.id, value) != value:
                    raise AmbiguousIdentifier
    return tuple(Identifier(number, value) for number, value in sorted(named.items()))


_KINDS: Final = {kind: place for place, kind in enumerate(IdentifierKind)}


def _rank(namespace: Namespace) -> tuple[int, int, str]:
    """Rank by kind, then priority; then by name, so that the owner never depends on the order sent."""
    return _KINDS[namespace.kind], namespace.priority, namespace.name


def _said(call: Call, policy: Policy) -> Iterator[tuple[Namespace, str]]:
    """Yield every identifier the call names, as it stands there."""
    item = call.item
    if call.type is CallType.GROUP:
        # The traits of a group are the group's: its address is nobody's own.
        item = {name: value for name, value in item.items() if name != "traits"}
    for namespace in policy.namespaces.values():
        for source in namespace.sources:
            value = identifier_text(value_at(item, source))
            if value is not None:
                yield namespace, value
    yield from _external(call.context.get("externalIds"), policy)
    if call.type is CallType.ALIAS:
        if call.user_id is None or call.previous_id is None:
            raise MalformedIdentifier("expected previousId and userId")
        previous = _of_previous(policy)
        if previous is not None:
            yield previous, call.previous_id


def _external(value: object, policy: Policy) -> Iterator[tuple[Namespace, str]]:
    if value is None:
        return
    if not isinstance(value, list):
        raise MalformedIdentifier("expected a list of external ids")
    for entry in value:
        if not isinstance(entry, dict):
            raise MalformedIdentifier("expected an external id with id and type")
        text, name = identifier_text(entry.get("id")), entry.get("type")
        if text is None or not isinstance(name, str):
            raise MalformedIdentifier("expected an external id with id and type")
        number = policy.namespace_ids.get(name)
        if number is None or number not in policy.namespaces:
            raise UnknownNamespace
        yield policy.namespaces[number], text


def _of_previous(policy: Policy) -> Namespace | None:
    """Return the namespace a `previousId` falls to; None where a policy's own path finds it already."""
    namespaces = policy.namespaces.values()
    if any("previousId" in namespace.sources for namespace in namespaces):
        return None
    for namespace in namespaces:
        if "anonymousId" in namespace.sources:
            return namespace
    raise UnknownNamespace


def value_at(item: Mapping[str, object], path: str) -> object:
    """Return what stands at a path of a policy in a call, None where nothing does."""
    held: object = item
    for step in _steps(path):
        if not isinstance(held, dict):
            return None
        held = held.get(step)
    return held


@lru_cache(maxsize=4096)
def _steps(source: str) -> tuple[str, ...]:
    return tuple(source.split("."))
