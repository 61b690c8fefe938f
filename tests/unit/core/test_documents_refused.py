"""What a policy must not say: each refusal names file, key and what was expected there, and no value."""

from typing import Any

import pytest

from assent.core.documents import parse_policy
from assent.core.errors import PolicyInvalid
from tests.support.policy_documents import Documents, changed, contract, notice, shipped, small, with_notice
from tests.support.policy_documents import consent as consent_of

FIRST_BASIS = '{ t = 2026-03-01T00:00:00Z, legal_basis = "contract" }'
SECOND_BASIS = '{ t = 2026-03-02T00:00:00Z, legal_basis = "consent" }'
SECOND_NOTICE = "{ version = 2, t = 2026-03-02T00:00:00Z, material = true }"
EARLIER_THIRD = "{ version = 3, t = 2026-03-01T00:00:00Z, material = true }"

# A row: the TOML laid over the shipped document (after a minus: the key taken out), and part of the message.
SHAPES = [
    ("-format", "purposes.toml: format: missing; expected assent/purposes@1"),
    ('format = "assent/features@1"', "purposes.toml: format: expected assent/purposes@1"),
    ("extra = 1", "purposes.toml: extra: unknown key; expected one of format, purposes"),
    ("purposes = 1", "purposes.toml: purposes: expected a table, got int"),
    ("purposes.x = 1", "purposes.toml: purposes.x: expected a table with the keys title, legal_basis, "),
    ('purposes."two words" = {}', 'purposes.toml: purposes."two words": expected a name: a letter, then'),
    ('purposes."*" = {}', 'purposes.toml: purposes."*": expected a name: a letter, then'),
    ("-purposes.analytics.title", "analytics.title: missing; expected text of up to 200 characters"),
    ("-purposes.analytics.legal_basis", "analytics.legal_basis: missing; expected one of consent, explicit"),
    ('purposes.analytics.legal_basis = "whim"', "analytics.legal_basis: expected one of consent, explicit"),
    (
        "-purposes.analytics.categories",
        "analytics.categories: missing; expected a list, each a declared name",
    ),
    (
        "-purposes.analytics.links",
        "analytics.links: missing; expected a table with the keys kinds, agreement",
    ),
    ("-purposes.analytics.links.agreement", "analytics.links.agreement: missing; expected true or false"),
    ("purposes.analytics.links.agreement = 1", "links.agreement: expected true or false, got int"),
    (
        'purposes.analytics.links.kinds = ["observed", "x"]',
        "links.kinds.1: expected one of asserted, claimed, ",
    ),
    ("purposes.analytics.k = 0", "analytics.k: expected a whole number from 1 to 100000"),
    ('purposes.analytics.k = "ten"', "analytics.k: expected a whole number from 1 to 100000, got str"),
    ("purposes.analytics.k = 1.5", "analytics.k: expected a whole number from 1 to 100000, got float"),
    (
        "purposes.analytics.lai = true",
        "analytics.lai: unknown key; expected one of ask_again_after, automated_significant, ",
    ),
    ("purposes.analytics.digital_age = 12", "analytics.digital_age: expected a whole number from 13 to 16"),
    ('purposes.analytics.opened_by = ["robot"]', "opened_by.0: expected one of person, device, cookie"),
    ('purposes.analytics.validity = "a year"', "validity: expected an ISO 8601 duration such as P30D"),
    (
        'purposes.analytics.validity = "-P1Y"',
        "validity: expected a duration longer than nothing and of at most",
    ),
    ('purposes.analytics.validity = "P0D"', "validity: expected a duration longer than nothing"),
    ('purposes.analytics.validity = "P101Y"', "validity: expected a duration longer than nothing and of at"),
    (
        "purposes.analytics.declared = 2026-03-01T00:00:00",
        "declared: expected a time with its offset, such as",
    ),
    (
        "purposes.analytics.declared = 0001-01-01T00:00:00Z",
        "declared: expected a time between the years 1971",
    ),
]

