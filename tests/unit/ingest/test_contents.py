"""What a call says, each datum under the category that the policy gives it."""

from decimal import Decimal

from assent.core.ids import EntryIndex
from assent.core.time import Instant
from assent.features.accumulate import EMPTY, Content, absorb, read
from assent.ingest.contents import contents
from assent.ingest.facts import ContentBody
from tests.unit.ingest.policy_of_tests import SHIPPED, sent


def said(path: str, **item: object) -> list[tuple[str, str, str, dict[str, object]]]:
    return [
        (SHIPPED.categories[category].name, body.kind, body.name, dict(body.data))
        for category, body in contents(sent(path, **item), SHIPPED)
    ]


def test_an_event_stands_under_its_category_with_its_properties() -> None:
    properties = {"revenue": 1, "nested": {"x": [1]}}
    assert said("track", event="Order Completed", userId="u", properties=properties) == [
        ("orders", "event", "Order Completed", properties)
    ]
    assert said("page", anonymousId="a", name="Home") == [("browsing", "event", "$page", {"name": "Home"})]
    assert said("screen", anonymousId="a") == [("browsing", "event", "$screen", {})]


def test_what_no_category_claims_is_not_there() -> None:
    assert said("track", event="Something Else", userId="u", properties={"secret": 1}) == []
    assert said("track", event="Something Else", userId="u", context={"ip": "192.0.2.1", "page": {}}) == []
    traits = {"shoe_size": 38, "country": "IT"}
    assert said("identify", userId="u", traits=traits)[0] == ("account", "traits", "", {"country": "IT"})


def test_each_trait_stands_under_its_own_category() -> None:
    found = said("identify", userId="u", traits={"country": "IT", "email": "a@example.com", "plan": None})
    assert found == [
        ("account", "traits", "", {"country": "IT", "plan": None}),
        ("contact", "traits", "", {"email": "a@example.com"}),
        ("identity", "event", "$identify", {}),
    ]


def test_traits_in_the_context_of_any_call_are_traits_and_the_call_s_own_beat_them() -> None:
    context = {"traits": {"country": "IT", "plan": "gold"}}
    assert said("track", event="Order Completed", userId="u", context=context) == [
        ("account", "traits", "", {"country": "IT", "plan": "gold"}),
        ("orders", "event", "Order Completed", {}),
    ]
    account, _ = said("identify", userId="u", traits={"plan": "free"}, context=context)
    assert account == ("account", "traits", "", {"country": "IT", "plan": "free"})


def test_the_traits_of_a_track_call_itself_are_not_its_person_s() -> None:
    assert said("track", event="Order Completed", userId="u", traits={"country": "IT"}) == [
        ("orders", "event", "Order Completed", {})
    ]


def test_being_identified_is_content_of_its_own() -> None:
    assert said("identify", userId="u") == [("identity", "event", "$identify", {})]
    assert said("alias", userId="u", previousId="a") == [("identity", "event", "$alias", {})]


def test_a_group_s_traits_never_become_the_person_s() -> None:
    assert said("group", userId="u", groupId="g", traits={"name": "Initech", "country": "US"}) == [
        ("identity", "event", "$group", {})
    ]


def test_of_one_category_the_event_stands_before_the_traits() -> None:
    found = said("track", event="Signed Up", userId="u", context={"traits": {"plan": "gold"}})
    assert [(category, kind) for category, kind, _, _ in found] == [
        ("account", "event"),
        ("account", "traits"),
    ]


def test_contents_become_values_of_features() -> None:
    call = sent(
        "track",
        event="Order Completed",
        userId="u",
        properties={"revenue": 12.34},
        context={"traits": {"country": "IT"}},
    )
    state = EMPTY
    for category, body in contents(call, SHIPPED):
        at = Instant(1_000_000)
        state = absorb(
            SHIPPED,
            state,
            Content(
                category=category, kind=body.kind, name=body.name, at=at, entry=EntryIndex(0), data=body.data
            ),
        )

    def value(name: str) -> object:
        feature = SHIPPED.features[SHIPPED.feature_ids[name]]
        return read(SHIPPED, feature, state, [], Instant(2_000_000))

    assert value("order_value") == 12_340_000
    assert value("order_count") == 1_000_000
    assert value("country") == "IT"


def test_numbers_stay_exact() -> None:
    (_, body), *_ = contents(
        sent("track", event="Order Completed", userId="u", properties={"revenue": 0.1}), SHIPPED
    )
    assert isinstance(body, ContentBody)
    assert body.data["revenue"] == Decimal("0.1")
