"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class FixedClock:
    """Calling it returns the same aware UTC instant until `advance`."""

    def __init__(self, now: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)) -> None:
        if now.tzinfo is None:
            message = "a clock needs an aware time"
            raise ValueError(message)
        self._now = now.astimezone(UTC)

    def __call__(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move on by `by`; a negative step is allowed, since real clocks step back too."""
        self._now += by
