"""Laws of normalising: total over text, and once is enough."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assent.core.errors import MalformedIdentifier
from assent.core.ids import NamespaceId
from assent.core.policy import IdentifierKind, Namespace
from assent.identity.normalise import LONGEST, NORMALISERS, normalise
from tests.property.identity.worlds import LAWS, is_caught

TEXT = st.text(st.characters(exclude_categories=[]), max_size=24)
ADDRESSES = st.builds("{}@{}.{}".format, TEXT, TEXT, st.sampled_from(["com", "Com ", "Σ", "İ"]))
NUMBERS = st.builds(
    "{}{}".format, st.sampled_from(["+44", "020", "+39 0", "+1"]), st.text("0123456789 -()", max_size=14)
)
RAW = st.one_of(TEXT, ADDRESSES, NUMBERS, st.emails(), st.just("a" * LONGEST), st.just("İ" * LONGEST))


def space(normaliser: str) -> Namespace:
    return Namespace(
        id=NamespaceId(1),
        name="some",
        kind=IdentifierKind.PERSON,
        priority=1,
        normaliser=normaliser,
        region="GB" if normaliser == "phone" else None,
    )


def once_is_enough(normaliser: str, raw: str) -> bool:
    try:
        value = normalise(space(normaliser), raw)
    except MalformedIdentifier:
        return True
    return normalise(space(normaliser), value) == value


def is_fit(normaliser: str, raw: str) -> bool:
    try:
        value = normalise(space(normaliser), raw)
    except MalformedIdentifier:
        return True
    unfit = {"Cc", "Cs"} & {unicodedata.category(one) for one in value}
    return not unfit and 0 < len(value) <= LONGEST and bool(value.strip())


@LAWS
@given(st.sampled_from(sorted(NORMALISERS)), RAW)
def test_a_normalised_value_normalises_to_itself(normaliser: str, raw: str) -> None:
    assert once_is_enough(normaliser, raw)


@LAWS
@given(st.sampled_from(sorted(NORMALISERS)), RAW)
def test_a_normalised_value_can_be_kept(normaliser: str, raw: str) -> None:
    assert is_fit(normaliser, raw)


def one_step(raw: str, _region: str | None) -> str:
    return raw[1:] or raw


def stretched(raw: str, _region: str | None) -> str:
    return raw + "\ud800"


@pytest.mark.parametrize(("broken", "holds"), [(one_step, once_is_enough), (stretched, is_fit)])
def test_a_normaliser_that_breaks_a_law_is_caught(
    broken: Callable[[str, str | None], str],
    holds: Callable[[str, str], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assent.identity.normalise.NORMALISERS", {**NORMALISERS, "exact": broken})
    assert is_caught(RAW, lambda raw: holds("exact", raw))
