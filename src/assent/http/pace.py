"""How much waits to be worked on, and how fast that goes: so that nobody is let in who would wait for long.

Work is counted in bytes of bodies, unpacked. The rate is that of the best tenth of a second of late, and
fades: a service that had little to do has not become slow. By Little's law who comes now waits for what is
there divided by the rate. No I/O; the clock is given.
"""

from collections.abc import Callable
from typing import Final

WAIT_S: Final = 0.3
"""How long what is let in may wait: past it, who comes is told to come again."""

LEAST_BYTES: Final = 384 * 1024
"""What may wait however slow the service is: ten batches of a hundred events."""

FIRST_RATE: Final = 2 * 1024 * 1024
"""Bytes a second that are taken for granted until more is known."""

_SPAN_S: Final = 0.1
_FADES: Final = 0.995
"""Each tenth of a second: half after some fourteen seconds of work."""


class Pace:
    """What waits, and the rate at which it becomes less."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.waiting = 0
        self._rate = float(FIRST_RATE)
        self._done = 0
        self._since = 0.0

    def admits(self, number: int) -> bool:
        """Whether so many bytes more would be done in time. Where nothing waits, any number would."""
        return not self.waiting or self.waiting + number <= max(LEAST_BYTES, self._rate * WAIT_S)

    def begin(self, number: int) -> None:
        """Count bytes that wait from now on."""
        if not self.waiting:
            self._since, self._done = self._clock(), 0
        self.waiting += number

    def end(self, number: int) -> None:
        """Count bytes that were worked on."""
        self.waiting -= number
        self._done += number
        spent = self._clock() - self._since
        if spent >= _SPAN_S:
            self._rate = max(self._rate * _FADES ** (spent / _SPAN_S), self._done / spent)
            self._since, self._done = self._clock(), 0
