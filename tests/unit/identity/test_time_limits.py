"""Links that are over, and limits that hold for a period."""

from itertools import permutations

import pytest

from assent.core.policy import ConflictRule, LinkKind
from assent.core.time import Instant, parse_duration, parse_time
from assent.identity.lifetime import ends_at
from assent.identity.resolve import DropReason
from tests.support.identities import clusters, identity_policy, resolved, sighting

AMBIGUOUS, LAST, FIRST = ConflictRule.AMBIGUOUS, ConflictRule.LAST_AUTHENTICATED, ConflictRule.FIRST_OWNER


def named(*groups: str) -> set[frozenset[str]]:
    return {frozenset(group.split()) for group in groups}


# Lifetimes.

SEEN = [sighting(1, "user:a cookie:x"), sighting(5, "user:a cookie:y")]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (10, named("user:a cookie:x cookie:y")),
        (11, named("user:a cookie:y", "cookie:x")),
        (14, named("user:a cookie:y", "cookie:x")),
        (15, named("user:a", "cookie:x", "cookie:y")),
    ],
)
def test_a_link_counts_until_its_lifetime_after_it_was_seen_last_half_open(
    now: int, expected: set[frozenset[str]]
) -> None:
    assert clusters(identity_policy("user!1 cookie~10"), SEEN, now=now) == expected


def test_a_link_that_is_over_says_so() -> None:
    resolution, _ = resolved(identity_policy("user!1 cookie~10"), SEEN, now=11)
    assert [one.reason for one in resolution.dropped] == [DropReason.EXPIRED]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_seen_again_it_links_again_in_whatever_order_that_becomes_known(order: tuple[int, ...]) -> None:
    seen = [sighting(1, "user:a cookie:x"), sighting(20, "user:a cookie:x"), sighting(3, "user:a email:e")]
    policy = identity_policy("user!1 email cookie~10", FIRST)
    resolution, evidence = resolved(policy, [seen[place] for place in order], now=29)
    assert {evidence.named(group) for group in resolution.clusters} == named("user:a cookie:x email:e")
    first = {evidence.named((one.low, one.high)): one.first_at for one in resolution.kept}
    assert first[frozenset(("user:a", "cookie:x"))] == 1


def test_of_two_ends_the_shorter_lifetime_counts() -> None:
    policy = identity_policy("user!1~9 cookie~4")
    seen = [sighting(0, "user:a cookie:x")]
    assert clusters(policy, seen, now=3) == named("user:a cookie:x")
    assert clusters(policy, seen, now=4) == named("user:a", "cookie:x")


@pytest.mark.parametrize("kind", [LinkKind.OBSERVED, LinkKind.CLAIMED, LinkKind.ASSERTED])
def test_every_kind_of_evidence_ages(kind: LinkKind) -> None:
    seen = [sighting(0, "user:a cookie:x", kind)]
    assert clusters(identity_policy("user!1 cookie~4"), seen, now=4) == named("user:a", "cookie:x")


def test_a_browser_between_two_people_is_given_back_when_the_one_link_is_over() -> None:
    policy = identity_policy("user!1 cookie~10")
    seen = [sighting(0, "user:a cookie:x"), sighting(5, "user:b cookie:x")]
    assert clusters(policy, seen, now=9) == named("user:a", "user:b", "cookie:x")
    assert clusters(policy, seen, now=10) == named("user:a", "user:b cookie:x")


def test_a_lifetime_of_months_is_counted_on_the_calendar() -> None:
    policy = identity_policy("user!1 cookie~1")
    space = policy.namespace_ids["cookie"]
    at = parse_time("2026-01-31T12:00:00Z")
    found = ends_at({space: parse_duration("P1M")}, policy.namespace_ids["user"], space, at)
    assert found == parse_time("2026-02-28T12:00:00Z")


# Limits for a period.

PHONES = [sighting(at, f"user:a phone:{at}") for at in (0, 4, 8, 12)]


@pytest.mark.parametrize("rule", ConflictRule)
def test_a_limit_for_a_period_admits_more_over_the_years(rule: ConflictRule) -> None:
    together = named("user:a phone:0 phone:4 phone:8 phone:12")
    assert clusters(identity_policy("user!1 phone!2/8", rule), PHONES) == together


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (AMBIGUOUS, named("user:a phone:12", "phone:0", "phone:4", "phone:5")),
        (FIRST, named("user:a phone:0 phone:4 phone:12", "phone:5")),
        (LAST, named("user:a phone:12 phone:5 phone:4", "phone:0")),
    ],
)
def test_too_many_in_a_period_are_cut_as_the_rule_says(
    rule: ConflictRule, expected: set[frozenset[str]]
) -> None:
    seen = [sighting(at, f"user:a phone:{at}") for at in (0, 4, 5, 12)]
    policy = identity_policy("user!1 phone!2/8", rule)
    for order in permutations(seen):
        assert clusters(policy, order) == expected


def test_a_period_is_half_open() -> None:
    policy = identity_policy("user!1 phone!1/8", FIRST)
    seen = [sighting(0, "user:a phone:0"), sighting(8, "user:a phone:8")]
    assert clusters(policy, seen) == named("user:a phone:0 phone:8")
    assert clusters(identity_policy("user!1 phone!1/9", FIRST), seen) == named("user:a phone:0", "phone:8")


def test_one_per_period_is_not_unique() -> None:
    policy = identity_policy("user!1 phone!1/8", FIRST)
    both = [sighting(0, "user:a phone:0"), sighting(9, "user:a phone:9"), sighting(9, "phone:0 phone:9")]
    assert clusters(policy, both, now=Instant(20)) == named("user:a phone:0 phone:9")


# Since when somebody is known: the oldest evidence that stands before anything is cut.

PERIODS = identity_policy("user!1 device!1/3 cookie", LAST, probable_threshold=1)
TWO_DEVICES = [
    sighting(0, "device:1 cookie:x"),
    sighting(9, "user:b cookie:x"),
    sighting(5, "user:a device:1"),
    sighting(6, "user:a device:2"),
]


def test_evidence_that_is_cut_says_since_when_somebody_is_known_all_the_same() -> None:
    apart = named("user:a device:1 device:2", "user:b cookie:x")
    assert clusters(PERIODS, TWO_DEVICES) == apart
    guessed = [*TWO_DEVICES, sighting(7, "user:a cookie:z", LinkKind.PROBABLE)]
    assert clusters(PERIODS, guessed) == named("user:a device:1 device:2 cookie:z", "user:b cookie:x")


def test_a_guess_does_not_say_since_when_somebody_is_known_whom_evidence_shows() -> None:
    seen = [sighting(0, "user:a device:1"), sighting(3, "device:2 cookie:y")]
    assert clusters(PERIODS, [*seen, sighting(2, "user:a device:2", LinkKind.PROBABLE)]) == named(
        "user:a device:1 device:2 cookie:y"
    )
    assert clusters(PERIODS, [seen[0], sighting(2, "user:a device:2", LinkKind.PROBABLE)]) == named(
        "user:a device:1", "device:2"
    )
