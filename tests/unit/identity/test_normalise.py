"""The one form in which a value is compared.

The UID2 cases are facts of IABTechLab/uid2-operator@ac64c26b, InputNormalizationTest.java: raw value, what it
becomes, and the base64 of its SHA-256, so that what is sent for matching is what others compute.
"""

import base64
import hashlib

import phonenumbers
import pytest

from assent.core.errors import BlockedIdentifier, MalformedIdentifier, PolicyInvalid
from assent.core.ids import NamespaceId
from assent.core.policy import IdentifierKind, Namespace
from assent.identity.normalise import LONGEST, NORMALISERS, normalise


def space(normaliser: str, **rest: object) -> Namespace:
    return Namespace(
        id=NamespaceId(1),
        name="some",
        kind=IdentifierKind.PERSON,
        priority=1,
        normaliser=normaliser,
        **rest,  # type: ignore[arg-type]
    )


UID2_EMAILS = [
    (
        "test.test@test.com",
        "dvECjPKZHya0/SIhSGwP0m8SgTv1vzLxPULUOsm880M=",
        ["TEst.TEST@Test.com ", "test.test@test.com"],
    ),
    (
        "testtest@gmail.com",
        "LkLfFrut8Tc3h/fIvYDiBKSbaMiau/DtaLBPQYszdMw=",
        [
            "test.test@gmail.com",
            " test.test@gmail.com",
            "test.test@gmail.com ",
            " test.test@gmail.com ",
            "  test.test@gmail.com  ",
            "TEstTEst@gmail.com  ",
            "TEstTEst@GMail.Com  ",
            " TEstTEst@GMail.Com  ",
            "TEstTEst@GMail.Com",
            "TEst.TEst@GMail.Com",
            "TEst.TEst+123@GMail.Com",
        ],
    ),
    ("test+test@test.com", "rQ4yzdOz4uG8N54326QyZD6/JwqrXn4lmy34cVCojB8=", ["test+test@test.com"]),
    ("+test@test.com", "weFizOVVWKlLfyorbBU8oxYDv4HJtTZCPMyZ4THzUQE=", ["+test@test.com"]),
    ("test@gmail.com", "h5JGBrQTGorO7q6IaFMfu5cSqqB6XTp1aybOD11spnQ=", ["test+test@gmail.com"]),
    (
        "testtest@test.com",
        "d1Lr/s4GLLX3SvQVMoQdIMfbQPMAGZYry+2V+0pZlQg=",
        [
            "testtest@test.com",
            " testtest@test.com",
            "testtest@test.com ",
            " testtest@test.com ",
            "  testtest@test.com  ",
        ],
    ),
    ("😊testtest@test.com", "fAFEUqApQ0V/M9mLj/IO54CgKgtQuARKsOMqtFklD4k=", ["😊testtest@test.com"]),
    ("testtest@😊test.com", "tcng5pttf7Y2z4ylZTROvIMw1+IVrMpR4D1KeXSrdiM=", ["testtest@😊test.com"]),
    ("testtest@test.com😊", "0qI21FPLkuez/8RswfmircHPYz9Dtf7/Nch1rSWEQf0=", ["testtest@test.com😊"]),
]
UID2_NOT_EMAILS = ["", " @", "@", "a@", "@b", "@b.com", "+", " ", "+@gmail.com", ".+@gmail.com", "a@ba@z.com"]
UID2_PHONES = [f"+{'123456789012345'[:digits]}" for digits in range(10, 16)]
UID2_NOT_PHONES = [
    "",
    "asdaksjdakfj",
    "DH5qQFhi5ALrdqcPiib8cy0Hwykx6frpqxWCkR0uijs",
    "QFhi5ALrdqcPiib8cy0Hwykx6frpqxWCkR0uijs",
    "06a418f467a14e1631a317b107548a1039d26f12ea45301ab14e7684b36ede58",
    "0C7E6A405862E402EB76A70F8A26FC732D07C32931E9FAE9AB1582911D2E8A3B",
    "+",
    "12345678",
    "123456789",
    "1234567890",
    "+12345678",
    "+123456789",
    "+ 12345678",
    "+ 123456789",
    "+ 1234 5678",
    "+ 1234 56789",
    "+1234567890123456",
    "+1234567890A",
    "+1234567890 ",
    "+1234567890+",
    "+12345+67890",
    "555-555-5555",
    "(555) 555-5555",
]


