"""The text of a rule and its tree say the same, one to one; every law is shown to catch a fault."""

from collections.abc import Callable, Iterable, Iterator
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.audiences.rule import Rule, children, unparse
from assent.audiences.text import column_of, read, reader, write, writer
from assent.core.errors import UnreadableBody
from tests.property.audiences.shapes import MADE, rules

LAWS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
CANARY = settings(
    LAWS,
    max_examples=600,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)

_WORDS = [
    "a",
    "and",
    "or",
    "not",
    "in",
    "(",
    ")",
    "did",
    "1",
    '"x"',
    "=",
    ",",
    "last",
    "30d",
    "-",
    "[",
    "{",
    ":",
    "\n",
]

soup = st.lists(st.sampled_from(_WORDS), max_size=20).map(" ".join)


told = msgspec.json.Encoder(decimal_format="number").encode
"""Tells true from 1, which `==` does not."""


def nodes(rule: Rule, pointer: str = "/rule") -> Iterator[tuple[str, Rule]]:
    yield pointer, rule
    for step, each in children(rule):
        yield from nodes(each, pointer + step)


def text_and_tree_are_one(rule: Rule) -> None:
    text = write(rule)
    again = read(text)
    assert again == rule
    assert told(unparse(again)) == told(unparse(rule))
    assert write(again) == text


@LAWS
@given(rules())
def test_reading_what_was_written_gives_the_rule_back(rule: Rule) -> None:
    text_and_tree_are_one(rule)


def any_text_is_a_rule_or_is_refused_with_a_column(text: str) -> None:
    try:
        rule = read(text)
    except UnreadableBody as refused:
        said = str(refused), refused.pointer
    else:
        said = "column ", "/rule"
        assert read(write(rule)) == rule
    assert "column " in said[0]
    assert said[1] == "/rule"


@LAWS
@given(st.one_of(st.text(), soup))
def test_any_text_is_a_rule_or_is_refused_with_a_column(text: str) -> None:
    any_text_is_a_rule_or_is_refused_with_a_column(text)


@LAWS
@given(rules(), st.data())
def test_a_text_with_something_else_in_it_is_a_rule_or_is_refused(rule: Rule, data: st.DataObject) -> None:
    text = write(rule)
    place = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(place, min(len(text), place + 3)))
    wrong = text[:place] + data.draw(st.one_of(st.text(max_size=2), st.sampled_from(_WORDS))) + text[end:]
    any_text_is_a_rule_or_is_refused_with_a_column(wrong)


def every_part_is_found_where_it_stands(rule: Rule) -> None:
    text = write(rule)
    for pointer, part in nodes(rule):
        words = column_of(text, f"{pointer}/feature")
        assert text[int(words.removeprefix("column ")) - 1 :].startswith(write(part))


@LAWS
@given(rules())
def test_every_part_of_a_rule_is_found_where_it_stands(rule: Rule) -> None:
    every_part_is_found_where_it_stands(rule)


def test_rules_of_every_operator_are_tried() -> None:
    assert {kind.__struct_config__.tag for kind in get_args(Rule)} == MADE


def no_parentheses(patch: pytest.MonkeyPatch) -> None:
    def group(word: str, own: int, of: Iterable[Rule], around: int) -> str:
        return word.join(writer._rule(each, own + 1) for each in of)

    patch.setattr(writer, "_group", group)


def bare_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writer, "RESERVED", frozenset())


def days_as_weeks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writer, "shortened", {"P30D": "720h", "PT0S": "0s"}.get)


def minutes_as_months(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writer, "shortened", {"PT1M": "P1M"}.get)


def numbers_as_floats(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writer, "Decimal", type(None))
    patch.setattr(writer, "_encode", lambda value: msgspec.json.encode(msgspec.to_builtins(value)))


def places_of_the_whole(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reader, "children", lambda _: ())


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        (text_and_tree_are_one, no_parentheses),
        (text_and_tree_are_one, bare_names),
        (text_and_tree_are_one, days_as_weeks),
        (text_and_tree_are_one, minutes_as_months),
        (text_and_tree_are_one, numbers_as_floats),
        (every_part_is_found_where_it_stands, places_of_the_whole),
    ],
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, law: Callable[[Rule], None], fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    fault(monkeypatch)
    with pytest.raises(Exception):  # noqa: B017, PT011 - any
        CANARY(given(rules())(law))()
