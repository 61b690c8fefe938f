"""Consent columns: `[consent.<purpose>]` of a mapping, and the statements that rows make by it.

    [consent.personalisation]
    column = "newsletter"               # what somebody chose; blank says nothing
    given = ["yes"]
    refused = ["no"]
    withdrawn = ["out"]
    time = "chosen_at"                  # when they chose
    notice = { id = "personalisation", version = 1 }    # or version = { column = "text_version" }
    mechanism = "checkbox"              # or { column = ... }, as channel
    evidence = { form = "signup-2011", reply = { column = "mail_id" } }

A row speaks for itself: two rows of a group that say different things are two statements, at their own times.
A cell that is neither blank nor listed is no statement: nobody guesses what it meant. Whether a statement can
count is for `consent.statement.check`, as for every other.

Pure. Raises nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import field

from assent.consent.statement import NoticeReference, StatementBody, WireState
from assent.core.document_places import Place
from assent.core.time import Instant, to_datetime
from assent.ingest.cells import Cell
from assent.ingest.columns import VALUES, WORDS, Column, ColumnType, Shape, Word
from assent.ingest.masked import Masked

MOST_PER_GROUP: Final = 1_000
"""Different statements of one purpose that the rows of a group may make."""

_CHOICES: Final = (*WORDS, ColumnType.INTEGER)
"""Words may be blank, where nobody chose; integers may not."""

_VERSION: Final = re.compile(r"[0-9]{1,9}")


class Notice(Shape, frozen=True, kw_only=True):
    """The notice that stood before whoever chose."""

    id: Word
    version: int | Column
    language: str = ""


class Consent(Shape, frozen=True, kw_only=True):
    """`[consent.<purpose>]`: where the choice stands, what its values mean, and what proves it."""

    column: Word
    time: Word
    given: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    notice: Notice | None = None
    mechanism: str | Column = ""
    channel: str | Column = ""
    explicit: bool = False
    evidence: dict[str, str | bool | int | Column] = field(default_factory=dict)

    def states(self) -> dict[str, WireState]:
        """Return what each listed value means; a value listed twice, which no mapping has, means the last."""
        return {
            **dict.fromkeys(self.given, "given"),
            **dict.fromkeys(self.refused, "refused"),
            **dict.fromkeys(self.withdrawn, "withdrawn"),
        }


class Said(Masked, frozen=True, kw_only=True):
    """What a row says about a purpose; without a `body`, nobody knows what."""

    purpose: str
    line: int
    body: StatementBody | None


def check_consent(place: Place, consent: Consent) -> None:
    """Check what one key promises to another. Raises PolicyInvalid."""
    listed = (*consent.given, *consent.refused, *consent.withdrawn)
    if not listed:
        raise place.fault("expected values that mean given, refused or withdrawn")
    if "" in listed or len(set(listed)) < len(listed):
        raise place.fault("expected every value once, and none blank: a blank cell says nothing")


def uses(place: Place, consent: Consent) -> Iterator[tuple[Place, str, tuple[ColumnType, ...]]]:
    """Yield every column that is used: where, which, and the types that fit."""
    yield place.at("column"), consent.column, _CHOICES
    yield place.at("time"), consent.time, (ColumnType.TIME,)
    version = consent.notice.version if consent.notice else None
    if isinstance(version, Column):
        yield place.at("notice", "version", "column"), version.column, _CHOICES
    for key, word in (("mechanism", consent.mechanism), ("channel", consent.channel)):
        if isinstance(word, Column):
            yield place.at(key, "column"), word.column, WORDS
    for name, proof in consent.evidence.items():
        if isinstance(proof, Column):
            yield place.at("evidence", name, "column"), proof.column, VALUES


class Stating:
    """The statements of one purpose, read from rows' values."""

    def __init__(
        self, purpose: str, consent: Consent, pick: Callable[[Sequence[str]], Callable[[Any], Any]]
    ) -> None:
        """Find the columns; `pick` returns what picks columns' values of a row as a tuple."""
        self._purpose = purpose
        self._consent = consent
        self._states = consent.states()
        placeless = Place("")
        self._columns = tuple(dict.fromkeys(column for _, column, _ in uses(placeless, consent)))
        self._pick = pick(self._columns)

    def said(self, values: Sequence[Any]) -> tuple[Cell, ...] | None:
        """Return all that a row says about the purpose, or None where it says nothing."""
        cells: tuple[Cell, ...] = self._pick(values)
        return None if cells[0] is None else cells

    def statement(self, cells: tuple[Cell, ...], line: int) -> Said:
        """Return the statement that the cells make."""
        consent, held = self._consent, dict(zip(self._columns, cells, strict=True))
        state = self._states.get(str(held[consent.column]))
        if state is None:
            return Said(purpose=self._purpose, line=line, body=None)
        at = held[consent.time]
        body = StatementBody(
            purpose=self._purpose,
            state=state,
            mechanism=_word(consent.mechanism, held),
            notice=_notice(consent.notice, held),
            explicit=consent.explicit,
            channel=_word(consent.channel, held),
            event_time=to_datetime(Instant(at)) if isinstance(at, int) else None,
            imported=True,
            evidence=_evidence(consent.evidence, held),
        )
        return Said(purpose=self._purpose, line=line, body=body)


def _word(word: str | Column, held: Mapping[str, Cell]) -> str:
    return word if isinstance(word, str) else str(held[word.column] or "")


def _notice(notice: Notice | None, held: Mapping[str, Cell]) -> NoticeReference | None:
    if notice is None:
        return None
    version = held[notice.version.column] if isinstance(notice.version, Column) else notice.version
    if not _VERSION.fullmatch(str(version)):
        return None
    return NoticeReference(id=notice.id, version=int(str(version)), language=notice.language)


def _evidence(proofs: Mapping[str, str | bool | int | Column], held: Mapping[str, Cell]) -> dict[str, object]:
    found = {name: held[one.column] if isinstance(one, Column) else one for name, one in proofs.items()}
    # Numbers with a point as text: their digits are the proof.
    return {
        name: value if isinstance(value, str | int) else str(value)
        for name, value in found.items()
        if value is not None
    }
