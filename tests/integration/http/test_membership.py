"""Whether somebody was a member, then: as the engine answered it, told leaf by leaf, and never guessed."""

import random

import httpx
import pytest

from assent.core.time import BEGINNING, DAY, HOUR, Instant, format_time
from assent.ingest import then as thens
from tests.integration.http.shop import Json, Shop, refused, subject
from tests.support.policy_documents import shipped

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANNA = "user_id:anna-0001"
BROWSER = "anonymous_id:browser-0001"
PURPOSE = "personalisation"

RULES = {
    "buyers": "order_count >= 1",
    "spenders": "order_value > 40 and order_count >= 2",
    "no_orders": "not order_count >= 1",
    "lately": "orders_30d >= 1",
    "few_lately": "orders_30d < 2",
    "italians": 'country = "Italy" or plan is known',
    "elsewhere": 'country != "Italy"',
    "absent": "country is absent",
    "looked": 'did("Product Viewed", where category = "shoes", at least 2, last 30d)',
    "never_looked": 'did("Product Viewed", exactly 0)',
    "funnel": 'seq(did("Product Viewed"), did("Product Added"), gap 3d)',
    "both": 'audience("buyers") and not audience("looked")',
    "named": 'tier("named")',
    "points": 'score(2 if order_count >= 1, 3 if country = "Italy", -1 if orders_30d >= 2, at least 2)',
    "half": 'bucket("spring", from 0 to 0.5)',
    "two_of": 'at_least(2, order_count >= 1, country = "Italy", orders_30d >= 1)',
}


async def asked(shop: Shop, who: str, audience: str, **more: Json) -> Json:
    body = {"subject": subject(who), "audience": audience, "purpose": PURPOSE, **more}
    return await shop.post("/v1/audit/membership", body, by="dpo", status=200)


async def in_audiences(shop: Shop, who: str) -> set[str]:
    decision = (await shop.decide(PURPOSE, who, audiences=["*"])).json()["decisions"][0]
    return set(decision["audiences"])


class Story:
    """Random things that happen to some people; the same for the same seed."""

    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop = shop
        self.dice = random.Random(seed)
        self.people = [f"user_id:person-{number}" for number in range(4)]

    async def save(self) -> None:
        for name, rule in RULES.items():
            saved = await self.shop.save(name, rule, PURPOSE)
            assert saved.status_code == 200, (name, saved.text)

    async def go_on(self, steps: int, *, withdrawing: bool) -> None:
        ways = [self.buy, self.buy, self.look, self.look, self.say, self.give, self.wait, self.browse]
        for _ in range(steps):
            who = self.dice.choice(self.people)
            await self.dice.choice([*ways, self.withdraw] if withdrawing else ways)(who)

    async def buy(self, who: str) -> None:
        await self.send(who, event="Order Completed", properties={"revenue": self.dice.randrange(1, 60)})

    async def look(self, who: str) -> None:
        shown = self.dice.choice(("shoes", "hats"))
        event = self.dice.choice(("Product Viewed", "Product Viewed", "Product Added"))
        await self.send(who, event=event, properties={"category": shown})

    async def browse(self, who: str) -> None:
        await self.send(who, event="Product Viewed", anonymousId=who.replace("user_id:person", "browser"))

    async def send(self, who: str, **event: Json) -> None:
        await self.shop.track("track", userId=who.partition(":")[2], **event)

    async def say(self, who: str) -> None:
        country = self.dice.choice(("Italy", "France", None))
        await self.shop.track("identify", userId=who.partition(":")[2], traits={"country": country})

    async def give(self, who: str) -> None:
        await self.shop.given(who, PURPOSE, "analytics")

    async def withdraw(self, who: str) -> None:
        await self.shop.state(who, PURPOSE, "withdrawn")

    async def wait(self, _: str) -> None:
        self.shop.clock.step(self.dice.choice((HOUR, DAY, 9 * DAY)))


@pytest.mark.parametrize("seed", [1, 2])
async def test_now_it_is_what_the_engine_answers(shop: Shop, seed: int) -> None:
    story = Story(shop, seed)
    await story.save()
    await story.go_on(40, withdrawing=True)
    said = {True: 0, False: 0}
    for who in story.people:
        engine = await in_audiences(shop, who)
        for name in RULES:
            found = await asked(shop, who, name)
            assert found["member"] == (name in engine), (name, found)
            assert found["member"] == (found["truth"] == "true")
            assert found["incomplete"] == []
            said[found["member"]] += 1
    assert min(said.values()) >= 5


