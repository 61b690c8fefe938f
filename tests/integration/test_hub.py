"""Thousands of people through one identifier: nobody is merged, and the answer says why."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from assent.core.errors import BlockedIdentifier
from assent.core.ids import RESOLUTION, EntryIndex, IdentifierId
from assent.core.policy import LinkKind
from assent.core.time import Instant
from assent.identity.normalise import normalise
from assent.identity.resolve import Link, Node
from assent.ingest.changing import changes
from assent.ingest.component import Component, derive, resolution_of
from assent.ingest.rebuild import rebuild
from tests.support.database import TestDatabase
from tests.support.ledger import open_bench
from tests.support.policy_documents import shipped
from tests.unit.ingest.policy_of_tests import SHIPPED as POLICY

CROWD = 10_000  # each derived, which took minutes while every profile asked all links again


def crowd(namespace: str, others: Sequence[str]) -> Component:
    """Return one identifier that ten thousand people, each with a browser of their own, came through."""
    hub = Node(id=IdentifierId(0), namespace=POLICY.namespace_ids[namespace], key=b"hub")
    nodes = {hub.id: hub}
    links = {}
    for number in range(1, CROWD + 1):
        own = []
        for place, name in enumerate(others):
            one = IdentifierId(64 * number + place)
            key = number.to_bytes(8) + bytes([place])
            nodes[one] = Node(id=one, namespace=POLICY.namespace_ids[name], key=key)
            own.append(one)
        for low, high in ((hub.id, own[0]), *pairwise(own)):
            links[low, high, LinkKind.OBSERVED] = Link(
                low=low,
                high=high,
                kind=LinkKind.OBSERVED,
                first_at=Instant(number),
                last_at=Instant(number),
                first_entry=EntryIndex(number),
                last_entry=EntryIndex(number),
            )
    return Component(nodes=nodes, links=links)


@pytest.mark.parametrize("namespace", ["phone", "anonymous_id"])  # a call centre; a kiosk
def test_ten_thousand_people_through_one_identifier_stay_ten_thousand(namespace: str) -> None:
    component = crowd(namespace, ("user_id", "device_id"))
    resolution = resolution_of(component, POLICY, Instant(10**15))
    assert resolution.generic == {IdentifierId(0)}
    assert len(resolution.clusters) == CROWD + 1
    assert max(map(len, resolution.clusters)) == 2
    derived = derive(component, POLICY, Instant(10**15))
    profiles = np.array(list(derived.profiles[RESOLUTION].values()))
    assert len(profiles) == 2 * CROWD
    assert len(np.unique(profiles)) == CROWD
    assert derived.permits.keys() == component.nodes.keys()
    assert not list(changes(derived, derived, POLICY, component.nodes, {}, Instant(10**15)))


async def test_a_hub_that_events_make_is_generic_and_a_rebuild_agrees(
    fresh_database: TestDatabase, folder: Path
) -> None:
    async with open_bench(fresh_database, folder, shipped()) as bench:
        desk = bench.identifier("phone", "+442071838750")
        cap = bench.policy.links_per_identifier
        people = [bench.identifier("customer_id", f"c-{number}") for number in range(cap + 40)]
        for first in range(0, len(people), 60):
            await bench.commit(
                *(bench.event("Order Completed", (one, desk)) for one in people[first : first + 60])
            )
        assert await bench.connection.fetchval("SELECT count(*) FROM link") == cap + 40
        assert await bench.connection.fetchval("SELECT count(*) FROM cluster WHERE view_id = 1") == 0
        # Taken back one by one, it is past the cap no longer: what a link did, its end undoes.
        await bench.commit(*(bench.link(one, desk, denied=True) for one in people[: cap + 39]))
        assert await bench.connection.fetchval("SELECT count(*) FROM cluster WHERE view_id = 1") == 2
        found = await rebuild(bench.connection, bench.ring)
        assert (found.faults, found.differences) == ((), ())


def test_a_value_that_stands_for_nobody_is_no_identifier() -> None:
    space = POLICY.namespaces[POLICY.namespace_ids["user_id"]]
    for text in ("null", "NULL", "undefined", "0", " none "):
        with pytest.raises(BlockedIdentifier):
            normalise(space, text)
