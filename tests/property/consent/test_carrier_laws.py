"""Laws of the decoders of consent strings, over strings that were bent, each with a planted fault it finds.

`bent` makes a case of a seed alone, so that a case that fails is a seed to keep. A million were run once.
"""

import traceback
from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from assent.consent.carriers import bits, gpp_us, tcf, tcf_statements
from assent.consent.carriers import gpp_statements as gpp_statements_module
from assent.consent.carriers.carried import Carried, objection
from assent.consent.carriers.gpp import decode_gpp
from assent.consent.carriers.shown import shown_gpp, shown_tcf
from assent.consent.carriers.tcf import decode_tcf
from assent.consent.statement import WIDENING, State
from assent.core.documents import parse_policy
from assent.core.errors import MalformedSignal
from assent.core.policy import Policy, Purpose
from assent.core.time import DAY, Instant
from tests.support.carriers import (
    ALPHABET,
    DAY_MADE,
    core,
    disclosed,
    gpp,
    packed,
    publisher,
    ranged,
    unpacked,
    usnat,
    vendors,
)
from tests.support.policy_documents import consent, with_notice

CASES = 400
SEEDS = range(10)

NOW = Instant(DAY_MADE + DAY // 2)
PURPOSE, INTERESTS, VENDOR = 3, 7, 4
READS: dict[str, Callable[[str], object]] = {"tcf": decode_tcf, "gpp": decode_gpp}


def policy() -> Policy:
    interests = consent(legal_basis="legitimate_interests", lia=True, tcf_purpose=INTERESTS)
    documents = with_notice(consent(tcf_purpose=PURPOSE), interests)
    tcf = {"notices": {"p0": 1, "p1": 1}, "vendor": VENDOR}
    documents["signals"] = {"format": "assent/signals@1", "tcf": tcf, "gpp": {"sale": ["p0"]}}
    return parse_policy(documents)[0]


POLICY = policy()


# ---- strings, and what is done to them -------------------------------------------------------------------


def valid(chance: Random) -> tuple[str, str]:
    """Return a valid string, and which kind it is."""
    some = [number for number in range(1, 30) if chance.random() < 0.3]
    section = ".".join(
        (
            packed(
                core(
                    consents=chance.choice(((), (PURPOSE,), (1, 3, 4))),
                    interests=chance.choice(((), (INTERESTS,), (2, 7))),
                    consented=chance.choice((vendors(some), ranged(((1, 3), (4, 9))))),
                    interested=vendors((VENDOR, *some)),
                    restrictions=chance.choice(((), ((PURPOSE, 0, ((VENDOR, 9),)), (8, 1, ((2, 2),))))),
                ),
                chance.choice((6, 8, 24)),
            ),
            *chance.choice(
                ((), (disclosed(vendors(some)),), (disclosed(ranged(((1, 40),))), publisher((1,))))
            ),
        )
    )
    if chance.random() < 0.5:
        return "tcf", section
    answers = [chance.randrange(3) for _ in range(3)]
    national = usnat(*answers, gpc=chance.choice((None, True, False)))
    return "gpp", chance.choice((gpp(_2=section), gpp(_2=section, _7=national), gpp(_6="1YYN", _7=national)))


def bent(chance: Random) -> tuple[str, str]:
    """Return a string of a kind to which a few things happened, or nothing."""
    kind, text = valid(chance)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 5))):
        text = chance.choice(BENDS)(text, chance)
    return kind, text


