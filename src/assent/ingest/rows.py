"""Group the rows of a file into calls, as a mapping says, with bounded memory and stable numbers.

Records are numbered by the first row of their group and come in that order, so an interrupted import goes on
where it stopped. What is held is at most `group.open` groups, of a few sums and capped lists each, however
long the file. Nothing is lost: every row is part of a record, or of a `Rejected` that says where and why.
A group whose rows name different people is rejected whole, since it would give one what is another's.

Pure: no file is read. Raises UnreadableBody when the file's columns are not the mapping's; no row raises.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from decimal import Context, Inexact, InvalidOperation
from typing import Any, Final, assert_never

from msgspec import Struct

from assent.core.errors import (
    AmbiguousIdentifier,
    BodyTooLarge,
    MalformedIdentifier,
    UnreadableBody,
    WrongType,
)
from assent.core.time import Instant
from assent.ingest import exact_json
from assent.ingest.cells import Cell, Raw, converters
from assent.ingest.columns import NUMBERS
from assent.ingest.mapping import Column, ColumnType, Constant, ImportMapping, Listing, Sum
from assent.ingest.masked import Masked
from assent.ingest.stating import MOST_PER_GROUP, Said, Stating
from assent.ingest.tracking import Call, CallType, Limits


class Record(Masked, frozen=True, kw_only=True):
    """One call made of `lines` rows, the first of which begins in line `line` of the file."""

    number: int
    """From 0 over the whole file: with the file's digest, what makes the call the same when read again."""
    line: int
    lines: int
    call: Call
    is_event: bool = True
    """False where the mapping names no event: then the call says whom the statements are of, and no more."""
    statements: tuple[Said, ...] = ()


