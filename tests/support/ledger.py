"""A ledger to write on directly: real commits on a real database, without HTTP around them."""

import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec
from msgspec import structs

from assent.consent.statement import EVERY, NoticeReference, StatementBody
from assent.consent.store import load_policy
from assent.core.ids import ControllerId
from assent.core.policy import LinkKind, Policy
from assent.core.time import DAY, FOREVER, HOUR, Instant, parse_time
from assent.ingest.batch import Committed, commit_batch
from assent.ingest.contents import contents
from assent.ingest.controllers import create_controller
from assent.ingest.erasure_chunks import stage
from assent.ingest.erasure_plan import Plan, Planning
from assent.ingest.facts import (
    Draft,
    EventBody,
    Identifier,
    LinkBody,
    MarkBody,
    PolicyBody,
    StatedBody,
    UnlinkBody,
    make_facts,
)
from assent.ingest.tracking import Call, CallType
from assent.ledger.append import Appended, Fact
from assent.ledger.keyring import KeyRing, create_ring, load_ring
from assent.ledger.store import Log, Trees
from tests.support.database import TestDatabase
from tests.support.policy_documents import Documents

BEGIN = parse_time("2026-01-01T00:00:00Z")

SOURCES = ("till", "web")
"""Where random facts come from."""


class Bench:
    """One controller, its policy, and a clock that a test moves."""

    def __init__(
        self, connection: "asyncpg.Connection[asyncpg.Record]", ring: KeyRing, controller_id: ControllerId
    ) -> None:
        self.connection = connection
        self.ring = ring
        self.controller_id = controller_id
        self.now = BEGIN
        self.policy: Policy
        self._trees = Trees(ring)
        self._last: Committed | None = None

    async def commit(self, *drafts: Draft) -> Committed:
        """Commit facts as one batch, now."""
        return await self.take(make_facts(self.ring, os.urandom, self.controller_id, drafts))

    async def append(self, controller_id: ControllerId, facts: Sequence[Fact]) -> Appended:
        """Commit facts as one batch, as whoever has an `Append` asks for it."""
        assert controller_id == self.controller_id
        committed = await self.take(facts)
        return Appended(revision=committed.revision, outcomes=committed.outcomes)

    async def take(self, facts: Sequence[Fact]) -> Committed:
        """Commit facts that are ready."""
        last, self._last = self._last, None
        async with self.connection.transaction():
            committed = await commit_batch(
                self.connection,
                self.controller_id,
                facts,
                trees=self._trees,
                clock=lambda: self.now,
                batch_id=UUID(bytes=os.urandom(16), version=4),
                memory=last.memory if last else None,
            )
        self._last = committed
        if committed.tree is not None:
            self._trees.kept(self.controller_id, Log.FACTS, committed.tree)
        return committed

    async def erase(self, *named: Identifier, alone: bool = False, in_chunks: bool = False) -> Plan | None:
        """Erase whom these name, as the eraser works it out; None when nobody knows them.

        `in_chunks`: as what is more than one commit may do, closed and no chunk of it done.
        """
        revision = await self.connection.fetchval(
            "SELECT revision FROM ledger.head WHERE controller_id = $1", self.controller_id
        )
        planning = Planning(self.connection, self.ring, os.urandom, self.controller_id, self.policy, self.now)
        plan = await planning.plan(revision, named, alone=alone, despite_restriction=True)
        if plan is not None:
            erasing = UUID(bytes=os.urandom(16), version=4) if in_chunks else None
            if erasing is not None:
                body = plan.body
                await stage(
                    *(self.connection, self.controller_id, erasing, self.now),
                    *(body.erased, plan.remains, body.parts),
                )
            draft = Draft(body=plan.body, role="dpo", remains=plan.remains, erasing=erasing)
            (outcome,) = (await self.commit(draft)).outcomes
            assert outcome.code is None, outcome
        return plan

    async def activate(self, documents: Documents) -> None:
        """Put a policy in force."""
        text = msgspec.json.encode(documents, order="sorted").decode()
        await self.commit(Draft(body=PolicyBody(documents=text), role="admin"))
        version = await self.connection.fetchval("SELECT max(policy_version) FROM policy")
        self.policy, _ = await load_policy(self.connection, self.controller_id, version)

    def identifier(self, namespace: str, value: str) -> Identifier:
        """Return an identifier of the policy."""
        return Identifier(self.policy.namespace_ids[namespace], value)

    def event(
        self, name: str, identifiers: Sequence[Identifier], at: Instant = FOREVER, **properties: object
    ) -> Draft:
        """Return a track call of a server key; the first identifier owns it."""
        call = Call(index=0, type=CallType.TRACK, name=name, properties=properties)
        body = EventBody(identifiers=tuple(identifiers), link=LinkKind.OBSERVED, at=at, call="track")
        return Draft(body=body, role="collector", source="test", contents=contents(call, self.policy))

    def stated(
        self,
        identifier: Identifier,
        purpose: str,
        state: str,
        *,
        by_person: bool = False,
        signal: str = "",
        **fields: object,
    ) -> Draft:
        """Return a statement made by a click in front of the notice in force.

        `by_person`: said by the person, authenticated, for all that is theirs. `signal`: by which signal.
        """
        number = self.policy.purpose_ids.get(purpose)
        notice = "none" if number is None else self.policy.purposes[number].notice
        statement = StatementBody(
            purpose=purpose,
            state=state,  # type: ignore[arg-type]
            mechanism="click",
            notice=NoticeReference(id=notice, version=1, language="en"),
            **fields,  # type: ignore[arg-type]
        )
        body = StatedBody(
            identifiers=(identifier,),
            statement=statement,
            authenticated=by_person,
            person_scope=by_person,
            signal=signal,
            chosen_at=FOREVER if signal else None,
        )
        return Draft(body=body, role="collector", purpose=None if purpose == EVERY else purpose)

    def mark(self, identifier: Identifier, state: Literal["restricted", "unrestricted"]) -> Draft:
        """Return a restriction of processing, or its lifting."""
        return Draft(body=MarkBody(identifiers=(identifier,), state=state, ground="accuracy"), role="dpo")

    def link(self, one: Identifier, other: Identifier, *, denied: bool = False) -> Draft:
        """Return a stated link, or its denial."""
        body = LinkBody(identifiers=(one, other), link=LinkKind.ASSERTED, at=FOREVER, denied=denied)
        return Draft(body=body, role="dpo")


