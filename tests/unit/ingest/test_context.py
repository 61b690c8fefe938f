"""Fields of a context stand under the category that claims them, and nothing in them names anybody."""

import json
from typing import Any

import pytest

from assent.core.documents import parse_policy
from assent.core.errors import PolicyInvalid
from assent.core.policy import Policy
from assent.ingest.addresses import network
from assent.ingest.contents import contents
from assent.ingest.context_groups import channel_word
from assent.ingest.urls import cut
from tests.support.policy_documents import Documents, changed, put, shipped
from tests.unit.ingest.policy_of_tests import SHIPPED, sent

RICH: dict[str, Any] = {
    "ip": "203.0.113.77",
    "locale": "en-GB",
    "timezone": "Europe/London",
    "userAgent": "Mozilla/5.0",
    "library": {"name": "analytics.js", "version": "2.1", "extra": {"deep": 1}},
    "page": {
        "path": "/shoes?session=7f",
        "url": "https://anna:secret@shop.example/shoes?email=anna@example.com#top",
        "search": "?utm_source=unused&q=red+boots&email=anna%40example.com",
        "title": "Shoes",
        "referrer": "https://search.example:443/find?q=anna#x",
    },
    "campaign": {"source": "news", "medium": "email", "name": "spring", "recipient": "anna"},
    "device": {"type": "mobile", "model": "X1", "id": "d-1", "advertisingId": "ad-1", "name": "Anna's phone"},
    "os": {"name": "iOS", "version": "17"},
    "app": {"name": "Shop", "version": "1.2", "build": 7, "namespace": "n"},
    "network": {"carrier": "c", "ip": "203.0.113.77"},
}


def policy_of(documents: Documents) -> Policy:
    return parse_policy(documents)[0]


def context_of(
    policy: Policy, path: str = "track", declared: dict[str, str] | None = None, **item: object
) -> dict[str, dict[str, Any]]:
    """Return the context that is kept of a call, by category."""
    call = sent(path, anonymousId="a1", **({"event": "Product Viewed"} | item if path == "track" else item))
    return {
        policy.categories[category].name: dict(body.context)
        for category, body in contents(call, policy, declared or {})
        if body.context
    }


def claiming(*fields: str) -> Policy:
    """Return the shipped policy with nothing but these fields claimed, by `visit`."""
    documents = shipped()
    for category in documents["features"]["categories"].values():
        category.pop("context", None)
    for name, feature in list(documents["features"]["features"].items()):
        if feature.get("path", "").startswith("context."):
            del documents["features"]["features"][name]
    return policy_of(put(documents, "features", ("categories", "visit", "context"), list(fields)))


def test_every_field_stands_under_the_category_that_claims_it_and_no_other_field_stands_anywhere() -> None:
    assert context_of(SHIPPED, context=RICH) == {
        "browsing": {
            "page": {
                "path": "/shoes",
                "url": "https://shop.example/shoes",
                "title": "Shoes",
                "search_terms": "red boots",
            },
            "campaign": {"source": "news", "medium": "email", "name": "spring"},
            "referrer": {"url": "https://search.example:443/find", "host": "search.example"},
        },
        "visit": {
            "app": {"name": "Shop", "version": "1.2", "build": 7},
            "device": {"type": "mobile", "model": "X1"},
            "library": {"name": "analytics.js", "version": "2.1"},
            "locale": "en-GB",
            "os": {"name": "iOS", "version": "17"},
            "timezone": "Europe/London",
        },
    }


def test_beside_the_event_stands_its_own_category_and_elsewhere_not_even_its_name() -> None:
    call = sent("track", event="Product Viewed", anonymousId="a1", context=RICH)
    found = {SHIPPED.categories[category].name: body for category, body in contents(call, SHIPPED)}
    assert {name: (body.kind, body.name) for name, body in found.items()} == {
        "browsing": ("event", "Product Viewed"),
        "visit": ("context", ""),
    }


def test_the_context_of_an_event_that_no_category_names_is_not_kept() -> None:
    assert context_of(SHIPPED, event="Something Else", context=RICH, declared={"channel": "web"}) == {}


def test_a_field_that_no_category_claims_is_not_kept() -> None:
    assert context_of(claiming("locale"), context=RICH) == {"visit": {"locale": "en-GB"}}
    assert context_of(claiming("os.name"), context=RICH) == {"visit": {"os": {"name": "iOS"}}}
    assert context_of(claiming("network.carrier"), context=RICH) == {"visit": {"network.carrier": "c"}}
    assert context_of(claiming(), context=RICH) == {}


def test_fields_of_one_group_may_be_of_several_categories() -> None:
    claims = '["page.path", "page.title", "referrer", "campaign", "channel"]'
    documents = changed(shipped(), "features", f"categories.browsing.context = {claims}")
    documents["features"]["categories"]["visit"]["context"] += ["page.url", "page.search_terms"]
    del documents["features"]["features"]["search_terms"]
    found = context_of(policy_of(documents), context={"page": {**RICH["page"], "referrer": ""}})
    assert found == {
        "browsing": {"page": {"path": "/shoes", "title": "Shoes"}, "campaign": {"source": "unused"}},
        "visit": {"page": {"url": "https://shop.example/shoes", "search_terms": "red boots"}},
    }


