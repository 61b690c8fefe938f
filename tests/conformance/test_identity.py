"""identity.json: which identifiers are one person, given what was seen together?

A row becomes a controller whose namespaces are the row's and whose conflict rule is that of the system it
came from. Its events are tracking calls with `context.externalIds`, each at its own time; clusters are read
by `POST /v1/identities/resolve`, asked about every identifier of the row. One that was never seen is alone.

Beyond the shared format, rows of ours may say of a namespace its `lifetime` and the `period` of its limit,
when they are asked (`asked_at`), and what somebody states of two identifiers (`link`, `deny`, `retract`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from assent.core.time import SECOND, Instant, format_time, parse_time
from assent.policies import read_folder
from assent.resources import policies_folder
from tests.conformance.documents import documents, purpose
from tests.conformance.host import Controller, Documents, Host, activate
from tests.conformance.rows import Data, Row, Suite, settle

RULES: Final = {
    "AEP": "last_authenticated",
    "mParticle": "last_authenticated",
    "Segment": "first_owner",
    "PostHog": "first_owner",
    "Apache": "first_owner",
}
"""The conflict rule of a system by its first word; `ambiguous`, which is the default, for all others."""

PERIODS: Final = {"daily": "P1D", "weekly": "P7D", "monthly": "P1M", "annually": "P1Y"}
"""The words for what a limit may hold for; any other is a duration."""

BLOCKING: Final = {"AEP": {"blocked": ("anonymous", "invalid", "null")}}
"""What a system blocks by itself, where it says so; `policies/identity.toml` speaks for all others."""

BEGINNING: Final = parse_time("2026-03-01T00:00:00Z")

ALIAS: Final = "alias"
DELETIONS: Final = {"delete_identity": "identity", "delete_dataset": "dataset"}
"""The ops that take something back."""

STATEMENTS: Final = {"link": "asserted", "deny": "denied", "retract": "retracted"}
"""What somebody states of two identifiers. Any other op but `alias` only names the call that showed them."""

TURNS: Final = frozenset({*DELETIONS, *STATEMENTS})
"""The ops that are about what came before them."""

CONFIG: Final = frozenset({"namespaces", "blocked", "max_identities_per_graph", "asked_at"})
SPACE: Final = frozenset({"name", "unique", "limit", "period", "priority", "lifetime"})
EVENT: Final = frozenset({"t", "ids", "op", "evidence"})

Id = tuple[str, str]


def rows(document: Data) -> Iterator[Row]:
    """Yield the file's rows; the answer is every cluster, singles included, as sorted `namespace=value`."""
    for data in document["scenarios"]:
        yield Row(suite="identity", id=data["id"], data=data, expected=_expected(data), needs=_needs(data))


def _needs(row: Data) -> frozenset[str]:
    clustered = [_id(raw) for cluster in row["expected_clusters"] for raw in cluster]
    seen = {_id(raw) for event in row["events"] for raw in event["ids"]}
    needs = {f"op:{event['op']}" for event in row["events"] if "op" in event}
    needs |= {f"refused:{reason}" for _, reason in row.get("expected_refused", ())}
    if len(clustered) > len(set(clustered)):
        needs.add("clusters:overlapping")
    if not seen.issuperset(clustered):
        needs.add("clusters:invented")
    return frozenset(needs)


SUITE: Final = Suite(name="identity", rows=rows)


def test_the_clusters_are_those_that_the_evidence_makes(row: Row, host: Host) -> None:
    settle(row, ask(row.data, host))


