"""However lines are cut into groups and mixed, none is lost and every sum is exact."""

from collections import defaultdict
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assent.core.errors import PolicyInvalid
from assent.ingest.rows import Record, Rejected, Rows
from assent.resources import policies_folder
from tests.support.mapping import parse_events, read_events

RETAIL = read_events(policies_folder() / "imports" / "online-retail.toml")
HEADER = list(RETAIL.columns)
LONDON = ZoneInfo("Europe/London")

prices = st.decimals(min_value=-(10**6), max_value=10**6, places=3)
rows = st.tuples(
    st.sampled_from(["1", "2", "3", "C4", "A5"]),
    st.just("sku"),
    st.sampled_from(["", "name"]),
    st.integers(-99, 99).map(str),
    st.integers(0, 59).map("2010-12-01 08:{:02}:00".format),
    prices.map(lambda price: f"{price:f}"),
    st.sampled_from(["", "17850.0"]),
    st.sampled_from(["", "Italy"]),
).map(list)


def read(lines: list[list[str]]) -> list[Record | Rejected]:
    reading = Rows(RETAIL, HEADER, LONDON)
    found = [reading.take(number + 2, row) for number, row in enumerate(lines)]
    return [one for one in (*found, *reading.rest()) if one is not None]


@given(st.lists(rows, max_size=60))
@settings(max_examples=100, deadline=None)
def test_within_the_window_every_group_is_one_record_with_exact_sums(lines: list[list[str]]) -> None:
    # Five invoices at most, and the mapping keeps eight open.
    revenue: dict[str, Fraction] = defaultdict(Fraction)
    earliest: dict[str, str] = {}
    for row in lines:
        revenue[row[0]] += int(row[3]) * Fraction(row[5])
        earliest[row[0]] = min(row[4], earliest.get(row[0], row[4]))
    found = read(lines)
    assert sum(one.lines for one in found) == len(lines)
    seen = {}
    for number, one in enumerate(found):
        assert isinstance(one, Record)
        assert one.number == number
        properties = one.call.properties
        seen[properties["order_id"]] = Fraction(str(properties["revenue"]))
        assert properties["line_count"] == one.lines
    assert seen == revenue
    assert list(seen) == list(dict.fromkeys(row[0] for row in lines))


@given(st.lists(rows, max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_lines_changes_no_sum_and_no_time(lines: list[list[str]], random: object) -> None:
    def told(found: list[Record | Rejected]) -> dict[object, object]:
        assert all(isinstance(one, Record) for one in found)
        return {
            one.call.properties["order_id"]: (
                one.call.timestamp,
                one.call.properties["revenue"],
                one.call.properties["quantity"],
                one.lines,
                one.call.context["externalIds"],
            )
            for one in found
            if isinstance(one, Record)
        }

    shuffled = list(lines)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert told(read(lines)) == told(read(shuffled))


cells = st.text(max_size=30) | st.sampled_from(
    ["1", "-1", "2.50", "2010-12-01 08:26:00", "17850.0", "C1", "\0", "\udcff", "9" * 40, "1e9", "NaN"]
)


@given(st.lists(st.lists(cells, max_size=9) | st.lists(cells, min_size=8, max_size=8), max_size=30))
@settings(max_examples=200, deadline=None)
def test_no_row_raises_and_none_is_lost(lines: list[list[str]]) -> None:
    assert sum(one.lines for one in read(lines)) == len(lines)


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_mapping_raises_anything_but_our_errors(text: str) -> None:
    with pytest.raises(PolicyInvalid, match=r"^any\.toml: "):
        parse_events(text, name="any")