def test_the_query_string_is_kept_where_it_is_claimed_by_name() -> None:
    page = {"page": {"url": "https://shop.example/?a=1&q=x#y"}}
    assert context_of(claiming("page.query"), context=page) == {"visit": {"page": {"query": "a=1&q=x"}}}
    assert context_of(claiming("page"), context=page) == {
        "visit": {"page": {"url": "https://shop.example/", "search_terms": "x"}}
    }


def test_values_that_are_not_single_are_not_there() -> None:
    odd = {
        "locale": ["en"],
        "timezone": {"name": "x"},
        "os": "iOS",
        "app": [],
        "device": {"type": {"a": 1}},
        "page": 1,
    }
    assert context_of(SHIPPED, context=odd) == {}
    assert (
        context_of(SHIPPED, context={"locale": "", "page": {"url": 1, "title": None}, "campaign": {}}) == {}
    )


def test_a_browser_s_hints_fill_what_its_library_left_out() -> None:
    hints = {"userAgentData": {"mobile": True, "platform": "Android", "brands": []}}
    assert context_of(SHIPPED, context=hints)["visit"] == {
        "device": {"type": "mobile"},
        "os": {"name": "Android"},
    }
    said = hints | {"device": {"type": "tablet"}, "os": {"name": "iOS"}}
    assert context_of(SHIPPED, context=said)["visit"]["device"] == {"type": "tablet"}
    assert context_of(SHIPPED, context={"userAgentData": {"mobile": False}})["visit"] == {
        "device": {"type": "desktop"}
    }


def test_a_campaign_is_read_from_the_address_where_the_client_sent_none() -> None:
    url = (
        "https://shop.example/?utm_source=news&utm_medium=email&utm_campaign=spring%20sale&utm_source=second"
    )
    assert context_of(SHIPPED, context={"page": {"url": url}})["browsing"]["campaign"] == {
        "source": "news",
        "medium": "email",
        "name": "spring sale",
    }


def test_a_page_call_says_its_page_among_its_properties() -> None:
    properties = {
        "url": "https://shop.example/a?q=boots&email=anna@example.com",
        "path": "/a",
        "search": "?q=boots&email=anna@example.com",
        "title": "A",
        "referrer": "https://search.example/?q=anna",
    }
    call = sent("page", anonymousId="a1", name="Home", properties=properties)
    ((_, event),) = contents(call, SHIPPED)
    assert dict(event.data) == {
        "name": "Home",
        "url": "https://shop.example/a",
        "path": "/a",
        "title": "A",
        "referrer": "https://search.example/",
        "search_terms": "boots",
    }
    assert dict(event.context) == {
        "page": {"url": "https://shop.example/a", "path": "/a", "title": "A", "search_terms": "boots"},
        "referrer": {"url": "https://search.example/", "host": "search.example"},
    }


# ---- channel and source ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "properties", "channel"),
    [
        ({"channel": "call_centre"}, {"channel": "store"}, "call_centre"),
        ({}, {"channel": "store"}, "store"),
        ({"channel": " Chat "}, {}, "chat"),
        ({"channel": "not a word"}, {"channel": 7}, "web"),
        ({"channel": None}, {}, "web"),
        ({}, {}, "web"),
    ],
)
def test_the_channel_is_the_call_s_own_else_what_its_key_declares(
    context: dict[str, object], properties: dict[str, object], channel: str
) -> None:
    declared = {"channel": "web", "source": "shop"}
    found = context_of(SHIPPED, context=context, properties=properties, declared=declared)
    assert found == {"browsing": {"channel": channel, "source": "shop"}}


def test_without_a_channel_nothing_is_guessed() -> None:
    assert context_of(SHIPPED, context={"locale": "it"}) == {"visit": {"locale": "it"}}
    assert context_of(SHIPPED, context={"source": "till 3"}) == {"browsing": {"source": "till 3"}}


def test_a_field_that_several_claim_stays_with_their_own_events() -> None:
    web = {"channel": "web"}
    assert context_of(SHIPPED, event="Order Completed", context=web) == {"orders": web}
    assert context_of(SHIPPED, event="Signed In", context=web) == {"account": web}
    assert context_of(SHIPPED, path="alias", userId="u", previousId="a", context=web) == {}
    # What one category alone claims stands there, whatever the event.
    assert context_of(SHIPPED, event="Order Completed", context={"page": {"path": "/"}}) == {
        "browsing": {"page": {"path": "/"}}
    }


