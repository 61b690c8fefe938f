"""TC and GPP strings: what they say, and what is no such string."""

import pytest

from assent.consent.carriers.gpp import decode_gpp
from assent.consent.carriers.numbers import REQUIRE_CONSENT, listed, runs
from assent.consent.carriers.shown import shown_gpp, shown_tcf
from assent.consent.carriers.tcf import LONGEST, decode_tcf
from assent.core.errors import MalformedSignal
from tests.support import carriers as written
from tests.support.carriers import core, disclosed, gpp, packed, publisher, ranged, tc_string, vendors


def test_a_tc_string_says_what_was_written() -> None:
    text = ".".join(
        (
            packed(
                core(
                    consents=(1, 3, 24),
                    interests=(2, 7),
                    consented=ranged(((2, 2), (7, 9))),
                    interested=vendors((1, 12)),
                    restrictions=((7, 1, ((3, 5),)),),
                )
            ),
            publisher(consents=(1,), interests=(24,), custom=2),
            disclosed(ranged(((1, 12),))),
        )
    )
    said = decode_tcf(text)
    shown = shown_tcf(said)
    assert shown["purposeConsents"] == [1, 3, 24]
    assert shown["purposeLegitimateInterests"] == [2, 7]
    assert shown["vendorConsents"] == [2, 7, 8, 9]
    assert shown["vendorLegitimateInterests"] == [1, 12]
    assert shown["vendorsDisclosed"] == list(range(1, 13))
    assert shown["publisherConsents"] == [1]
    assert shown["publisherLegitimateInterests"] == [24]
    assert shown["numCustomPurposes"] == 2
    assert shown["publisherRestrictions"] == [
        {"purposeId": 7, "restrictionType": REQUIRE_CONSENT, "vendors": [3, 4, 5]}
    ]
    assert (shown["created"], shown["consentLanguage"]) == ("2026-02-20T00:00:00Z", "IT")


GOOD = core(consents=(1,), consented=ranged(((1, 2), (4, 4))))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(".", id="empty segments"),
        pytest.param(packed(GOOD) + ".", id="an empty segment at the end"),
        pytest.param("." + packed(GOOD), id="an empty segment at the beginning"),
        pytest.param(packed(GOOD) + "=", id="padding"),
        pytest.param(packed(GOOD) + " ", id="a space"),
        pytest.param(packed(GOOD) + "\n", id="a line's end"),
        pytest.param(packed(GOOD).replace("A", "\u0410"), id="letters of another alphabet"),
        pytest.param(packed(GOOD)[:-9], id="cut off"),
        pytest.param(packed(GOOD, 6) + "B", id="a bit after the last field"),
        pytest.param(packed(GOOD) + "AAAA", id="more zeros than fill up"),
        pytest.param(disclosed(vendors((1,))), id="no core"),
        pytest.param(packed(GOOD) + "." + packed(GOOD), id="two cores"),
        pytest.param(packed(GOOD) + 2 * ("." + disclosed(vendors((1,)))), id="a segment twice"),
        pytest.param(packed(GOOD) + "." + packed("100" + vendors(())), id="a segment of no kind"),
        pytest.param(packed(GOOD) + "." + disclosed(vendors((1,)) + "1"), id="a bit after a segment"),
        pytest.param(packed(core(version=1)), id="version 1"),
        pytest.param(packed(core(version=3)), id="version 3"),
        pytest.param(packed(core(cmp_id=0)), id="nobody's number"),
        pytest.param(packed(core(language="a_")), id="no language"),
        pytest.param(packed(core(country="a0")), id="no country"),
        pytest.param(packed(core(consented=ranged(((4, 4), (1, 2))))), id="ranges not in order"),
        pytest.param(packed(core(consented=ranged(((1, 4), (4, 5))))), id="ranges that overlap"),
        pytest.param(packed(core(consented=ranged(((5, 4),), highest=9))), id="a range backwards"),
        pytest.param(packed(core(consented=ranged(((0, 2),)))), id="vendor 0"),
        pytest.param(packed(core(consented=ranged(((1, 9),), highest=8))), id="beyond the highest vendor"),
        pytest.param(packed(core(restrictions=((0, 0, ((1, 1),)),))), id="a restriction of no purpose"),
        pytest.param(packed(core(restrictions=((25, 0, ((1, 1),)),))), id="a restriction of purpose 25"),
        pytest.param(packed(core(restrictions=((1, 3, ((1, 1),)),))), id="a restriction of no kind"),
        pytest.param(packed(core(restrictions=((1, 0, ((2, 1),)),))), id="restricted backwards"),
        pytest.param("C" + "A" * LONGEST, id="too long"),
        pytest.param(
            packed(core(restrictions=[(p, k, ((1, 65_535),)) for p in range(1, 25) for k in range(3)])),
            id="more restrictions than there are vendors",
        ),
    ],
)
def test_what_is_not_wholly_a_tc_string_is_none_and_is_not_repeated(text: str) -> None:
    with pytest.raises(MalformedSignal) as refused:
        decode_tcf(text)
    assert str(refused.value) == "The consent signal is malformed."


def test_a_restriction_may_name_a_vendor_twice_as_encoders_do() -> None:
    text = packed(core(restrictions=((1, 1, ((7, 7), (7, 7), (3, 4))), (1, 1, ((8, 8),)))))
    (one,) = decode_tcf(text).restrictions
    assert listed(one.vendors) == [3, 4, 7, 8]


