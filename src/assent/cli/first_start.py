"""What a first start makes: a controller, its policy in force, and one key per role.

A crash in between leaves a controller whose later start puts the policy in force; keys that were not shown
are made again with `assent keys create`.
"""

import asyncio
from collections.abc import Iterator

from msgspec import Struct

from assent.cli.running import named
from assent.core.documents import parse_policy
from assent.core.errors import FactRejected
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.http.keys import NewKey, Role
from assent.http.wiring import Service
from assent.ingest.activation import activate, checked, in_force
from assent.ingest.controllers import create_controller
from assent.policies import read_folder


class Made(Struct, frozen=True, kw_only=True):
    """A controller that was just made, with the keys that are shown once, by the name a shell gives them."""

    name: str
    policy_version: int
    keys: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        """Hide the keys."""
        return f"Made(name={self.name!r}, policy_version={self.policy_version}, keys=***)"


async def make_controller(wired: Service, name: str) -> Made | None:
    """Make what is missing. Return what is to be shown: nothing unless this call made the controller."""
    found = await named(wired, name)
    if found is not None:
        await _put_in_force(wired, found)
        return None
    # A policy that cannot be read stops the start before anything is made.
    parse_policy(await asyncio.to_thread(read_folder, wired.settings.policies))
    try:
        async with wired.database.writer.acquire() as connection:
            made = await create_controller(connection, wired.ring, name, wired.clock())
    except FactRejected:
        # Two first starts at once: the other one made it, and shows the keys.
        return None
    policy = await _put_in_force(wired, made)
    keys = [(shell, (await wired.keys.create(made, wanted))[1]) for shell, wanted in _wanted(policy)]
    return Made(name=name, policy_version=policy.version, keys=tuple(keys))


async def _put_in_force(wired: Service, controller_id: ControllerId) -> Policy:
    """Put the folder's policies in force where there are none. A changed folder changes nothing here."""
    async with wired.database.auditor.acquire() as connection:
        version, _ = await in_force(connection, controller_id)
        if version == 0:
            documents = await asyncio.to_thread(read_folder, wired.settings.policies)
            await checked(connection, controller_id, documents)
    if version == 0:
        await activate(wired.means, controller_id, documents, role=Role.ADMIN.value)
    return await wired.policies.refreshed(controller_id)


def _wanted(policy: Policy) -> Iterator[tuple[str, NewKey]]:
    uses = tuple(one.name for one in policy.purposes.values() if one.id != policy.linking)
    yield "ADMIN_KEY", NewKey(role=Role.ADMIN)
    yield "DPO_KEY", NewKey(role=Role.DPO)
    yield "ISSUER_KEY", NewKey(role=Role.ISSUER)
    yield "COLLECTOR_KEY", NewKey(role=Role.COLLECTOR, consumer="server")
    yield "BROWSER_KEY", NewKey(role=Role.COLLECTOR, consumer="browser", trust="browser")
    yield "ENGINE_KEY", NewKey(role=Role.ENGINE, purposes=uses, members=True)
