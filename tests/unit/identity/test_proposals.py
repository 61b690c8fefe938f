"""What a model proposes joins nobody that the policy, or another person, has a say about."""

from assent.core.policy import LinkKind
from assent.identity.resolve import DropReason
from tests.support.identities import Sighting, clusters, identity_policy, resolved, sighting

SPACES = "user!1 email device cookie"
SURE = identity_policy(SPACES, probable_threshold=600_000)


def proposed(at: int, names: str) -> Sighting:
    """A proposal: of weight one half and a tenth for each unit of `at`."""
    return sighting(at, names, LinkKind.PROBABLE)


def test_without_a_threshold_no_proposal_joins() -> None:
    world = [proposed(3, "user:anna cookie:a")]
    assert clusters(identity_policy(SPACES), world) == {frozenset({"user:anna"}), frozenset({"cookie:a"})}


def test_a_proposal_joins_from_the_threshold_on() -> None:
    assert len(clusters(SURE, [proposed(0, "user:anna cookie:a")])) == 2
    assert len(clusters(SURE, [proposed(1, "user:anna cookie:a")])) == 1


def test_a_proposal_never_joins_two_named_people() -> None:
    resolution, _ = resolved(SURE, [proposed(3, "user:anna email:bo@example.org")])
    assert len(resolution.clusters) == 2
    assert [one.reason for one in resolution.dropped] == [DropReason.UNSURE]


def test_proposals_that_lead_to_two_people_join_neither() -> None:
    world = [proposed(3, "user:anna cookie:a"), proposed(2, "user:bo cookie:a")]
    assert len(clusters(SURE, world)) == 3


def test_a_proposal_to_somebody_else_s_browser_does_not_disturb_it() -> None:
    firm = sighting(1, "user:anna cookie:a")
    assert frozenset({"user:anna", "cookie:a"}) in clusters(SURE, [firm, proposed(3, "user:bo cookie:a")])


def test_evidence_within_a_person_may_be_proposed_too() -> None:
    world = [sighting(1, "user:anna cookie:a"), proposed(3, "user:anna cookie:a")]
    resolution, _ = resolved(SURE, world)
    assert len(resolution.kept) == 2


def test_a_proposal_never_passes_the_cap_on_identifiers() -> None:
    tight = identity_policy(SPACES, identifiers_per_profile=2, probable_threshold=1)
    world = [sighting(1, "user:anna cookie:a"), proposed(3, "user:anna cookie:b")]
    assert clusters(tight, world) == {frozenset({"user:anna", "cookie:a"}), frozenset({"cookie:b"})}


def test_a_proposal_never_passes_the_cap_on_links_with_what_is_linked_already() -> None:
    tight = identity_policy(SPACES, links_per_identifier=2, probable_threshold=1)
    firm = [sighting(1, "user:anna cookie:a"), sighting(1, "user:anna cookie:b")]
    resolution, evidence = resolved(tight, [*firm, proposed(3, "user:anna cookie:c")])
    assert evidence.named(resolution.clusters[0]) == {"user:anna", "cookie:a", "cookie:b"}
    assert [one.reason for one in resolution.dropped] == [DropReason.GENERIC]
    assert clusters(tight, [firm[0], proposed(3, "user:anna cookie:c")]) == {
        frozenset({"user:anna", "cookie:a", "cookie:c"})
    }


def test_a_denied_pair_is_not_proposed_again() -> None:
    world = [proposed(3, "user:anna cookie:a")]
    assert len(clusters(SURE, world, [("user:anna", "cookie:a")])) == 2
