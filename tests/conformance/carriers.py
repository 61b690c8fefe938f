"""tcf.json and gpp.json: what does a consent string say, and which string says nothing?

Each string goes to `POST /v1/consents/tcf` or `.../gpp`. One that can be read is answered with its fields, by
their names in the file, under `decoded`; any other is refused with `malformed_signal`.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from assent.core.time import parse_time
from tests.conformance.documents import documents, purpose
from tests.conformance.host import Host, activate
from tests.conformance.rows import Data, Row, Suite

REFUSED: Final = "malformed_signal"

REFUSABLE: Final = ("rejected_by_official", "degenerate_accepted_by_official")
"""Lists of strings that must be refused: the second because what they say depends on who reads them when."""

BEGINNING: Final = parse_time("2026-03-01T00:00:00Z")


def rows(carrier: str, document: Data) -> Iterator[Row]:
    """Yield the rows of a carrier's file."""
    needs = frozenset({f"carrier:{carrier}"})
    for number, data in enumerate(document["vectors"]):
        name = data.get("id", f"vector-{number}")
        yield Row(suite=carrier, id=name, data=data, expected=data["decoded"], needs=needs)
    for kind in REFUSABLE:
        for number, data in enumerate(document.get(kind, ())):
            name = data.get("id", f"{kind.partition('_')[0]}-{number}")
            yield Row(suite=carrier, id=name, data=data, expected=REFUSED, needs=needs)


TCF: Final = Suite(name="tcf", rows=partial(rows, "tcf"))
GPP: Final = Suite(name="gpp", rows=partial(rows, "gpp"))


def ask(row: Row, host: Host) -> object:
    """Return the fields of a row's string, or the code with which it was refused."""
    controller = host.controller(BEGINNING)
    taken = activate(
        controller,
        documents(
            {"storage": purpose(legal_basis="consent", notice="storage", tcf_purpose=1)},
            categories={"all": {"events": ["*"]}},
            namespaces={"user_id": {"kind": "person", "priority": 1}},
            notices={"storage": 1},
        ),
    )
    assert taken.refused is None, taken.body
    subject = {"namespace": "user_id", "value": "u1"}
    body = {"subject": subject, "string": row.data[f"{row.suite}_string".replace("tcf_", "tc_")]}
    answer = controller.ask("POST", f"/v1/consents/{row.suite}", body, role="collector")
    return answer.refused or answer.body.get("decoded")
