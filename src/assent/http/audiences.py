"""Audiences: saved rules, with holdouts and goals."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Annotated, Any, Final

from litestar import Response, delete, put
from litestar.params import FromPath
from msgspec import Meta, Raw, Struct

from assent.audiences import goal as goals_of
from assent.audiences import holdout as holdouts
from assent.audiences.check import Needs, check, together
from assent.audiences.derive import needed_by_all
from assent.audiences.goal import Goal
from assent.audiences.holdout import Holdout, held_out
from assent.audiences.reach import referring
from assent.audiences.rule import Rule, to_json, unparse
from assent.audiences.shelf import Audience
from assent.audiences.text import write
from assent.core.errors import (
    AudienceInUse,
    FactRejected,
    Forbidden,
    UnknownAudience,
    UnknownPurpose,
    UnreadableBody,
)
from assent.core.policy import Policy
from assent.http.access import caller, may_use
from assent.http.at_least import refuse_ahead, revision_asked
from assent.http.bodies import (
    answer,
    at_revision,
    body_of,
    parameter,
    reading,
    revision_of,
)
from assent.http.idempotency import once
from assent.http.keys import ONE_LINE, Caller, Role
from assent.http.rules import pointing_into, said_rule
from assent.http.schema import FROM_ONE, Parameter, shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.facts import AudienceBody, Draft, make_facts
from assent.ledger.append import Appended

_KEEPERS: Final = "admin, dpo, engine"
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_VERSIONS: Final = (Parameter(name="version", kind=FROM_ONE),)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_GOAL_NAME: Final = "A goal's id is its own, up to 63 lower-case letters, digits, - and _."

Title = Annotated[str, Meta(max_length=200, pattern=ONE_LINE)]
Salt = Annotated[str, Meta(min_length=1, max_length=200, pattern=ONE_LINE)]


class HoldoutRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which share of the members to hold out, and what it is drawn by: the audience's id, unless said."""

    share: float
    salt: Salt | None = None


class GoalRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What members should come to do: a tree, or its text."""

    id: str
    title: Title
    rule: Raw


class AudienceRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An audience to save (API.md, Engine)."""

    title: Title
    purposes: Annotated[tuple[str, ...], Meta(min_length=1)]
    rule: Raw
    """A tree, or its text."""
    holdout: HoldoutRequest | None = None
    goals: Annotated[tuple[GoalRequest, ...], Meta(max_length=8)] = ()


