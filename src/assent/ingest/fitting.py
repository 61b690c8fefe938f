"""Whether a call has the shape that the policy declares for its event.

What is looked at is what the call says: the properties of an event, the traits of `identify` and `group`. An
event without a schema may say anything. Pure. Raises UnfitCall, which repeats nothing of the call.
"""

from assent.core.errors import UnfitCall
from assent.core.policy import Policy
from assent.ingest.tracking import Call, CallType

_SAYS_TRAITS = frozenset({CallType.IDENTIFY, CallType.GROUP})


def check_fit(call: Call, policy: Policy) -> None:
    """Refuse a call that does not fit the schema of its event."""
    schema = policy.schemas.get(call.name)
    if schema is not None and not schema.fits(call.traits if call.type in _SAYS_TRAITS else call.properties):
        raise UnfitCall
