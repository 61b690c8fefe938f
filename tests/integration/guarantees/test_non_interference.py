"""Two worlds that differ only in what a purpose may not use look alike to its engine, byte for byte."""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from assent.audiences.shelf import Audience, AudienceShelf
from assent.core.ids import ControllerId, IdentifierId, PurposeId
from assent.gate.references import References
from assent.identity import views
from assent.ingest import accounts, collecting
from assent.ingest.board import Board
from assent.ingest.changing import Change
from assent.resources import sql_folder
from tests.integration.guarantees.worlds import (
    ASK,
    AUDIENCES,
    Answer,
    Step,
    audience,
    differences,
    hidden,
    identify,
    lived,
    says,
    track,
    world,
)
from tests.support.database import TestDatabase, ask, clone, run
from tests.support.policy_documents import Documents, with_companies

PURPOSES = ("personalisation", "analytics", "service")
OTHER = {"personalisation": "analytics", "analytics": "personalisation", "service": "analytics"}


def viewed(**who: object) -> Step:
    return track("Product Viewed", properties={"category": "shoes"}, **who)


def bought(revenue: float = 10, **who: object) -> Step:
    return track("Order Completed", properties={"revenue": revenue, "quantity": 2}, **who)


def told(**who: object) -> Step:
    """Contact data alone: no category of personalisation or analytics."""
    return track("An Unnamed Thing", context={"traits": {"name": "Somebody"}}, **who)


def lives(purpose: str) -> list[Step]:
    """What happens in both worlds: people who gave, bought, browsed, and one who withdrew."""
    return [
        *(audience(name, PURPOSES, rule) for name, rule in AUDIENCES.items()),
        *(
            says(who, each, "given")
            for who in ("anonymous_id:a1", "anonymous_id:a2", "anonymous_id:a3", "user_id:u1", "user_id:u2")
            for each in ("personalisation", "analytics")
        ),
        says("anonymous_id:a4", OTHER[purpose], "given"),
        says("anonymous_id:a5", OTHER[purpose], "given"),
        viewed(anonymousId="a1"),
        bought(userId="u1", revenue=12.5),
        identify(userId="u1", anonymousId="a1", traits={"country": "IT"}),
        ASK,
        viewed(anonymousId="a2"),
        bought(userId="u2", revenue=30),
        identify(userId="u2", traits={"email": "u2@example.com"}),
        bought(anonymousId="a3"),
        *agreed_late(purpose),
        ASK,
        *([] if purpose == "service" else hidden(bought(anonymousId="a5"))),  # in another session
        viewed(anonymousId="a1"),
        says("anonymous_id:a3", "personalisation", "withdrawn"),
        says("anonymous_id:a3", "analytics", "withdrawn"),
        bought(userId="u1"),
        ASK,
    ]


def agreed_late(purpose: str) -> list[Step]:
    """Two who agreed after another purpose had data of them; one of them to a part of it."""
    if purpose == "service":
        return []
    return [
        *hidden(viewed(anonymousId="a4"), bought(anonymousId="a5")),
        says("anonymous_id:a4", purpose, "given"),
        says("anonymous_id:a5", purpose, "given", categories=["browsing"]),
        *hidden(bought(anonymousId="a5")),
    ]


def unusable(purpose: str) -> list[list[Step]]:
    """What the purpose may not use, in pieces that go between what happens anyway."""
    other = OTHER[purpose]
    pieces = [
        # Statements about other purposes, by people it is given.
        hidden(says("user_id:u1", "advertising", "given"), says("user_id:u2", "email_marketing", "objected")),
        hidden(says("anonymous_id:a2", "advertising", "refused")),
        # An audience of another purpose.
        hidden(audience("hot", [other], AUDIENCES["buyers"])),
    ]
    if purpose != "service":
        refused = says("user_id:r1", purpose, "refused")
        pieces += [
            # Somebody who refused it, and buys and looks for others.
            hidden(refused, says("user_id:r1", other, "given"), bought(userId="r1"), viewed(userId="r1")),
            hidden(says("anonymous_id:b1", purpose, "refused"), bought(anonymousId="b1", revenue=99)),
            # Somebody who gave another purpose alone.
            hidden(says("anonymous_id:c9", other, "given"), viewed(anonymousId="c9")),
            # Data of categories that are not its own.
            hidden(told(userId="u1")),
            hidden(told(anonymousId="a2")),
        ]
    if purpose == "service":
        # Browsing of people it knows by their orders, carried by others.
        pieces += [hidden(viewed(userId="u1")), hidden(viewed(userId="u2"), viewed(anonymousId="a1"))]
    if purpose == "personalisation":
        # A browser's claim is no link that it may use.
        pieces += [hidden(msgspec.structs.replace(told(userId="u2", anonymousId="a2"), key="browser"))]
    return pieces


