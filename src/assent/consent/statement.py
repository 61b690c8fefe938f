"""What a person said about a purpose, and the door that refuses what could not be consent.

Pure. `check` never raises: it names the problem's code and the GDPR article. Narrowing is let in almost
always (Art. 7(3): as easy to withdraw as to give), widening only with every duty of a statement met.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from assent.consent.duties import legal_basis, notice_in_force, old_enough
from assent.core.errors import (
    BundledConsent,
    FactRejected,
    FutureTime,
    InvalidMechanism,
    NotPermittedForPurpose,
    Refused,
    StaleNotice,
    UnknownPurpose,
)
from assent.core.ids import CategoryMask, EntryIndex, IdentifierId, PurposeId, mask
from assent.core.policy import LegalBasis, Policy, Purpose
from assent.core.time import Instant, to_instant


class State(StrEnum):
    """What was said, shown, signalled or found."""

    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    RENEWED = "renewed"
    CONFIRMED = "confirmed"
    """The second step of a double opt-in."""
    DEFERRED = "deferred"
    """Asked and not answered: says nothing."""
    NOTICE_SHOWN = "notice_shown"
    RESTRICTED = "restricted"
    """Art. 18; without a purpose it restricts everything."""
    UNRESTRICTED = "unrestricted"
    """The restriction was lifted (Art. 18(3))."""
    ERASED = "erased"
    GPC = "gpc"
    """`Sec-GPC: 1`; without a purpose it speaks about every purpose that listens to it."""
    SUPPRESSED = "suppressed"
    """Objected to direct marketing, was erased, is seen again; speaks about all direct marketing."""
    FINDING = "finding"
    """A finding against the way consent is asked for; it stands until the policy changes."""


WireState = Literal[
    "given", "refused", "withdrawn", "objected", "renewed", "confirmed", "deferred", "notice_shown"
]
"""What a caller may state; the other states are made inside."""

WIDENING = frozenset({State.GIVEN, State.RENEWED})
"""States that may open."""

NARROWING = frozenset({State.REFUSED, State.WITHDRAWN, State.OBJECTED, State.GPC})
"""States that close, unless the legal basis overrides them."""

MARKS = frozenset({State.RESTRICTED, State.UNRESTRICTED})
"""States of a restriction: it closes while it stands, and takes nothing away."""

MECHANISMS = frozenset(
    {
        *(
            "click",
            "tap",
            "button",
            "keypress",
            "gesture",
            "toggle",
            "switch",
            "checkbox",
            "form",
            "settings",
        ),
        *("preference_centre", "signature", "electronic_signature", "written", "paper", "oral", "phone"),
        *("email_link", "email_reply", "sms_reply", "double_opt_in", "carrier"),
    }
)
"""Clear affirmative acts (Art. 4(11), recital 32).

