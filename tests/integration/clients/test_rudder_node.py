"""@rudderstack/rudder-sdk-node against the service: it calls gzip a form, and its process ends on a 4xx."""

import pytest

from tests.integration.clients.matrix import (
    Work,
    node_client,
    retries_apply_nothing_twice,
    the_story_makes_the_profile,
)
from tests.integration.clients.serving import Served
from tests.integration.clients.story import people, right_now, story

pytestmark = pytest.mark.usefixtures("node_modules")

CLIENT = node_client("rudder-node", "rudder_node.mjs")


async def test_the_story_it_tells_makes_the_one_profile(served: Served) -> None:
    seen = await the_story_makes_the_profile(served, CLIENT)
    assert {request.path for request in seen} == {"/v1/batch"}
    labels = {(seen.headers["content-type"], seen.headers["content-encoding"]) for seen in seen}
    assert labels == {("application/x-www-form-urlencoded", "gzip")}
    assert all(request.raw[:2] == b"\x1f\x8b" for request in seen)


async def test_what_it_sends_again_counts_once(served: Served) -> None:
    await retries_apply_nothing_twice(served, CLIENT)


async def test_a_refused_event_does_not_end_its_process(served: Served) -> None:
    faulty = {"call": "track", "user": "null", "at": right_now().isoformat(), "event": "x", "properties": {}}
    ended = await CLIENT.send(Work(url=served.url, key=served.keys.collector, groups=[[faulty]]))
    assert ended.status == 0, ended.errors


@pytest.mark.parametrize(("handles_errors", "status", "output"), [(False, 1, ""), (True, 0, "handled\n")])
async def test_an_unknown_key_ends_its_process_unless_it_has_an_error_handler(
    served: Served, handles_errors: bool, status: int, output: str
) -> None:
    acts = story(people(CLIENT.name), right_now())[:1]
    options = {"handlesErrors": handles_errors}
    ended = await CLIENT.send(Work(url=served.url, key="unknown", groups=[acts], options=options))
    assert (ended.status, ended.output) == (status, output)
    assert ("Unauthorized" in ended.errors) is not handles_errors
