"""Two worlds: the same requests at the same instants; in one, things between that a purpose may not use."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import msgspec
from msgspec import Struct

from assent.app import ORIGIN, ring_path
from assent.audiences.following import Following
from assent.core.time import MINUTE, SECOND
from assent.ledger.keyring import create_ring
from tests.support.database import TestDatabase
from tests.support.policy_documents import Documents
from tests.support.service import (
    InProcess,
    SteppedClock,
    bearer,
    in_process,
    settings_for,
    statement,
    subject,
)

PEOPLE = (
    *("anonymous_id:a1", "anonymous_id:a2", "anonymous_id:a3", "anonymous_id:a4", "anonymous_id:a5"),
    *("user_id:u1", "user_id:u2", "email:u2@example.com"),
)
"""Whom the purpose is given something about, in both worlds."""

OTHERS = ("anonymous_id:b1", "user_id:r1", "anonymous_id:c9", "user_id:never", "email:not an address")
"""Whom it is given nothing about: refused, another purpose's, never seen, impossible."""

AUDIENCES: dict[str, Any] = {
    "buyers": {"op": "ge", "feature": "order_count", "value": 1},
    "nobody_bought": {"op": "eq", "feature": "order_count", "value": 0},
    "big": {"op": "gt", "feature": "order_value", "value": 20},
    "recent": {"op": "ge", "feature": "orders_30d", "value": 1},
    "half": {"op": "bucket", "salt": "half", "low": 0, "high": 0.5},
    "other_half": {"op": "not", "of": {"op": "bucket", "salt": "half", "low": 0, "high": 0.5}},
    "not_big": {"op": "not", "of": {"op": "gt", "feature": "order_value", "value": 20}},
}


class Step(Struct, frozen=True, kw_only=True):
    """One request; `hidden` ones happen in the fuller world alone. `key` names an attribute of `Keys`."""

    method: str = "POST"
    path: str
    key: str
    body: dict[str, Any]
    hidden: bool = False
    pause: int = SECOND


Answer = tuple[int, tuple[tuple[str, str], ...], bytes]
"""What an engine receives: status, headers but the date, body."""


def track(event: str, **fields: object) -> Step:
    return Step(path="/v1/track", key="collector", body={"event": event, **fields})


def identify(**fields: object) -> Step:
    return Step(path="/v1/identify", key="collector", body=fields)


def says(name: str, purpose: str, state: str, **fields: object) -> Step:
    body = {"subject": subject(name), "statements": [statement(purpose, state, **fields)]}
    return Step(path="/v1/consents", key="collector", body=body)


def audience(name: str, purposes: Sequence[str], rule: object) -> Step:
    body = {"title": name, "purposes": purposes, "rule": rule}
    return Step(method="PUT", path=f"/v1/audiences/{name}", key="admin", body=body)


def hidden(*steps: Step) -> list[Step]:
    return [msgspec.structs.replace(step, hidden=True) for step in steps]


ASK = Step(path="ask", key="engine", body={}, pause=40 * MINUTE)
"""Everything an engine can ask, asked at once; a new session begins after it."""


@asynccontextmanager
async def world(
    database: TestDatabase, folder: Path, ring: Path, documents: Documents | None = None
) -> AsyncIterator[InProcess]:
    """Yield a service on a database, with a copy of the ring that both worlds share."""
    settings = settings_for(folder, database.dsn())
    share(ring, ring_path(settings))
    # Feeds move when they are read: the second at which a worker looks by itself is nobody's choice.
    with patch.object(Following, "follow_all", lambda _: asyncio.sleep(0)):
        async with in_process(settings, SteppedClock(), documents) as service:
            yield service


def share(ring: Path, place: Path) -> None:
    """Copy the ring to its place, making it if there is none yet."""
    create_ring(ring, origin=ORIGIN)
    place.parent.mkdir(parents=True)
    shutil.copy(ring, place)
    place.chmod(0o600)


async def lived(service: InProcess, purpose: str, steps: Sequence[Step], *, fuller: bool) -> list[Answer]:
    """Return everything an engine of the purpose receives while the steps happen."""
    received: list[Answer] = []
    for step in steps:
        service.clock.step(step.pause)
        if step is ASK:
            received += await _asked(service, purpose)
        elif fuller or not step.hidden:
            key = getattr(service.keys, step.key, None) or service.keys.engines[step.key]
            sent = await service.http.request(step.method, step.path, json=step.body, headers=bearer(key))
            # A step that is refused, whole or in part, would make the two worlds one.
            if sent.status_code >= 300 or sent.json().get("refused"):
                message = f"{step.path}: {sent.status_code} {sent.text}"
                raise RuntimeError(message)
    return received


async def _asked(service: InProcess, purpose: str) -> list[Answer]:
    headers = bearer(service.keys.engines[purpose])
    answers: list[httpx.Response] = []

    async def ask(path: str, **body: object) -> None:
        answers.append(await service.http.post(path, json={"purpose": purpose, **body}, headers=headers))

    for one in (*PEOPLE, *OTHERS):
        await ask("/v1/decisions", subjects=[subject(one)])
    await ask("/v1/decisions", subjects=[subject(one) for one in (*PEOPLE, *OTHERS)], audiences=["*"])
    await ask("/v1/decisions", purpose="advertising", subjects=[subject(PEOPLE[0])])
    for name in (*AUDIENCES, "hot", "unheard_of"):
        await ask(f"/v1/audiences/{name}/count")
        await ask(f"/v1/audiences/{name}/members")
        params = {"purpose": purpose}
        answers.append(
            await service.http.get(f"/v1/audiences/{name}/changes", params=params, headers=headers)
        )
    await ask("/v1/decisions", subjects=[subject(PEOPLE[0])], audiences=["hot"])
    await ask("/v1/audiences/overlap", audiences=["buyers", "big"])
    await ask("/v1/audiences/preview", rule={"op": "known", "feature": "order_mean"})
    await ask("/v1/audiences/preview", rule={"op": "known", "feature": "unheard_of"})
    for size in range(30, 70, 5):
        # Whether the ledger is as large as that is not an engine's to know.
        beyond = {**headers, "Assent-At-Least": f"l:{size}"}
        body = {"purpose": purpose, "subjects": [subject(PEOPLE[0])]}
        answers.append(await service.http.post("/v1/decisions", json=body, headers=beyond))
    own = {"title": "own", "purposes": [purpose], "rule": AUDIENCES["buyers"]}
    answers.append(await service.http.put("/v1/audiences/own", json=own, headers=headers))
    answers += [await service.http.get(path, headers=headers) for path in ("/v1/audiences", "/checkpoint")]
    return [_received(answer) for answer in answers]


def _received(answer: httpx.Response) -> Answer:
    headers = tuple(sorted((name, value) for name, value in answer.headers.items() if name != "date"))
    return answer.status_code, headers, answer.content


def differences(one: Sequence[Answer], other: Sequence[Answer]) -> Iterator[tuple[Answer, Answer]]:
    """Yield the answers that tell the two worlds apart."""
    for first, second in zip(one, other, strict=True):
        if first != second:
            yield first, second
