"""Whatever is sent to the tracking paths: no fault, no word of it comes back, and nothing is half applied."""

from typing import Any, Final

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assent.core.errors import UnreadableBody
from assent.http import tracking
from assent.http.intake import Held
from assent.http.wiring import AnyRequest
from assent.ingest.body import Body
from assent.ingest.tracking import Calls
from tests.integration.http import hostile
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import CODES, Shop, bearer
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

STATUSES: Final = {200, 400, 401, 413, 422}

BRIEFLY: Final = settings(
    max_examples=140,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LONG: Final = settings(BRIEFLY, max_examples=6_000)


class Watched:
    """A shop whose every answer is held against what its ledger and its counts say of it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def sums(self) -> tuple[int, int, int, int]:
        """Return entries, then calls kept, taken without an entry, and refused, as the sources say."""
        response = await self.shop.ask("GET", "/v1/sources")
        sources: list[dict[str, Any]] = response.json()["sources"]
        return (
            await self.shop.revision(),
            sum(one["accepted"] for one in sources),
            sum(one["repeated"] + one["not_permitted"] for one in sources),
            sum(sum(one["refused"].values()) for one in sources),
        )

    async def send(self, path: str, body: bytes, encoding: str | None, by: str) -> httpx.Response:
        """Send it, and hold the answer to its promises."""
        before = await self.sums()
        headers = dict(bearer(await self.shop.key(by)))
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        response = await self.shop.http.post(path, content=body, headers=headers)
        after = await self.sums()
        entries, kept, without, refused = (now - then for now, then in zip(after, before, strict=True))
        assert response.status_code in STATUSES, str(response.status_code)
        assert_silent(response)
        assert entries == kept, "an entry was not counted"
        if response.status_code == 200:
            document = response.json()
            fates = (kept + without, refused)
            assert (document["accepted"], len(document["refused"])) == fates, "the answer miscounts"
            assert all(one["code"] in CODES for one in document["refused"])
        else:
            assert response.json()["code"] in CODES
            assert (kept, without) == (0, 0), "what was refused was applied"
            assert refused == 1, "a request that cannot be read is not counted"
        return response

    async def still_sound(self) -> None:
        """Ask about those whom all this was said of."""
        for purpose in ("service", "personalisation"):
            who = ("user_id:u1", "user_id:u2", "anonymous_id:u1", f"user_id:{hostile.MARKER}-user")
            assert (await self.shop.decide(purpose, *who)).status_code == 200


def assert_silent(response: httpx.Response) -> None:
    """Assert that nothing of what was sent stands in the answer."""
    said = (response.text + str(response.headers)).lower()
    assert hostile.MARKER.lower() not in said, "what was sent came back"


async def watched(shop: Shop) -> Watched:
    for who in ("user_id:u1", "anonymous_id:u1", f"user_id:{hostile.MARKER}-user"):
        await shop.given(who, "personalisation", "analytics")
    return Watched(shop)


_shops: dict[str, Watched] = {}


async def one_shop(installation: Installation, name: str) -> Watched:
    """Return the shop of a test, made once: what one example leaves behind, the next one meets."""
    if name not in _shops:
        _shops[name] = await watched(await (await installation.controller()).open(shipped()))
    return _shops[name]


anything = st.tuples(
    hostile.requests, st.sampled_from(hostile.ENCODINGS), st.sampled_from(["collector", "browser"])
)


@BRIEFLY
@given(anything)
async def test_whatever_is_sent_is_answered_in_silence_and_applied_whole(
    installation: Installation,
    capsys: pytest.CaptureFixture[str],
    sent: tuple[tuple[str, bytes], str | None, str],
) -> None:
    it = await one_shop(installation, "briefly")
    (path, body), encoding, by = sent
    await it.send(path, body, encoding, by)
    await it.still_sound()
    assert hostile.MARKER.lower() not in "".join(capsys.readouterr()).lower()


@pytest.mark.full
@LONG
@given(anything)
async def test_whatever_is_sent_at_length_is_answered_in_silence_and_applied_whole(
    installation: Installation,
    capsys: pytest.CaptureFixture[str],
    sent: tuple[tuple[str, bytes], str | None, str],
) -> None:
    it = await one_shop(installation, "at length")
    (path, body), encoding, by = sent
    await it.send(path, body, encoding, by)
    await it.still_sound()
    assert hostile.MARKER.lower() not in "".join(capsys.readouterr()).lower()


@pytest.mark.parametrize("bomb", range(len(hostile.BOMBS)))
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track", "/batch/"])
async def test_what_is_made_to_cost_is_cheap_to_refuse(
    installation: Installation, bomb: int, path: str
) -> None:
    it = await one_shop(installation, "bombs")
    await it.send(path, hostile.BOMBS[bomb], None, "collector")
    intake = it.shop.service.intake
    assert (intake.requests, intake.bytes) == (0, 0)


# Canaries: each promise broken once, for each body of a few that must notice.

TELLING: Final = (
    ("/v1/batch", b'{"batch":[{"type":"track","event":"Order Completed","userId":"u1"},{"userId":"%s"}]}'),
    ("/v1/batch", b'{"batch":{"type":"%s"}}'),
    ("/batch/", b'{"batch":[{"event":"Order Completed","distinct_id":"u1"},{"event":{"a":"%s"}}]}'),
)


async def noticed(it: Watched) -> set[str]:
    """Return which promises the telling bodies find broken."""
    found = set()
    for path, body in TELLING:
        try:
            await it.send(path, body.replace(b"%s", hostile.MARKER.encode()), None, "collector")
        except AssertionError as error:
            found.add(str(error).split("\n", 1)[0])
    return found


async def test_the_telling_bodies_find_nothing_wrong_with_what_is_sound(shop: Shop) -> None:
    assert await noticed(await watched(shop)) == set()


async def test_an_echo_would_be_noticed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tracking.tracking_body

    async def echoing(request: AnyRequest, held: Held, limit_bytes: int) -> Body:
        body = await sound(request, held, limit_bytes)
        if b'"batch":{' in body.text:
            raise UnreadableBody(body.text.decode())
        return body

    it = await watched(shop)
    monkeypatch.setattr(tracking, "tracking_body", echoing)
    assert await noticed(it) == {"what was sent came back"}


async def test_a_fault_would_be_noticed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object, **__: object) -> Calls:
        raise RecursionError

    it = await watched(shop)
    monkeypatch.setattr(tracking, "calls", faulty)
    assert await noticed(it) == {"500"}


async def test_a_half_applied_request_would_be_noticed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tracking.take

    async def half(request: AnyRequest, said: Calls) -> tracking.Taken:
        await sound(request, said)
        raise UnreadableBody

    it = await watched(shop)
    monkeypatch.setattr(tracking, "take", half)
    assert await noticed(it) == {"what was refused was applied"}


async def test_a_miscounted_request_would_be_noticed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = tracking.take

    async def generous(request: AnyRequest, said: Calls) -> tracking.Taken:
        taken = await sound(request, said)
        return msgspec.structs.replace(taken, accepted=len(said.items), refused=())

    it = await watched(shop)
    monkeypatch.setattr(tracking, "take", generous)
    assert await noticed(it) == {"the answer miscounts"}
