"""normalisation.json: in which form is an address or a telephone number compared, and which is none?

Each value goes in as the identifier of a tracking call: emails in a namespace with `email_uid2`, telephone
numbers in one with `e164_strict`. A malformed one is refused; of any other, `POST /v1/identities/resolve`
returns the form that is kept, whose hash is that of the row.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from assent.core.time import parse_time
from tests.conformance.documents import documents, purpose
from tests.conformance.host import Controller, Host, activate
from tests.conformance.rows import Data, Row, Suite, settle

REFUSED: Final = "malformed_identifier"

BEGINNING: Final = parse_time("2026-03-01T00:00:00Z")

NAMESPACES: Final = {
    "email": {"kind": "person", "priority": 1, "normaliser": "email_uid2"},
    "phone": {"kind": "person", "priority": 2, "normaliser": "e164_strict"},
}


def rows(document: Data) -> Iterator[Row]:
    """Yield the file's rows; the answer is the value that is kept and its hash, or the refusal."""
    for number, (raw, value, digest) in enumerate(document["valid"]):
        yield _row(f"valid-{number}", "email", raw, [value, digest])
    for number, raw in enumerate(document["invalid"]):
        yield _row(f"invalid-{number}", "email", raw, REFUSED)
    for number, raw in enumerate(document["phone_normalised"]):
        yield _row(f"phone_normalised-{number}", "phone", raw, [raw, _hash(raw)])
    for number, raw in enumerate(document["phone_not_normalised"]):
        yield _row(f"phone_not_normalised-{number}", "phone", raw, REFUSED)


def _row(name: str, namespace: str, raw: str, expected: object) -> Row:
    data = {"namespace": namespace, "raw": raw}
    return Row(suite="normalisation", id=name, data=data, expected=expected)


SUITE: Final = Suite(name="normalisation", rows=rows)


def test_a_value_is_kept_in_its_one_form_or_refused(row: Row, host: Host) -> None:
    settle(row, ask(row.data, host))


def ask(row: Data, host: Host) -> list[str] | str:
    """Return the value that is kept and its hash, or the code with which it was refused."""
    controller = _controller(host)
    call = {"event": "seen", "context": {"externalIds": [{"type": row["namespace"], "id": row["raw"]}]}}
    tracked = controller.post("/v1/track", call, role="collector")
    if tracked["refused"]:
        return str(tracked["refused"][0]["code"])
    subject = {"namespace": row["namespace"], "value": row["raw"]}
    resolved = controller.post("/v1/identities/resolve", {"subject": subject, "purpose": None}, role="dpo")
    (kept,) = resolved["identifiers"]
    return [kept["value"], _hash(kept["value"])]


@lru_cache(maxsize=1)
def _controller(host: Host) -> Controller:
    """Return a controller that all rows share: each shows one identifier, and nothing links any two."""
    controller = host.controller(BEGINNING)
    taken = activate(
        controller,
        documents({"service": purpose()}, categories={"all": {"events": ["*"]}}, namespaces=NAMESPACES),
    )
    assert taken.refused is None, taken.body
    return controller


def _hash(value: str) -> str:
    return b64encode(hashlib.sha256(value.encode()).digest()).decode()
