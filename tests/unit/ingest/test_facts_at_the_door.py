"""What is cut or left out before it is stored: precise places, and what a browser says a model computed."""

from typing import Any

import pytest

from assent.core.documents import parse_policy
from assent.core.errors import PolicyInvalid
from assent.core.policy import Policy
from assent.ingest import places
from assent.ingest.contents import contents
from tests.support.policy_documents import Documents, changed, shipped
from tests.unit.ingest.policy_of_tests import sent

PLACES = """
[categories.place]
traits = ["home"]
events = ["Store Found"]
context = ["location.place", "location.city"]
retention = "P1M"
[features.home_area]
type = "place"
trait = "home"
decimals = 1
[features.store_area]
type = "place"
aggregate = "last"
event = "Store Found"
path = "at.point"
[features.last_area]
type = "place"
aggregate = "last"
path = "context.location.place"
decimals = 1
"""
SCORES = """
[categories.predictions]
profiling = true
traits = ["churn"]
retention = "P1Y"
[features.churn]
type = "number"
trait = "churn"
model = { name = "churn-forest", version = "2026-02" }
"""
EXACT = {"lat": 45.464211, "lon": 9.191383}


def policy_of(toml: str, purposes: str = "") -> Policy:
    documents: Documents = changed(shipped(), "features", toml)
    return parse_policy(changed(documents, "purposes", purposes) if purposes else documents)[0]


def said(policy: Policy, path: str, *, server: bool = True, **item: object) -> str:
    return str(contents(sent(path, **item), policy, server=server))


def a_precise_place_is_never_kept() -> None:
    policy = policy_of(PLACES)
    told = said(policy, "identify", userId="u", traits={"home": EXACT})
    assert "'home': '45.45,9.15'" in told
    found = said(
        policy, "track", userId="u", event="Store Found", properties={"at": {"point": EXACT, "n": 1}}
    )
    assert "{'at': {'n': 1, 'point': '45.465,9.195'}}" in found
    context = {"location": {"latitude": EXACT["lat"], "longitude": EXACT["lon"], "city": "Milan", "speed": 3}}
    seen = said(policy, "page", anonymousId="a", context=context)
    assert "{'location': {'city': 'Milan', 'place': '45.45,9.15'}}" in seen
    assert not any("4642" in text or "1913" in text or "speed" in text for text in (told, found, seen))


def test_a_precise_place_is_never_kept() -> None:
    a_precise_place_is_never_kept()


@pytest.mark.parametrize("part", ["cut", "_replaced"])
def test_a_place_kept_as_it_came_is_caught(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if part == "cut":
        monkeypatch.setattr(places, "cut", lambda held, _: f"{held['lat']},{held['lon']}")
    else:
        monkeypatch.setattr(places, part, lambda data, *_: data)
    with pytest.raises((AssertionError, KeyError, TypeError)):
        a_precise_place_is_never_kept()


def test_what_is_no_place_is_left_out_and_a_place_can_be_taken_back() -> None:
    policy = policy_of(PLACES)
    assert "home" not in said(policy, "identify", userId="u", traits={"home": "Via Precisa 7"})
    assert "'home': None" in said(policy, "identify", userId="u", traits={"home": None})
    with pytest.raises(PolicyInvalid):
        policy_of(PLACES.replace('"location.place"', '"location.longitude"'))


def test_only_a_server_says_what_a_model_computed() -> None:
    policy = policy_of(SCORES)
    call: dict[str, Any] = {"anonymousId": "a", "traits": {"churn": 0.9, "country": "IT"}}
    assert "churn" in said(policy, "identify", **call)
    browser = said(policy, "identify", server=False, **call)
    assert "churn" not in browser
    assert "country" in browser


def test_only_a_purpose_that_profiles_may_use_what_a_model_computed() -> None:
    asking = "[purposes.personalisation]\ncategories = ['orders', 'predictions']\nretroactive = []\n"
    with pytest.raises(PolicyInvalid, match="profiling: expected true, because"):
        policy_of(SCORES, asking)
    policy = policy_of(SCORES, asking + "profiling = true")
    model = policy.features[policy.feature_ids["churn"]].model
    assert model is not None
    assert (model.name, model.version) == ("churn-forest", "2026-02")


def test_everything_is_not_what_a_model_computed() -> None:
    policy = policy_of(SCORES, "[purposes.analytics]\ncategories = ['*']")
    analytics = policy.purposes[policy.purpose_ids["analytics"]]
    assert not analytics.categories >> policy.category_ids["predictions"] & 1


def test_a_new_version_of_a_model_is_a_new_feature() -> None:
    documents = changed(shipped(), "features", SCORES)
    first, names = parse_policy(documents)
    newer = changed(documents, "features", SCORES.replace("2026-02", "2026-03"))
    second, _ = parse_policy(newer, names=names, version=2)
    assert first.feature_ids["churn"] != second.feature_ids["churn"]
    assert first.feature_ids["country"] == second.feature_ids["country"]