class Rejected(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`lines` lines, the first of them `line`, that became no call, and why: a code of the wire.

    unreadable_body: no row of the file's columns; wrong_type: a cell is not what its column holds, or the
    group's own is blank; ambiguous_identifier: the group names different people; malformed_identifier: it
    names nobody; body_too_large: the call would be larger than the contract allows, or says too much. A
    refused record or statement is told the same way.
    """

    line: int
    lines: int
    code: str
    article: str = ""
    """Of the GDPR, where a statement could not count."""
    purpose: str = ""
    """The purpose that it was about."""
    column: str = ""
    """The column whose cell is not of its type."""


class Rows:
    """Takes rows in the file's order and gives back what is complete."""

    def __init__(self, mapping: ImportMapping, header: Sequence[str], zone: tzinfo) -> None:
        """Find the mapping's columns in `header`, the file's first row; `zone` is the file's clock."""
        for column in mapping.columns:
            if header.count(column) != 1:
                raise UnreadableBody(unfit_header(column, header))
        self._plan = plan = _Plan(mapping)
        convert = converters(mapping.time_format, zone)
        reading = [(header.index(column), convert[mapping.columns[column]]) for column in plan.place]
        # Rows of a group stand together, and most of what they say is what the row before said.
        steady, other = reading[: len(plan.steady)], reading[len(plan.steady) :]
        self._pick_steady = _picker([place for place, _ in steady])
        self._pick_other = _picker([place for place, _ in other])
        self._read_steady = [read for _, read in steady]
        self._read_other = [read for _, read in other]
        self._before: tuple[Raw, ...] = ()
        self._said_before: tuple[Any, ...] = ()
        self._group_before: _Group | None = None
        self._width = len(header)
        self._most_open = mapping.group.open
        self._open: dict[str, _Group] = {}
        self._begun = 0

    def take(self, line: int, row: Sequence[Raw]) -> Record | Rejected | None:
        """Take the row that begins in `line`; return what that completes, if anything."""
        if len(row) != self._width:
            return Rejected(line=line, lines=1, code=UnreadableBody.code)
        steady = self._pick_steady(row)
        try:
            other = tuple(map(operator.call, self._read_other, self._pick_other(row)))
            if steady == self._before and self._group_before is not None:
                self._group_before.add(self._said_before + other, line)
                return None
            said = tuple(map(operator.call, self._read_steady, steady))
        except ValueError:
            return self._unfit(line, row)
        key = said[self._plan.key]
        if not isinstance(key, str):
            return _wrong(line, self._plan.mapping.group.by)
        if said[self._plan.time] is None and self._plan.is_event:
            return _wrong(line, self._plan.mapping.group.time)
        complete = None
        group = self._open.get(key)
        if group is None:
            complete = self._closed() if len(self._open) >= self._most_open else None
            group = self._open[key] = _Group(self._plan, self._begun, line, said)
            self._begun += 1
        else:
            group.meet(said)
        group.add(said + other, line)
        # The group of the row before is open: one is closed only where another begins.
        self._before, self._said_before, self._group_before = steady, said, group
        return complete

    def rest(self) -> Iterator[Record | Rejected]:
        """Yield what was still open when the file ended."""
        while self._open:
            yield self._closed()

    def _unfit(self, line: int, row: Sequence[Raw]) -> Rejected:
        """Name the first column of a row whose cell is not of its type."""
        cells = (*self._pick_steady(row), *self._pick_other(row))
        for column, read, cell in zip(
            self._plan.place, (*self._read_steady, *self._read_other), cells, strict=True
        ):
            try:
                read(cell)
            except ValueError:
                return _wrong(line, column)
        return _wrong(line, "")

    def _closed(self) -> Record | Rejected:
        """Close the group that began first."""
        return self._open.pop(next(iter(self._open))).closed()


_EXACT: Final = Context(prec=100, traps=[Inexact, InvalidOperation])
"""No product or sum of cells of their largest size comes near; if one did, it would raise, not round."""

_LARGEST_CALL: Final = Limits().item_bytes

# A value of a row: what its column's type says, which the mapping has checked against its uses.
_Values = Sequence[Any]
_Term = Callable[[_Values], Any]


def _picker(places: Sequence[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Return what picks these places of a sequence, in C; `itemgetter` gives no tuple for fewer than two."""
    if len(places) > 1:
        return operator.itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


class _Plan:
    """The mapping with its columns as places in a row's values."""

    def __init__(self, mapping: ImportMapping) -> None:
        self.mapping = mapping
        people = [identifier.column for identifier in mapping.identifiers]
        single = [value.column for value in mapping.properties.values() if isinstance(value, Column)]
        self.steady = dict.fromkeys(
            (mapping.group.by, mapping.group.time, *people, *mapping.traits.values(), *single)
        )
        self.people = frozenset(people)
        # What is alike in all rows of a group stands first.
        order = self.steady | dict.fromkeys(mapping.columns)
        self.place = {column: place for place, column in enumerate(order)}
        self.key = self.place[mapping.group.by]
        self.time = self.place[mapping.group.time]
        self.is_event = bool(mapping.events)
        self.consents = [
            Stating(purpose, consent, lambda columns: _picker([self.place[column] for column in columns]))
            for purpose, consent in mapping.consent.items()
        ]
        values = mapping.properties.values()
        sums = [value for value in values if isinstance(value, Sum) and value.sum]
        self.sums = [(number, *self._term(value)) for number, value in enumerate(sums)]
        self.listings = [
            (
                value.at_most,
                tuple(value.list),
                _picker([self.place[column] for column in value.list.values()]),
                _picker(
                    [self.place[column] for column in value.list.values() if not self._is_number(column)]
                ),
            )
            for value in values
            if isinstance(value, Listing)
        ]

    def _is_number(self, column: str) -> bool:
        """Return whether a column holds numbers, which are never blank."""
        return self.mapping.columns[column] in NUMBERS

    def _term(self, value: Sum) -> tuple[_Term, Callable[[Any, Any], Any]]:
        """Return what one row adds to a sum, and how it is added."""
        places = [self.place[column] for column in value.sum]
        whole = all(self.mapping.columns[column] is ColumnType.INTEGER for column in value.sum)
        add = operator.add if whole else _EXACT.add
        multiply = operator.mul if whole else _EXACT.multiply
        if len(places) == 1:
            return operator.itemgetter(*places), add
        one, other = places  # the mapping admits no more
        return (lambda values: multiply(values[one], values[other])), add


class _Group:
    """The rows of one call so far: sums, the first rows of lists, and what every row says alike."""

    def __init__(self, plan: _Plan, number: int, line: int, said: tuple[Cell, ...]) -> None:
        """Begin with what the first row says of all; `add` adds it."""
        self._plan = plan
        self._number = number
        self._line = line
        self._key = str(said[plan.key])
        self._lines = 0
        self._at = _instant(said[plan.time])
        self._steady = said
        self._clashing = False
        self._totals: list[Any] = [0] * len(plan.sums)
        self._listed: list[list[dict[str, Cell]]] = [[] for _ in plan.listings]
        self._said: list[dict[tuple[Cell, ...], int]] = [{} for _ in plan.consents]
        self._too_many = False

    def meet(self, said: tuple[Cell, ...]) -> None:
        """Take what a row says of all, where it may be another thing than the row before did."""
        if said != self._steady:
            self._at = min(self._at, _instant(said[self._plan.time]) or self._at)
            self._settle(said)

    def add(self, values: _Values, line: int) -> None:
        """Add a row, whose first values were met."""
        plan = self._plan
        if self._said:
            self._hear(values, line)
        self._lines += 1
        totals = self._totals
        for number, term, add in plan.sums:
            totals[number] = add(totals[number], term(values))
        for listed, (at_most, members, pick, pick_words) in zip(self._listed, plan.listings, strict=True):
            if len(listed) < at_most:
                row = dict(zip(members, pick(values), strict=True))
                listed.append(_without_blanks(row) if None in pick_words(values) else row)

    def _hear(self, values: _Values, line: int) -> None:
        """Keep what a row states; the same said again is said once."""
        for stating, said in zip(self._plan.consents, self._said, strict=True):
            cells = stating.said(values)
            if cells is not None:
                said.setdefault(cells, line)
                self._too_many |= len(said) > MOST_PER_GROUP

    def closed(self) -> Record | Rejected:
        """Return the record, or why there is none."""
        if self._too_many:
            return self._rejected(BodyTooLarge.code)
        if self._clashing:
            return self._rejected(AmbiguousIdentifier.code)
        first = dict(zip(self._plan.steady, self._steady, strict=True))
        external = self._external(first)
        if not external:
            return self._rejected(MalformedIdentifier.code)
        traits = {name: first[column] for name, column in self._plan.mapping.traits.items()}
        properties = self._properties(first)
        context = {
            "externalIds": external,
            "traits": {name: value for name, value in traits.items() if value is not None},
        }
        if len(exact_json.write((properties, context))) > _LARGEST_CALL:
            return self._rejected(BodyTooLarge.code)
        call = Call(
            index=self._number,
            type=CallType.TRACK,
            name=self._name() if self._plan.is_event else "",
            timestamp=self._at,
            properties=properties,
            context=context,
            item={"context": context},
        )
        return Record(
            number=self._number,
            line=self._line,
            lines=self._lines,
            call=call,
            is_event=self._plan.is_event,
            statements=tuple(
                stating.statement(cells, line)
                for stating, said in zip(self._plan.consents, self._said, strict=True)
                for cells, line in said.items()
            ),
        )

    def _settle(self, steady: tuple[Cell, ...]) -> None:
        """Keep the first value there is; people must not differ."""
        both = list(zip(self._plan.steady, self._steady, steady, strict=True))
        self._clashing |= any(
            column in self._plan.people and None not in (had, has) and had != has for column, had, has in both
        )
        self._steady = tuple(has if had is None else had for _, had, has in both)

    def _rejected(self, code: str) -> Rejected:
        return Rejected(line=self._line, lines=self._lines, code=code)

    def _name(self) -> str:
        return next(event.name for event in self._plan.mapping.events if self._key.startswith(event.prefix))

    def _external(self, first: Mapping[str, Cell]) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        for identifier in self._plan.mapping.identifiers:
            value = first[identifier.column]
            if value is not None and not (identifier.fallback and found):
                found.append({"id": f"{identifier.prefix}{value}", "type": identifier.namespace})
        return found

    def _properties(self, first: Mapping[str, Cell]) -> dict[str, object]:
        said: dict[str, object] = {}
        totals, listed = iter(self._totals), iter(self._listed)
        for name, value in self._plan.mapping.properties.items():
            match value:
                case Column():
                    held = first[value.column]
                    if held is not None:
                        said[name] = held
                case Constant():
                    said[name] = value.constant
                case Sum():
                    said[name] = next(totals) if value.sum else self._lines
                case Listing():
                    said[name] = next(listed)
                    if self._lines > value.at_most:
                        said[value.left_out] = self._lines - value.at_most
                case _:
                    assert_never(value)
        return said


def _wrong(line: int, column: str) -> Rejected:
    return Rejected(line=line, lines=1, code=WrongType.code, column=column)


def unfit_header(column: str, header: Sequence[str]) -> str:
    """Say what is wrong with a file's columns, and repeat nothing of them: the first line may be data."""
    match len(header):
        case 0:
            return "expected a first line that names the columns, got an empty one"
        case 1:
            return (
                f"expected one column {column} in the file, got one column in all: are there commas between?"
            )
        case _:
            return f"expected one column {column} in the file, got {header.count(column)} of that name"


def _without_blanks(row: dict[str, Cell]) -> dict[str, Cell]:
    return {name: cell for name, cell in row.items() if cell is not None}


def _instant(cell: Cell) -> Instant:
    return Instant(cell) if isinstance(cell, int) else Instant(0)
