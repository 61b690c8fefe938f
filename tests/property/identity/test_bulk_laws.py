"""Bulk resolution is resolution: whatever the evidence, the clusters are those of `resolve`."""

import numpy as np
import pytest
from hypothesis import given

from assent.core.policy import Policy
from assent.identity import bulk
from assent.identity.bulk import Clusters, Ids, Links, resolve_bulk
from assent.identity.resolve import Link, Node
from tests.property.identity.worlds import LAWS, NOW, World, is_caught, run, sound, worlds
from tests.support.identities import identity_policy


def in_bulk(world: World) -> tuple[Clusters, list[int]]:
    evidence = run(sound, world)[1]
    nodes = {node.id: node for node in evidence.nodes}
    ids = np.array(sorted(nodes), np.int64)
    links = list(evidence.links)

    def whole(members: Ids, places: Ids) -> tuple[list[Node], list[Link]]:
        return [nodes[one] for one in members.tolist()], [links[place] for place in places.tolist()]

    found = resolve_bulk(
        world.policy,
        ids,
        np.array([nodes[one].namespace for one in ids.tolist()], np.int16),
        Links(
            np.array([link.low for link in links], np.int64),
            np.array([link.high for link in links], np.int64),
            np.array([link.kind for link in links], np.int8),
        ),
        [evidence.pair(*names) for names in world.denied],
        whole=whole,
        now=NOW,
    )
    return found, ids.tolist()


def is_resolution(world: World) -> bool:
    found, ids = in_bulk(world)
    resolution = run(sound, world)[0]
    profile_of: dict[int, int] = {one: group[0] for group in resolution.clusters for one in group}
    return bool(found.profiles.tolist() == [profile_of[one] for one in ids])


@LAWS
@given(worlds())
def test_bulk_resolution_is_resolution(world: World) -> None:
    assert is_resolution(world)


def blind(policy: Policy, *_: object) -> np.ndarray:
    return np.zeros(_[-1][0], np.bool_)  # type: ignore[index]


def test_a_bulk_resolution_that_never_looks_closer_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_suspects", blind)
    assert is_caught(worlds(), is_resolution)


def test_evidence_about_nobody_is_refused() -> None:
    links = Links(np.array([1]), np.array([3]), np.array([1], np.int8))
    spaces = np.array([1, 1], np.int16)
    with pytest.raises(ValueError, match="not among those given"):
        resolve_bulk(
            identity_policy("user!1"), np.array([1, 2]), spaces, links, [], whole=lambda *_: ([], []), now=NOW
        )
