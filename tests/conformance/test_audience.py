"""audience.json: who is a member, given what each profile did, has and gave?

A row becomes a controller with one contract purpose, which asks, and one consent purpose for each that the
row names. What a feature or an event needs stands in its category as `also`; what needs nothing is visible.
Profiles give their consents years before `now`, then live their events at their own times; the rule is saved
in between, and asked at `now`. Members come as pairwise ids, which decisions about each profile translate.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from assent.core.policy import FINEST
from assent.core.time import DAY, SECOND, Instant, format_time, parse_time
from tests.conformance.audience_rules import Wire, in_full, nodes, operators, referenced, spelled
from tests.conformance.audience_types import Types, history, types_of, worded_trait
from tests.conformance.documents import documents, purpose
from tests.conformance.host import Answer, Controller, Documents, Host, activate
from tests.conformance.rows import Data, Row, Suite, settle

ASKING: Final = "asking"

ASKED: Final = "asked"
"""The audience that holds the row's own rule."""

ORIGIN: Final = parse_time("2030-01-01T00:00:00Z")
"""Where a row's t = 0 lies, unless its times count from 1970."""

LONG_BEFORE: Final = 20 * 365 * DAY
"""Before every window that a row can have."""

CHOICES: Final = {
    "granted": "given",
    "given": "given",
    "denied": "refused",
    "refused": "refused",
    "withdrawn": "withdrawn",
    "objected": "objected",
    "deferred": "deferred",
    "expired": "given",
}

STATED: Final = {"mechanism": "click", "channel": "web"}

LAPSES_AFTER: Final = DAY
"""How long a consent holds that a row calls expired: it has lapsed before anything happens."""


def rows(document: Data) -> Iterator[Row]:
    """Yield the file's rows."""
    for data in document["scenarios"]:
        needs = {need for rule in rules_of(data).values() for need in operators(rule)}
        yield Row(
            suite="audience",
            id=data["id"],
            data=data,
            expected=data["expect"] if isinstance(data["expect"], str) else sorted(data["expect"]),
            needs=frozenset(needs),
        )


SUITE: Final = Suite(name="audience", rows=rows)


def test_the_members_are_those_for_whom_the_rule_is_true(row: Row, host: Host) -> None:
    settle(row, ask(row.data, host))


def rules_of(row: Data) -> dict[str, Data]:
    """Return the row's rules by the name of the audience that holds each."""
    rules = {**row.get("audiences", {}), ASKED: row["rule"]}
    return {name: in_full(rule) for name, rule in rules.items()}


def ask(row: Data, host: Host) -> list[str] | str:
    """Return the members' names, or the code with which a rule was refused."""
    lived = live(row, host)
    return lived if isinstance(lived, str) else lived.members(ASKED)


class Lived(Struct, frozen=True, kw_only=True):
    """A row whose rules are saved and whose profiles did everything: it can be asked now."""

    controller: Controller
    asked: Data
    """The row's own rule, as it stands on the wire."""
    names: dict[str, str]
    """Each profile's, by its pairwise id."""

    def members(self, audience: str) -> list[str]:
        """Return the names of an audience's members; an answer that its last line does not end is none."""
        path = f"/v1/audiences/{audience}/members"
        answer = self.controller.ask("POST", path, {"purpose": ASKING}, role="engine")
        assert answer.status == 200, answer.body
        *lines, end = [json.loads(line) for line in answer.body.splitlines()]
        assert end.get("end"), "the last line says that the answer is complete"
        assert end.get("members") == len(lines)
        return sorted(self.names[line["subject"]] for line in lines)

    def save(self, audience: str, rule: Data | str) -> Answer:
        """Save a rule, as a tree or as text."""
        return save(self.controller, audience, rule)


def live(row: Data, host: Host) -> Lived | str:
    """Save a row's rules and live its events; return it as it is now, or the code of a rule's refusal."""
    every_node = [node for rule in rules_of(row).values() for node in nodes(rule)]
    types = types_of(row["profiles"], every_node)
    story = _story(row, types)
    begin = Instant(max(min(story) - LONG_BEFORE, 0))
    controller = host.controller(begin)
    _prepare(controller, row, types, begin)
    subjects = _subjects(controller, row)
    rules = _wired(row, types, subjects)
    for audience, rule in rules.items():
        answer = save(controller, audience, rule)
        if answer.refused is not None:
            return answer.refused
    for at in sorted(story):
        controller.step_to(at)
        for batch in _parts(story[at], 100):
            controller.post("/v1/batch", {"batch": batch}, role="collector")
    names = {subject: name for name, subject in subjects.items()}
    return Lived(controller=controller, asked=rules[ASKED], names=names)


# ---- time ------------------------------------------------------------------------------------------------


def instant(row: Data, t: float) -> Instant:
    """Return a row's time. One whose now is decades from 0 counts from 1970, as its own instants do.

    What would lie before 1970 there is said from `now`.
    """
    origin: int = ORIGIN
    if row["now"] > 10**9:
        origin = 0 if t > 0 else round(row["now"] * SECOND)
    return Instant(origin + round(t * SECOND))


