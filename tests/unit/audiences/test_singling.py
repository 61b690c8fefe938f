"""Which rules name people singly, so that nothing of them is counted for a key that may not know members."""

import pytest

from assent.audiences.rule import parse
from assent.audiences.singling import singling
from assent.audiences.text import read
from assent.core.documents import parse_policy
from tests.support.policy_documents import shipped

DOCUMENTS = shipped()
DOCUMENTS["features"]["features"] |= {
    "email": {"type": "text", "trait": "email"},
    "children": {"type": "list", "trait": "children"},
    "surname": {"type": "text", "trait": "lastName"},
    "orders": {"type": "set", "aggregate": "distinct", "event": "Order Completed", "path": "order_id"},
    "different_orders": {
        "type": "number",
        "aggregate": "distinct",
        "event": "Order Completed",
        "path": "order_id",
    },
}
DOCUMENTS["features"]["categories"]["contact"]["traits"].append("children")
DOCUMENTS["identity"]["singling"] += ["traits.children.name", "properties.products.serial"]
POLICY, _ = parse_policy(DOCUMENTS)
AUDIENCES = {"listed": 'country = "IT" and ids("k1")', "around": 'audience("listed")', "open": "everyone"}


def found(text: str) -> str | None:
    return singling(read(text), POLICY, {name: read(rule) for name, rule in AUDIENCES.items()})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('ids("k1")', ""),
        ('order_count >= 1 and not ids("k1", "k2")', "/of/1/of"),
        ('score(1 if everyone, 1 if ids("k1"), at least 1)', "/parts/1/rule"),
        ('at_least(1, everyone, audience("around"))', "/of/1/audience"),
        ('email = "ada@example.org"', ""),
        ('email != "ada@example.org"', ""),
        ('email in ("ada@example.org", "eve@example.org")', ""),
        ('email not in ("ada@example.org")', ""),
        ('email contains "ada@"', ""),
        ('surname = "Lovelace"', ""),
        ('held(surname = "Lovelace", at least 1d)', ""),
        ('orders has "A-1"', ""),
        ('orders in ("A-1", "A-2")', ""),
        ('bucket("salt", of email, from 0 to 0.5)', ""),
        ('did("Order Completed", where order_id = "A-1")', ""),
        ('did("Order Completed", where order_id in ("A-1", "A-2"), last 30d)', ""),
        ('did("Order Completed", where revenue > 1 and not (email = "ada@example.org"))', ""),
        ('did("Product Viewed", where context.device.id = "d1")', ""),
        ('agg("Order Completed", last of order_id, exactly "A-1")', ""),
        ('agg("Order Completed", count, where order_id = "A-1", at least 1)', ""),
        ('any_item(children, where email = "eve@example.org")', ""),
        ('any_item(children, where name = "Eve")', ""),
        ('did("Order Completed", where any_item(products, where email = "eve@example.org"))', ""),
        ('did("Order Completed", where not any_item(products, where serial = "S-1"))', ""),
        ('seq(did("Product Viewed"), did("Product Added", where cart_id = "c1"))', ""),
    ],
)
def test_what_names_people_is_found_where_it_stands(text: str, place: str) -> None:
    assert found(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "everyone",
        'country in ("IT", "FR") and order_value > 99.5',
        'audience("open")',
        "email is known and surname is absent",
        "different_orders >= 3",
        'did("Order Completed", where order_id is known, at least 2)',
        'did("Product Viewed", where name = "Lantern" and category != "shoes")',
        'did("Order Completed", where serial = "S-1" or any_item(products, where sku = "x"))',
        'agg("Order Completed", distinct of order_id, at least 2)',
        'bucket("salt", from 0 to 0.001)',
        'bucket("a", from 0 to 0.1) and bucket("b", from 0.5 to 0.6)',
    ],
)
def test_what_is_true_of_many_is_not_taken_for_a_name(text: str) -> None:
    assert found(text) is None


@pytest.mark.parametrize(
    "text",
    [
        'bucket("salt", from 0.2 to 0.2009)',
        'bucket("salt", from 0 to 0.5) and not bucket("salt", from 0 to 0.4999)',
        " and ".join(f'bucket("{salt}", from 0 to 0.1)' for salt in "abcd"),
        " or ".join(f'bucket("{salt}", from 0 to 0.5)' for salt in "abcdefghij"),
    ],
)
def test_shares_that_together_are_as_fine_as_a_name_are_found(text: str) -> None:
    assert found(text) == ""


def test_a_draw_in_a_referred_audience_counts_too() -> None:
    rules = {"fine": parse({"op": "bucket", "salt": "a", "low": 0, "high": 0.01})}
    rule = read('audience("fine") and bucket("b", from 0 to 0.05)')
    assert singling(rule, POLICY, rules) == ""
