"""Everything that is stored about a person, for that person (GDPR Art. 15(1), (3) and 20): as JSON, in pages.

Entry by entry, with the purposes that carry it, where it came from and until when it is kept; on the first
page who they are held to be and what was made of it all.
"""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Response

from assent.core.ids import CategoryId, EntryIndex, PurposeMask
from assent.core.policy import Policy
from assent.core.time import FOREVER, format_duration, format_time, kept_until
from assent.features.catalogue import value_to_json
from assent.http.access import subject
from assent.http.at_least import revision_asked
from assent.http.bodies import answer, at_revision, number, number_asked, page_asked, reading
from assent.http.me import accepted, spoken_in
from assent.http.me_links import identifier_shown
from assent.http.own import Own, own
from assent.http.purposes_shown import category_in_words, language_for
from assent.http.schema import PERSON, paged, shape
from assent.http.wiring import AnyRequest, service
from assent.ingest.facts import Body, EventBody, Identifier, LinkBody, MarkBody, StatedBody
from assent.ingest.own_data import Stored, Told, entries_about, made_of
from assent.ingest.person import values_of

MOST: Final = 500


@reading(
    "/v1/me/data",
    opt=shape(by=PERSON, answer=dict[str, Any], at_least=True, query=paged(MOST, "after")),
)
async def data(request: AnyRequest) -> Response[bytes]:
    """Return everything stored about the person, oldest first: `?limit=` entries, `?after=` one."""
    found = subject(request)
    limit = page_asked(request, MOST, 100)
    after = number_asked(request, "after")
    async with own(service(request), found, "me/data", revision_asked(request)) as opened:
        present = opened.present
        language = language_for(accepted(request), present.policy)
        told = await entries_about(
            present.connection,
            present.ring,
            present.controller_id,
            opened.ids,
            after=-1 if after is None else after,
            limit=limit + 1,
        )
        document: dict[str, Any] = {} if after is not None else await _first(opened, language)
    page = told[:limit]
    document |= {
        "entries": [_entry(opened, one) for one in page],
        "next": number(page[-1].index) if len(told) > limit else None,
        "revision": present.revision,
    }
    return answer(document, headers={**at_revision(present.revision), **spoken_in(language)})


async def _first(opened: Own, language: str) -> dict[str, Any]:
    """Return what stands on the first page alone."""
    present, policy = opened.present, opened.present.policy
    of = present.connection, present.ring, present.controller_id
    values = await values_of(*of, opened.ids)
    made = await made_of(*of, policy, opened.ids, EntryIndex(present.revision), present.now)
    return {
        "identifiers": [
            {
                **identifier_shown(opened, one, values),
                # A copy of what is stored is whole; a device that links alone tell of may be another's.
                **({"value": values[one].value} if opened.whole and one in values else {}),
            }
            for one in sorted(opened.ids)
        ],
        "features": {
            policy.features[one].name: value_to_json(policy.features[one], value)
            for one, value in sorted(made.items())
        },
        "categories": [
            {
                "id": one.name,
                "title": category_in_words(one, language),
                "kept_for": None if one.retention is None else format_duration(one.retention),
                "special": one.special,
            }
            for one in policy.categories.values()
        ],
        "purposes": [
            {"id": one.name, "legal_basis": one.legal_basis.value} for one in policy.purposes.values()
        ],
    }


def _entry(opened: Own, one: Told) -> dict[str, Any]:
    return {
        "index": number(one.index),
        "about": f"i:{one.about}",
        "kind": one.header.kind.value,
        "source": one.header.role,
        **_said(one),
        "data": [_stored(opened.present.policy, each) for each in one.stored],
    }


def _said(one: Told) -> Mapping[str, object]:
    """Return what the entry itself says of the person; of others nothing."""
    body: Body = one.body
    match body:
        case EventBody():
            # Without a time of its own it happened when it was taken.
            at = min(body.at, one.header.minute) if body.at >= FOREVER else body.at
            return {"at": format_time(at), "call": body.call}
        case StatedBody(statement=said):
            return {
                "at": format_time(one.header.minute),
                "purpose": said.purpose,
                "state": said.state,
                "receipt": f"s:{one.index}",
            }
        case LinkBody():
            return {
                "at": format_time(one.header.minute),
                "call": "denied" if body.denied else body.link.name.lower(),
            }
        case MarkBody():
            return {"at": format_time(one.header.minute), "state": body.state, "ground": body.ground}
        case _:
            return {"at": format_time(one.header.minute)}


def _stored(policy: Policy, one: Stored) -> dict[str, object]:
    category = policy.categories.get(CategoryId(one.category))
    kept = None if category is None or category.retention is None else kept_until(one.at, category.retention)
    return {
        "category": None if category is None else category.name,
        "kind": one.body.kind,
        "name": one.body.name or None,
        "data": one.body.data,
        "context": one.body.context,
        "account": _account(policy, one.body.account),
        "purposes": _carrying(policy, one.basis),
        "kept_until": None if kept is None else format_time(kept),
    }


def _account(policy: Policy, account: Identifier | None) -> dict[str, object] | None:
    """Return which account (a company, say) it is that the person belongs to, or said something of."""
    if account is None:
        return None
    family = policy.accounts.get(account.namespace)
    return {"family": None if family is None else family.name, "value": account.value}


def _carrying(policy: Policy, basis: PurposeMask) -> list[str]:
    return [policy.purposes[each].name for each in sorted(policy.purposes) if basis >> each & 1]


HANDLERS = [data]
