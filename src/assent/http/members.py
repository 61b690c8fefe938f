"""The members of an audience, streamed complete, with the identifiers that the purpose may hand out.

A control member is listed as one, and leaves without identifiers unless `buckets` names the control group:
who sends a list to a channel without a thought about holdouts reaches nobody who is held out.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Meta, Struct

from assent.audiences.answers import Asking, Chunk, Members
from assent.audiences.holdout import ARMS, Arm
from assent.core.errors import NotPermittedForPurpose
from assent.core.ids import NamespaceId, ProfileId
from assent.core.policy import Policy
from assent.http.access import caller
from assent.http.asking import asking_for
from assent.http.bodies import at_sequence, body_of
from assent.http.keys import Role
from assent.http.schema import shape
from assent.http.wiring import AnyRequest, Service, service
from assent.ingest.handing_out import Values, opened

_encode = msgspec.json.Encoder().encode


class MembersRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For which purpose, with which of the members' identifiers, and of which buckets (all)."""

    purpose: str
    namespaces: tuple[str, ...] | None = None
    buckets: Annotated[tuple[Arm, ...], Meta(min_length=1)] | None = None


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
    asking = await asking_for(request, who, body.purpose)
    policy = await wired.policies.current(who.controller_id)
    names = sorted(set(body.namespaces or ()))
    handed = _handed_out(policy, body.purpose, names)
    buckets = ARMS if body.buckets is None else frozenset(body.buckets)
    found = await wired.audiences.members(asking, audience, names, buckets)
    reached = frozenset({Arm.TREATMENT}) if body.buckets is None else buckets
    return Stream(
        _lines(wired, asking, policy, found, _Export(namespaces=handed, buckets=reached)),
        media_type="application/x-ndjson",
        headers=at_sequence(found.sequence),
        status_code=200,
    )


class _Export(Struct, frozen=True, kw_only=True):
    """What leaves of whom."""

    namespaces: Sequence[NamespaceId]
    buckets: frozenset[Arm]

    def of(self, chunk: Chunk) -> Chunk:
        """Return those of a chunk who leave with their identifiers."""
        if not self.namespaces:
            return ()
        return tuple(one for one in chunk if (one.bucket or Arm.TREATMENT) in self.buckets)


def _handed_out(policy: Policy, purpose: str, names: Sequence[str]) -> list[NamespaceId]:
    """Return the namespaces that are named, if the purpose may hand out values of all of them."""
    exports = policy.purposes[policy.purpose_ids[purpose]].exports
    if any(policy.namespace_ids.get(name) not in exports for name in names):
        raise NotPermittedForPurpose(pointer="/namespaces")
    return [policy.namespace_ids[name] for name in names]


async def _lines(
    wired: Service, asking: Asking, policy: Policy, found: Members, export: _Export
) -> AsyncIterator[bytes]:
    listed = 0
    async for chunk in wired.audiences.chunks(asking, found):
        if chunk is None:
            yield b'{"end":true,"restart":true}\n'
            return
        values: Mapping[ProfileId, Values] = {}
        if reached := export.of(chunk):
            exported = await wired.audiences.exported(asking, reached, export.namespaces)
            values = opened(wired.ring, asking.controller_id, policy.namespaces, exported)
        listed += len(chunk)
        yield b"".join(
            _encode({"subject": one, "identifiers": values.get(profile, {}), "bucket": bucket}) + b"\n"
            for one, profile, bucket in chunk
        )
    end = {
        "end": True,
        "members": listed,
        "sequence": found.sequence,
        "release": f"r:{found.release}",
    }
    yield msgspec.json.encode(end) + b"\n"


HANDLERS = [members]
