"""How long the benchmarks take: sizes that may be quoted, and small ones that only show that they work."""

from msgspec import Struct


class Plan(Struct, frozen=True, kw_only=True):
    """The sizes of a run."""

    rounds: int = 7
    seconds: float = 1.5
    """How long a round drives one variant, where rounds go by time."""
    connections: tuple[int, ...] = (1, 32, 256)
    people: int = 10_000
    batches: int = 200
    """Bodies of 100 events that a round sends."""
    long_rounds: int = 5
    """How many rounds, where one takes long."""
    long_batches: int = 100
    """Bodies of 100 events in one of these."""
    stored_events: int = 2_000_000
    """Events that `stored` finds, planted as copies of `planted_events` that were ingested."""
    planted_events: int = 20_000
    planted_people: int = 1_000
    overload_s: float = 2.0
    """How long `overload` floods, and about how long it offers half the capacity before and after."""

    planned_identifiers: int = 20_000
    """Identifiers under the policy that `policies` replaces; a million with `--full`."""

    links: int = 500_000
    """Links that `identity` resolves in bulk, a quarter against networkx; 20 million with `--full`."""
    few_identifiers: int = 10_000
    many_identifiers: int = 60_000
    """Identifiers among which `identity` identifies and links, few and many; a million with `--full`."""
    linking_bodies: int = 5
    """Bodies of 100 identify calls in a round; at few identifiers everybody signs in once at most."""
    audience_people: int = 1_000_000
    """How many people `audience` counts among; ten millions with `--full`."""

    restarted_people: int = 100_000
    """How many people a process finds that `restart` starts; a million with `--full`."""

    beside_people: tuple[int, ...] = (10_000, 1_000_000)
    """Among how many people `beside` decides, few first; it counts beside among the last of them.

    Ten millions too with `--full`."""


FULL = Plan()
QUICK = Plan(
    rounds=2,
    seconds=0.3,
    people=200,
    batches=20,
    long_rounds=2,
    long_batches=20,
    stored_events=8_000,
    planted_events=400,
    planted_people=20,
    overload_s=0.5,
    planned_identifiers=2_000,
    links=20_000,
    few_identifiers=1_200,
    many_identifiers=3_000,
    linking_bodies=1,
    audience_people=20_000,
    restarted_people=2_000,
    beside_people=(400, 2_000),
)
"""Shows that the benchmarks run. Its figures say nothing."""
