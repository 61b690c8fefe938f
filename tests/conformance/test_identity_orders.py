"""Every identity row once more, its events told in other orders, a request for each: the same clusters."""

from collections.abc import Iterator
from itertools import groupby
from random import Random

import pytest

from tests.conformance import test_identity, test_identity_more
from tests.conformance.host import Host
from tests.conformance.rows import Data, Row

pytestmark = pytest.mark.full
"""A minute, for what tests/property holds of generated evidence; here it goes through the whole service."""

SUITE = test_identity.SUITE


def orders(events: list[Data]) -> Iterator[list[list[Data]]]:
    """Yield the events one by one, backwards and shuffled.

    What is about what came before it (a deletion, a denial) keeps its place.
    """
    for rearranged in (list[list[Data]].reverse, Random(1).shuffle):
        told: list[list[Data]] = []
        for turn, group in groupby(events, key=lambda event: event.get("op") in test_identity.TURNS):
            some = [[event] for event in group]
            if not turn:
                rearranged(some)
            told += some
        yield told


def same_in_every_order(row: Row, host: Host) -> None:
    together = test_identity.ask(row.data, host)
    for told in orders(row.data["events"]):
        assert test_identity.ask(row.data, host, told) == together, [event["t"] for (event,) in told]


def test_the_clusters_do_not_depend_on_the_order_of_arrival(row: Row, host: Host) -> None:
    same_in_every_order(row, host)


@pytest.mark.parametrize("ours", SUITE.read(test_identity_more.FOLDER), ids=lambda row: row.id)
def test_nor_do_those_of_rows_of_our_own(ours: Row, host: Host) -> None:
    same_in_every_order(ours, host)