PURPOSES = [
    ("categories = []", "analytics.categories: expected at least one declared category"),
    ('categories = ["orders", "x"]', "analytics.categories.1: expected one of account, browsing, contact, "),
    ('categories = ["*", "orders"]', "analytics.categories.0: expected one of account, browsing, contact, "),
    ('retroactive = ["contact"]', "analytics.retroactive.0: expected one of browsing, orders"),
    ('requires_all = ["x"]', "analytics.requires_all.0: expected one of advertising, analytics, "),
    ('parent = "x"', "analytics.parent: expected one of advertising, analytics, email_marketing, "),
    ('parent = "analytics"', "analytics.parent: expected no circle: the purpose would be its own condition"),
    ('requires_all = ["analytics"]', "analytics.requires_all: expected no circle"),
    (
        'legal_basis = "legitimate_interests"',
        "analytics.legal_basis: expected lia = true beside it: Art. 6(1)(f)",
    ),
    (
        'basis_changes = [{ t = 2026-03-01T00:00:00Z, legal_basis = "legitimate_interests" }]',
        "changes.0.legal_basis",
    ),
    (
        "basis_changes = [{ t = 2026-03-01T00:00:00Z }]",
        "analytics.basis_changes.0.legal_basis: missing; expected",
    ),
    (
        f"basis_changes = [{SECOND_BASIS}, {FIRST_BASIS}]",
        "analytics.basis_changes.1.t: expected a later time than the change before",
    ),
    ('notice = "x"', "analytics.notice: expected a notice whose text lies in notices/x.en.toml"),
    (
        'withdraw_channels = ["post"]',
        "analytics.withdraw_channels: expected also every channel, as give_channels",
    ),
    (
        'give_channels = ["web", "app"]\nwithdraw_channels = ["app"]',
        "analytics.withdraw_channels: expected also web: withdrawing must be as easy as giving (Art. 7(3))",
    ),
    (
        "direct_marketing = true\ncompelling_grounds = true",
        "compelling_grounds: expected false: no ground outweighs",
    ),
    ('erase_within = "P32D"', "analytics.erase_within: expected at most P1M (Art. 12(3))"),
    (
        "notice_changes = [{ version = 2, t = 2026-03-01T00:00:00Z, material = true }]",
        "analytics.notice_changes: expected the last version to be the one of the notice's text",
    ),
    (
        f"notice_changes = [{SECOND_NOTICE}, {EARLIER_THIRD}]",
        "analytics.notice_changes.1: expected a higher version at a later time than the change before",
    ),
]

FEATURES = [
    (
        '[features."context.device"]\ntype = "text"\ntrait = "plan"',
        '"context.device": expected another name: rules ask',
    ),
    (
        'categories.orders.accounts = ["company"]',
        "orders.accounts.0: expected nothing here: none is declared",
    ),
    (
        '[features.x]\ntype = "text"\ntrait = "plan"\naccount = "company"',
        "features.x.account: expected one that a category",
    ),
    ('features.order_count.account = "company"', "order_count.account: expected none beside count"),
    ('categories.orders.also = ["x"]', "categories.orders.also.0: expected one of advertising, analytics, "),
    (
        'categories.contact.also = ["analytics"]',
        "categories.contact.also.0: expected a purpose that has this",
    ),
    ('categories.browsing.events = ["Order Completed"]', "events.0: expected one category; orders has it"),
    ('categories.browsing.traits = ["country"]', "traits.0: expected one category; browsing has it"),
    (
        "categories.orders.special = true",
        "service.legal_basis: expected explicit_consent, because orders is spec",
    ),
    ('features.country.category = "orders"', "country.category: expected account, which claims this trait"),
    (
        'features.country.trait = "shoe_size"',
        "country.trait: expected one that a category of this file claims",
    ),
    ('features.order_count.event = "Undeclared"', "order_count.event: expected one that a category of this"),
    (
        'features.order_count.event = "*"',
        "order_count.event: expected one that a category of this file claims",
    ),
    ('features.order_count.path = "revenue"', "order_count.path: expected none beside count"),
    ('features.order_count.type = "text"', "order_count.type: expected one of number, which count can give"),
    ('features.order_count.trait = "country"', "order_count.aggregate: expected none beside a trait"),
    ('features.country.window = "P1D"', "country.window: expected none beside trait"),
    ("-features.country.trait", "country.trait: missing; expected a trait, or an aggregate with its event"),
    (
        "-features.country.type",
        "country.type: missing; expected one of boolean, list, number, place, set, text, time",
    ),
    ("-features.order_value.path", "order_value.path: missing; expected it beside aggregate sum"),
    ("-features.order_count.event", "order_count.event: missing; expected it beside aggregate count"),
    ('features.order_value.path = "a..b"', "order_value.path: expected a path such as context.traits.email"),
    (
        'features.products_viewed_7d.window = "P2Y"',
        "expected no longer than browsing keeps its data (retention)",
    ),
    ('features.products_viewed_7d.window = "P397D"', "expected no longer than browsing keeps its data"),
    (
        "features.top_categories_viewed.size = 21",
        "top_categories_viewed.size: expected a whole number from 1",
    ),
    ("features.order_count.size = 2", "order_count.size: expected none beside count"),
    ('features.order_count.less = "Order Refunded"', "order_count.less: expected none beside count"),
    (
        'features.order_value.less = "Product Viewed"',
        "order_value.less: expected an event that orders claims, as it does the other",
    ),
    ("features.country.decimals = 1", "country.decimals: expected none beside a type other than place"),
    ("-features.cart.amount", "cart.amount: missing; expected it beside aggregate cart"),
    (
        'features.cart.removed = "Order Refunded"',
        "cart.removed: expected an event that browsing claims, as it does the other",
    ),
    ('features.cart.cleared = "order_count"', "cart.cleared: expected one of last_order, last_seen_browsing"),
    (
        'features.plan.model = { name = "m", version = "1" }',
        "plan.model: expected a category that is profiling, which account is not",
    ),
    (
        'features.order_count.model = { name = "m", version = "1" }',
        "order_count.model: expected a trait beside it: what a model computed comes as one",
    ),
    ("categories.visit.profiling = true", "model: missing; expected what computed it: visit is profiling"),
    (
        'categories.visit.context = ["location.latitude"]',
        "visit.context.0: expected one of location, location.city, location.country, location.place",
    ),
]

