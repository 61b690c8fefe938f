"""How long the benchmarks take: sizes that may be quoted, and small ones that only show that they work."""

from msgspec import Struct


class Plan(Struct, frozen=True, kw_only=True):
    """The sizes of a run."""

    rounds: int = 7
    seconds: float = 2.0
    """How long a round drives one variant, where rounds go by time."""
    connections: tuple[int, ...] = (1, 32)
    people: int = 10_000
    batches: int = 200
    """Bodies of 100 events that a round sends."""


FULL = Plan()
QUICK = Plan(rounds=2, seconds=0.3, people=200, batches=20)
"""Shows that the benchmarks run. Its figures say nothing."""
