"""Questions for single steps of `decide` that rows cannot put: policies nobody may activate, single marks."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from assent.consent.decide import Cluster, Question
from assent.consent.statement import Statement
from assent.core.ids import CategoryMask
from assent.core.policy import Category, LegalBasis, Policy
from tests.unit.consent.people import (
    BROWSING,
    COOKIE,
    EMAIL,
    HEALTH,
    MARKETING,
    PERSON,
    TODAY,
    cluster,
    day,
    linked,
    policy,
    purpose,
    said,
)
from tests.unit.consent.rows import Decide

ON: Final = 9
PART: Final = CategoryMask(1 << BROWSING)
INTERESTS: Final[dict[str, Any]] = {"legal_basis": LegalBasis.LEGITIMATE_INTERESTS}
TOGETHER: Final = cluster(linked(PERSON, COOKIE, 0))


class Case(Struct, frozen=True, kw_only=True):
    """A question on day 9, and which step answers it how."""

    allowed: bool
    step: int
    history: tuple[Statement, ...] = ()
    policy: Policy = policy()
    cluster: Cluster = Cluster(members=(PERSON,))
    asked: Mapping[str, Any] = {}

    def holds(self, decide: Decide) -> bool:
        """Return whether `decide` answers as it must, by the step that must."""
        asked: dict[str, Any] = {"category": BROWSING, **self.asked}
        question = Question(identifier=PERSON, purpose=MARKETING, at=day(ON), known_at=TODAY, **asked)
        found = decide(self.history, self.cluster, self.policy, question)
        return (found.allowed, found.step) == (self.allowed, self.step)


CASES: Final = {
    "companion-silent": Case(
        allowed=False,
        step=9,
        history=(said("given", 1),),
        policy=policy(
            purpose(),
            purpose(EMAIL),
            categories={BROWSING: Category(id=BROWSING, name="browsing", also=(EMAIL,))},
        ),
    ),
    "health-by-contract": Case(
        allowed=False,
        step=10,
        policy=policy(purpose(legal_basis=LegalBasis.CONTRACT)),
        asked={"category": HEALTH},
    ),
    "nobody-weighed": Case(
        allowed=False, step=13, history=(said("notice_shown", 1),), policy=policy(purpose(**INTERESTS))
    ),
    "withdrawn-elsewhere-alone": Case(
        allowed=False,
        step=16,
        history=(said("given", 1),),
        policy=policy(purpose(give_channels=frozenset({"web"}), withdraw_channels=frozenset({"phone"}))),
    ),
    "nothing-said": Case(allowed=False, step=18),
    "no-notice-named": Case(allowed=False, step=21, history=(said("given", 1, notice_version=None),)),
    "parts-in-a-circle": Case(
        allowed=False,
        step=8,
        history=(said("given", 1), said("given", 1, EMAIL)),
        policy=policy(purpose(requires_all=(EMAIL,)), purpose(EMAIL, requires_all=(MARKETING,))),
    ),
    "source-was-parted": Case(
        allowed=False,
        step=3,
        history=(said("given", 1), said("given", 1, by=COOKIE)),
        cluster=cluster(linked(PERSON, COOKIE, 0, 5)),
        asked={"sources": (COOKIE,)},
    ),
    "another-device-erased": Case(
        allowed=True,
        step=26,
        history=(said("given", 1), said("erased", 2, None, COOKIE)),
        cluster=TOGETHER,
    ),
    "who-is-asked-about-erased": Case(
        allowed=False,
        step=4,
        history=(said("given", 1, by=COOKIE), said("erased", 2, None)),
        cluster=TOGETHER,
        asked={"sources": (COOKIE,)},
    ),
    "restriction-lifted": Case(
        allowed=True,
        step=26,
        history=(said("given", 1), said("restricted", 2, None), said("unrestricted", 3, None)),
    ),
    "restriction-lifted-at-once": Case(
        allowed=False,
        step=5,
        history=(said("given", 1), said("restricted", 2, None), said("unrestricted", 2, None)),
    ),
    "a-part-is-not-the-whole": Case(
        allowed=False, step=18, history=(said("given", 1, categories=PART),), asked={"category": None}
    ),
    "a-part-takes-no-whole-back": Case(
        allowed=False,
        step=7,
        history=(
            said("given", 1),
            said("refused", 2, by=COOKIE),
            said("given", 3, by=COOKIE, categories=PART),
        ),
        cluster=TOGETHER,
        asked={"category": None},
    ),
    "scope-without-authentication": Case(
        allowed=False,
        step=7,
        history=(said("refused", 1, by=COOKIE), said("given", 2, person_scope=True)),
        cluster=TOGETHER,
    ),
}
