"""What a rule asks of a cart: of who sees orders too, and never more than is proven."""

import pytest

from assent.audiences import derive
from assent.audiences.check import check
from assent.audiences.derive import lowered
from assent.audiences.evaluate import Truth, evaluate
from assent.audiences.rule import And, AnyItem, Not, Rule
from assent.audiences.seen import Seen
from assent.audiences.text import read
from assent.core.derived import widened, with_derived
from assent.core.documents import parse_policy
from assent.core.errors import AssentError, NotPermittedForPurpose, UnknownFeature, WrongType
from assent.core.ids import CategoryMask, EntryIndex, FeatureId, mask
from assent.core.policy import Cart, Feature, Policy
from assent.core.time import Instant
from assent.features.accumulate import EMPTY, Content, items
from assent.features.catalogue import MILLIONTHS
from assent.features.read import read as read_feature
from tests.support.policy_documents import Documents, changed, shipped

LISTED = """
[categories.account]
traits = ["country", "plan", "language", "createdAt", "wishes", "home"]
[features.wishes]
type = "list"
trait = "wishes"
[features.home]
type = "place"
trait = "home"
"""
FULL = read("any_item(cart, where amount >= 50, for 1h)")
NOW = Instant(1_700_000_000_000_000)


def shop(*more: str) -> Documents:
    documents = changed(shipped(), "features", LISTED)
    for toml in more:
        documents = changed(documents, "purposes", toml)
    return documents


POLICY = parse_policy(shop())[0]
PERSONALISATION = POLICY.purpose_ids["personalisation"]


def asked() -> tuple[Policy, FeatureId]:
    assert isinstance(FULL, AnyItem)
    (feature,) = lowered(FULL, POLICY).features
    number = FeatureId(20_000)
    return with_derived(POLICY, {number: feature.name}), number


def truth(rule: Rule, value: int, *categories: str) -> Truth:
    policy, number = asked()
    visible = CategoryMask(mask(policy.category_ids[name] for name in categories))
    seen = Seen(values={number: value}, visible=visible, since={one: Instant(0) for one in policy.categories})
    return evaluate(rule, policy, seen, NOW, {})


def hidden_orders_prove_no_cart_full() -> None:
    assert truth(FULL, 1_000_000, "browsing", "orders") is Truth.TRUE
    assert truth(FULL, 1_000_000, "browsing") is Truth.UNKNOWN
    assert truth(Not(of=FULL), 1_000_000, "browsing") is Truth.UNKNOWN
    assert truth(FULL, 0, "browsing") is Truth.FALSE
    assert truth(FULL, 0, "browsing", "orders") is Truth.FALSE
    assert truth(FULL, 1_000_000, "orders") is Truth.UNKNOWN


def test_hidden_orders_prove_no_cart_full_and_may_prove_one_empty() -> None:
    hidden_orders_prove_no_cart_full()


def test_a_cart_read_without_orders_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = derive._in_cart

    def alone(leaf: AnyItem, named: Feature, cart: Cart, pointer: str) -> derive.Lowered:
        found = real(leaf, named, cart, pointer)
        assert isinstance(found.rule, And)
        return derive.Lowered(rule=found.rule.of[0], features=found.features)

    monkeypatch.setattr(derive, "_in_cart", alone)
    with pytest.raises(AssertionError):
        hidden_orders_prove_no_cart_full()


def test_a_cart_needs_what_it_is_made_of_and_what_clears_it() -> None:
    needs = check(FULL, POLICY, PERSONALISATION, {})
    assert needs.features == ("cart", "last_order")
    assert needs.categories == ("browsing", "orders")


@pytest.mark.parametrize(
    ("text", "error", "pointer"),
    [
        ("cart is known", WrongType, "/rule/op"),
        ('any_item(wishes, where sku = "x", for 1h)', WrongType, "/rule/for"),
        ("any_item(cart, where amount >= 5, for soon)", None, None),
        ('any_item(cart, where amount >= 5, for "soon")', WrongType, "/rule/for"),
        ("any_item(cart, where amount >= 5, for -1h)", WrongType, "/rule/for"),
        ("any_item(cart, where amount >= 5, for P101Y)", WrongType, "/rule/for"),
        ("any_item(cart, where home near (1, 2) within 3km)", WrongType, "/rule/where/op"),
        ('any_item(country, where sku = "x")', WrongType, "/rule/op"),
        ('any_item(basket, where sku = "x")', UnknownFeature, "/rule/feature"),
        ('held(home = "45.465,9.195", at least 1d)', WrongType, "/rule/value"),
        ('bucket("s", of home, from 0 to 0.5)', WrongType, "/rule/feature"),
    ],
)
def test_a_rule_of_a_cart_or_a_place_that_means_nothing_is_refused(
    text: str, error: type[AssentError] | None, pointer: str | None
) -> None:
    with pytest.raises(error or AssentError) as caught:
        check(read(text), POLICY, PERSONALISATION, {})
    assert pointer is None or caught.value.pointer == pointer


def test_who_does_not_see_orders_cannot_ask_for_a_cart() -> None:
    policy = parse_policy(shop("[purposes.analytics]\ncategories = ['browsing']"))[0]
    with pytest.raises(NotPermittedForPurpose) as caught:
        check(FULL, policy, policy.purpose_ids["analytics"], {})
    assert caught.value.pointer == "/rule/feature"


@pytest.mark.parametrize(
    ("said", "held"), [("x", 1), (7, 1), ([1], 1), (None, 0), ([], 0), ([{"sku": "b"}], 0)]
)
def test_what_is_no_list_of_things_takes_nothing_off_a_list(said: object, held: int) -> None:
    leaf = read('any_item(wishes, where sku = "a")')
    assert isinstance(leaf, AnyItem)
    asked = lowered(leaf, POLICY)
    policy = widened(POLICY, [feature.name for feature in asked.features])
    told = [
        Content(
            category=POLICY.features[POLICY.feature_ids["wishes"]].category,
            kind="traits",
            name="",
            at=Instant(NOW - place),
            entry=EntryIndex(9 - place),
            data={"wishes": value},
        )
        for place, value in ((2, [{"sku": "a"}]), (1, said))
    ]
    (feature,) = (policy.features[policy.feature_ids[one.name]] for one in asked.features)
    kept = [item for one in told for item in items(policy, one)]
    assert read_feature(policy, feature, EMPTY, kept, NOW) == held * MILLIONTHS
