"""What differs between two policies is told in names, each difference with what it means for people."""

import pytest

from assent.consent.difference import Difference, Meaning, differences
from assent.core.documents import parse_policy
from tests.support.policy_documents import changed, shipped


def between(document: str, toml: str) -> tuple[Difference, ...]:
    before, names = parse_policy(shipped())
    after, _ = parse_policy(changed(shipped(), document, toml), names=names, version=2)
    return differences(before, after)


def test_a_policy_does_not_differ_from_itself() -> None:
    assert between("purposes", "") == ()


@pytest.mark.parametrize(
    ("toml", "key", "meaning"),
    [
        ('categories = ["orders", "browsing", "visit", "account"]', "categories", Meaning.OPENS),
        ('categories = ["orders"]', "categories", Meaning.CLOSES),
        ('categories = ["orders", "account"]', "categories", Meaning.BOTH),
        ('retroactive = ["orders"]', "retroactive", Meaning.OPENS),
        ('validity = "P2Y"', "validity", Meaning.OPENS),
        ('validity = "P1M"', "validity", Meaning.CLOSES),
        ('parent = "personalisation"', "parent", Meaning.CLOSES),
        ('requires_all = ["personalisation"]', "requires_all", Meaning.CLOSES),
        ("double_opt_in = true", "double_opt_in", Meaning.CLOSES),
        ("digital_age = 16", "digital_age", Meaning.CLOSES),
        ('legal_basis = "contract"', "legal_basis", Meaning.OPENS),
        ('legal_basis = "explicit_consent"', "legal_basis", Meaning.ASKS_AGAIN),
        ('opened_by = ["person"]', "opened_by", Meaning.CLOSES),
        ("k = 20", "k", Meaning.NOTHING),
    ],
)
def test_each_key_of_a_purpose_says_what_its_change_means(toml: str, key: str, meaning: Meaning) -> None:
    found = between("purposes", f"[purposes.analytics]\n{toml}")
    assert [(one.part, one.name, one.key, one.meaning) for one in found] == [
        ("purpose", "analytics", key, meaning)
    ]


def test_a_purpose_that_comes_asks_or_opens_as_its_basis_says() -> None:
    for basis, meaning in (("consent", Meaning.ASKS), ("contract", Meaning.OPENS)):
        found = between(
            "purposes",
            f"""
            [purposes.research]
            title = "Research"
            legal_basis = "{basis}"
            categories = ["orders"]
            notice = "analytics"
            links = {{ kinds = [], agreement = false }}
            """,
        )
        assert [(one.name, one.after, one.meaning) for one in found] == [("research", "added", meaning)]


def test_conditions_of_a_category_close_and_namespaces_open() -> None:
    (also,) = between("features", '[categories.visit]\nalso = ["personalisation"]')
    assert (also.part, also.key, also.meaning) == ("category", "also", Meaning.CLOSES)
    (came,) = between(
        "identity", '[namespaces.card]\nkind = "cookie"\npriority = 9\nfrom = ["properties.card"]'
    )
    assert (came.part, came.name, came.meaning) == ("namespace", "card", Meaning.OPENS)


def test_what_no_longer_counts_as_naming_people_opens() -> None:
    for paths, meaning in (("[]", Meaning.OPENS), ('["traits.name"]', Meaning.OPENS)):
        (found,) = between("identity", f"singling = {paths}")
        assert (found.part, found.key, found.meaning) == ("identity", "singling", meaning)
