"""What time may have deleted meanwhile is never taken for kept."""

import msgspec

from assent.core.documents import parse_policy
from assent.core.ids import CategoryId
from assent.core.policy import Category
from assent.core.time import DAY, Instant, parse_duration, parse_time
from assent.ingest import deleted_since
from tests.support.policy_documents import shipped


def test_whatever_is_deleted_by_a_month_is_counted_as_lost_by_then() -> None:
    month = parse_duration("P1M")
    browsing = Category(id=CategoryId(1), name="browsing", retention=month)
    policy = msgspec.structs.replace(parse_policy(shipped())[0], categories={browsing.id: browsing})
    happened, then, gone = (parse_time(f"2026-{day}:00:00Z") for day in ("02-28T20", "03-29T23", "04-01T01"))
    assert deleted_since._timed_out(policy, browsing.id, [happened], then, gone)
    assert not deleted_since._timed_out(policy, browsing.id, [happened], then, Instant(then + 2 * DAY))
