"""@segment/analytics-node against the service."""

import pytest

from tests.integration.clients.matrix import (
    node_client,
    retries_apply_nothing_twice,
    the_story_makes_the_profile,
)
from tests.integration.clients.serving import Served

pytestmark = pytest.mark.usefixtures("node_modules")

CLIENT = node_client("segment-node", "segment_node.mjs")


async def test_the_story_it_tells_makes_the_one_profile(served: Served) -> None:
    seen = await the_story_makes_the_profile(served, CLIENT)
    assert {request.path for request in seen} == {"/v1/batch"}


async def test_what_it_sends_again_counts_once(served: Served) -> None:
    await retries_apply_nothing_twice(served, CLIENT)
