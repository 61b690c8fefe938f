"""Decisions: what one purpose may know of one to a hundred people, now."""

from typing import Annotated, Any

from litestar import Response, post
from msgspec import Meta, Struct

from assent.audiences.shelf import Rules
from assent.core.derived import is_derived
from assent.core.errors import BlockedIdentifier, MalformedIdentifier
from assent.core.policy import Policy
from assent.features.catalogue import number_to_json, value_to_json
from assent.gate.door import Answer, Ask
from assent.gate.profile import Profile
from assent.http.access import caller, may_use
from assent.http.at_least import sequence_asked
from assent.http.bodies import answer, at_sequence, body_of
from assent.http.consents import SubjectReference, identifier_of
from assent.http.keys import Caller, Role
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ledger.append import Ref

NOBODY: dict[str, object] = {"subject": None, "tier": None, "features": {}, "audiences": [], "buckets": {}}
"""Hidden, absent, never seen and not permitted are this one answer."""


class DecisionsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to decide about, for which purpose (API.md, Engine)."""

    purpose: str
    subjects: Annotated[tuple[SubjectReference, ...], Meta(min_length=1, max_length=100)]
    context: dict[str, Any] = {}
    """What the caller knows of this request: rules ask for it as `context.`, and it is kept nowhere."""
    audiences: tuple[str, ...] = ()
    scores: bool = False
    """Whether to say, of audiences that are scores, what is reached and what was counted."""


@post(
    "/v1/decisions",
    status_code=200,
    opt=shape(by="engine", body=DecisionsBody, answer=dict[str, Any], at_least=True),
)
async def decide(request: AnyRequest) -> Response[bytes]:
    """Return what the purpose may use of each subject; recorded before it leaves."""
    wired = service(request)
    who = await caller(request, Role.ENGINE)
    body = await body_of(request, DecisionsBody)
    policy = await wired.policies.current(who.controller_id)
    may_use(who, policy, body.purpose)
    asked = await wired.audiences.shelf.named(who.controller_id, body.purpose, body.audiences)
    rules = asked.heard(body.context)
    released = await wired.door.release(
        Ask(
            controller_id=who.controller_id,
            purpose=body.purpose,
            consumer=who.consumer,
            refs=tuple(_ref(wired, who, policy, *one) for one in enumerate(body.subjects)),
            rules=rules.versions,
            at_least=sequence_asked(request),
        )
    )
    decisions = [
        (NOBODY if profile is None else _decision(wired, who, released, rules, profile))
        | (_scores(wired, who, released, rules, profile) if body.scores else {})
        for profile in released.profiles
    ]
    document = {
        "decisions": decisions,
        "sequence": released.sequence,
        "release": f"r:{released.release}",
    }
    return answer(document, headers=at_sequence(released.sequence))


def _decision(
    wired: Service, who: Caller, released: Answer, rules: Rules, profile: Profile
) -> dict[str, object]:
    name = _name(wired, who, released, profile)
    audiences = rules.of(released.policy, profile, released.now, name)
    return {
        "subject": name,
        "tier": profile.tier,
        "features": features(released, profile),
        "audiences": audiences,
        "buckets": rules.buckets(audiences, profile.subject),
    }


def _scores(
    wired: Service, who: Caller, released: Answer, rules: Rules, profile: Profile | None
) -> dict[str, object]:
    """Return what is proven of each score: no more than members of every threshold would tell."""
    if profile is None:
        return {"scores": {}}
    tallies = rules.scores(released.policy, profile, released.now, _name(wired, who, released, profile))
    told = {
        name: {
            "score": number_to_json(tally.low),
            "at_least": number_to_json(tally.least),
            "counted": tally.counted,
        }
        for name, tally in tallies.items()
    }
    return {"scores": told}


def _name(wired: Service, who: Caller, released: Answer, profile: Profile) -> str:
    return wired.ring.pairwise(who.controller_id, who.consumer, released.purpose.id, profile.subject)


def features(released: Answer, profile: Profile) -> dict[str, object]:
    """Return a profile's values by name, as JSON says them."""
    catalogue = released.policy.features
    return {
        catalogue[number].name: value_to_json(catalogue[number], value)
        for number, value in sorted(profile.values.items())
        if not is_derived(catalogue[number].name)
    }


def _ref(wired: Service, who: Caller, policy: Policy, place: int, subject: SubjectReference) -> Ref | None:
    """Return whom a subject names; None when its value could name nobody, which is answered as nobody."""
    try:
        identifier = identifier_of(policy, subject, f"/subjects/{place}")
    except (MalformedIdentifier, BlockedIdentifier):
        return None
    return Ref(
        namespace=identifier.namespace,
        lookup=wired.ring.lookup(who.controller_id, identifier.namespace, identifier.value),
    )


HANDLERS = [decide]
