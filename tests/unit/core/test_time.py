"""Instants, durations and calendar arithmetic."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assent.core.time import (
    BEGINNING,
    DAY,
    FOREVER,
    HOUR,
    SECOND,
    Duration,
    Instant,
    format_duration,
    format_time,
    kept_since,
    kept_until,
    parse_duration,
    parse_time,
    shifted,
    to_datetime,
    to_instant,
)


@pytest.mark.parametrize(
    ("text", "months", "microseconds"),
    [
        ("P1Y", 12, 0),
        ("P1Y2M", 14, 0),
        ("P2W", 0, 14 * DAY),
        ("P30D", 0, 30 * DAY),
        ("PT30M", 0, 1_800 * SECOND),
        ("P1M1DT1H0.5S", 1, DAY + HOUR + SECOND // 2),
        ("PT0.000001S", 0, 1),
        ("-P3D", 0, -3 * DAY),
        ("P0D", 0, 0),
    ],
)
def test_a_duration_is_calendar_months_and_exact_microseconds(
    text: str, months: int, microseconds: int
) -> None:
    assert parse_duration(text) == Duration(months=months, microseconds=microseconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1",
        "1D",
        "p1d",
        "P1DT",
        "P1.5D",
        "P1H",
        "PT1D",
        " P1D",
        "P1D\n",
        "P\u0661D",
        "P-1D",
        "PT1.S",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("start", "by", "end"),
    [
        ("2026-01-31T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"),
        ("2024-01-31T10:00:00Z", "P1M", "2024-02-29T10:00:00Z"),
        ("2024-02-29T00:00:00Z", "P1Y", "2025-02-28T00:00:00Z"),
        ("2026-03-31T00:00:00Z", "-P1M", "2026-02-28T00:00:00Z"),
        ("2026-11-30T00:00:00Z", "P3M", "2027-02-28T00:00:00Z"),
        ("2026-01-31T23:59:59.999999Z", "P1MT0.000001S", "2026-03-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "P0D", "2026-01-01T00:00:00Z"),
        ("1969-12-31T23:59:59Z", "PT1S", "1970-01-01T00:00:00Z"),
    ],
)
def test_months_are_added_first_and_clamped_to_the_months_end(start: str, by: str, end: str) -> None:
    assert format_time(shifted(parse_time(start), parse_duration(by))) == end


def test_the_infinities_do_not_move() -> None:
    for by in (parse_duration("P1Y"), parse_duration("-P30D")):
        assert shifted(BEGINNING, by) == BEGINNING
        assert shifted(FOREVER, by) == FOREVER


def test_an_instant_is_microseconds_whatever_the_offset() -> None:
    offset = timezone(timedelta(hours=5, minutes=30))
    assert to_instant(datetime(2026, 3, 1, 5, 30, 0, 1, tzinfo=offset)) == to_instant(
        datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC)
    )
    assert to_instant(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == SECOND


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        to_instant(datetime(2026, 3, 1))  # noqa: DTZ001 - the naive one is the case
    with pytest.raises(ValueError, match="offset"):
        parse_time("2026-03-01T00:00:00")


def test_text_and_instant_round_trip_to_the_microsecond() -> None:
    for text in ("2026-11-21T19:53:00Z", "2026-11-21T19:53:00.000001Z", "0001-01-01T00:00:00Z"):
        assert format_time(parse_time(text)) == text
    assert to_datetime(parse_time("2026-11-21T20:53:00+01:00")).tzinfo is UTC


@given(
    st.integers(0, 800 * 24),
    st.integers(0, 800 * 24),
    st.sampled_from(["P1M", "P2M", "P13M", "P1M3D", "P1Y", "P30D", "PT1H"]),
)
@example(87 * 24 + 23, 88 * 24 + 1, "P1M")
def test_what_is_kept_no_longer_is_out_of_reach_for_good(hours: int, later: int, text: str) -> None:
    retention, start = parse_duration(text), parse_time("2023-01-01T00:00:00Z")
    at, now = Instant(start + min(hours, later) * HOUR), Instant(start + max(hours, later) * HOUR)
    assert kept_since(at, retention) <= shifted(now, -retention)
    assert shifted(now, -retention) - DAY < kept_since(now, retention)
    until = kept_until(at, retention)
    assert kept_since(until, retention) >= at
    assert kept_since(Instant(until - 1), retention) < at


def test_of_the_last_day_of_a_month_all_is_kept_until_the_day_is_over_for_good() -> None:
    month, at = parse_duration("P1M"), parse_time("2026-02-28T20:00:00Z")
    for now in ("2026-03-28T21:00:00Z", "2026-03-29T23:00:00Z", "2026-03-31T23:59:59Z"):
        assert kept_since(parse_time(now), month) == parse_time("2026-02-28T00:00:00Z")
    assert kept_until(at, month) == parse_time("2026-04-01T00:00:00Z")


def test_a_negated_duration_is_as_long_backwards() -> None:
    assert -parse_duration("P1M2D") == parse_duration("-P1M2D")


@pytest.mark.parametrize(
    "text", ["P1Y", "P13M", "P24M", "P30D", "PT30M", "P1Y2M3DT4H5M6.5S", "-P3D", "PT0S", "P2W", "PT0.000001S"]
)
def test_a_written_duration_is_read_as_the_same(text: str) -> None:
    duration = parse_duration(text)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "written"),
    [("P12M", "P1Y"), ("P13M", "P13M"), ("P2W", "P14D"), ("PT90M", "PT1H30M"), ("PT0S", "P0D")],
)
def test_a_duration_is_written_as_people_would(text: str, written: str) -> None:
    assert format_duration(parse_duration(text)) == written