def test_runs_hold_the_numbers_they_are_made_of() -> None:
    assert runs((1, 2, 3, 5, 9, 10)) == ((1, 3), (5, 5), (9, 10))


# ---- GPP ---------------------------------------------------------------------------------------------------


def test_a_gpp_string_says_what_was_written() -> None:
    text = gpp(_2=tc_string(consents=(3,)), _6="1YNN", _7=written.usnat(1, 2, 0, gpc=True))
    said = decode_gpp(text)
    assert said.section_ids == (2, 6, 7)
    assert said.tcf_eu is not None
    assert said.tcf_eu.purpose_consents[2]
    assert said.united_states["uspv1"]["OptOutSale"] == "N"
    assert said.united_states["usnat"]["SaleOptOut"] == 1
    assert said.united_states["usnat"]["SharingOptOut"] == 2
    assert said.united_states["usnat"]["Gpc"] is True


def test_the_first_national_section_is_read_in_the_room_of_the_second() -> None:
    short = written.unpacked(written.usnat(1))[:60]
    # Between them: sensitive data 13 to 16, the third of children, all answered.
    long = short[:48] + "10" * 4 + short[48:52] + "10" + short[52:]
    found = [decode_gpp(gpp(_7=packed(each, 8))).united_states["usnat"] for each in (short, long)]
    assert found[0] == found[1]


def test_sections_of_numbers_we_do_not_know_say_nothing() -> None:
    said = decode_gpp(gpp(_7=written.usnat(1), _62="Bx.y_-"))
    assert said.section_ids == (7, 62)
    assert list(said.united_states) == ["usnat"]


def test_the_canadian_section_is_read_in_both_of_its_encodings() -> None:
    head = written.number(1, 6) + core()[6:138] + "0" + "0" * 60  # without the service-specific bit
    steps = written.fibonacci(2) + written.fibonacci(7)
    for held in (ranged(((2, 9),)), written.number(9, 16) + "1" + written.number(1, 12) + "1" + steps):
        text = packed(head + held + vendors(()) + written.number(0, 12))
        canada = decode_gpp(gpp(_5=text)).tcf_canada
        assert canada is not None
        assert listed(canada.vendors_express) == list(range(2, 10))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("DBAA", id="no sections"),
        pytest.param("DBAA~", id="an empty section that nothing lists"),
        pytest.param(gpp(_7=written.usnat()) + "~", id="a section more than the header lists"),
        pytest.param(gpp(_6="1YNN", _7=written.usnat()).rpartition("~")[0], id="a section less"),
        pytest.param(gpp(_7=""), id="an empty section"),
        pytest.param(gpp(_2="."), id="empty segments"),
        pytest.param("C" + gpp(_7=written.usnat())[1:], id="another type"),
        pytest.param(gpp(_7=written.usnat()).replace("~", "B~"), id="a bit after the header"),
        pytest.param(gpp(_7=written.usnat(3)), id="an answer that is none"),
        pytest.param(gpp(_7=written.usnat() + ".QA.QA"), id="a segment twice"),
        pytest.param(gpp(_7=written.usnat() + ".gA"), id="a segment of another type"),
        pytest.param(gpp(_7=written.usnat() + ".QB"), id="a bit after a segment"),
        pytest.param(gpp(_7="D" + written.usnat()[1:]), id="a national version that is none"),
        pytest.param(gpp(_9="CAAAABA"), id="a state's version that is none"),
        pytest.param(gpp(_9="BAAAABA.QA"), id="a segment that the state does not have"),
        pytest.param(gpp(_6="2YNN"), id="another version of uspv1"),
        pytest.param(gpp(_6="1YNn"), id="a small letter"),
        pytest.param(gpp(_62="x y"), id="an unknown section that is no text"),
        pytest.param(gpp(_2=tc_string() + ".QQ"), id="a European section with a fault"),
        pytest.param("DBA" + packed("0" * 6 + "1" + "0" * 60), id="a section's number without end"),
    ],
)
def test_what_is_not_wholly_a_gpp_string_is_none(text: str) -> None:
    with pytest.raises(MalformedSignal) as refused:
        decode_gpp(text)
    assert str(refused.value) == "The consent signal is malformed."


def test_a_header_cannot_ask_for_more_sections_than_there_are() -> None:
    header = written.number(3, 6) + written.number(1, 6) + written.number(1, 12)
    many = packed(header + "1" + written.fibonacci(1) + written.fibonacci(40_000), 8)
    with pytest.raises(MalformedSignal):
        decode_gpp(many + "~1YNN")


def test_every_section_shows_its_fields_by_name() -> None:
    shown = shown_gpp(decode_gpp(gpp(_2=tc_string(), _7=written.usnat())))
    assert shown["header"] == {"sectionIds": (2, 7)}
    sections = shown["sections"]
    assert isinstance(sections, dict)
    assert list(sections) == ["tcfeuv2", "usnat"]
    assert sections["tcfeuv2"]["Created"] == "2026-02-20T00:00:00.000Z"
    assert sections["tcfeuv2"]["VendorsDisclosed"] == [1, 2, 3, 4, 5]
