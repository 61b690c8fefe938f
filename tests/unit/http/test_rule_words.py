"""Rules in words: every operator in every language, nothing left unfilled, nothing that only engines read."""

import re
import string

import pytest

from assent.audiences.rule import Rule, children
from assent.audiences.text import read
from assent.core.policy import LinkKind
from assent.http.link_words import link_in_words
from assent.http.rule_phrases import PHRASES
from assent.http.rule_words import in_words

TEXTS = (
    'country = "Italy" and plan != "free"',
    "a < 1 or a <= 1 or a > 1 or a >= 1",
    'not country in ("IT", "FR")',
    'at_least(2, country not in ("IT"), a between 1 and 2, a is known)',
    'a is absent and tags has "x" and name contains "ann"',
    "since in last 30d and since in from -30d to 7d",
    'did("Product Viewed", where category = "shoes", at least 3, last 30d)',
    'did("A", exactly 0, from -90d to -30d)',
    'home_area near (45.46, 9.19) within 25km or tier("known", "named")',
    'score(10 if country = "IT", -5.5 if a = 1, at least 50)',
    'seq(did("A"), did("B", where x > 1), gap 3d, last 14d)',
    'held(stage = "trial", at least 7d)',
    'any_item(cart, where sku = "x" and amount > 2)',
    "any_item(cart, where amount > 2, for 1h)",
    'did("Order Completed", where any_item(products, where sku = "x" and price > 2))',
    'audience("regulars") and ids("k1") and bucket("spring", from 0 to 0.1)',
    'agg("Order Completed", sum of revenue, at least 10)',
)


def parts(rule: Rule) -> list[Rule]:
    return [rule, *(each for _, inner in children(rule) for each in parts(inner))]


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_every_part_of_a_rule_has_words_in_every_language(language: str) -> None:
    for text in TEXTS:
        for part in parts(read(text)):
            told = in_words(part, language, {"regulars": "Our regulars"})
            assert told
            assert not re.search(r"[{}~]|None|  ", told), told


def test_every_language_fills_in_the_same() -> None:
    def filled(phrase: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(phrase) if name}

    english = {name: filled(phrase) for name, phrase in PHRASES["en"].items()}
    for phrases in PHRASES.values():
        assert {name: filled(phrase) for name, phrase in phrases.items()} == english


def test_links_have_words_in_the_same_languages() -> None:
    for kind in LinkKind:
        assert len({link_in_words(kind, language) for language in PHRASES}) == len(PHRASES)


def test_an_unknown_language_is_told_in_english() -> None:
    assert in_words(read("a is known"), "xx", {}) == "A is known"


def test_how_long_something_lay_in_a_cart_is_told() -> None:
    told = in_words(read("any_item(cart, where amount >= 50, for 1h)"), "en", {})
    assert told.endswith(", at least 1 h")


def test_what_one_item_of_an_event_must_be_is_told_once() -> None:
    told = in_words(read('did("A", where any_item(products, where sku = "x"))'), "en", {})
    assert told.count("is “x”") == 1
