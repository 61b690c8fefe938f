"""Who hears a denial though they are no longer one with who said it."""

import pytest
from msgspec import structs

from assent.core.policy import Policy
from tests.property.ingest.evidence import POLICY, Evidence, Said, Seen, Tied, fold

MAIL = "email:all@example.com"
PEOPLE = ("user_id:ada", "user_id:bob", "user_id:eve")
NAMED: list[Evidence] = [Seen(7, (one, MAIL), "Order Completed", 1) for one in PEOPLE]
GAVE: list[Evidence] = [Said(7, one, "personalisation", "given") for one in (*PEOPLE, MAIL)]
DENIED: list[Evidence] = [Said(31, MAIL, "personalisation", "withdrawn")]


def open_to(arrived: list[Evidence], policy: Policy = POLICY) -> set[str]:
    """Return which of the people the purpose may use."""
    board = fold(arrived, policy)
    purpose = policy.purpose_ids["personalisation"]
    ids = {
        name: one
        for ref, one in board.identifiers.items()
        for name in PEOPLE
        if ref.lookup == name.partition(":")[2].encode()
    }
    return {
        name
        for name, one in ids.items()
        if any(permit.purpose == purpose for permit in board.derived_of(one).permits[one])
    }


def test_everybody_who_goes_by_a_shared_address_hears_it() -> None:
    assert open_to([*GAVE, *NAMED]) == set(PEOPLE)
    assert open_to([*GAVE, *NAMED, *DENIED]) == set()


@pytest.mark.parametrize(("cap", "found"), [(2, set(PEOPLE)), (3, set())])
def test_nobody_hears_what_a_crowd_goes_by(cap: int, found: set[str]) -> None:
    policy = structs.replace(POLICY, links_per_identifier=cap)
    assert open_to([*GAVE, *NAMED, *DENIED], policy) == found


def test_who_is_said_to_be_somebody_else_does_not_hear_it() -> None:
    parted: list[Evidence] = [Tied(40, (PEOPLE[0], MAIL), denied=True)]
    assert open_to([*GAVE, *NAMED, *DENIED, *parted]) == {PEOPLE[0]}
    again = [Seen(50, (PEOPLE[0], MAIL), "Order Completed", 1)]
    assert open_to([*GAVE, *NAMED, *DENIED, *parted, *again]) == {PEOPLE[0]}


def test_a_claim_lets_nobody_hear_it() -> None:
    claimed: list[Evidence] = [one._replace(claimed=True) for one in NAMED if isinstance(one, Seen)]
    assert open_to([*GAVE, *claimed, *DENIED]) == set(PEOPLE)
