"""Whom a call is about: found by the policy's paths, normalised, the owner first."""

import msgspec
import pytest

from assent.core.errors import (
    AmbiguousIdentifier,
    AssentError,
    BlockedIdentifier,
    MalformedIdentifier,
    UnknownNamespace,
)
from assent.core.policy import Policy
from assent.ingest.identifiers_of import found
from assent.ingest.tracking import Call
from tests.unit.ingest.policy_of_tests import SHIPPED, sent


def names(path: str, **item: object) -> list[tuple[str, str]]:
    return names_under(SHIPPED, sent(path, **item))


def names_under(policy: Policy, call: Call) -> list[tuple[str, str]]:
    return [(policy.namespaces[one.namespace].name, one.value) for one in found(call, policy)]


def with_sources(name: str, *sources: str) -> Policy:
    number = SHIPPED.namespace_ids[name]
    changed = msgspec.structs.replace(SHIPPED.namespaces[number], sources=sources)
    return msgspec.structs.replace(SHIPPED, namespaces={**SHIPPED.namespaces, number: changed})


def external(**kinds: object) -> dict[str, object]:
    return {"externalIds": [{"id": value, "type": kind} for kind, value in kinds.items()]}


def test_the_owner_is_the_person_before_the_device_before_the_cookie() -> None:
    assert names(
        "track",
        event="x",
        anonymousId="a1",
        userId="u1",
        context={"device": {"id": "d1"}, "traits": {"email": "ADA@Example.com "}},
    ) == [("user_id", "u1"), ("email", "ada@example.com"), ("device_id", "d1"), ("anonymous_id", "a1")]


def test_the_owner_does_not_depend_on_the_order_sent() -> None:
    first = names("identify", context=external(email="b@example.com", anonymous_id="a", customer_id=7))
    other = names("identify", context=external(customer_id=7, anonymous_id="a", email="b@example.com"))
    assert first == other == [("customer_id", "7"), ("email", "b@example.com"), ("anonymous_id", "a")]


def test_two_values_of_one_namespace_that_admits_several_are_in_order_of_value() -> None:
    for pair in (("b@example.com", "a@example.com"), ("a@example.com", "b@example.com")):
        item = {"traits": {"email": pair[0]}, "context": {"traits": {"email": pair[1]}}}
        assert names("identify", **item) == [("email", "a@example.com"), ("email", "b@example.com")]


def test_one_value_said_twice_is_one_identifier() -> None:
    assert names("identify", userId="u", context=external(user_id="u")) == [("user_id", "u")]
    item = {"traits": {"email": "a@example.com"}, "context": {"traits": {"email": "A@EXAMPLE.COM"}}}
    assert names("identify", **item) == [("email", "a@example.com")]


def test_two_values_of_a_unique_namespace_are_ambiguous() -> None:
    with pytest.raises(AmbiguousIdentifier):
        names("identify", userId="u1", context=external(user_id="u2"))


def test_a_unique_namespace_is_what_makes_it_ambiguous() -> None:
    # The canary: the same call under a policy without uniqueness is taken.
    number = SHIPPED.namespace_ids["user_id"]
    several = msgspec.structs.replace(SHIPPED.namespaces[number], limit=None)
    policy = msgspec.structs.replace(SHIPPED, namespaces={**SHIPPED.namespaces, number: several})
    assert len(names_under(policy, sent("identify", userId="u1", context=external(user_id="u2")))) == 2


@pytest.mark.parametrize("value", ["null", "undefined", "00000000-0000-0000-0000-000000000000", "-1", "N/A"])
def test_a_blocked_person_refuses_the_call_even_beside_others(value: str) -> None:
    with pytest.raises(BlockedIdentifier):
        names("track", event="x", userId=value, anonymousId="a1")


def test_a_blocked_device_or_cookie_is_left_out() -> None:
    zeros = "00000000-0000-0000-0000-000000000000"
    context = {"device": {"id": zeros}}
    assert names("track", event="x", anonymousId="a1", context=context) == [("anonymous_id", "a1")]
    assert names("track", event="x", anonymousId="null", userId="u") == [("user_id", "u")]


