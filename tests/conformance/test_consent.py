"""consent.json: may this purpose use this data, given what was said or signalled?

A row becomes a controller with the row's purposes, its history told in the order in which it became known,
each at its own time, and one question to `POST /v1/audit/decide`. What the door refuses was never said: a
ticked box that is refused leaves a person who said nothing. What a policy may not declare is not declared: a
purpose that is refused naming an article of the GDPR is left out, and answers as an unknown purpose does.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from assent.core.time import DAY, Instant, format_time, parse_time
from tests.conformance.documents import documents, purpose
from tests.conformance.host import Controller, Documents, Host, NoDoor, activate
from tests.conformance.rows import Data, Row, Suite, settle

STATES: Final = {
    "notice_shown": "notice_shown",
    "give": "given",
    "renew": "renewed",
    "refuse": "refused",
    "defer": "deferred",
    "withdraw": "withdrawn",
    "object": "objected",
    "confirm": "confirmed",
}
"""The actions that are statements, and what they state."""

AS_SAID: Final = frozenset(
    {
        *(
            "mechanism",
            "explicit",
            "categories",
            "actor",
            "channel",
            "jurisdiction",
            "expires_at",
            "evidence",
        ),
        *("bundle", "conditional_on_service", "subject_age", "guardian_verified"),
    }
)
"""Members of a statement that stand on the wire as in a row."""

READ: Final = frozenset(
    {
        *("t", "event_time", "recorded", "identity", "action", "purpose", "notice_version", "language"),
        *("address", "scope", "authenticated"),
    }
)
"""Members of a statement that are said in another way."""

AS_DECLARED: Final = frozenset(
    {
        *("legal_basis", "validity", "parent", "declared", "basis_changes", "double_opt_in", "digital_age"),
        *("automated_significant", "direct_marketing", "compelling_grounds", "lia", "imbalance"),
        *("requires_all", "give_channels", "withdraw_channels", "tcf_purpose"),
    }
)
"""Members of a purpose that stand in the document as in a row."""

CONSENT: Final = ("consent", "explicit_consent")

ORDINARY: Final = "ordinary"
"""A category that is not special, so that "every category" is never none."""

NAMESPACES: Final = {
    "known": {"kind": "person", "priority": 1},
    "address": {"kind": "person", "priority": 2},
    "anon": {"kind": "cookie", "priority": 3},
}

ACTIONS: Final = frozenset(
    {*STATES, *("link", "unlink", "restrict", "erase", "gpc_signal", "tc_string", "policy_finding")}
)
"""Everything that a history may tell."""

_LINKING: Final = frozenset({"link", "unlink"})


def rows(document: Data) -> Iterator[Row]:
    """Yield the file's rows."""
    for data in document["scenarios"]:
        needs = {f"action:{said['action']}" for said in data["history"]}
        yield Row(
            suite="consent", id=data["id"], data=data, expected=data["expected"], needs=frozenset(needs)
        )


SUITE: Final = Suite(name="consent", rows=rows)


def test_the_answer_is_the_one_the_law_calls_for(row: Row, host: Host) -> None:
    settle(row, ask(row.data, host))


def ask(row: Data, host: Host) -> str:
    """Return `allow` or `deny`."""
    history = sorted(row["history"], key=known_at)
    question = row["question"]
    asked = [_time(question[key]) for key in ("t", "known_at") if question.get(key)]
    times = [*asked, *map(acted_at, history), *map(known_at, history)]
    controller = host.controller(Instant(min(times) - DAY))
    _declare(controller, policy_of(row))
    for (at, *_), said in groupby(history, key=_together):
        controller.step_to(at)
        _tell(controller, [_through(each, row["policy"]["purposes"]) for each in said])
    controller.step_to(max(times))
    answer = controller.post("/v1/audit/decide", {"question": _asked(row)}, role="dpo")
    return str(answer["decision"])


# ---- time ------------------------------------------------------------------------------------------------


def _time(text: str) -> Instant:
    return parse_time(text)


def acted_at(said: Data) -> Instant:
    """Return when somebody acted."""
    return _time(said.get("event_time") or said["t"])


def known_at(said: Data) -> Instant:
    """Return when we came to know."""
    return _time(said.get("recorded") or said["t"])


def _together(said: Data) -> tuple[Instant, str, str, str, bool]:
    """Return what statements of one request have in common; said together, they are said at one instant."""
    kind = "statement" if said["action"] in STATES else said["action"]
    return known_at(said), kind, said["identity"], said.get("address") or "", _authenticated(said)


# ---- the policy --------------------------------------------------------------------------------------------


