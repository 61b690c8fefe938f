"""What links a person's devices and identifiers, and the person's word that one of them is not theirs.

A value is shown whole only where the token itself named it: evidence may be wrong, and then it is another's.
What a claim alone links to the person, or what others share, is named by its namespace and no more.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from litestar import Response, delete
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from assent.core.errors import FactRejected
from assent.core.ids import EntryIndex, IdentifierId
from assent.core.policy import LinkKind
from assent.core.time import FOREVER, format_time
from assent.http.access import Subject, subject, verified_subject
from assent.http.at_least import revision_asked
from assent.http.bodies import answer, at_revision, reading
from assent.http.explanations import ties_of
from assent.http.idempotency import once
from assent.http.link_words import link_in_words
from assent.http.me import accepted, spoken_in
from assent.http.own import Own, own
from assent.http.purposes_shown import language_for
from assent.http.schema import PERSON, shape
from assent.http.wiring import AnyRequest, Service, service
from assent.identity.explain import Tie
from assent.ingest.evidence import Evidence, evidence_of
from assent.ingest.facts import Draft, Identifier, LinkBody, make_facts
from assent.ingest.person import values_of

_ID: Final = re.compile(r"l:(0|[1-9][0-9]{0,17})-(0|[1-9][0-9]{0,17})", re.ASCII)


@reading("/v1/me/links", opt=shape(by=PERSON, answer=dict[str, Any], at_least=True))
async def links(request: AnyRequest) -> Response[bytes]:
    """Return what is held to be the person's, and the links it rests on: since when, by which evidence."""
    found = subject(request)
    async with own(service(request), found, "me/links", revision_asked(request)) as opened:
        present = opened.present
        language = language_for(accepted(request), present.policy)
        seen = _seen(opened)
        around = opened.ids | {end for tie in seen for end in (tie.link.low, tie.link.high)}
        of = present.connection, present.ring, present.controller_id
        values = await values_of(*of, opened.ids)
        entries = {entry for tie in seen for entry in (tie.link.first_entry, tie.link.last_entry)}
        proofs = await evidence_of(*of, entries)
        document = {
            "identifiers": [identifier_shown(opened, one, values) for one in sorted(around)],
            "links": [_document(tie, language, proofs) for tie in seen],
            "revision": present.revision,
        }
    return answer(document, headers={**at_revision(present.revision), **spoken_in(language)})


@delete("/v1/me/links/{id:str}", status_code=200, opt=shape(by=PERSON, answer=dict[str, Any], once=True))
async def not_me(request: AnyRequest, id: FromPath[str]) -> Response[bytes]:  # noqa: A002 - the wire's word
    """Deny a link: the person says that not both are theirs. What links them so far counts no more."""
    found = verified_subject(request)
    named = _ID.fullmatch(id)
    if named is None:
        raise NotFoundException
    pair = IdentifierId(int(named[1])), IdentifierId(int(named[2]))
    return await once(request, found, partial(_deny, found, pair))


async def _deny(found: Subject, pair: tuple[IdentifierId, IdentifierId], wired: Service) -> Response[bytes]:
    async with own(wired, found, "me/links") as opened:
        present = opened.present
        pairs = {(tie.link.low, tie.link.high) for tie in _seen(opened)}
        values = await values_of(
            present.connection, present.ring, present.controller_id, pair if pair in pairs else ()
        )
    if len(values) != len(pair):
        raise NotFoundException  # erased, another's, or no link: nobody is told which
    ends = values[pair[0]], values[pair[1]]
    body = LinkBody(identifiers=ends, link=LinkKind.ASSERTED, at=FOREVER, denied=True)
    facts = make_facts(wired.ring, wired.random, found.controller_id, [Draft(body=body, role="subject")])
    appended = await wired.ledger.append(found.controller_id, facts)
    (outcome,) = appended.outcomes
    if outcome.code is not None:
        raise FactRejected
    document = {"denied": True, "index": outcome.index, "revision": appended.revision}
    return answer(document, headers=at_revision(appended.revision))


def identifier_shown(
    opened: Own, one: IdentifierId, values: Mapping[IdentifierId, Identifier]
) -> dict[str, object]:
    """Return an identifier: whole where the token named it, masked where it is held to be the person's."""
    space = opened.namespace(one)
    namespace = None if space is None else opened.present.policy.namespaces[space]
    value = values[one].value if one in values else None
    return {
        "id": f"i:{one}",
        "namespace": None if namespace is None else namespace.name,
        "kind": None if namespace is None else namespace.kind.value,
        "yours": one in opened.ids,
        "stated": one in opened.stated,
        "value": value if one in opened.stated else None,
        "masked": None if value is None or one not in opened.ids else f"{value[:1]}…",
    }


def _seen(opened: Own) -> list[Tie]:
    """Return the links to tell of: those between what is theirs; to who is opened whole, from it too."""
    if not opened.person.is_known:
        return []
    ends = any if opened.whole else all
    return [
        tie
        for tie in ties_of(opened.person, None)
        if ends(end in opened.ids for end in (tie.link.low, tie.link.high))
    ]


def _document(tie: Tie, language: str, proofs: Mapping[EntryIndex, Evidence]) -> dict[str, object]:
    link = tie.link
    return {
        "id": f"l:{link.low}-{link.high}",
        "from": f"i:{link.low}",
        "to": f"i:{link.high}",
        "kind": link.kind.name.lower(),
        "says": link_in_words(link.kind, language),
        "counts": tie.fault is None,
        "fault": tie.fault,
        "first_at": format_time(link.first_at),
        "last_at": format_time(link.last_at),
        "evidence": [
            {"index": entry, "source": proofs[entry].role, "said": proofs[entry].said}
            for entry in sorted({link.first_entry, link.last_entry})
            if entry in proofs
        ],
    }


HANDLERS = [links, not_me]
