"""Pings are signed as the specification says, and go to no address inside."""

import asyncio
import base64
import socket

import httpx
import pytest

from assent.core.time import DAY
from assent.ingest import webhook_address
from assent.ingest.pings import DELAYS
from assent.ingest.webhook_address import AddressRefused, read_url, refuse_inside, target
from assent.ingest.webhook_signature import shown, signed


def test_a_ping_is_signed_as_the_specifications_libraries_sign_it() -> None:
    # The vector that the specification's own libraries are tested with.
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert shown(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_three_days_are_tried() -> None:
    assert sum(DELAYS) >= 3 * DAY


def test_every_valid_secret_signs() -> None:
    both = signed([b"a" * 32, b"b" * 32], "msg_1", 1, b"{}")["webhook-signature"].split(" ")
    assert both == [signed([one], "msg_1", 1, b"{}")["webhook-signature"] for one in (b"a" * 32, b"b" * 32)]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://user:secret@example.com/",
        "https:///nowhere",
        "https://example.com/#part",
        "example.com",
        "https://example.com/" + "x" * 2_000,
        "http://[::1",
    ],
)
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        read_url(url)


INSIDE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("::1", "::", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "ff02::1"),
    *("224.0.0.1", "255.255.255.255", "::127.0.0.1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "fec0::1"),
)


@pytest.mark.parametrize("address", INSIDE)
async def test_no_address_inside_is_connected_to(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    written = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        refuse_inside(read_url(f"http://{written}/"))

    async def resolved(*_: object, **__: object) -> list[tuple[object, ...]]:
        # A name with one address outside and one inside.
        return [(socket.AF_INET, 1, 6, "", (one, 80)) for one in ("93.184.215.14", address)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved, raising=False)
    with pytest.raises(AddressRefused):
        await target(httpx.URL("https://example.com/"), inside=False)


async def test_the_request_goes_to_the_address_that_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, 1, 6, "", ("93.184.215.14", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved, raising=False)
    found = await target(httpx.URL("https://example.com:8443/a?b=c"), inside=False)
    assert str(found.url) == "https://93.184.215.14:8443/a?b=c"
    assert (found.host, found.name) == ("example.com:8443", "example.com")


def test_an_address_outside_is_allowed() -> None:
    refuse_inside(read_url("https://93.184.215.14/"))
    assert webhook_address._is_outside("2606:2800:21f:cb07:6820:80da:af6b:8b2c")