@pytest.mark.parametrize("seed", [3, 4])
async def test_then_it_is_what_the_engine_answered_or_it_is_said_to_be_unknown(shop: Shop, seed: int) -> None:
    story = Story(shop, seed)
    await story.save()
    for who in story.people:
        await story.give(who)
    answered: list[tuple[str, str, set[str]]] = []
    for _ in range(3):
        await story.go_on(12, withdrawing=False)
        for who in story.people[:2]:
            engine = await in_audiences(shop, who)
            answered.append((who, format_time(shop.clock()), engine))
    await story.go_on(15, withdrawing=True)
    whole = 0
    for who, at, engine in answered:
        for name in RULES:
            found = await asked(shop, who, name, as_of=at, known_at=at)
            if found["truth"] == "unknown" and found["incomplete"]:
                continue
            whole += 1
            assert found["member"] == (name in engine), (name, at, found)
    assert whole >= len(RULES)


def _nothing_added_up(*told: Json) -> list[Json]:
    return [row for row in _rows(*told) if row[7] is None or row[8] != 0]


def _as_if_since_ever(*told: Json) -> list[Json]:
    spans = [(categories, BEGINNING, until) for categories, _, until in told[4]]
    then, derived, purpose, one, _, made, at = told
    return list(_rows(then, derived, purpose, one, spans, made, at))


_rows = thens._rows


@pytest.mark.parametrize("fault", [_nothing_added_up, _as_if_since_ever])
async def test_an_answer_that_is_not_the_engines_would_be_seen(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, fault: Json
) -> None:
    monkeypatch.setattr(thens, "_rows", fault)
    with pytest.raises(AssertionError):
        await test_now_it_is_what_the_engine_answers(shop, 1)


async def test_each_leaf_says_what_it_rests_on(shop: Shop) -> None:
    given = (await shop.state(ANNA, PURPOSE, "given")).json()["receipts"][0]["index"]
    await shop.bought(ANNA, 20)
    order = await shop.revision() - 1
    rule = 'order_count >= 1 and country = "Italy" and did("Product Viewed", at least 1, last 30d)'
    assert (await shop.save("three", rule, PURPOSE)).status_code == 200
    found = await asked(shop, ANNA, "three")
    bought, country, viewed = found["tree"]["of"]
    assert (found["tree"]["op"], found["truth"]) == ("and", "false")
    assert (bought["text"], bought["truth"], bought["why"]) == ("order_count >= 1", "true", "value")
    assert bought["rule"] == {"op": "ge", "feature": "order_count", "value": 1}
    (looked,) = bought["looked_at"]
    assert (looked["value"], looked["entries"], looked["entries_in_all"]) == (1, [order], 1)
    assert looked["decision"].items() >= {"decision": "allow", "entry": given}.items()
    assert (country["truth"], country["why"]) == ("false", "absent")
    (watched,) = viewed["looked_at"]
    assert (watched["feature"], watched["category"]) == (None, "browsing")
    # The permit is younger than the window: that nothing was seen since proves nothing about it.
    assert (viewed["truth"], viewed["why"]) == ("unknown", "window_not_covered")
    assert "~" not in str(found)
    withdrawn = (await shop.state(ANNA, PURPOSE, "withdrawn")).json()["receipts"][0]["index"]
    found = await asked(shop, ANNA, "three")
    assert (found["member"], found["truth"], found["why"]) == (False, "unknown", "nothing_permitted")
    (looked,) = found["tree"]["of"][0]["looked_at"]
    assert found["tree"]["of"][0]["why"] == "hidden"
    assert (looked["value"], looked["decision"]["entry"], looked["decision"]["reason"]) == (
        None,
        withdrawn,
        "withdrawn",
    )