def ask(row: Data, host: Host, requests: Iterable[Sequence[Data]] | None = None) -> list[list[str]]:
    """Return every cluster of the row's identifiers, its events sent in these requests (all in one)."""
    _check(row)
    spaces = _spaces(row)
    controller = host.controller(BEGINNING)
    taken = activate(controller, policy_of(row, spaces))
    assert taken.refused is None, taken.body
    last = max((event["t"] for event in row["events"]), default=0)
    controller.step_to(Instant(BEGINNING + row["config"].get("asked_at", last + 1) * SECOND))
    key = _source_keys(row, controller)
    for sent in [row["events"]] if requests is None else requests:
        waiting: list[tuple[str, Data]] = []
        for event in sent:
            if event.get("op") in TURNS:
                _send(controller, waiting)
                _turn(controller, event, spaces)
                waiting = []
            else:
                call = _call(event, spaces, aliased=bool(_alias_paths(row)))
                waiting.append((key(event.get("evidence")), call))
        _send(controller, waiting)
    return _written(_cluster(controller, one, spaces) for one in _ids(row))


def _check(row: Data) -> None:
    """Fail a row that says what nobody here reads: nothing is passed over."""
    config = row["config"]
    said = [(config, CONFIG), *((space, SPACE) for space in config["namespaces"])]
    said += [(event, EVENT) for event in row["events"]]
    unknown = sorted({member for each, known in said for member in each.keys() - known})
    assert not unknown, f"the row says what we do not read: {unknown}"


# ---- ids and clusters --------------------------------------------------------------------------------------


def _id(raw: list[Any]) -> Id:
    namespace, value = raw
    return str(namespace), str(value)


def _ids(row: Data) -> list[Id]:
    """Return every identifier that the row speaks of, each once, in order of appearance."""
    seen = [raw for event in row["events"] for raw in event["ids"]]
    expected = [raw for cluster in row["expected_clusters"] for raw in cluster]
    return list(dict.fromkeys(_id(raw) for raw in [*seen, *expected, *row.get("expected_singletons", ())]))


def _expected(row: Data) -> list[list[str]]:
    """Return the row's clusters; who is in none of them is alone."""
    clusters = [frozenset(map(_id, cluster)) for cluster in row["expected_clusters"]]
    named = frozenset().union(*clusters)
    return _written([*clusters, *({one} for one in _ids(row) if one not in named)])


def _written(clusters: Iterable[Iterable[Id]]) -> list[list[str]]:
    found = {tuple(sorted(f"{namespace}={value}" for namespace, value in cluster)) for cluster in clusters}
    return sorted(list(cluster) for cluster in found)


def _cluster(controller: Controller, one: Id, spaces: dict[str, str]) -> frozenset[Id]:
    """Return who is one person with an identifier, itself always."""
    subject = {"namespace": spaces[one[0]], "value": one[1]}
    answer = controller.ask(
        "POST", "/v1/identities/resolve", {"subject": subject, "purpose": None}, role="dpo"
    )
    if answer.refused in {"blocked_identifier", "malformed_identifier"}:
        return frozenset({one})
    assert answer.refused is None, answer.body
    names = {number: name for name, number in spaces.items()}
    return frozenset(
        {one, *((names[each["namespace"]], each["value"]) for each in answer.body["identifiers"])}
    )


# ---- the policy --------------------------------------------------------------------------------------------


def _spaces(row: Data) -> dict[str, str]:
    """Return the name under which each of the row's namespaces is declared, whatever characters it has."""
    ranked = sorted(row["config"]["namespaces"], key=lambda space: space["priority"])
    return {space["name"]: f"n{number}" for number, space in enumerate(ranked, 1)}


def policy_of(row: Data, spaces: dict[str, str]) -> Documents:
    """Return documents with the row's namespaces, all of them of persons: rows know no other kinds.

    Values that stand for nobody are blocked as the system does by itself, and as the row says.
    """
    config = row["config"]
    namespaces: dict[str, Data] = {}
    for number, said in enumerate(sorted(config["namespaces"], key=lambda space: space["priority"]), 1):
        space: Data = {"kind": "person", "priority": number} | _limit(said)
        space |= {"lifetime": said["lifetime"]} if "lifetime" in said else {}
        _block(space, [value for name, value in config["blocked"] if name == said["name"]])
        namespaces[spaces[said["name"]]] = space
    for path, name in _alias_paths(row).items():
        namespaces[spaces[name]].setdefault("from", []).append(path)
    system = row["system"].split()[0]
    blocking: Data = BLOCKING.get(system) or read_folder(policies_folder())["identity"]
    identity: Data = {key: [*blocking.get(key, ())] for key in ("blocked", "blocked_patterns")}
    _block(identity, [value for name, value in config["blocked"] if name == "*"])
    identity["conflict"] = RULES.get(system, "ambiguous")
    if config.get("max_identities_per_graph"):
        identity["identifiers_per_profile"] = config["max_identities_per_graph"]
    return documents(
        {"service": purpose()},
        categories={"all": {"events": ["*"]}},
        namespaces=namespaces,
        identity=identity,
    )


