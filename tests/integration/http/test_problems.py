"""Problems: every refusal has one form, whoever noticed it, and repeats nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest

from assent.core.errors import AssentError, AudienceInUse, GainsUnstated, OverCapacity, Refused
from assent.core.ids import ControllerId
from assent.database.lost import LOST
from assent.http.problems import status_of
from assent.ledger.append import Appended, Fact
from tests.integration.http.conftest import Installation
from tests.integration.http.shop import CODES, Shop, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Failing:
    """An `Append` that takes nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def append(self, controller_id: ControllerId, facts: Sequence[Fact]) -> Appended:
        raise self._error


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v2/track", "/v1/track/anna@example.org", "/v1/audiences/a/b/anna@example.org", "/v1/me/x"],
)
async def test_an_unknown_path_is_refused_without_repeating_it(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "unreadable_body",
    }


@pytest.mark.parametrize(
    ("by", "path"),
    [
        ("engine:service", "/v1/audiences/any/changes?purpose=service&purpose=personalisation"),
        ("engine:service", "/v1/audiences/any/changes?purpose=service&after=0&after=1"),
        ("dpo", "/v1/audiences/any?version=1&version=2"),
        ("dpo", "/v1/audit/proof/0?log=facts&log=releases"),
        ("dpo", "/v1/audit/consistency?from=0&from=1"),
        ("dpo", "/v1/sources?from=2026-01-01&from=2026-01-02"),
    ],
)
async def test_what_a_query_says_twice_is_refused(shop: Shop, by: str, path: str) -> None:
    refused(await shop.ask("GET", path, by=by), 400, "unreadable_body")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/v1/audit/releases", {"consumer": "a\0b"}, "/consumer"),
        ("/v1/audit/access", {"consumer": "a\0b"}, "/consumer"),
        ("/v1/identities/sources/retract", {"source": "a\0b"}, "/source"),
    ],
)
async def test_text_that_no_database_holds_is_refused(
    shop: Shop, path: str, body: Mapping[str, str], pointer: str
) -> None:
    refused(await shop.ask("POST", path, body, by="dpo"), 400, "unreadable_body", pointer)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/track", "OPTIONS, POST"),
        ("PUT", "/v1/consents", "OPTIONS, POST"),
        ("PATCH", "/v1/me/preferences", "GET, HEAD, OPTIONS, PUT"),
        ("POST", "/v1/audiences/anna", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("GET", "/v1/audiences/anna/count", "OPTIONS, POST"),
        ("DELETE", "/checkpoint", "GET, HEAD, OPTIONS"),
        ("BREW", "/health/live", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_a_path_does_not_know_is_refused_with_those_it_does(
    http: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    response = await http.request(method, path)
    refused(response, 405, "unreadable_body")
    assert response.headers["allow"] == allowed


async def test_what_is_read_can_be_asked_for_by_its_head(http: httpx.AsyncClient) -> None:
    for path in ("/health/live", "/health/ready", "/schema", "/.well-known/gpc.json"):
        whole, head = await http.get(path), await http.head(path)
        assert (head.status_code, head.headers) == (whole.status_code, whole.headers)
    assert (await http.head("/v1/me/preferences")).status_code == 401


async def test_a_header_of_nonsense_is_a_problem_too(http: httpx.AsyncClient) -> None:
    refused(await http.get("/health/live", headers={"Host": "an<>na"}), 400, "unreadable_body")


async def test_a_full_service_says_when_to_come_again(shop: Shop, installation: Installation) -> None:
    await shop.key("collector")
    with installation.appending(Failing(OverCapacity())):
        refused(await shop.track("track", userId="anna-0001", event="Product Viewed"), 429, "over_capacity")
        refused(await shop.state("user_id:anna-0001", "personalisation", "given"), 429, "over_capacity")


@pytest.mark.parametrize("lost", LOST)
async def test_a_lost_database_says_when_to_come_again(
    shop: Shop, installation: Installation, lost: type[Exception]
) -> None:
    await shop.key("collector")
    with installation.appending(Failing(lost("anna@example.org"))):
        refused(await shop.track("track", userId="anna-0001", event="Product Viewed"), 503, "unavailable")


async def test_a_fault_of_ours_tells_neither_the_caller_nor_the_log_whom_it_was_about(
    shop: Shop, installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    await shop.key("collector")
    with installation.appending(Failing(ValueError("anna@example.org"))):
        response = await shop.track("track", userId="anna-0001", event="Product Viewed")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "unavailable"
    logged = "".join(capsys.readouterr())
    assert "ValueError" in logged
    assert "anna" not in response.text + logged


TELLING: Mapping[type[AssentError], Any] = {GainsUnstated: {"advertising": 3}, AudienceInUse: ["others"]}
"""What is told beside the words of an error, of those that need it."""


def kinds(of: type[AssentError]) -> list[type[AssentError]]:
    return [of, *(deeper for kind in of.__subclasses__() for deeper in kinds(kind))]


async def test_every_error_that_a_caller_may_mend_has_a_code_of_the_wire_and_a_status_of_its_own() -> None:
    for kind in kinds(Refused):
        if kind.__name__ == "ProofInvalid":  # for `assent verify`, which is no request
            continue
        assert kind.code in CODES, kind
        told = TELLING.get(kind)
        refusal = kind() if told is None else kind(told)
        assert 400 <= status_of(refusal) < 500, kind


@pytest.mark.parametrize(
    ("method", "path", "body", "by"),
    [
        (
            "POST",
            "/v1/consents",
            (
                '{"subject": {"namespace": "user_id", "value": "u1"}, "statements": [{"purpose": "analytics",'
                ' "state": "withdrawn", "mechanism": "click", "notice": {"id": "analytics", "version": 1,'
                ' "language": "en"}, "st\\u0061te": "given"}]}'
            ),
            "collector",
        ),
        (
            "PUT",
            "/v1/audiences/some",
            (
                '{"title": "t", "purposes": ["analytics"], "rule": {"op": "not", "of": {"op": "all"},'
                ' "of": {"op": "not", "of": {"op": "all"}}}}'
            ),
            "admin",
        ),
        (
            "POST",
            "/v1/policies",
            '{"documents": {"purposes": {}, "purposes": {}}, "activate": true}',
            "admin",
        ),
        (
            "POST",
            "/v1/decisions",
            (
                '{"purpose": "analytics", "subjects": [{"namespace": "user_id", "value": "u1"}],'
                ' "context": {"cart": {"value": 1, "value": 1}}}'
            ),
            "engine:analytics",
        ),
    ],
)
async def test_a_member_given_twice_is_refused_in_bodies_of_ours_at_any_depth(
    shop: Shop, method: str, path: str, body: str, by: str
) -> None:
    revision = await shop.revision()
    document = refused(await shop.ask(method, path, by=by, content=body), 400, "unreadable_body")
    assert document["title"] == "A member of the body is given twice."
    assert await shop.revision() == revision
