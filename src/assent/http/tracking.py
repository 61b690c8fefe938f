"""The tracking contract: one handler for all its paths, by content whatever the Content-Type."""

import contextlib
from collections.abc import Sequence
from typing import Any

from litestar import Response, Router, post
from msgspec import Struct

from assent.core.errors import AssentError, Refused
from assent.core.ids import PurposeId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.http.access import collector
from assent.http.bodies import answer, at_revision, revision_of
from assent.http.cross_origin import from_anywhere
from assent.http.intake import Held
from assent.http.keys import Caller
from assent.http.problems import on_refused_calls
from assent.http.schema import shape
from assent.http.signals import Signals, header_values
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.body import Body, read_body
from assent.ingest.drafts import event_draft
from assent.ingest.facts import Draft, make_facts
from assent.ingest.tracking import PATHS, Call, Calls, Limits, Refusal, calls


class Taken(Struct, frozen=True, kw_only=True):
    """The answer to a tracking call (API.md, Tracking).

    `revision` is 0 for a browser key, which is public: by how the ledger grows, whoever read it in a page
    would learn whether an event that they sent in a stranger's name was kept, and so what the
    stranger agreed to.
    """

    success: bool
    accepted: int
    refused: tuple[Refusal, ...]
    revision: int


async def track(request: AnyRequest) -> Response[bytes]:
    """Take events. One faulty item is refused with its index; the others are durable when this answers."""
    path = request.url.path.rpartition("/")[2]
    limits = limits_of(service(request))
    with service(request).intake.admitted() as held:
        try:
            said = calls(path, await tracking_body(request, held, limits.body_bytes(path)), limits=limits)
        except Refused as refusal:
            await count_unread(request, refusal)
            raise
        taken = await take(request, said)
    return answer(taken, headers=told_revision(taken))


def told_revision(taken: Taken) -> dict[str, str] | None:
    """Return the header of the revision, none where the answer does not tell it."""
    return at_revision(taken.revision) if taken.revision else None


def limits_of(wired: Service) -> Limits:
    """Return how much one request may hold."""
    return Limits(
        item_bytes=wired.settings.item_limit_bytes,
        batch_bytes=wired.settings.batch_limit_bytes,
        batch_items=wired.settings.batch_limit_items,
    )


async def tracking_body(request: AnyRequest, held: Held, limit_bytes: int) -> Body:
    """Return a client's body, read by its content. Raises UnreadableBody, BodyTooLarge and OverCapacity."""
    body = read_body(
        await held.body(request),
        content_encoding=request.headers.get("content-encoding"),
        limit_bytes=limit_bytes,
    )
    held.unpacked(len(body.text))
    return body


async def take(request: AnyRequest, said: Calls) -> Taken:
    """Append what a client said, under the key it brought; what is accepted is durable on return."""
    wired = service(request)
    who = await collector(request, said.write_key)
    policy = await wired.policies.current(who.controller_id)
    drafts, refused = _drafts(wired, who, policy, header_values(request), said.items)
    at_the_door = [refusal.code for refusal in refused]
    if drafts:
        facts = make_facts(wired.ring, wired.random, who.controller_id, [draft for _, draft in drafts])
        appended = await wired.ledger.append(who.controller_id, facts)
        revision = int(appended.revision)
        refused += [
            Refusal(index=index, code=outcome.code)
            for (index, _), outcome in zip(drafts, appended.outcomes, strict=True)
            if index is not None and outcome.code is not None
        ]
    else:
        revision = await revision_of(wired, who.controller_id) if who.server else 0
    # Now, not before: of a request that is answered 429 and sent again nothing counts twice.
    wired.counts.refused(who.controller_id, who.counted_as, at_the_door)
    return Taken(
        success=True,
        accepted=len(said.items) - len(refused),
        refused=tuple(sorted(refused, key=lambda refusal: refusal.index)),
        revision=revision if who.server else 0,
    )


async def count_unread(request: AnyRequest, refusal: Refused) -> None:
    """Count a request that could not be read, as one, if a header says whose it is."""
    with contextlib.suppress(Refused):
        who = await collector(request, None)
        service(request).counts.refused(who.controller_id, who.counted_as, [refusal.code])


def _drafts(
    wired: Service, who: Caller, policy: Policy, headers: Sequence[str], items: tuple[Call | Refusal, ...]
) -> tuple[list[tuple[int | None, Draft]], list[Refusal]]:
    """Return the facts with the index of their item; what a signal states has none, and stands before it."""
    received_at = wired.clock()
    signals = Signals(wired, who, policy, headers, received_at)
    drafts: list[tuple[int | None, Draft]] = []
    refused: list[Refusal] = []
    for item in items:
        if isinstance(item, Refusal):
            refused.append(item)
            continue
        closed, stated = signals.of(item)
        drafts += [(None, one) for one in stated]
        try:
            drafts.append((item.index, _draft(wired, who, policy, item, received_at, closed)))
        except Refused as refusal:
            refused.append(Refusal(index=item.index, code=refusal.code))
    return drafts, refused


def _draft(
    wired: Service,
    who: Caller,
    policy: Policy,
    call: Call,
    received_at: Instant,
    closed: Sequence[PurposeId],
) -> Draft:
    source = who.counted_as
    key = wired.ring.message_key(who.controller_id, source, call.message_id) if call.message_id else None
    return event_draft(
        policy,
        call,
        received_at=received_at,
        role=who.role.value,
        source=source,
        server=who.server,
        message_key=key,
        declared=who.declared,
        closed=closed,
    )


def router(prefix: str) -> Router:
    """Return what takes the calls, under `/v1` and, unless it is empty, under the prefix too."""
    paths = [f"{before}/v1/{path}" for before in dict.fromkeys(("", prefix)) for path in PATHS]
    said = shape(by="collector; also Basic, or writeKey in the body", body=dict[str, Any], answer=Taken)
    taking = post(paths, status_code=200, opt=said)
    return Router(
        "/",
        route_handlers=[taking(track)],
        middleware=[from_anywhere],
        exception_handlers={AssentError: on_refused_calls},
    )