def _limit(said: Data) -> Data:
    """Return how many values of a namespace a profile may hold, as identity.toml says it."""
    if said["unique"]:
        return {"limit": 1}
    if said.get("period"):
        period = PERIODS.get(said["period"], said["period"])
        return {"limit": {"count": said["limit"], "period": period}}
    return {} if said["limit"] is None else {"limit": said["limit"]}


def _block(table: Data, values: list[str]) -> None:
    for value in values:
        key, text = ("blocked_patterns", value[3:]) if value.startswith("re:") else ("blocked", value)
        table.setdefault(key, []).append(text)


def _alias_paths(row: Data) -> dict[str, str]:
    """Return the namespace at each end of the row's alias calls; none where they disagree about it."""
    ends = {tuple(raw[0] for raw in event["ids"]) for event in row["events"] if event.get("op") == ALIAS}
    if len(ends) != 1 or len(end := ends.pop()) != 2:
        return {}
    return {"userId": end[0], "previousId": end[1]}


# ---- events ------------------------------------------------------------------------------------------------


def _call(event: Data, spaces: dict[str, str], *, aliased: bool) -> Data:
    """Return the call that shows the event's identifiers, which an alias without paths for them is too."""
    time = format_time(Instant(BEGINNING + event["t"] * SECOND))
    if event.get("op") == ALIAS and aliased:
        (_, kept), (_, merged) = map(_id, event["ids"])
        return {"type": "alias", "userId": kept, "previousId": merged, "timestamp": time}
    ids = [{"type": spaces[namespace], "id": value} for namespace, value in map(_id, event["ids"])]
    name = event.get("op", "seen")
    return {"type": "track", "event": name, "timestamp": time, "context": {"externalIds": ids}}


def _source_keys(row: Data, controller: Controller) -> Callable[[str | None], str]:
    """Return who sends what a data set holds: where one is deleted, a collector of its own for each."""
    if all(event.get("op") != "delete_dataset" for event in row["events"]):
        return lambda _: "collector"
    for named in {event["evidence"] for event in row["events"] if event.get("evidence") is not None}:
        controller.add_key("collector", name=_collector_of(named), source=named)
    return lambda named: "collector" if named is None else _collector_of(named)


def _collector_of(named: str) -> str:
    return f"collector of {named}"


def _send(controller: Controller, calls: list[tuple[str, Data]]) -> None:
    """Send calls, a batch for what one key sends at a time.

    What the door refuses is no evidence; if that is right, the clusters say.
    """
    for key, sent in groupby(calls, key=itemgetter(0)):
        controller.post("/v1/batch", {"batch": [call for _, call in sent]}, role=key)


def _turn(controller: Controller, event: Data, spaces: dict[str, str]) -> None:
    if event["op"] in STATEMENTS:
        start, end = ({"namespace": spaces[name], "value": value} for name, value in map(_id, event["ids"]))
        link = {"from": start, "to": end, "kind": STATEMENTS[event["op"]]}
        controller.post("/v1/identities/links", {"links": [link]}, role="dpo")
        return
    if event["op"] == "delete_dataset":
        taken = controller.post("/v1/identities/sources/retract", {"source": event["evidence"]}, role="dpo")
        assert taken["complete"]
        return
    for namespace, value in map(_id, event["ids"]):
        subject = {"namespace": spaces[namespace], "value": value}
        controller.post("/v1/audit/erase", {"subject": subject, "scope": "identifier"}, role="dpo")
