"""What a link, its end, or another identity.toml would do, for the officer about to decide. Nothing changes.

Recorded as access before it leaves: the answer tells about people.
"""

import asyncio
from collections.abc import Collection, Iterable
from typing import Annotated, Any

from litestar import Response, post
from msgspec import Meta, Struct

from assent.audiences.shelf import Audience
from assent.core.errors import FactRejected, MalformedIdentifier, UnreadableBody
from assent.core.ids import CategoryId, CategoryMask, IdentifierId, PurposeId, members
from assent.core.policy import Policy
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of
from assent.http.consents import SubjectReference, identifier_of
from assent.http.identities import LinkStatement, stated
from assent.http.keys import Role
from assent.http.moment import Moment, moment
from assent.http.officer import accessed
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, service
from assent.identity.components import Group
from assent.identity.store import known_by_ref
from assent.ingest.activation import checked, in_force
from assent.ingest.board_parts import Loaded
from assent.ingest.facts import Identifier, UnlinkBody, refs
from assent.ingest.loading import load_components
from assent.ingest.person import values_of
from assent.ingest.supposing import Supposed, joiners, moved, suppose, supposing
from assent.ledger.append import Fact, Ref

_MOST = 20
"""Statements of one question, each about two components at worst."""


class SimulateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to suppose, in this order: links stated, identifiers to begin anew with, another policy.

    `documents` are those that would be others, by name (`identity`); `subjects` whom else to look at.
    """

    links: Annotated[tuple[LinkStatement, ...], Meta(max_length=_MOST)] = ()
    lift: Annotated[tuple[SubjectReference, ...], Meta(max_length=_MOST)] = ()
    documents: dict[str, dict[str, Any]] | None = None
    subjects: Annotated[tuple[SubjectReference, ...], Meta(max_length=_MOST)] = ()


@post(
    "/v1/identities/simulate",
    status_code=200,
    opt=shape(by="dpo, admin", body=SimulateBody, answer=dict[str, Any], at_least=True),
)
async def simulation(request: AnyRequest) -> Response[bytes]:
    """Return what would be otherwise: who belongs together, decisions, audiences. Nothing changes."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, SimulateBody)
    audiences = await service(request).audiences.shelf.all(who.controller_id)
    async with moment(request, who) as present:
        named = _Named(present, body)
        loaded = await _loaded(present, named)
        named.refuse_unseen(loaded)
        known = frozenset(loaded.seen_by)
        policy = await _policy(present, body)
        # Deriving thousands of identifiers twice takes seconds, in which engines go on being answered.
        supposed = await asyncio.to_thread(
            suppose, present.policy, policy, loaded, named.facts, present.revision, present.now
        )
        changes = await _changes(present, supposed, audiences.values())
        values = await values_of(present.connection, present.ring, who.controller_id, known)
        values |= {
            loaded.identifiers[ref]: one for ref, one in named.by_ref.items() if ref in loaded.identifiers
        }
        release = await accessed(request, who, present, "identities/simulate", known)
    spaces = {number: space.name for number, space in present.policy.namespaces.items()}
    document = {
        "identifiers": [
            {
                "id": f"i:{one}",
                "namespace": spaces.get(node.namespace),
                "value": values[one].value if one in values else None,
                "seen": one in known,
            }
            for one, node in sorted(supposed.after.component.nodes.items())
        ],
        **changes,
        "release": release,
    }
    return answer(document, headers=at_revision(present.revision))