@put(
    "/v1/audiences/{audience:str}",
    status_code=200,
    opt=shape(by=_KEEPERS, body=AudienceRequest, answer=dict[str, Any], once=True),
)
async def save(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Save a rule as the audience's next version, checked for each of its purposes; once, said again."""
    who = await caller(request, Role.ADMIN, Role.DPO, Role.ENGINE)
    body = await body_of(request, AudienceRequest)
    if not _NAME.fullmatch(audience):
        raise UnreadableBody("An audience's id is up to 63 lower-case letters, digits, - and _.")
    return await once(request, who, partial(_save, who, audience, body))


async def _save(who: Caller, audience: str, body: AudienceRequest, wired: Service) -> Response[bytes]:
    shelf, policy = wired.audiences.shelf, await wired.policies.refreshed(who.controller_id)
    # Looked at twice: what it asks of events is read before its turn comes, which may take long.
    shelf.forget(who.controller_id)  # whatever the rule refers to may have been saved just now
    _refuse_others(who, (await shelf.all(who.controller_id)).get(audience))
    wanted, needs = await _wanted(wired, who, policy, audience, body)
    names = needed_by_all(wanted.rules, policy)
    await wired.derivations.ensure(who.controller_id, names, who.role.value)
    async with shelf.alone(wired.database.preparer, who.controller_id) as saved:
        existing = saved.get(audience)
        _refuse_others(who, existing)
        wanted, needs = await _wanted(wired, who, policy, audience, body)
        if existing is not None:
            _refuse_in_use(saved, audience, set(existing.purposes) - set(wanted.purposes), "/purposes")
        if existing is not None and _fact(existing) == _fact(wanted):
            version, revision = existing.version, await revision_of(wired, who.controller_id)
        else:
            appended = await _append(wired, who, _fact(wanted))
            version = await shelf.saved(who.controller_id, audience, appended.outcomes[0].index)
            revision = appended.revision
    # Again, since somebody may have dropped what nobody needed until now.
    await wired.derivations.ensure(who.controller_id, names, who.role.value)
    await _drop_unneeded(wired, who, policy)
    return answer({"id": audience, "version": version, "needs": needs}, headers=_written(who, revision))


def _refuse_others(who: Caller, existing: Audience | None) -> None:
    """Raise Forbidden for an audience that is not the caller's alone."""
    if existing is not None and not _owns(who, existing.purposes):
        raise Forbidden


def _refuse_in_use(
    saved: Mapping[str, Audience], audience: str, gone: AbstractSet[str], pointer: str = ""
) -> None:
    """Raise AudienceInUse where others refer to an audience for one of the purposes that it would lose.

    Whoever may change it for these purposes sees them: they have one of these purposes too.
    """
    rules = {name: one.rules for name, one in saved.items() if not gone.isdisjoint(one.purposes)}
    if referrers := referring(audience, rules):
        raise AudienceInUse(referrers, pointer=pointer)


async def _wanted(
    wired: Service, who: Caller, policy: Policy, audience: str, body: AudienceRequest
) -> tuple[Audience, Needs]:
    """Return what a body asks to be saved, checked for each of its purposes, and what it looks at."""
    for place, purpose in enumerate(body.purposes):
        pointer = f"/purposes/{place}"
        if purpose not in policy.purpose_ids:
            raise UnknownPurpose(pointer=pointer)
        # Each costs a check of every rule, and there are only so many different ones.
        if purpose in body.purposes[:place]:
            raise UnreadableBody("A purpose is named twice.", pointer=pointer)
        if who.role is Role.ENGINE:
            may_use(who, policy, purpose, pointer)
    with said_rule(body.rule) as rule:
        needs = [await _checked(wired, who, policy, each, rule, audience, rule) for each in body.purposes]
    goals: list[Goal] = []
    for place, one in enumerate(body.goals):
        if not _NAME.fullmatch(one.id) or one.id in (goal.id for goal in goals):
            raise UnreadableBody(_GOAL_NAME, pointer=f"/goals/{place}/id")
        with pointing_into(f"/goals/{place}"), said_rule(one.rule) as goal_rule:
            needs += [
                await _checked(wired, who, policy, each, goal_rule, audience, rule) for each in body.purposes
            ]
        goals.append(Goal(id=one.id, title=one.title, rule=goal_rule))
    wanted = Audience(
        id=audience,
        version=0,
        title=body.title,
        purposes=body.purposes,
        rule=rule,
        holdout=_holdout(body.holdout, audience),
        goals=tuple(goals),
    )
    return wanted, together(needs)


def _holdout(said: HoldoutRequest | None, audience: str) -> Holdout | None:
    return None if said is None else held_out(said.share, said.salt or audience)


@reading("/v1/audiences", opt=shape(by=_KEEPERS, answer=dict[str, Any], at_least=True))
async def every(request: AnyRequest) -> Response[bytes]:
    """Return every audience that the key may ask for."""
    who = await caller(request, Role.ADMIN, Role.DPO, Role.ENGINE)
    found, headers = await _saved(request, who)
    seen = [_document(one) for _, one in sorted(found.items()) if _sees(who, one)]
    return answer({"audiences": seen}, headers=headers)


@reading(
    "/v1/audiences/{audience:str}",
    opt=shape(by=_KEEPERS, answer=dict[str, Any], at_least=True, query=_VERSIONS),
)
async def one(request: AnyRequest, audience: FromPath[str]) -> Response[bytes]:
    """Return one audience, or one version of it. Another purpose's is as unknown as one that never was."""
    who = await caller(request, Role.ADMIN, Role.DPO, Role.ENGINE)
    version = _version(request)
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
    """Delete an audience to which no other refers; its versions stay in the ledger."""
    who = await caller(request, Role.ADMIN, Role.DPO, Role.ENGINE)
    return await once(request, who, partial(_remove, who, audience))


async def _remove(who: Caller, audience: str, wired: Service) -> Response[bytes]:
    async with wired.audiences.shelf.alone(wired.database.preparer, who.controller_id) as saved:
        found = saved.get(audience)
        if found is None or not _owns(who, found.purposes):
            raise UnknownAudience
        _refuse_in_use(saved, audience, set(found.purposes))
        gone = AudienceBody(audience=audience, title=found.title, purposes=found.purposes, rule=None)
        appended = await _append(wired, who, gone)
    await _drop_unneeded(wired, who, await wired.policies.refreshed(who.controller_id))
    return answer({"id": audience, "deleted": True}, headers=_written(who, appended.revision))


async def _drop_unneeded(wired: Service, who: Caller, policy: Policy) -> None:
    """Drop what no audience in force asks of events any more."""
    saved = await wired.audiences.shelf.all(who.controller_id)
    names = needed_by_all([rule for one in saved.values() for rule in one.rules], policy)
    await wired.derivations.drop_unneeded(who.controller_id, names, who.role.value)


async def _saved(request: AnyRequest, who: Caller) -> tuple[dict[str, Audience], dict[str, str] | None]:
    """Return the audiences in force, and the header of a revision that they have reached at least."""
    wired, headers = service(request), None
    if who.role is not Role.ENGINE:
        asked = revision_asked(request)
        revision = await revision_of(wired, who.controller_id)
        refuse_ahead(asked, revision)
        headers = at_revision(revision)
    wired.audiences.shelf.forget(who.controller_id)  # what is at hand may be a second old
    return await wired.audiences.shelf.all(who.controller_id), headers


async def _checked(
    wired: Service, who: Caller, policy: Policy, purpose: str, rule: Rule, audience: str, saved: Rule
) -> Needs:
    """Check a rule of an audience for a purpose; `saved` is the audience's own."""
    known = await wired.audiences.shelf.of_purpose(who.controller_id, purpose)
    rules = {other.id: other.rule for other in known.values()} | {audience: saved}
    name = audience if rule is saved else None
    return check(rule, policy, policy.purpose_ids[purpose], rules, name=name)


def _fact(wanted: Audience) -> AudienceBody:
    return AudienceBody(
        audience=wanted.id,
        title=wanted.title,
        purposes=wanted.purposes,
        rule=to_json(wanted.rule),
        holdout=holdouts.write(wanted.holdout),
        goals=goals_of.write(wanted.goals),
    )


async def _append(wired: Service, who: Caller, body: AudienceBody) -> Appended:
    facts = make_facts(wired.ring, wired.random, who.controller_id, [Draft(body=body, role=who.role.value)])
    appended = await wired.ledger.append(who.controller_id, facts)
    if appended.outcomes[0].code is not None:
        raise FactRejected
    wired.audiences.shelf.forget(who.controller_id)
    return appended


def _version(request: AnyRequest) -> int | None:
    """Return the version asked for, None for the one in force."""
    asked = parameter(request, "version")
    if asked is None and not request.query_params:
        return None
    if asked is None or len(request.query_params) > 1 or not _NUMBER.fullmatch(asked):
        raise UnreadableBody("Expected no parameter, or version and a number.")
    return int(asked)


def _written(who: Caller, revision: int) -> dict[str, str] | None:
    """Return the header of a write; none for an engine, since the revision counts what it may not use."""
    return None if who.role is Role.ENGINE else at_revision(revision)


def _sees(who: Caller, found: Audience) -> bool:
    return who.role is not Role.ENGINE or bool(who.purposes & set(found.purposes))


def _owns(who: Caller, purposes: tuple[str, ...]) -> bool:
    return who.role is not Role.ENGINE or who.purposes >= set(purposes)


def _document(found: Audience) -> dict[str, object]:
    held, goals = found.holdout, goals_of.document(found.goals)
    return {
        "id": found.id,
        "version": found.version,
        "title": found.title,
        "purposes": found.purposes,
        "rule": unparse(found.rule),
        "text": write(found.rule),
        "holdout": None if held is None else {"share": held.said, "salt": held.salt},
        "goals": [each | {"text": write(goal.rule)} for goal, each in zip(found.goals, goals, strict=True)],
    }


HANDLERS = [save, every, one, remove]
