"""What a purpose may count as one person."""

from assent.core.ids import EntryIndex, IdentifierId, ProfileId
from assent.core.policy import LinkKind, LinkUse
from assent.core.time import Instant
from assent.identity.explain import chain
from assent.identity.resolve import Link
from assent.identity.views import cut, profile_ids, usable

A, B, C, D = map(IdentifierId, (64, 128, 192, 256))
EVERY = LinkUse(kinds=frozenset(LinkKind))
AGREED = LinkUse(kinds=frozenset(LinkKind), agreement=True)


def link(low: IdentifierId, high: IdentifierId, kind: LinkKind = LinkKind.OBSERVED, at: int = 1) -> Link:
    entry = EntryIndex(at)
    return Link(
        low=low,
        high=high,
        kind=kind,
        first_at=Instant(at),
        last_at=Instant(at),
        first_entry=entry,
        last_entry=entry,
    )


def test_a_kind_that_the_policy_does_not_admit_is_not_usable() -> None:
    observed = LinkUse(kinds=frozenset({LinkKind.OBSERVED}))
    assert usable(observed, link(A, B), frozenset(), frozenset())
    assert not usable(observed, link(A, B, LinkKind.CLAIMED), frozenset(), frozenset())


def test_no_kind_admitted_means_no_link_is_usable() -> None:
    assert not usable(LinkUse(kinds=frozenset()), link(A, B), frozenset(), frozenset({A, B}))


def test_a_denial_at_either_end_closes_a_link() -> None:
    assert not usable(EVERY, link(A, B), frozenset({A}), frozenset())
    assert not usable(EVERY, link(A, B), frozenset({B}), frozenset())


def test_agreement_of_one_end_suffices_and_silence_does_not() -> None:
    assert not usable(AGREED, link(A, B), frozenset(), frozenset())
    assert usable(AGREED, link(A, B), frozenset(), frozenset({A}))
    assert usable(AGREED, link(A, B), frozenset(), frozenset({B}))


def test_a_denial_beats_an_agreement() -> None:
    assert not usable(AGREED, link(A, B), frozenset({A}), frozenset({B}))


def test_a_view_splits_where_a_link_is_not_usable() -> None:
    kept = [link(A, B), link(B, C), link(C, D)]
    assert cut([A, B, C, D], kept, EVERY) == ((A, B, C, D),)
    assert cut([A, B, C, D], kept, EVERY, denies=frozenset({D})) == ((A, B, C), (D,))
    assert cut([A, B, C, D], kept, AGREED, agrees=frozenset({A})) == ((A, B), (C,), (D,))


def test_a_second_link_of_an_admitted_kind_holds_a_pair_together() -> None:
    asserted = LinkUse(kinds=frozenset({LinkKind.ASSERTED}))
    assert cut([A, B], [link(A, B, LinkKind.CLAIMED), link(A, B, LinkKind.ASSERTED)], asserted) == ((A, B),)


def test_a_profile_is_named_after_its_lowest_identifier() -> None:
    assert profile_ids([(B, C), (D,)]) == {B: ProfileId(B), C: ProfileId(B), D: ProfileId(D)}


def test_a_chain_is_the_shortest_way() -> None:
    links = [link(A, B), link(B, C), link(C, D), link(A, C)]
    assert chain(links, D, A) == (link(C, D), link(A, C))


def test_the_oldest_evidence_of_a_pair_speaks() -> None:
    old, new = link(A, B, LinkKind.ASSERTED, at=1), link(A, B, LinkKind.OBSERVED, at=2)
    assert chain([new, old], A, B) == (old,)


def test_without_a_chain_there_is_no_explanation() -> None:
    assert chain([link(A, B), link(C, D)], A, D) is None
    assert chain([link(A, B)], A, D) is None


def test_an_identifier_needs_no_link_to_itself() -> None:
    assert chain([], A, A) == ()
