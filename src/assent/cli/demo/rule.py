"""Who of the file's customers agreed to what, by a rule anyone can recompute: nobody was asked in 2010.

Pure. A statement of the demo says in its evidence that it is one, and by which rule it was made.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from assent.core.policy import Policy, Purpose

RULE: Final = (
    "byte n of SHA-256(customer number), for the n-th of {purposes}: "
    "below the first number it says yes, from the second on no, between them nothing"
)

THRESHOLDS: Final[Mapping[str, tuple[int, int]]] = {
    "personalisation": (154, 230),  # of 256: 60 % yes, 10 % no
    "email_marketing": (90, 192),  # 35 % yes, 25 % no
    "analytics": (128, 230),  # 50 % yes, 10 % no
    "advertising": (38, 128),  # 15 % yes, 50 % no
}


def rule_text() -> str:
    """Return the rule in words and numbers, as it stands in the evidence."""
    purposes = ", ".join(f"{name} ({yes}, {no})" for name, (yes, no) in THRESHOLDS.items())
    return RULE.format(purposes=purposes)


def choices(customer: str) -> dict[str, str]:
    """Return what the rule lets a customer say: `given` or `refused` by purpose, silence left out."""
    digest = hashlib.sha256(customer.encode()).digest()
    said: dict[str, str] = {}
    for place, (purpose, (yes, no)) in enumerate(THRESHOLDS.items()):
        if digest[place] < yes:
            said[purpose] = "given"
        elif digest[place] >= no:
            said[purpose] = "refused"
    return said


def statement(policy: Policy, purpose: str, state: str, event_time: str) -> dict[str, object]:
    """Return a statement as `POST /v1/consents` takes it, in front of the notice in force."""
    notice = _notice(policy, policy.purposes[policy.purpose_ids[purpose]])
    return {
        "purpose": purpose,
        "state": state,
        "mechanism": "click",
        "notice": notice,
        "channel": "web",
        "imported": True,
        "event_time": event_time,
        "evidence": {"demo": rule_text()},
    }


def _notice(policy: Policy, purpose: Purpose) -> dict[str, object]:
    return {
        "id": purpose.notice,
        "version": policy.notices[purpose.notice]["en"].version,
        "language": "en",
    }
