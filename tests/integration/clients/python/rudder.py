"""rudder-sdk-python, as its documents use it."""

from collections.abc import Callable
from typing import Any

from rudderstack.analytics.client import Client

from tests.integration.clients.python.acts import Act, at, tell, who


def start(url: str, key: str, acts: list[Act], options: dict[str, Any]) -> Callable[[], None]:
    client = Client(key, host=url, upload_interval=0.1, **options)
    for act in acts:
        match act["call"]:
            case "page":
                client.page(name=act["name"], properties=act["properties"], **who(act))
            case "track":
                client.track(event=act["event"], properties=act["properties"], **who(act))
            case "identify":
                client.identify(traits=act["traits"], **who(act))
            case "alias":
                client.alias(previous_id=act["previous"], user_id=act["user"], timestamp=at(act))
            case other:
                raise ValueError(other)
    wait: Callable[[], None] = client.shutdown
    return wait


if __name__ == "__main__":
    tell(start)
