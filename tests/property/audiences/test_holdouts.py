"""A bucket stays: through any order of merges and splits, and through every question that asks for it."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from assent.audiences.evaluate import Truth, evaluate
from assent.audiences.holdout import Arm, Holdout, arm_of, part
from assent.audiences.rule import All
from assent.audiences.seen import Opening, Shown, seen_at
from assent.core.ids import CategoryMask, NamespaceId, ProfileId
from assent.core.policy import IdentifierKind, Namespace
from assent.core.time import FOREVER, Instant
from assent.gate import profile as profile_module
from assent.gate.profile import profiles
from tests.property.audiences.test_engine import CANARY, LAWS
from tests.property.audiences.worlds import ASKING, POLICY, START

NOW = Instant(START)
KINDS = (IdentifierKind.PERSON, IdentifierKind.DEVICE, IdentifierKind.COOKIE)
WITH_NAMESPACES = msgspec.structs.replace(
    POLICY,
    namespaces={
        NamespaceId(number): Namespace(id=NamespaceId(number), name=kind.value, kind=kind, priority=number)
        for number, kind in enumerate(KINDS, 1)
    },
)
HALVES = [Holdout(share=500_000, salt=str(number)) for number in range(24)]
"""So many that two people are told apart."""


class Known(Struct, frozen=True, order=True):
    """An identifier: since when the purpose may use it, its namespace, its keyed hash."""

    since: int
    namespace: int
    lookup: bytes


known = st.builds(
    Known,
    since=st.integers(0, 2).map(lambda days: START - days),
    namespace=st.integers(1, 3),
    lookup=st.binary(min_size=16, max_size=16),
)
people = st.lists(st.lists(known, min_size=1, max_size=3), min_size=2, max_size=5).filter(
    lambda some: len({one.lookup for each in some for one in each}) == sum(map(len, some))
)


def buckets(identifiers: Sequence[Known]) -> list[Arm | None]:
    """Return the buckets of the profile that identifiers make, by each of many salts."""
    rows = [
        (1, number, one.namespace, one.lookup, 2, one.since, FOREVER, *[None] * 8)
        for number, one in enumerate(identifiers)
    ]
    (found,) = profiles(WITH_NAMESPACES, POLICY.purposes[ASKING], rows, NOW)
    return [arm_of(holdout, found.subject) for holdout in HALVES]


def a_bucket_stays(some: list[list[Known]], order: list[int]) -> None:
    """Of any two who merge the one known longest gives the bucket; whatever the order, and back again."""
    apart = [buckets(each) for each in some]
    merged, bucket = list(some[order[0]]), apart[order[0]]
    for place in order[1:]:
        longest = min(merged) < min(some[place])
        bucket = bucket if longest else apart[place]
        merged = [*some[place], *merged]
        assert buckets(merged) == bucket
    first = min(range(len(some)), key=lambda place: min(some[place]))
    assert buckets(merged) == buckets(sorted(merged)) == apart[first]
    for place, each in enumerate(some):
        rest = [one for one in merged if one not in each]
        assert buckets([one for one in merged if one in each]) == apart[place]
        # Who leaves takes the bucket along only if it was theirs.
        assert place == first or not rest or buckets(rest) == apart[first]


orders = people.flatmap(lambda some: st.tuples(st.just(some), st.permutations(range(len(some)))))


@LAWS
@given(orders)
def test_a_bucket_stays_through_any_order_of_merges_and_splits(
    both: tuple[list[list[Known]], list[int]],
) -> None:
    a_bucket_stays(*both)


@LAWS
@given(known, st.sampled_from(HALVES))
def test_a_rule_for_a_bucket_holds_for_whom_it_is_drawn(one: Known, holdout: Holdout) -> None:
    person = Shown(
        profile=ProfileId(1),
        values={},
        permits=(Opening(CategoryMask(2), Instant(0)),),
        subject=one.lookup,
    )
    for arm in Arm:
        asked = part(All(), holdout, arm)
        holds = evaluate(asked, POLICY, seen_at(person, NOW), NOW, {}, "") is Truth.TRUE
        assert holds is (arm_of(holdout, one.lookup) is arm)


def test_a_bucket_of_whoever_came_last_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_module, "min", lambda *some, **_: some[-1], raising=False)
    with pytest.raises(AssertionError):
        CANARY(given(orders)(lambda both: a_bucket_stays(*both)))()


def test_a_bucket_by_the_lowest_hash_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_hash(*some: object, **_: object) -> object:
        return min(some, key=lambda one: one[-1] or b"\xff" * 32 if isinstance(one, tuple) else b"")

    monkeypatch.setattr(profile_module, "min", by_hash, raising=False)
    with pytest.raises(AssertionError):
        CANARY(given(orders)(lambda both: a_bucket_stays(*both)))()
