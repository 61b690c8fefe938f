"""One tree of errors. A class is one sentence, a stable code, and no personal data.

    AssentError
    ├── Refused                     the caller can mend it: the request, fact or rule is refused
    │   ├── Unreadable                 the body cannot be read
    │   ├── Unauthorized / Forbidden   the key
    │   ├── ...                        one class per code of the wire
    │   └── PolicyInvalid              a policy document does not say what it must
    ├── Unavailable                 try again later: nothing acknowledged is lost
    ├── SealBroken                  what the database holds is not what was put there
    └── StartupRefused              the service does not start
        ├── KeyMismatch / LedgerRolledBack / KeyRingExposed / KeyRingMalformed
        └── MigrationEdited / SettingInvalid

Only `http/problems.py` knows status codes. `pointer` is a JSON pointer into the caller's own body
(RFC 6901) and names members, never values.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class AssentError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "unavailable"

    def __init__(self, message: str | None = None, *, pointer: str = "") -> None:
        """Keep `message` (or the class's own sentence) and where in the body the fault lies."""
        super().__init__(message or (type(self).__doc__ or "").strip().split("\n", 1)[0])
        self.pointer = pointer


class Refused(AssentError):
    """The request was refused."""

    code = "fact_rejected"


class UnreadableBody(Refused):
    """The body cannot be read."""

    code = "unreadable_body"


class BodyTooLarge(Refused):
    """The body is larger than the limit."""

    code = "body_too_large"


class ErasureOutdated(Refused):
    """Something was said or seen of a person while their erasure was being worked out."""


class Unauthorized(Refused):
    """The key is missing, unknown or revoked."""

    code = "unauthorized"


class Forbidden(Refused):
    """The key's role does not allow this."""

    code = "forbidden"


class NotVerified(Refused):
    """The subject token does not verify a person."""

    code = "not_verified"


class UnknownPurpose(Refused):
    """The policy declares no such purpose."""

    code = "unknown_purpose"


class PurposeNotBound(Refused):
    """The key is not bound to this purpose."""

    code = "purpose_not_bound"


class NotPermittedForPurpose(Refused):
    """The purpose may not use this."""

    code = "not_permitted_for_purpose"


class UnknownFeature(Refused):
    """The catalogue declares no such feature."""

    code = "unknown_feature"


class WrongType(Refused):
    """The value is not of the feature's type."""

    code = "wrong_type"


class UnfitCall(WrongType):
    """The call is not what the schema of its event describes."""


class RuleTooDeep(Refused):
    """The rule is deeper or larger than the limit."""

    code = "rule_too_deep"


class EmptyGroup(Refused):
    """A group of the rule is empty."""

    code = "empty_group"


class UnknownAudience(Refused):
    """There is no such audience for this purpose."""

    code = "unknown_audience"


class CyclicAudience(Refused):
    """The audience refers to itself."""

    code = "cyclic_audience"


class AudienceInUse(Refused):
    """Other audiences refer to this one."""

    code = "audience_in_use"

    def __init__(self, referrers: Sequence[str], *, pointer: str = "") -> None:
        """Keep the names of those that refer to it."""
        super().__init__(f"Other audiences refer to this one: {', '.join(referrers)}.", pointer=pointer)
        self.referrers = referrers


class AmbiguousIdentifier(Refused):
    """The event holds two values of a namespace that admits one."""

    code = "ambiguous_identifier"


class BlockedIdentifier(Refused):
    """The identifier's value is blocked by the policy."""

    code = "blocked_identifier"


class MalformedIdentifier(Refused):
    """The identifier's value is not well formed for its namespace."""

    code = "malformed_identifier"


class UnknownWebhook(Refused):
    """There is no such webhook for this key."""

    code = "unknown_webhook"


class UnknownNamespace(Refused):
    """The policy declares no such namespace."""

    code = "unknown_namespace"


class StaleNotice(Refused):
    """The statement does not refer to a notice version in force."""

    code = "stale_notice"


class InvalidMechanism(Refused):
    """The mechanism cannot express a choice."""

    code = "invalid_mechanism"


class BundledConsent(Refused):
    """The choice was bundled with another or made a condition."""

    code = "bundled_consent"


class FutureTime(Refused):
    """The time lies in the future."""

    code = "future_time"


class MalformedSignal(Refused):
    """The consent signal is malformed."""

    code = "malformed_signal"


class FactRejected(Refused):
    """The database refused the fact."""

    code = "fact_rejected"


class PolicyInvalid(Refused):
    """The policy does not say what it must."""

    code = "unreadable_body"


class ActivationUnderWay(Refused):
    """Another policy is being put in force; this one was not looked at."""

    code = "activation_under_way"


class GainsUnstated(Refused):
    """People would be used for more than they were, without having said anything, and on no stated basis."""

    code = "gain_without_statement"

    def __init__(self, gains: Mapping[str, int]) -> None:
        """Keep how many people would gain, by the purpose's name."""
        counts = ", ".join(f"{name}: {count}" for name, count in sorted(gains.items()))
        super().__init__(f"people would gain without a statement, and no gains_basis says why: {counts}")
        self.gains = gains


class IdempotencyMismatch(Refused):
    """The idempotency key was used for another request."""

    code = "idempotency_mismatch"


class IdempotencyInFlight(Refused):
    """A request with this idempotency key is still under way."""

    code = "idempotency_in_flight"


class RevisionAhead(Refused):
    """The revision asked for is beyond the head."""

    code = "revision_ahead"


class Erased(Refused):
    """The subject was erased."""

    code = "erased"


class ProofInvalid(Refused):
    """The proof does not verify."""

    code = "proof_invalid"


class OverCapacity(AssentError):
    """The service is at capacity; try again later."""

    code = "over_capacity"


class Unavailable(AssentError):
    """The service cannot answer now; nothing acknowledged is lost."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached; nothing acknowledged is lost."""


class SealBroken(AssentError):
    """A sealed value was changed, or is not what it is taken for."""


class StartupRefused(AssentError):
    """The service refuses to start."""

    code = "unavailable"


class SettingInvalid(StartupRefused):
    """A setting is not what it must be."""


class MigrationEdited(StartupRefused):
    """An applied migration was edited, removed or reordered."""


class KeyMismatch(StartupRefused):
    """The key ring is not the one this ledger was written with."""

    code = "key_mismatch"


class KeyRingExposed(StartupRefused):
    """The key ring file can be read by others."""

    code = "key_mismatch"


class KeyRingMalformed(StartupRefused):
    """The key ring file cannot be read."""

    code = "key_mismatch"


class LedgerRolledBack(StartupRefused):
    """The database is older than the last checkpoint kept outside it."""

    code = "ledger_rolled_back"
