"""Put the service together: settings and a clock in, an ASGI application out.

Starting up refuses what cannot be served safely: a key ring that is not this ledger's, a database older than
the last checkpoint kept beside the ring. Shutting down commits what waits.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path

import msgspec
from litestar import Litestar
from litestar.datastructures import State

from assent.audiences.answers import Audiences
from assent.audiences.following import Following
from assent.audiences.lease import Feeds
from assent.audiences.live import Live
from assent.audiences.shelf import AudienceShelf
from assent.config import Settings
from assent.consent.shelf import PolicyShelf
from assent.core.errors import LedgerRolledBack
from assent.core.ids import ControllerId
from assent.core.time import Instant
from assent.database.pool import Database, open_database
from assent.database.pulse import Pulse
from assent.database.statements import load
from assent.gate.door import Door
from assent.gate.sealer import sealing
from assent.http import (
    admin,
    audience_counts,
    audiences,
    audit,
    audit_consent,
    audit_logs,
    audit_membership,
    audit_minimisation,
    audit_subject,
    audit_summary,
    carriers,
    changes,
    consents,
    decisions,
    effects,
    erasure,
    explanations,
    health,
    identities,
    me,
    me_audiences,
    me_data,
    me_links,
    me_releases,
    members,
    notices,
    posthog,
    proofs,
    receipts,
    restriction,
    schema,
    sources,
    subjects,
    suppositions,
    tracking,
    webhooks,
)
from assent.http.claims import Answers
from assent.http.intake import Intake
from assent.http.keys import Keys
from assent.http.metrics import Metrics, counting
from assent.http.patience import patient
from assent.http.problems import HANDLERS
from assent.http.wiring import Clock, Random, Service
from assent.ingest.committer import Committer
from assent.ingest.counts import Counts
from assent.ingest.derivations import Derivations
from assent.ingest.expiring import Expiry
from assent.ingest.pings import Pinger, pinging
from assent.ingest.unneeded import Sweeper, sweeping
from assent.ingest.upkeep import keeping_up
from assent.ledger.keyring import KeyRing, load_ring
from assent.ledger.store import Log, Trees, root_at_size
from assent.ledger.witness import Witness, kept_controllers, refuse_rollback

_SQL = load("ledger")

_ROUTES = [*consents.HANDLERS, *carriers.HANDLERS, *subjects.HANDLERS, *me.HANDLERS]
_ROUTES += [*admin.HANDLERS, *health.HANDLERS, *schema.HANDLERS]
_ROUTES += [*decisions.HANDLERS, *audiences.HANDLERS, *audience_counts.HANDLERS]
_ROUTES += [*members.HANDLERS, *effects.HANDLERS]
_ROUTES += [*erasure.HANDLERS, *restriction.HANDLERS, *changes.HANDLERS, *webhooks.HANDLERS]
_ROUTES += [*audit.HANDLERS, *audit_summary.HANDLERS, *identities.HANDLERS, *sources.HANDLERS]
_ROUTES += [*explanations.HANDLERS, *suppositions.HANDLERS, *proofs.HANDLERS, *receipts.HANDLERS]
_ROUTES += [*me_data.HANDLERS, *me_links.HANDLERS, *me_releases.HANDLERS]
_ROUTES += [*audit_membership.HANDLERS, *me_audiences.HANDLERS]
_ROUTES += [*audit_consent.HANDLERS, *audit_logs.HANDLERS, *audit_subject.HANDLERS]
_ROUTES += [*audit_minimisation.HANDLERS]


ORIGIN = "assent.local"
"""Begins the names of an installation's logs; fixed when its key ring is made."""

CHECKPOINTS = "checkpoints"
"""Where checkpoints are kept, beside the key ring's folder."""


