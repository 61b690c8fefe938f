from decimal import Decimal

import pytest

from assent.audiences.rule import (
    All,
    And,
    Audience,
    Bucket,
    Did,
    Eq,
    Ge,
    In,
    Not,
    Or,
    Recent,
    Seq,
    children,
    parse,
)
from assent.audiences.text import column_of, read, write
from assent.core.errors import UnreadableBody

EXAMPLE = (
    'country in ("IT", "FR") and order_count >= 3 and did("Product Viewed", where category = "shoes", '
    'at least 3, last 30d) and not audience("recent_buyers")'
)
A, B, C = (Eq(feature=name, value=1) for name in "abc")


def test_the_example_of_the_design_reads_as_what_it_says_and_is_written_again() -> None:
    assert read(EXAMPLE) == And(
        of=(
            In(feature="country", values=("IT", "FR")),
            Ge(feature="order_count", value=3),
            Did(
                event="Product Viewed",
                compare=">=",
                count=3,
                last="P30D",
                where=Eq(feature="category", value="shoes"),
            ),
            Not(of=Audience(audience="recent_buyers")),
        )
    )
    assert write(read(EXAMPLE)) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "everyone",
        'country != "IT"',
        "age between 18 and 29.5",
        "country is known",
        "country is absent",
        'tags has "shoes"',
        'name contains "ann"',
        'country not in ("IT")',
        'not country in ("IT")',
        "signed_up in last 30d",
        "signed_up in from -P1M to 1d",
        "at_least(2, a = 1, b = 1 or c = 1, not d = 1)",
        'ids("k1", "k2")',
        'bucket("spring", from 0 to 0.1)',
        'bucket("spring", of company_id, from 0 to 0.1)',
        'did("Order Completed")',
        'did("Order Completed", exactly 0, from -90d to -30d)',
        'did("Order Completed", between "2026-01-01T00:00:00Z" and "2026-02-01T00:00:00Z")',
        'seq(did("Cart Viewed"), did("Order Completed", where revenue > 10), gap 3d, last 2w)',
        'any_item(interests, where key = "cars" and value > 45)',
        "any_item(cart, where amount >= 50, for 1h)",
        "home_area near (45.46, 9.19) within 25km",
        "not home_area near (-90, 180) within 0.5km",
        'home_area near (45.46, 9.19) within "far"',
        'tier("known", "named")',
        'score(10 if country = "IT", 25 if did("Order Completed") or vip = true, -5.5 if a = 1, at least 50)',
        "score(1 if score(2 if a = 1, at least 2), at least 1)",
        'held(status = "onboarding", at least 7d)',
        "all_of(a = 1) and any_of()",
        '"order value" >= -0.10 and "not" = null',
    ],
)
def test_every_form_is_written_as_it_was_read(text: str) -> None:
    assert write(read(text)) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Or(of=(And(of=(A, B)), C)), "a = 1 and b = 1 or c = 1"),
        (And(of=(Or(of=(A, B)), C)), "(a = 1 or b = 1) and c = 1"),
        (And(of=(And(of=(A, B)), C)), "(a = 1 and b = 1) and c = 1"),
        (Not(of=And(of=(A, B))), "not (a = 1 and b = 1)"),
        (And(of=(Not(of=A), B)), "not a = 1 and b = 1"),
        (Not(of=Not(of=All())), "not not everyone"),
    ],
)
def test_parentheses_stand_only_where_they_say_something(rule: And | Or | Not, text: str) -> None:
    assert write(rule) == text
    assert read(text) == rule


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30d", "P30D"),
        ("2w", "P2W"),
        ("12h", "PT12H"),
        ("5min", "PT5M"),
        ("90s", "PT90S"),
        ("P1M", "P1M"),
        ("P1DT12H", "P1DT12H"),
        ('"soon"', "soon"),
    ],
)
def test_a_duration_is_exactly_the_one_that_is_written(text: str, duration: str) -> None:
    rule = Seq(steps=(), gap=duration)
    assert read(f"seq(gap {text})") == rule
    assert write(rule) == f"seq(gap {text})"


def test_numbers_are_exact() -> None:
    rule = read("a = 0.1000000000000000000000000000001 or b = 9007199254740993")
    assert rule == Or(
        of=(
            Eq(feature="a", value=Decimal("0.1000000000000000000000000000001")),
            Eq(feature="b", value=9007199254740993),
        )
    )


