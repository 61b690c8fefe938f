"""One controller of the service to talk to: its keys, its clock, and what tests say to it in a line."""

import json
from typing import Any, Final, TypeAlias
from uuid import uuid4

import httpx

from assent.core.time import SECOND
from assent.http.wiring import Service
from tests.support.policy_documents import Documents, shipped
from tests.support.service import SteppedClock, bearer, statement, subject

Json: TypeAlias = Any
"""What stands in a body."""

_CODES: Final = """
unknown_purpose purpose_not_bound unknown_feature wrong_type not_permitted_for_purpose rule_too_deep
empty_group unknown_audience cyclic_audience ambiguous_identifier blocked_identifier malformed_identifier
unknown_namespace stale_notice invalid_mechanism bundled_consent future_time malformed_signal
fact_rejected unreadable_body body_too_large unauthorized forbidden not_verified idempotency_mismatch
idempotency_in_flight revision_ahead over_capacity unavailable key_mismatch ledger_rolled_back erased
gain_without_statement activation_under_way unknown_webhook audience_in_use
"""
CODES: Final = frozenset(_CODES.split())
"""Every code of the wire."""

_TELLING: Final = 8
"""From this length on, a text that was sent and comes back was echoed."""


class Shop:
    """A controller with the shipped policy in force, and a key of each kind once it is asked for."""

    def __init__(
        self, http: httpx.AsyncClient, service: Service, clock: SteppedClock, admin_key: str
    ) -> None:
        self.http = http
        self.service = service
        self.clock = clock
        self.controller_id = 0
        self._keys = {"admin": admin_key}

    async def open(self, documents: Documents | None = None) -> "Shop":
        """Put a policy in force: the shipped one, unless another is given."""
        await self.post("/v1/policies", {"documents": documents or shipped(), "activate": True}, status=200)
        return self

    async def ask(
        self, method: str, path: str, body: object = None, *, by: str = "admin", **more: Json
    ) -> httpx.Response:
        """Ask with the key of a role, or with a token; a second passes first, so nothing at hand is stale."""
        self.clock.step()
        headers = {**bearer(await self.key(by)), **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return await self.http.request(method, path, headers=headers, **more)

    async def post(self, path: str, body: object, *, by: str = "admin", status: int = 201) -> Json:
        """Post what must be taken; return the answer's document."""
        response = await self.ask("POST", path, body, by=by)
        assert response.status_code == status, response.text
        return response.json()

    async def key(self, by: str) -> str:
        """Return the key of a role (`collector`, `browser`, `issuer`, `dpo`, `admin`), of an engine
        (`engine:PURPOSE`, `counting:PURPOSE` without the right to members), or `by` itself: a token."""
        if by not in self._keys:
            role, _, purpose = by.partition(":")
            match role:
                case "browser":
                    wanted: dict[str, object] = {"role": "collector", "trust": "browser"}
                case "engine" | "counting":
                    wanted = {"role": "engine", "purposes": [purpose], "members": role == "engine"}
                case "collector" | "issuer" | "dpo":
                    wanted = {"role": role}
                case _:
                    return by
            self._keys[by] = (await self.post("/v1/keys", wanted))["key"]
        return self._keys[by]

    async def state(self, who: str, purpose: str, state: str, **fields: Json) -> httpx.Response:
        """State something for `who` (`namespace:value`) as a server of the shop's."""
        body = {
            "subject": subject(who),
            "authenticated": fields.pop("authenticated", False),
            "statements": [statement(purpose, state, **fields)],
        }
        return await self.ask("POST", "/v1/consents", body, by="collector")

    async def given(self, who: str, *purposes: str) -> None:
        """Give consent."""
        for purpose in purposes:
            response = await self.state(who, purpose, "given")
            assert response.status_code == 201, response.text

    async def track(self, call: str, *, by: str = "collector", **body: Json) -> httpx.Response:
        """Send one tracking call."""
        return await self.ask("POST", f"/v1/{call}", body, by=by)

    async def bought(self, who: str, revenue: float, **more: Json) -> None:
        """Send one order."""
        namespace, _, value = who.partition(":")
        name = {"user_id": "userId", "anonymous_id": "anonymousId"}[namespace]
        response = await self.track(
            "track", event="Order Completed", properties={"revenue": revenue}, **{name: value}, **more
        )
        assert response.json()["accepted"] == 1, response.text

    async def decide(self, purpose: str, *who: str, **more: Json) -> httpx.Response:
        """Ask for decisions, with the purpose's engine."""
        body = {"purpose": purpose, "subjects": [subject(one) for one in who], **more}
        return await self.ask("POST", "/v1/decisions", body, by=f"engine:{purpose}")

    async def decision(self, purpose: str, who: str) -> Json:
        """Return one decision."""
        return (await self.decide(purpose, who)).json()["decisions"][0]

    async def token(self, *who: str, verified: bool = True, **more: Json) -> str:
        """Return a subject token."""
        named = [list(subject(one).values()) for one in who]
        made = await self.post(
            "/v1/subjects/token", {"sub_ids": named, "verified": verified, **more}, by="issuer"
        )
        return str(made["token"])

    async def save(
        self, audience: str, rule: object, *purposes: str, by: str = "admin", **more: Json
    ) -> httpx.Response:
        """Save an audience."""
        body = {"title": "an audience", "purposes": list(purposes), "rule": rule, **more}
        return await self.ask("PUT", f"/v1/audiences/{audience}", body, by=by)

    async def revision(self) -> int:
        """Return the ledger's size."""
        return int((await self.ask("GET", "/checkpoint")).text.splitlines()[1])


def refused(
    response: httpx.Response, status: int, code: str, pointer: str | None = None, *, silent: bool = True
) -> Json:
    """Assert that an answer is this problem and repeats nothing, if `silent`; return the document."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert {"type", "title", "status", "code"} <= document.keys()
    assert (document["type"], document["status"], document["code"]) == ("about:blank", status, code)
    assert code in CODES
    assert ("retry-after" in response.headers) == (status in {429, 503})
    if pointer is not None:
        assert {"pointer": pointer, "code": code} in document["errors"], document
    assert response.request.url.path not in response.text
    for sent in _texts(_sent(response.request)) if silent else ():
        assert sent not in response.text, "what was sent came back"
    return document


def _sent(request: httpx.Request) -> object:
    try:
        return json.loads(request.content)
    except (ValueError, RecursionError, httpx.RequestNotRead):
        return None


def _texts(sent: object) -> list[str]:
    """Return the texts that a body holds as values, those long enough to be recognised."""
    match sent:
        case str():
            return [sent] if len(sent) >= _TELLING else []
        case dict():
            # An operator's word may be the name of a member too, which a pointer says.
            return [text for name, value in sent.items() if name != "op" for text in _texts(value)]
        case list():
            return [text for value in sent for text in _texts(value)]
        case _:
            return []


def a_name() -> str:
    """Return a name that no controller has."""
    return f"shop {uuid4().hex}"


__all__ = ["CODES", "SECOND", "Json", "Shop", "a_name", "bearer", "refused", "statement", "subject"]