class _Named:
    """Whom a question names, and the facts it supposes. Raises what normalising raises, at its pointer."""

    def __init__(self, present: Moment, body: SimulateBody) -> None:
        if not (body.links or body.lift or body.documents):
            raise UnreadableBody("Something to suppose was expected.", pointer="/links")
        self._present = present
        self.by_ref: dict[Ref, Identifier] = {}
        self.facts: list[Fact] = []
        for place, link in enumerate(body.links):
            at = f"/links/{place}"
            ends = self._ref(link.start, f"{at}/from"), self._ref(link.end, f"{at}/to")
            if ends[0] == ends[1]:
                raise MalformedIdentifier("Two identifiers were expected.", pointer=f"{at}/to")
            said = stated(link, (self.by_ref[ends[0]], self.by_ref[ends[1]]), at)
            self.facts.append(supposing(said, ends))
        linked = set(self.by_ref)
        self._lifted: list[tuple[Ref, str]] = []
        for place, subject in enumerate(body.lift):
            one = self._ref(subject, f"/lift/{place}")
            self.facts.append(supposing(UnlinkBody(identifiers=(self.by_ref[one],)), (one,)))
            if one not in linked:
                self._lifted.append((one, f"/lift/{place}"))
        for place, subject in enumerate(body.subjects):
            self._ref(subject, f"/subjects/{place}")

    def refuse_unseen(self, loaded: Loaded) -> None:
        """Raise FactRejected for who is to begin anew and was never seen, nor is linked here."""
        for one, pointer in self._lifted:
            if one not in loaded.identifiers:
                raise FactRejected("Nothing links an identifier that was never seen.", pointer=pointer)

    def _ref(self, subject: SubjectReference, pointer: str) -> Ref:
        one = identifier_of(self._present.policy, subject, pointer)
        (ref,) = refs(self._present.ring, self._present.controller_id, [one])
        self.by_ref[ref] = one
        return ref


async def _loaded(present: Moment, named: _Named) -> Loaded:
    of = present.connection, present.controller_id
    known = await known_by_ref(*of, named.by_ref)
    return await load_components(*of, present.policy, known)


async def _policy(present: Moment, body: SimulateBody) -> Policy:
    """Return the policy to suppose: the one in force, with other documents. Raises PolicyInvalid."""
    if body.documents is None:
        return present.policy
    _, documents = await in_force(present.connection, present.controller_id)
    return await checked(present.connection, present.controller_id, {**documents, **body.documents})


async def _changes(present: Moment, supposed: Supposed, audiences: Collection[Audience]) -> dict[str, Any]:
    """Return what differs; what is not told stays as it is."""
    before, after = supposed.before, supposed.after
    joining = await joiners(present.connection, present.controller_id, supposed, audiences)
    purposes = []
    for number in supposed.purposes():
        told = {
            "view": _groups(*moved(before.groups(number), after.groups(number))),
            "decisions": _decisions(supposed, number),
            "audiences": [
                {"audience": name, "enters": _ids(enters), "leaves": _ids(leaves)}
                for (purpose, name), (enters, leaves) in joining.items()
                if purpose == number
            ],
        }
        if any(told.values()):
            declared = after.side.policy.purposes.get(number) or before.side.policy.purposes[number]
            purposes.append({"purpose": declared.name, **told})
    return {
        "clusters": _groups(*moved(before.groups(None), after.groups(None))),
        "nobodys": {"before": _ids(sorted(before.nobodys())), "after": _ids(sorted(after.nobodys()))},
        "purposes": purposes,
    }


def _groups(before: Iterable[Group], after: Iterable[Group]) -> dict[str, list[list[str]]] | None:
    """Return the groups that are on one side alone; None where there are none."""
    told = {"before": [*map(_ids, before)], "after": [*map(_ids, after)]}
    return told if told["before"] or told["after"] else None


def _decisions(supposed: Supposed, purpose: PurposeId) -> list[dict[str, Any]]:
    """Return for whom the purpose could use more, or less, than it may now."""
    before, after = supposed.before.permitted(purpose), supposed.after.permitted(purpose)
    none = CategoryMask(0)
    found = []
    for one in sorted(before.keys() | after.keys()):
        old, new = before.get(one, none), after.get(one, none)
        if old != new:
            gains = _categories(supposed.after.side.policy, new & ~old)
            loses = _categories(supposed.before.side.policy, old & ~new)
            found.append({"identifier": f"i:{one}", "gains": gains, "loses": loses})
    return found


def _categories(policy: Policy, mask: int) -> list[str]:
    return [policy.categories[CategoryId(one)].name for one in members(mask) if one in policy.categories]


def _ids(ids: Iterable[IdentifierId]) -> list[str]:
    return [f"i:{one}" for one in ids]


HANDLERS = [simulation]
