"""A name once given keeps its number, whatever comes after it."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assent.core.documents import parse_policy
from assent.core.names import EMPTY, NameBook, NameKind
from tests.support.policy_documents import Documents, contract, small

names = st.sets(st.sampled_from([f"p{number}" for number in range(12)]), max_size=6)
histories = st.lists(names, min_size=1, max_size=5)

CANARY = settings(
    database=None, phases=[Phase.generate], derandomize=True, suppress_health_check=list(HealthCheck)
)

Grow = Callable[[NameBook, Sequence[str]], NameBook]


def grown(book: NameBook, declared: Sequence[str]) -> NameBook:
    return book.grown(NameKind.PURPOSE, declared)


def numbers_are_stable(history: list[set[str]], grow: Grow = grown) -> None:
    given_before: dict[str, int] = {}
    book = EMPTY
    for declared in history:
        book = grow(book, sorted(declared))
        now = book.purpose
        assert given_before.items() <= now.items()
        assert sorted(now.values()) == list(range(1, len(now) + 1))
        assert declared <= now.keys()
        given_before = dict(now)


@given(histories)
def test_a_name_once_given_keeps_its_number(history: list[set[str]]) -> None:
    numbers_are_stable(history)


def test_a_book_that_forgets_removed_names_is_found() -> None:
    def forgetful(_book: NameBook, declared: Sequence[str]) -> NameBook:
        return EMPTY.grown(NameKind.PURPOSE, declared)

    with pytest.raises(AssertionError):
        CANARY(given(histories)(lambda history: numbers_are_stable(history, forgetful)))()


def documents_of(declared: Sequence[str]) -> Documents:
    return small({name: contract() for name in declared})


@given(names, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(declared: set[str], random: object) -> None:
    shuffled = sorted(declared)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert parse_policy(documents_of(shuffled)) == parse_policy(documents_of(sorted(declared)))


@settings(max_examples=40)
@given(st.lists(names, min_size=2, max_size=4))
def test_the_numbers_in_a_policy_are_those_of_the_book_at_every_version(history: list[set[str]]) -> None:
    book = EMPTY
    first_seen: dict[str, int] = {}
    for version, declared in enumerate(history, start=1):
        policy, book = parse_policy(documents_of(sorted(declared)), names=book, version=version)
        for name, number in policy.purpose_ids.items():
            assert first_seen.setdefault(name, number) == number == book.purpose[name]
            assert policy.purposes[number].name == name
