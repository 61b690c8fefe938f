"""What a collection call says about consent beside its event: signals of machines, a platform's categories.

By policies/signals.toml, which names the purposes:

- `Sec-GPC`, a header: exactly `1` objects, every other value says nothing.
- Google's consent mode, an object `{type: "granted" | "denied"}` at the configured path, or a `gcs` text
  (`G1`, then a digit each for `ad_storage` and `analytics_storage`). `granted` says nothing; whatever else is
  said of a type closes its purposes. `{"default": {...}, "update": {...}}` tells the page's own default
  from what somebody chose: a default closes its event and is nobody's statement.
- Segment's consent object, `{category: true | false}`, speaks for a person. `true` gives where the category
  is mapped to a notice and an act, and `check` finds every duty of a statement met; anything else says no.
  A batch's own consent object is about many people, so it gives for none of them.

Whom it binds: every identifier of a server's call; of a browser's, whose key is public, no person. Whatever
narrows also closes its event (`closed`), for the purposes under it and those made of it too.

A machine signal has no branch that widens. Pure. Raises nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from assent.consent.statement import SEC_GPC, NoticeReference, StatementBody, WireState, check
from assent.core.carried import CategoryPreferences, ConsentMode
from assent.core.ids import PurposeId
from assent.core.per_policy import PerPolicy
from assent.core.policy import IdentifierKind, Policy, Purpose
from assent.core.time import Instant
from assent.ingest.facts import Draft, Identifier, StatedBody
from assent.ingest.identifiers_of import value_at
from assent.ingest.tracking import Call, CallType

HEADER: Final = "sec-gpc"
CONSENT_MODE: Final = "consent_mode"
SEGMENT_CONSENT: Final = "segment_consent"

_GCS: Final = re.compile(r"G1([01-])([01-])", re.ASCII)
_GCS_TYPES: Final = ("ad_storage", "analytics_storage")
_GCS_STATES: Final = {"1": "granted", "0": "denied"}
_MOMENTS: Final = frozenset({"default", "update"})
_GRANTED: Final = "granted"


class Stance(NamedTuple):
    """What one signal says about one purpose."""

    purpose: Purpose
    signal: str
    state: WireState
    notice: int | None = None
    mechanism: str = ""


class Heard(Struct, frozen=True, kw_only=True):
    """What a call says about consent."""

    stances: tuple[Stance, ...] = ()
    closed: tuple[PurposeId, ...] = ()
    """Purposes for which the call's event is not to be collected."""
    chosen: bool = False
    """Whether the call tells of a choice made just now, rather than repeating one."""


class Speaker(Struct, frozen=True, kw_only=True):
    """Who brings the call."""

    role: str
    source: str
    server: bool
    channel: str = ""


SILENCE: Final = Heard()


def hear(policy: Policy, headers: Sequence[str], call: Call | None = None) -> Heard:
    """Return what `Sec-GPC` (`headers` are its values) and a call, if there is one, say about consent."""
    stances = list(_browser(policy, headers))
    closed = [one.purpose.id for one in stances]
    chosen = False
    if call is not None and policy.consent_mode is not None:
        denied, chosen_no = _denied(policy.consent_mode, value_at(call.item, policy.consent_mode.source))
        closed += denied
        stances += [
            Stance(policy.purposes[one], CONSENT_MODE, _narrowing(policy.consent_mode.state))
            for one in chosen_no
        ]
    if call is not None and policy.category_preferences is not None:
        carried = list(_carried(policy, policy.category_preferences, call))
        closed += [one.purpose.id for one in carried if one.state == "refused"]
        stances += carried
        chosen = call.type is CallType.TRACK and call.name == policy.category_preferences.event
    if not stances and not closed:
        return SILENCE
    return Heard(stances=tuple(stances), closed=_with_dependants(policy, closed), chosen=chosen)


def signal_drafts(
    policy: Policy,
    heard: Heard,
    identifiers: Sequence[Identifier],
    *,
    speaker: Speaker,
    chosen_at: Instant,
    now: Instant,
    key: Callable[[str], bytes] | None = None,
) -> Iterator[Draft]:
    """Yield the statements that were heard, for each identifier that they bind.

    `key` makes the keys by which a choice that is sent again is recognised.
    """
    for stance in heard.stances:
        body = _body(stance, speaker)
        if check(body, policy, now=now) is not None:
            continue
        chosen = heard.chosen and stance.signal == SEGMENT_CONSENT
        for place, one in enumerate(identifiers):
            if not speaker.server and policy.namespaces[one.namespace].kind is IdentifierKind.PERSON:
                continue
            yield Draft(
                body=StatedBody(
                    identifiers=(one,),
                    statement=body,
                    authenticated=False,
                    signal=stance.signal,
                    chosen_at=chosen_at if chosen else None,
                ),
                role=speaker.role,
                purpose=stance.purpose.name,
                source=speaker.source,
                message_key=key(f"{stance.purpose.name} {place}") if chosen and key else None,
            )