Pre-ticked boxes, scrolling, silence, cookie walls and words we do not know are not among them: what cannot be
shown to be an act is none.
"""

ACTORS = frozenset({"subject", "guardian"})
"""Who can give; a system never can."""


SEC_GPC = "sec_gpc"
"""What a statement that `Sec-GPC: 1` made names as its signal."""

EVERY = "*"
"""Names every purpose, declared now or not: what a person who withdraws from everything withdraws from."""


class Statement(Struct, frozen=True, kw_only=True):
    """One statement as the ledger keeps it: appended, never changed."""

    identifier: IdentifierId
    purpose: PurposeId | None
    """None speaks about every purpose (restriction, erasure, a browser's signal)."""
    state: State
    acted_at: Instant
    known_at: Instant
    entry: EntryIndex
    position: int = 0
    authenticated: bool = False
    imported: bool = False
    mechanism: str = ""
    notice_version: int | None = None
    language: str = ""
    actor: str = "subject"
    channel: str = ""
    jurisdiction: str = ""
    explicit: bool = False
    expires_at: Instant | None = None
    categories: CategoryMask = CategoryMask(0)
    """0 is all of the purpose's."""
    address: IdentifierId | None = None
    """Bound to this address alone; such a statement does not travel."""
    subject_age: int | None = None
    guardian_verified: bool | None = None
    conditional_on_service: bool = False
    bundle: tuple[str, ...] = ()
    person_scope: bool = False
    """Said by a verified person for the whole person; only together with `authenticated` does it re-open."""
    vendors: str | None = None
    """Whom alone it opens to, of vendors: a hexadecimal mask, vendor n the bit 1 << n. None: everybody."""


Time = Annotated[datetime, Meta(tz=True)]
"""A time on the wire: RFC 3339, with its offset."""

Age = Annotated[int, Meta(ge=0, le=150)]
"""Whole years. What nobody can be is no age: it would pass for one that is old enough."""


class NoticeReference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The notice that a statement answers."""

    id: str
    version: int
    language: str = ""


class StatementBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One item of `statements` on the wire."""

    purpose: str
    state: WireState
    mechanism: str = ""
    notice: NoticeReference | None = None
    explicit: bool = False
    categories: tuple[str, ...] = ()
    actor: Literal["subject", "guardian", "system"] = "subject"
    channel: str = ""
    jurisdiction: str = ""
    expires_at: Time | None = None
    event_time: Time | None = None
    imported: bool = False
    evidence: dict[str, object] = field(default_factory=dict)
    bundle: tuple[str, ...] = ()
    conditional_on_service: bool = False
    subject_age: Age | None = None
    guardian_verified: bool | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """Why the door refused a statement: a code of the wire, the GDPR article, and the member at fault."""

    code: str
    article: str
    pointer: str = ""


def check(body: StatementBody, policy: Policy, *, now: Instant) -> Refusal | None:
    """Return why `body` could not count, or None when it may be appended.

    Whatever passes may still open nothing: what depends on other statements, or on time, is for `decide`.
    """
    if body.purpose == EVERY and State(body.state) in NARROWING:
        return None
    number = policy.purpose_ids.get(body.purpose)
    purpose = None if number is None else policy.purposes.get(number)
    if purpose is None:
        return _refusal(UnknownPurpose, "5(1)(b)", "/purpose")
    named = [policy.category_ids.get(name) for name in body.categories]
    if any(category is None or not purpose.categories >> category & 1 for category in named):
        return _refusal(NotPermittedForPurpose, "5(1)(c)", "/categories")
    acted = acted_at(body, now)
    if acted > now:
        return _refusal(FutureTime, "5(1)(d)", "/event_time")
    if purpose.declared is not None and purpose.declared > acted:
        return _refusal(UnknownPurpose, "5(1)(b)", "/purpose")
    state = State(body.state)
    if state is State.NOTICE_SHOWN:
        return _check_notice(body, purpose, acted)
    if state in WIDENING:
        return _check_act(body) or _check_notice(body, purpose, acted) or _check_duties(body, purpose, acted)
    return None


def acted_at(body: StatementBody, now: Instant) -> Instant:
    """Return when the person acted: the commit's time, unless an imported statement brings its own."""
    return to_instant(body.event_time) if body.imported and body.event_time is not None else now


def statement_of(
    body: StatementBody,
    policy: Policy,
    *,
    identifier: IdentifierId,
    known_at: Instant,
    entry: EntryIndex,
    position: int = 0,
    authenticated: bool = False,
    person_scope: bool = False,
    address: IdentifierId | None = None,
    signal: str = "",
    vendors: str | None = None,
) -> Statement:
    """Return the statement that a body which passed `check` makes; KeyError when it did not pass.

    `person_scope` is true when an authenticated subject speaks through a person identifier and did not
    narrow the scope to the device. An objection that a browser's signal made is told apart (Art. 21(5)): no
    legal basis of a purpose that listens to it overrides it.
    """
    return Statement(
        identifier=identifier,
        purpose=None if body.purpose == EVERY else policy.purpose_ids[body.purpose],
        state=state_of(body, signal),
        acted_at=acted_at(body, known_at),
        known_at=known_at,
        entry=entry,
        position=position,
        authenticated=authenticated,
        imported=body.imported,
        mechanism=body.mechanism,
        notice_version=None if body.notice is None else body.notice.version,
        language="" if body.notice is None else body.notice.language,
        actor=body.actor,
        channel=body.channel,
        jurisdiction=body.jurisdiction,
        explicit=body.explicit,
        expires_at=None if body.expires_at is None else to_instant(body.expires_at),
        categories=CategoryMask(mask(policy.category_ids[name] for name in body.categories)),
        address=address,
        subject_age=body.subject_age,
        guardian_verified=body.guardian_verified,
        conditional_on_service=body.conditional_on_service,
        bundle=body.bundle,
        person_scope=person_scope,
        vendors=vendors,
    )


def state_of(body: StatementBody, signal: str) -> State:
    """Return the state of a statement that was read by `signal`, a section of signals.toml, or by none."""
    by_browser = signal == SEC_GPC and body.state == "objected"
    return State.GPC if by_browser else State(body.state)


def _check_act(body: StatementBody) -> Refusal | None:
    """Freely given, unambiguous, by somebody who can give (Art. 4(11), 7)."""
    if body.actor not in ACTORS:
        return _refusal(InvalidMechanism, "4(11)", "/actor")
    if body.bundle:
        return _refusal(BundledConsent, "7(2)", "/bundle")
    if body.conditional_on_service:
        return _refusal(BundledConsent, "7(4)", "/conditional_on_service")
    if body.mechanism not in MECHANISMS:
        return _refusal(InvalidMechanism, "4(11)", "/mechanism")
    return None


def _check_notice(body: StatementBody, purpose: Purpose, acted: Instant) -> Refusal | None:
    """Informed, and provably so: the statement names the notice that was in force (Art. 7(1), 13)."""
    if body.notice is None:
        return _refusal(StaleNotice, "7(1)", "/notice")
    if purpose.notice and body.notice.id != purpose.notice:
        return _refusal(StaleNotice, "7(1)", "/notice/id")
    # Versions are counted from 1, also where the purpose names none of them.
    if body.notice.version < 1 or not notice_in_force(purpose, body.notice.version, acted):
        return _refusal(StaleNotice, "7(1)", "/notice/version")
    return None


def _check_duties(body: StatementBody, purpose: Purpose, acted: Instant) -> Refusal | None:
    """Check what else a give must bring: a channel, age, explicitness, proof when it happened elsewhere."""
    if purpose.give_channels and body.channel not in purpose.give_channels:
        # Nor by one that is not said: that it was one of them could not be shown.
        return _refusal(InvalidMechanism, "7(1)", "/channel")
    if not old_enough(
        body.subject_age, purpose.digital_age, body.actor, guardian_verified=body.guardian_verified
    ):
        return _refusal(InvalidMechanism, "8(1)", "/subject_age")
    if legal_basis(purpose, acted) is LegalBasis.EXPLICIT_CONSENT and not body.explicit:
        return _refusal(InvalidMechanism, "9(2)(a)", "/explicit")
    if body.imported and (not body.evidence or body.event_time is None):
        # Without its time it would outrank a withdrawal that came after it; without evidence it only narrows.
        return _refusal(FactRejected, "7(1)", "/evidence" if body.event_time is not None else "/event_time")
    return None


def _refusal(error: type[Refused], article: str, pointer: str) -> Refusal:
    return Refusal(code=error.code, article=article, pointer=pointer)
