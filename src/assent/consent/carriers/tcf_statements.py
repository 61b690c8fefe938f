"""What a TC string states about the purposes that `[tcf]` of signals.toml maps.

For each purpose:

1. a purpose on another basis than consent or legitimate interests: nothing;
2. what the platform did not ask, purpose 1 (PurposeOneTreatment) or a vendor, ourselves, that it did not
   show: nothing;
3. the person's no: consent is refused, legitimate interests are objected to. It counts in every string that
   can be read;
4. a vendor, ourselves, that the publisher's restrictions keep from the basis: nothing;
5. the person's yes: given, and where interests were made transparent, the notice shown. It counts only in a
   string that meets every condition of `incomplete`, and for the vendors alone that it names.

The time is LastUpdated, a day without its hour since 2022. A string of today, or of a clock that runs ahead,
is said when it arrives; one of an earlier day at the beginning of that day, so that whatever the person said
in another way since then outweighs it. Objecting in the framework cannot be told from interests that nobody
made transparent, and is taken for what closes.

Pure. Raises nothing.
"""

from typing import Final

from msgspec import Struct

from assent.consent.carriers.carried import MECHANISM, Carried, evidence
from assent.consent.carriers.numbers import (
    NOT_ALLOWED,
    REQUIRE_CONSENT,
    REQUIRE_LEGITIMATE_INTERESTS,
    Ranges,
    holds,
    mask,
)
from assent.consent.carriers.tcf import FIRST_CMP, TcString
from assent.consent.duties import legal_basis
from assent.consent.statement import NoticeReference, Refusal, StatementBody, WireState
from assent.core.carried import TcfTerms
from assent.core.errors import FutureTime, MalformedSignal
from assent.core.policy import LegalBasis, Policy, Purpose
from assent.core.time import DAY, Duration, Instant, shifted, to_datetime

VALID_FOR: Final = Duration(months=13)
"""The framework's policies: after 13 months at the latest the platform asks again."""

AHEAD: Final = 35 * DAY
"""How far a clock may run ahead: as long as the same string is recognised when it comes again."""

UNKNOWN_COUNTRY: Final = "AA"


class Reading(Struct, frozen=True, kw_only=True):
    """A string that is read under a policy's terms at an instant."""

    said: TcString
    text: str
    carrier: str
    terms: TcfTerms
    now: Instant

    @property
    def is_of_today(self) -> bool:
        """Whether it says nothing about when before today it was made."""
        return self.said.last_updated // DAY >= self.now // DAY


def tcf_statements(
    said: TcString, text: str, policy: Policy, *, now: Instant, carrier: str = "tcf"
) -> tuple[Carried, ...]:
    """Return what the string states, in the order of the purposes' numbers."""
    if policy.tcf is None:
        return ()
    reading = Reading(said=said, text=text, carrier=carrier, terms=policy.tcf, now=now)
    stated = (_stated(reading, policy.purposes[number]) for number in sorted(policy.tcf.notices))
    return tuple(each for each in stated if each is not None)


def incomplete(reading: Reading) -> Refusal | None:
    """Return why a string's yes does not count, or None when it does."""
    said, terms = reading.said, reading.terms
    if said.last_updated > reading.now + AHEAD:
        return _refusal(FutureTime.code, "5(1)(d)")
    disclosed = said.vendors_disclosed
    conditions = (
        said.cmp_id >= FIRST_CMP and (not terms.cmps or said.cmp_id in terms.cmps),
        said.policy_version >= terms.min_policy_version,
        said.is_service_specific or not terms.require_service_specific,
        # Since 2022 both are the day of the last update, the hour zeroed.
        said.created == said.last_updated and not said.last_updated % DAY,
        reading.now < shifted(_made(reading), VALID_FOR),
        # TCF 2.3: without the vendors that were shown, nobody knows to whom a yes was said.
        disclosed is not None and (terms.vendor is None or holds(disclosed, terms.vendor)),
    )
    return None if all(conditions) else _refusal(MalformedSignal.code, "7(1)")


