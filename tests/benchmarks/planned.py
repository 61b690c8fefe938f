"""Identifiers planted under a policy, and what must be so of them after another: asked in other ways.

What was prepared is compared with `decide`, asked one question at a time about people drawn at random; what a
simulation counted with what one SQL statement counts. Both are given nothing but the database.
"""

from collections.abc import Iterator
from random import Random
from typing import Final

import asyncpg

from assent.consent.decide import Cluster, Question, decide
from assent.consent.store import load_policy
from assent.core.ids import CategoryId, ControllerId, IdentifierId, members
from assent.core.policy import Policy
from assent.core.time import DAY, Instant
from assent.identity.store import known_by_id
from assent.ingest.component import Component, Derived, bonds_of, heard, resolution_of
from assent.ingest.loading import load_components
from assent.ledger.store import read_head
from tests.benchmarks.world import Controller, World

SAMPLED: Final = 200
"""Identifiers that `decide` is asked about; with them, whoever they are one person with."""

_FIRST: Final = 1 << 40
_LATER: Final = (0, 30, 150, 200, 364, 370, 800)
"""Days after the newest commit: consents lapse after half a year and after a year."""

# Nobody agreed at the very instant at which another did: within a quarter of an hour, in no order.
_EARLIER: Final = "(n * 7919 % 1000003 * 1000)"

_PLANT: Final = (
    # Two identifiers a person: the first of the pair a browser, the second an account.
    """
    INSERT INTO projection.identifier
    SELECT i.controller_id, $2::bigint + n * 64, i.namespace_id, sha256(n::text::bytea), 0, i.seen_by
    FROM (
        SELECT row_number() OVER (ORDER BY priority) - 1 AS turn, t.*
        FROM (
            SELECT DISTINCT ON (namespace_id) namespace_id AS priority, i.*
            FROM projection.identifier AS i
            WHERE i.controller_id = $1 ORDER BY namespace_id, identifier_id
        ) AS t
    ) AS i
    CROSS JOIN generate_series(0, $3::bigint - 1) AS n
    WHERE n % 2 = i.turn
    """,
    f"""
    INSERT INTO projection.statement
    SELECT s.controller_id, $2::bigint + n * 64, n * 1000000 + s.entry_index, s.position, s.purpose_id,
        s.state, s.acted_at - {_EARLIER}, s.known_at - {_EARLIER}, s.authenticated, s.terms
    FROM projection.statement AS s CROSS JOIN generate_series(0, $3::bigint - 1) AS n
    WHERE s.controller_id = $1 AND s.identifier_id = (
        SELECT min(identifier_id) FROM projection.statement WHERE controller_id = $1 AND NOT authenticated
    )
    """,
    f"""
    INSERT INTO projection.permit
    SELECT p.controller_id, p.policy_version, p.purpose_id, $2::bigint + n * 64,
        CASE WHEN p.entry_index < 0 THEN p.since ELSE p.since - {_EARLIER} END, p.categories,
        CASE WHEN p.entry_index < 0 THEN p.until ELSE p.until - {_EARLIER} END,
        CASE WHEN p.entry_index < 0 THEN -1 ELSE n * 1000000 + p.entry_index END
    FROM projection.permit AS p CROSS JOIN generate_series(0, $3::bigint - 1) AS n
    WHERE p.controller_id = $1 AND p.identifier_id = (
        SELECT min(identifier_id) FROM projection.statement WHERE controller_id = $1 AND NOT authenticated
    )
    """,
    """
    INSERT INTO projection.link
    SELECT $1::bigint, $2::bigint + n * 128, $2::bigint + n * 128 + 64, 1, 0, 0, n, n
    FROM generate_series(0, $3::bigint / 2 - 1) AS n
    """,
    """
    INSERT INTO projection.cluster
    SELECT $1::bigint, v.view_id, $2::bigint + n * 64, $2::bigint + n / 2 * 128
    FROM (
        SELECT DISTINCT view_id FROM projection.purpose
        WHERE controller_id = $1 AND name IN ('service', 'personalisation', 'analytics')
        UNION ALL VALUES (0), (1)
    ) AS v CROSS JOIN generate_series(0, $3::bigint - 1) AS n
    """,
)

