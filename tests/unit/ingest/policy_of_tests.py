"""The policies the product ships with, and calls read as a client would send them."""

import json

from assent.core.documents import parse_policy
from assent.core.policy import Policy
from assent.ingest.body import read_body
from assent.ingest.tracking import Call, Limits, calls
from assent.policies import read_folder
from assent.resources import policies_folder

SHIPPED: Policy = parse_policy(read_folder(policies_folder()))[0]


def sent(path: str, **item: object) -> Call:
    """Return the call that this item is."""
    body = read_body(json.dumps(item).encode(), content_encoding=None, limit_bytes=100_000)
    (taken,) = calls(path, body, limits=Limits()).items
    assert isinstance(taken, Call)
    return taken
