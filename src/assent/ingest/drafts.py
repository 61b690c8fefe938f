"""Make the fact of a call, the same for whoever brings it: a tracking request, or a record of a file.

Pure. Raises what `fitting.check_fit` and `identifiers_of.found` raise.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from assent.core.ids import PurposeId
from assent.core.policy import IdentifierKind, LinkKind, Policy
from assent.core.time import Instant
from assent.ingest.contents import contents
from assent.ingest.context import NOTHING
from assent.ingest.facts import Draft, EventBody, Identifier
from assent.ingest.fitting import check_fit
from assent.ingest.identifiers_of import accounts, found
from assent.ingest.tracking import Call, CallType, event_time
from assent.ledger.append import Reading

AT_COMMIT: Final = Instant(1 << 62)
"""Stands for the commit's time, which only the commit knows."""


def event_draft(
    policy: Policy,
    call: Call,
    *,
    received_at: Instant,
    role: str,
    source: str,
    server: bool,
    message_key: bytes | None,
    reading: Reading | None = None,
    declared: Mapping[str, str] = NOTHING,
    closed: Sequence[PurposeId] = (),
) -> Draft:
    """Return the fact that a call makes. `server`: said by somebody who keeps a secret, not by a browser.

    `declared` is the channel and the source of calls that name none. `closed` are purposes for which a signal
    of the call forbids to collect it.
    """
    check_fit(call, policy)
    identifiers = found(call, policy)
    # What happened by now, by our own clock, happened at the commit: no earlier than what was said before it.
    at = event_time(call, received_at=received_at)
    return Draft(
        body=EventBody(
            identifiers=identifiers,
            link=_link(policy, call.type, identifiers, server=server),
            at=AT_COMMIT if at >= received_at else at,
            call=call.type.value,
            closed=tuple(closed),
        ),
        role=role,
        source=source,
        message_key=message_key,
        contents=contents(call, policy, declared, accounts(call, policy), server=server),
        reading=reading,
    )


def _link(policy: Policy, call: CallType, identifiers: tuple[Identifier, ...], *, server: bool) -> LinkKind:
    """Return what an event proves: a person named through a public key is a claim."""
    person = any(policy.namespaces[one.namespace].kind is IdentifierKind.PERSON for one in identifiers)
    if person and not server:
        return LinkKind.CLAIMED
    return LinkKind.ASSERTED if call is CallType.ALIAS else LinkKind.OBSERVED
