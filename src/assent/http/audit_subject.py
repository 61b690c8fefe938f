"""One person as an officer sees them: who they are, what they said, in order, and what of it decides now.

It is recorded as access before it leaves. Identifiers stand in bodies alone, never in an address.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from litestar import Response, post
from msgspec import Meta, Struct

from assent.consent.statement import Statement
from assent.core.ids import CategoryId, IdentifierId, members
from assent.core.policy import Policy
from assent.core.time import BEGINNING, FOREVER, Instant, format_time
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of
from assent.http.consents import SubjectReference
from assent.http.keys import Role
from assent.http.moment import moment
from assent.http.officer import PAGE, Limit, accessed
from assent.http.schema import shape
from assent.http.wiring import AnyRequest
from assent.ingest.facts import Body, Identifier, StatedBody
from assent.ingest.person import (
    Person,
    Standing,
    belongings_of,
    bodies_of,
    conflicts,
    find_person,
    standings,
    values_of,
)


class SubjectBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose statements to return, after how many, and at most how many."""

    subject: SubjectReference
    after: Annotated[int, Meta(ge=0, lt=1 << 62)] = 0
    limit: Limit = PAGE


@post(
    "/v1/audit/subject",
    status_code=200,
    opt=shape(by="dpo, admin", body=SubjectBody, answer=dict[str, Any], at_least=True),
)
async def about(request: AnyRequest) -> Response[bytes]:
    """Return a person: identifiers, accounts, statements with their entries, and what decides now."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body = await body_of(request, SubjectBody)
    async with moment(request, who) as present:
        ref = present.ref(body.subject, "/subject")
        person = await find_person(present.connection, who.controller_id, present.policy, [ref], present.now)
        known = person.cluster.members if person.is_known else ()
        values = await values_of(present.connection, present.ring, who.controller_id, known)
        belongs = await belongings_of(present.connection, present.ring, who.controller_id, known)
        said = _in_order(person, known)
        page = said[body.after : body.after + body.limit]
        bodies = await bodies_of(
            present.connection, present.ring, who.controller_id, {one.entry for one in page}
        )
        release = await accessed(request, who, present, "audit/subject", known)
    more = body.after + body.limit < len(said)
    document = {
        "tier": person.tier if person.is_known else None,
        "identifiers": [_identifier(present.policy, person, one, values) for one in known],
        "accounts": [_belonging(present.policy, *one) for one in belongs],
        "statements": [_said(present.policy, one, bodies.get(one.entry)) for one in page],
        "next": body.after + body.limit if more else None,
        "decisions": [_decision(present.policy, one) for one in standings(person)],
        "conflicts": [present.policy.purposes[one].name for one in conflicts(person)],
        "release": release,
    }
    return answer(document, headers=at_revision(present.revision))


def _in_order(person: Person, known: Sequence[IdentifierId]) -> list[Statement]:
    """Return what the person's own identifiers said, in the order in which it became known."""
    found = [said for one in known for said in person.component.statements.get(one, ())]
    return sorted(found, key=lambda said: (said.entry, said.position, said.identifier))


def _identifier(
    policy: Policy, person: Person, one: IdentifierId, values: Mapping[IdentifierId, Identifier]
) -> dict[str, object]:
    """An identifier whose payload was erased has no value, and one that a claim alone links says so."""
    namespace = policy.namespaces.get(person.component.nodes[one].namespace)
    return {
        "id": f"i:{one}",
        "namespace": None if namespace is None else namespace.name,
        "value": values[one].value if one in values else None,
        "claimed": one not in person.own,
    }


def _belonging(policy: Policy, one: IdentifierId, account: Identifier, at: Instant) -> dict[str, object]:
    family = policy.accounts.get(account.namespace)
    return {
        "id": f"i:{one}",
        "account": None if family is None else family.name,
        "value": account.value,
        "since": format_time(at),
    }


def _said(policy: Policy, one: Statement, body: Body | None) -> dict[str, object]:
    stated = body.statement if isinstance(body, StatedBody) else None
    purpose = None if one.purpose is None else policy.purposes.get(one.purpose)
    return {
        "index": one.entry,
        "id": f"i:{one.identifier}",
        "purpose": purpose.name if purpose is not None else one.purpose,
        "state": one.state.value,
        "acted_at": format_time(one.acted_at),
        "known_at": format_time(one.known_at),
        "authenticated": one.authenticated,
        "imported": one.imported,
        "mechanism": one.mechanism,
        "notice": None
        if one.notice_version is None
        else {
            "id": stated.notice.id if stated is not None and stated.notice is not None else None,
            "version": one.notice_version,
            "language": one.language,
        },
        "actor": one.actor,
        "channel": one.channel,
        "jurisdiction": one.jurisdiction,
        "explicit": one.explicit,
        "expires_at": _time(one.expires_at),
        "categories": [
            policy.categories[CategoryId(each)].name
            for each in members(one.categories)
            if each in policy.categories
        ],
        "address": None if one.address is None else f"i:{one.address}",
        "evidence": None if stated is None else stated.evidence,
    }


def _decision(policy: Policy, one: Standing) -> dict[str, object]:
    return {
        "purpose": policy.purposes[one.purpose].name,
        "decision": "allow" if one.decision.allowed else "deny",
        "reason": one.decision.reason.value,
        "step": one.decision.step,
        "article": one.decision.article,
        "entry": one.decision.entry,
        "since": _time(one.since),
        "until": _time(one.until),
    }


def _time(at: Instant | None) -> str | None:
    return None if at is None or at in (BEGINNING, FOREVER) else format_time(at)


HANDLERS = [about]
