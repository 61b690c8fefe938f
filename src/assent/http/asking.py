"""Who asks about a whole audience, as `answers` takes it. Raises UnknownPurpose, PurposeNotBound."""

from msgspec import Struct

from assent.audiences.answers import Asking
from assent.http.access import may_use
from assent.http.at_least import sequence_asked
from assent.http.keys import Caller
from assent.http.wiring import AnyRequest, service


class PurposeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which purpose to answer."""

    purpose: str


async def asking_for(request: AnyRequest, who: Caller, purpose: str) -> Asking:
    """Return who asks; the key may use the purpose."""
    may_use(who, await service(request).policies.current(who.controller_id), purpose)
    return Asking(
        controller_id=who.controller_id,
        purpose=purpose,
        consumer=who.consumer,
        exact=who.members,
        at_least=sequence_asked(request),
    )