# People are profiles in the purpose's own view. Whom a permit without a statement covers is shown to those
# purposes that may know of them.
_PEOPLE: Final = """
SELECT u.name, count(DISTINCT coalesce(c.profile_id, p.identifier_id)) AS people
FROM ledger.head AS h
INNER JOIN projection.purpose AS u USING (controller_id, policy_version)
INNER JOIN projection.permit AS p USING (controller_id, policy_version, purpose_id)
INNER JOIN projection.identifier AS i USING (controller_id, identifier_id)
LEFT JOIN projection.cluster AS c
    ON c.controller_id = p.controller_id AND c.view_id = u.view_id AND c.identifier_id = p.identifier_id
WHERE h.controller_id = $1 AND p.since <= h.at AND h.at < p.until
    AND (p.entry_index >= 0 OR i.seen_by >> u.purpose_id & 1 = 1)
GROUP BY u.name
"""


async def plant(world: World, controller: Controller, number: int) -> None:
    """Plant so many identifiers, two of them a person, copies of a browser that agreed over HTTP."""
    for statement in _PLANT:
        await world.connection.execute(statement, controller.id, _FIRST, number)
    await world.connection.execute("ANALYZE")


async def rows(world: World, controller: Controller) -> tuple[int, int]:
    """Return how many identifiers and statements there are."""
    row = await world.connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM projection.identifier WHERE controller_id = $1),
            (SELECT count(*) FROM projection.statement WHERE controller_id = $1)
        """,
        controller.id,
    )
    identifiers, statements = row or (0, 0)
    return identifiers, statements


async def people_by_purpose(world: World, controller: Controller) -> dict[str, int]:
    """Return how many people each purpose may be used for now."""
    return dict(map(tuple, await world.connection.fetch(_PEOPLE, controller.id)))


async def verify_permits(world: World, controller: Controller, number: int) -> int:
    """Compare the permits in force with `decide`; return how many questions that was."""
    connection = await asyncpg.connect(
        world.server.dsn(), server_settings={"search_path": "projection, pg_temp"}
    )
    try:
        controller_id = ControllerId(controller.id)
        head = await read_head(connection, controller_id)
        policy, _ = await load_policy(connection, controller_id, head.policy_version)
        drawn = Random(5).sample(range(number), min(SAMPLED, number))
        known = await known_by_id(
            connection, controller_id, [IdentifierId(_FIRST + one * 64) for one in drawn]
        )
        loaded = await load_components(connection, controller_id, policy, known)
    finally:
        await connection.close()
    if len(known) != len(drawn):
        message = f"{len(drawn)} identifiers were drawn, {len(known)} are known"
        raise AssertionError(message)
    answers = [
        allowed == covered
        for component, stored in zip(loaded.components, loaded.derived, strict=True)
        for allowed, covered in _answers(component, stored, policy, head.at)
    ]
    if not all(answers):
        message = f"{answers.count(False)} of {len(answers)} answers are not as the permits say"
        raise AssertionError(message)
    return len(answers)


def _answers(
    component: Component, stored: Derived, policy: Policy, now: Instant
) -> Iterator[tuple[bool, bool]]:
    resolution = resolution_of(component, policy, now)
    bonds = bonds_of(resolution.kept)
    for together in resolution.clusters:
        cluster = Cluster(members=together, bonds=tuple(bond for bond in bonds if bond.low in together))
        history = heard(component, policy, together)
        for one in together:
            for purpose in policy.purposes.values():
                for category in map(CategoryId, members(purpose.categories)):
                    for later in _LATER:
                        at = Instant(now + later * DAY)
                        question = Question(
                            identifier=one, purpose=purpose.id, category=category, at=at, known_at=now
                        )
                        covered = any(
                            held.purpose == purpose.id
                            and held.categories >> category & 1
                            and held.since <= at < held.until
                            for held in stored.permits[one]
                        )
                        yield decide(history, cluster, policy, question).allowed, covered