def _body(stance: Stance, speaker: Speaker) -> StatementBody:
    notice = None
    if stance.notice is not None:
        notice = NoticeReference(id=stance.purpose.notice, version=stance.notice)
    return StatementBody(
        purpose=stance.purpose.name,
        state=stance.state,
        mechanism=stance.mechanism or stance.signal,
        notice=notice,
        actor="subject" if stance.signal == SEGMENT_CONSENT else "system",
        channel=speaker.channel,
    )


def _browser(policy: Policy, headers: Sequence[str]) -> Iterator[Stance]:
    signal = policy.signals.get(SEC_GPC)
    if signal is not None and signal.value in headers:
        for number in signal.purposes:
            yield Stance(policy.purposes[number], SEC_GPC, _narrowing(signal.state))


def _denied(mode: ConsentMode, said: object) -> tuple[list[PurposeId], list[PurposeId]]:
    """Return the purposes that the mode closes now, and those of them that it closes by a choice."""
    types: Mapping[str, object]
    match said:
        case None:
            return [], []
        case str():
            types = _read_gcs(said, mode)
        case dict():
            types = said
        case _:
            types = dict.fromkeys(mode.purposes)  # there, and unreadable: nothing is known to be granted
    if not _MOMENTS.isdisjoint(types):
        default, update = _members(types.get("default")), _members(types.get("update"))
        now = {**default, **update}
        return _closed_by(mode, now), _closed_by(mode, update)
    closed = _closed_by(mode, types)
    return closed, closed


def _closed_by(mode: ConsentMode, types: Mapping[str, object]) -> list[PurposeId]:
    """Return the purposes of every type that is named and not granted, each once."""
    denied = (named for name, named in mode.purposes.items() if types.get(name, _GRANTED) != _GRANTED)
    return list(dict.fromkeys(purpose for named in denied for purpose in named))


def _read_gcs(text: str, mode: ConsentMode) -> Mapping[str, object]:
    found = _GCS.fullmatch(text)
    if found is None:
        return dict.fromkeys(mode.purposes)
    pairs = zip(_GCS_TYPES, found.groups(), strict=True)
    return {name: _GCS_STATES[digit] for name, digit in pairs if digit in _GCS_STATES}


def _members(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _carried(policy: Policy, mapped: CategoryPreferences, call: Call) -> Iterator[Stance]:
    said = value_at(call.item, mapped.source)
    if said is None:
        return
    # What a batch says stands for many people: nobody of them said yes.
    is_own = said is not value_at({"context": call.inherited}, mapped.source)
    preferences = _members(said)
    unreadable = not isinstance(said, dict)
    refused: dict[PurposeId, Stance] = {}
    given: dict[PurposeId, Stance] = {}
    for name, choice in mapped.categories.items():
        purpose = policy.purposes[choice.purpose]
        if unreadable or preferences.get(name, True) is not True:
            refused[purpose.id] = Stance(purpose, SEGMENT_CONSENT, "refused")
        elif name in preferences and choice.notice is not None and is_own:
            given[purpose.id] = Stance(purpose, SEGMENT_CONSENT, "given", choice.notice, choice.mechanism)
    yield from refused.values()
    # Of two categories that are one purpose here, a yes to one is no yes to the other.
    yield from (stance for number, stance in given.items() if number not in refused)


def _narrowing(state: str) -> WireState:
    """Return the state in which a machine's signal is kept: one that closes, whatever is configured."""
    match state:
        case "objected" | "withdrawn":
            return state
        case _:
            return "refused"


def _with_dependants(policy: Policy, closed: Iterable[PurposeId]) -> tuple[PurposeId, ...]:
    dependants = _dependants(policy)
    return tuple(sorted({each for one in closed for each in dependants[one]}))


def _work_out(policy: Policy) -> dict[PurposeId, frozenset[PurposeId]]:
    """Return, for each purpose, all that close with it: those under it, and those that require it."""
    found: dict[PurposeId, frozenset[PurposeId]] = {}
    for number in policy.purposes:
        waiting, closed = [number], {number}
        while waiting:
            one = waiting.pop()
            for other in policy.purposes.values():
                if other.id not in closed and (other.parent == one or one in other.requires_all):
                    closed.add(other.id)
                    waiting.append(other.id)
        found[number] = frozenset(closed)
    return found


_dependants: Final = PerPolicy(_work_out)
