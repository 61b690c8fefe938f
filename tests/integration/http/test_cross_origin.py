"""Pages of any origin may call the tracking paths and nothing else; a prefix gives those a second home."""

from pathlib import Path

import httpx
import msgspec
import pytest
from litestar.routes import HTTPRoute

from assent.app import create_app
from assent.config import Settings
from assent.ingest.tracking import PATHS
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKING = {
    "Origin": "https://www.shop.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def allowing(response: httpx.Response) -> set[str]:
    return {name for name in response.headers if name.startswith("access-control-")}


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_that_asks_first_is_allowed_to_track(http: httpx.AsyncClient, path: str) -> None:
    response = await http.options(f"/v1/{path}", headers=ASKING)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-methods"] == "POST"
    named = response.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "content-encoding"} <= set(named)
    assert "access-control-allow-credentials" not in response.headers


async def test_a_page_may_read_the_answer_and_the_refusal(shop: Shop) -> None:
    headers = {"Origin": "https://www.shop.example"}
    key = await shop.key("browser")
    body = {"anonymousId": "zebra-17", "event": "Product Viewed", "writeKey": key}
    taken = await shop.http.post("/v1/t", json=body, headers=headers)
    wrong = await shop.http.post("/v1/t", json={**body, "writeKey": "nobodys"}, headers=headers)
    large = await shop.http.post("/v1/t", content=b"x" * 2_000_000, headers=headers)
    assert [one.status_code for one in (taken, wrong, large)] == [200, 401, 413]
    for response in (taken, wrong, large):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "Assent-Revision" in response.headers["access-control-expose-headers"]


async def test_no_other_path_answers_a_page_of_another_origin(shop: Shop, installation: Installation) -> None:
    open_to_pages = set()
    for route in installation.app.routes:
        assert isinstance(route, HTTPRoute)
        path = route.path_format.replace("{audience}", "buyers")
        preflight = await shop.http.options(path, headers=ASKING)
        assert preflight.status_code == 204
        assert "allow" in preflight.headers
        if allowing(preflight):
            open_to_pages.add(path)
            continue
        for method in set(route.methods) - {"OPTIONS"}:
            response = await shop.http.request(method, path, headers=ASKING)
            assert not allowing(response), (method, path)
    assert open_to_pages >= {f"/v1/{path}" for path in PATHS}
    assert not any(path.startswith(("/v1/me", "/v1/audiences", "/v1/decisions")) for path in open_to_pages)


async def test_the_paths_stand_under_a_prefix_too(installation: Installation, shop: Shop) -> None:
    settings = msgspec.structs.replace(installation.service.settings, tracking_prefix="/collect")
    app = create_app(settings)
    app.state["service"] = installation.service
    key = await shop.key("browser")
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
        for path in ("/v1/track", "/collect/v1/track", "/collect/v1/t"):
            body = {"anonymousId": "zebra-17", "event": "Product Viewed", "writeKey": key}
            assert (await http.post(path, json=body)).json()["accepted"] == 1
        assert allowing(await http.options("/collect/v1/t", headers=ASKING))
        refused(await http.post("/collect/v1/consents", json={}), 404, "unreadable_body")
    refused(await shop.http.post("/collect/v1/track", json={}), 404, "unreadable_body")


async def test_without_a_prefix_there_is_one_home(tmp_path: Path) -> None:
    routes = [route.path for route in create_app(Settings(folder=tmp_path)).routes]
    assert sorted(path for path in routes if path.endswith("/track")) == ["/v1/track"]
