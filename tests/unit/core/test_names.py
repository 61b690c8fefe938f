"""Names keep their numbers."""

import msgspec
import pytest

from assent.core.documents import parse_policy
from assent.core.errors import PolicyInvalid
from assent.core.names import EMPTY, NameBook, NameKind
from tests.support.policy_documents import contract, put, shipped, small


def test_numbers_begin_at_one_and_views_at_two() -> None:
    _, book = parse_policy(shipped())
    assert min(book.purpose.values()) == min(book.category.values()) == min(book.namespace.values()) == 1
    assert min(book.view.values()) == 2


def test_a_name_that_was_removed_keeps_its_number_and_takes_it_again() -> None:
    _, first = parse_policy(small({"a": contract(), "b": contract(), "c": contract()}))
    _, second = parse_policy(small({"a": contract(), "aa": contract()}), names=first)
    policy, third = parse_policy(small({"b": contract(), "aa": contract()}), names=second)
    assert first.purpose == {"a": 1, "b": 2, "c": 3}
    assert third.purpose == {"a": 1, "b": 2, "c": 3, "aa": 4}
    assert dict(policy.purpose_ids) == {"aa": 4, "b": 2}


def test_a_feature_that_is_defined_anew_is_a_new_feature() -> None:
    one, book = parse_policy(shipped())
    changed = put(shipped(), "features", ("features", "order_value", "path"), "net")
    two, _ = parse_policy(changed, names=book)
    assert two.feature_ids["order_value"] > max(one.feature_ids.values())
    assert two.feature_ids["order_count"] == one.feature_ids["order_count"]


def test_equal_link_uses_share_a_view_and_other_ones_do_not() -> None:
    swapped = contract(links={"kinds": ["claimed", "observed", "claimed"], "agreement": False})
    same = contract(links={"kinds": ["observed", "claimed"], "agreement": False})
    policy, book = parse_policy(small({"a": same, "b": swapped, "c": contract()}))
    views = {each.name: each.view for each in policy.purposes.values()}
    assert views["a"] == views["b"] != views["c"]
    assert set(policy.views) == set(book.view.values())


def test_a_book_goes_to_json_and_back() -> None:
    _, book = parse_policy(shipped())
    assert msgspec.json.decode(msgspec.json.encode(book), type=NameBook) == book


def test_removed_names_count_towards_the_sixty_two_that_a_mask_can_hold() -> None:
    full = EMPTY.grown(NameKind.PURPOSE, [f"p{number}" for number in range(61)])
    _, book = parse_policy(small({"one_more": contract()}), names=full)
    with pytest.raises(
        PolicyInvalid, match=r"^purposes\.toml: purposes: expected at most 62 names .* got 63$"
    ):
        parse_policy(small({"too_many": contract()}), names=book)