@pytest.mark.parametrize(("value", "digest", "raws"), UID2_EMAILS)
def test_an_address_takes_the_form_that_uid2_hashes(value: str, digest: str, raws: list[str]) -> None:
    assert {normalise(space("email_uid2"), raw) for raw in raws} == {value}
    assert base64.b64encode(hashlib.sha256(value.encode()).digest()).decode() == digest


@pytest.mark.parametrize("raw", UID2_NOT_EMAILS)
def test_what_uid2_does_not_take_for_an_address_is_malformed(raw: str) -> None:
    with pytest.raises(MalformedIdentifier):
        normalise(space("email_uid2"), raw)


@pytest.mark.parametrize("raw", UID2_PHONES)
def test_a_strict_number_is_taken_as_it_stands(raw: str) -> None:
    assert normalise(space("e164_strict"), raw) == raw


@pytest.mark.parametrize("raw", UID2_NOT_PHONES)
def test_what_uid2_does_not_take_for_a_number_is_malformed(raw: str) -> None:
    with pytest.raises(MalformedIdentifier):
        normalise(space("e164_strict"), raw)


@pytest.mark.parametrize(
    "raw",
    [
        "+\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff10",
        "+1234567890\u200b",
        "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0660",
    ],
)
def test_a_strict_number_has_ascii_digits(raw: str) -> None:
    with pytest.raises(MalformedIdentifier):
        normalise(space("e164_strict"), raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (" Ann.Lee+News@Example.ORG ", "ann.lee+news@example.org"),
        ("ann@bücher.example", "ann@bücher.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ANN@sub.example.co", "ann@sub.example.co"),
    ],
)
def test_an_address_is_trimmed_and_lower_cased_and_nothing_else(raw: str, value: str) -> None:
    assert normalise(space("email"), raw) == value


@pytest.mark.parametrize(
    "raw",
    [
        "ann@example",
        "ann@example.",
        "ann@.example.org",
        "ann@exa..mple.org",
        "ann@-example.org",
        "ann@example-.org",
        "ann@exam ple.org",
        "a nn@example.org",
        "ann@192.0.2.1",
        "ann@[192.0.2.1]",
        "ann@exam_ple.org",
        "ann@example.org,bob@example.org",
        "ann@" + "a" * 64 + ".org",
        "a" * 65 + "@example.org",
        "ann@" + "a." * 127 + "org",
        "Ann <ann@example.org>",
        "ann@example.org\n",
    ],
)
def test_an_address_without_a_sane_domain_is_malformed(raw: str) -> None:
    with pytest.raises(MalformedIdentifier):
        normalise(space("email"), raw)


@pytest.mark.parametrize(
    ("region", "raw", "value"),
    [
        ("GB", "020 7946 0018", "+442079460018"),
        ("GB", "+44 (0)20 7946 0018", "+442079460018"),
        ("GB", "+39 06 698 12345", "+390669812345"),  # Italy keeps its leading zero
        ("IT", "06 698 12345", "+390669812345"),
        (None, "+1 650-253-0000", "+16502530000"),
        ("US", "(650) 253-0000", "+16502530000"),
    ],
)
def test_a_number_becomes_e164(region: str | None, raw: str, value: str) -> None:
    assert normalise(space("phone", region=region), raw) == value


@pytest.mark.parametrize(
    ("region", "raw"),
    [
        (None, "020 7946 0018"),  # whose country?
        ("US", "555-555-5555"),
        ("US", "+1 650 253 0000 ext. 5"),  # an office is not a person
        ("GB", "12345"),
        ("GB", "not a number"),
        ("GB", "+999 123 456 789"),
        ("GB", "1" * 300),
    ],
)
def test_a_number_that_no_numbering_plan_knows_is_malformed(region: str | None, raw: str) -> None:
    with pytest.raises(MalformedIdentifier):
        normalise(space("phone", region=region), raw)


