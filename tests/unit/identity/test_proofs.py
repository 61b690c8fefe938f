"""What several sources prove of a link, and what is left without some of them."""

from itertools import permutations

import pytest

from assent.core.ids import EntryIndex, IdentifierId
from assent.core.policy import LinkKind
from assent.core.time import Instant
from assent.identity.proofs import MOST_SOURCES, also, merged, number_of, part_of, parts, seen, without
from assent.identity.resolve import Link


def saw(source: str, at: int, entry: int, weight: int = 0) -> Link:
    return seen(
        IdentifierId(64),
        IdentifierId(128),
        LinkKind.PROBABLE if weight else LinkKind.OBSERVED,
        Instant(at),
        EntryIndex(entry),
        weight=weight,
        source=number_of(source),
    )


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_guess_counts_and_of_one_instant_the_less_sure(order: tuple[int, ...]) -> None:
    said = [saw("till", 1, 5, 400_000), saw("web", 7, 3, 900_000), saw("crm", 7, 4, 600_000)]
    link = merged([said[place] for place in order])
    assert (link.weight, link.first_at, link.last_at) == (600_000, 1, 7)
    assert (link.first_entry, link.last_entry) == (5, 3)
    left = without(link, [number_of("crm")])
    assert left is not None
    assert left.weight == 900_000
    assert left == merged(said[:2])


def test_a_source_that_speaks_again_is_heard_in_place_of_what_it_said() -> None:
    link = also(also(saw("till", 3, 3), saw("web", 5, 5)), saw("web", 9, 9))
    assert part_of(link, number_of("web")) == saw("web", 9, 9)
    assert (link.first_at, link.last_at, len(list(parts(link)))) == (3, 9, 2)


def test_beyond_the_most_sources_who_saw_it_first_and_last_are_kept() -> None:
    said = [saw(f"import {day}", day, day) for day in range(MOST_SOURCES + 5)]
    link = merged(said)
    held = {part.last_at for part in parts(link)}
    assert len(held) == MOST_SOURCES
    assert {0, MOST_SOURCES + 4} <= held
    assert (link.first_at, link.last_at) == (0, MOST_SOURCES + 4)
    assert without(link, [part.sources for part in parts(link)]) is None
