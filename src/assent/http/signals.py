"""What a request's signals become: statements before its events, and purposes its events are closed to.

One `Signals` serves one request. What a batch says again about the same identifier is stated once; what was
stated before the request is the fold's to tell, under the lock (`consent/news.py`).
"""

from collections.abc import Iterator, Sequence

from assent.core.errors import Refused
from assent.core.ids import PurposeId
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.http.keys import Caller
from assent.http.wiring import AnyRequest, Service
from assent.ingest.drafts import AT_COMMIT
from assent.ingest.facts import Draft, Identifier, StatedBody
from assent.ingest.identifiers_of import found
from assent.ingest.signalling import HEADER, SILENCE, Heard, Speaker, hear, signal_drafts
from assent.ingest.tracking import Call, event_time


def header_values(request: AnyRequest) -> tuple[str, ...]:
    """Return every value of `Sec-GPC`, as they were sent."""
    return tuple(request.headers.getall(HEADER, []))


class Signals:
    """The signals of one request."""

    def __init__(
        self, wired: Service, who: Caller, policy: Policy, headers: Sequence[str], received_at: Instant
    ) -> None:
        self._wired = wired
        self._who = who
        self._policy = policy
        self._headers = headers
        self._received_at = received_at
        self._told: dict[tuple[Identifier, str, str], str] = {}

    def of(self, call: Call) -> tuple[tuple[PurposeId, ...], list[Draft]]:
        """Return the purposes that a call's event is closed to, and what is stated before it."""
        heard = hear(self._policy, self._headers, call)
        if heard is SILENCE:
            return (), []
        try:
            identifiers = found(call, self._policy)
        except Refused:
            # The call is refused for it; nobody is named who could have said anything.
            return heard.closed, []
        return heard.closed, list(self._new(heard, identifiers, call))

    def of_header(self, identifiers: Sequence[Identifier]) -> list[Draft]:
        """Return what the request's header alone states about identifiers."""
        return list(self._new(hear(self._policy, self._headers), identifiers, None))

    def _new(self, heard: Heard, identifiers: Sequence[Identifier], call: Call | None) -> Iterator[Draft]:
        speaker = Speaker(
            role=self._who.role.value,
            source=self._who.counted_as,
            server=self._who.server,
            channel=_channel(self._who, call),
        )
        at = self._received_at if call is None else event_time(call, received_at=self._received_at)
        drafts = signal_drafts(
            self._policy,
            heard,
            identifiers,
            speaker=speaker,
            chosen_at=AT_COMMIT if at >= self._received_at else at,
            now=self._received_at,
            key=self._key_of(call),
        )
        for draft in drafts:
            body = draft.body
            if not isinstance(body, StatedBody):
                continue
            about = body.identifiers[0], body.statement.purpose, body.signal
            if body.chosen_at is not None or self._told.get(about) != body.statement.state:
                self._told[about] = body.statement.state
                yield draft

    def _key_of(self, call: Call | None) -> "_Key | None":
        if call is None or call.message_id is None:
            return None
        return _Key(self._wired, self._who, call.message_id)


class _Key:
    """Makes the keys by which the choices of one message, sent again, are recognised."""

    def __init__(self, wired: Service, who: Caller, message_id: str) -> None:
        self._wired = wired
        self._who = who
        self._message_id = message_id

    def __call__(self, about: str) -> bytes:
        """Return the key of what the message says about something."""
        # Of a source of its own: whatever the id is, the key of no event is like it.
        source = f"{self._who.counted_as}/chosen"
        return self._wired.ring.message_key(self._who.controller_id, source, f"{self._message_id}\n{about}")


def _channel(who: Caller, call: Call | None) -> str:
    said = None if call is None else call.context.get("channel")
    return said if isinstance(said, str) and said else who.declared.get("channel", "")
