"""Laws of explanations: they say what `evaluate` says, of every part; and rules of every shape have words."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.audiences import explain as explain_module
from assent.audiences.evaluate import Truth, evaluate
from assent.audiences.explain import Ground, Part, explained
from assent.audiences.rule import Rule
from assent.audiences.seen import Seen
from assent.core.time import Instant
from assent.http.rule_phrases import PHRASES
from assent.http.rule_words import in_words
from tests.property.audiences.shapes import rules
from tests.property.audiences.test_evaluate import CANARY, LAWS, seen
from tests.property.audiences.worlds import POLICY, Asked, asked


def parts(part: Part) -> Iterator[Part]:
    yield part
    for each in part.of:
        yield from parts(each)


def told_as_evaluated(question: Asked, sight: tuple[Seen, Instant]) -> None:
    tree = explained(question.rule, POLICY, *sight, question.audiences, "0")
    assert tree.truth is evaluate(question.rule, POLICY, *sight, question.audiences, "0")
    for part in parts(tree):
        assert part.truth is evaluate(part.rule, POLICY, *sight, question.audiences, "0")
        hidden = any(not sight[0].visible >> one.feature.category & 1 for one in part.looked_at)
        if part.ground is Ground.HIDDEN:
            assert part.truth is Truth.UNKNOWN
            assert hidden or sight[0].visible == 0
            assert all(one.value is None for one in part.looked_at if hidden)
        elif part.ground in {Ground.VALUE, Ground.ABSENT}:
            assert part.truth is not Truth.UNKNOWN
            assert not hidden


@LAWS
@given(asked(), seen)
def test_every_part_is_told_as_it_is_evaluated(question: Asked, sight: tuple[Seen, Instant]) -> None:
    told_as_evaluated(question, sight)


def test_a_part_told_otherwise_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def optimist(*_: object) -> object:
        return lambda _: Truth.TRUE

    monkeypatch.setattr(explain_module, "teller", optimist)
    with pytest.raises(AssertionError):
        CANARY(given(asked(), seen)(told_as_evaluated))()


@settings(LAWS, max_examples=100)
@given(rules(), st.sampled_from(sorted(PHRASES)))
def test_a_rule_of_any_shape_has_words(rule: Rule, language: str) -> None:
    told = in_words(rule, language, {})
    assert told
    assert not re.fullmatch(r".*\{(event|feature|value|compare|window|where)\}.*", told)
