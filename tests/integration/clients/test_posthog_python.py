"""posthog (Python) against the service's adapter."""

import json

import pytest

from tests.integration.clients.matrix import (
    python_client,
    retries_apply_nothing_twice,
    the_story_makes_the_profile,
)
from tests.integration.clients.serving import Served

CLIENT = python_client("posthog-python", "posthog_python")


@pytest.mark.parametrize("gzip", [False, True])
async def test_the_story_it_tells_makes_the_one_profile(served: Served, gzip: bool) -> None:
    seen = await the_story_makes_the_profile(served, CLIENT, gzip=gzip)
    assert {request.path for request in seen} == {"/batch/"}
    assert {request.headers.get("content-encoding") for request in seen} == {"gzip" if gzip else None}
    events = [event for request in seen for event in json.loads(request.body)["batch"]]
    (alias,) = [event for event in events if event["event"] == "$create_alias"]
    assert alias["distinct_id"].startswith("other-")
    assert alias["properties"]["alias"].startswith("user-")


async def test_what_it_sends_again_counts_once(served: Served) -> None:
    await retries_apply_nothing_twice(served, CLIENT)
