"""Whatever a context holds: what is kept of it was claimed, is a single value, and is no identifier."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from types import ModuleType

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from assent.core.context_fields import ADDRESSES
from assent.core.event_schema import DIALECT, EventSchema
from assent.ingest import context_groups, urls
from assent.ingest.contents import contents
from assent.ingest.facts import ContentBody
from assent.ingest.tracking import Call, CallType
from tests.unit.ingest.policy_of_tests import SHIPPED

CANARY = settings(
    database=None,
    phases=[Phase.generate],
    derandomize=True,
    max_examples=2_000,
    suppress_health_check=list(HealthCheck),
)

URL = "https://anna:secret@shop.example/a?q=boots&email=anna@example.com#secret"
ADDRESS = "203.0.113.77"
SECRETS = ("secret", "anna", ADDRESS, "device-id")

single = (
    st.text(max_size=8)
    | st.integers()
    | st.booleans()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["web", "", URL, "/a?secret", "?q=x&utm_source=y", "//", "utm_source=%00%ff&q=+", ADDRESS]
    )
)
names = st.sampled_from(
    [
        *(
            "page",
            "campaign",
            "device",
            "os",
            "app",
            "library",
            "referrer",
            "locale",
            "timezone",
            "channel",
            "source",
        ),
        *(
            "userAgentData",
            "url",
            "path",
            "search",
            "title",
            "name",
            "type",
            "model",
            "mobile",
            "platform",
            "host",
        ),
        *("ip", "id", "advertisingId", "version", "traits", "externalIds", "medium"),
    ]
)
said = st.recursive(
    st.none() | single,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)
contexts = st.dictionaries(names, said, max_size=6)

# What somebody would sooner or later send, so that the law is not asked about noise alone.
rich = st.fixed_dictionaries(
    {},
    optional={
        "ip": st.just(ADDRESS),
        "page": st.fixed_dictionaries(
            {"ip": st.just(ADDRESS)},
            optional=dict.fromkeys(
                ("url", "path", "referrer", "search"), st.sampled_from([URL, "?secret=1&s=x"])
            ),
        ),
        "device": st.just({"id": "device-id", "name": "anna's", "type": "tv", "ip": ADDRESS}),
        "referrer": st.sampled_from([URL, {"url": URL}, {"id": "anna"}, 7]),
    },
)


def call(context: Mapping[str, object], kind: CallType, properties: Mapping[str, object]) -> Call:
    name = "Product Viewed" if kind is CallType.TRACK else f"${kind.value}"
    item = {"context": context}
    return Call(index=0, type=kind, name=name, context=context, properties=properties, item=item)


calls = st.builds(
    call, contexts | rich, st.sampled_from([CallType.TRACK, CallType.PAGE, CallType.ALIAS]), contexts | rich
)
declared = st.sampled_from([{}, {"channel": "web"}, {"channel": "store", "source": "till 3"}])


def leaves(fields: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def kept(one: Call, of: Mapping[str, str]) -> list[tuple[frozenset[str], ContentBody]]:
    return [(SHIPPED.categories[category].context, body) for category, body in contents(one, SHIPPED, of)]


@given(calls, declared)
def test_what_is_kept_was_claimed_by_its_category_and_is_one_value(one: Call, of: dict[str, str]) -> None:
    for claimed, body in kept(one, of):
        for path, value in leaves(body.context):
            assert path in claimed
            assert isinstance(value, str | int | bool | Decimal)
            assert value != ""
        assert body.context or body.kind != "context"
        assert body.kind != "context" or not (body.name or body.data)


def clean(one: Call) -> bool:
    """Whether nothing that names somebody stands in the context that is kept of a call."""
    texts = [str(value) for _, body in kept(one, {}) for _, value in leaves(body.context)]
    return not any(secret in text for text in texts for secret in SECRETS)


nameless = st.builds(call, rich, st.sampled_from([CallType.TRACK, CallType.PAGE]), st.just({}))


@given(nameless)
def test_nothing_in_it_names_anybody(one: Call) -> None:
    assert clean(one)


@given(contexts | rich)
def test_no_property_of_any_event_is_an_address(properties: dict[str, object]) -> None:
    for _, body in kept(call({}, CallType.TRACK, properties), {}):
        assert ADDRESSES.isdisjoint(body.data)


@pytest.mark.parametrize(
    ("module", "name", "fault"),
    [
        (urls, "cut", lambda url: url),
        (context_groups, "_those", lambda held, _members: dict(held)),
    ],
)
def test_a_field_that_is_kept_as_it_was_sent_is_found(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, fault: Callable[..., object]
) -> None:
    monkeypatch.setattr(module, name, fault)
    find(nameless, lambda one: not clean(one), settings=CANARY)


# ---- schemas of events -----------------------------------------------------------------------------------

SCHEMAS = [
    EventSchema({"$schema": DIALECT, "title": "x", **keywords})
    for keywords in (
        {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
        {
            "properties": {
                "url": {"format": "uri"},
                "id": {"multipleOf": 0.01},
                "name": {"pattern": "^[a-z]+$"},
            }
        },
        {"propertyNames": {"maxLength": 4}, "minProperties": 1},
        {"anyOf": [{"required": ["page"]}, {"properties": {"ip": {"enum": [1, "a", None]}}}]},
        {
            "patternProperties": {"^u": {"type": "integer", "exclusiveMaximum": 10}},
            "unevaluatedProperties": False,
        },
    )
]
numbers = st.integers(-(10**64), 10**64) | st.decimals(allow_nan=False, allow_infinity=False, places=40)


@given(st.dictionaries(names, said | numbers, max_size=5))
def test_a_schema_answers_about_whatever_can_be_read(properties: dict[str, object]) -> None:
    for schema in SCHEMAS:
        assert schema.fits(properties) in (True, False)
        assert schema.fits(properties) == schema.fits(dict(reversed(properties.items())))
