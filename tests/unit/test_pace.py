"""Who would wait for long is not let in; a service that had little to do has not become slow."""

import pytest

from assent.http.pace import FIRST_RATE, LEAST_BYTES, WAIT_S, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def busy(pace: Pace, clock: Clock, rate: int, seconds: float = 2.0) -> None:
    """Let so many bytes a second be worked on."""
    pace.begin(1)
    for _ in range(round(seconds * 10)):
        pace.begin(rate // 10)
        clock.now += 0.1
        pace.end(rate // 10)
    pace.end(1)


def test_where_nothing_waits_any_number_is_let_in(clock: Clock) -> None:
    assert Pace(clock).admits(100 * LEAST_BYTES)


def test_what_waits_is_bounded_before_anything_is_known(clock: Clock) -> None:
    pace = Pace(clock)
    allowed = int(FIRST_RATE * WAIT_S)
    pace.begin(allowed - 10)
    assert pace.admits(10)
    assert not pace.admits(11)


def test_however_slow_ten_batches_may_wait(clock: Clock) -> None:
    pace = Pace(clock)
    busy(pace, clock, 1_000, seconds=300)
    pace.begin(LEAST_BYTES - 1)
    assert pace.admits(1)
    assert not pace.admits(2)


def test_a_fast_service_lets_more_wait_and_no_longer(clock: Clock) -> None:
    pace = Pace(clock)
    rate = 40 * LEAST_BYTES
    busy(pace, clock, rate)
    allowed = round(rate * WAIT_S)
    pace.begin(round(allowed * 0.9))
    assert pace.admits(0)
    pace.begin(round(allowed * 0.2))
    assert not pace.admits(0)


def test_a_calm_minute_does_not_make_it_slow(clock: Clock) -> None:
    pace = Pace(clock)
    busy(pace, clock, 40 * LEAST_BYTES)
    clock.now += 60  # nothing to do
    pace.begin(5 * LEAST_BYTES)
    assert pace.admits(0)


def test_a_service_that_became_slow_lets_less_wait(clock: Clock) -> None:
    pace = Pace(clock)
    busy(pace, clock, 40 * LEAST_BYTES)
    busy(pace, clock, LEAST_BYTES, seconds=60)
    pace.begin(5 * LEAST_BYTES)
    assert not pace.admits(0)


def test_it_recovers_once_what_waits_is_done(clock: Clock) -> None:
    pace = Pace(clock)
    pace.begin(2 * LEAST_BYTES)
    assert not pace.admits(1)
    clock.now += 1
    pace.end(2 * LEAST_BYTES)
    assert pace.admits(1)