def test_nothing_but_blocked_identifiers_is_blocked_and_none_is_malformed() -> None:
    with pytest.raises(BlockedIdentifier):
        names("track", event="x", anonymousId="null")
    with pytest.raises(MalformedIdentifier):
        names("track", event="x")


@pytest.mark.parametrize(
    "value", ["no address", "a@b", "@example.com", 7, True, 1.5, ["a@example.com"], {}, " "]
)
def test_a_malformed_value_at_any_path_refuses_the_call(value: object) -> None:
    with pytest.raises(MalformedIdentifier):
        names("identify", userId="u", traits={"email": value})


def test_a_path_through_something_that_is_no_object_finds_nothing() -> None:
    context = {"device": "phone", "traits": ["x"]}
    assert names("track", event="x", userId="u", context=context) == [("user_id", "u")]


def test_an_external_id_of_an_undeclared_type_is_an_unknown_namespace() -> None:
    with pytest.raises(UnknownNamespace):
        names("identify", userId="u", context=external(ga_client_id="x"))


@pytest.mark.parametrize(
    "given",
    [
        {},
        "x",
        7,
        [1],
        [None],
        [{"id": "x"}],
        [{"type": "email"}],
        [{"id": None, "type": "email"}],
        [{"id": "", "type": "email"}],
        [{"id": {}, "type": "email"}],
        [{"id": "x", "type": []}],
        [{"id": "x", "type": None}],
    ],
)
def test_malformed_external_ids_refuse_the_call(given: object) -> None:
    with pytest.raises(MalformedIdentifier):
        names("identify", userId="u", context={"externalIds": given})


def test_sixty_four_identifiers_fit_an_entry_and_no_more() -> None:
    ids = [{"id": f"a{number}", "type": "anonymous_id"} for number in range(65)]
    assert len(names("identify", context={"externalIds": ids[:64]})) == 64
    with pytest.raises(MalformedIdentifier):
        names("identify", context={"externalIds": ids})


def test_an_alias_joins_the_user_and_what_was_anonymous_before() -> None:
    assert names("alias", userId="u1", previousId="a1") == [("user_id", "u1"), ("anonymous_id", "a1")]


def test_a_policy_may_say_where_a_previous_id_belongs() -> None:
    policy = with_sources("customer_id", "previousId")
    assert names_under(policy, sent("alias", userId="u1", previousId="c1")) == [
        ("customer_id", "c1"),
        ("user_id", "u1"),
    ]


def test_an_alias_without_a_namespace_for_its_previous_id_is_unknown() -> None:
    with pytest.raises(UnknownNamespace):
        names_under(with_sources("anonymous_id"), sent("alias", userId="u1", previousId="a1"))


def test_a_previous_id_says_nothing_outside_alias() -> None:
    assert names("identify", userId="u1", previousId="a1") == [("user_id", "u1")]


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ({"userId": "u1"}, MalformedIdentifier),
        ({"previousId": "a1"}, MalformedIdentifier),
        ({"userId": "u1", "previousId": ""}, MalformedIdentifier),
        ({"userId": "u1", "previousId": "null"}, BlockedIdentifier),
        ({"userId": "null", "previousId": "a1"}, BlockedIdentifier),
    ],
)
def test_half_an_alias_asserts_nothing(item: dict[str, object], error: type[AssentError]) -> None:
    with pytest.raises(error):
        names("alias", **item)


def test_the_traits_of_a_group_identify_nobody() -> None:
    item = {"userId": "u1", "groupId": "g1", "traits": {"email": "office@example.com"}}
    assert names("group", **item) == [("user_id", "u1")]
    assert len(names("identify", **item)) == 2


def test_errors_and_reprs_hold_no_value() -> None:
    call = sent("identify", userId="ada1", context=external(user_id="ada2"))
    with pytest.raises(AmbiguousIdentifier) as caught:
        found(call, SHIPPED)
    assert "ada" not in repr(caught.value)
    assert "ada" not in repr(found(sent("identify", userId="ada1"), SHIPPED))