NAMESPACES = [
    ("user_id.priority = 1", "user_id.priority: expected a priority of its own; customer_id has this one"),
    ("phone.priority = 9", "device_id.priority: expected more than 9: a device cannot outrank a person"),
    ("user_id.limit = 2", "user_id.limit: expected none beside unique = true"),
    ('user_id.limit = { count = 1, period = "P9D" }', "user_id.limit: expected none beside unique = true"),
    ('phone.limit = { count = 3, period = "soon" }', "phone.limit.period: expected an ISO 8601 duration"),
    ('phone.limit = { count = 3, period = "PT0S" }', "phone.limit.period: expected a duration longer than"),
    ("phone.limit = { count = 3 }", "phone.limit.period: missing"),
    (
        'phone.limit = { period = "P9D" }',
        "phone.limit.count: missing; expected a whole number from 1 to 100000",
    ),
    ('phone.limit = { count = 0, period = "P9D" }', "phone.limit.count: expected"),
    ('user_id.region = "GB"', "user_id.region: expected none unless the normaliser is phone"),
    ('phone.region = "UK"', "phone.region: expected a country with telephone numbers of its own"),
    ('phone.region = "gb"', "phone.region: expected a country such as IT"),
    ('user_id.normaliser = "upper"', "user_id.normaliser: expected one of e164_strict, email, email_uid2, "),
    ('device_id.from = ["anonymousId"]', "from.0: expected its own path; device_id has it"),
    ('user_id.from = ["user id"]', "user_id.from.0: expected a path such as context.traits.email"),
    (
        'user_id.blocked_patterns = ["("]',
        "user_id.blocked_patterns.0: expected a regular expression that compiles",
    ),
    ('user_id.blocked_patterns = ["[[a]"]', "user_id.blocked_patterns.0: expected a regular expression that"),
    ('user_id.kind = "robot"', "user_id.kind: expected one of person, device, cookie"),
    ('user_id.lifetime = "soon"', "user_id.lifetime: expected an ISO 8601 duration"),
]

