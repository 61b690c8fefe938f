"""What a record of a file says, at the door: its statements first, then its event; or its link.

Every statement stands or falls alone, as it would in a request, and whatever becomes of the event. What is
refused is told with the line it stood in, its code, and the article that a statement offends: never a value.
Imported statements are nobody's own word to us: they are not authenticated, and speak for no whole person.

Pure. Raises nothing.
"""

from collections.abc import Callable

from msgspec import Struct

from assent.consent.statement import check
from assent.core.errors import MalformedIdentifier, Refused, WrongType
from assent.core.policy import LinkKind, Policy
from assent.core.time import Instant
from assent.identity.normalise import normalise
from assent.ingest.drafts import AT_COMMIT, event_draft
from assent.ingest.facts import IMPORTED, Draft, Identifier, LinkBody, StatedBody
from assent.ingest.identifiers_of import found
from assent.ingest.pairs import Paired
from assent.ingest.rows import Record, Rejected
from assent.ingest.stating import Said


class Made(Struct, frozen=True, kw_only=True):
    """The facts of a record, in the order they are taken, and what was refused."""

    statements: tuple[Draft, ...]
    event: Draft | None
    """The event, or the link."""
    refused: tuple[Rejected, ...]


def make(
    policy: Policy,
    record: Record | Paired,
    *,
    now: Instant,
    source: str,
    message_key: Callable[[str], bytes],
) -> Made:
    """Return the facts of a record. `message_key` makes keys of names that are unique in the file."""
    if isinstance(record, Paired):
        return _linked(policy, record, now=now, source=source, message_key=message_key)
    refused: list[Rejected] = []
    statements: list[Draft] = []
    event = None
    try:
        if record.statements:
            owner = found(record.call, policy)[0]
            for place, said in enumerate(record.statements):
                key = message_key(f"{record.number}/{place}")
                stated = _stated(policy, said, owner, now=now, source=source, message_key=key)
                if isinstance(stated, Draft):
                    statements.append(stated)
                else:
                    refused.append(stated)
        if record.is_event:
            event = event_draft(
                policy,
                record.call,
                received_at=now,
                role=IMPORTED,
                source=source,
                server=True,
                message_key=message_key(str(record.number)),
            )
        elif not record.statements:
            found(record.call, policy)
    except Refused as refusal:
        refused.append(Rejected(line=record.line, lines=record.lines, code=refusal.code))
    return Made(statements=tuple(statements), event=event, refused=tuple(refused))


def _linked(
    policy: Policy, record: Paired, *, now: Instant, source: str, message_key: Callable[[str], bytes]
) -> Made:
    spaces = (policy.namespaces[policy.namespace_ids[name]] for name, _ in record.ends)
    try:
        one, other = (
            Identifier(space.id, normalise(space, raw))
            for space, (_, raw) in zip(spaces, record.ends, strict=True)
        )
        if one == other:
            raise MalformedIdentifier("expected two identifiers")
    except Refused as refusal:
        refused = Rejected(line=record.line, lines=1, code=refusal.code)
        return Made(statements=(), event=None, refused=(refused,))
    body = LinkBody(
        identifiers=(one, other),
        link=LinkKind.PROBABLE if record.model else LinkKind.ASSERTED,
        at=AT_COMMIT if record.at is None or record.at >= now else record.at,
        weight=record.weight,
        model=record.model,
    )
    draft = Draft(body=body, role=IMPORTED, source=source, message_key=message_key(str(record.number)))
    return Made(statements=(), event=draft, refused=())


def _stated(
    policy: Policy, said: Said, owner: Identifier, *, now: Instant, source: str, message_key: bytes
) -> Draft | Rejected:
    body = said.body
    if body is None:
        return Rejected(line=said.line, lines=1, code=WrongType.code, article="4(11)", purpose=said.purpose)
    refusal = check(body, policy, now=now)
    if refusal is not None:
        return Rejected(
            line=said.line, lines=1, code=refusal.code, article=refusal.article, purpose=said.purpose
        )
    return Draft(
        body=StatedBody(identifiers=(owner,), statement=body, authenticated=False),
        role=IMPORTED,
        purpose=body.purpose,
        source=source,
        message_key=message_key,
    )