def fuller(purpose: str) -> list[Step]:
    """Both worlds' steps in their order, what the purpose may not use spread among them."""
    base, pieces = lives(purpose), unusable(purpose)
    begin = next(place for place, step in enumerate(base) if step.path == "/v1/identify")
    places = [begin + place * (len(base) - 1 - begin) // len(pieces) for place in range(len(pieces))]
    for place, piece in sorted(zip(places, pieces, strict=True), key=lambda one: -one[0]):
        base[place:place] = piece
    return base


@pytest.fixture
def two_databases(fresh_database: TestDatabase, template_database: str) -> Iterator[list[TestDatabase]]:
    with clone(fresh_database.server, template_database) as other:
        for database in (fresh_database, other):
            # Nothing crashes here; waiting for the disk at each answer would be most of the test's time.
            run(database.dsn(), f"ALTER DATABASE {database.name} SET synchronous_commit = off")
        yield [fresh_database, other]


async def compared(
    databases: list[TestDatabase],
    folder: Path,
    purpose: str,
    steps: list[Step],
    documents: Documents | None = None,
) -> list[tuple[Answer, Answer]]:
    """Return the answers by which an engine of the purpose tells the two worlds apart."""
    received = []
    for number, database in enumerate(databases):
        place = folder / str(number)
        shutil.rmtree(place, ignore_errors=True)
        async with world(database, place, folder / "ring.json", documents) as service:
            received.append(await lived(service, purpose, steps, fuller=bool(number)))
    return list(differences(*received))


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_what_a_purpose_may_not_use_changes_nothing_its_engine_receives(
    two_databases: list[TestDatabase], folder: Path, purpose: str
) -> None:
    assert await compared(two_databases, folder, purpose, fuller(purpose)) == []


def gate_without(condition: str) -> str:
    """Return the gate's view without one of its conditions."""
    text = (sql_folder() / "migrations" / "0021_accounts.sql").read_text()
    view = text[text.index("CREATE OR REPLACE VIEW gate.released") :]
    view = view[: view.index(";")]
    assert condition in view
    return view.replace(condition, "TRUE")


STATES_OF_ANY_BASIS = "((s.basis >> m.purpose_id) & 1 = 1 OR (m.retroactive >> s.category_id) & 1 = 1)"
STATES_OF_ANY_CATEGORY = "(m.categories >> s.category_id) & 1 = 1"


@pytest.mark.parametrize(
    ("purpose", "condition"),
    [("personalisation", STATES_OF_ANY_BASIS), ("personalisation", STATES_OF_ANY_CATEGORY)],
)
async def test_a_gate_with_one_condition_less_is_found(
    two_databases: list[TestDatabase], folder: Path, purpose: str, condition: str
) -> None:
    for database in two_databases:
        await ask(database.dsn(), gate_without(condition))
    assert await compared(two_databases, folder, purpose, fuller(purpose))


async def test_a_sequence_that_counts_what_is_not_shown_is_found(
    two_databases: list[TestDatabase], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(board: Board, owner: IdentifierId, *_: object, gone: bool = False) -> None:
        derived = board.derived_of(owner)
        for permit in derived.permits[owner]:
            view = board.policy.purposes[permit.purpose].view
            board.bump(Change(permit.purpose, derived.profile(view, owner), narrowing=gone))

    monkeypatch.setattr(Board, "show", show)
    assert await compared(two_databases, folder, "service", fuller("service"))


async def test_a_view_of_links_that_the_purpose_may_not_use_is_found(
    two_databases: list[TestDatabase], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "unusable", lambda *_: None)
    assert await compared(two_databases, folder, "personalisation", fuller("personalisation"))


async def test_an_audience_of_another_purpose_that_shows_is_found(
    two_databases: list[TestDatabase], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def of_any(shelf: AudienceShelf, controller_id: ControllerId, *_: object) -> dict[str, Audience]:
        return await shelf.all(controller_id)

    monkeypatch.setattr(AudienceShelf, "of_purpose", of_any)
    assert await compared(two_databases, folder, "analytics", fuller("analytics"))


async def test_who_exists_by_another_purposes_data_alone_does_not_exist_for_a_contract(
    two_databases: list[TestDatabase], folder: Path
) -> None:
    saved = audience("nobody_bought", PURPOSES, AUDIENCES["nobody_bought"])
    newcomer = hidden(says("anonymous_id:c9", "analytics", "given"), viewed(anonymousId="c9"))
    steps = [saved, bought(userId="u1"), *newcomer, ASK]
    assert await compared(two_databases, folder, "service", steps) == []


def answers_to_others() -> list[Step]:
    """A service engine asks twice; in the fuller world another engine asks in between."""
    body = {"purpose": "analytics", "subjects": [{"namespace": "user_id", "value": "u1"}]}
    asked = Step(path="/v1/decisions", key="analytics", body=body, hidden=True)
    return [bought(userId="u1"), asked, ASK, asked, ASK]


async def test_answers_to_another_purposes_engine_do_not_show(
    two_databases: list[TestDatabase], folder: Path
) -> None:
    assert await compared(two_databases, folder, "service", answers_to_others()) == []


async def test_numbers_that_count_everybodys_releases_are_found(
    two_databases: list[TestDatabase], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_series, take = itertools.count(1), References.take

    async def of_all(
        references: References, controller_id: ControllerId, purpose: PurposeId, consumers: Sequence[str]
    ) -> list[int]:
        return [next(one_series) for _ in await take(references, controller_id, purpose, consumers)]

    monkeypatch.setattr(References, "take", of_all)
    assert await compared(two_databases, folder, "service", answers_to_others())


def grouped(who: str, company: str, **traits: object) -> Step:
    body = {"anonymousId": who, "groupId": company, "traits": traits}
    return Step(path="/v1/group", key="collector", body=body)


def companies() -> list[Step]:
    """What members told of their companies; hidden, those of whom personalisation may not use that."""
    rule = {"op": "eq", "feature": "company_plan", "value": "pro"}
    others = ("anonymous_id:b1", "anonymous_id:c9")
    return [
        audience("buyers", PURPOSES[:2], rule),
        audience("not_big", PURPOSES[:2], {"op": "not", "of": rule}),
        *(says(f"anonymous_id:a{number}", "personalisation", "given") for number in (1, 2, 3)),
        grouped("a1", "acme", plan="pro", seats=3),
        *hidden(*(says(one, "analytics", "given") for one in others)),
        *hidden(says("anonymous_id:b1", "personalisation", "refused")),
        *hidden(grouped("b1", "acme", plan="free", seats=9), grouped("c9", "globex", plan="pro")),
        grouped("a2", "acme"),
        grouped("a3", "globex"),
        ASK,
        *hidden(grouped("c9", "acme", seats=None), grouped("b1", "globex", plan="pro")),
        *hidden(says("anonymous_id:c9", "analytics", "withdrawn")),
        ASK,
    ]


async def test_what_members_told_whom_a_purpose_may_not_use_is_not_seen_in_their_company(
    two_databases: list[TestDatabase], folder: Path
) -> None:
    assert await compared(two_databases, folder, "personalisation", companies(), with_companies()) == []


def told_before() -> list[Step]:
    """Somebody told of a company for analytics alone, which is hidden, and gave personalisation after."""
    return [
        *companies()[:6],
        says("anonymous_id:a4", "analytics", "given"),
        *hidden(grouped("a4", "acme", plan="free")),
        says("anonymous_id:a4", "personalisation", "given"),
        grouped("a2", "acme"),
        ASK,
    ]


TOLD_FOR_ANY = "((t.basis >> g.purpose_id) & 1 = 1 AND t.at >= g.since)"


async def test_a_gate_that_shows_what_was_told_for_another_purpose_is_found(
    two_databases: list[TestDatabase], folder: Path
) -> None:
    for database in two_databases:
        await ask(database.dsn(), gate_without(TOLD_FOR_ANY))
    assert await compared(two_databases, folder, "personalisation", told_before(), with_companies())


async def test_what_was_told_for_another_purpose_before_is_not_seen(
    two_databases: list[TestDatabase], folder: Path
) -> None:
    assert await compared(two_databases, folder, "personalisation", told_before(), with_companies()) == []


async def test_a_sequence_that_counts_what_members_told_others_is_found(
    two_databases: list[TestDatabase], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "_sees", lambda *_: True)
    assert await compared(two_databases, folder, "personalisation", told_before(), with_companies())


def known_to_another_before() -> list[Step]:
    """A purpose that needs no statement knows somebody, by what is hidden, before they tell of a company."""
    return [
        says("anonymous_id:a1", "personalisation", "given"),
        *hidden(told(anonymousId="a1")),
        grouped("a1", "acme", plan="pro"),
        ASK,
    ]


async def test_whom_another_purpose_knew_before_does_not_show_in_what_they_tell(
    two_databases: list[TestDatabase], folder: Path
) -> None:
    steps, documents = known_to_another_before(), with_companies()
    assert await compared(two_databases, folder, "personalisation", steps, documents) == []


async def test_news_of_one_purpose_that_are_told_to_all_are_found(
    two_databases: list[TestDatabase], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = accounts.show
    monkeypatch.setattr(
        collecting, "show", lambda board, one, of, *, gone, **_: show(board, one, of, gone=gone)
    )
    steps, documents = known_to_another_before(), with_companies()
    assert await compared(two_databases, folder, "personalisation", steps, documents)
