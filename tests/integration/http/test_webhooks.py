"""Webhooks: signed pings that an audience changed, again until they are taken, and nothing of anybody."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable, Iterator

import httpx
import msgspec
import pytest
import pytest_asyncio

from assent.audiences.following import Following
from assent.core.time import DAY, MINUTE, SECOND
from assent.database.statements import load
from assent.database.types import Connection, Pool
from assent.http import webhooks
from assent.http.wiring import Service
from assent.ingest import pings
from assent.ingest.pings import DELAYS, Pinger
from assent.ingest.webhook_address import Target, target
from assent.ingest.webhook_signature import signed
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import Json, Shop, refused
from tests.integration.http.test_audiences import BUYERS, PURPOSE, people
from tests.support.receiver import Receiver, Sent, receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENGINE = f"engine:{PURPOSE}"


@pytest_asyncio.fixture(loop_scope="session")
async def hearing() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_by_itself(monkeypatch: pytest.MonkeyPatch, installation: Installation) -> None:
    """Feeds move and pings are sent when the test says so."""
    monkeypatch.setattr(installation.service.following, "follow_all", lambda: asyncio.sleep(0))
    monkeypatch.setattr(installation.service.pinger, "begin", lambda: asyncio.sleep(0))


@pytest.fixture
def inside(installation: Installation) -> Iterator[None]:
    settings = msgspec.structs.replace(installation.service.settings, webhooks_inside=True)
    with installation.changed(settings=settings):
        yield


async def put(shop: Shop, url: str, by: str = ENGINE, name: str = "mine", **more: Json) -> Json:
    body = {"url": url, "purpose": PURPOSE, "audiences": ["buyers"], **more}
    return await shop.ask("PUT", f"/v1/webhooks/{name}", body, by=by)


async def ping(service: Service, *, inside: bool = True) -> int:
    return await (await pinger_of(service, inside=inside)).ping_all()


async def pinger_of(service: Service, *, inside: bool = True) -> Pinger:
    """Return what sends pings, with everything to say that changed until now."""
    await Following.follow_all(service.following)
    # Who is being loaded is followed when that is done.
    await asyncio.gather(*(held.loading for held in service.following._live._held.values() if held.loading))
    await Following.follow_all(service.following)
    return Pinger(service.database.writer, service.ring, service.clock, service.random, inside=inside)


async def seen(shop: Shop, by: str = ENGINE) -> Json:
    return (await shop.ask("GET", "/v1/webhooks/mine", by=by)).json()


@pytest.mark.usefixtures("inside")
async def test_a_change_is_said_once_it_is_taken(shop: Shop, hearing: Receiver) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    made = await put(shop, hearing.url)
    assert made.status_code == 200, made.text
    secret = base64.b64decode(made.json()["secret"].removeprefix("whsec_"))
    await people(shop, range(2))
    await ping(shop.service)
    (sent,) = hearing.sent
    assert sent.line == "POST /hear?token=t0ken HTTP/1.1"
    assert msgspec.json.decode(sent.body)["data"] == {"audience": "buyers", "purpose": PURPOSE}
    assert b"buyer-" not in sent.body
    at = int(sent.headers["webhook-timestamp"])
    assert at == shop.clock() // SECOND
    expected = signed([secret], sent.headers["webhook-id"], at, sent.body)
    assert expected.items() <= sent.headers.items()
    assert (await put(shop, hearing.url)).json() == {"id": "mine"}  # the secret is shown once
    assert await ping(shop.service) == 0
    assert (await seen(shop))["waiting"] == 0
    page = await shop.ask("GET", "/v1/audiences/buyers/changes", by=ENGINE, params={"purpose": PURPOSE})
    assert len(page.json()["changes"]) == 2


@pytest.mark.usefixtures("inside")
async def test_what_is_not_taken_is_said_again_with_the_same_id_and_kept_after_the_last(
    shop: Shop, hearing: Receiver
) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await put(shop, hearing.url)
    await people(shop, range(1))
    hearing.status, hearing.headers = 302, {"location": hearing.url}
    await ping(shop.service)
    assert len(hearing.sent) == 1  # a redirect is not followed
    hearing.status = 503
    for delay in DELAYS:
        assert await ping(shop.service) == 0
        shop.clock.step(delay + delay // 10 + SECOND)
        assert await ping(shop.service) == 1
    assert len({one.headers["webhook-id"] for one in hearing.sent}) == 1
    assert len({one.headers["webhook-timestamp"] for one in hearing.sent}) == len(DELAYS) + 1
    (dead,) = (await seen(shop))["dead"]
    assert (dead["tries"], dead["status"]) == (len(DELAYS) + 1, 503)
    shop.clock.step(30 * DAY)
    assert await ping(shop.service) == 0
    hearing.status = 204
    assert (await shop.post("/v1/webhooks/mine/replay", {}, by=ENGINE, status=200))["replayed"] == 1
    assert await ping(shop.service) == 1
    assert hearing.sent[-1].headers["webhook-id"] == dead["id"]
    assert (await seen(shop))["dead"] == []


@pytest.mark.usefixtures("inside")
async def test_a_new_secret_and_the_former_one_both_sign_for_a_day(shop: Shop, hearing: Receiver) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    secrets = [(await put(shop, hearing.url)).json()["secret"]]
    # The first answer is lost: whoever asks again must not cut off the receiver, who knows the first secret.
    for _ in range(2):
        secrets.append((await shop.post("/v1/webhooks/mine/secret", {}, by=ENGINE, status=200))["secret"])
        shop.clock.step(DAY // 2)
    await people(shop, range(1))
    await ping(shop.service)
    shop.clock.step(DAY)
    await people(shop, range(1, 2))
    await ping(shop.service)
    before, after = hearing.sent
    assert signatures(before) == signed_by(before, reversed(secrets[1:]))
    assert signatures(after) == signed_by(after, secrets[2:])


@pytest.mark.usefixtures("inside")
async def test_who_makes_another_secret_twice_in_a_day_cuts_nobody_off(shop: Shop, hearing: Receiver) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    secrets = [(await put(shop, hearing.url)).json()["secret"]]
    secrets += [
        (await shop.post("/v1/webhooks/mine/secret", {}, by=ENGINE, status=200))["secret"] for _ in range(2)
    ]
    await people(shop, range(1))
    await ping(shop.service)
    (sent,) = hearing.sent
    assert signatures(sent) == signed_by(sent, reversed(secrets))


def signatures(sent: Sent) -> str:
    return sent.headers["webhook-signature"]


def signed_by(sent: Sent, secrets: Iterable[str]) -> str:
    keys = [base64.b64decode(one.removeprefix("whsec_")) for one in secrets]
    named = sent.headers["webhook-id"], int(sent.headers["webhook-timestamp"])
    return signed(keys, *named, sent.body)["webhook-signature"]


@pytest.mark.usefixtures("inside")
async def test_who_says_gone_is_left_alone(shop: Shop, hearing: Receiver) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    await put(shop, hearing.url)
    await people(shop, range(1))
    hearing.status = 410
    await ping(shop.service)
    assert (await seen(shop))["gone"] is True
    await people(shop, range(1, 2))
    assert await ping(shop.service) == 0


@pytest.mark.usefixtures("inside")
async def test_what_was_put_off_is_said_neither_to_who_is_gone_nor_of_what_nobody_asks_any_more(
    shop: Shop, hearing: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("buyers", "others", "third"):
        await shop.save(name, BUYERS, PURPOSE)
    await put(shop, hearing.url, audiences=["buyers", "others"])
    await put(shop, hearing.url, name="less", audiences=["third"])
    await people(shop, range(1))
    hearing.status = 503
    assert await ping(shop.service) == 3
    await put(shop, hearing.url, name="less", audiences=["others"])
    hearing.status = 410
    one_is_due = "UPDATE ledger.ping SET due = 0 WHERE controller_id = $1 AND audience_id = 'buyers'"
    await shop.service.database.writer.execute(one_is_due, shop.controller_id)
    assert await ping(shop.service) == 1
    sent = len(hearing.sent)
    shop.clock.step(DELAYS[-1])
    await ping(shop.service)
    assert len(hearing.sent) == sent
    found = await seen(shop)
    assert (found["gone"], found["waiting"], len(found["dead"]), found["more"]) == (True, 0, 2, False)
    monkeypatch.setattr(webhooks, "_SHOWN", 1)
    found = await seen(shop)
    assert (len(found["dead"]), found["more"]) == (1, True)


async def test_of_two_engines_that_make_one_webhook_one_has_it(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    rival = {"role": "engine", "purposes": [PURPOSE], "members": True, "consumer": "rival"}
    both = [ENGINE, (await shop.post("/v1/keys", rival))["key"]]
    await shop.key(ENGINE)
    for number in range(4):
        name = f"hook-{number}"
        made = await asyncio.gather(*(put(shop, "https://93.184.215.14/", by=by, name=name) for by in both))
        assert sorted(one.status_code for one in made) == [200, 404]
        for by, one in zip(both, made, strict=True):
            found = await shop.ask("GET", f"/v1/webhooks/{name}", by=by)
            assert found.status_code == one.status_code
            assert ("secret" in one.json()) == (one.status_code == 200)


async def test_an_address_inside_is_neither_taken_nor_connected_to(
    shop: Shop, hearing: Receiver, installation: Installation
) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    refused(await put(shop, hearing.url), 400, "unreadable_body", "/url")
    settings = msgspec.structs.replace(installation.service.settings, webhooks_inside=True)
    with installation.changed(settings=settings):
        await put(shop, hearing.url)
    await people(shop, range(1))
    assert await ping(shop.service, inside=False) == 1
    assert hearing.sent == []
    assert (await seen(shop))["waiting"] == 1


async def test_a_webhook_is_its_engines_alone(shop: Shop) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    url = "https://93.184.215.14/hear"
    refused(await put(shop, url, by=f"counting:{PURPOSE}"), 403, "forbidden")
    refused(await put(shop, url, by="engine:analytics"), 403, "purpose_not_bound")
    refused(await put(shop, url, audiences=["unheard_of"]), 404, "unknown_audience", "/audiences/0")
    refused(await put(shop, url, consumer="another"), 400, "unreadable_body", "/consumer")
    assert (await put(shop, url)).status_code == 200
    refused(await shop.ask("GET", "/v1/webhooks/mine", by="engine:analytics"), 404, "unknown_webhook")
    refused(await shop.ask("DELETE", "/v1/webhooks/other", by=ENGINE), 404, "unknown_webhook")
    assert (await seen(shop, by="admin"))["url"] == url
    assert (await shop.ask("DELETE", "/v1/webhooks/mine", by=ENGINE)).json()["deleted"] is True
    refused(await shop.ask("GET", "/v1/webhooks/mine", by=ENGINE), 404, "unknown_webhook")


@pytest.mark.parametrize(
    "url", ["https://shop.example:99999/", f"https://{64 * 'a'}.example/", "https://shop..example/"]
)
async def test_an_address_that_can_be_none_is_refused(shop: Shop, url: str) -> None:
    await shop.save("buyers", BUYERS, PURPOSE)
    refused(await put(shop, url), 400, "unreadable_body", "/url")


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("fault", [UnicodeError, OverflowError, RuntimeError])
async def test_a_ping_that_cannot_be_sent_ends_no_other(
    shop: Shop, hearing: Receiver, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    async def odd(url: httpx.URL, *, inside: bool) -> Target:
        if url.host == "odd.example":
            raise fault
        return await target(url, inside=inside)

    monkeypatch.setattr(pings, "target", odd)
    await shop.save("buyers", BUYERS, PURPOSE)
    await put(shop, "https://odd.example/", name="odd")
    await put(shop, hearing.url)
    await people(shop, range(2))
    await ping(shop.service)
    assert len(hearing.sent) == 1


@pytest.mark.usefixtures("inside")
async def test_nobody_waits_for_a_receiver_that_never_answers(shop: Shop, hearing: Receiver) -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()  # until the other side gives up
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        await shop.save("buyers", BUYERS, PURPOSE)
        await put(shop, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", name="silent")
        await put(shop, hearing.url)
        await people(shop, range(2))
        pinger = await pinger_of(shop.service)
        await asyncio.wait_for(pinger.begin(), 5)
        await asyncio.wait_for(asked.wait(), 5)
        await people(shop, range(2, 4))
        await pinger_of(shop.service)
        shop.clock.step(SECOND)
        await asyncio.wait_for(pinger.begin(), 5)
        for _ in range(100):
            if len(hearing.sent) == 2:
                break
            await asyncio.sleep(0.02)
        assert len(hearing.sent) == 2
        for sending in tuple(pinger._sending):
            sending.cancel()
        await pinger.end()


async def listened_to(shop: Shop, hearing: Receiver) -> tuple[Pinger, Pool]:
    """Let somebody listen to an audience; return what sends pings, and where they wait."""
    await shop.save("buyers", BUYERS, PURPOSE)
    await put(shop, hearing.url)
    return await pinger_of(shop.service), shop.service.database.writer


async def changed(shop: Shop, by: Pool | Connection) -> None:
    """Say that the audience changed, as who writes its feed does."""
    told = shop.controller_id, PURPOSE, (await seen(shop))["consumer"], "buyers", shop.clock()
    await by.execute(load("webhooks").ping, *told)


@pytest.mark.usefixtures("inside")
async def test_what_waits_for_a_receiver_that_is_down_does_not_grow_with_every_change(
    shop: Shop, hearing: Receiver
) -> None:
    pinger, pool = await listened_to(shop, hearing)
    hearing.status = 503
    for _ in range(8):
        await changed(shop, pool)
        for _ in range(2):
            await pinger.ping_all()
            shop.clock.step(6 * SECOND)
    assert (await seen(shop))["waiting"] <= 3
    hearing.status, before = 200, len(hearing.sent)
    shop.clock.step(DELAYS[1] + DELAYS[1] // 10)  # no later than if it waited alone
    await pinger.ping_all()
    assert len(hearing.sent) > before
    assert (await seen(shop))["waiting"] == 0


@pytest.mark.usefixtures("inside")
async def test_a_ping_under_way_stands_for_no_other(shop: Shop, hearing: Receiver) -> None:
    pinger, pool = await listened_to(shop, hearing)
    tried = "UPDATE ledger.ping SET tries = $2, due = $3 WHERE controller_id = $1 AND tries = 0"
    await changed(shop, pool)
    await pool.execute(tried, shop.controller_id, 2, shop.clock() + MINUTE)  # as a worker that has taken it
    await changed(shop, pool)
    await pool.execute(tried, shop.controller_id, 1, shop.clock())
    hearing.status = 503
    await pinger.ping_all()
    assert len(hearing.sent) == 1
    waiting = "SELECT status FROM ledger.ping WHERE controller_id = $1 ORDER BY due"
    assert [row["status"] for row in await pool.fetch(waiting, shop.controller_id)] == [None, 503]


@pytest.mark.usefixtures("inside")
async def test_no_ping_leaves_before_the_change_that_it_also_tells_of_is_stored(
    shop: Shop, hearing: Receiver
) -> None:
    pinger, pool = await listened_to(shop, hearing)
    await changed(shop, pool)
    async with pool.acquire() as connection:
        async with connection.transaction():
            await changed(shop, connection)
            await pinger.ping_all()
            assert hearing.sent == []
        await pinger.ping_all()
    assert len(hearing.sent) == 1
