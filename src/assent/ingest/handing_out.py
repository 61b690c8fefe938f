"""Open the values that the gate hands out, of those profiles and namespaces alone.

The gate says which identifiers; their values stand in the payload of the entry that first named each, sealed.
An erased one is not among them. Pure. Raises SealBroken.
"""

from collections.abc import Iterable, Mapping

from assent.core.ids import IDENTIFIERS_PER_ENTRY, ControllerId, NamespaceId, ProfileId
from assent.core.policy import Namespace
from assent.gate.door import Exported
from assent.ingest.facts import identifier_at, open_body
from assent.ledger.keyring import KeyRing

Values = Mapping[str, list[str]]
"""Values by the name of their namespace, in order."""


def opened(
    ring: KeyRing,
    controller_id: ControllerId,
    namespaces: Mapping[NamespaceId, Namespace],
    exported: Iterable[Exported],
) -> dict[ProfileId, Values]:
    """Return each profile's values."""
    found: dict[ProfileId, dict[str, list[str]]] = {}
    for one in exported:
        body = open_body(ring, controller_id, one.sealed)
        identifier = identifier_at(body, one.identifier % IDENTIFIERS_PER_ENTRY)
        # What an entry says beside is somebody else's: only the identifier asked for is taken of it.
        if identifier is not None and identifier.namespace == one.namespace:
            name = namespaces[one.namespace].name
            found.setdefault(one.profile, {}).setdefault(name, []).append(identifier.value)
    return {
        profile: {name: sorted(values) for name, values in sorted(by_name.items())}
        for profile, by_name in found.items()
    }
