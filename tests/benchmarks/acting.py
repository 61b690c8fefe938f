"""People who act in a known way: what a decision must say of each, and which rules are true of them.

Person n looks at products of one category n % 3 times; who has an account orders once, by name. Of copies
(`planting`) the same is so as of the person they are copies of.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec

from tests.benchmarks.client import drive, post
from tests.benchmarks.world import Controller, Served, World, all_accepted

_CATEGORIES: Final = ("shoes", "coats", "bags", "lamps", "books", "toys", "garden", "kitchen")
_PER_BODY: Final = 100

_Truth = Callable[[int], bool]
_Rule = dict[str, Any]


def _views(person: int) -> int:
    return person % 3


def _category(person: int) -> str | None:
    return _CATEGORIES[person // 3 % len(_CATEGORIES)] if _views(person) else None


def _has_account(person: int) -> bool:
    return person % 2 == 0


def _leaf(op: str, feature: str, value: object) -> _Rule:
    return {"op": op, "feature": feature, "value": value}


SAVED: Final[Mapping[str, tuple[_Rule, _Truth]]] = {
    "often": (_leaf("ge", "products_viewed", 2), lambda one: _views(one) >= 2),
    "buyers": (
        {
            "op": "and",
            "of": [
                _leaf("ge", "order_count", 1),
                {"op": "in", "feature": "last_viewed_category", "values": ["shoes", "lamps", "toys"]},
                {"op": "between", "feature": "products_viewed", "low": 1, "high": 5},
            ],
        },
        lambda one: (
            _has_account(one) and _category(one) in {"shoes", "lamps", "toys"} and 1 <= _views(one) <= 5
        ),
    ),
}
"""Audiences, each with whom it is true of."""

_TRIED: Final[tuple[tuple[_Rule, _Truth], ...]] = (
    ({"op": "all"}, lambda _: True),
    (
        {"op": "not", "of": _leaf("has", "categories_viewed", "books")},
        lambda one: _category(one) != "books",
    ),
    # Permits are younger than the window: it must be seen of whom they cover all of it.
    (_leaf("ge", "products_viewed_7d", 1), lambda one: _views(one) >= 1),
    (
        {
            "op": "or",
            "of": [
                {
                    "op": "and",
                    "of": [_leaf("lt", "products_viewed", 2), _leaf("lt", "order_value", 50)],
                },
                _leaf("eq", "last_viewed_category", "garden"),
            ],
        },
        lambda one: (_views(one) < 2 and not _has_account(one)) or _category(one) == "garden",
    ),
)


def questions(purpose: str) -> Iterator[tuple[str, dict[str, object], _Truth]]:
    """Yield path and body of every count and preview, with whom the rule is true of."""
    for name, (_, truth) in SAVED.items():
        yield f"/v1/audiences/{name}/count", {"purpose": purpose}, truth
    for rule, truth in _TRIED:
        yield "/v1/audiences/preview", {"purpose": purpose, "rule": rule}, truth


def shown(person: int) -> tuple[bytes, ...]:
    """Return parts of what a decision must say of a person."""
    category = _category(person)
    return (
        b'"products_viewed":%d,' % _views(person),
        b'"last_viewed_category":"%s"' % category.encode() if category else b"",
        b'"order_count":%d' % _has_account(person),
    )


async def act(world: World, served: Served, controller: Controller, number: int) -> None:
    """Let so many people agree, and then act."""
    before = await world.size(controller)
    expected = await world.agree(served, controller, range(number))
    everything = _calls(number)
    while calls := list(islice(everything, _PER_BODY)):
        body = post("/v1/batch", controller.collector, msgspec.json.encode({"batch": calls}))
        await drive(served.port, iter([body]), connections=1, check=all_accepted(len(calls)))
        expected += len(calls)
    await world.verify(controller, expected, since=before)


def _calls(number: int) -> Iterator[dict[str, object]]:
    for person in range(number):
        who: dict[str, object] = {"type": "track", "anonymousId": f"browser-{person}"}
        for view in range(_views(person)):
            product = {"product_id": f"p{person}", "category": _category(person), "price": 9.5}
            yield who | {"event": "Product Viewed", "messageId": f"v{person}-{view}", "properties": product}
        if _has_account(person):
            yield who | {
                "userId": f"account-{person}",
                "event": "Order Completed",
                "messageId": f"o{person}",
                "properties": {"order_id": f"o{person}", "revenue": 100, "currency": "EUR"},
            }
