"""Read and write statements, permits and policies. One statement of SQL each; nothing is decided here."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from assent.consent.permit import Permit
from assent.consent.statement import State, Statement
from assent.core.derived import with_derived
from assent.core.documents import parse_policy
from assent.core.ids import ControllerId, EntryIndex, FeatureId, IdentifierId
from assent.core.names import NameBook
from assent.core.policy import Policy
from assent.database.statements import load
from assent.database.types import Connection

_SQL = load("consent")
_DERIVATIONS = load("derivations")

_COLUMNS: Final = frozenset(
    {"identifier", "entry", "position", "purpose", "state", "acted_at", "known_at", "authenticated"}
)
"""The fields of a statement with a column of their own; all others are its terms."""

_PERMIT: Final = (
    *("controller_id", "policy_version", "purpose_id", "identifier_id"),
    *("since", "categories", "until", "entry_index"),
)

_TERMS: Final = tuple(field for field in Statement.__struct_fields__ if field not in _COLUMNS)


async def statements_of(
    connection: Connection, controller_id: ControllerId, ids: Collection[IdentifierId]
) -> dict[IdentifierId, tuple[Statement, ...]]:
    """Return what these identifiers stated, each in the order it became known."""
    found: dict[IdentifierId, list[Statement]] = defaultdict(list)
    if ids:
        for row in await connection.fetch(_SQL.statements_of, controller_id, list(ids)):
            statement = _statement(tuple(row))
            found[statement.identifier].append(statement)
    return {one: tuple(said) for one, said in found.items()}


class Entered(Struct, frozen=True, kw_only=True):
    """A statement with its entry: the leaf, and the payload, sealed."""

    statement: Statement
    leaf: bytes
    sealed: bytes


async def statements_before(
    connection: Connection,
    controller_id: ControllerId,
    ids: Collection[IdentifierId],
    states: Collection[State],
    before: int,
    limit: int,
) -> list[Entered]:
    """Return the newest statements of these identifiers whose entries stand before `before`, newest first.

    Left out are those whose payload was erased, and those that hang on an address which is not among `ids`.
    """
    rows = await connection.fetch(
        _SQL.statements_before,
        controller_id,
        list(ids),
        [one.value for one in states],
        before,
        limit,
    )
    return [Entered(statement=_statement(row[:9]), leaf=row["leaf"], sealed=row["sealed"]) for row in rows]


async def insert_statements(
    connection: Connection, controller_id: ControllerId, statements: Sequence[Statement]
) -> None:
    """Append statements."""
    await connection.execute(
        _SQL.insert_statements,
        controller_id,
        [one.identifier for one in statements],
        [one.entry for one in statements],
        [one.position for one in statements],
        [one.purpose for one in statements],
        [one.state.value for one in statements],
        [one.acted_at for one in statements],
        [one.known_at for one in statements],
        [one.authenticated for one in statements],
        [_terms(one) for one in statements],
    )


async def permits_of(
    connection: Connection, controller_id: ControllerId, policy: Policy, ids: Collection[IdentifierId]
) -> dict[IdentifierId, tuple[Permit, ...]]:
    """Return the stored permits of these identifiers under `policy`."""
    found: dict[IdentifierId, list[Permit]] = {one: [] for one in ids}
    if ids and policy.purposes:
        rows = await connection.fetch(
            _SQL.permits_of, controller_id, policy.version, list(policy.purposes), list(ids)
        )
        for one, purpose, categories, since, until, entry in rows:
            found[one].append(Permit(one, purpose, categories, since, until, entry))
    return {one: tuple(held) for one, held in found.items()}


async def move_permits(
    connection: Connection,
    controller_id: ControllerId,
    policy_version: int,
    gone: Sequence[Permit],
    opened: Sequence[Permit],
) -> None:
    """Remove permits, then insert permits."""
    if gone:
        await connection.execute(
            _SQL.delete_permits,
            controller_id,
            policy_version,
            [one.purpose for one in gone],
            [one.identifier for one in gone],
            [one.since for one in gone],
            [one.categories for one in gone],
        )
    if opened:
        await connection.execute(
            _SQL.insert_permits,
            controller_id,
            policy_version,
            [one.purpose for one in opened],
            [one.identifier for one in opened],
            [one.since for one in opened],
            [one.categories for one in opened],
            [one.until for one in opened],
            [one.entry for one in opened],
        )


async def copy_permits(
    connection: Connection, controller_id: ControllerId, policy_version: int, permits: Sequence[Permit]
) -> None:
    """Insert many permits, as COPY does it: with half the work of arrays."""
    await connection.copy_records_to_table(
        "permit",
        columns=_PERMIT,
        records=[
            (
                *(controller_id, policy_version, one.purpose, one.identifier),
                *(one.since, one.categories, one.until, one.entry),
            )
            for one in permits
        ],
    )


async def load_policy(
    connection: Connection, controller_id: ControllerId, version: int
) -> tuple[Policy, NameBook]:
    """Return a version of a controller's policy and the numbers of its names; version 0 permits nothing.

    In its catalogue are the derived features too that rules ask for now.
    """
    if version == 0:
        return NO_POLICY, NameBook()
    row = await connection.fetchrow(_SQL.policy_version, controller_id, version)
    if row is None:
        message = f"the head names policy version {version}, which the database does not hold"
        raise LookupError(message)
    asked = await connection.fetch(_DERIVATIONS.derived_features, controller_id)
    derivations = tuple((number, name) for number, name, _ in asked)
    return _parsed(row["documents"], row["names"], version, derivations)


async def insert_policy(
    connection: Connection,
    controller_id: ControllerId,
    policy: Policy,
    names: NameBook,
    entry: EntryIndex,
    documents: str,
) -> None:
    """Write a policy version down, and what the gate must know of its purposes."""
    await connection.execute(
        _SQL.insert_policy,
        controller_id,
        policy.version,
        entry,
        documents,
        msgspec.json.encode(names).decode(),
    )
    purposes: Iterable[tuple[int, str, int, int]] = [
        (one.id, one.name, one.view, one.retroactive) for one in policy.purposes.values()
    ]
    ids, titles, views, retroactive = zip(*purposes, strict=True) if policy.purposes else ((), (), (), ())
    await connection.execute(
        _SQL.insert_purposes,
        controller_id,
        policy.version,
        list(ids),
        list(titles),
        list(views),
        list(retroactive),
    )


async def delete_permits_before(connection: Connection, controller_id: ControllerId, version: int) -> None:
    """Remove the permits of policies that were in force before a version."""
    await connection.execute(_SQL.delete_permits_before, controller_id, version)


NO_POLICY: Final = Policy(
    version=0,
    purposes={},
    categories={},
    features={},
    namespaces={},
    views={},
    purpose_ids={},
    category_ids={},
    feature_ids={},
    namespace_ids={},
)
"""What holds before the first policy is activated: nothing is permitted."""


@lru_cache(maxsize=64)
def _parsed(
    documents: str, names: str, version: int, derivations: tuple[tuple[FeatureId, str], ...]
) -> tuple[Policy, NameBook]:
    # The book of that version already holds every name, so parsing gives the same numbers again.
    policy, book = parse_policy(
        msgspec.json.decode(documents), names=msgspec.json.decode(names, type=NameBook), version=version
    )
    return with_derived(policy, dict(derivations)), book


def _statement(row: Sequence[Any]) -> Statement:
    one, entry, position, purpose, state, acted_at, known_at, authenticated, terms = row
    kept = msgspec.json.decode(terms)
    kept["bundle"] = tuple(kept["bundle"])
    return Statement(
        identifier=one,
        entry=entry,
        position=position,
        purpose=purpose,
        state=State(state),
        acted_at=acted_at,
        known_at=known_at,
        authenticated=authenticated,
        **kept,
    )


def _terms(statement: Statement) -> str:
    return msgspec.json.encode({name: getattr(statement, name) for name in _TERMS}).decode()
