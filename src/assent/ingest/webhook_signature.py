"""Sign pings as Standard Webhooks says: `{id}.{timestamp}.{body}`, HMAC-SHA-256, in base64 after `v1,`.

Every secret that is still valid signs, so that a receiver changes over when it likes. Pure.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
"""The specification asks for 24 to 64."""


def shown(secret: bytes) -> str:
    """Return a secret as its owner is told it, once."""
    return PREFIX + base64.b64encode(secret).decode()


def signed(secrets: Iterable[bytes], ping: str, timestamp_s: int, body: bytes) -> Mapping[str, str]:
    """Return the headers of a ping that is sent at a second since 1970."""
    content = f"{ping}.{timestamp_s}.".encode() + body
    signatures = (
        base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode() for secret in secrets
    )
    return {
        "webhook-id": ping,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
    }
