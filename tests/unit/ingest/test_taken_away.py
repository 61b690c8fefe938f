"""What a statement takes away: all that its purpose carried until then, whatever had closed it."""

from assent.core.documents import parse_policy
from assent.core.ids import PurposeMask
from assent.ingest.board import Board
from tests.property.ingest.evidence import POLICY, Evidence, Said, Seen, Tied, fold, outcome
from tests.support.policy_documents import changed, shipped

ANALYTICS = POLICY.purpose_ids["analytics"]
PERSON, BROWSER = "user_id:u1", "anonymous_id:a1"

CLOSED_BY_A_LINK: tuple[Evidence, ...] = (
    Said(1, PERSON, "analytics", "given"),
    Seen(2, (PERSON,), "Product Viewed", "shoes"),
    Said(3, BROWSER, "analytics", "withdrawn"),
    Tied(4, (PERSON, BROWSER)),
)


def views(board: Board) -> object:
    released = outcome(board).released
    return next(
        (values["products_viewed"] for (name, _), values in released.items() if name == "analytics"), None
    )


def carried(board: Board) -> set[PurposeMask]:
    """Return the basis sets of everything that is stored."""
    kept = {basis for states in board.states.values() for _, basis in states}
    return kept | {item.basis for item in board.items} | {content.basis for content in board.contents}


def by_analytics(board: Board) -> bool:
    return any(basis >> ANALYTICS & 1 for basis in carried(board))


def test_a_link_alone_closes_and_takes_nothing_away() -> None:
    board = fold(CLOSED_BY_A_LINK)
    assert views(board) is None
    assert by_analytics(board)


def test_what_a_link_closed_is_not_seen_again_under_a_later_consent() -> None:
    board = fold((*CLOSED_BY_A_LINK, Said(5, PERSON, "analytics", "given", by_person=True)))
    assert views(board) == 0
    assert not by_analytics(board)


def test_a_withdrawal_takes_away_what_a_link_had_closed() -> None:
    for who in (PERSON, BROWSER):
        assert not by_analytics(fold((*CLOSED_BY_A_LINK, Said(5, who, "analytics", "withdrawn"))))


def test_a_withdrawal_of_another_purpose_takes_nothing_else_away() -> None:
    assert by_analytics(fold((*CLOSED_BY_A_LINK, Said(5, PERSON, "personalisation", "withdrawn"))))


def test_a_first_consent_takes_nothing_from_others() -> None:
    board = fold((*CLOSED_BY_A_LINK[:2], Said(3, PERSON, "personalisation", "given")))
    assert views(board) == 1_000_000


def test_a_purpose_that_saw_what_another_carried_is_told_when_it_goes() -> None:
    # Orders rest on consent here, so nothing but analytics carries this one; personalisation may reach back.
    toml = '[purposes.service]\ncategories = ["account", "contact", "identity"]'
    policy, names = parse_policy(changed(shipped(), "purposes", toml))
    lived = (
        Said(1, PERSON, "analytics", "given"),
        Seen(2, (PERSON,), "Order Completed", 5),
        Said(3, PERSON, "personalisation", "given"),
    )
    personalisation = policy.purpose_ids["personalisation"]
    before = fold(lived, policy, names)
    after = fold((*lived, Said(4, PERSON, "analytics", "withdrawn")), policy, names)
    orders = [
        values["order_count"]
        for board in (before, after)
        for (name, _), values in outcome(board).released.items()
        if name == "personalisation"
    ]
    assert orders == [1_000_000, 0]
    assert after.sequences[personalisation] > before.sequences[personalisation]
    assert any(
        narrowing for (purpose, _), (_, narrowing) in after.changed.items() if purpose == personalisation
    )
