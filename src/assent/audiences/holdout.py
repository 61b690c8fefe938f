"""Which members of an audience are kept out of a campaign, so that its effect can be read against them.

A member's bucket is *control* or *treatment*: a draw (`share`) on the keyed hash of the identifier that
stands for the profile, so a function of what the purpose may use and of nothing else. Membership is not
touched: a control member is a member. When two profiles merge, the bucket of the identifier that the purpose
could use first persists (of equals, that of the namespace of higher priority, then of the lower hash); each
part of a split is drawn by its own, so the part that keeps that identifier keeps its bucket, and linking then
unlinking changes nothing. A larger share of one salt keeps whom the smaller held; audiences of one salt share
their control group. Pure. Raises WrongType with a pointer.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from assent.audiences.rule import And, Bucket, Rule
from assent.audiences.share import key_of_subject, span
from assent.core.errors import WrongType
from assent.features.catalogue import MILLIONTHS, millionths


class Arm(StrEnum):
    """A bucket of an audience's members, as it is named on the wire."""

    CONTROL = "control"
    TREATMENT = "treatment"


ARMS: Final = frozenset(Arm)


class Holdout(Struct, frozen=True, kw_only=True):
    """The share of an audience that is held out, in millionths, and what it is drawn by."""

    share: int
    salt: str

    @property
    def said(self) -> Decimal:
        """The share as people say it."""
        return Decimal(self.share) / MILLIONTHS


def held_out(share: float, salt: str, *, pointer: str = "/holdout") -> Holdout:
    """Return a holdout, checked."""
    exact = millionths(share)
    if exact is None or not 0 < exact < MILLIONTHS:
        raise WrongType(
            "expected a share between 0 and 1, of at most six decimals", pointer=pointer + "/share"
        )
    return Holdout(share=exact, salt=salt)


def arm_of(holdout: Holdout | None, subject: bytes) -> Arm | None:
    """Return the bucket of the person for whom a keyed hash stands; None where nobody is held out."""
    if holdout is None:
        return None
    held = span(holdout.salt, 0, holdout.share).holds(key_of_subject(subject))
    return Arm.CONTROL if held else Arm.TREATMENT


def part(rule: Rule, holdout: Holdout, arm: Arm) -> Rule:
    """Return the rule for those of one bucket."""
    low, high = (0, holdout.said) if arm is Arm.CONTROL else (holdout.said, 1)
    return And(of=(rule, Bucket(salt=holdout.salt, low=low, high=high)))


def write(holdout: Holdout | None) -> str | None:
    """Return what is stored of a holdout, of which `read` gives it back."""
    return None if holdout is None else msgspec.json.encode(holdout).decode()


def read(text: str | None) -> Holdout | None:
    """Return a stored holdout."""
    return None if text is None else msgspec.json.decode(text, type=Holdout)
