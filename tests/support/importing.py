"""What an import needs of an open service, as `assent import` gives it."""

from assent.core.ids import ControllerId
from assent.http.wiring import Service
from assent.ingest.importer import Importing


async def importing_into(service: Service, controller_id: ControllerId) -> Importing:
    """Return an import's needs, with the policy that is in force now."""
    return Importing(
        controller_id=controller_id,
        policy=await service.policies.refreshed(controller_id),
        ledger=service.ledger,
        ring=service.ring,
        random=service.random,
        clock=service.clock,
        pool=service.database.writer,
    )