OTHERS = [
    ("identity", "probable_threshold = 1.5", "probable_threshold: expected a number above 0, up to 1"),
    (
        "identity",
        'probable_threshold = "0.9"',
        "probable_threshold: expected a number above 0, up to 1, got str",
    ),
    ("identity", "accounts.company = {}", "accounts.company.from: missing"),
    ("identity", "accounts.company.from = []", "company.from: expected at least one path such as groupId"),
    (
        "identity",
        'accounts.company.from = ["userId"]',
        "company.from.0: expected its own path; user_id has it",
    ),
    ("identity", 'accounts.company.from = ["context.ip"]', "company.from.0: expected no network address"),
    (
        "identity",
        'accounts.user_id.from = ["groupId"]',
        "accounts.user_id: expected a name of its own; a namespace has",
    ),
    (
        "identity",
        'accounts.company = { from = ["groupId"], kind = "person" }',
        "accounts.company.kind: unknown key",
    ),
    (
        "identity",
        'blocked_patterns = ["*"]',
        "identity.toml: blocked_patterns.0: expected a regular expression",
    ),
    (
        "identity",
        'conflict = "coin"',
        "identity.toml: conflict: expected one of ambiguous, last_authenticated, ",
    ),
    (
        "signals",
        'sec_gpc.purposes = ["x"]',
        "signals.toml: sec_gpc.purposes.0: expected one of advertising, ",
    ),
    (
        "signals",
        'sec_gpc.state = "given"',
        "signals.toml: sec_gpc.state: expected one of objected, refused, ",
    ),
    (
        "signals",
        "tcf.min_policy_version = 4",
        "signals.toml: tcf.notices: missing; expected a table",
    ),
    (
        "signals",
        "tcf.notices = { x = 1 }",
        "signals.toml: tcf.notices.x: expected one of advertising, ",
    ),
    (
        "signals",
        "tcf.notices = { advertising = 1 }",
        "signals.toml: tcf.notices.advertising: expected a purpose that has a tcf_purpose",
    ),
    (
        "signals",
        'gpp.sale = ["advertising", "x"]',
        "signals.toml: gpp.sale.1: expected one of advertising, ",
    ),
    (
        "signals",
        'gpp.everything = ["advertising"]',
        "signals.toml: gpp.everything: unknown key; expected one of gpc, sale, sharing, ",
    ),
    (
        "notices/service.en",
        'text = ""',
        "notices/service.en.toml: text: expected text of up to 8000 characters",
    ),
    (
        "notices/service.en",
        "-benefit",
        "notices/service.en.toml: benefit: missing; expected text of up to 8000",
    ),
]


def refused(documents: Documents) -> PolicyInvalid:
    with pytest.raises(PolicyInvalid) as caught:
        parse_policy(documents)
    return caught.value


@pytest.mark.parametrize(("toml", "message"), SHAPES)
def test_a_document_out_of_shape_is_refused_by_key(toml: str, message: str) -> None:
    assert message in str(refused(changed(shipped(), "purposes", toml)))


@pytest.mark.parametrize(("toml", "message"), PURPOSES)
def test_a_purpose_the_law_does_not_bear_is_refused(toml: str, message: str) -> None:
    documents = changed(shipped(), "purposes", f"[purposes.analytics]\n{toml}")
    assert message in str(refused(documents))


@pytest.mark.parametrize(("toml", "message"), FEATURES)
def test_a_feature_that_cannot_be_is_refused(toml: str, message: str) -> None:
    assert message in str(refused(changed(shipped(), "features", toml)))


@pytest.mark.parametrize(("toml", "message"), NAMESPACES)
def test_a_namespace_that_would_mislead_resolution_is_refused(toml: str, message: str) -> None:
    assert message in str(refused(changed(shipped(), "identity", f"namespaces.{toml}")))


@pytest.mark.parametrize(("document", "toml", "message"), OTHERS)
def test_the_other_documents_are_checked_too(document: str, toml: str, message: str) -> None:
    assert message in str(refused(changed(shipped(), document, toml)))


def test_a_document_nobody_knows_is_refused() -> None:
    message = (
        "unknown document; expected one of controller, features, identity, purposes, signals, "
        "notices/<id>.<language> or events/<name>"
    )
    assert str(refused({**shipped(), "notices/x": notice()})) == message
    assert str(refused({**shipped(), "purpose": {}})) == message


def test_a_missing_document_is_named() -> None:
    documents = {name: each for name, each in shipped().items() if name != "identity"}
    assert str(refused(documents)) == "identity.toml: missing; expected this document"


def test_consent_now_or_later_needs_a_notice_in_english() -> None:
    later = [{"t": "2026-03-01T00:00:00Z", "legal_basis": "consent"}]
    assert "p0.notice: missing; " in str(refused(with_notice(consent_of(notice=None))))
    assert "p.notice: missing; " in str(refused(small({"p": contract(basis_changes=later)})))
    italian = {**small({"p": consent_of()}), "notices/n.it": notice()}
    assert "expected a notice whose text lies in notices/n.en.toml" in str(refused(italian))


def test_a_composite_stands_on_the_notices_of_its_parts_if_all_of_them_rest_on_consent() -> None:
    composite = consent_of(notice=None, requires_all=["p0", "p1"])
    parse_policy(with_notice(consent_of(), consent_of(), composite))
    assert "p2.notice: missing; " in str(refused(with_notice(consent_of(), contract(), composite)))


