"""Was this person a member of that audience then, and why: the rule part by part, with what each rests on.

Told of the past as it can still be told: what was deleted since is unknown, and said to be. It is recorded as
access.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, post
from msgspec import Meta, Struct

from assent.audiences.evaluate import Truth
from assent.audiences.explain import Look, Part
from assent.audiences.rule import listed, unparse
from assent.audiences.text import write
from assent.consent.question import Decision
from assent.core.derived import is_derived
from assent.core.errors import FutureTime, UnreadableBody
from assent.core.ids import CategoryId, members
from assent.core.policy import Policy
from assent.core.time import BEGINNING, FOREVER, Instant, format_time, to_instant
from assent.features.catalogue import value_to_json
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of, number
from assent.http.consents import SubjectReference
from assent.http.keys import Caller, Role
from assent.http.moment import moment
from assent.http.officer import accessed
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.deleted_since import Ledger
from assent.ingest.membership import Asked, Frame, Membership, frame_then, looked_at, membership
from assent.ingest.models import model_of

MOST_PROOFS: Final = 20
"""Entries told of one feature, the newest; their number is told whole."""

Time = Annotated[datetime, Meta(tz=True)]


class MembershipBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose membership of which audience, for which purpose; at `as_of`, by what was known at `known_at`.

    Without a `version` the audience is the one in force then. A rule with a list of people needs a
    `consumer`, who names them as the list does.
    """

    subject: SubjectReference
    audience: str
    purpose: str
    version: Annotated[int, Meta(ge=1, lt=1 << 31)] | None = None
    as_of: Time | None = None
    known_at: Time | None = None
    consumer: str | None = None


@post(
    "/v1/audit/membership",
    status_code=200,
    opt=shape(by="dpo, admin", body=MembershipBody, answer=dict[str, Any], at_least=True),
)
async def was_member(request: AnyRequest) -> Response[bytes]:
    """Return whether a person was a member of an audience then: the leaves, what each rests on, and why."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    body, wired = await body_of(request, MembershipBody), service(request)
    async with moment(request, who) as present:
        asked = _asked(body, present.now)
        ledger = Ledger(
            connection=present.connection,
            ring=present.ring,
            controller_id=present.controller_id,
            revision=present.revision,
            now=present.now,
            policy=present.policy,
        )

        async def policy_at(version: int) -> Policy:
            return await wired.policies.version(who.controller_id, version)

        frame = await frame_then(ledger, asked, policy_at)
        named = _naming(wired, who, frame, body.consumer)
        person = await present.person([present.ref(body.subject, "/subject")])
        found = await membership(ledger, frame, person.asked[0], asked, named) if person.is_known else None
        release = await accessed(
            request, who, present, "audit/membership", () if found is None else found.then.spans.keys()
        )
    document = _frame(frame, asked) | _answer(frame, found) | {"release": release}
    return answer(document, headers=at_revision(present.revision))


def _asked(body: MembershipBody, now: Instant) -> Asked:
    """Return the question. Nobody can say what the future will permit, or will have known."""
    times = []
    for name, time in (("as_of", body.as_of), ("known_at", body.known_at)):
        times.append(now if time is None else to_instant(time))
        if times[-1] > now:
            raise FutureTime(pointer=f"/{name}")
    at, known_at = times
    return Asked(audience=body.audience, version=body.version, purpose=body.purpose, at=at, known_at=known_at)


def _naming(wired: Service, who: Caller, frame: Frame, consumer: str | None) -> Callable[[bytes], str]:
    if consumer is None:
        if listed(frame.audience.rule, frame.rules):
            raise UnreadableBody("The rule lists people: expected whose names for them.", pointer="/consumer")
        return lambda _: ""
    purpose = frame.purpose.id
    return lambda subject: wired.ring.pairwise(who.controller_id, consumer, purpose, subject)


def _frame(frame: Frame, asked: Asked) -> dict[str, Any]:
    audience = frame.audience
    return {
        "as_of": format_time(asked.at),
        "known_at": format_time(asked.known_at),
        "policy_version": frame.policy.version,
        "purpose": frame.purpose.name,
        "audience": {
            "id": audience.id,
            "version": audience.version,
            "title": audience.title,
            "purposes": audience.purposes,
            "text": write(audience.rule),
        },
    }


def _answer(frame: Frame, found: Membership | None) -> dict[str, Any]:
    if found is None:
        # Who was erased cannot be told from who never was: nothing is left to tell it by.
        return {
            "member": False,
            "truth": "unknown",
            "why": "not_known_then_or_erased",
            "tree": None,
            "identifiers": [],
            "decisions": {},
            "incomplete": [],
        }
    policy, then = frame.policy, found.then
    return {
        "member": found.truth is Truth.TRUE,
        "truth": found.truth.name.lower(),
        "why": None if then.profile is not None else "nothing_permitted",
        "tree": _part(frame, found, found.tree),
        "identifiers": [
            {"id": f"i:{one}", "permits": [_permit(policy, *span) for span in spans]}
            for one, spans in sorted(then.spans.items())
        ],
        "decisions": {
            policy.categories[category].name: _decision(decision)
            for category, decision in found.decisions.items()
        },
        "incomplete": [
            *(f"deleted_since:{policy.categories[one].name}" for one in sorted(then.lost)),
            *(["erased_since"] if then.erased_since else []),
            *(["accounts"] if any(one.account is not None for one in looked_at(found.tree)) else []),
        ],
    }


def _permit(policy: Policy, categories: int, since: Instant, until: Instant) -> dict[str, object]:
    return {
        "categories": [policy.categories[CategoryId(one)].name for one in members(categories)],
        "since": None if since == BEGINNING else format_time(since),
        "until": None if until == FOREVER else format_time(until),
    }


def _part(frame: Frame, found: Membership, part: Part) -> dict[str, object]:
    document: dict[str, object] = {"text": write(part.rule), "truth": part.truth.name.lower()}
    if part.ground is None:
        told = unparse(part.rule)
        operator = told["op"] if isinstance(told, dict) else None
        weights = {"weights": part.weights} if part.weights else {}
        return document | {"op": operator, **weights, "of": [_part(frame, found, each) for each in part.of]}
    lost = any(one.feature.category in found.then.lost for one in part.looked_at)
    return document | {
        "rule": unparse(part.rule),
        "why": "deleted_since" if lost else part.ground.value,
        "looked_at": [_look(frame, found, one) for one in part.looked_at],
    }


def _look(frame: Frame, found: Membership, one: Look) -> dict[str, object]:
    """A feature that a rule alone asks for has no name of its own: the leaf's text is its name."""
    feature = one.feature
    decision = found.decisions.get(feature.category)
    proofs = found.proofs.get(feature.name, ())
    return {
        "feature": None if is_derived(feature.name) else feature.name,
        "category": frame.policy.categories[feature.category].name,
        "value": None if one.value is None else value_to_json(feature, one.value),
        "model": msgspec.to_builtins(model_of(frame.policy, feature)),
        "decision": None if decision is None else _decision(decision),
        "entries": [number(each) for each in proofs[:MOST_PROOFS]],
        "entries_in_all": len(proofs),
    }


def _decision(one: Decision) -> dict[str, object]:
    return {
        "decision": "allow" if one.allowed else "deny",
        "reason": one.reason.value,
        "step": one.step,
        "article": one.article,
        "entry": one.entry,
    }


HANDLERS = [was_member]