@asynccontextmanager
async def open_bench(database: TestDatabase, folder: Path, documents: Documents) -> AsyncIterator[Bench]:
    """Yield a bench with a policy in force, writing as the owner of a fresh database."""
    create_ring(folder / "ring.json", origin="test.local")
    ring = load_ring(folder / "ring.json")
    connection = await asyncpg.connect(database.dsn(), server_settings={"search_path": "projection, pg_temp"})
    try:
        bench = Bench(connection, ring, await create_controller(connection, ring, "test", BEGIN))
        await bench.activate(documents)
        yield bench
    finally:
        await connection.close()


def random_drafts(bench: Bench, seed: int, count: int) -> list[tuple[int, Draft]]:
    """Return drafts of every kind about a few people who share devices, each with a pause before it."""
    dice = random.Random(seed)
    people = [bench.identifier("user_id", f"u{n}") for n in range(4)]
    others = [bench.identifier("email", f"p{n}@example.com") for n in range(3)]
    browsers = [bench.identifier("anonymous_id", f"a{n}") for n in range(6)]
    everybody = people + others + browsers
    consented = [name for name in bench.policy.purpose_ids if name != "service"]
    drafts: list[tuple[int, Draft]] = []
    for _ in range(count):
        pause = dice.choice((0, 1, HOUR, DAY, 40 * DAY))
        match dice.randrange(8):
            case 0 | 1 | 2:
                seen = [dice.choice(everybody), *dice.sample(browsers, dice.randrange(2))]
                seen = sorted(set(seen), key=everybody.index)
                if dice.random() < 0.2:
                    draft = bench.event("Order Completed", seen, revenue=dice.randrange(100))
                else:
                    draft = bench.event("Product Viewed", seen, category=dice.choice("xyz"))
            case 3 | 4 | 5:
                state = dice.choice(("given", "given", "given", "withdrawn", "refused"))
                draft = bench.stated(dice.choice(everybody), dice.choice(consented), state)
            case 6 if dice.random() < 0.3:
                pair = tuple(dice.sample(everybody, 2))
                gone = dice.choice((SOURCES[:1], SOURCES))
                draft = Draft(body=UnlinkBody(identifiers=pair, sources=gone), role="dpo")
            case _:
                one, other = dice.sample(everybody, 2)
                draft = bench.link(one, other, denied=dice.random() < 0.3)
        drafts.append((pause, structs.replace(draft, source=dice.choice(SOURCES))))
    return drafts
