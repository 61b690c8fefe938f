"""Which audiences answers named, read from what releases say of their rules. Pure."""

from collections.abc import Iterable

from assent.core.time import Instant


def named(answers: Iterable[tuple[str, Instant]]) -> dict[str, Instant]:
    """Return when answers last named each audience: `buyers@3:goal,others@1`; `-` names none."""
    found: dict[str, Instant] = {}
    for rules, at in answers:
        for said in rules.split(","):
            name = said.partition(":")[0].partition("@")[0]
            if name not in {"", "-"}:
                found[name] = max(at, found.get(name, at))
    return found