def test_spaces_and_lines_mean_nothing() -> None:
    assert read("\n a=1\r\n\tand(b=1) ") == And(of=(A, B))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "column 1: expected a feature, not, ( or one of the functions"),
        ("a", "column 2: expected a comparison"),
        ("a =", "column 4: expected a value"),
        ("a = 1 b = 2", "column 7: expected and, or, or the end"),
        ("a = 1 and", "column 10: expected a feature"),
        ("(a = 1", "column 7: expected and, or, or )"),
        ("a not 1", "column 7: expected in"),
        ("a is new", "column 6: expected known or absent"),
        ("a in last -3d", "column 11: expected a duration that is not negative"),
        ("a in last 30x", "column 11: expected a word, a value or a mark"),
        ("a in (1 2)", "column 9: expected , or )"),
        ("a = 'x'", "column 5: expected a word, a value or a mark"),
        ('a = "x', "column 5: expected a closing quotation mark"),
        ('a = "\\ud800"', "column 5: expected a string as JSON writes it"),
        ("a = 01", "column 5: expected a word, a value or a mark"),
        ("a = 1e99999999999999999999", "column 5: expected a number of fewer digits"),
        ("a = 1\n and b", "line 2, column 7: expected a comparison"),
        ("a near 1", "column 8: expected ("),
        ("a near (1, 2) in 3km", "column 15: expected within"),
        ("a near (1, 2) within 3miles", "column 22: expected a word, a value or a mark"),
        ("score(5 if a = 1 at least 2)", "column 18: expected and, or, or ,"),
        ("score(5 a = 1, at least 2)", "column 9: expected if"),
        ("tier(known)", "column 6: expected a tier in quotes"),
        ("any_item(a, where b = 1, last 1h)", "column 26: expected for"),
        ("dod(1)", "column 1: expected a comparison, or one of the functions audience"),
        ("did(1)", "column 5: expected the name of an event in quotes"),
        ('did("x", at 3)', "column 13: expected least or most"),
        ('did("x", at least 1.5)', "column 19: expected a whole number"),
        ('did("x", last 3d, last 4d)', "column 19: expected each part no more than once"),
        ('did("x", 3)', "column 10: expected where, a number of times"),
        ("seq(gap 3d, gap 4d)", "column 13: expected did, or gap and last once at the end"),
        ('bucket("s", 0 to 1)', "column 13: expected of or from"),
        ("held(a = 1, 7d)", "column 13: expected at least"),
    ],
)
def test_an_error_says_at_which_column_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(UnreadableBody) as refused:
        read(text)
    assert str(refused.value).startswith(said)
    assert refused.value.pointer == "/rule"


@pytest.mark.parametrize(
    "piece", ["(", "not ", "any_of(", "a = [", 'a = {"x": ', 'did("x", where ', " ", "a = 1 and "]
)
def test_a_text_of_a_hundred_thousand_pieces_is_refused_like_any_other(piece: str) -> None:
    with pytest.raises(UnreadableBody, match="column"):
        read(("a = " + piece.removeprefix("a = ") * 100_000) if piece.startswith("a = ") else piece * 100_000)


def test_what_stands_in_a_text_is_in_no_error() -> None:
    for wrong in (
        'email = "ada@example.com" ada',
        "ada@example.com = 1",
        '"ada@example.com" is here',
        "a = 1 ada",
    ):
        with pytest.raises(UnreadableBody) as refused:
            read(wrong)
        assert "ada" not in str(refused.value)


def test_a_fault_in_the_tree_is_found_in_the_text() -> None:
    text = 'a = 1\n and not did("x", where b = 2) or seq(did("y"))'
    assert column_of(text, "/rule") == "column 1"
    assert column_of(text, "/rule/of/0/of/1/of/where/feature") == "line 2, column 25"
    assert column_of(text, "/rule/of/1/steps/0") == "line 2, column 39"


def test_the_end_of_a_recent_window_is_now_unless_it_is_said() -> None:
    assert read("a in from -3d") == read("a in last 3d") == Recent(feature="a", begin="-P3D")
    assert write(Recent(feature="a", begin="P3D")) == "a in from 3d"


def test_a_share_without_a_feature_is_of_people() -> None:
    assert read('bucket("s", from 0 to 1)') == Bucket(salt="s", low=0, high=1)


def test_any_tree_of_the_right_shape_can_be_written_and_read_however_deep() -> None:
    tree: object = {"op": "all"}
    for _ in range(13):
        tree = {"op": "and", "of": [tree, {"op": "not", "of": {"op": "all"}}]}
    rule = parse(tree)
    assert next(children(rule))
    assert read(write(rule)) == rule