def _story(row: Data, types: Types) -> dict[Instant, list[Data]]:
    """Return the calls that every profile makes, by instant; what has no time of its own is said first."""
    now = instant(row, row["now"])
    story: dict[Instant, list[Data]] = defaultdict(list, {now: []})
    for profile in row["profiles"]:
        for event in profile["events"]:
            call = {"type": "track", "event": event["name"], "properties": event.get("props", {})}
            story[instant(row, event.get("t", 0))].append({**call, "userId": profile["id"]})
    earliest = Instant(min(story) - DAY)
    for profile in row["profiles"]:
        for name, said in profile["traits"].items():
            for value, since in history(said):
                at = earliest if since is None else instant(row, since)
                traits = {name: worded_trait(name, value, types, lambda t: instant(row, t))}
                story[at].append({"type": "identify", "userId": profile["id"], "traits": traits})
    # What lies after now has not happened yet.
    return {at: calls for at, calls in story.items() if at <= now}


# ---- the policy --------------------------------------------------------------------------------------------


def policy_of(row: Data, types: Types) -> Documents:
    """Return documents whose categories ask for the purposes that the row's features and events need."""
    categories: dict[str, Data] = {"open": {"events": ["*"], "traits": ["*"]}}
    by_needs: dict[tuple[str, ...], Data] = {}
    for name, needed in row.get("features", {}).items():
        if needed:
            also = tuple(sorted(needed))
            claimed = by_needs.setdefault(also, {"also": list(also), "events": [], "traits": []})
            is_event = name.startswith("event:")
            claimed["events" if is_event else "traits"].append(name.removeprefix("event:"))
    categories |= {f"c{number}": claimed for number, claimed in enumerate(by_needs.values(), 1)}
    consents = _purposes(row)
    return documents(
        {ASKING: purpose()} | {name: purpose(legal_basis="consent", notice=name) for name in consents},
        categories=categories,
        namespaces={"user_id": {"kind": "person", "priority": 1, "from": ["userId"]}},
        features={spelled(name): _feature(name, kind) for name, kind in types.items()},
        notices=dict.fromkeys(consents, 1),
    )


def _feature(name: str, kind: str) -> Data:
    return {"trait": name, "type": kind} | ({"decimals": FINEST} if kind == "place" else {})


def _purposes(row: Data) -> list[str]:
    needed = {name for names in row.get("features", {}).values() for name in names}
    return sorted(needed.union(*(profile.get("consent", {}) for profile in row["profiles"])))


def _prepare(controller: Controller, row: Data, types: Types, begin: Instant) -> None:
    """Put the policy in force, take every profile's choices, and let it be seen once."""
    taken = activate(controller, policy_of(row, types))
    assert taken.refused is None, taken.body
    controller.add_key("engine", purposes=[ASKING], members=True)
    for profile in row["profiles"]:
        consent = sorted(profile.get("consent", {}).items())
        statements = [_choice(name, said, begin) for name, said in consent]
        if statements:
            body = {"subject": _reference(profile["id"]), "statements": statements}
            controller.post("/v1/consents", body, role="collector")
    seen = [{"type": "identify", "userId": profile["id"]} for profile in row["profiles"]]
    for batch in _parts(seen, 100):
        controller.post("/v1/batch", {"batch": batch}, role="collector")


def _choice(name: str, said: str, at: Instant) -> Data:
    until = {"expires_at": format_time(Instant(at + LAPSES_AFTER))} if said == "expired" else {}
    return {"purpose": name, "state": CHOICES[said], "notice": {"id": name, "version": 1}, **STATED, **until}


# ---- rules and answers -----------------------------------------------------------------------------------


def save(controller: Controller, audience: str, rule: Data | str) -> Answer:
    """Save a rule."""
    body = {"title": "a row's", "purposes": [ASKING], "rule": rule}
    return controller.ask("PUT", f"/v1/audiences/{audience}", body)


def _wired(row: Data, types: Types, subjects: Mapping[str, str]) -> dict[str, Data]:
    """Return the row's rules as they stand on the wire, by audience, those first that others refer to."""
    rules = rules_of(row)
    ids = {name: ASKED if name == ASKED else f"audience-{number}" for number, name in enumerate(rules)}
    wire = Wire(
        types=types,
        instant=lambda t: instant(row, t),
        subject=lambda one: subjects.get(one, f"nobody-{one}"),
        audiences=ids,
    )
    return {ids[name]: wire.rule(rules[name]) for name in referenced(rules)}


def _subjects(controller: Controller, row: Data) -> dict[str, str]:
    """Return each profile's pairwise id, as the members will have it."""
    found: dict[str, str] = {}
    names = [profile["id"] for profile in row["profiles"]]
    for part in _parts(names, 100):
        body = {"purpose": ASKING, "subjects": [_reference(name) for name in part]}
        decisions = controller.post("/v1/decisions", body, role="engine")["decisions"]
        found |= {name: one["subject"] for name, one in zip(part, decisions, strict=True)}
    assert None not in found.values(), "a contract purpose sees everybody"
    return found


def _reference(name: str) -> dict[str, str]:
    return {"namespace": "user_id", "value": name}


def _parts(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
