"""A schema says what fits its event, exactly; a document that is none is refused where its fault stands."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from assent.core.documents import parse_policy
from assent.core.errors import PolicyInvalid
from assent.core.event_schema import DIALECT, LARGEST, EventSchema
from tests.support.policy_documents import Documents, put, small

ORDER: dict[str, Any] = {
    "$schema": DIALECT,
    "title": "Order Completed",
    "type": "object",
    "required": ["order_id"],
    "properties": {
        "order_id": {"type": "string", "pattern": "^[A-Z0-9]+$"},
        "revenue": {"$ref": "#/$defs/amount"},
        "placed": {"type": "string", "format": "date-time"},
    },
    "$defs": {"amount": {"type": "number", "minimum": 0, "multipleOf": 0.01}},
}


def described(*schemas: dict[str, Any]) -> Documents:
    return small() | {f"events/e{number}": schema for number, schema in enumerate(schemas)}


def schema(**keywords: object) -> dict[str, Any]:
    return {"$schema": DIALECT, "title": "Order Completed", **keywords}


def test_what_fits_and_what_does_not() -> None:
    fits = EventSchema(ORDER).fits
    assert fits({"order_id": "A1", "revenue": Decimal("12.34"), "placed": "2026-03-01T12:00:00Z"})
    assert not fits({"revenue": 1})
    assert not fits({"order_id": 1})
    assert not fits({"order_id": "a"})
    assert not fits({"order_id": "A1", "revenue": -1})
    assert not fits({"order_id": "A1", "placed": "yesterday"})


def test_numbers_are_compared_digit_by_digit() -> None:
    fits = EventSchema(ORDER).fits
    assert not fits({"order_id": "A1", "revenue": Decimal("12.345")})
    assert fits({"order_id": "A1", "revenue": Decimal("12345678901234567890.12")})
    assert not fits({"order_id": "A1", "revenue": Decimal("12345678901234567890.123")})
    for extreme in (10**63, -(10**63), Decimal("1E+400"), Decimal("1E-400")):
        fits({"order_id": "A1", "revenue": extreme})


def test_a_policy_holds_the_schemas_by_event_and_equal_documents_make_equal_policies() -> None:
    policy, _ = parse_policy(described(ORDER))
    assert list(policy.schemas) == ["Order Completed"]
    again = msgspec.json.decode(msgspec.json.encode(described(ORDER), order="sorted"))
    assert parse_policy(again)[0] == policy
    assert parse_policy(described(schema()))[0] != policy
    assert (
        repr(policy.schemas["Order Completed"])
        == f"<EventSchema of {len(msgspec.json.encode(ORDER))} characters>"
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"title": "x"}, f'events/e0.json: "$schema": expected {DIALECT}'),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "title": "x"},
            "expected https://json-schema",
        ),
        ({"$schema": DIALECT}, "events/e0.json: title: expected the name of the event, up to 200 characters"),
        (schema(title=""), "events/e0.json: title: expected the name of the event"),
        (schema(requried=["a"]), "events/e0.json: requried: expected a keyword of JSON Schema 2020-12"),
        (
            schema(properties={"a": {"allOf": [{"minimun": 1}]}}),
            "events/e0.json: properties.a.allOf.0.minimun: expected a keyword of JSON Schema 2020-12",
        ),
        (schema(type="strin"), "events/e0.json: type: expected what JSON Schema 2020-12 allows here"),
        (schema(required="a"), "events/e0.json: required: expected what JSON Schema 2020-12 allows here"),
        (
            schema(properties={"a": {"pattern": "(?=a)b"}}),
            "events/e0.json: properties.a.pattern: expected known formats, and patterns without look-around",
        ),
        (schema(format="e-male"), "events/e0.json: format: expected known formats"),
        (schema(**{"$ref": "https://example.com/s.json"}), "expected a reference into this document"),
        (schema(**{"$ref": "file:///etc/hostname"}), "expected a reference into this document"),
        (
            schema(**{"$ref": "#/$defs/none"}),
            "expected a reference into this document, such as #/$defs/price",
        ),
        (schema(**{"$ref": "#"}), "events/e0.json: expected references that do not lead in a circle"),
        (
            schema(**{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"items": {"$ref": "#/$defs/a"}}}}),
            "expected references that do not lead in a circle",
        ),
        (
            schema(**{"$defs": {"a": {"$id": "https://example.com/"}}}),
            "expected no $id: references are pointers",
        ),
        (schema(properties={"a": {"$dynamicRef": "#meta"}}), "expected no $dynamicRef"),
    ],
)
def test_a_document_that_is_no_schema_is_refused_where_its_fault_stands(
    document: dict[str, Any], message: str
) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        parse_policy(described(document))
    assert message in str(refused.value)
    assert refused.value.pointer.startswith("/events~1e0")


def test_a_schema_whose_references_multiply_is_refused_before_anybody_waits_for_it() -> None:
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    with pytest.raises(PolicyInvalid, match=f"expected at most {LARGEST} values"):
        parse_policy(described(schema(**{"$defs": twice | {"d40": True}, "$ref": "#/$defs/d0"})))
    chain = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(3_000)}
    with pytest.raises(PolicyInvalid, match=f"expected at most {LARGEST} values"):
        parse_policy(described(schema(**{"$defs": chain | {"d3000": True}, "$ref": "#/$defs/d0"})))


def test_a_pattern_takes_linear_time() -> None:
    fits = EventSchema(schema(properties={"a": {"pattern": "^(a+)+$"}})).fits
    assert not fits({"a": "a" * 20_000 + "b"})


def test_two_schemas_of_one_event_are_refused() -> None:
    with pytest.raises(PolicyInvalid, match=r"events/e1\.json: title: expected an event that no other file"):
        parse_policy(described(schema(), schema(type="object")))


def test_a_property_may_be_called_like_a_keyword() -> None:
    properties = {"$ref": {"type": "string"}, "$id": {"type": "integer"}, "title": {"const": "x"}}
    fits = EventSchema(schema(properties=properties)).fits
    assert fits({"$ref": "somewhere", "$id": 1, "title": "x"})
    assert not fits({"$ref": 1})


@pytest.mark.parametrize(
    "name", ["events/Order", "events/", "events/a b", "events/a/b", "events/-a", "event/a"]
)
def test_a_file_of_another_name_is_no_document(name: str) -> None:
    with pytest.raises(PolicyInvalid, match="unknown document"):
        parse_policy(put(small(), name, ("title",), "x"))
