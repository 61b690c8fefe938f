"""Apply a write once, however often it is sent: `Idempotency-Key` on writes of ours, for 24 hours.

    return await once(request, who, act)

(1) the key is claimed (`http/claims.py`), for this caller, route and body; (2) `act` does the work, and its
facts carry message keys made of the claim; (3) the answer is sealed and kept, and a repeat is given it.

A refusal changed nothing: it is not kept, and the mended request may bring the same key. A crash before (2)
has appended leaves a claim; a crash after it leaves a claim without its answer. Either way who repeats the
request acts again, at once or a few seconds later, and facts that were taken are recognised and answered with
the entries they became: nothing is applied twice. An answer that says how things stand says it as of then.

Once an entry that an answer tells of is erased, the answer is let go, and a repeat is refused: acting again
would state anew what somebody had erased. A claim without its answer tells of no entry: if what it appended
is erased before the repeat, nothing recognises it, and the repeat is a request like any other.

Answers that show a secret are never kept, so requests for one refuse the header: see `refuse_key`.

Raises IdempotencyMismatch, IdempotencyInFlight, Erased, UnreadableBody.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from litestar import Response

from assent.core.errors import UnreadableBody
from assent.http.access import Subject
from assent.http.claims import Claim, Stamped
from assent.http.keys import Caller
from assent.http.wiring import AnyRequest, Service, service

HEADER: Final = "idempotency-key"

_LONGEST: Final = 255

Act = Callable[[Service], Awaitable[Response[bytes]]]


async def once(request: AnyRequest, who: Caller | Subject, act: Act) -> Response[bytes]:
    """Return the answer of `act`, called once for an Idempotency-Key of this caller; the kept one after that.

    `act` is given the service whose ledger it shall append to. Without the header it is simply called.
    """
    wired = service(request)
    text = request.headers.get(HEADER)
    if text is None:
        return await act(wired)
    if not 0 < len(text) <= _LONGEST or not (text.isascii() and text.isprintable()):
        raise UnreadableBody("An Idempotency-Key is 1 to 255 printable ASCII characters.")
    key = f"{request.method} {request.url.path} {text}"
    wanted = wired.answers.wanted(who.controller_id, _name(who), key, await request.body())
    claim = await wired.answers.claim(wanted)
    if not isinstance(claim, Claim):
        return claim
    stamped = Stamped(wired.ledger, wired.ring, claim)
    acting = act(msgspec.structs.replace(wired, ledger=stamped))
    return await wired.answers.settled(claim, acting, stamped, personal=isinstance(who, Subject))


def refuse_key(request: AnyRequest) -> None:
    """Raise UnreadableBody for an Idempotency-Key where the answer shows a secret.

    Such an answer cannot be given twice: keys are kept as digests alone, and a kept answer would be the one
    place where they could be read. To take the header and ignore it would promise what does not hold.
    """
    if HEADER in request.headers:
        raise UnreadableBody("This answer shows a secret once: it takes no Idempotency-Key.")


def _name(who: Caller | Subject) -> str:
    """Return whose key it is: tokens are minted anew every few minutes, the person stays."""
    if isinstance(who, Caller):
        return f"key {who.key_id}"
    return f"subject {msgspec.json.encode((sorted(who.identifiers), who.verified)).decode()}"
