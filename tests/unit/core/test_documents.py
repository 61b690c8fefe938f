"""What the shipped policies say, and what the words of a policy mean."""

import re
from datetime import UTC, datetime

from assent.core.documents import parse_policy
from assent.core.ids import mask
from assent.core.policy import (
    Aggregate,
    IdentifierKind,
    LegalBasis,
    LinkKind,
    NoticeVersion,
    Policy,
    ValueType,
)
from assent.core.time import BEGINNING, DAY, parse_time
from tests.support.policy_documents import Documents, consent, contract, put, shipped, small, with_notice

CHANGE = "2026-03-01T00:00:00Z"


def parsed(documents: Documents) -> Policy:
    return parse_policy(documents)[0]


# ---- the shipped folder ----------------------------------------------------------------------------------


def test_service_rests_on_the_contract_and_never_sees_browsing() -> None:
    policy = parsed(shipped())
    service = policy.purposes[policy.purpose_ids["service"]]
    assert service.legal_basis is LegalBasis.CONTRACT
    names = ("orders", "account", "contact", "identity")
    assert service.categories == mask(policy.category_ids[name] for name in names)
    assert service.opened_by == {IdentifierKind.PERSON}


def test_every_other_shipped_purpose_rests_on_consent_to_a_notice_in_english() -> None:
    policy = parsed(shipped())
    others = [each for each in policy.purposes.values() if each.name != "service"]
    assert {each.legal_basis for each in others} == {LegalBasis.CONSENT}
    assert all("en" in policy.notices[each.notice] for each in others)


def test_advertising_alone_asks_for_agreement_and_obeys_the_privacy_signal() -> None:
    policy = parsed(shipped())
    assert [each.name for each in policy.purposes.values() if each.gpc] == ["advertising"]
    asking = [each.name for each in policy.purposes.values() if policy.views[each.view].agreement]
    assert asking == ["advertising"]
    assert policy.signals["sec_gpc"].value == "1"
    assert policy.linking == policy.purpose_ids["identity_linking"]


def test_every_call_of_the_tracking_contract_has_a_category() -> None:
    policy = parsed(shipped())
    for name in ("$page", "$screen", "$identify", "$alias", "$group", "Order Completed", "Order Refunded"):
        assert policy.category_of_event(name) is not None
    assert policy.category_of_event("Undeclared") is None
    assert policy.category_of_trait("undeclared") is None


def test_placeholders_are_blocked_and_real_values_are_not() -> None:
    policy = parsed(shipped())
    namespace = policy.namespaces[policy.namespace_ids["user_id"]]

    def blocked(value: str) -> bool:
        patterns = namespace.blocked_patterns
        return value in namespace.blocked or any(re.fullmatch(each, value) for each in patterns)

    for value in (
        "null",
        "NULL",
        " none ",
        "anonymous",
        "0",
        "00-00",
        "-1",
        "[object Object]",
        "distinct_id",
    ):
        assert blocked(value)
    for value in ("u1", "17850", "nullable", "anna", "100", "jo@example.com"):
        assert not blocked(value)


def test_types_are_derived_where_the_aggregate_leaves_no_choice() -> None:
    policy = parsed(shipped())
    features = {each.name: each for each in policy.features.values()}
    assert features["order_value"].type is ValueType.NUMBER
    assert features["last_order"].type is ValueType.TIME
    assert features["country"].aggregate is Aggregate.TRAIT
    window = features["orders_30d"].window
    assert window is not None
    assert window.microseconds == 30 * DAY
    assert features["categories_viewed"].category == policy.category_ids["browsing"]


# ---- what words mean -------------------------------------------------------------------------------------


def test_a_star_is_every_category_that_is_not_special() -> None:
    documents = put(small({"p": contract()}), "features", ("categories", "health"), {"special": True})
    policy = parsed(documents)
    assert policy.purposes[policy.purpose_ids["p"]].categories == mask([policy.category_ids["behaviour"]])


def test_a_notice_is_in_force_since_the_beginning_until_it_changes() -> None:
    plain = parsed(with_notice(consent(), version=4))
    assert plain.purposes[plain.purpose_ids["p0"]].notices == (NoticeVersion(version=4, at=BEGINNING),)
    changes = [{"version": 2, "t": CHANGE, "material": True}]
    changed = parsed(with_notice(consent(notice_changes=changes), version=2))
    assert changed.purposes[changed.purpose_ids["p0"]].notices == (
        NoticeVersion(version=1, at=BEGINNING),
        NoticeVersion(version=2, at=parse_time(CHANGE), material=True),
    )


def test_a_time_may_be_text_or_what_toml_makes_of_it() -> None:
    text = small({"p": contract(declared=CHANGE)})
    value = small({"p": contract(declared=datetime(2026, 3, 1, tzinfo=UTC))})
    assert parse_policy(text) == parse_policy(value)


def test_a_policy_without_purposes_is_a_policy_that_permits_nothing() -> None:
    policy = parsed(small())
    assert not policy.purposes
    assert not policy.signals


def test_unique_is_a_limit_of_one_and_shared_blocks_reach_every_namespace() -> None:
    documents = put(small(), "identity", ("namespaces", "user_id", "unique"), value=True)
    put(documents, "identity", ("blocked",), ["x"])
    policy = parsed(documents)
    (namespace,) = policy.namespaces.values()
    assert namespace.unique
    assert namespace.limit == 1
    assert "x" in namespace.blocked


def test_link_kinds_are_those_named() -> None:
    links = {"kinds": ["asserted", "probable"], "agreement": False}
    (use,) = parsed(small({"p": contract(links=links)})).views.values()
    assert use.kinds == {LinkKind.ASSERTED, LinkKind.PROBABLE}


def test_plain_consent_bears_a_special_category_by_name() -> None:
    documents = with_notice(consent(categories=["health"]))
    put(documents, "features", ("categories", "health"), {"special": True})
    policy = parsed(documents)
    assert policy.purposes[policy.purpose_ids["p0"]].categories == mask([policy.category_ids["health"]])


def test_a_category_may_ask_for_a_further_purpose() -> None:
    documents = put(
        small({"p": contract(), "q": contract()}), "features", ("categories", "behaviour", "also"), ["q"]
    )
    policy = parsed(documents)
    assert policy.categories[policy.category_ids["behaviour"]].also == (policy.purpose_ids["q"],)


def test_an_event_no_category_names_belongs_to_the_catch_all() -> None:
    policy = parsed(small())
    assert policy.category_of_event("Anything") == policy.category_ids["behaviour"]
    assert policy.category_of_trait("anything") is None
