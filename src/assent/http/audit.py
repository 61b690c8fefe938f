"""What a data protection officer asks of the past and the present: may this be used, and why."""

from datetime import datetime
from typing import Annotated

from litestar import Response, post
from msgspec import Meta, Struct

from assent.consent.decide import decide
from assent.consent.question import Question
from assent.core.errors import FutureTime, NotPermittedForPurpose
from assent.core.ids import IdentifierId, PurposeId
from assent.core.policy import Policy
from assent.core.time import Instant, to_instant
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of
from assent.http.consents import SubjectReference, identifier_of
from assent.http.keys import Role
from assent.http.moment import moment
from assent.http.officer import accessed
from assent.http.schema import shape
from assent.http.wiring import AnyRequest
from assent.ingest.facts import Identifier, refs
from assent.ingest.person import Person
from assent.ledger.append import Ref

Time = Annotated[datetime, Meta(tz=True)]

_NOBODY = IdentifierId(-1)
"""An identifier that no statement is about."""


class QuestionBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question: may `purpose` use data of `category` about `subject`, at `at`, by what was known then."""

    subject: SubjectReference
    purpose: str
    category: str | None = None
    at: Time | None = None
    known_at: Time | None = None
    address: SubjectReference | None = None
    vendor: int | None = None
    sources: tuple[SubjectReference, ...] = ()


class DecideBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The question to answer (API.md, DPO)."""

    question: QuestionBody


@post(
    "/v1/audit/decide",
    status_code=200,
    opt=shape(by="dpo, admin", body=DecideBody, answer=dict[str, str | int | None], at_least=True),
)
async def audit_decide(request: AnyRequest) -> Response[bytes]:
    """Return the decision with its reason, step, article and the entry that decided."""
    who = await caller(request, Role.DPO, Role.ADMIN)
    asked = (await body_of(request, DecideBody)).question
    async with moment(request, who) as present:
        policy = present.policy
        found = refs(present.ring, who.controller_id, _identifiers(policy, asked))
        person = await present.person(found[:1])
        known = await present.person(found)
        question = _question(policy, asked, person, known, found, present.now)
        past = await present.past(person, question.at, question.known_at)
        decision = decide(past.history, past.cluster, policy, question)
        await accessed(request, who, present, "audit/decide", set(known.by_ref.values()) & {*known.asked})
    document = {
        "decision": "allow" if decision.allowed else "deny",
        "reason": decision.reason.value,
        "step": decision.step,
        "entry": decision.entry,
        "article": decision.article,
    }
    return answer(document, headers=at_revision(present.revision))


def _identifiers(policy: Policy, asked: QuestionBody) -> list[Identifier]:
    """Return everybody the question names: the subject, the address if any, the sources."""
    named = [identifier_of(policy, asked.subject, "/question/subject")]
    if asked.address is not None:
        named.append(identifier_of(policy, asked.address, "/question/address"))
    return named + [
        identifier_of(policy, one, f"/question/sources/{place}") for place, one in enumerate(asked.sources)
    ]


def _question(
    policy: Policy,
    asked: QuestionBody,
    person: Person,
    known: Person,
    found: tuple[Ref, ...],
    now: Instant,
) -> Question:
    category = None
    if asked.category is not None:
        category = policy.category_ids.get(asked.category)
        if category is None:
            raise NotPermittedForPurpose(pointer="/question/category")
    # A subject never seen is named as itself: what needs no statement is open about them too.
    numbers = [known.by_ref.get(ref, person.asked[0] if ref == found[0] else _NOBODY) for ref in found]
    address = numbers[1] if asked.address is not None else None
    sources = numbers[2:] if asked.address is not None else numbers[1:]
    return Question(
        identifier=person.asked[0],
        purpose=policy.purpose_ids.get(asked.purpose, PurposeId(0)),
        at=_instant(asked.at, now, "/question/at"),
        known_at=_instant(asked.known_at, now, "/question/known_at"),
        category=category,
        address=address,
        vendor=asked.vendor,
        sources=tuple(sources),
    )


def _instant(time: datetime | None, now: Instant, pointer: str) -> Instant:
    """Return the instant asked about; nobody can say what the future will permit."""
    at = now if time is None else to_instant(time)
    if at > now:
        raise FutureTime(pointer=pointer)
    return at


HANDLERS = [audit_decide]
