"""Instants and durations: RFC 3339 on the wire, microseconds since the epoch inside.

The pure core counts time as `Instant`: integer microseconds since 1970-01-01T00:00:00Z, exact and cheap to
compare. Calendar durations (ISO 8601) are added in UTC, clamped to the month's end.
"""

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Final, NewType

import msgspec

Instant = NewType("Instant", int)
"""Microseconds since the epoch, UTC."""

BEGINNING: Final = Instant(-(1 << 62))
"""Before every instant: a permit that no statement opened."""

FOREVER: Final = Instant(1 << 62)
"""After every instant: a permit that nothing closes yet."""

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION: Final = re.compile(
    r"(?P<sign>-)?P(?=.)(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,4})M)?(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


class Duration(msgspec.Struct, frozen=True, kw_only=True):
    """An ISO 8601 duration: calendar months, and exact microseconds, both of one sign."""

    months: int = 0
    microseconds: int = 0

    def __neg__(self) -> "Duration":
        """Return the same length backwards."""
        return Duration(months=-self.months, microseconds=-self.microseconds)


def longest(duration: Duration) -> int:
    """Return the most microseconds the duration can last, whatever day it begins on."""
    years, months = divmod(duration.months, 12)
    return (years * 366 + months * 31) * DAY + duration.microseconds


def is_measured(duration: Duration) -> bool:
    """Say whether it is a hundred years at most, either way: from today it leads into no lost year."""
    return max(longest(duration), longest(-duration)) <= longest(Duration(months=100 * 12))


def parse_duration(text: str) -> Duration:
    """Read an ISO 8601 duration such as `P1Y`, `P30D`, `PT30M` or `-P3D`.

    Raises ValueError on anything else.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        message = "expected an ISO 8601 duration"
        raise ValueError(message)
    part = {name: value or "0" for name, value in found.groupdict().items() if name != "sign"}
    whole, _, fraction = part["seconds"].partition(".")
    exact = timedelta(
        weeks=int(part["weeks"]),
        days=int(part["days"]),
        hours=int(part["hours"]),
        minutes=int(part["minutes"]),
        seconds=int(whole),
        microseconds=int(fraction.ljust(6, "0")) if fraction else 0,
    )
    duration = Duration(
        months=int(part["years"]) * 12 + int(part["months"]), microseconds=exact // timedelta(microseconds=1)
    )
    return -duration if found["sign"] else duration


def format_duration(duration: Duration) -> str:
    """Write a duration as ISO 8601: `P13M`, `P1Y`, `PT30M`; years where the months are whole ones."""
    sign = "-" if duration.months < 0 or duration.microseconds < 0 else ""
    years, months = divmod(abs(duration.months), 12)
    if years and months:
        years, months = 0, abs(duration.months)
    days, rest = divmod(abs(duration.microseconds), DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, fraction = divmod(rest, SECOND)
    exact = f"{seconds}.{fraction:06}".rstrip("0") if fraction else str(seconds) if seconds else ""
    date = [(years, "Y"), (months, "M"), (days, "D")]
    time = [(hours, "H"), (minutes, "M"), (exact, "S")]
    before, after = ("".join(f"{number}{unit}" for number, unit in part if number) for part in (date, time))
    return f"{sign}P{before}T{after}" if after else f"{sign}P{before or '0D'}"


def shifted(at: Instant, by: Duration) -> Instant:
    """Return `at` moved by `by`: calendar months first, clamped to the month's end, then the exact rest."""
    if at in (BEGINNING, FOREVER):
        return at
    if by.months:
        moment = to_datetime(at)
        month = moment.year * 12 + moment.month - 1 + by.months
        year, month = divmod(month, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        at = to_instant(moment.replace(year=year, month=month + 1, day=day))
    return Instant(at + by.microseconds)


def kept_since(now: Instant, retention: Duration) -> Instant:
    """Return from when on data are kept at `now`, and are at no later instant from before that.

    A month counted back from its end leads to an earlier time an hour later: of the last day of a month all
    is kept until that day is over for good.
    """
    since = shifted(now, Duration(months=-retention.months))
    if retention.months:
        moment = to_datetime(since)
        if moment.day == calendar.monthrange(moment.year, moment.month)[1]:
            since = Instant(since - since % DAY)
    return Instant(since - retention.microseconds)


def kept_until(at: Instant, retention: Duration) -> Instant:
    """Return until when data of an instant are kept: what `kept_since` comes to, told beforehand."""
    until = shifted(Instant(at + retention.microseconds), Duration(months=retention.months))
    while kept_since(until, retention) < at:
        until = Instant((until // DAY + 1) * DAY)
    return until


def to_instant(moment: datetime) -> Instant:
    """Return an aware datetime as microseconds since the epoch. Raises ValueError when it is naive."""
    if moment.tzinfo is None:
        message = "expected a time with its offset"
        raise ValueError(message)
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))


def to_datetime(at: Instant) -> datetime:
    """Return an instant as an aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def parse_time(text: str) -> Instant:
    """Read an RFC 3339 time with its offset. Raises ValueError on anything else."""
    return to_instant(msgspec.convert(text, datetime))


def format_time(at: Instant) -> str:
    """Write an instant as RFC 3339 in UTC, `2026-11-21T19:53:00Z` or with microseconds when it has them."""
    return to_datetime(at).isoformat().replace("+00:00", "Z")
