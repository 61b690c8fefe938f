"""The tracking paths as /schema describes them: what fits the description is answered as it describes.

The description of a body is an object of anything, so bodies beyond JSON are `test_fuzz`'s.
"""

from typing import Any, Final

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.routes import HTTPRoute

from assent.app import create_app
from assent.config import Settings
from assent.http.posthog import PATHS as POSTHOG
from assent.http.schema import openapi
from assent.ingest.tracking import PATHS
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Shop, bearer

pytestmark = pytest.mark.asyncio(loop_scope="session")


def described() -> dict[str, Any]:
    """Return what /schema says."""
    return openapi([route for route in create_app(Settings()).routes if isinstance(route, HTTPRoute)])


DESCRIBED: Final = schemathesis.openapi.from_dict(described())
TRACKING: Final = (*(f"/v1/{path}" for path in PATHS), *POSTHOG)
SETTINGS: Final = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)

cases = st.sampled_from(TRACKING).flatmap(lambda path: DESCRIBED[path]["POST"].as_strategy())

_shops: list[Shop] = []


async def send(installation: Installation, case: schemathesis.Case[Any]) -> httpx.Response:
    if not _shops:
        _shops.append(await (await installation.controller()).open())
    (shop,) = _shops
    return await shop.http.request(
        case.method, case.formatted_path, json=case.body, headers=bearer(await shop.key("collector"))
    )


def fits(case: schemathesis.Case[Any], response: httpx.Response) -> bool:
    """Whether the answer is one that the description has."""
    return bool(case.operation.is_valid_response(response))


@SETTINGS
@given(cases)
async def test_what_fits_the_description_is_answered_as_described(
    installation: Installation, case: schemathesis.Case[Any]
) -> None:
    response = await send(installation, case)
    assert response.status_code < 500
    assert fits(case, response)


@pytest.mark.full
@settings(SETTINGS, max_examples=2_000)
@given(cases)
async def test_what_fits_the_description_is_answered_as_described_at_length(
    installation: Installation, case: schemathesis.Case[Any]
) -> None:
    response = await send(installation, case)
    assert response.status_code < 500
    assert fits(case, response)


@settings(SETTINGS, max_examples=1)
@given(cases)
async def test_an_answer_beyond_the_description_would_be_noticed(
    installation: Installation, case: schemathesis.Case[Any]
) -> None:
    sound = await send(installation, case)
    other = httpx.Response(200, json={"success": "yes", "status": "1"}, request=sound.request)
    other.elapsed = sound.elapsed
    assert not fits(case, other)
