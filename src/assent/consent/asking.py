"""Whether a purpose may be asked about now: who said no is left alone for a while.

Steps of `may_ask`:

1. only a consent that a notice explains is asked for;
2. who agrees is not asked before their consent lapses;
3. who objected, by hand or by their browser, and who is restricted, is not asked at all;
4. who refused, withdrew or put the answer off is left alone for the purpose's `ask_again_after`,
5. unless the notice has changed materially since;
6. everybody else may be asked.

Pure. Raises nothing.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from assent.consent.duties import legal_basis
from assent.consent.question import Decision, Reason
from assent.consent.statement import WIDENING, State, Statement
from assent.core.policy import LegalBasis, Purpose
from assent.core.time import FOREVER, Instant, shifted


class Asking(Struct, frozen=True, kw_only=True):
    """Whether to ask now and, where not, from when on; None where nothing says when."""

    ask: bool
    again_at: Instant | None = None


def may_ask(
    purpose: Purpose, decision: Decision, said: Iterable[Statement], *, until: Instant | None, now: Instant
) -> Asking:
    """Return whether the person may be asked. `said` is what they stated about the purpose, on any device."""
    if legal_basis(purpose, now) not in _CONSENT or not purpose.notice:
        return _NEVER  # (1)
    if decision.allowed:
        return Asking(ask=False, again_at=None if until in (None, FOREVER) else until)  # (2)
    if decision.reason not in _OPEN:
        return _NEVER  # (3)
    answers = [one for one in said if one.state in _NO | WIDENING and one.acted_at <= now]
    last = max(answers, key=lambda one: (one.acted_at, one.state in _NO), default=None)
    if last is None or last.state not in _NO:
        return _NOW  # (6)
    if any(one.material and last.acted_at < one.at <= now for one in purpose.notices):
        return _NOW  # (5)
    try:
        rested = shifted(last.acted_at, purpose.ask_again_after)
    except (OverflowError, ValueError):
        return _NEVER
    return _NOW if now >= rested else Asking(ask=False, again_at=rested)  # (4)


_CONSENT: Final = frozenset({LegalBasis.CONSENT, LegalBasis.EXPLICIT_CONSENT})
_NO: Final = frozenset({State.REFUSED, State.WITHDRAWN, State.DEFERRED})
_NOW: Final = Asking(ask=True)
_NEVER: Final = Asking(ask=False)

_OPEN: Final = frozenset(
    {
        *(Reason.SILENT, Reason.REFUSED, Reason.WITHDRAWN, Reason.EXPIRED, Reason.STALE_NOTICE),
        *(Reason.NOT_COVERED, Reason.NO_ACT, Reason.UNPROVEN, Reason.NOT_EXPLICIT, Reason.REQUIRED),
    }
)
"""Reasons of a no that an answer could change."""