def test_languages_of_a_notice_have_one_version() -> None:
    documents = {**with_notice(consent_of()), "notices/n.it": notice(2)}
    assert str(refused(documents)).startswith(
        "notices/n.it.toml: version: expected the version that the other"
    )


def test_agreement_needs_the_purpose_that_agrees() -> None:
    purpose = contract(links={"kinds": ["observed"], "agreement": True})
    assert "p.links.agreement: expected a purpose identity_linking" in str(refused(small({"p": purpose})))


def test_a_further_purpose_must_be_a_further_one() -> None:
    documents = changed(small({"p": contract()}), "features", 'categories.behaviour.also = ["p"]')
    assert "behaviour.also.0: expected a further purpose: this one alone" in str(refused(documents))


def test_purposes_in_a_longer_circle_are_refused() -> None:
    circle = {"a": contract(parent="b"), "b": contract(requires_all=["c"]), "c": contract(parent="a")}
    assert "expected no circle" in str(refused(small(circle)))


def test_a_contract_does_not_bear_a_special_category() -> None:
    documents = changed(
        small({"p": contract(categories=["health"])}), "features", "categories.health.special = true"
    )
    assert "p.legal_basis: expected explicit_consent, because health is special (Art. 9)" in str(
        refused(documents)
    )


def test_the_pointer_leads_into_the_documents() -> None:
    documents = changed(shipped(), "notices/service.en", "version = 0")
    assert refused(documents).pointer == "/notices~1service.en/version"
    documents = changed(shipped(), "purposes", 'purposes.analytics.links.kinds = ["x"]')
    assert refused(documents).pointer == "/purposes/purposes/analytics/links/kinds/0"


def test_what_json_cannot_hold_is_refused() -> None:
    for value in (object(), "\ud800"):
        documents = shipped()
        documents["purposes"]["purposes"]["analytics"]["title"] = value
        assert str(refused(documents)) == "expected documents that JSON can hold"


def test_no_value_is_repeated() -> None:
    secret = "jo@shop.test"
    for toml in ("legal_basis", "notice", "parent", "validity", "declared"):
        documents = changed(shipped(), "purposes", f'purposes.analytics.{toml} = "{secret}"')
        error = refused(documents)
        assert secret not in str(error)
        assert secret not in error.pointer


def test_a_change_needs_a_notice_to_change() -> None:
    purpose = contract(notice_changes=[{"version": 1, "t": "2026-03-01T00:00:00Z", "material": True}])
    assert str(refused(small({"p": purpose}))).endswith("p.notice_changes: expected a notice that changes")


def test_documents_are_a_table_of_tables() -> None:
    shapeless: list[Any] = [[], {**shipped(), "signals": []}, {1: {}}]
    for documents in shapeless:
        with pytest.raises(PolicyInvalid):
            parse_policy(documents)


@pytest.mark.parametrize(
    ("purpose", "expected"),
    [
        (
            contract(tcf_purpose=3, notice="n"),
            "expected a purpose resting on consent or on legitimate_interests",
        ),
        (consent_of(tcf_purpose=3, requires_all=["p1"], notice=None), "expected a purpose that has a notice"),
        (
            consent_of(legal_basis="legitimate_interests", lia=True, tcf_purpose=3),
            "expected consent: the framework has no legitimate interests for its purpose",
        ),
    ],
)
def test_a_purpose_that_no_string_can_speak_for_is_not_mapped(
    purpose: dict[str, object], expected: str
) -> None:
    purpose = {key: value for key, value in purpose.items() if value is not None}
    documents = with_notice(purpose, consent_of())
    documents["signals"] = {"format": "assent/signals@1", "tcf": {"notices": {"p0": 1}}}
    with pytest.raises(PolicyInvalid, match=f"signals.toml: tcf.notices.p0: {expected}"):
        parse_policy(documents)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("jurisdictions = []", "controller.toml: jurisdictions: expected at least one country, or EU"),
        ('storage = ["Atlantis"]', "controller.toml: storage.0: expected a country such as IT"),
        ("-contact", "controller.toml: contact: missing; expected text of up to 200 characters"),
    ],
)
def test_a_controller_says_who_and_where_it_is(change: str, message: str) -> None:
    assert str(refused(changed(shipped(), "controller", change))) == message
