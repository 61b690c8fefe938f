"""`assent run` whose commits are slow, and which says at its end how deep its queue was for those let in.

`python -m tests.support.loaded BOUND`: BOUND is `bounded`, or `lifted` to take whatever comes. Its last line
is a JSON object.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from assent.cli import main
from assent.core.ids import ControllerId
from assent.http import intake, pace
from assent.ingest import batch, committer
from assent.ingest.committer import Committer
from assent.ledger.append import Appended, Fact

PAUSE_S = 0.15
"""What each commit takes longer: a database at its limits, at the same limits wherever this runs."""

ENDLESS = 1 << 40


class Deepest:
    """The most facts that stood in the queue when one of those let in had joined it."""

    def __init__(self) -> None:
        self.facts = 0
        self.requests = 0
        self.bytes = 0


def watch(deepest: Deepest) -> None:
    """Slow commits down, and see who waits behind how much."""
    append, commit, take = Committer.append, batch.commit_batch, intake.Intake.take

    async def watched(one: Committer, controller_id: ControllerId, facts: Sequence[Fact]) -> Appended:
        ahead = one._waiting
        appended = await append(one, controller_id, facts)
        deepest.facts = max(deepest.facts, ahead + len(facts))
        return appended

    async def slow(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever a commit takes
        await asyncio.sleep(PAUSE_S)
        return await commit(*arguments, **named)

    def taken(one: intake.Intake, requests: int, number: int) -> None:
        take(one, requests, number)
        deepest.requests = max(deepest.requests, one.requests)
        deepest.bytes = max(deepest.bytes, one.bytes)

    Committer.append = watched  # type: ignore[method-assign, assignment]
    committer.commit_batch = slow  # type: ignore[attr-defined]
    intake.Intake.take = taken  # type: ignore[method-assign, assignment]


def lift() -> None:
    """Take whatever comes."""
    bounds = (
        (committer, "MOST_WAITING"),
        (intake, "MOST_BYTES"),
        (intake, "MOST_REQUESTS"),
        (pace, "LEAST_BYTES"),
    )
    for module, name in bounds:
        setattr(module, name, ENDLESS)


if __name__ == "__main__":
    if sys.argv.pop() == "lifted":
        lift()
    seen = Deepest()
    watch(seen)
    try:
        main(["run"])
    finally:
        sys.stdout.write(json.dumps(vars(seen)) + "\n")
