"""A call that does not fit the schema of its event is refused before anything else of it is looked at."""

from typing import Any

import pytest

from assent.core.documents import parse_policy
from assent.core.errors import UnfitCall
from assent.core.event_schema import DIALECT
from assent.core.policy import Policy
from assent.core.time import Instant
from assent.ingest.drafts import event_draft
from assent.ingest.facts import Draft
from tests.support.policy_documents import shipped
from tests.unit.ingest.policy_of_tests import sent


def policy_with(**schemas: tuple[str, dict[str, Any]]) -> Policy:
    documents = shipped()
    for name, (event, keywords) in schemas.items():
        documents[f"events/{name}"] = {"$schema": DIALECT, "title": event, **keywords}
    return parse_policy(documents)[0]


POLICY = policy_with(
    order=("Order Completed", {"required": ["revenue"], "properties": {"revenue": {"type": "number"}}}),
    page=("$page", {"required": ["url"]}),
    identify=("$identify", {"properties": {"country": {"pattern": "^[A-Z]{2}$"}}}),
    group=("$group", {"required": ["name"]}),
)


def draft(path: str, **item: object) -> Draft:
    return event_draft(
        POLICY,
        sent(path, userId="u1", **item),
        received_at=Instant(1_000_000),
        role="collector",
        source="key:1",
        server=True,
        message_key=None,
    )


def test_what_fits_is_taken_with_its_exact_numbers() -> None:
    assert draft("track", event="Order Completed", properties={"revenue": 12.34}).contents
    assert draft("page", properties={"url": "https://shop.example/"}).contents
    assert draft("identify", traits={"country": "IT"}).contents
    assert draft("group", groupId="g", traits={"name": "Initech"}).contents


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("track", {"event": "Order Completed"}),
        ("track", {"event": "Order Completed", "properties": {"revenue": "12"}}),
        ("page", {"name": "Home"}),
        ("identify", {"traits": {"country": "Italy"}}),
        ("group", {"groupId": "g", "traits": {}}),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_of_it_is_repeated(path: str, item: dict[str, Any]) -> None:
    with pytest.raises(UnfitCall) as refused:
        draft(path, **item)
    assert refused.value.code == "wrong_type"
    assert str(refused.value) == "The call is not what the schema of its event describes."


def test_an_event_without_a_schema_may_say_anything() -> None:
    assert draft("track", event="Product Viewed", properties={"revenue": [{}], "x": None}).contents
