"""Idempotency-Key: a write sent twice is applied once, whatever happened to its answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import httpx
import pytest

from assent.core.errors import DatabaseUnavailable
from assent.core.ids import ControllerId
from assent.core.time import DAY, HOUR, SECOND
from assent.http.claims import Stamped
from assent.ledger.append import Append, Appended, Fact
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Json, Shop, refused, statement, subject
from tests.support.policy_documents import new_version, put, shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
PURPOSE = "personalisation"

Write = Callable[[Shop], Awaitable[httpx.Response]]


async def state(shop: Shop, key: str = "k-1", *, by: str = "collector", **more: Json) -> httpx.Response:
    body = {"subject": subject(ANNA), "statements": [statement(PURPOSE, "given", **more)]}
    return await shop.ask("POST", "/v1/consents", body, by=by, headers={"Idempotency-Key": key})


async def choose(shop: Shop) -> httpx.Response:
    body = {"purposes": {PURPOSE: "given", "analytics": "refused"}}
    token = await shop.token(ANNA, "anonymous_id:zebra-17")
    return await shop.ask("PUT", "/v1/me/preferences", body, by=token, headers={"Idempotency-Key": "k-1"})


async def withdraw_all(shop: Shop) -> httpx.Response:
    token = await shop.token(ANNA)
    return await shop.ask("POST", "/v1/me/withdraw-all", by=token, headers={"Idempotency-Key": "k-1"})


async def save(shop: Shop) -> httpx.Response:
    rule = {"op": "ge", "feature": "order_count", "value": 1}
    body = {"title": "Buyers", "purposes": [PURPOSE], "rule": rule}
    return await shop.ask("PUT", "/v1/audiences/buyers", body, headers={"Idempotency-Key": "k-1"})


async def link(shop: Shop) -> httpx.Response:
    one = {"from": subject(ANNA), "to": subject("anonymous_id:zebra-17"), "kind": "asserted"}
    return await shop.ask(
        "POST", "/v1/identities/links", {"links": [one]}, headers={"Idempotency-Key": "k-1"}
    )


async def activate(shop: Shop) -> httpx.Response:
    documents = put(shipped(), "purposes", ("purposes", PURPOSE, "title"), "Another title")
    body = {"documents": documents, "activate": True}
    return await shop.ask("POST", "/v1/policies", body, headers={"Idempotency-Key": "k-1"})


WRITES = [state, choose, withdraw_all, save, link, activate]


class LostAfter:
    """An `Append` that makes facts durable and is cut off before it can say so."""

    def __init__(self, ledger: Append, error: BaseException) -> None:
        self._ledger = ledger
        self._error = error

    async def append(self, controller_id: ControllerId, facts: Sequence[Fact]) -> Appended:
        await self._ledger.append(controller_id, facts)
        raise self._error


class Held:
    """An `Append` that waits until it is let go."""

    def __init__(self, ledger: Append) -> None:
        self._ledger = ledger
        self.reached = asyncio.Event()
        self.let_go = asyncio.Event()

    async def append(self, controller_id: ControllerId, facts: Sequence[Fact]) -> Appended:
        self.reached.set()
        await self.let_go.wait()
        return await self._ledger.append(controller_id, facts)


# The same request again.


@pytest.mark.parametrize("write", WRITES)
async def test_a_repeated_write_is_applied_once_and_answered_the_same(shop: Shop, write: Write) -> None:
    first = await write(shop)
    assert first.status_code < 300, first.text
    revision = await shop.revision()
    again = await write(shop)
    assert (again.status_code, again.content, again.headers) == (
        first.status_code,
        first.content,
        first.headers,
    )
    assert await shop.revision() == revision


async def test_deleting_and_revoking_are_answered_the_same_too(shop: Shop) -> None:
    await save(shop)
    made = await shop.post("/v1/keys", {"role": "dpo"})
    headers = {"Idempotency-Key": "k-2"}
    for method, path, body in [
        ("DELETE", "/v1/audiences/buyers", None),
        ("POST", "/v1/keys/revoke", {"key_id": made["key_id"]}),
    ]:
        first = await shop.ask(method, path, body, headers=headers)
        again = await shop.ask(method, path, body, headers=headers)
        assert (first.status_code, first.content) == (200, again.content)
        assert (await shop.ask(method, path, body)).content != first.content


async def test_without_the_header_every_request_counts(shop: Shop) -> None:
    body = {"subject": subject(ANNA), "statements": [statement(PURPOSE, "given")]}
    first = await shop.post("/v1/consents", body, by="collector")
    again = await shop.post("/v1/consents", body, by="collector")
    assert again["revision"] == first["revision"] + 1


async def test_the_same_statement_twice_in_one_request_is_two_entries(shop: Shop) -> None:
    body = {"subject": subject(ANNA), "statements": [statement(PURPOSE, "given")] * 2}
    for _ in range(2):
        response = await shop.ask(
            "POST", "/v1/consents", body, by="collector", headers={"Idempotency-Key": "k-1"}
        )
        assert len({one["index"] for one in response.json()["receipts"]}) == 2


async def test_a_kept_answer_outlives_the_policy_it_was_given_under(shop: Shop) -> None:
    first = await state(shop)
    documents = new_version(shipped(), PURPOSE, 2)
    await shop.open(documents)
    shop.clock.step(HOUR)
    assert (await state(shop)).content == first.content


async def test_many_at_once_are_one(shop: Shop) -> None:
    await shop.key("collector")
    before = await shop.revision()
    answers = await asyncio.gather(*(state(shop) for _ in range(10)))
    taken = [one for one in answers if one.status_code == 201]
    assert {one.content for one in taken} == {taken[0].content}
    for one in answers:
        if one.status_code != 201:
            refused(one, 409, "idempotency_in_flight")
    assert await shop.revision() == before + 1


# Another request.


async def test_another_body_under_the_same_key_is_refused(shop: Shop) -> None:
    await state(shop)
    before = await shop.revision()
    refused(await state(shop, explicit=True), 409, "idempotency_mismatch")
    assert await shop.revision() == before


async def test_a_key_is_its_callers_its_routes_and_its_controllers(
    shop: Shop, installation: Installation
) -> None:
    first = await state(shop)
    assert (await state(shop, by="issuer")).json()["revision"] == first.json()["revision"] + 1
    assert (await save(shop)).status_code == 200  # the same key on another path
    other = await (await installation.controller()).open()
    assert (await state(other)).json()["receipts"][0]["index"] == 1


async def test_a_person_keeps_a_key_through_a_new_token(shop: Shop) -> None:
    first = await choose(shop)
    shop.clock.step(10 * 60 * SECOND)
    assert (await choose(shop)).content == first.content


async def test_after_a_day_a_key_is_free_again(shop: Shop) -> None:
    first = (await state(shop)).json()
    shop.clock.step(DAY - HOUR)
    assert (await state(shop)).json() == first
    shop.clock.step(HOUR)
    again = (await state(shop, explicit=True)).json()
    assert again["revision"] == first["revision"] + 1
    # And the very same request, a day later, is another one: a withdrawal would otherwise be lost.
    shop.clock.step(DAY + SECOND)
    assert (await state(shop)).json()["revision"] == first["revision"] + 2


async def test_a_refusal_changed_nothing_and_is_not_kept(shop: Shop) -> None:
    problem = await state(shop, mechanism="scroll")
    refused(problem, 422, "invalid_mechanism")
    mended = await state(shop)
    assert mended.status_code == 201
    assert (await state(shop)).content == mended.content


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "tab\tbed"])
async def test_a_key_that_is_none_is_refused(shop: Shop, key: str) -> None:
    before = await shop.revision()
    refused(await state(shop, key.encode("latin-1")), 400, "unreadable_body")  # type: ignore[arg-type]
    assert await shop.revision() == before


async def test_an_answer_with_a_secret_takes_no_key(shop: Shop, installation: Installation) -> None:
    headers = {"Idempotency-Key": "k-1"}
    refused(await shop.ask("POST", "/v1/keys", {"role": "dpo"}, headers=headers), 400, "unreadable_body")
    response = await shop.ask(
        "POST", "/v1/controllers", {"name": "another one"}, by=installation.admin_key, headers=headers
    )
    refused(response, 400, "unreadable_body")


# While it is under way, and after it was cut off.


async def test_a_request_under_way_is_not_begun_again(shop: Shop, installation: Installation) -> None:
    await shop.key("collector")
    held = Held(installation.service.ledger)
    with installation.appending(held):
        first = asyncio.create_task(state(shop))
        await held.reached.wait()
        async with asyncio.timeout(10):  # who is let in too waits for ever
            refused(await state(shop), 409, "idempotency_in_flight")
            shop.clock.step(HOUR)
            refused(await state(shop), 409, "idempotency_in_flight")
        held.let_go.set()
        answered = await first
    assert answered.status_code == 201
    assert (await state(shop)).content == answered.content


@pytest.mark.parametrize("write", WRITES)
async def test_a_write_whose_answer_was_lost_is_recognised(
    shop: Shop, installation: Installation, write: Write
) -> None:
    await shop.key("collector")
    await shop.key("issuer")
    with installation.appending(LostAfter(installation.service.ledger, DatabaseUnavailable())):
        refused(await write(shop), 503, "unavailable")
    revision = await shop.revision()
    again = await write(shop)
    assert again.status_code < 300, again.text
    assert await shop.revision() == revision, "applied twice"
    if "receipts" in again.json():
        assert again.json() == {
            "revision": revision,
            "receipts": [
                {"id": f"s:{revision - 1}", "purpose": PURPOSE, "state": "given", "index": revision - 1}
            ],
            "refused": [],
        }
    assert (await write(shop)).content == again.content


async def test_a_write_whose_process_died_is_recognised_a_little_later(
    shop: Shop, installation: Installation
) -> None:
    await shop.key("collector")
    with (
        installation.appending(LostAfter(installation.service.ledger, asyncio.CancelledError())),
        pytest.raises(asyncio.CancelledError),
    ):
        await state(shop)
    revision = await shop.revision()
    # Another process could be acting still.
    refused(await state(shop), 409, "idempotency_in_flight")
    refused(await state(shop, explicit=True), 409, "idempotency_mismatch")
    shop.clock.step(15 * SECOND)
    assert (await state(shop)).json()["receipts"][0]["index"] == revision - 1
    assert await shop.revision() == revision


@pytest.mark.parametrize("end", [DatabaseUnavailable(), asyncio.CancelledError()])
async def test_what_may_have_been_appended_is_never_taken_for_a_refusal(
    shop: Shop, installation: Installation, end: BaseException
) -> None:
    await shop.key("collector")
    with (
        installation.appending(LostAfter(installation.service.ledger, end)),
        suppress(asyncio.CancelledError),
    ):
        await state(shop)
    shop.clock.step(HOUR)
    revision = await shop.revision()
    await shop.open(put(shipped(), "purposes", ("purposes", PURPOSE, "declared"), "2099-01-01T00:00:00Z"))
    refused(await state(shop), 422, "unknown_purpose")
    await shop.open(put(shipped(), "purposes", ("purposes", PURPOSE, "gains_basis"), "declared again"))
    again = await state(shop)
    assert again.json()["receipts"][0]["index"] == revision - 1
    assert await shop.revision() == revision + 2  # the two policies


async def test_the_recognition_test_finds_facts_that_are_not_stamped(
    shop: Shop, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stamped, "_stamped", lambda _self, _controller, fact: fact)
    with pytest.raises(AssertionError, match="applied twice"):
        await test_a_write_whose_answer_was_lost_is_recognised(shop, installation, state)


# What is kept.


async def test_nothing_kept_can_be_read_and_nothing_is_kept_longer_than_a_day(shop: Shop) -> None:
    await state(shop, "order-4711-anna")
    rows = await kept(shop)
    assert len(rows) == 1
    for row in rows:
        for column in (row["idempotency_key"], row["digest"], row["body"]):
            assert not any(word in column for word in (b"order-4711", b"anna", b"receipts", PURPOSE.encode()))
    shop.clock.step(DAY + SECOND)
    await state(shop, "another")
    assert [row["at"] for row in await kept(shop)] != [row["at"] for row in rows]
    assert len(await kept(shop)) == 1


async def kept(shop: Shop) -> Sequence[Json]:
    async with shop.service.database.auditor.acquire() as connection:
        return await connection.fetch(
            "SELECT * FROM ledger.idempotency WHERE controller_id = $1", shop.controller_id
        )