def test_a_channel_is_one_word_in_small_letters() -> None:
    assert [channel_word(word) for word in ("web", "Call_Centre", "e-mail")] == [
        "web",
        "call_centre",
        "e-mail",
    ]
    assert [channel_word(word) for word in ("", "7", "two words", "x" * 33, None, 1, "é")] == [None] * 7


# ---- addresses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        (" 203.0.113.77 ", "203.0.113.0/24"),
        ("2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("203.0.113.77:8080", None),
        ("203.0.113.77, 198.51.100.1", None),
        ("anna", None),
        ("", None),
        (3405803853, None),
        (None, None),
    ],
)
def test_of_an_address_its_network_is_left(address: object, kept: str | None) -> None:
    assert network(address) == kept


@pytest.mark.parametrize(
    "name", ["ip", "$ip", "ip_address", "ipAddress", "client_ip", "clientIp", "request_ip"]
)
def test_no_address_is_kept_unless_a_category_names_it_and_then_its_network_alone(name: str) -> None:
    raw = "203.0.113.77"

    def kept(policy: Policy) -> str:
        said = {name: raw, "country": "IT"}
        calls = [
            sent(
                "track",
                event="Product Viewed",
                anonymousId="a",
                properties=said,
                context={name: raw, "traits": said},
            ),
            sent("identify", userId="u", traits=said),
            sent("page", anonymousId="a", properties=said),
            sent("group", userId="u", groupId="g", traits=said),
        ]
        bodies = [body for call in calls for _, body in contents(call, policy)]
        return json.dumps([[body.data, body.context] for body in bodies], default=str)

    everything = changed(shipped(), "features", 'categories.account.traits = ["*"]')
    assert raw not in kept(policy_of(everything))
    assert "203.0.113" not in kept(policy_of(everything))
    named = changed(
        shipped(), "features", f'categories.account.traits = ["country", "plan", "language", "{name}"]'
    )
    named["features"]["categories"]["visit"]["context"].append(name)
    if name == "$ip":
        assert f'"{name}": "203.0.113.0/24"' in kept(policy_of(named))
    assert raw not in kept(policy_of(named))
    assert "203.0.113.0/24" in kept(policy_of(named))


# ---- URLs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://shop.example/a?b=c#d", "https://shop.example/a"),
        ("https://shop.example/#/a?b", "https://shop.example/"),
        ("https://anna:secret@shop.example/a", "https://shop.example/a"),
        ("https://shop.example/@anna/", "https://shop.example/@anna/"),
        ("//anna@shop.example", "//shop.example"),
        ("/a?b", "/a"),
        ("?b", ""),
        ("not a url", "not a url"),
    ],
)
def test_a_url_is_cut(url: str, kept: str) -> None:
    assert cut(url) == kept


# ---- what a policy must not say --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            'categories.visit.context = ["device.id"]',
            "visit.context.0: expected one of device, device.manufacturer, device.model, device.type",
        ),
        ('categories.visit.context = ["page.search"]', "expected one of page, page.path, page.query, "),
        (
            'categories.visit.context = ["traits"]',
            "expected a field of the context: traits is claimed elsewhere",
        ),
        (
            'categories.visit.context = ["externalIds.0"]',
            "expected a field of the context: externalIds is claimed",
        ),
        ('categories.visit.context = ["a b"]', "visit.context.0: expected a path such as"),
        (
            'features.last_page.path = "context.page.none"',
            "last_page.path: expected a field that a category of",
        ),
        (
            'features.last_page.path = "context"',
            "last_page.event: missing; expected it beside aggregate last",
        ),
        (
            'features.last_page.event = "Order Completed"',
            "last_page.event: expected none, or one of browsing, which has this field",
        ),
        (
            'features.last_page.category = "visit"',
            "last_page.category: expected one of browsing",
        ),
    ],
)
def test_a_field_that_nobody_may_claim_is_refused(toml: str, message: str) -> None:
    with pytest.raises(PolicyInvalid) as refused:
        policy_of(changed(shipped(), "features", toml))
    assert message in str(refused.value)


def test_an_identifier_is_no_field_and_an_address_no_identifier() -> None:
    documents = changed(shipped(), "identity", 'namespaces.device_id.from = ["context.install"]')
    documents["features"]["categories"]["visit"]["context"].append("install")
    with pytest.raises(
        PolicyInvalid, match=r"visit\.context\.6: expected no identifier: identity\.toml reads"
    ):
        policy_of(documents)
    with pytest.raises(
        PolicyInvalid, match=r"device_id\.from\.0: expected no network address: it names nobody"
    ):
        policy_of(changed(shipped(), "identity", 'namespaces.device_id.from = ["context.ip"]'))


def test_a_feature_of_the_context_may_be_of_one_event_of_the_same_category() -> None:
    policy = policy_of(changed(shipped(), "features", 'features.last_page.event = "Product Viewed"'))
    feature = policy.features[policy.feature_ids["last_page"]]
    assert (feature.event, feature.path) == ("Product Viewed", "context.page.path")
