"""Rows in the words of consent.json, asked of `decide` itself: no door, no ledger, no resolution in between.

What the door would refuse reaches `decide` here, so that each of its steps answers for itself. Rows with what
only a carrier's decoder can read are left out.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from assent.consent.decide import Bond, Cluster, Decision, Question
from assent.consent.statement import State, Statement
from assent.core.documents import parse_policy
from assent.core.errors import PolicyInvalid
from assent.core.ids import CategoryId, CategoryMask, EntryIndex, IdentifierId, PurposeId, mask
from assent.core.policy import Policy
from assent.core.time import FOREVER, Instant, parse_time
from tests.conformance.test_consent import STATES, acted_at, known_at, policy_of

Data = dict[str, Any]
Decide = Callable[[Sequence[Statement], Cluster, Policy, Question], Decision]

OURS: Final = Path(__file__).parents[2] / "conformance" / "more" / "consent.json"

_MARKS: Final = {
    "restrict": State.RESTRICTED,
    "erase": State.ERASED,
    "policy_finding": State.FINDING,
    "gpc_signal": State.GPC,
}
_LINKING: Final = frozenset({"link", "unlink"})
_UNDECLARED: Final = PurposeId(0)


class Asked(Struct, frozen=True, kw_only=True):
    """A row as `decide` takes it."""

    id: str
    expected: bool
    why: str
    history: tuple[Statement, ...]
    cluster: Cluster
    policy: Policy
    question: Question

    def answer(self, decide: Decide) -> bool:
        """Return whether `decide` allows it."""
        return decide(self.history, self.cluster, self.policy, self.question).allowed


def rows(file: Path = OURS) -> Iterator[Asked]:
    """Yield the rows of a file."""
    for data in json.loads(file.read_text(encoding="utf-8"))["scenarios"]:
        if all(said["action"] != "tc_string" for said in data["history"]):
            yield _asked(data)


def _asked(data: Data) -> Asked:
    numbers = _Numbers()
    policy = _policy(data)
    history = tuple(
        _statement(said, place, policy, numbers)
        for place, said in enumerate(data["history"])
        if said["action"] not in _LINKING and not _is_no_signal(said)
    )
    asked = data["question"]
    bonds = tuple(_bonds(data["history"], numbers))
    me = numbers[asked["identity"]]
    members = _reached(me, bonds)
    now = Instant(1 << 61)
    question = Question(
        identifier=me,
        purpose=policy.purpose_ids.get(asked["purpose"], _UNDECLARED),
        category=policy.category_ids.get(asked["feature_category"], CategoryId(0)),
        at=parse_time(asked["t"]),
        known_at=parse_time(asked["known_at"]) if asked.get("known_at") else now,
        address=numbers[f"address:{asked['address']}"] if asked.get("address") else None,
        sources=_sources(asked, members, bonds, numbers),
    )
    return Asked(
        id=data["id"],
        expected=data["expected"] == "allow",
        why=data["why"],
        history=history,
        cluster=Cluster(members=members, bonds=tuple(one for one in bonds if one.low in members)),
        policy=policy,
        question=question,
    )


class _Numbers(dict[str, IdentifierId]):
    """Identifiers by their names in a row, numbered as they appear."""

    def __missing__(self, name: str) -> IdentifierId:
        self[name] = IdentifierId(64 * (len(self) + 1))
        return self[name]


def _policy(data: Data) -> Policy:
    documents = policy_of(data)
    while True:
        try:
            return parse_policy(documents)[0]
        except PolicyInvalid as refusal:
            if "Art." not in str(refusal):
                raise
            # What the law lets nobody declare is not declared; any other fault of a row is one.
            del documents["purposes"]["purposes"][str(refusal).split(".")[2]]


def _is_no_signal(said: Data) -> bool:
    return bool(said["action"] == "gpc_signal" and said["value"] != "1")


def _statement(said: Data, place: int, policy: Policy, numbers: Mapping[str, IdentifierId]) -> Statement:
    authenticated = bool(said.get("authenticated")) and said.get("scope", "person") == "person"
    action = said["action"]
    return Statement(
        identifier=numbers[said["identity"]],
        purpose=policy.purpose_ids.get(said["purpose"], PurposeId(-1)) if "purpose" in said else None,
        state=_MARKS[action] if action in _MARKS else State(STATES[action]),
        acted_at=acted_at(said),
        known_at=known_at(said),
        entry=EntryIndex(place),
        authenticated=authenticated,
        person_scope=authenticated and said["identity"].startswith("known:"),
        mechanism=said.get("mechanism", ""),
        notice_version=said.get("notice_version"),
        actor=said.get("actor", "subject"),
        channel=said.get("channel", ""),
        explicit=said.get("explicit", False),
        expires_at=parse_time(said["expires_at"]) if said.get("expires_at") else None,
        categories=CategoryMask(mask(policy.category_ids[name] for name in said.get("categories", ()))),
        address=numbers[f"address:{said['address']}"] if said.get("address") else None,
        subject_age=said.get("subject_age"),
        guardian_verified=said.get("guardian_verified"),
        conditional_on_service=said.get("conditional_on_service", False),
        bundle=tuple(said.get("bundle", ())),
    )


def _bonds(history: Sequence[Data], numbers: Mapping[str, IdentifierId]) -> Iterator[Bond]:
    since: dict[tuple[IdentifierId, IdentifierId], Instant] = {}
    for said in sorted(history, key=acted_at):
        if said["action"] in _LINKING:
            one, other = numbers[said["identity"]], numbers[said["other"]]
            pair = min(one, other), max(one, other)
            if said["action"] == "link":
                since.setdefault(pair, acted_at(said))
            elif pair in since:
                yield Bond(low=pair[0], high=pair[1], first_at=since.pop(pair), until=acted_at(said))
    for (low, high), first in since.items():
        yield Bond(low=low, high=high, first_at=first, until=FOREVER)


def _reached(one: IdentifierId, bonds: Sequence[Bond]) -> tuple[IdentifierId, ...]:
    found = [one]
    for each in found:
        for bond in bonds:
            if each in (bond.low, bond.high):
                found += {bond.low, bond.high} - set(found)
    return tuple(sorted(found))


def _sources(
    asked: Data, members: Sequence[IdentifierId], bonds: Sequence[Bond], numbers: Mapping[str, IdentifierId]
) -> tuple[IdentifierId, ...]:
    """Return whose data it is; where the row names nobody, everybody who was linked at the time."""
    if named := asked.get("feature_source_identities"):
        return tuple(numbers[one] for one in named)
    at = parse_time(asked["t"])
    standing = [bond for bond in bonds if bond.first_at <= at < bond.until]
    together = _reached(numbers[asked["identity"]], standing)
    return tuple(one for one in members if one in together)
