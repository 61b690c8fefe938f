"""What a driver is handed on its standard input: where to send, with which key, and the acts in groups."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

Act = dict[str, Any]


def tell(start: Callable[..., Callable[[], None]]) -> None:
    """Let each group be sent by a client of its own: `start` begins, what it returns waits for the end."""
    work = json.load(sys.stdin)
    waits = [start(work["url"], work["key"], acts, work["options"]) for acts in work["groups"]]
    for wait in waits:
        wait()


def at(act: Act) -> datetime:
    """Return when the act happened."""
    return datetime.fromisoformat(act["at"])


def who(act: Act) -> dict[str, Any]:
    """Return who acted, and when, as Segment's and RudderStack's clients call it."""
    return {"user_id": act.get("user"), "anonymous_id": act.get("anonymous"), "timestamp": at(act)}
