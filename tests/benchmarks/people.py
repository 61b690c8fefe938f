"""People of the benchmarks, what they agree to and what they do: the same in every run.

Each has a browser; every second one has an account too, which their orders name beside the browser. All agree
to personalisation and analytics, so that every event is kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from random import Random
from typing import Any, Final

import msgspec
from msgspec import Struct

from tests.benchmarks.client import post

PURPOSES: Final = ("personalisation", "analytics")

_CATEGORIES: Final = ("shoes", "coats", "bags", "lamps", "books", "toys", "garden", "kitchen")
_COUNTRIES: Final = ("IT", "FR", "DE", "GB", "ES", "NL")
_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_LIBRARY: Final = {"name": "analytics.js", "version": "4.1.0"}

_encode = msgspec.json.Encoder().encode


class Event(Struct, frozen=True, kw_only=True):
    """One call as the tracking contract spells it, and the same as a bare row."""

    call: dict[str, Any]
    message_id: str
    name: str
    properties: str


def consents(people: Iterable[int], key: str) -> Iterator[bytes]:
    """Yield one request for each identifier, giving consent to every purpose of `PURPOSES`."""
    for namespace, value in identifiers(people):
        yield _consent(key, namespace, value, authenticated=namespace == "user_id")


def identifiers(people: Iterable[int]) -> Iterator[tuple[str, str]]:
    """Yield the namespace and value of each identifier that these people have."""
    for person in people:
        yield "anonymous_id", f"browser-{person}"
        if person % 2 == 0:
            yield "user_id", f"account-{person}"


class Shop:
    """An endless stream of what people do; first one thing each, so that everybody has data."""

    def __init__(self, people: Sequence[int], name: str) -> None:
        self._people = people
        self._name = name
        self._random = Random(7)  # any number, but the same in every run
        self._number = count()

    def events(self) -> Iterator[Event]:
        """Yield events, each with a message id of its own."""
        for number in self._number:
            first = number < len(self._people)
            yield self._event(number, self._people[number] if first else self._random.choice(self._people))

    def _event(self, number: int, person: int) -> Event:
        random = self._random
        price = random.randrange(100, 20_000) / 100
        category = random.choice(_CATEGORIES)
        product = {
            "product_id": f"p{random.randrange(5_000)}",
            "category": category,
            "name": f"A thing for your {category}",
            "price": price,
            "currency": "EUR",
        }
        chance = random.random()
        call: dict[str, Any] = {"type": "track", "anonymousId": f"browser-{person}"}
        if chance < 0.65:
            call |= {"event": "Product Viewed", "properties": {**product, "position": random.randrange(24)}}
        elif chance < 0.8:
            call |= {
                "type": "page",
                "name": "Product",
                "properties": {"path": f"/{category}", "referrer": ""},
            }
        elif chance < 0.88:
            call |= {"event": "Product Added", "properties": {**product, "quantity": random.randrange(1, 4)}}
        elif person % 2 == 0 and chance < 0.92:
            traits = {"country": random.choice(_COUNTRIES), "plan": "free", "language": "en"}
            call |= {"type": "identify", "userId": f"account-{person}", "traits": traits}
        elif person % 2 == 0:
            order = {"order_id": f"o{number}", "revenue": price * 2, "quantity": 2, "currency": "EUR"}
            call |= {
                "userId": f"account-{person}",
                "event": "Order Completed",
                "properties": {**order, "products": [product, product]},
            }
        else:
            call |= {"event": "Products Searched", "properties": {"query": category}}
        call["messageId"] = message_id = f"{self._name}-{number:09d}"
        call["context"] = {"library": _LIBRARY, "userAgent": _AGENT, "locale": "en-GB"}
        said = call.get("properties") or call.get("traits")
        return Event(
            call=call,
            message_id=message_id,
            name=call.get("event", call["type"]),
            properties=_encode(said).decode(),
        )


def single(events: Iterator[Event], key: str) -> Iterator[bytes]:
    """Yield a request for each event."""
    for event in events:
        call = {name: value for name, value in event.call.items() if name != "type"}
        yield post(f"/v1/{event.call['type']}", key, _encode(call))


def batches(events: Iterator[Event], key: str, *, of: int) -> Iterator[tuple[bytes, list[Event]]]:
    """Yield a batch request for so many events each, with the events in it."""
    while True:
        together = [next(events) for _ in range(of)]
        yield post("/v1/batch", key, _encode({"batch": [event.call for event in together]})), together


def decisions(people: int, key: str, purpose: str) -> Iterator[bytes]:
    """Yield requests for a decision about one person each, in an order that seems random."""
    random = Random(11)
    while True:
        subject = {"namespace": "anonymous_id", "value": f"browser-{random.randrange(people)}"}
        yield post("/v1/decisions", key, _encode({"purpose": purpose, "subjects": [subject]}))


def _consent(key: str, namespace: str, value: str, *, authenticated: bool) -> bytes:
    statements = [
        {
            "purpose": purpose,
            "state": "given",
            "mechanism": "click",
            "notice": {"id": purpose, "version": 1, "language": "en"},
            "channel": "web",
        }
        for purpose in PURPOSES
    ]
    body = {
        "subject": {"namespace": namespace, "value": value},
        "authenticated": authenticated,
        "statements": statements,
    }
    return post("/v1/consents", key, _encode(body))
