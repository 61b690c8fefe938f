"""The tracking contract: one handler for all its paths, by content whatever the Content-Type."""

from litestar import Response, Router, post
from msgspec import Struct

from assent.core.errors import Refused
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.http.access import collector
from assent.http.bodies import answer, at_revision, revision_of
from assent.http.cross_origin import from_anywhere
from assent.http.keys import Caller
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.body import read_body
from assent.ingest.drafts import event_draft
from assent.ingest.facts import Draft, make_facts
from assent.ingest.tracking import PATHS, Call, Limits, Refusal, calls


class Taken(Struct, frozen=True, kw_only=True):
    """The answer to a tracking call (API.md, Tracking)."""

    success: bool
    accepted: int
    refused: tuple[Refusal, ...]
    revision: int


async def track(request: AnyRequest) -> Response[bytes]:
    """Take events. One faulty item is refused with its index; the others are durable when this answers."""
    wired = service(request)
    path = request.url.path.rpartition("/")[2]
    limits = Limits(
        item_bytes=wired.settings.item_limit_bytes,
        batch_bytes=wired.settings.batch_limit_bytes,
        batch_items=wired.settings.batch_limit_items,
    )
    body = read_body(
        await request.body(),
        content_encoding=request.headers.get("content-encoding"),
        limit_bytes=limits.body_bytes(path),
    )
    said = calls(path, body, limits=limits)
    who = await collector(request, said.write_key)
    policy = await wired.policies.current(who.controller_id)
    drafts, refused = _drafts(wired, who, policy, said.items)
    revision = 0
    if drafts:
        facts = make_facts(wired.ring, wired.random, who.controller_id, [draft for _, draft in drafts])
        appended = await wired.ledger.append(who.controller_id, facts)
        revision = appended.revision
        refused += [
            Refusal(index=index, code=outcome.code)
            for (index, _), outcome in zip(drafts, appended.outcomes, strict=True)
            if outcome.code is not None
        ]
    else:
        revision = await revision_of(wired, who.controller_id)
    taken = Taken(
        success=True,
        accepted=len(said.items) - len(refused),
        refused=tuple(sorted(refused, key=lambda refusal: refusal.index)),
        revision=revision,
    )
    return answer(taken, headers=at_revision(revision))


def _drafts(
    wired: Service, who: Caller, policy: Policy, items: tuple[Call | Refusal, ...]
) -> tuple[list[tuple[int, Draft]], list[Refusal]]:
    received_at = wired.clock()
    drafts: list[tuple[int, Draft]] = []
    refused: list[Refusal] = []
    for item in items:
        if isinstance(item, Refusal):
            refused.append(item)
            continue
        try:
            drafts.append((item.index, _draft(wired, who, policy, item, received_at)))
        except Refused as refusal:
            refused.append(Refusal(index=item.index, code=refusal.code))
    return drafts, refused


def _draft(wired: Service, who: Caller, policy: Policy, call: Call, received_at: Instant) -> Draft:
    source = f"key:{who.key_id}"
    key = wired.ring.message_key(who.controller_id, source, call.message_id) if call.message_id else None
    return event_draft(
        policy,
        call,
        received_at=received_at,
        role=who.role.value,
        source=source,
        server=who.server,
        message_key=key,
    )


def router(prefix: str) -> Router:
    """Return what takes the calls, under `/v1` and, unless it is empty, under the prefix too."""
    paths = [f"{before}/v1/{path}" for before in dict.fromkeys(("", prefix)) for path in PATHS]
    return Router("/", route_handlers=[post(paths, status_code=200)(track)], middleware=[from_anywhere])
