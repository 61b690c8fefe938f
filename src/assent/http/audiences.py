"""Audiences: saved rules, how many people they are true for, and who."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, delete, post, put
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Meta, Raw, Struct

from assent.audiences.answers import Asking, Count, Members
from assent.audiences.check import Needs, check
from assent.audiences.derive import needed, needed_by_all
from assent.audiences.rule import Rule, to_json, unparse
from assent.audiences.shelf import Audience
from assent.audiences.text import write
from assent.core.errors import (
    FactRejected,
    Forbidden,
    NotPermittedForPurpose,
    UnknownAudience,
    UnknownPurpose,
    UnreadableBody,
)
from assent.core.ids import NamespaceId, ProfileId
from assent.core.policy import Policy
from assent.http.access import caller, may_use
from assent.http.at_least import refuse_ahead, revision_asked, sequence_asked
from assent.http.bodies import answer, at_revision, at_sequence, body_of, reading, revision_of
from assent.http.idempotency import once
from assent.http.keys import ONE_LINE, Caller, Role
from assent.http.rules import said_rule
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.facts import AudienceBody, Draft, make_facts
from assent.ingest.handing_out import Values, opened

_KEEPERS: Final = "admin, dpo, engine"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_encode = msgspec.json.Encoder().encode
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


class AudienceRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An audience to save (API.md, Engine)."""

    title: Annotated[str, Meta(max_length=200, pattern=ONE_LINE)]
    purposes: Annotated[tuple[str, ...], Meta(min_length=1)]
    rule: Raw
    """A tree, or its text."""


class PurposeRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which purpose to answer."""

    purpose: str


class MembersRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which purpose, and with which of the members' identifiers."""

    purpose: str
    namespaces: tuple[str, ...] | None = None


class PreviewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule to try."""

    purpose: str
    rule: Raw


class OverlapRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Audiences whose common members to count."""

    purpose: str
    audiences: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]


