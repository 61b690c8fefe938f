"""What members tell of accounts, as the ledger sees it: folded again it is the same, and one word counts."""

import random
from pathlib import Path

import pytest

from assent.core.policy import LinkKind
from assent.core.time import DAY, HOUR, Instant
from assent.features import store
from assent.ingest.contents import contents
from assent.ingest.facts import Draft, EventBody
from assent.ingest.rebuild import rebuild
from assent.ingest.tracking import Call, CallType
from tests.support.database import TestDatabase
from tests.support.ledger import Bench, open_bench, random_drafts
from tests.support.policy_documents import with_companies


def told(bench: Bench, who: str, company: str, at: Instant, **traits: object) -> Draft:
    """Return a group call of a server key."""
    family = next(iter(bench.policy.accounts))
    owner, account = (
        bench.identifier(*who.split(":")),
        type(bench.identifier("user_id", "x"))(family, company),
    )
    call = Call(index=0, type=CallType.GROUP, name="$group", traits=traits)
    return Draft(
        body=EventBody(identifiers=(owner,), link=LinkKind.OBSERVED, at=at, call="group"),
        role="collector",
        source="test",
        contents=contents(call, bench.policy, accounts=(account,)),
    )


async def write(bench: Bench, seed: int, count: int) -> None:
    """Write at random, of companies too, and erase somebody every now and then."""
    dice = random.Random(seed)
    people = [*(f"anonymous_id:a{number}" for number in range(6)), "user_id:u0", "user_id:u1"]
    for who in people:
        for purpose in ("personalisation", "analytics", "advertising"):
            if dice.random() < 0.8:
                await bench.commit(bench.stated(bench.identifier(*who.split(":")), purpose, "given"))
    for pause, draft in random_drafts(bench, seed, count):
        giving = bench.identifier(*dice.choice(people).split(":"))
        await bench.commit(bench.stated(giving, "personalisation", "given", by_person=True))
        bench.now = Instant(bench.now + min(pause, DAY))
        traits = {
            name: dice.choice(("pro", "free", None, 3)) for name in ("plan", "seats") if dice.random() < 0.6
        }
        at = Instant(bench.now - dice.randrange(48) * HOUR)
        await bench.commit(
            draft, told(bench, dice.choice(people), dice.choice(("acme", "globex")), at, **traits)
        )
        if dice.random() < 0.04:
            await bench.erase(bench.identifier(*dice.choice(people).split(":")))


TOLD = "SELECT count(*) FROM feature_item WHERE account IS NOT NULL"

DOUBLED = """
SELECT count(*)
FROM feature_item AS t
INNER JOIN feature_item AS o ON o.slot = t.slot AND o.feature_id = t.feature_id
WHERE o.entry_index > t.entry_index AND t.basis & o.basis <> 0
"""


@pytest.mark.parametrize("seed", range(2))
async def test_a_rebuild_equals_what_members_told_whatever_was_withdrawn_and_erased_since(
    fresh_database: TestDatabase, folder: Path, seed: int
) -> None:
    async with open_bench(fresh_database, folder, with_companies()) as bench:
        await write(bench, seed, 60)
        assert (
            await bench.connection.fetchval("SELECT count(*) FROM feature_item WHERE account IS NOT NULL") > 4
        )
        assert await bench.connection.fetchval(DOUBLED) == 0
        rebuilt = await rebuild(bench.connection, bench.ring)
        assert (rebuilt.faults, rebuilt.differences) == ((), ())


async def test_a_fold_in_which_no_word_takes_over_from_another_is_found(
    fresh_database: TestDatabase, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unsettled(*_: object) -> None:
        pass

    monkeypatch.setattr(store, "settle_items", unsettled)
    async with open_bench(fresh_database, folder, with_companies()) as bench:
        await write(bench, 0, 60)
        assert await bench.connection.fetchval(DOUBLED) > 0
        assert (await rebuild(bench.connection, bench.ring)).differences
