"""`Assent-At-Least`: answer from nothing older than what the caller was told, or say that it is not there.

`l:90213` names a revision of the ledger, `p:17` a sequence of the purpose asked for. Every answer comes from
the primary and from a snapshot that begins after the question, so whatever was acknowledged is in it and
there is nothing to wait for; a number beyond the head was never acknowledged here.

An engine is answered about its purpose alone. How large the ledger is depends on data it may not use, and
comparing would tell it, guess by guess: `l:` from an engine is true already and is not compared.

Raises UnreadableBody for a header that is neither, RevisionAhead.
"""

import re
from typing import Final

from assent.core.errors import RevisionAhead, UnreadableBody
from assent.http.wiring import AnyRequest

_FORM: Final = re.compile(r"([lp]):(0|[1-9][0-9]{0,17})", re.ASCII)


def revision_asked(request: AnyRequest) -> int:
    """Return the revision that an answer to a collector, a person or a DPO must have reached; 0 is any."""
    unit, number = _asked(request)
    if unit == "p":
        raise UnreadableBody("Assent-At-Least: expected l: and a revision.")
    return number


def sequence_asked(request: AnyRequest) -> int:
    """Return the purpose's sequence that an answer to an engine must have reached; 0 is any."""
    unit, number = _asked(request)
    return number if unit == "p" else 0


def refuse_ahead(asked: int, head: int) -> None:
    """Raise RevisionAhead when what was asked for is beyond the head."""
    if asked > head:
        raise RevisionAhead


def _asked(request: AnyRequest) -> tuple[str, int]:
    text = request.headers.get("assent-at-least")
    if text is None:
        return "", 0
    found = _FORM.fullmatch(text)
    if found is None:
        raise UnreadableBody("Assent-At-Least: expected l: or p: and a number.")
    return found[1], int(found[2])
