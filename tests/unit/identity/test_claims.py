"""A claim, which anybody can send, never parts what other evidence joins."""

import pytest

from assent.core.policy import ConflictRule, LinkKind
from assent.identity.resolve import DropReason, Resolution
from tests.support.identities import Evidence, Sighting, identity_policy, resolved, sighting

SPACES = "user!1 email phone device cookie"
AMBIGUOUS, LAST, FIRST = ConflictRule.AMBIGUOUS, ConflictRule.LAST_AUTHENTICATED, ConflictRule.FIRST_OWNER
VICTIM = frozenset({"user:v", "email:v"})
SERVER = sighting(5, "user:v email:v")


def claim(at: int, names: str) -> Sighting:
    return sighting(at, names, LinkKind.CLAIMED)


def home(found: tuple[Resolution, Evidence], name: str) -> frozenset[str]:
    resolution, evidence = found
    (group,) = (one for one in resolution.clusters if evidence.ids[name] in one)
    return evidence.named(group)


def dropped(found: tuple[Resolution, Evidence]) -> set[tuple[frozenset[str], DropReason]]:
    resolution, evidence = found
    return {(evidence.named((one.link.low, one.link.high)), one.reason) for one in resolution.dropped}


def went(*names: str) -> set[tuple[frozenset[str], DropReason]]:
    return {(frozenset(each.split()), DropReason.CLAIMED) for each in names}


@pytest.mark.parametrize("at", [1, 9])
@pytest.mark.parametrize("rule", ConflictRule)
def test_claiming_somebodys_address_parts_nobody_from_it(rule: ConflictRule, at: int) -> None:
    found = resolved(identity_policy(SPACES, rule), [SERVER, claim(at, "user:x email:v")])
    assert home(found, "user:v") == VICTIM
    assert not found[0].shared
    ((pair, reason),) = dropped(found)
    assert pair == {"user:x", "email:v"}
    # A rule that chooses may refuse it by itself.
    assert reason is DropReason.CLAIMED or (rule is not AMBIGUOUS and reason is DropReason.CONFLICT)


def test_a_claim_renews_no_older_link_past_a_newer_one() -> None:
    seen = [sighting(1, "user:x email:v"), SERVER, claim(9, "user:x email:v")]
    assert home(resolved(identity_policy(SPACES, LAST), seen), "user:v") == VICTIM


@pytest.mark.parametrize("name", ["user:v", "email:v"])
def test_claimed_browsers_make_nobodys_identifier_generic(name: str) -> None:
    claims = [claim(9, f"{name} cookie:{number}") for number in range(4)]
    found = resolved(identity_policy(SPACES, links_per_identifier=4), [SERVER, *claims])
    assert home(found, "user:v") == VICTIM
    assert not found[0].generic
    assert dropped(found) == went(*(f"{name} cookie:{number}" for number in range(4)))


def test_claimed_identifiers_push_nobody_out_of_their_profile() -> None:
    claims = [claim(1, f"email:v phone:{number}") for number in range(3)]
    policy = identity_policy("phone user!1 email cookie", identifiers_per_profile=4)
    found = resolved(policy, [SERVER, *claims])
    assert home(found, "user:v") == VICTIM
    assert not found[0].generic


def test_what_is_claimed_elsewhere_about_a_person_stands() -> None:
    seen = [SERVER, claim(6, "user:v cookie:a"), claim(7, "user:v phone:p"), claim(9, "user:x email:v")]
    found = resolved(identity_policy(SPACES), seen)
    assert home(found, "user:v") == VICTIM | {"cookie:a", "phone:p"}
    assert dropped(found) == went("user:x email:v")


def test_people_whom_a_browser_alone_joins_stay_joined() -> None:
    seen = [sighting(1, "user:v cookie:a"), sighting(2, "email:v cookie:a"), claim(9, "user:x cookie:a")]
    found = resolved(identity_policy(SPACES), seen)
    assert home(found, "user:v") == VICTIM | {"cookie:a"}
    assert dropped(found) == went("user:x cookie:a")


@pytest.mark.parametrize("first", [LinkKind.CLAIMED, LinkKind.OBSERVED])
def test_two_users_claimed_on_one_browser_share_it(first: LinkKind) -> None:
    found = resolved(
        identity_policy(SPACES), [sighting(1, "user:v cookie:a", first), claim(2, "user:x cookie:a")]
    )
    assert found[1].named(found[0].shared) == {"cookie:a"}
    assert {reason for _, reason in dropped(found)} == {DropReason.SHARED}


def test_whom_nothing_but_claims_ties_is_generic_by_them() -> None:
    claims = [claim(1, f"email:v cookie:{number}") for number in range(5)]
    found = resolved(identity_policy(SPACES, links_per_identifier=4), claims)
    assert found[1].named(found[0].generic) == {"email:v"}


def test_who_is_generic_by_firm_evidence_stays_so() -> None:
    seen = [sighting(1, f"email:v cookie:{number}") for number in range(5)]
    found = resolved(identity_policy(SPACES, links_per_identifier=4), [*seen, claim(1, "email:v cookie:9")])
    assert found[1].named(found[0].generic) == {"email:v"}
    assert {reason for _, reason in dropped(found)} == {DropReason.GENERIC}
