"""What leaves over events come to: exactly what was asked, or a refusal that points."""

import msgspec
import pytest

from assent.audiences import derive
from assent.audiences.derive import EventLeaf, lowered
from assent.audiences.rule import from_json, parse
from assent.core.documents import parse_policy
from assent.core.errors import WrongType
from assent.features.condition import compiled
from tests.support.policy_documents import shipped

POLICY = parse_policy(shipped())[0]
BOUGHT = {"op": "did", "event": "Order Completed", "compare": ">=", "count": 1}


def of(said: str) -> EventLeaf:
    leaf = parse(from_json(said))
    assert isinstance(leaf, EventLeaf)
    return leaf


def a_fraction_is_a_number() -> None:
    for op, fulfilling in (("eq", 99.5), ("ge", 100), ("lt", 0.25), ("between", 99.5)):
        bounds = '"low": 0.5, "high": 99.5' if op == "between" else '"value": 99.5'
        where = f'{{"op": "{op}", "feature": "revenue", {bounds}}}'
        said = f'{{"op": "did", "event": "Order Completed", "compare": ">=", "count": 1, "where": {where}}}'
        (feature,) = lowered(of(said), POLICY).features
        assert feature.leaf is not None
        fulfils = compiled(feature.leaf.where)
        assert fulfils({"revenue": fulfilling})
        assert not fulfils({"revenue": "99.5"})


def test_a_fraction_in_a_condition_is_a_number() -> None:
    a_fraction_is_a_number()


def test_a_fraction_that_became_a_text_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "_canonical", msgspec.json.Encoder(order="sorted").encode)
    with pytest.raises(AssertionError):
        a_fraction_is_a_number()


@pytest.mark.parametrize(
    ("leaf", "pointer"),
    [
        ({**BOUGHT, "count": 10**30}, "/rule/count"),
        (
            {
                "op": "agg",
                "event": "Order Completed",
                "aggregate": "sum",
                "path": "",
                "compare": ">=",
                "value": 1,
            },
            "/rule/path",
        ),
    ],
)
def test_what_no_answer_could_hold_is_refused_when_the_rule_is_saved(leaf: object, pointer: str) -> None:
    asked = parse(leaf)
    assert isinstance(asked, EventLeaf)
    with pytest.raises(WrongType) as refused:
        lowered(asked, POLICY, "/rule")
    assert refused.value.pointer == pointer
