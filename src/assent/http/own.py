"""A person at one moment of the ledger, as far as their token opens them; what is read so is recorded.

A token opens the identifiers that it names. Somebody verified, by an identifier of a person, is opened
whole: what firm evidence holds to be theirs. A device or a cookie, whoever vouches for it, opens nobody who
is named: whoever holds it need not be that person. Raises NotVerified, RevisionAhead, and what normalising
raises.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from assent.core.errors import NotVerified, Refused
from assent.core.ids import IdentifierId, NamespaceId
from assent.core.policy import IdentifierKind, Policy
from assent.http.access import Subject
from assent.http.consents import SubjectReference, identifier_of
from assent.http.moment import Moment, moment_of
from assent.http.wiring import Service
from assent.ingest.access_log import Access, record_access
from assent.ingest.facts import Identifier, refs
from assent.ingest.person import Person


class Own(Struct, frozen=True, kw_only=True):
    """A person, and which of their identifiers they may see."""

    present: Moment
    person: Person
    ids: frozenset[IdentifierId]
    stated: frozenset[IdentifierId]
    """Those that the token itself names: nothing about them is new to its bearer."""

    whole: bool
    """Whether a verified identifier of a person opened this: then whatever evidence holds to be theirs."""

    def namespace(self, one: IdentifierId) -> NamespaceId | None:
        """Return the namespace of one of `ids`; None where the policy no longer declares it."""
        found = next((ref.namespace for ref, other in self.person.by_ref.items() if other == one), None)
        return found if found in self.present.policy.namespaces else None


@asynccontextmanager
async def own(wired: Service, found: Subject, asked: str, at_least: int = 0) -> AsyncIterator[Own]:
    """Yield the person of a token, now. When the reading went well it is recorded before this ends."""
    async with moment_of(wired, found.controller_id, at_least) as present:
        named = refs(wired.ring, found.controller_id, asking(found, present.policy))
        person = await present.person(named)
        ids, whole = opened_by(person, verified=found.verified)
        stated = frozenset(person.asked) if person.is_known else frozenset()
        opened = Own(present=present, person=person, ids=ids, stated=stated, whole=whole)
        yield opened
        access = Access(
            controller_id=found.controller_id,
            at=present.now,
            consumer="person" if found.verified else "device",
            asked=asked,
            revision=present.revision,
            policy_version=present.policy.version,
            identifiers=opened.ids | opened.stated,
        )
        await record_access(wired.database.writer, wired.ring, wired.random, access)


def opened_by(person: Person, *, verified: bool) -> tuple[frozenset[IdentifierId], bool]:
    """Return of whom a token's bearer may be told everything, and whether that is a person as a whole."""
    if not person.is_known:
        return frozenset(), False
    stated = frozenset(person.asked)
    if not verified:
        return stated, False
    kinds = {one: person.policy.namespaces.get(ref.namespace) for ref, one in person.by_ref.items()}
    people = {one for one, space in kinds.items() if space and space.kind is IdentifierKind.PERSON}
    if not people & stated:
        return (stated if person.own & people else person.own), False
    # Verified for each of its persons; a device that evidence does not hold to be theirs may be another's.
    return person.own | (stated & people), True


def asking(found: Subject, policy: Policy) -> list[Identifier]:
    """Return the identifiers that a token may ask about: whose person nobody verified, only its devices."""
    identifiers = identifiers_of(found, policy)
    if not found.verified:
        identifiers = [one for one in identifiers if not is_person(policy, one)]
    if not identifiers:
        raise NotVerified
    return identifiers


def identifiers_of(found: Subject, policy: Policy) -> list[Identifier]:
    """Return the token's identifiers, persons first: the first is whom the answer is about."""
    try:
        identifiers = [
            identifier_of(policy, SubjectReference(namespace=namespace, value=value), "")
            for namespace, value in found.identifiers
        ]
    except Refused as refusal:
        refusal.pointer = ""  # it stands in the token, not in the body
        raise
    kinds = list(IdentifierKind)
    return sorted(identifiers, key=lambda one: kinds.index(policy.namespaces[one.namespace].kind))


def is_person(policy: Policy, identifier: Identifier) -> bool:
    """Say whether an identifier names a person, no device and no cookie."""
    return policy.namespaces[identifier.namespace].kind is IdentifierKind.PERSON
