"""Every call that segment-analytics-python knows, the two that other clients lack among them."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import httpx
import pytest

from tests.integration.clients.serving import Served
from tests.support.service import CHECKOUT, bearer, statement, subject

PURPOSE = "personalisation"
DRIVER = (sys.executable, "-m", "tests.integration.clients.python.segment_every_call")


@pytest.mark.parametrize("gzip", [False, True])
async def test_each_call_becomes_an_entry_of_the_one_person(served: Served, gzip: bool) -> None:
    user, previous = f"segment-calls-{gzip}", f"segment-before-{gzip}"
    async with httpx.AsyncClient(base_url=served.url, headers=bearer(served.keys.collector)) as http:
        consent = {"subject": subject(f"user_id:{user}"), "statements": [statement(PURPOSE, "given")]}
        assert (await http.post("/v1/consents", json=consent)).status_code == 201
        before = int((await http.get("/checkpoint")).headers["assent-revision"])
        work = {
            "url": served.url,
            "key": served.keys.collector,
            "user": user,
            "previous": previous,
            "gzip": gzip,
        }
        done = await asyncio.to_thread(_run, work)
        assert done.returncode == 0, done.stderr
        after = int((await http.get("/checkpoint")).headers["assent-revision"])
    assert after - before == 6
    (decision,) = (await _asked(served, "/v1/decisions", user, purpose=PURPOSE))["decisions"]
    assert decision["features"].items() >= {"country": "IT", "pages_viewed": 1, "products_viewed": 1}.items()
    person = (await _asked(served, "/v1/identities/resolve", user))["identifiers"]
    assert [one["value"] for one in person] == [user, previous]  # what `alias` says


def _run(work: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        DRIVER, cwd=CHECKOUT, input=json.dumps(work), capture_output=True, text=True, timeout=40, check=False
    )


async def _asked(served: Served, path: str, user: str, **more: str) -> dict[str, Any]:
    who = subject(f"user_id:{user}")
    key = served.keys.engines[PURPOSE] if more else served.keys.dpo
    body = {"subjects": [who], **more} if more else {"subject": who}
    async with httpx.AsyncClient(base_url=served.url, headers=bearer(key)) as http:
        answer: dict[str, Any] = (await http.post(path, json=body)).json()
    return answer
