"""Visitors through the tracking API: anonymous, then known, then named, and what may be used each time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.table import Table

from assent.cli.demo.rule import statement
from assent.cli.demo.service import RunningService
from assent.core.policy import Policy

BROWSER = {"namespace": "anonymous_id", "value": "demo-browser"}
OTHER_BROWSER = {"namespace": "anonymous_id", "value": "demo-other-browser"}
ACCOUNT = {"namespace": "user_id", "value": "demo-account"}


async def visit(service: RunningService, policy: Policy) -> Table:
    """Play the visit, and return what the personalisation engine was answered after each step."""
    now = datetime.now(UTC)
    table = Table("the visitor", "tier", "what personalisation may use", title_justify="left")

    async def answered(step: str) -> None:
        body = {"purpose": "personalisation", "subjects": [BROWSER]}
        decision = (await service.read("POST", "/v1/decisions", "ENGINE_KEY", body))["decisions"][0]
        table.add_row(step, decision["tier"] or "-", _shown(decision))

    await _browse(service, BROWSER, now - timedelta(hours=4), ["clocks"])
    await answered("looks around, asked nothing yet")
    # What the banner's yes makes, three hours ago: only what came after it is collected.
    await _agree(service, policy, BROWSER, now - timedelta(hours=3))
    await _browse(service, BROWSER, now - timedelta(hours=2), ["lanterns", "gifts"])
    await answered("agrees, and looks at lanterns and gifts")
    await _browse(service, BROWSER, now - timedelta(minutes=5), ["gifts"])
    await answered("comes back two hours later")
    await _agree(service, policy, ACCOUNT, now - timedelta(minutes=4))
    await _sign_in(service)
    await answered("signs in, agreeing there too")
    return table


async def come_back(service: RunningService, policy: Policy) -> None:
    """Play a visitor who agrees, comes back, and stays a browser."""
    now = datetime.now(UTC)
    await _agree(service, policy, OTHER_BROWSER, now - timedelta(hours=3))
    for before in (timedelta(hours=2), timedelta(minutes=5)):
        await _browse(service, OTHER_BROWSER, now - before, ["lanterns"])


async def _browse(
    service: RunningService, browser: dict[str, str], at: datetime, categories: Sequence[str]
) -> None:
    calls: list[dict[str, object]] = [{"type": "page", "name": "Shop"}]
    calls += [
        {"type": "track", "event": "Product Viewed", "properties": {"category": one}} for one in categories
    ]
    for place, call in enumerate(calls):
        call["anonymousId"] = browser["value"]
        call["timestamp"] = (at + timedelta(minutes=place)).isoformat()
        call["messageId"] = f"{browser['value']}-{at.timestamp()}-{place}"
    await service.ask("POST", "/v1/batch", "BROWSER_KEY", {"batch": calls})


async def _agree(service: RunningService, policy: Policy, subject: dict[str, str], at: datetime) -> None:
    said = [statement(policy, one, "given", at.isoformat()) for one in ("personalisation", "analytics")]
    await service.ask("POST", "/v1/consents", "COLLECTOR_KEY", {"subject": subject, "statements": said})


async def _sign_in(service: RunningService) -> None:
    body = {
        "anonymousId": BROWSER["value"],
        "userId": ACCOUNT["value"],
        "messageId": "demo-sign-in",
        "traits": {"country": "Italy"},
    }
    await service.ask("POST", "/v1/identify", "COLLECTOR_KEY", body)


def _shown(decision: dict[str, Any]) -> str:
    if decision["tier"] is None:
        return "nothing: nobody is answered"
    features = decision["features"]
    said = [f"pages {features['pages_viewed']}", ", ".join(features.get("categories_viewed", ()))]
    said += [f"country {features['country']}"] if "country" in features else []
    return "; ".join(said)
