"""What an officer reads: consent over time, what lapses, who disagrees, what one person said, the logs."""

import pytest

from assent.core.time import DAY, HOUR, format_time
from assent.ledger.entries import commit
from tests.integration.http.shop import Json, Shop, refused, subject
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA, BERT, BROWSER = "user_id:anna-0001", "user_id:bert-0002", "anonymous_id:browser-0001"
PURPOSE = "personalisation"

PATHS = ("consents", "lapsing", "conflicts", "subject", "releases", "access", "entries")


async def asked(shop: Shop, path: str, **body: Json) -> Json:
    return await shop.post(f"/v1/audit/{path}", body, by="dpo", status=200)


async def pages(shop: Shop, path: str, rows: str, **body: Json) -> list[Json]:
    """Return every row, read one by one, each page of a request of its own."""
    found, after = [], None
    begin = "first" if path == "entries" else "after"
    while True:
        page = await asked(shop, path, limit=1, **body, **({} if after is None else {begin: after}))
        assert len(page[rows]) <= 1
        found += page[rows]
        after = page["next"]
        if after is None:
            return found


# Consent over time


async def test_consent_is_counted_as_said_and_as_it_stands(shop: Shop) -> None:
    start = shop.clock()
    await shop.given(ANNA, PURPOSE)
    await shop.given(BERT, PURPOSE)
    shop.clock.step(DAY)
    await shop.state(ANNA, PURPOSE, "withdrawn")
    body = {"from": format_time(start), "every": "PT12H", "purpose": PURPOSE}
    found = (await asked(shop, "consents", **body))["intervals"]
    assert [(one["said"], one["standing"]) for one in found] == [
        ({"given": 2}, {"given": 2}),
        ({}, {"given": 2}),
        ({"withdrawn": 1}, {"given": 1, "withdrawn": 1}),
    ]
    assert found[0]["from"] == format_time(start)
    assert {one["purpose"] for one in found} == {PURPOSE}
    body["to"] = found[-1]["to"]
    assert await pages(shop, "consents", "intervals", **body) == found


async def test_consent_is_told_apart_by_what_was_seen_and_where(shop: Shop) -> None:
    start = shop.clock()
    await shop.state(ANNA, PURPOSE, "given", channel="web", jurisdiction="IT")
    await shop.state(BERT, PURPOSE, "given", channel="app", jurisdiction="PL")
    by = ["notice_version", "language", "channel", "jurisdiction"]
    found = (await asked(shop, "consents", **{"from": format_time(start), "every": "P1D", "by": by}))[
        "intervals"
    ]
    seen = {(one["channel"], one["jurisdiction"], one["notice_version"]) for one in found}
    assert {one[:2] for one in seen} == {("app", "PL"), ("web", "IT")}
    assert all(isinstance(version, int) for _, _, version in seen)


async def test_consent_over_time_is_as_it_was_known(shop: Shop) -> None:
    start = shop.clock()
    await shop.given(ANNA, PURPOSE)
    then = format_time(shop.clock())
    shop.clock.step(HOUR)
    event = {"imported": True, "event_time": then, "evidence": {"letter": 1}}
    assert (await shop.state(BERT, PURPOSE, "withdrawn", **event)).status_code == 201
    body = {"from": format_time(start), "every": "P1D"}
    now = await asked(shop, "consents", **body)
    assert now["intervals"][0]["standing"] == {"given": 1, "withdrawn": 1}
    known = await asked(shop, "consents", **body, known_at=then)
    assert known["intervals"][0]["standing"] == {"given": 1}
    assert known["known_at"] == then


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"every": "soon"}, 400, "unreadable_body", "/every"),
        ({"every": "P0D"}, 400, "unreadable_body", "/every"),
        ({"every": "-P1D"}, 400, "unreadable_body", "/every"),
        ({"every": "PT0.000001S"}, 400, "unreadable_body", "/every"),
        ({"every": "P9999Y"}, 400, "unreadable_body", "/every"),
        ({"to": "2099-01-01T00:00:00Z"}, 422, "future_time", "/to"),
        ({"to": "2020-01-01T00:00:00Z"}, 400, "unreadable_body", "/to"),
        ({"known_at": "2099-01-01T00:00:00Z"}, 422, "future_time", "/known_at"),
        ({"purpose": "world_domination"}, 422, "unknown_purpose", "/purpose"),
        ({"by": ["shoe_size"]}, 400, "unreadable_body", "/by/0"),
    ],
)
async def test_intervals_that_cannot_be_are_refused(
    shop: Shop, change: Json, status: int, code: str, pointer: str
) -> None:
    body = {"from": format_time(shop.clock()), "every": "P1D", **change}
    refused(await shop.ask("POST", "/v1/audit/consents", body, by="dpo"), status, code, pointer)


