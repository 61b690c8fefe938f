"""What a carrier says about one purpose: an ordinary statement, or why its yes cannot be one.

Pure: structs and the look-ups that the carriers share.
"""

from msgspec import Struct

from assent.consent.statement import Refusal, StatementBody
from assent.core.policy import Purpose

MECHANISM = "carrier"
"""A platform asked, and a person acted there."""


class Carried(Struct, frozen=True, kw_only=True):
    """One statement, ready for the door; or, with a `refusal`, one that must not be made."""

    body: StatementBody
    vendors: str | None = None
    """See `Statement.vendors`."""
    refusal: Refusal | None = None


def objection(purpose: Purpose, carrier: str, text: str) -> Carried:
    """Return an objection (Art. 21), which counts from when it is heard."""
    return Carried(
        body=StatementBody(
            purpose=purpose.name, state="objected", mechanism=MECHANISM, evidence=evidence(carrier, text)
        )
    )


def evidence(carrier: str, text: str) -> dict[str, object]:
    """Return the proof that is kept sealed with the statement: the string as it came (Art. 7(1))."""
    return {"carrier": carrier, "string": text}