@put(
    "/v1/audiences/{audience:str}",
    status_code=200,
    opt=shape(by=_KEEPERS, body=AudienceRequest, answer=dict[str, Any], once=True),
)
async def save(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Save a rule as the audience's next version, checked for each of its purposes."""
    who = await caller(request, Role.ADMIN, Role.DPO, Role.ENGINE)
    body = await body_of(request, AudienceRequest)
    if not _NAME.fullmatch(audience):
        raise UnreadableBody("An audience's id is up to 63 lower-case letters, digits, - and _.")
    return await once(request, who, partial(_save, who, audience, body))


async def _save(who: Caller, audience: str, body: AudienceRequest, wired: Service) -> Response[bytes]:
    policy = await wired.policies.refreshed(who.controller_id)
    existing = (await wired.audiences.shelf.all(who.controller_id)).get(audience)
    if existing is not None and not _owns(who, existing.purposes):
        raise Forbidden
    with said_rule(body.rule) as rule:
        needs = [
            await _checked(wired, who, policy, audience, rule, purpose, place)
            for place, purpose in enumerate(body.purposes)
        ]
    await wired.derivations.ensure(who.controller_id, needed(rule, policy), who.role.value)
    revision = await _append(wired, who, audience, body.title, body.purposes, to_json(rule))
    # Again, since somebody may have dropped what nobody needed until now.
    await wired.derivations.ensure(who.controller_id, needed(rule, policy), who.role.value)
    await _drop_unneeded(wired, who, policy)
    saved = (await wired.audiences.shelf.all(who.controller_id)).get(audience)
    if saved is None:  # somebody deleted it at once
        raise UnknownAudience
    document = {"id": audience, "version": saved.version, "needs": needs[0]}
    return answer(document, headers=_written(who, revision))


@reading("/v1/audiences", opt=shape(by=_KEEPERS, answer=dict[str, Any], at_least=True))
async def every(request: AnyRequest) -> Response[bytes]:
    """Return every audience that the key may ask for."""
    who = await caller(request, Role.ADMIN, Role.DPO, Role.ENGINE)
    found, headers = await _saved(request, who)
    seen = [_document(one) for _, one in sorted(found.items()) if _sees(who, one)]
    return answer({"audiences": seen}, headers=headers)


@reading("/v1/audiences/{audience:str}", opt=shape(by=_KEEPERS, answer=dict[str, Any], at_least=True))
async def one(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Return one audience, or one version of it. Another purpose's is as unknown as one that never was."""
    who = await caller(request, Role.ADMIN, Role.DPO, Role.ENGINE)
    version = _version(request.query_params)
    saved, headers = await _saved(request, who)
    found = (
        saved.get(audience)
        if version is None
        else await service(request).audiences.shelf.version(who.controller_id, audience, version)
    )
    if found is None or not _sees(who, found):
        raise UnknownAudience
    return answer(_document(found), headers=headers)


@delete(
    "/v1/audiences/{audience:str}",
    status_code=200,
    opt=shape(by=_KEEPERS, answer=dict[str, Any], once=True),
)
async def remove(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Delete an audience; its versions stay in the ledger."""
    who = await caller(request, Role.ADMIN, Role.DPO, Role.ENGINE)
    return await once(request, who, partial(_remove, who, audience))


async def _remove(who: Caller, audience: str, wired: Service) -> Response[bytes]:
    found = (await wired.audiences.shelf.all(who.controller_id)).get(audience)
    if found is None or not _owns(who, found.purposes):
        raise UnknownAudience
    revision = await _append(wired, who, audience, found.title, found.purposes, None)
    await _drop_unneeded(wired, who, await wired.policies.refreshed(who.controller_id))
    return answer({"id": audience, "deleted": True}, headers=_written(who, revision))


async def _drop_unneeded(wired: Service, who: Caller, policy: Policy) -> None:
    """Drop what no audience in force asks of events any more."""
    saved = await wired.audiences.shelf.all(who.controller_id)
    names = needed_by_all([one.rule for one in saved.values()], policy)
    await wired.derivations.drop_unneeded(who.controller_id, names, who.role.value)


@post(
    "/v1/audiences/{audience:str}/count",
    status_code=200,
    opt=shape(by="engine", body=PurposeRequest, answer=Count, at_least=True),
)
async def count(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Count the members of an audience."""
    wired = service(request)
    who = await caller(request, Role.ENGINE)
    body = await body_of(request, PurposeRequest)
    asking = await _asking(request, who, body.purpose)
    counted = await wired.audiences.count(asking, audience)
    return answer(counted, headers=at_sequence(counted.sequence))


@post(
    "/v1/audiences/preview",
    status_code=200,
    opt=shape(by="engine", body=PreviewRequest, answer=dict[str, Any], at_least=True),
)
async def preview(request: AnyRequest) -> Response[bytes]:
    """Count those for whom a rule is true that is not saved."""
    wired = service(request)
    who = await caller(request, Role.ENGINE)
    body = await body_of(request, PreviewRequest)
    asking = await _asking(request, who, body.purpose)
    policy = await wired.policies.current(who.controller_id)
    with said_rule(body.rule) as rule:
        needs = await wired.audiences.needs(asking, policy, rule)
    await wired.derivations.ensure(who.controller_id, needed(rule, policy), who.role.value)
    counted = await wired.audiences.preview(asking, rule)
    document = msgspec.to_builtins(counted) | {"needs": needs}
    return answer(document, headers=at_sequence(counted.sequence))


@post(
    "/v1/audiences/overlap",
    status_code=200,
    opt=shape(by="engine", body=OverlapRequest, answer=Count, at_least=True),
)
async def overlap(request: AnyRequest) -> Response[bytes]:
    """Count the common members of several audiences."""
    wired = service(request)
    who = await caller(request, Role.ENGINE)
    body = await body_of(request, OverlapRequest)
    asking = await _asking(request, who, body.purpose)
    counted = await wired.audiences.overlap(asking, body.audiences)
    return answer(counted, headers=at_sequence(counted.sequence))


@post(
    "/v1/audiences/{audience:str}/members",
    status_code=200,
    opt=shape(
        by="engine with the members right",
        body=MembersRequest,
        answer=dict[str, Any],
        media_type="application/x-ndjson",
        at_least=True,
    ),
)
async def members(request: AnyRequest, audience: FromPath[str]) -> Stream:
    """Stream all members, in order of their pairwise ids; only a last line says that they are complete."""
    wired = service(request)
    who = await caller(request, Role.ENGINE)
    who.require_members()
    body = await body_of(request, MembersRequest)
    asking = await _asking(request, who, body.purpose)
    policy = await wired.policies.current(who.controller_id)
    names = sorted(set(body.namespaces or ()))
    handed = _handed_out(policy, body.purpose, names)
    found = await wired.audiences.members(asking, audience, names)
    return Stream(
        _lines(wired, asking, policy, found, handed),
        media_type="application/x-ndjson",
        headers=at_sequence(found.sequence),
        status_code=200,
    )


def _handed_out(policy: Policy, purpose: str, names: Sequence[str]) -> list[NamespaceId]:
    """Return the namespaces that are named, if the purpose may hand out values of all of them."""
    exports = policy.purposes[policy.purpose_ids[purpose]].exports
    if any(policy.namespace_ids.get(name) not in exports for name in names):
        raise NotPermittedForPurpose(pointer="/namespaces")
    return [policy.namespace_ids[name] for name in names]


async def _lines(
    wired: Service, asking: Asking, policy: Policy, found: Members, handed: Sequence[NamespaceId]
) -> AsyncIterator[bytes]:
    async for chunk in wired.audiences.chunks(asking, found):
        if chunk is None:
            yield b'{"end":true,"restart":true}\n'
            return
        values: Mapping[ProfileId, Values] = {}
        if handed:
            exported = await wired.audiences.exported(asking, chunk, handed)
            values = opened(wired.ring, asking.controller_id, policy.namespaces, exported)
        yield b"".join(
            _encode({"subject": one, "identifiers": values.get(profile, {})}) + b"\n"
            for one, profile in chunk
        )
    end = {
        "end": True,
        "members": len(found.subjects),
        "sequence": found.sequence,
        "release": f"r:{found.release}",
    }
    yield msgspec.json.encode(end) + b"\n"


async def _asking(request: AnyRequest, who: Caller, purpose: str) -> Asking:
    may_use(who, await service(request).policies.current(who.controller_id), purpose)
    return Asking(
        controller_id=who.controller_id,
        purpose=purpose,
        consumer=who.consumer,
        exact=who.members,
        at_least=sequence_asked(request),
    )


async def _saved(request: AnyRequest, who: Caller) -> tuple[dict[str, Audience], dict[str, str] | None]:
    """Return the audiences in force, and the header of a revision that they have reached at least."""
    wired = service(request)
    if who.role is Role.ENGINE:
        return await wired.audiences.shelf.all(who.controller_id), None
    asked = revision_asked(request)
    revision = await revision_of(wired, who.controller_id)
    refuse_ahead(asked, revision)
    wired.audiences.shelf.forget(who.controller_id)  # what is at hand may be a second old
    return await wired.audiences.shelf.all(who.controller_id), at_revision(revision)


async def _checked(
    wired: Service, who: Caller, policy: Policy, audience: str, rule: Rule, purpose: str, place: int
) -> Needs:
    number = policy.purpose_ids.get(purpose)
    if number is None:
        raise UnknownPurpose(pointer=f"/purposes/{place}")
    if who.role is Role.ENGINE:
        may_use(who, policy, purpose)
    known = await wired.audiences.shelf.of_purpose(who.controller_id, purpose)
    rules = {other.id: other.rule for other in known.values()} | {audience: rule}
    return check(rule, policy, number, rules, name=audience)


async def _append(
    wired: Service, who: Caller, audience: str, title: str, purposes: tuple[str, ...], rule: str | None
) -> int:
    body = AudienceBody(audience=audience, title=title, purposes=purposes, rule=rule)
    facts = make_facts(wired.ring, wired.random, who.controller_id, [Draft(body=body, role=who.role.value)])
    appended = await wired.ledger.append(who.controller_id, facts)
    if appended.outcomes[0].code is not None:
        raise FactRejected
    wired.audiences.shelf.forget(who.controller_id)
    return appended.revision


def _version(asked: Mapping[str, str]) -> int | None:
    """Return the version asked for, None for the one in force."""
    if not asked:
        return None
    if asked.keys() != {"version"} or not _NUMBER.fullmatch(asked["version"]):
        raise UnreadableBody("Expected no parameter, or version and a number.")
    return int(asked["version"])


def _written(who: Caller, revision: int) -> dict[str, str] | None:
    """Return the header of a write; none for an engine, since the revision counts what it may not use."""
    return None if who.role is Role.ENGINE else at_revision(revision)


def _sees(who: Caller, found: Audience) -> bool:
    return who.role is not Role.ENGINE or bool(who.purposes & set(found.purposes))


def _owns(who: Caller, purposes: tuple[str, ...]) -> bool:
    return who.role is not Role.ENGINE or who.purposes >= set(purposes)


def _document(found: Audience) -> dict[str, object]:
    return {
        "id": found.id,
        "version": found.version,
        "title": found.title,
        "purposes": found.purposes,
        "rule": unparse(found.rule),
        "text": write(found.rule),
    }


HANDLERS = [save, every, one, remove, count, preview, overlap, members]
