"""What a purpose may count as one person."""

from assent.core.ids import EntryIndex, IdentifierId, ProfileId
from assent.core.policy import LinkKind, LinkUse
from assent.core.time import Instant
from assent.identity.explain import Tie, explain
from assent.identity.resolve import DropReason, Link
from assent.identity.views import Unusable, cut, profile_ids, unusable

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
    assert unusable(observed, link(A, B), frozenset(), frozenset()) is None
    assert unusable(observed, link(A, B, LinkKind.CLAIMED), frozenset(), frozenset()) is Unusable.KIND


def test_no_kind_admitted_means_no_link_is_usable() -> None:
    assert unusable(LinkUse(kinds=frozenset()), link(A, B), frozenset(), frozenset({A, B})) is Unusable.KIND


def test_a_denial_at_either_end_closes_a_link() -> None:
    assert unusable(EVERY, link(A, B), frozenset({A}), frozenset()) is Unusable.DENIED
    assert unusable(EVERY, link(A, B), frozenset({B}), frozenset()) is Unusable.DENIED


def test_agreement_of_one_end_suffices_and_silence_does_not() -> None:
    assert unusable(AGREED, link(A, B), frozenset(), frozenset()) is Unusable.NOT_AGREED
    assert unusable(AGREED, link(A, B), frozenset(), frozenset({A})) is None
    assert unusable(AGREED, link(A, B), frozenset(), frozenset({B})) is None


def test_a_denial_beats_an_agreement() -> None:
    for denying in (A, B):
        for agreeing in ({A}, {B}, {A, B}):
            found = unusable(AGREED, link(A, B), frozenset({denying}), frozenset(agreeing))
            assert found is Unusable.DENIED


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


def counting(*links: Link) -> list[Tie]:
    return [Tie(link=one, fault=None) for one in links]


def test_a_chain_is_the_shortest_way() -> None:
    found = explain(counting(link(A, B), link(B, C), link(C, D), link(A, C)), D, A)
    assert found.together
    assert found.chain == tuple(counting(link(C, D), link(A, C)))


def test_the_oldest_evidence_of_a_pair_speaks() -> None:
    old, new = link(A, B, LinkKind.ASSERTED, at=1), link(A, B, LinkKind.OBSERVED, at=2)
    assert explain(counting(new, old), A, B).chain == tuple(counting(old))


def test_evidence_that_counts_speaks_before_older_evidence_that_does_not() -> None:
    old, new = link(A, B, LinkKind.CLAIMED, at=1), link(A, B, LinkKind.OBSERVED, at=2)
    refused = Tie(link=old, fault=Unusable.KIND)
    assert explain([refused, *counting(new)], A, B).chain == tuple(counting(new))


def test_of_two_people_the_links_that_do_not_count_are_named() -> None:
    denied = Tie(link=link(B, C), fault=DropReason.DENIED)
    found = explain([*counting(link(A, B)), denied], A, C)
    assert not found.together
    assert found.chain == (*counting(link(A, B)), denied)


def test_without_evidence_there_is_no_chain() -> None:
    assert explain(counting(link(A, B), link(C, D)), A, D).chain is None
    assert explain(counting(link(A, B)), A, D).chain is None


def test_an_identifier_needs_no_link_to_itself() -> None:
    assert explain([], A, A).together
