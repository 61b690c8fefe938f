"""A policy that uses people for more than they said stays out of force unless it says on what basis."""

import pytest

from assent.core.errors import ActivationUnderWay
from assent.core.ids import ControllerId
from assent.ingest import abandoning, activation
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Shop, refused
from tests.support.policy_documents import Documents, changed, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDER = '[purposes.analytics]\ncategories = ["orders", "browsing", "visit", "account"]'
STATED = '[purposes.analytics]\ngains_basis = "the account is needed to count customers once"'
OTHERWISE = '[purposes.analytics]\ngains_basis = "the yearly report asks for it"'


def wider(*more: str) -> Documents:
    documents = changed(shipped(), "purposes", WIDER)
    for toml in more:
        changed(documents, "purposes", toml)
    return documents


@pytest.fixture(params=[activation.SMALL, 0], ids=["in-its-commit", "prepared"])
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of putting a policy in force."""
    monkeypatch.setattr(activation, "SMALL", request.param)


async def put(shop: Shop, documents: Documents, status: int) -> dict[str, object]:
    body = {"documents": documents, "activate": True}
    answer: dict[str, object] = await shop.post("/v1/policies", body, status=status)
    return answer


@pytest.mark.usefixtures("most")
async def test_a_gain_without_a_statement_keeps_a_policy_out_of_force_unless_it_states_its_basis(
    shop: Shop,
) -> None:
    assert (await put(shop, wider(), 200))["version"] == 2, "nobody is there to gain"
    assert (await put(shop, shipped(), 200))["version"] == 3
    await shop.given("anonymous_id:a-0001", "analytics")
    await shop.given("anonymous_id:a-0002", "analytics", "personalisation")
    before = await shop.revision()
    response = await shop.ask("POST", "/v1/policies", {"documents": wider(), "activate": True})
    problem = refused(
        response,
        409,
        "gain_without_statement",
        "/documents/purposes/purposes/analytics/gains_basis",
        silent=False,
    )
    assert problem["gains"] == {"analytics": 2}
    assert await shop.revision() == before
    assert (await put(shop, wider(STATED), 200))["version"] == 4
    assert (await put(shop, shipped(), 200))["version"] == 5, "whoever loses blocks nothing"
    assert (await put(shop, wider(OTHERWISE), 200))["version"] == 6


@pytest.mark.usefixtures("most")
async def test_a_basis_that_was_stated_for_an_earlier_gain_says_nothing_of_this_one(shop: Shop) -> None:
    await shop.given("anonymous_id:a-0001", "analytics")
    await put(shop, wider(STATED), 200)
    wider_still = '[purposes.analytics]\ncategories = ["orders", "browsing", "visit", "account", "contact"]'
    await put(shop, wider(STATED, wider_still), 409)
    await put(shop, wider(OTHERWISE, wider_still), 200)


async def test_a_simulation_says_who_gains_and_loses_and_changes_nothing(shop: Shop) -> None:
    await shop.given("anonymous_id:a-0001", "analytics")
    await shop.given("anonymous_id:a-0002", "analytics", "personalisation")
    before = await shop.revision()
    documents = wider('[purposes.personalisation]\ncategories = ["browsing"]\nretroactive = []')
    body = {"documents": documents, "simulate": True}
    answer = await shop.post("/v1/policies", body, by="dpo", status=200)
    assert (answer["activated"], await shop.revision()) == (False, before)
    told = {one.pop("purpose"): one for one in answer["simulation"]["purposes"]}
    assert told["analytics"] == {"before": 2, "after": 2, "gains": 2, "loses": 0, "blocks": True}
    assert told["personalisation"] == {"before": 1, "after": 1, "gains": 0, "loses": 1, "blocks": False}
    assert answer["simulation"]["identifiers"] == 2
    assert answer["simulation"]["statements"] == 3


async def test_a_simulation_says_who_enters_and_leaves_an_audience(shop: Shop) -> None:
    rule = {"op": "ge", "feature": "order_count", "value": 1}
    saved = {"title": "bought", "purposes": ["analytics", "personalisation"], "rule": rule}
    response = await shop.ask("PUT", "/v1/audiences/bought", saved, by="admin")
    assert response.status_code in {200, 201}, response.text
    for name in ("a-0001", "a-0002"):
        await shop.given(f"anonymous_id:{name}", "analytics", "personalisation")
    await shop.bought("anonymous_id:a-0001", 10)
    documents = changed(shipped(), "purposes", '[purposes.personalisation]\ncategories = ["browsing"]')
    changed(documents, "purposes", "[purposes.personalisation]\nretroactive = []")
    body = {"documents": documents, "simulate": True}
    answer = await shop.post("/v1/policies", body, by="dpo", status=200)
    assert answer["simulation"]["audiences"] == [
        {"audience": "bought", "purpose": "personalisation", "enter": 0, "leave": 1}
    ]


async def test_a_second_activation_of_a_controller_is_refused_while_one_is_under_way(
    shop: Shop, installation: Installation
) -> None:
    database, controller = installation.service.database, ControllerId(shop.controller_id)
    async with database.preparer.acquire() as connection, abandoning.alone(connection, controller):
        response = await shop.ask("POST", "/v1/policies", {"documents": shipped(), "activate": True})
        refused(response, 409, ActivationUnderWay.code)
    await put(shop, shipped(), 200)
