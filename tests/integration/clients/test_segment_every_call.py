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
    for name in (f"user_id:{user}", f"anonymous_id:{previous}"):
        features = await _features(served, name)
        assert features.items() >= {"country": "IT", "pages_viewed": 1, "products_viewed": 1}.items()


def _run(work: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        DRIVER, cwd=CHECKOUT, input=json.dumps(work), capture_output=True, text=True, timeout=40, check=False
    )


async def _features(served: Served, name: str) -> dict[str, Any]:
    question = {"purpose": PURPOSE, "subjects": [subject(name)]}
    async with httpx.AsyncClient(base_url=served.url, headers=bearer(served.keys.engines[PURPOSE])) as http:
        answer = await http.post("/v1/decisions", json=question)
    features: dict[str, Any] = answer.json()["decisions"][0]["features"]
    return features
