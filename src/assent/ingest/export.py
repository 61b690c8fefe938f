"""Everything of a controller again, as NDJSON: a backup for the controller to read, in plain words.

    {"format":"assent/export@1","controller":"default","entries":3,"at":"2026-11-21T22:00:00Z"}
    {"index":0,"at":...,"kind":"event","role":"collector","purpose":null,"policy_version":1,
     "identifiers":[{"namespace":"customer_id","value":"7"}],"body":{...},"contents":[{"category":"orders",...}]}
    {"end":true,"entries":3,"erased":0}

Every entry in the ledger's order with its payload, and what is still kept of its contents. An entry whose
payload was erased is counted in the last line, as what is gone; a file without its last line is not whole.
It cannot be imported: proofs are the ledger's, and stay there.

Pages of one moment of the ledger are read, so memory does not grow with it. Whoever holds the key ring may do
this, and no key of the HTTP interface. Raises SealBroken.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec

from assent.consent.store import load_policy
from assent.core.ids import CategoryId, ControllerId, NamespaceId
from assent.core.policy import Policy
from assent.core.time import Instant, format_time
from assent.database.statements import load
from assent.database.types import Connection
from assent.ingest.drafts import AT_COMMIT
from assent.ingest.facts import Body, ContentBody, EventBody, Identifier, LinkBody, open_body, open_content
from assent.ledger.entries import Entry
from assent.ledger.keyring import KeyRing

_SQL = load("rebuild")
_LEDGER = load("ledger")

FORMAT: Final = "assent/export@1"

_PAGE: Final = 2_048
"""Entries read at once."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


async def export(
    connection: Connection, ring: KeyRing, controller_id: ControllerId
) -> AsyncIterator[tuple[bytes, int, int]]:
    """Yield the lines of some entries, with how many entries are done, and of how many."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        controllers = await connection.fetch(_LEDGER.controllers)
        own = next(row for row in controllers if row["controller_id"] == controller_id)
        total: int = own["revision"]
        batches = await connection.fetch(_SQL.batches, controller_id)
        times = _Times([(row["first_index"], row["at"]) for row in batches])
        at = format_time(Instant(batches[-1]["at"])) if batches else None
        yield _line(format=FORMAT, controller=own["name"], entries=total, at=at), 0, total
        writer = _Writer(ring, controller_id)
        kept = 0
        for first in range(0, total, _PAGE):
            end = min(first + _PAGE, total)
            lines = await _page(connection, writer, times, first, end)
            kept += len(lines)
            yield b"".join(lines), end, total
        yield _line(end=True, entries=kept, erased=total - kept), total, total


async def _page(
    connection: Connection, writer: "_Writer", times: "_Times", first: int, end: int
) -> list[bytes]:
    contents: dict[int, list[tuple[CategoryId, bytes]]] = defaultdict(list)
    for row in await connection.fetch(_SQL.contents_between, writer.controller_id, first, end):
        contents[row["entry_index"]].append((CategoryId(row["category_id"]), row["sealed"]))
    lines = []
    for index, leaf, sealed in await connection.fetch(_SQL.entries_between, writer.controller_id, first, end):
        if sealed is None:
            continue  # erased, or gone: the end line counts it
        entry = Entry.from_leaf(leaf)
        policy = await writer.policy(connection, entry.header.policy_version)
        lines.append(writer.line(index, entry, times.at(index), sealed, contents.get(index, []), policy))
    return lines


class _Times:
    """When entries were committed; asked in the ledger's order."""

    def __init__(self, batches: list[tuple[int, int]]) -> None:
        self._batches = batches
        self._place = 0

    def at(self, index: int) -> Instant:
        while self._place + 1 < len(self._batches) and self._batches[self._place + 1][0] <= index:
            self._place += 1
        return Instant(self._batches[self._place][1])


class _Writer:
    """Opens payloads and writes them in the words of the policy they were taken under."""

    def __init__(self, ring: KeyRing, controller_id: ControllerId) -> None:
        self.controller_id = controller_id
        self._ring = ring
        self._policies: dict[int, Policy] = {}

    async def policy(self, connection: Connection, version: int) -> Policy:
        """Return a version of the policy."""
        if version not in self._policies:
            self._policies[version], _ = await load_policy(connection, self.controller_id, version)
        return self._policies[version]

    def line(
        self,
        index: int,
        entry: Entry,
        at: Instant,
        sealed: bytes,
        contents: list[tuple[CategoryId, bytes]],
        policy: Policy,
    ) -> bytes:
        """Return the line of an entry."""
        header = entry.header
        body = open_body(self._ring, self.controller_id, sealed)
        return _line(
            index=index,
            at=format_time(at),
            kind=header.kind,
            role=header.role,
            purpose=header.purpose,
            policy_version=header.policy_version,
            identifiers=[_identifier(one, policy) for one in body.identifiers],
            body=_body(body, at),
            contents=[self._content(category, one, policy) for category, one in contents],
        )

    def _content(self, category: CategoryId, sealed: bytes, policy: Policy) -> dict[str, object]:
        content: ContentBody = open_content(self._ring, self.controller_id, sealed)
        declared = policy.categories.get(category)
        return {
            "category": category if declared is None else declared.name,
            **msgspec.structs.asdict(content),
        }


def _identifier(one: Identifier, policy: Policy) -> dict[str, object]:
    number: NamespaceId = one.namespace
    declared = policy.namespaces.get(number)
    return {"namespace": number if declared is None else declared.name, "value": one.value}


def _body(body: Body, committed_at: Instant) -> Mapping[str, object]:
    said = msgspec.structs.asdict(body)
    del said["identifiers"]
    match body:
        case EventBody() | LinkBody():
            said["link"] = body.link.name.lower()
            said["at"] = format_time(committed_at if body.at == AT_COMMIT else body.at)
        case _:
            pass
    return said


def _line(**members: object) -> bytes:
    return _encode(members) + b"\n"