def _letter(text: str, chance: Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(ALPHABET + ".~=+/ \n\u0410") + text[at + chance.randrange(2) :]


def _bit(text: str, chance: Random) -> str:
    at = chance.randrange(len(text) + 1)
    if at == len(text) or text[at] not in ALPHABET:
        return text
    return text[:at] + ALPHABET[ALPHABET.index(text[at]) ^ 1 << chance.randrange(6)] + text[at + 1 :]


def _cut(text: str, chance: Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _longer(text: str, chance: Random) -> str:
    return text + "".join(chance.choice("AAAAB.~") for _ in range(chance.randrange(9)))


def _segments(text: str, chance: Random) -> str:
    parts = text.split(".")
    parts.insert(chance.randrange(len(parts) + 1), chance.choice([*parts, "", "IAAA"]))
    if chance.random() < 0.5:
        parts.pop(chance.randrange(len(parts)))
    return ".".join(parts)


def _noise(_: str, chance: Random) -> str:
    return "".join(chance.choice(ALPHABET + ".~") for _ in range(chance.randrange(90)))


BENDS: tuple[Callable[[str, Random], str], ...] = (
    _letter,
    _bit,
    _bit,
    _bit,
    _cut,
    _longer,
    _segments,
    _noise,
)


def cases(seed: int, number: int) -> Iterator[tuple[str, str]]:
    chance = Random(seed)
    return (bent(chance) for _ in range(number))


# ---- the laws --------------------------------------------------------------------------------------------


def stated(kind: str, text: str) -> tuple[Carried, ...]:
    """Read, show and understand a string."""
    if kind == "tcf":
        european = decode_tcf(text)
        assert shown_tcf(european)
        return tcf_statements.tcf_statements(european, text, POLICY, now=NOW)
    found = decode_gpp(text)
    assert shown_gpp(found)
    return gpp_statements_module.gpp_statements(found, text, POLICY, now=NOW)


def law_read_or_refused(kind: str, text: str) -> None:
    """A string is read, shown and understood, or refused; nothing else can happen, and nothing is echoed."""
    try:
        stated(kind, text)
    except MalformedSignal as refusal:
        told = "".join(traceback.format_exception_only(refusal))
        if not told.endswith("MalformedSignal: The consent signal is malformed.\n") or refusal.__cause__:
            raise AssertionError("more is told") from refusal
    except Exception as error:
        message = f"{type(error).__name__} escaped"
        raise AssertionError(message) from error


def law_no_yes_but_the_strings(kind: str, text: str) -> None:
    """Whatever widens stands in the string's own bits, which are read here by their places alone."""
    try:
        found = stated(kind, text)
    except MalformedSignal:
        return
    european = text if kind == "tcf" else _european(text)
    for each in found:
        widens = State(each.body.state) in WIDENING | {State.NOTICE_SHOWN}
        if not widens or each.refusal is not None:
            continue
        assert european is not None, "an American section widened"
        bits_of = unpacked(european.split(".")[0])
        place = {"p0": 152 + PURPOSE - 1, "p1": 176 + INTERESTS - 1}[each.body.purpose]
        assert bits_of[place] == "1", "the purpose's bit"
        assert int(bits_of[132:138], 2) >= 4, "the policy's version"
        assert bits_of[138] == "1", "service-specific"
        assert bits_of[6:42] == bits_of[42:78], "created and updated"
        assert any(other[0] in "IJKLMNOP" for other in european.split(".")[1:]), "disclosed vendors"


def _european(text: str) -> str | None:
    sections = text.split("~")[1:]
    return sections[0] if 2 in decode_gpp(text).section_ids[:1] else None


def law_every_bit_counts(kind: str, text: str, chance: Random) -> None:
    """A flipped bit is noticed: the string is refused, or says something else.

    Held to the fields before the first MaxVendorId, which is only a bound, and to the filling.
    """
    first = text.rpartition("~")[2].partition(".")[0]
    whole = unpacked(first)
    at = chance.choice((*range(min(len(whole), 213)), *range(len(whole) - 3, len(whole))))
    flipped = packed(whole[:at] + "01"[whole[at] == "0"] + whole[at + 1 :], 6)
    said = READS[kind](text)
    try:
        other = READS[kind](text.replace(first, flipped))
    except MalformedSignal:
        return
    assert other != said, f"bit {at} of {len(whole)} says nothing"


def law_of_flips(seed: int, number: int) -> None:
    chance = Random(seed)
    for _ in range(number):
        law_every_bit_counts(*valid(chance), chance)


def law_of_cases(law: Callable[[str, str], None]) -> Callable[[int, int], None]:
    def held(seed: int, number: int) -> None:
        for kind, text in cases(seed, number):
            law(kind, text)

    return held


LAWS: dict[str, Callable[[int, int], None]] = {
    "read or refused": law_of_cases(law_read_or_refused),
    "no yes but the string's": law_of_cases(law_no_yes_but_the_strings),
    "every bit counts": law_of_flips,
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_the_law_holds(law: Callable[[int, int], None], seed: int) -> None:
    law(seed, CASES)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.sampled_from(sorted(READS)))
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    law_read_or_refused(kind, text)


# ---- planted faults --------------------------------------------------------------------------------------


def no_end(_: bits.Bits) -> None:
    """Accept whatever follows the last field."""


def beyond_the_end(self: bits.Bits, width: int) -> str:
    """Read fields that are cut off."""
    found = self._bits[self._at : self._at + width]
    self._at += width
    return found


def all_set(self: bits.Bits, width: int) -> tuple[bool, ...]:
    self.text(width)
    return (True,) * width


def any_kind(number: int) -> tcf._Kind:
    return tcf._Kind(number)


def whole_days(field: bits.Bits) -> Instant:
    return Instant(field.integer(36) * tcf.DECISECOND // DAY * DAY)


def agreed(purpose: Purpose, carrier: str, text: str) -> Carried:
    """Take an opt-out for a yes."""
    one = objection(purpose, carrier, text)
    return structs.replace(one, body=structs.replace(one.body, state="given"))


def short_answers(field: bits.Bits, fields: gpp_us.Layout) -> gpp_us.Answers:
    """Read the second bit of an answer alone, which makes 3 of 1."""
    return {
        name: tuple(field.integer(2) & 1 for _ in range(count)) if count else field.integer(2) & 1
        for name, count in fields
    }


FAULTS: dict[str, tuple[str, object, str, object]] = {
    "fields are cut off": ("read or refused", bits.Bits, "text", beyond_the_end),
    "a segment of no kind": ("read or refused", tcf, "_kind", any_kind),
    "every flag is set": ("no yes but the string's", bits.Bits, "flags", all_set),
    "no condition": ("no yes but the string's", tcf_statements, "incomplete", lambda _: None),
    "opting out agrees": ("no yes but the string's", gpp_statements_module, "objection", agreed),
    "trailing bits": ("every bit counts", bits.Bits, "end", no_end),
    "days alone": ("every bit counts", tcf, "_time", whole_days),
    "undefined answers": ("every bit counts", gpp_us, "_answers", short_answers),
}


@pytest.mark.parametrize(("law", "where", "name", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_the_law_finds_a_planted_fault(
    monkeypatch: pytest.MonkeyPatch, law: str, where: object, name: str, fault: object
) -> None:
    monkeypatch.setattr(where, name, fault)

    def search() -> None:
        for seed in SEEDS:
            LAWS[law](seed, CASES)

    with pytest.raises(AssertionError):
        search()
