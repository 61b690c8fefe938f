"""What the gate's rows of accounts come to: in any order the same, and with one giver less nothing more."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.audiences.evaluate import Truth, evaluate
from assent.audiences.rule import Absent, Eq, Ge, Known, Ne, Not, Or, Rule
from assent.audiences.seen import Opening, Shown, seen_at
from assent.core.documents import parse_policy
from assent.core.time import FOREVER, Instant
from assent.features import read as reading
from assent.features.accumulate import pack_value
from assent.gate.profile import Profile, profiles
from tests.support.policy_documents import with_companies

POLICY, _ = parse_policy(with_companies())
PURPOSE = POLICY.purposes[POLICY.purpose_ids["personalisation"]]
COMPANY = POLICY.category_ids["company"]
PLAN, SEATS = POLICY.feature_ids["company_plan"], POLICY.feature_ids["company_seats"]
FAMILY = next(iter(POLICY.accounts))
COOKIE = POLICY.namespace_ids["anonymous_id"]
NOW = Instant(1_000)
ALL = 1 << COMPANY

RULES: tuple[Rule, ...] = (
    Eq(feature="company_plan", value="pro"),
    Ne(feature="company_plan", value="pro"),
    Known(feature="company_plan"),
    Absent(feature="company_plan"),
    Ge(feature="company_seats", value=2),
    Not(of=Ge(feature="company_seats", value=2)),
    Or(of=(Eq(feature="company_plan", value="pro"), Not(of=Known(feature="company_seats")))),
)

Row = tuple[Any, ...]


def row(feature: int, at: int, body: object, account: bytes | None, until: int | None) -> Row:
    packed = None if body is None else pack_value(body)  # type: ignore[arg-type]
    since = None if until is None else 0
    return (1, 1, COOKIE, b"who", ALL, 0, FOREVER, COMPANY, feature, at, at, packed, account, since, until)


accounts = st.sampled_from([b"acme", b"globex"])
belonging = st.builds(
    lambda account, at: row(-FAMILY, at, True, account, None), accounts, st.integers(1, 900)
)
plans = st.builds(
    lambda account, at, body, until: row(PLAN, at, body, account, until),
    accounts,
    st.integers(1, 900),
    st.sampled_from(["pro", "free", ""]),
    st.sampled_from([2_000, 3_000, FOREVER]),
)
seats = st.builds(
    lambda account, at, body: row(SEATS, at, body, account, 2_000),
    accounts,
    st.integers(1, 900),
    st.sampled_from([1_000_000, 3_000_000]),
)
own = row(0, 0, None, None, None)


def settled(told: Sequence[Row]) -> list[Row]:
    """Return the newest word on each trait of each account, as the ledger settles items."""
    newest: dict[tuple[object, object], Row] = {}
    for one in sorted(told, key=lambda one: one[9]):
        newest[one[12], one[8]] = one
    return list(newest.values())


def profile(rows: Sequence[Row]) -> Profile:
    (found,) = profiles(POLICY, PURPOSE, rows, NOW)
    return found


def truths(rows: Sequence[Row]) -> list[Truth]:
    found = profile(rows)
    shown = Shown(
        profile=found.id,
        values=found.values,
        permits=tuple(Opening(*permit) for permit in found.permits),
        valid_until=found.valid_until,
    )
    return [evaluate(rule, POLICY, seen_at(shown, NOW), NOW, {}) for rule in RULES]


worlds = st.tuples(
    st.lists(belonging, max_size=3, unique_by=lambda one: one[9]),
    st.lists(plans | seats, max_size=6, unique_by=lambda one: one[9]).map(settled),
)


@given(worlds, st.randoms(use_true_random=False))
def test_no_order_of_rows_matters(world: tuple[list[Row], list[Row]], dice: Random) -> None:
    rows = [own, *world[0], *world[1]]
    shuffled = dice.sample(rows, len(rows))
    assert profile(rows).values == profile(shuffled).values
    assert profile(rows).valid_until == profile(shuffled).valid_until


def never_adds(belongs: list[Row], told: list[Row], gone: int) -> None:
    left = told[:gone] + told[gone + 1 :]
    for before, after in zip(truths([own, *belongs, *told]), truths([own, *belongs, *left]), strict=True):
        assert after in (before, Truth.UNKNOWN)


@given(worlds, st.integers(0, 5))
def test_a_giver_who_goes_makes_nothing_true_or_false(world: tuple[list[Row], list[Row]], gone: int) -> None:
    never_adds(*world, gone)


def test_a_rule_that_takes_what_nobody_says_for_absent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    world = ([row(-FAMILY, 1, True, b"acme", None)], [row(PLAN, 2, "pro", b"acme", FOREVER)])
    never_adds(*world, 0)
    monkeypatch.setattr(reading, "_BEFORE_EVERYTHING", NOW)
    with pytest.raises(AssertionError):
        never_adds(*world, 0)


def test_two_words_on_one_trait_would_let_a_withdrawal_add() -> None:
    belongs = [row(-FAMILY, 1, True, b"acme", None)]
    told = [row(PLAN, 2, "pro", b"acme", FOREVER), row(PLAN, 3, "free", b"acme", FOREVER)]
    never_adds(belongs, settled(told), 0)
    with pytest.raises(AssertionError):
        never_adds(belongs, told, 1)


def test_what_a_giver_told_ends_with_their_permit() -> None:
    rows = [own, row(-FAMILY, 1, True, b"acme", None), row(PLAN, 2, "pro", b"acme", 2_000)]
    assert profile(rows).valid_until == 2_000
