"""rudder-sdk-python against the service."""

from tests.integration.clients.matrix import (
    Work,
    python_client,
    retries_apply_nothing_twice,
    the_story_makes_the_profile,
)
from tests.integration.clients.serving import Served
from tests.integration.clients.story import people, right_now, story
from tests.support.unreliable import unreliable

CLIENT = python_client("rudder-python", "rudder")


async def test_the_story_it_tells_makes_the_one_profile(served: Served) -> None:
    seen = await the_story_makes_the_profile(served, CLIENT)
    assert {request.path for request in seen} == {"/v1/batch"}
    assert {request.headers["content-encoding"] for request in seen} == {"gzip"}


async def test_what_it_sends_again_counts_once(served: Served) -> None:
    await retries_apply_nothing_twice(served, CLIENT)


async def test_what_it_may_not_send_is_sent_once(served: Served) -> None:
    acts = story(people(CLIENT.name), right_now())
    async with unreliable(served.url) as proxy:
        ended = await CLIENT.send(Work(url=proxy.url, key="unknown", groups=[acts]))
    assert "unauthorized" in ended.errors
    assert [seen.status for seen in proxy.seen] == [401]
