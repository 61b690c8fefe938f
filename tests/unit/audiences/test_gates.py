"""Rules as gates stay small, however often audiences refer to each other."""

from assent.audiences.gates import Gate, Gates, Part
from assent.audiences.rule import parse
from tests.property.audiences.worlds import POLICY


def size(part: Part) -> int:
    return 1 + sum(size(inner) for _, inner in part.parts) if isinstance(part, Gate) else 1


def test_an_audience_of_everyone_is_not_taken_in_without_end() -> None:
    rules = {"a0": parse({"op": "all"})}
    for number in range(1, 4):
        many = [{"op": "audience", "audience": f"a{number - 1}"}] * 20
        rules[f"a{number}"] = parse({"op": "or", "of": many})
    assert size(Gates(POLICY, rules).named("a3")) < 64 * 64
