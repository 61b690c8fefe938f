"""@segment/analytics-next in Chromium against the service: another origin, a preflight, text/plain bodies."""

import json
import shutil
from pathlib import Path

import pytest

from tests.integration.clients.browser.chromium import ChromiumPage
from tests.integration.clients.matrix import retries_apply_nothing_twice, the_story_makes_the_profile
from tests.integration.clients.serving import Served
from tests.integration.clients.story import BROWSER_PURPOSES
from tests.support.unreliable import Seen


@pytest.fixture
def client(node_modules: Path) -> ChromiumPage:
    if shutil.which("chromium") is None:
        pytest.skip("NOT TESTED: chromium is not installed; @segment/analytics-next needs it")
    bundle = node_modules / "@segment" / "analytics-next" / "dist" / "umd" / "index.js"
    return ChromiumPage(name="segment-next", bundle=bundle)


@pytest.mark.parametrize("strategy", ["standard", "batching"])
async def test_the_story_it_tells_makes_the_one_profile(
    served: Served, client: ChromiumPage, strategy: str
) -> None:
    seen = await the_story_makes_the_profile(
        served,
        client,
        key=served.keys.browser,
        purposes=BROWSER_PURPOSES,
        deliveryStrategy={"strategy": strategy, "config": {"timeout": 200} if strategy == "batching" else {}},
    )
    asked, sent = _by_method(seen, "OPTIONS"), _by_method(seen, "POST")
    paths = {"/v1/b"} if strategy == "batching" else {"/v1/p", "/v1/t", "/v1/i", "/v1/a"}
    assert {request.path for request in asked} == {request.path for request in sent} == paths
    assert {request.headers["access-control-request-headers"] for request in asked} == {"authorization"}
    assert {request.headers["content-type"] for request in sent} == {"text/plain"}
    assert all(json.loads(request.body)["writeKey"] == served.keys.browser for request in sent)


async def test_what_it_sends_again_counts_once(served: Served, client: ChromiumPage) -> None:
    seen = await retries_apply_nothing_twice(served, client, key=served.keys.browser)
    assert any("x-retry-count" in request.headers for request in _by_method(seen, "POST"))


def _by_method(seen: list[Seen], method: str) -> list[Seen]:
    return [request for request in seen if request.method == method]