async def test_the_past_has_the_audience_the_links_and_the_words_of_then(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.given(BROWSER, PURPOSE)
    for _ in range(2):
        await shop.track("track", anonymousId="browser-0001", event="Product Viewed")
    assert (await shop.save("lookers", "products_viewed >= 2", PURPOSE)).status_code == 200
    apart = format_time(shop.clock())
    shop.clock.step(HOUR)
    await shop.track("identify", userId="anna-0001", anonymousId="browser-0001")
    assert (await shop.save("lookers", "products_viewed >= 9", PURPOSE)).status_code == 200
    then = await asked(shop, ANNA, "lookers", as_of=apart)
    assert (then["member"], then["audience"]["version"], len(then["identifiers"])) == (False, 1, 1)
    assert (await asked(shop, BROWSER, "lookers", as_of=apart))["member"]
    assert not (await asked(shop, ANNA, "lookers"))["member"]
    assert (await asked(shop, ANNA, "lookers", version=1))["member"]
    assert len((await asked(shop, ANNA, "lookers"))["identifiers"]) == 2


async def test_what_was_deleted_since_is_unknown_and_said_to_be(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.track("track", userId="anna-0001", event="Product Viewed")
    await shop.bought(ANNA, 20)
    assert (await shop.save("lookers", "products_viewed >= 1", PURPOSE)).status_code == 200
    assert (await shop.save("buyers", "order_count >= 1", PURPOSE)).status_code == 200
    then = format_time(shop.clock())
    assert (await asked(shop, ANNA, "lookers", as_of=then))["member"]
    shop.clock.step(HOUR)
    await shop.state(ANNA, PURPOSE, "withdrawn")
    found = await asked(shop, ANNA, "lookers", as_of=then, known_at=then)
    assert (found["member"], found["truth"]) == (False, "unknown")
    assert "deleted_since:browsing" in found["incomplete"]
    assert found["tree"]["why"] == "deleted_since"
    with monkeypatch.context() as patched:  # the canary: what is left is taken for all there was

        async def nothing(*_: object) -> frozenset[int]:
            return frozenset()

        patched.setattr(thens, "lost_since", nothing)
        found = await asked(shop, ANNA, "lookers", as_of=then, known_at=then)
        assert (found["truth"], found["incomplete"]) == ("false", [])


async def test_the_past_is_told_by_the_policy_of_then_and_not_lost_by_another(shop: Shop) -> None:
    await shop.given(ANNA, "analytics")
    await shop.track("track", userId="anna-0001", event="Product Viewed")
    await shop.state(ANNA, "analytics", "withdrawn")  # something of theirs was deleted, of another purpose
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 20)
    assert (await shop.save("buyers", "order_count >= 1", PURPOSE)).status_code == 200
    then = await asked(shop, ANNA, "buyers")
    shop.clock.step(HOUR)
    documents = shipped()
    documents["purposes"]["purposes"]["analytics"]["k"] = 50
    body = {"documents": documents, "activate": True}
    await shop.post("/v1/policies", body, status=200)
    found = await asked(shop, ANNA, "buyers", as_of=then["as_of"], known_at=then["known_at"])
    assert (found["policy_version"], found["incomplete"]) == (then["policy_version"], [])
    assert found == then | {"release": found["release"]}
    assert (await asked(shop, ANNA, "buyers"))["policy_version"] == then["policy_version"] + 1


async def test_who_was_erased_is_known_to_nobody_at_any_time(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 20)
    assert (await shop.save("buyers", "order_count >= 1", PURPOSE)).status_code == 200
    then = format_time(shop.clock())
    assert (await asked(shop, ANNA, "buyers"))["member"]
    shop.clock.step(HOUR)
    erased = await shop.ask("DELETE", "/v1/me", by=await shop.token(ANNA))
    assert erased.status_code == 200
    for when in ({}, {"as_of": then}, {"as_of": then, "known_at": then}):
        found = await asked(shop, ANNA, "buyers", **when)
        assert (found["member"], found["why"], found["tree"]) == (False, "not_known_then_or_erased", None)


async def test_a_restricted_person_is_a_member_of_nothing_and_was_one_before(shop: Shop) -> None:
    await shop.given(ANNA, PURPOSE)
    await shop.bought(ANNA, 20)
    assert (await shop.save("buyers", "order_count >= 1", PURPOSE)).status_code == 200
    then = format_time(shop.clock())
    shop.clock.step(HOUR)
    await shop.post("/v1/audit/restrict", {"subject": subject(ANNA)}, by="dpo", status=200)
    found = await asked(shop, ANNA, "buyers")
    assert (found["member"], found["decisions"]["orders"]["reason"]) == (False, "restricted")
    assert (await asked(shop, ANNA, "buyers", as_of=then))["member"]


async def test_what_cannot_be_asked_is_refused(shop: Shop) -> None:
    assert (await shop.save("buyers", "order_count >= 1", PURPOSE)).status_code == 200
    assert (await shop.save("some", 'ids("k1")', PURPOSE)).status_code == 200
    base = {"subject": subject(ANNA), "audience": "buyers", "purpose": PURPOSE}

    async def ask(by: str = "dpo", **more: Json) -> httpx.Response:
        return await shop.ask("POST", "/v1/audit/membership", {**base, **more}, by=by)

    refused(await ask(audience="nobody"), 404, "unknown_audience", "/audience")
    refused(await ask(version=7), 404, "unknown_audience", "/audience")
    refused(await ask(purpose="world_domination"), 422, "unknown_purpose", "/purpose")
    refused(await ask(purpose="advertising"), 422, "not_permitted_for_purpose", "/purpose")
    later = format_time(Instant(shop.clock.now + DAY))
    refused(await ask(as_of=later), 422, "future_time", "/as_of")
    refused(await ask(audience="some"), 400, "unreadable_body", "/consumer")
    assert (await ask(audience="some", consumer="site")).status_code == 200
    assert (await ask(as_of="2020-01-01T00:00:00Z")).status_code == 422
    for by in ("collector", f"engine:{PURPOSE}", "issuer"):
        refused(await ask(by=by), 403, "forbidden")
