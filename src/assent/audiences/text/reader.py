"""Read a rule from its text, or say at which column what was expected. The grammar stands in the package.

Total and bounded: one pass, and no more levels than any rule that could be saved needs. Raises UnreadableBody
and nothing else.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from assent.audiences.rule import (
    AGGREGATES,
    Absent,
    Agg,
    All,
    And,
    AnyItem,
    AtLeast,
    Audience,
    Between,
    Bucket,
    Contains,
    Did,
    Eq,
    Ge,
    Gt,
    Has,
    Held,
    Ids,
    In,
    Known,
    Le,
    Lt,
    Ne,
    Near,
    Not,
    NotIn,
    Or,
    Part,
    Recent,
    Rule,
    Score,
    Seq,
    Tier,
    children,
)
from assent.audiences.text.cursor import Cursor
from assent.audiences.text.scan import RESERVED, Kind, place_of, unreadable

_MARKS: Final[Mapping[str, Callable[..., Rule]]] = {
    "=": Eq,
    "==": Eq,
    "!=": Ne,
    "<": Lt,
    "<=": Le,
    ">": Gt,
    ">=": Ge,
}
_COMPARISON: Final = "a comparison: =, !=, <, <=, >, >=, in, not in, between, is, has, contains or near"
_CLAUSES: Final = "where, a number of times (such as at least 3), last, from, to or between"


def read(text: str) -> Rule:
    """Return the rule that the text says. Raises UnreadableBody with the column of the fault."""
    return _Reading(text).whole()


def column_of(text: str, pointer: str) -> str:
    """Return where in a text that can be read the rule stands that a JSON pointer into its tree leads to."""
    reading = _Reading(text)
    rule, left = reading.whole(), pointer.removeprefix("/rule")
    while inner := [(step, each) for step, each in children(rule) if f"{left}/".startswith(f"{step}/")]:
        ((step, rule),) = inner
        left = left[len(step) :]
    if isinstance(rule, Score) and left.startswith("/parts/"):
        return place_of(text, reading.places[id(rule.parts[int(left.split("/")[2])])])
    return place_of(text, reading.places[id(rule)])


class _Reading(Cursor):
    """One text being read as a rule."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.places: dict[int, int] = {}
        """Where each rule, and each part of a score, begins, by its identity."""

    def whole(self) -> Rule:
        rule = self._rule()
        if self.piece.kind is not Kind.END:
            raise self.unexpected("and, or, or the end")
        return rule

    # Rules, from what binds least to what binds most.

    def _rule(self) -> Rule:
        return self._joined("or", Or, lambda: self._joined("and", And, self._unary))

    def _joined(self, word: str, group: type[And | Or], part: Callable[[], Rule]) -> Rule:
        at = self.piece.at
        parts = [part()]
        while self.took(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else self._placed(at, group(of=tuple(parts)))

    def _unary(self) -> Rule:
        at = self.piece.at
        if self.took("not"):
            with self.deeper():
                return self._placed(at, Not(of=self._unary()))
        if self.took("("):
            with self.deeper():
                rule = self._rule()
            self.take(")", "and, or, or )")
            return rule
        if self.took("everyone"):
            return self._placed(at, All())
        if self.piece.kind is Kind.WORD and self.piece.text not in RESERVED:
            word = self.advance()
            if self.stands("("):
                return self._placed(at, self._call(word, at))
            return self._placed(at, self._comparison(word))
        if self.piece.kind is Kind.STRING:
            return self._placed(at, self._comparison(self.string("")))
        raise self.unexpected("a feature, not, ( or one of the functions")

    def _comparison(self, name: str) -> Rule:
        if self.piece.kind is Kind.MARK and self.piece.text in _MARKS:
            return _MARKS[self.advance()](feature=name, value=self.value())
        if self.took("not"):
            self.take("in", "in")
            return NotIn(feature=name, values=self.listed(self.value))
        if self.took("in"):
            return self._in(name)
        if self.took("near"):
            return self._near(name)
        if self.took("between"):
            low = self.value()
            self.take("and", "and")
            return Between(feature=name, low=low, high=self.value())
        if self.took("is"):
            if self.took("known"):
                return Known(feature=name)
            self.take("absent", "known or absent")
            return Absent(feature=name)
        if self.took("has"):
            return Has(feature=name, value=self.value())
        if self.took("contains"):
            return Contains(feature=name, value=self.value())
        raise self.unexpected(_COMPARISON)

    def _in(self, name: str) -> Rule:
        if self.stands("("):
            return In(feature=name, values=self.listed(self.value))
        if self.took("last"):
            at = self.piece.at
            length = self.duration()
            if length.startswith("-"):
                raise unreadable(self.text, at, "a duration that is not negative")
            return Recent(feature=name, begin=f"-{length}")
        self.take("from", "(, last or from")
        begin = self.duration()
        return (
            Recent(feature=name, begin=begin, end=self.duration())
            if self.took("to")
            else Recent(feature=name, begin=begin)
        )

    def _near(self, name: str) -> Rule:
        self.take("(", "(")
        north = self.value()
        self.take(",", ",")
        of = north, self.value()
        self.take(")", ")")
        self.take("within", "within")
        return Near(feature=name, of=of, within_km=self.distance())

    # Functions.

    def _call(self, word: str, at: int) -> Rule:
        call = _CALLS.get(word)
        if call is None:
            raise unreadable(self.text, at, f"a comparison, or one of the functions {', '.join(_CALLS)}")
        self.take("(", "(")
        with self.deeper():
            rule = call(self)
        self.take(")", ", or )")
        return rule

    def all_of(self) -> Rule:
        return And(of=self._rules())

    def any_of(self) -> Rule:
        return Or(of=self._rules())

    def _rules(self) -> tuple[Rule, ...]:
        return () if self.stands(")") else (self._rule(), *self.further(self._rule))

    def at_least(self) -> Rule:
        return AtLeast(count=self.count(), of=tuple(self.further(self._rule)))

    def audience(self) -> Rule:
        return Audience(audience=self.string("the name of an audience in quotes"))

    def ids(self) -> Rule:
        def one() -> str:
            return self.string("an id in quotes")

        return Ids(values=() if self.stands(")") else (one(), *self.further(one)))

    def tier(self) -> Rule:
        def one() -> str:
            return self.string("a tier in quotes")

        return Tier(values=() if self.stands(")") else (one(), *self.further(one)))

    def score(self) -> Rule:
        parts: list[Part] = []
        while not self.stands("at"):
            at = self.piece.at
            weight = self.value()
            self.take("if", "if")
            parts.append(Part(rule=self._rule(), weight=weight))
            self.places[id(parts[-1])] = at
            self.take(",", "and, or, or ,")
        self.take("at", "at")
        self.take("least", "least")
        return Score(parts=tuple(parts), at_least=self.value())

    def bucket(self) -> Rule:
        salt = self.string("a salt in quotes")
        self.take(",", ",")
        feature = None
        if self.took("of"):
            feature = self.name()
            self.take(",", ",")
        self.take("from", "of or from" if feature is None else "from")
        low = self.value()
        self.take("to", "to")
        return Bucket(salt=salt, low=low, high=self.value(), feature=feature)

    def any_item(self) -> Rule:
        feature = self.name()
        self.take(",", ",")
        self.take("where", "where")
        where = self._rule()
        if not self.took(","):
            return AnyItem(feature=feature, where=where)
        self.take("for", "for")
        return AnyItem(feature=feature, where=where, lasting=self.duration())

    def held(self) -> Rule:
        feature = self.name()
        self.take("=", "=")
        value = self.value()
        self.take(",", ",")
        compare = self.compare()
        if compare is None:
            raise self.unexpected("at least, at most, more than, less than, exactly or other than")
        return Held(feature=feature, value=value, compare=compare, duration=self.duration())

    def did(self) -> Did:
        event = self.string("the name of an event in quotes")
        return Did(**{"event": event, "compare": ">=", "count": 1, **self._clauses("count", self.count)})

    def agg(self) -> Rule:
        event = self.string("the name of an event in quotes")
        self.take(",", ",")
        at = self.piece.at
        aggregate = self.advance() if self.piece.kind is Kind.WORD else ""
        if aggregate not in AGGREGATES:
            raise unreadable(self.text, at, f"one of {', '.join(AGGREGATES)}")
        path = self.name() if self.took("of") else None
        at = self.piece.at
        said = self._clauses("value", self.value)
        if "value" not in said:
            raise unreadable(self.text, at, "a comparison such as at least 100")
        return Agg(**{"event": event, "aggregate": aggregate, "path": path, **said})

    def _clauses(self, operand: str, read_operand: Callable[[], object]) -> dict[str, Any]:
        """Return the parts of `did` or `agg`, each at most once, as the members they say."""
        said: dict[str, Any] = {}
        while self.took(","):
            at = self.piece.at
            clause = self._clause(operand, read_operand)
            if clause.keys() & said.keys():
                raise unreadable(self.text, at, "each part no more than once")
            said |= clause
        return said

    def _clause(self, operand: str, read_operand: Callable[[], object]) -> dict[str, Any]:
        if self.took("where"):
            return {"where": self._rule()}
        if self.took("last"):
            return {"last": self.duration()}
        if self.took("between"):
            low = self.value()
            self.take("and", "and")
            return {"between_t": (low, self.value())}
        if self.took("from"):
            begin = self.duration()
            return {"begin": begin, "end": self.duration()} if self.took("to") else {"begin": begin}
        if self.took("to"):
            return {"end": self.duration()}
        compare = self.compare()
        if compare is None:
            raise self.unexpected(_CLAUSES)
        return {"compare": compare, operand: read_operand()}

    def seq(self) -> Rule:
        steps: list[Did] = []
        ends: dict[str, str] = {}
        while not self.stands(")"):
            if steps or ends:
                self.take(",", ", or )")
            at = self.piece.at
            if (self.stands("gap") or self.stands("last")) and self.piece.text not in ends:
                word = self.advance()
                ends[word] = self.duration()
            elif not ends and self.took("did"):
                self.take("(", "(")
                with self.deeper():
                    steps.append(self.did())
                self.places[id(steps[-1])] = at
                self.take(")", ", or )")
            else:
                raise self.unexpected("did, or gap and last once at the end")
        return Seq(steps=tuple(steps), **ends)

    def _placed(self, at: int, rule: Rule) -> Rule:
        self.places[id(rule)] = at
        return rule


_CALLS: Final[Mapping[str, Callable[[_Reading], Rule]]] = {
    "audience": _Reading.audience,
    "ids": _Reading.ids,
    "tier": _Reading.tier,
    "score": _Reading.score,
    "bucket": _Reading.bucket,
    "at_least": _Reading.at_least,
    "all_of": _Reading.all_of,
    "any_of": _Reading.any_of,
    "did": _Reading.did,
    "agg": _Reading.agg,
    "seq": _Reading.seq,
    "any_item": _Reading.any_item,
    "held": _Reading.held,
}
