"""One story, told by every client; the profile it must make; and events that meet faults on their way.

Two browsers and an account, who turn out to be one person. A client's driver is handed the acts in order and
makes of each the call that its own documents name for it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from msgspec import Struct

from tests.support.policy_documents import shipped
from tests.support.unreliable import Fault, fault_word

Act = Mapping[str, Any]
"""One act: `call` (page, track, identify, alias), who (`user`, `anonymous`, `previous`), `at`, and what."""

SERVER_PURPOSES: Final = ("analytics", "personalisation", "service")

BROWSER_PURPOSES: Final = ("analytics",)
"""What a public key says of a person is a claim, and of these purposes one alone uses claims."""

_names = count()


class People(Struct, frozen=True, kw_only=True):
    """Who the story is about: ids that no other story has."""

    user: str
    browser: str
    other: str

    @property
    def subjects(self) -> tuple[str, ...]:
        """Return them as `namespace:value`; the account first."""
        return (f"user_id:{self.user}", f"anonymous_id:{self.browser}", f"anonymous_id:{self.other}")


def people(client: str) -> People:
    """Return people that nobody met before."""
    name = f"{client}-{next(_names)}"
    return People(user=f"user-{name}", browser=f"browser-{name}", other=f"other-{name}")


def story(who: People, now: datetime) -> list[Act]:
    """Return the story, told an hour after it began."""

    def at(minutes: int) -> str:
        return (now - timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    browser = {"anonymous": who.browser}
    person = {"user": who.user, "anonymous": who.browser}
    traits = {"country": "IT", "plan": "gold", "email": f"{who.user}@example.com"}
    return [
        _act("page", at(50), browser, name="Home", properties={"path": "/"}),
        _act("track", at(45), browser, event="Product Viewed", properties={"category": "shoes"}),
        _act(
            "track", at(44), {"anonymous": who.other}, event="Product Viewed", properties={"category": "hats"}
        ),
        _act("identify", at(40), person, traits=traits),
        _act("track", at(30), person, event="Order Completed", properties={"revenue": 12.5, "quantity": 2}),
        _act("track", at(20), person, event="Order Completed", properties={"revenue": 7.25, "quantity": 1}),
        _act("alias", at(10), {"user": who.user}, previous=who.other),
        _act("track", at(5), person, event="Products Searched", properties={"query": "sandals"}),
    ]


def faulty(who: People, now: datetime) -> tuple[list[list[Act]], set[str]]:
    """Return an order for each fault, each for a sender of its own, and the words that make them fail."""
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    words = {fault: fault_word(fault, who.user) for fault in Fault}
    orders = [
        _act(
            "track",
            at,
            {"user": who.user},
            event="Order Completed",
            properties={"revenue": 1 << n, "coupon": word},
        )
        for n, word in enumerate(words.values())
    ]
    return [[order] for order in orders], set(words.values())


def _act(call: str, at: str, who: Mapping[str, str], **what: object) -> Act:
    return {"call": call, "at": at, **who, **what}


_ORDERS: Final[Mapping[str, Any]] = {
    "order_count": 2,
    "order_value": 19.75,
    "order_mean": 9.875,
    "largest_order": 12.5,
    "smallest_order": 7.25,
    "latest_order_value": 7.25,
    "items_bought": 3,
    "orders_30d": 2,
    "order_value_30d": 19.75,
    "refund_count": 0,
    "refund_value": 0,
    "net_order_value": 19.75,
    "discount_value": 0,
}
_BROWSING: Final[Mapping[str, Any]] = {
    "pages_viewed": 1,
    "products_viewed": 2,
    "products_viewed_7d": 2,
    "products_added": 0,
    "first_viewed_category": "shoes",
    "last_viewed_category": "hats",
    "categories_viewed": ["hats", "shoes"],
    "distinct_categories_viewed": 2,
    "top_categories_viewed": ["hats", "shoes"],
    "last_search": "sandals",
    "searches": ["sandals"],
}
_ACCOUNT: Final[Mapping[str, Any]] = {"country": "IT", "plan": "gold"}

_MINUTES_AGO: Final = {"first_order": 30, "last_order": 20, "last_seen_browsing": 50}

_TOLERANCE: Final = timedelta(seconds=20)
"""A client's own clock is corrected by how long its request took, as far as anybody can tell: by `sentAt`."""

FEATURES: Final[Mapping[str, Mapping[str, Any]]] = {
    "analytics": {**_ORDERS, **_BROWSING},
    "personalisation": {**_ORDERS, **_BROWSING, **_ACCOUNT},
    "service": {**_ORDERS, **_ACCOUNT},
}
"""What each purpose sees of the person at the story's end, times left out."""

TIMES: Final[Mapping[str, frozenset[str]]] = {
    "analytics": frozenset(_MINUTES_AGO),
    "personalisation": frozenset(_MINUTES_AGO),
    "service": frozenset({"first_order", "last_order"}),
}


_OBSERVED: Final = frozenset(
    name
    for name, feature in shipped()["features"]["features"].items()
    if feature.get("path", "").startswith("context.")
)
"""Features of where a client runs, its device and its language: the client's to tell, not the story's."""


def told(features: Mapping[str, Any], now: datetime) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the story's features that are no times, and the names of those whose time is the story's."""
    times = {name: datetime.fromisoformat(features[name]) for name in _MINUTES_AGO if name in features}
    right = {
        name
        for name, time in times.items()
        if abs(time - (now - timedelta(minutes=_MINUTES_AGO[name]))) < _TOLERANCE
    }
    said = {name: value for name, value in features.items() if name not in times and name not in _OBSERVED}
    return said, frozenset(right)


def right_now() -> datetime:
    """Return now, to the millisecond that every client can say."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
