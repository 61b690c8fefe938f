"""rudder-sdk-python, as its documents use it."""

from collections.abc import Callable
from typing import Any

from rudderstack.analytics.client import Client

from tests.integration.clients.python.acts import Act, say, tell


def start(url: str, key: str, acts: list[Act], options: dict[str, Any]) -> Callable[[], None]:
    return say(Client(key, host=url, upload_interval=0.1, **options), acts)


if __name__ == "__main__":
    tell(start)
