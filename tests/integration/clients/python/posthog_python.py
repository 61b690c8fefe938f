"""posthog (Python), as its documents use it: who nobody knows yet is captured without a person profile."""

from collections.abc import Callable
from typing import Any

from posthog import Posthog

from tests.integration.clients.python.acts import Act, at, tell


def start(url: str, key: str, acts: list[Act], options: dict[str, Any]) -> Callable[[], None]:
    client = Posthog(key, host=url, flush_interval=0.1, **options)
    for act in acts:
        match act["call"]:
            case "page":
                properties = {"$title": act["name"], "$pathname": act["properties"]["path"]}
                _capture(client, act, "$pageview", properties)
            case "track":
                _capture(client, act, act["event"], act["properties"])
            case "identify":
                named = {"$anon_distinct_id": act["anonymous"], "$set": act["traits"]}
                _capture(client, act, "$identify", named)
            case "alias":
                client.alias(previous_id=act["previous"], distinct_id=act["user"], timestamp=at(act))
            case other:
                raise ValueError(other)
    wait: Callable[[], None] = client.shutdown
    return wait


def _capture(client: Posthog, act: Act, event: str, properties: dict[str, Any]) -> None:
    if "user" not in act:
        properties = {**properties, "$process_person_profile": False}
    client.capture(
        event, distinct_id=act.get("user", act.get("anonymous")), properties=properties, timestamp=at(act)
    )


if __name__ == "__main__":
    tell(start)