def policy_of(row: Data) -> Documents:
    """Return the row's policy as documents."""
    policy = row["policy"]
    unknown = policy.keys() - {"purposes", "special_categories", "tcf"}
    assert not unknown, f"the policy says what we do not read: {sorted(unknown)}"
    special = frozenset(policy.get("special_categories", ()))
    named = {ORDINARY, row["question"]["feature_category"], *special}
    for each in policy["purposes"].values():
        named.update(each.get("categories", ()))
    stated = [said for said in row["history"] if said["action"] in STATES]
    purposes, notices = {}, {}
    for name, each in policy["purposes"].items():
        versions = _versions(each, [said for said in stated if said["purpose"] == name], policy["purposes"])
        purposes[name] = _purpose(name, each, versions, named, special)
        if versions:
            notices[name] = int(versions[-1]["version"])
    return documents(
        purposes,
        categories={name: {"traits": [name], "special": name in special} for name in sorted(named)},
        namespaces=NAMESPACES,
        notices=notices,
        signalled=[name for name, each in policy["purposes"].items() if each.get("gpc")],
        tcf=_tcf(policy, notices),
    )


def _tcf(policy: Data, notices: dict[str, int]) -> Data | None:
    """Return what TC strings give: each purpose that has a number, by its notice in force."""
    mapped = {
        name: notices[name]
        for name, each in policy["purposes"].items()
        if each.get("tcf_purpose") is not None and name in notices
    }
    return {**policy.get("tcf", {}), "notices": mapped} if mapped else None


def _purpose(
    name: str, said: Data, versions: list[Data], named: Iterable[str], special: frozenset[str]
) -> dict[str, object]:
    unknown = said.keys() - AS_DECLARED - {"categories", "notice_changes", "gpc"}
    assert not unknown, f"the purpose says what we do not read: {sorted(unknown)}"
    keys: dict[str, object] = {key: said[key] for key in AS_DECLARED & said.keys()}
    if said.get("categories"):
        keys["categories"] = said["categories"]
    elif _bases(said) <= frozenset(CONSENT):
        # Every category: special ones too, which only consent can carry and so only consent is given.
        keys["categories"] = sorted(named)
    if versions:
        keys |= {"notice": name, "notice_changes": versions[1:]}
    return purpose(**keys)


def _bases(said: Data) -> frozenset[str]:
    return frozenset(
        {said["legal_basis"], *(change["legal_basis"] for change in said.get("basis_changes", ()))}
    )


def _versions(said: Data, statements: list[Data], purposes: Data) -> list[Data]:
    """Return the versions of a purpose's notice, the first since ever: those listed, and those people saw.

    A composite of consents that nobody was asked about itself has no notice: it stands on those of its parts.
    """
    parts = [purposes.get(name, said) for name in said.get("requires_all", ())]
    if parts and not statements and all(each["legal_basis"] in CONSENT for each in parts):
        return []
    listed = [{"material": False, **change} for change in said.get("notice_changes", ())]
    shown = sorted(
        (acted_at(one), one["notice_version"]) for one in statements if one.get("notice_version") is not None
    )
    first = listed[0]["version"] - 1 if listed else min((version for _, version in shown), default=1)
    versions: list[Data] = [{"version": first}, *listed]
    for at, version in shown:
        if version > max(one["version"] for one in versions):
            versions.append({"version": version, "t": format_time(at), "material": False})
    return versions


def _declare(controller: Controller, policy: Documents) -> None:
    """Put the policy in force, without the purposes that the law does not let anybody declare."""
    purposes = policy["purposes"]["purposes"]
    answer = activate(controller, policy)
    while answer.refused:
        fault = re.fullmatch(r"/purposes/purposes/([^/]+)/.*", answer.body["errors"][0]["pointer"])
        assert fault is not None, answer.body
        assert re.search(r"\bArt\. \d", answer.body["title"]), answer.body
        del purposes[fault[1].replace("~1", "/").replace("~0", "~")]
        answer = activate(controller, policy)


# ---- the history -------------------------------------------------------------------------------------------


def _tell(controller: Controller, said: list[Data]) -> None:
    """Tell what became known at one instant about one identifier."""
    if said[0]["action"] in STATES:
        _state(controller, said)
        return
    for each in said:
        match each["action"]:
            case "link" | "unlink":
                _link(controller, each)
            case "gpc_signal":
                _signal(controller, each)
            case "tc_string":
                body = {"subject": _reference(each["identity"]), "string": each["value"]}
                controller.ask("POST", "/v1/consents/tcf", body, role="collector")
            case "erase":
                _speak(controller, each["identity"])
                assert controller.ask("DELETE", "/v1/me", role="person").status < 300
            case "restrict":
                controller.post("/v1/audit/restrict", {"subject": _reference(each["identity"])}, role="dpo")
            case "policy_finding":
                found = {key: each[key] for key in ("purpose", "finding")}
                found |= {"subject": _reference(each["identity"])}
                controller.post("/v1/audit/findings", found, role="dpo")
            case other:
                raise NoDoor(f"no path of the service does: {other}")


