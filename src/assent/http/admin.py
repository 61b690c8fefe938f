"""Controllers, keys and policies: what an administrator sets up."""

from functools import partial
from typing import Annotated, Any

from litestar import Response, post
from msgspec import Meta, Struct

from assent.core.errors import Forbidden, UnknownPurpose
from assent.core.ids import ControllerId
from assent.http.access import caller
from assent.http.bodies import answer, at_revision, body_of, revision_of
from assent.http.idempotency import once, refuse_key
from assent.http.keys import ONE_LINE, Caller, NewKey, Role
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.activation import activate, checked
from assent.ingest.controllers import create_controller
from assent.ingest.report_policy import Simulation, simulated

FIRST = ControllerId(1)
"""The installation's own controller; its administrators make the others."""


class ControllerBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A controller to make."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=ONE_LINE)]


class PolicyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Documents of a policy by name, as TOML or JSON says them."""

    documents: dict[str, dict[str, Any]]
    activate: bool = False
    simulate: bool = False
    """Whether to count who would gain and lose. Where it is activated too, before that."""


class PolicyAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of it: the version in force now and, where it was asked for, whom the documents concern."""

    valid: bool
    activated: bool
    version: int
    revision: int | None = None
    simulation: Simulation | None = None


class Revocation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which key to revoke."""

    key_id: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]


@post(
    "/v1/controllers",
    status_code=201,
    opt=shape(by="admin of the installation", body=ControllerBody, answer=dict[str, str | int]),
)
async def make_controller(request: AnyRequest) -> Response[bytes]:
    """Make a controller with an empty ledger; its first key, an administrator's, is shown once."""
    wired = service(request)
    who = await caller(request, Role.ADMIN)
    refuse_key(request)
    if who.controller_id != FIRST:
        raise Forbidden
    body = await body_of(request, ControllerBody)
    async with wired.database.writer.acquire() as connection:
        controller_id = await create_controller(connection, wired.ring, body.name, wired.clock())
    key_id, key = await wired.keys.create(controller_id, NewKey(role=Role.ADMIN))
    return answer({"controller": controller_id, "name": body.name, "key_id": key_id, "key": key}, status=201)


@post("/v1/keys", status_code=201, opt=shape(by="admin", body=NewKey, answer=dict[str, str | int]))
async def make_key(request: AnyRequest) -> Response[bytes]:
    """Make a key; its text is shown once."""
    wired = service(request)
    who = await caller(request, Role.ADMIN)
    refuse_key(request)
    body = await body_of(request, NewKey)
    policy = await wired.policies.refreshed(who.controller_id)
    for place, purpose in enumerate(body.purposes):
        if purpose not in policy.purpose_ids:
            raise UnknownPurpose(pointer=f"/purposes/{place}")
    key_id, key = await wired.keys.create(who.controller_id, body)
    return answer({"key_id": key_id, "key": key}, status=201)


@post(
    "/v1/keys/revoke",
    status_code=200,
    opt=shape(by="admin", body=Revocation, answer=dict[str, bool], once=True),
)
async def revoke_key(request: AnyRequest) -> Response[bytes]:
    """Revoke a key; it is refused everywhere within a second."""
    who = await caller(request, Role.ADMIN)
    body = await body_of(request, Revocation)
    return await once(request, who, partial(_revoke_key, who, body))


async def _revoke_key(who: Caller, body: Revocation, wired: Service) -> Response[bytes]:
    return answer({"revoked": await wired.keys.revoke(who.controller_id, body.key_id)})


@post(
    "/v1/policies",
    status_code=200,
    opt=shape(by="admin; dpo to check", body=PolicyRequest, answer=PolicyAnswer, once=True),
)
async def set_policy(request: AnyRequest) -> Response[bytes]:
    """Check a policy; count whom it would concern, and put it in force, when asked to.

    Where people would be used for more without a statement, and no new `gains_basis` says why, the answer is
    409 with how many, by purpose. Of many people the answer may take minutes; the service goes on meanwhile.
    """
    who = await caller(request, Role.ADMIN, Role.DPO)
    body = await body_of(request, PolicyRequest)
    if body.activate:
        who.require(Role.ADMIN)
    return await once(request, who, partial(_set_policy, who, body))


async def _set_policy(who: Caller, body: PolicyRequest, wired: Service) -> Response[bytes]:
    async with wired.database.auditor.acquire() as connection:
        wanted = await checked(connection, who.controller_id, body.documents)
        document: dict[str, Any] = {"valid": True, "activated": False, "version": wanted.version - 1}
        if body.simulate:
            audiences = await wired.audiences.shelf.all(who.controller_id)
            document["simulation"] = await simulated(
                connection, who.controller_id, wanted, wired.clock(), audiences.values()
            )
    if not body.activate:
        revision: int = await revision_of(wired, who.controller_id)
        return answer(document, headers=at_revision(revision))
    revision = await activate(wired.means, who.controller_id, body.documents, who.role.value)
    policy = await wired.policies.refreshed(who.controller_id)
    await wired.keep_what_rules_ask(who.controller_id, policy, who.role.value)
    document |= {"activated": True, "version": policy.version, "revision": revision}
    return answer(document, headers=at_revision(revision))


HANDLERS = [make_controller, make_key, revoke_key, set_policy]