def _stated(reading: Reading, purpose: Purpose) -> Carried | None:
    number = purpose.tcf_purpose
    basis = legal_basis(purpose, reading.now)
    if number is None:
        return None
    if basis is LegalBasis.CONSENT:
        return _consent(reading, purpose, number)
    if basis is LegalBasis.LEGITIMATE_INTERESTS:
        return _interests(reading, purpose, number)
    return None  # (1) nothing that a string could say


def _consent(reading: Reading, purpose: Purpose, number: int) -> Carried | None:
    said, vendor = reading.said, reading.terms.vendor
    if number == 1 and said.purpose_one_treatment:
        return None  # (2) nobody was asked
    if not said.purpose_consents[number - 1]:
        return _carried(reading, purpose, "refused")  # (3) the person's no
    if vendor is not None and not holds(said.vendor_consents, vendor):
        return _carried(reading, purpose, "refused") if _was_shown(said, vendor) else None  # (3) or (2)
    barred = _barred(said, number, REQUIRE_LEGITIMATE_INTERESTS)
    if vendor is not None and barred >> vendor & 1:
        return None  # (4) the publisher's no
    return _carried(reading, purpose, "given", _vendors(said, said.vendor_consents, barred))  # (5)


def _interests(reading: Reading, purpose: Purpose, number: int) -> Carried | None:
    said, vendor = reading.said, reading.terms.vendor
    if not said.purpose_legitimate_interests[number - 1]:
        return _carried(reading, purpose, "objected")  # (3) the person's no
    if vendor is not None and not holds(said.vendor_legitimate_interests, vendor):
        return _carried(reading, purpose, "objected") if _was_shown(said, vendor) else None  # (3) or (2)
    barred = _barred(said, number, REQUIRE_CONSENT)
    if vendor is not None and barred >> vendor & 1:
        return None  # (4) the publisher's no
    vendors = _vendors(said, said.vendor_legitimate_interests, barred)
    return _carried(reading, purpose, "notice_shown", vendors)  # (5) told, and no objection


def _was_shown(said: TcString, vendor: int) -> bool:
    """Return whether the person may have seen the vendor; where no string says so, they may."""
    return said.vendors_disclosed is None or holds(said.vendors_disclosed, vendor)


def _barred(said: TcString, number: int, instead: int) -> int:
    """Return the vendors that the publisher keeps from a purpose on a basis, as a mask."""
    return mask(
        run
        for each in said.restrictions
        if each.purpose == number and each.kind in (NOT_ALLOWED, instead)
        for run in each.vendors
    )


def _vendors(said: TcString, permitted: Ranges, barred: int) -> str:
    return format(mask(permitted) & mask(said.vendors_disclosed or ()) & ~barred, "x")


def _carried(reading: Reading, purpose: Purpose, state: WireState, vendors: str | None = None) -> Carried:
    said = reading.said
    widens = state in ("given", "notice_shown")
    body = StatementBody(
        purpose=purpose.name,
        state=state,
        mechanism=MECHANISM,
        notice=NoticeReference(
            id=purpose.notice,
            version=reading.terms.notices[purpose.id],
            language=said.consent_language.lower(),
        ),
        jurisdiction="" if said.publisher_country_code == UNKNOWN_COUNTRY else said.publisher_country_code,
        expires_at=to_datetime(shifted(_made(reading), VALID_FOR)) if widens else None,
        event_time=None if reading.is_of_today else to_datetime(said.last_updated),
        imported=not reading.is_of_today,
        evidence=evidence(reading.carrier, reading.text),
    )
    return Carried(body=body, vendors=vendors, refusal=incomplete(reading) if widens else None)


def _made(reading: Reading) -> Instant:
    return min(reading.said.last_updated, reading.now)


def _refusal(code: str, article: str) -> Refusal:
    return Refusal(code=code, article=article, pointer="/string")
