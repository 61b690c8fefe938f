"""The demo's chapters: consent, orders, a visitor, people, audiences, a withdrawal, proof.

Everything that is said of people is asked of the running service. Only the customers' numbers are read from
the file itself, since somebody has to say whom consent is about.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.table import Table

from assent.cli.demo.rule import choices, rule_text, statement
from assent.cli.demo.service import DemoFailed, Demonstrated, RunningService
from assent.cli.demo.visitor import come_back, visit
from assent.cli.running import out
from assent.core.documents import parse_policy
from assent.core.errors import Refused
from assent.core.policy import Policy
from assent.ingest.identifiers_of import found
from assent.ingest.records import Records, read_mapping
from assent.ingest.rows import Record
from assent.policies import read_folder
from assent.resources import policies_folder

PURPOSES: Final = ("personalisation", "email_marketing")

AUDIENCES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "regulars": ("ordered three times or more", {"op": "ge", "feature": "order_count", "value": 3}),
    "big_baskets": ("an order of 500 or more", {"op": "ge", "feature": "largest_order", "value": 500}),
    "abroad": (
        "from outside the United Kingdom",
        {
            "op": "and",
            "of": [
                {"op": "known", "feature": "country"},
                {"op": "ne", "feature": "country", "value": "United Kingdom"},
            ],
        },
    ),
}


async def tell(shown: Demonstrated) -> None:
    """Show every chapter."""
    service = shown.service
    policy, _ = parse_policy(await asyncio.to_thread(read_folder, policies_folder()))
    orders = await asyncio.to_thread(_orders, shown, policy)
    await _consents(service, policy, list(orders))
    await _import(shown)
    await _visitor(service, policy)
    await _people(service)
    await _audiences(service)
    await _withdrawal(service, _regular(orders))
    await _checkpoint(service)


def _orders(shown: Demonstrated, policy: Policy) -> Counter[str]:
    """Return the customers of the file, with how often each one ordered."""
    customer = policy.namespace_ids["customer_id"]
    counted: Counter[str] = Counter()
    for record in Records(shown.data, read_mapping(shown.mapping)):
        if isinstance(record, Record):
            with suppress(Refused):  # a number that the policy takes for nobody
                owner = found(record.call, policy)[0]
                if owner.namespace == customer:
                    counted[owner.value] += record.call.name == "Order Completed"
    return counted


def _regular(orders: Counter[str]) -> str:
    """Return the customer who ordered most often among those who agreed to both purposes."""
    agreed = [one for one in orders if all(choices(one).get(purpose) == "given" for purpose in PURPOSES)]
    if not agreed:
        raise DemoFailed("expected order lines of at least a few customers")
    return max(agreed, key=lambda one: (orders[one], one))


async def _consents(service: RunningService, policy: Policy, customers: list[str]) -> None:
    _chapter(1, "Consent, before anything is collected")
    out.print(f"Nobody was asked in 2010, so a rule answers, and each statement says so: {rule_text()}.\n")
    out.print(
        "They are yesterday's: consent lapses after a year here. The contract keeps the orders, and the two "
        "purposes shown below may reach back to them; analytics and advertising begin with what comes now.\n"
    )
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()

    async def state(customer: str) -> int:
        said = [statement(policy, purpose, one, yesterday) for purpose, one in choices(customer).items()]
        if said:
            subject = {"namespace": "customer_id", "value": customer}
            body = {"subject": subject, "statements": said}
            return len((await service.read("POST", "/v1/consents", "COLLECTOR_KEY", body))["receipts"])
        return 0

    receipts = sum(await asyncio.gather(*(state(one) for one in customers)))
    out.print(
        f"{receipts:,} statements of {len(customers):,} customers are in the ledger, each with its receipt."
    )


async def _import(shown: Demonstrated) -> None:
    _chapter(2, f"Orders: {shown.data.name}")
    await shown.service.command("import", str(shown.data), "--mapping", str(shown.mapping))


async def _visitor(service: RunningService, policy: Policy) -> None:
    _chapter(3, "A visitor, through the tracking API")
    out.print(await visit(service, policy))
    await come_back(service, policy)
    out.print("A second visitor agrees, comes back the same way, and never signs in.")


async def _people(service: RunningService) -> None:
    _chapter(4, "What the data protection officer sees")
    counted = await service.read("GET", "/v1/audit/summary", "DPO_KEY")
    tiers = Table("people", *counted["tiers"])
    tiers.add_row("", *(f"{number:,}" for number in counted["tiers"].values()))
    out.print(tiers)
    states = ("given", "refused", "withdrawn", "objected", "permitted")
    consent = Table("purpose", *states)
    for purpose, numbers in counted["purposes"].items():
        consent.add_row(purpose, *(f"{numbers[one]:,}" for one in states))
    out.print(consent)
    held = ", ".join(f"{number:,} {name}" for name, number in counted["identifiers"].items())
    out.print(f"{counted['entries']:,} entries name {held}.")
    for code, number in counted["not_kept"].items():
        out.print(f"{number:,} events were not kept ({code}): this count is all that is left of them.")


async def _audiences(service: RunningService) -> None:
    _chapter(5, "Three audiences, each under two purposes")
    for name, (title, rule) in AUDIENCES.items():
        body = {"title": title, "purposes": PURPOSES, "rule": rule}
        await service.ask("PUT", f"/v1/audiences/{name}", "ENGINE_KEY", body)
    table = Table("audience", "who", *PURPOSES)
    for name, (title, _) in AUDIENCES.items():
        counts = [f"{await _count(service, name, purpose):,}" for purpose in PURPOSES]
        table.add_row(name, title, *counts)
    out.print(table)


async def _count(service: RunningService, audience: str, purpose: str) -> int:
    path = f"/v1/audiences/{audience}/count"
    answered = await service.read("POST", path, "ENGINE_KEY", {"purpose": purpose})
    count: int = answered["count"]
    return count


async def _withdrawal(service: RunningService, customer: str) -> None:
    _chapter(6, f"Customer {customer} withdraws")
    purpose = PURPOSES[0]
    before = await _decided(service, customer, purpose), await _count(service, "regulars", purpose)
    token = await service.read(
        "POST",
        "/v1/subjects/token",
        "ISSUER_KEY",
        {"sub_ids": [["customer_id", customer]], "verified": True},
    )
    mine = "/v1/me/preferences"
    seen_before = await service.read("GET", mine, "", token=token["token"])
    body = {"purposes": {purpose: "withdrawn"}, "scope": "person"}
    seen_after = await service.read("PUT", mine, "", body, token=token["token"])
    after = await _decided(service, customer, purpose), await _count(service, "regulars", purpose)
    table = Table("", "before", "after")
    table.add_row(f"decision for {purpose}", before[0], after[0])
    for other in PURPOSES:
        table.add_row(f"{other}, as the person sees it", _why(seen_before, other), _why(seen_after, other))
    table.add_row(f"audience regulars, {purpose}", f"{before[1]:,}", f"{after[1]:,}")
    out.print(table)


async def _decided(service: RunningService, customer: str, purpose: str) -> str:
    body = {"purpose": purpose, "subjects": [{"namespace": "customer_id", "value": customer}]}
    decision = (await service.read("POST", "/v1/decisions", "ENGINE_KEY", body))["decisions"][0]
    if decision["subject"] is None:
        return "nobody: the answer that anyone unknown gets"
    features = decision["features"]
    return (
        f"{decision['tier']}, {features['country']}, "
        f"{features['order_count']} orders worth {features['order_value']:,}"
    )


def _why(preferences: dict[str, Any], purpose: str) -> str:
    one = next(one for one in preferences["purposes"] if one["id"] == purpose)
    allowed = "in use" if one["allowed"] else "not in use"
    return f"{allowed}: {one['state']} (GDPR Art. {one['why']['article']}, entry {one['why']['index']})"


async def _checkpoint(service: RunningService) -> None:
    _chapter(7, "The checkpoint that proves it, for anyone who keeps a copy")
    note = (await service.ask("GET", "/checkpoint", "DPO_KEY")).text
    out.print(note.strip(), soft_wrap=True)


def _chapter(number: int, title: str) -> None:
    out.print(f"\n[bold]{number}. {title}[/bold]\n")