# Lapsing and conflicts


async def test_what_lapses_soon_is_listed_the_next_first(shop: Shop) -> None:
    documents = shipped()
    documents["purposes"]["purposes"][PURPOSE]["validity"] = "P30D"
    await shop.open(documents)
    await shop.given(ANNA, PURPOSE)
    shop.clock.step(DAY)
    await shop.given(BERT, PURPOSE)
    assert (await asked(shop, "lapsing", within="P29D", purpose=PURPOSE))["lapsing"][1:] == []
    page = await asked(shop, "lapsing", within="P31D", purpose=PURPOSE)
    assert [one["purpose"] for one in page["lapsing"]] == [PURPOSE, PURPOSE]
    assert page["lapsing"][0]["until"] < page["lapsing"][1]["until"] <= page["until"]
    assert page["lapsing"][0]["namespace"] == "user_id"
    assert await pages(shop, "lapsing", "lapsing", within="P31D", purpose=PURPOSE) == page["lapsing"]
    shop.clock.step(40 * DAY)
    assert (await asked(shop, "lapsing", within="P31D", purpose=PURPOSE))["lapsing"] == []


async def test_people_whose_identifiers_disagree_are_listed(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.state(BROWSER, PURPOSE, "refused")
    await shop.given(BERT, PURPOSE)
    assert (await asked(shop, "conflicts"))["conflicts"] == []
    link = {"from": subject(BROWSER), "to": subject(ANNA), "kind": "asserted"}
    await shop.post("/v1/identities/links", {"links": [link]}, by="dpo")
    (found,) = (await asked(shop, "conflicts"))["conflicts"]
    assert found["purpose"] == PURPOSE
    assert sorted(one["state"] for one in found["said"]) == ["given", "refused"]
    assert await pages(shop, "conflicts", "conflicts") == [found]
    await shop.given(BROWSER, PURPOSE)
    assert (await asked(shop, "conflicts"))["conflicts"] == []


# One person


async def test_a_persons_statements_come_in_order_with_what_decides_now(shop: Shop) -> None:
    given = (await shop.state(ANNA, PURPOSE, "given", evidence={"banner": "b7"})).json()["receipts"][0]
    withdrawn = (await shop.state(ANNA, PURPOSE, "withdrawn")).json()["receipts"][0]
    found = await asked(shop, "subject", subject=subject(ANNA))
    assert found["identifiers"][0]["value"] == ANNA.partition(":")[2]
    assert [one["index"] for one in found["statements"]] == [given["index"], withdrawn["index"]]
    assert found["statements"][0]["evidence"] == {"banner": "b7"}
    assert found["statements"][0]["notice"]["version"] >= 1
    (decision,) = [one for one in found["decisions"] if one["purpose"] == PURPOSE]
    assert (
        decision.items() >= {"decision": "deny", "reason": "withdrawn", "entry": withdrawn["index"]}.items()
    )
    assert await pages(shop, "subject", "statements", subject=subject(ANNA)) == found["statements"]


async def test_somebody_nobody_knows_said_nothing(shop: Shop) -> None:
    found = await asked(shop, "subject", subject=subject(BERT))
    assert (found["identifiers"], found["statements"], found["tier"]) == ([], [], None)


# The logs


async def test_reading_about_a_person_is_recorded_as_access_and_names_nobody(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    release = (await asked(shop, "subject", subject=subject(ANNA)))["release"]
    await shop.post(
        "/v1/audit/decide", {"question": {"subject": subject(ANNA), "purpose": PURPOSE}}, by="dpo", status=200
    )
    found = await pages(shop, "access", "access")
    assert [(one["rules"], one["number"], one["consumer"]) for one in found] == [
        ("audit/subject", 1, "dpo"),
        ("audit/decide", 1, "dpo"),
    ]
    assert found[0]["release"] == release
    assert found[0]["purpose"] is None
    assert "anna" not in str(found)
    assert (await asked(shop, "releases"))["releases"] == []
    async with shop.service.database.auditor.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT commitment, sealed FROM ledger.release WHERE controller_id = $1 AND release_id = $2",
            shop.controller_id,
            int(release.removeprefix("r:")),
        )
    assert row is not None
    plain = shop.service.ring.open(row["sealed"], b"assent/release@1 %d" % shop.controller_id)
    assert commit(plain[:32], plain[32:]) == row["commitment"]


async def test_releases_are_listed_by_purpose_consumer_and_time(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.decide(PURPOSE, ANNA)
    shop.clock.step(HOUR)
    between = format_time(shop.clock())
    told = await shop.decide(PURPOSE, ANNA, BERT)
    found = await pages(shop, "releases", "releases")
    assert found[1]["release"] == told.json()["release"]
    assert [(one["kind"], one["purpose"], one["number"]) for one in found] == [
        ("decision", PURPOSE, 1),
        ("decision", PURPOSE, 1),
    ]
    # By their names: a release gets its index within a second, so maybe between two questions.
    names = [one["release"] for one in found]
    after = (await asked(shop, "releases", **{"from": between}))["releases"]
    before = (await asked(shop, "releases", to=between))["releases"]
    assert ([one["release"] for one in before], [one["release"] for one in after]) == (names[:1], names[1:])
    assert (await asked(shop, "releases", purpose="advertising"))["releases"] == []
    assert (await asked(shop, "releases", consumer="nobody"))["releases"] == []
    named = (await asked(shop, "releases", release=names[1]))["releases"]
    assert [one["release"] for one in named] == names[1:]
    assert (await asked(shop, "releases", release="r:999"))["releases"] == []


async def test_entries_are_listed_by_their_public_headers(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    found = await pages(shop, "entries", "entries")
    assert [one["index"] for one in found] == list(range(await shop.revision()))
    assert found[-1].items() >= {"kind": "statement", "purpose": PURPOSE, "role": "collector"}.items()
    assert (await asked(shop, "entries", first=10_000)) == {"entries": [], "next": None}


async def test_officers_and_administrators_alone_read_reports(shop: Shop) -> None:
    for by in ("collector", "browser", "issuer", f"engine:{PURPOSE}"):
        for path in PATHS:
            response = await shop.ask("POST", f"/v1/audit/{path}", _least(path, shop), by=by)
            refused(response, 403, "forbidden")


@pytest.mark.parametrize("path", ["lapsing", "conflicts"])
@pytest.mark.parametrize("after", ["", "x", "1", "1.99999.3.4", "1.99999", "9" * 30 + ".1", "1.2.3.4.5"])
async def test_a_place_that_no_page_ended_with_is_refused(shop: Shop, path: str, after: str) -> None:
    body = {**_least(path, shop), "after": after}
    refused(await shop.ask("POST", f"/v1/audit/{path}", body, by="dpo"), 400, "unreadable_body", "/after")


def _least(path: str, shop: Shop) -> Json:
    """Return the least that a report must be asked."""
    match path:
        case "consents":
            return {"from": format_time(shop.clock()), "every": "P1D"}
        case "lapsing":
            return {"within": "P1D"}
        case "subject":
            return {"subject": subject(ANNA)}
        case _:
            return {}
