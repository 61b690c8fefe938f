"""What an identifier's own statements deny, whoever else it is one person with.

Pure; raises nothing.
"""

from collections.abc import Sequence

from assent.consent.statement import NARROWING, Statement
from assent.consent.statement import State as Said
from assent.core.ids import EntryIndex, IdentifierId, PurposeId, PurposeMask
from assent.core.policy import Policy
from assent.core.time import Instant


def suppression_of(one: IdentifierId, index: EntryIndex, since: Instant, now: Instant) -> Statement:
    """Return the objection to direct marketing that outlasted an erasure, for who is seen again."""
    return Statement(
        identifier=one,
        purpose=None,
        state=Said.SUPPRESSED,
        acted_at=since,
        known_at=now,
        entry=index,
        position=1,
        mechanism="suppression",
    )


def denied_purposes(said: Sequence[Statement], policy: Policy) -> PurposeMask:
    """Return the purposes that an identifier's own newest statements deny; a tie denies, a parent covers."""
    newest: dict[PurposeId | None, tuple[Instant, bool]] = {}
    for one in said:
        if one.state is Said.SUPPRESSED:
            marketing = [purpose.id for purpose in policy.purposes.values() if purpose.direct_marketing]
            for each in marketing:
                newest[each] = max(newest.get(each, (one.acted_at, True)), (one.acted_at, True))
            continue
        negative = one.state in NARROWING
        speaks = negative or one.state in ("given", "renewed")
        if one.address is None and speaks and (one.purpose is not None or one.state is not Said.GPC):
            newest[one.purpose] = max(
                newest.get(one.purpose, (one.acted_at, False)), (one.acted_at, negative)
            )
    # What was said of every purpose stands for each about which nothing was said later.
    of_all = newest.pop(None, None)
    denied = {purpose for purpose, stance in newest.items() if max(stance, of_all or stance)[1]}
    if of_all is not None and of_all[1]:
        denied |= policy.purposes.keys() - newest.keys()
    bits = 0
    for purpose in policy.purposes.values():
        step: PurposeId | None = purpose.id
        while step is not None:
            if step in denied:
                bits |= 1 << purpose.id
            parent = policy.purposes.get(step)
            step = parent.parent if parent is not None else None
    return PurposeMask(bits)