def _state(controller: Controller, said: list[Data]) -> None:
    """State it. Refusals are not looked at: what is refused does not count."""
    body: Data = {
        "subject": _reference(said[0]["identity"]),
        "authenticated": _authenticated(said[0]),
        "statements": [_statement(each) for each in said],
    }
    if said[0].get("address"):
        body["address"] = {"namespace": "address", "value": said[0]["address"]}
    answer = controller.ask("POST", "/v1/consents", body, role="collector")
    assert answer.status in {201, 422}, answer.body


def _statement(said: Data) -> Data:
    unknown = said.keys() - AS_SAID - READ
    assert not unknown, f"the statement says what we do not read: {sorted(unknown)}"
    body: Data = {"purpose": said["purpose"], "state": STATES[said["action"]]}
    body |= {key: said[key] for key in AS_SAID & said.keys() if said[key] is not None}
    if said.get("notice_version") is not None:
        body["notice"] = {"id": said["purpose"], "version": said["notice_version"]}
        body["notice"] |= {"language": said["language"]} if said.get("language") else {}
    if acted_at(said) != known_at(said):
        # Told later: only an import brings its own time, and it gives only with evidence.
        body |= {"imported": True, "event_time": format_time(acted_at(said))}
        body.setdefault("evidence", {"record": "kept elsewhere"})
    return body


def _through(said: Data, purposes: Data) -> Data:
    """Return it with its channel: where none is named, the first that the purpose can be given by."""
    channels = purposes.get(said.get("purpose", ""), {}).get("give_channels", ())
    return {"channel": channels[0], **said} if channels and said["action"] in STATES else said


def _authenticated(said: Data) -> bool:
    """Whether it was said by the person, signed in, for the whole person."""
    return bool(said.get("authenticated")) and said.get("scope", "person") == "person"


def _link(controller: Controller, said: Data) -> None:
    kind = "asserted" if said["action"] == "link" else "denied"
    one = {"from": _reference(said["identity"]), "to": _reference(said["other"]), "kind": kind}
    if acted_at(said) != known_at(said):
        raise NoDoor("no path tells a link later than it came about")
    controller.post("/v1/identities/links", {"links": [one]}, role="dpo")


def _signal(controller: Controller, said: Data) -> None:
    """Let the browser call with its signal."""
    one = _reference(said["identity"])
    body = {"name": "home", "context": {"externalIds": [{"type": one["namespace"], "id": one["value"]}]}}
    headers = {"Sec-GPC": str(said["value"])}
    answer = controller.ask("POST", "/v1/page", body, role="collector", headers=headers)
    assert answer.status == 200, answer.body


def _speak(controller: Controller, identity: str) -> None:
    one = _reference(identity)
    body = {"sub_ids": [[one["namespace"], one["value"]]], "verified": True}
    controller.speak_as("person", controller.post("/v1/subjects/token", body, role="issuer")["token"])


def _reference(identity: str) -> dict[str, str]:
    namespace, _, value = identity.partition(":")
    return {"namespace": namespace, "value": value}


# ---- the question ------------------------------------------------------------------------------------------


def _asked(row: Data) -> Data:
    question = row["question"]
    unknown = question.keys() - {
        *("t", "known_at", "identity", "purpose", "feature_category", "feature_source_identities"),
        *("address", "vendor"),
    }
    assert not unknown, f"the question says what we do not read: {sorted(unknown)}"
    sources = question.get("feature_source_identities") or _cluster(row)
    address = question.get("address")
    return {
        "subject": _reference(question["identity"]),
        "purpose": question["purpose"],
        "category": question["feature_category"],
        "at": question["t"],
        "known_at": question.get("known_at"),
        "address": None if address is None else {"namespace": "address", "value": address},
        "vendor": question.get("vendor"),
        "sources": [_reference(one) for one in sources],
    }


def _cluster(row: Data) -> list[str]:
    """Return every identifier that is one person with the one asked about, by the row's own links."""
    question = row["question"]
    at, known = _time(question["t"]), _time(question.get("known_at") or "9999-01-01T00:00:00Z")
    pairs: set[frozenset[str]] = set()
    for said in sorted(row["history"], key=acted_at):
        if said["action"] in _LINKING and acted_at(said) <= at and known_at(said) <= known:
            pair = frozenset((said["identity"], said["other"]))
            pairs = pairs | {pair} if said["action"] == "link" else pairs - {pair}
    found = [question["identity"]]
    for one in found:
        found += sorted({each for pair in pairs if one in pair for each in pair} - set(found))
    return found
