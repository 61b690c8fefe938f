"""What anybody may ask, what an operator watches, and how the service describes itself."""

import re
from pathlib import Path

import httpx
import pytest
from litestar.routes import HTTPRoute

from assent.app import create_app
from assent.config import Settings
from assent.http.metrics import metrics_app
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Json, Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_living_service_says_so_to_anybody(http: httpx.AsyncClient) -> None:
    for path, status in [("/health/live", "live"), ("/health/ready", "ready")]:
        response = await http.get(path)
        assert (response.status_code, response.json()) == (200, {"status": status})


async def test_the_checkpoint_is_of_the_keys_controller(shop: Shop, http: httpx.AsyncClient) -> None:
    refused(await http.get("/checkpoint"), 401, "unauthorized")
    await shop.given("user_id:anna-0001", "personalisation")
    response = await shop.ask("GET", "/checkpoint", by="dpo")
    origin, size, root, empty, signature, *_ = response.text.split("\n")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert origin == f"assent.local/{shop.controller_id}/facts"
    assert size == response.headers["assent-revision"] == "2"
    assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", root)
    assert empty == ""
    assert signature.startswith(f"\u2014 {origin} ")


async def test_the_checkpoint_is_not_for_a_public_key(shop: Shop) -> None:
    for method in ("GET", "HEAD"):
        response = await shop.ask(method, "/checkpoint", by="browser")
        assert response.status_code == 403
        assert "assent-revision" not in response.headers
    assert (await shop.ask("GET", "/checkpoint", by="collector")).status_code == 200


async def test_the_privacy_signal_is_answered_for_as_its_specification_says(http: httpx.AsyncClient) -> None:
    response = await http.get("/.well-known/gpc.json")
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document.keys() == {"gpc", "lastUpdate"}
    assert document["gpc"] is True
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", document["lastUpdate"])


# The description.


async def described(http: httpx.AsyncClient) -> Json:
    response = await http.get("/schema")
    assert response.headers["content-type"].startswith("application/vnd.oai.openapi+json")
    return response.json()


async def test_every_route_is_described_and_nothing_else(
    http: httpx.AsyncClient, installation: Installation
) -> None:
    document = await described(http)
    assert document["openapi"].startswith("3.1.")
    served = {
        (route.path_format, method.lower())
        for route in installation.app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method not in {"OPTIONS", "HEAD"}
    }
    said = {(path, method) for path, item in document["paths"].items() for method in item}
    assert said == served
    names = [one["operationId"] for item in document["paths"].values() for one in item.values()]
    assert len(set(names)) == len(names)


async def test_every_reference_of_the_description_leads_somewhere(http: httpx.AsyncClient) -> None:
    document = await described(http)

    def references(node: Json) -> list[str]:
        match node:
            case dict():
                own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
                return own + [found for value in node.values() for found in references(value)]
            case list():
                return [found for value in node for found in references(value)]
            case _:
                return []

    found = references(document)
    assert found
    for reference in found:
        assert reference.startswith("#/"), "nothing leads outside"
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


async def test_bodies_keys_and_headers_are_described(http: httpx.AsyncClient) -> None:
    paths = (await described(http))["paths"]
    stated = paths["/v1/consents"]["post"]
    assert stated["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ConsentsBody"
    }
    assert stated["responses"].keys() == {"201", "default"}
    assert [one["name"] for one in stated["parameters"]] == ["Idempotency-Key"]
    assert stated["security"] == [{"key": []}]
    assert paths["/v1/me/preferences"]["get"]["security"] == [{"subject_token": []}]
    saved = paths["/v1/audiences/{audience}"]["put"]
    assert [one["name"] for one in saved["parameters"]] == ["audience", "Idempotency-Key"]
    decided = paths["/v1/decisions"]["post"]
    assert [one["name"] for one in decided["parameters"]] == ["Assent-At-Least"]
    assert paths["/health/live"]["get"]["security"] == []
    for item in paths.values():
        for operation in item.values():
            assert operation["summary"]
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}


async def test_parameters_of_the_query_are_described(http: httpx.AsyncClient) -> None:
    paths = (await described(http))["paths"]
    said = {
        path: {one["name"]: one["required"] for one in item["get"]["parameters"] if one["in"] == "query"}
        for path, item in paths.items()
        if "get" in item
    }
    assert {path: names for path, names in said.items() if names} == {
        "/v1/audiences/{audience}": {"version": False},
        "/v1/audiences/{audience}/changes": {"purpose": True, "after": False, "limit": False, "wait": False},
        "/v1/audit/consistency": {"from": True, "to": False, "log": False},
        "/v1/audit/proof/{index}": {"log": False},
        "/v1/me/data": {"limit": False, "after": False},
        "/v1/me/receipts": {"limit": False, "before": False},
        "/v1/me/releases": {"limit": False, "after": False},
        "/v1/sources": {"from": False, "to": False},
    }


async def test_the_description_is_the_same_for_everybody(
    http: httpx.AsyncClient, shop: Shop, tmp_path: Path
) -> None:
    here = await http.get("/schema")
    elsewhere = create_app(Settings(folder=tmp_path))
    elsewhere.state["service"] = shop.service
    transport = httpx.ASGITransport(app=elsewhere)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://other") as other:
        assert (await other.get("/schema")).content == here.content
    assert (await shop.ask("GET", "/schema")).content == here.content


# The counters.


async def test_counters_tell_how_the_service_does_and_not_whom_it_serves(
    shop: Shop, installation: Installation
) -> None:
    await shop.given("user_id:anna-0001", "personalisation")
    await shop.save("buyers", {"op": "ge", "feature": "order_count", "value": 1}, "personalisation")
    await shop.ask("GET", "/v1/audiences/anna-0001")
    transport = httpx.ASGITransport(app=metrics_app(installation.service))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as http:
        text = (await http.get("/metrics")).text
    assert re.search(r'assent_answers_total\{method="POST",route="/v1/consents",status="201"\} \d', text)
    assert 'route="/v1/audiences/{audience}",status="404"' in text
    assert 'assent_connections{pool="writer",state="open"}' in text
    for word in ("anna", "buyers", "personalisation", str(await shop.key("admin"))):
        assert word not in text