@pytest.mark.parametrize("region", ["AR", "BR", "CI", "DE", "FR", "GB", "IN", "IT", "JP", "MX", "NO", "US"])
def test_an_example_number_normalises_to_one_form_however_it_is_written(region: str) -> None:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert number is not None
    forms = phonenumbers.PhoneNumberFormat
    written = [
        phonenumbers.format_number(number, form)
        for form in (forms.E164, forms.INTERNATIONAL, forms.NATIONAL, forms.RFC3966)
    ]
    assert {normalise(space("phone", region=region), one) for one in written} == {written[0]}


@pytest.mark.parametrize("normaliser", sorted(NORMALISERS))
@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "\u00a0",
        "\ufeff",
        "\u200b \u2060",
        "a\x00b",
        "ann\x00@example.org",
        "a\tb",
        "a\x7fb",
        "a\x85b",
        "\ud83d",
        "\udc80a",
        "a" * (LONGEST + 1),
    ],
)
def test_no_namespace_takes_what_stands_for_no_text(normaliser: str, raw: str) -> None:
    with pytest.raises(MalformedIdentifier):
        normalise(space(normaliser, region="GB"), raw)


def test_the_longest_value_is_taken() -> None:
    assert normalise(space("exact"), "a" * LONGEST) == "a" * LONGEST


def test_a_value_that_lower_casing_lengthens_past_the_limit_is_malformed() -> None:
    with pytest.raises(MalformedIdentifier):
        normalise(space("lower"), "İ" * LONGEST)


def test_exact_changes_nothing_and_lower_only_the_case() -> None:
    assert normalise(space("exact"), " Ab ") == " Ab "
    assert normalise(space("lower"), " Ab ") == " ab "


def test_blocked_values_are_compared_after_normalising_both() -> None:
    blocked = frozenset({"Nobody@Example.org", "null"})
    for raw in ("nobody@example.org", " NOBODY@EXAMPLE.ORG"):
        with pytest.raises(BlockedIdentifier):
            normalise(space("email", blocked=blocked), raw)
    assert normalise(space("email", blocked=blocked), "ann@example.org") == "ann@example.org"


def test_an_exact_namespace_blocks_exactly() -> None:
    blocked = space("exact", blocked=frozenset({"null"}))
    with pytest.raises(BlockedIdentifier):
        normalise(blocked, "null")
    assert normalise(blocked, "Null") == "Null"


# Suggested by segmentio/segment-docs@747b35d8 identity-resolution-onboarding.md#blocked-values.
@pytest.mark.parametrize("raw", ["null", "00000000-0000-0000-0000-000000000000", "-1", "anonymous", "0"])
def test_the_values_of_nobody_are_blocked(raw: str) -> None:
    named = space("exact", blocked=frozenset({"-1", "null", "anonymous"}), blocked_patterns=("[0-]*",))
    with pytest.raises(BlockedIdentifier):
        normalise(named, raw)


def test_a_pattern_blocks_whole_values_only() -> None:
    assert normalise(space("exact", blocked_patterns=("[0-]*",)), "0-1") == "0-1"


def test_a_pattern_sees_the_normalised_value() -> None:
    with pytest.raises(BlockedIdentifier):
        normalise(space("lower", blocked_patterns=("test.*",)), "TEST-7")


def test_an_unknown_normaliser_says_what_was_expected() -> None:
    with pytest.raises(PolicyInvalid, match="expected one of e164_strict, email,"):
        normalise(space("rot13"), "a")


@pytest.mark.parametrize("raw", ["secret-person", "secret-person@", "+44 secret-person"])
@pytest.mark.parametrize("normaliser", ["email", "email_uid2", "phone", "e164_strict"])
def test_no_error_carries_the_value(normaliser: str, raw: str) -> None:
    with pytest.raises(MalformedIdentifier) as raised:
        normalise(space(normaliser, region="GB"), raw)
    told: BaseException | None = raised.value
    while told is not None:
        assert "secret" not in repr(told) + str(told)
        told = told.__context__
