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


def say(client: Any, acts: list[Act]) -> Callable[[], None]:  # noqa: ANN401 neither is typed
    """Make the calls that Segment's client and RudderStack's name alike; return what waits for the end."""
    for act in acts:
        who = {"user_id": act.get("user"), "anonymous_id": act.get("anonymous"), "timestamp": at(act)}
        match act["call"]:
            case "page":
                client.page(name=act["name"], properties=act["properties"], **who)
            case "track":
                client.track(event=act["event"], properties=act["properties"], **who)
            case "identify":
                client.identify(traits=act["traits"], **who)
            case "alias":
                client.alias(previous_id=act["previous"], user_id=act["user"], timestamp=at(act))
            case other:
                raise ValueError(other)
    wait: Callable[[], None] = client.shutdown
    return wait