def system_clock() -> Instant:
    """Return now."""
    return Instant(time.time_ns() // 1000)


def create_app(settings: Settings, clock: Clock = system_clock, random: Random = os.urandom) -> Litestar:
    """Return the application. Its lifespan opens the database and starts the committer."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_service(settings, clock, random) as wired:
            app.state["service"] = wired
            yield

    return Litestar(
        route_handlers=[
            *(calls.router(settings.tracking_prefix) for calls in (tracking, posthog)),
            notices.router(),
            *_ROUTES,
        ],
        lifespan=[lifespan],
        exception_handlers=dict(HANDLERS),
        logging_config=None,
        middleware=[counting, patient],
        openapi_config=None,
        request_max_body_size=max(settings.body_limit_bytes, settings.batch_limit_bytes),
        state=State(),
    )


@asynccontextmanager
async def open_service(
    settings: Settings, clock: Clock = system_clock, random: Random = os.urandom
) -> AsyncIterator[Service]:
    """Yield the wired service; the command line uses it as the application does."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings))
        pulse = Pulse(database.eraser)
        stack.push_async_callback(pulse.stop)
        ring = await load_service_ring(settings, database)
        trees = Trees(ring)
        witness = _witnesses(settings.folder)
        await _refuse_rollback(settings.folder, database, trees, witness)
        policies = PolicyShelf(database.writer, clock)
        # Closed after the committer: what that one still commits is counted.
        counts = await stack.enter_async_context(Counts(database.writer, clock))
        committer = await stack.enter_async_context(
            Committer(database, trees, witness, clock, random, counts)
        )
        await stack.enter_async_context(sealing(database, trees, witness, clock))
        metrics = Metrics(database)
        expiry = Expiry(ring, committer, random)
        await stack.enter_async_context(keeping_up(database.eraser, ring, clock, metrics.deleted, expiry))
        door = await stack.enter_async_context(Door(database, ring, policies, clock, random))
        shelf, live = AudienceShelf(database.writer, clock), Live(database, door)
        stack.push_async_callback(live.close)
        metrics.follow_loads(live.progress.values)
        feeds = Feeds(database.writer, clock, random(16).hex())
        following = await stack.enter_async_context(
            Following(database, feeds, live, door, shelf, ring, clock)
        )
        derivations = Derivations(database, committer, ring, random)
        sweeper = Sweeper(database.writer, derivations, shelf, policies)
        await stack.enter_async_context(sweeping(sweeper))
        pinger = Pinger(database.writer, ring, clock, random, inside=settings.webhooks_inside)
        await stack.enter_async_context(pinging(pinger))
        yield Service(
            settings=settings,
            database=database,
            pulse=pulse,
            ring=ring,
            clock=clock,
            random=random,
            keys=Keys(database.writer, clock, random),
            policies=policies,
            ledger=committer,
            hold_back=committer.holding_back,
            intake=Intake(committer.admits),
            counts=counts,
            door=door,
            audiences=Audiences(shelf, live, door, ring),
            following=following,
            derivations=derivations,
            pinger=pinger,
            answers=Answers(database.writer, ring, clock),
            metrics=metrics,
            stopping=asyncio.Event(),
        )


def ring_path(settings: Settings) -> Path:
    """Return where the key ring stands."""
    return settings.folder / "keys" / "ring.json"


async def load_service_ring(settings: Settings, database: Database) -> KeyRing:
    """Return the key ring: created only beside an empty ledger, refused when it is another's."""
    controllers = await database.auditor.fetch(_SQL.controllers)
    ring = load_ring(ring_path(settings), origin=ORIGIN, create=not controllers)
    for row in controllers:
        checks = msgspec.json.decode(row["key_checks"], type=dict[str, str])
        ring.matches({key: bytes.fromhex(value) for key, value in checks.items()})
    return ring


def _witnesses(folder: Path) -> Callable[[ControllerId, Log], Witness]:
    @cache
    def witness(controller_id: ControllerId, log: Log) -> Witness:
        return Witness(folder / CHECKPOINTS, str(controller_id), log.name.lower())

    return witness


async def _refuse_rollback(
    folder: Path, database: Database, trees: Trees, witness: Callable[[ControllerId, Log], Witness]
) -> None:
    # What was kept is read before the heads are: a service beside this one may commit in between.
    named = kept_controllers(folder / CHECKPOINTS)
    async with database.auditor.acquire() as connection:
        known = [row["controller_id"] for row in await connection.fetch(_SQL.controllers)]
        if named - {str(controller_id) for controller_id in known}:
            message = "the database does not know a controller whose checkpoints are kept"
            raise LedgerRolledBack(message)
        kept = {
            (controller_id, log): witness(controller_id, log).latest(
                trees.signer(controller_id, log).verifier
            )
            for controller_id in known
            for log in Log
        }
        for row in await connection.fetch(_SQL.controllers):
            for log, size in ((Log.FACTS, row["revision"]), (Log.RELEASES, row["release_size"])):
                one = kept.get((row["controller_id"], log))
                root = None
                if one is not None and one.size <= size:
                    root = await root_at_size(connection, row["controller_id"], log, one.size)
                refuse_rollback(one, head_size=size, root_at_kept=root)
