"""The notices in force, for whoever renders a banner: every language, and the hash of exactly what is read.

They are what a controller says to everybody, so the public key of a browser is enough, from a page of any
origin. Nothing of a person is in them.
"""

from typing import Any

from litestar import Response, Router
from litestar.exceptions import NotFoundException

from assent.core.errors import AssentError
from assent.core.policy import Notice, Policy, Purpose
from assent.core.time import BEGINNING, Instant, format_duration, format_time
from assent.http.access import caller
from assent.http.bodies import answer, reading
from assent.http.cross_origin import from_anywhere
from assent.http.keys import Role
from assent.http.problems import on_refused_calls
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, service

_BY = "any key; a browser's is enough"


@reading("/v1/notices", opt=shape(by=_BY, answer=dict[str, Any]))
async def notices(request: AnyRequest) -> Response[bytes]:
    """Return every notice in force, in all its languages."""
    policy = await _policy(request)
    now = service(request).clock()
    return answer({"notices": [_shown(policy, name, now) for name in sorted(policy.notices)]})


@reading("/v1/notices/{notice:str}", opt=shape(by=_BY, answer=dict[str, Any]))
async def notice(request: AnyRequest) -> Response[bytes]:
    """Return one notice in force, in all its languages."""
    policy = await _policy(request)
    name = str(request.path_params["notice"])
    if name not in policy.notices:
        raise NotFoundException
    return answer(_shown(policy, name, service(request).clock()))


async def _policy(request: AnyRequest) -> Policy:
    who = await caller(request, *Role)
    return await service(request).policies.current(who.controller_id)


def _shown(policy: Policy, name: str, now: Instant) -> dict[str, object]:
    texts = policy.notices[name]
    purposes = [one for one in policy.purposes.values() if one.notice == name]
    return {
        "id": name,
        "version": next(iter(texts.values())).version,
        "since": _since(purposes, now),
        "languages": {language: text_of(texts[language]) for language in sorted(texts)},
        "purposes": [
            {
                "id": one.name,
                "legal_basis": one.legal_basis.value,
                "validity": None if one.validity is None else format_duration(one.validity),
                "ask_again_after": format_duration(one.ask_again_after),
            }
            for one in purposes
        ],
    }


def text_of(shown: Notice) -> dict[str, str]:
    """Return a notice's words in one language, and their hash."""
    return {
        "title": shown.title,
        "text": shown.text,
        "benefit": shown.benefit,
        "storage": shown.storage,
        "hash": shown.hash,
    }


def _since(purposes: list[Purpose], now: Instant) -> str | None:
    """Return when the version that is in force came into force; None when it always was."""
    at = max((one.at for purpose in purposes for one in purpose.notices if one.at <= now), default=BEGINNING)
    return None if at == BEGINNING else format_time(at)


def router() -> Router:
    """Return what answers for the notices."""
    return Router(
        "/",
        route_handlers=[notices, notice],
        middleware=[from_anywhere],
        exception_handlers={AssentError: on_refused_calls},
    )
