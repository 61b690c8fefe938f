"""segment-analytics-python making each of its six calls once, then `flush`; fails when one was not taken."""

import json
import sys
from typing import Any

from segment.analytics.client import Client


def main() -> int:
    """Make the calls about the user that standard input names; return how many batches failed."""
    work: dict[str, Any] = json.load(sys.stdin)
    failed: list[Exception] = []
    client = Client(
        work["key"],
        host=work["url"],
        gzip=work["gzip"],
        upload_size=4,  # so that six calls are two batches
        upload_interval=0.1,
        on_error=lambda error, _batch: failed.append(error),
    )
    who = {"user_id": work["user"]}
    client.identify(traits={"country": "IT"}, **who)
    client.track(event="Product Viewed", properties={"category": "shoes"}, **who)
    client.page(name="Home", **who)
    client.screen(name="Start", **who)
    client.group(group_id="family-7", traits={"size": 4}, **who)
    client.alias(previous_id=work["previous"], user_id=work["user"])
    client.flush()
    client.shutdown()
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
