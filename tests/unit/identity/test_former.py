"""Which links stood at an instant, as far as was known then."""

import pytest
from msgspec.structs import replace

from assent.core.ids import EntryIndex, IdentifierId
from assent.core.policy import LinkKind
from assent.core.time import HOUR, Instant
from assent.identity.former import Former, links_then
from assent.identity.resolve import Link

ONE, OTHER = IdentifierId(64), IdentifierId(128)


def hour(number: int) -> Instant:
    return Instant(number * HOUR)


def link(first: int, entry: int) -> Link:
    return Link(
        low=ONE,
        high=OTHER,
        kind=LinkKind.ASSERTED,
        first_at=hour(first),
        last_at=hour(first),
        first_entry=EntryIndex(entry),
        last_entry=EntryIndex(entry),
    )


FORMER = Former(link=link(2, 20), until=hour(6), undone_by=EntryIndex(60))
PRESENT = link(8, 80)
COMMITTED = {EntryIndex(entry): hour(entry // 10) for entry in (20, 30, 80)}


def stood(at: int, known: int, *links: Link, former: Former = FORMER) -> tuple[Link, ...]:
    found = links_then(links, (former,), COMMITTED, at=hour(at), known_at=hour(known))
    return tuple(found.values())


@pytest.mark.parametrize(("at", "stands"), [(1, False), (2, True), (5, True), (6, False), (9, False)])
def test_an_undone_link_stood_from_its_evidence_until_it_was_undone(at: int, *, stands: bool) -> None:
    assert stood(at, 9) == ((FORMER.link,) if stands else ())


@pytest.mark.parametrize(("known", "stands"), [(1, False), (2, True), (5, True), (6, False)])
def test_who_does_not_know_of_the_undoing_yet_holds_them_together(known: int, *, stands: bool) -> None:
    assert stood(7, known) == ((FORMER.link,) if stands else ())


def test_linked_anew_each_time_has_its_own_link() -> None:
    assert stood(5, 9, PRESENT) == (FORMER.link,)
    assert stood(9, 9, PRESENT) == (PRESENT,)
    assert stood(9, 7, PRESENT) == ()


def test_older_evidence_that_became_known_later_hides_no_link() -> None:
    moved = replace(FORMER.link, first_at=hour(1), first_entry=EntryIndex(30))
    assert stood(2, 2, former=replace(FORMER, link=moved)) == (moved,)
