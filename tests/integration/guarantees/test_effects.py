"""Buckets, goals and what sets members apart are functions of what the purpose may use: two worlds, alike."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from assent.audiences import answers
from assent.audiences.answers import Member
from assent.audiences.distinctive import Distinctive, distinctive
from assent.audiences.holdout import Holdout, arm_of
from assent.core.ids import ProfileId
from tests.integration.guarantees import worlds
from tests.integration.guarantees.test_non_interference import (
    PURPOSES,
    STATES_OF_ANY_BASIS,
    compared,
    fuller,
    gate_without,
    two_databases,
)
from tests.integration.guarantees.worlds import OTHERS, PEOPLE, Answer, Step, audience, hidden, says
from tests.support.database import TestDatabase, ask
from tests.support.service import InProcess, bearer, subject

__all__ = ["two_databases"]

GOALS = [
    {"id": "again", "title": "t", "rule": 'did("Order Completed", at least 2)'},
    {"id": "dear", "title": "t", "rule": "order_value > 20"},
    {"id": "half", "title": "t", "rule": 'not bucket("other", from 0 to 0.5)'},
]


def with_effects(step: Step) -> Step:
    """Return the step; an audience that is saved holds half out and has goals."""
    if step.method == "PUT" and "service" in step.body["purposes"] and len(step.body["purposes"]) > 1:
        step.body.update(holdout={"share": 0.5, "salt": "spring"}, goals=GOALS)
    return step


async def effects(service: InProcess, purpose: str) -> list[Answer]:
    """Return what an engine receives that asks for everything of this kind."""
    headers = bearer(service.keys.engines[purpose])
    found = []
    everybody = [subject(one) for one in (*PEOPLE, *OTHERS)]
    asked = {"/v1/decisions": {"subjects": everybody, "audiences": ["*"]}}
    for name in ("buyers", "not_big"):
        for what in ("goals", "distinctive"):
            asked[f"/v1/audiences/{name}/{what}"] = {}
        asked[f"/v1/audiences/{name}/members"] = {"buckets": ["control"]}
    for path, body in asked.items():
        found.append(await service.http.post(path, json={"purpose": purpose, **body}, headers=headers))
    for name in ("buyers", "not_big"):
        path = f"/v1/audiences/{name}/changes"
        found.append(await service.http.get(path, params={"purpose": purpose}, headers=headers))
    assert all(each.status_code == 200 for each in found), [each.text for each in found]
    return [worlds._received(each) for each in found]


@pytest.fixture
def telling(monkeypatch: pytest.MonkeyPatch) -> list[Distinctive]:
    """Ask for effects alone, and tell of single people, of whom there are too few to tell otherwise."""
    told: list[Distinctive] = []

    def finest(tally: object, features: object, names: object, _: int, limit: int) -> Sequence[Distinctive]:
        found = distinctive(tally, features, names, 1, limit)  # type: ignore[arg-type]
        told.extend(found)
        return found

    monkeypatch.setattr(worlds, "_asked", effects)
    monkeypatch.setattr("assent.audiences.answers.distinctive", finest)
    return told


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_what_a_purpose_may_not_use_changes_no_bucket_no_goal_and_no_value(
    two_databases: list[TestDatabase], folder: Path, purpose: str, telling: list[Distinctive]
) -> None:
    steps = [with_effects(step) for step in fuller(purpose)]
    assert await compared(two_databases, folder, purpose, steps) == []
    assert telling or purpose != "personalisation"


async def test_a_gate_with_one_condition_less_is_found(
    two_databases: list[TestDatabase], folder: Path, telling: list[Distinctive]
) -> None:
    for database in two_databases:
        await ask(database.dsn(), gate_without(STATES_OF_ANY_BASIS))
    looked = audience("buyers", ["personalisation"], {"op": "all"})
    looked.body.update(goals=[{"id": "looked", "title": "t", "rule": "products_viewed >= 1"}])
    steps = [looked, *fuller("personalisation")]
    steps = [step for step in steps if step is looked or step.path != looked.path]
    differing = await compared(two_databases, folder, "personalisation", steps)
    assert any(b'"goals"' in one[2] for one, _ in differing)
    assert telling


async def test_a_bucket_by_the_number_of_the_profile_is_found(
    two_databases: list[TestDatabase],
    folder: Path,
    telling: list[Distinctive],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Numbers inside count entries that the purpose may not use."""

    def by_number(name: str, profile: ProfileId, holdout: Holdout | None) -> Member:
        return Member(name, profile, arm_of(holdout, profile.to_bytes(8, "big")))

    monkeypatch.setattr(answers, "arm_of", lambda holdout, _: holdout)
    monkeypatch.setattr(answers, "Member", by_number)
    newcomer = hidden(says("anonymous_id:c9", "analytics", "given"))
    steps = [*newcomer, *(with_effects(step) for step in fuller("service"))]
    assert await compared(two_databases, folder, "service", steps)
