"""Was a person a member of an audience, at an instant, and why: for the officer who must be able to say.

The rule in force then, by the policy in force then, on what the purpose could see then (`then`), evaluated by
the definition that the engine is measured against (`evaluate`). Never for an engine.

Raises UnknownAudience, UnknownPurpose, NotPermittedForPurpose; and Refused where the policy of then does not
know what a rule asks for.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping

from msgspec import Struct, structs

from assent.audiences.derive import needed_by_all
from assent.audiences.evaluate import Truth
from assent.audiences.explain import Part, explained
from assent.audiences.rule import Rule
from assent.audiences.seen import TIER, Seen, seen_at, unsure
from assent.audiences.shelf import Audience, audience_of, shown
from assent.consent.decide import decide
from assent.consent.question import Decision, Question
from assent.core.derived import narrowed, widened
from assent.core.errors import NotPermittedForPurpose, UnknownAudience, UnknownPurpose
from assent.core.ids import CategoryId, CategoryMask, EntryIndex, IdentifierId
from assent.core.policy import Feature, Policy, Purpose
from assent.core.time import Instant
from assent.database.statements import load
from assent.features.accumulate import EMPTY, absorb, items
from assent.features.read import window
from assent.ingest.deleted_since import Ledger, known_entries
from assent.ingest.then import Then, person_then

_SQL = load("moments")
_AUDIENCES = load("audiences")

_NOBODY = Seen(values={}, visible=CategoryMask(0), since={})


class Asked(Struct, frozen=True, kw_only=True):
    """Which audience, of which version (None: the one in force then), for which purpose, when."""

    audience: str
    version: int | None
    purpose: str
    at: Instant
    known_at: Instant


class Frame(Struct, frozen=True, kw_only=True):
    """What stood then: the policy, the purpose, the audience, and every rule that one may refer to."""

    policy: Policy
    purpose: Purpose
    audience: Audience
    rules: Mapping[str, Rule]

    def reading(self, policy: Policy) -> Policy:
        """Return a policy with all that these rules ask of events."""
        return widened(policy, needed_by_all(self.rules.values(), self.policy))


class Membership(Struct, frozen=True, kw_only=True):
    """The answer, part by part, and what it rests on."""

    then: Then
    truth: Truth
    tree: Part
    decisions: Mapping[CategoryId, Decision]
    """Of every category that the rule looks at: may the purpose use it, and which entry said so."""
    proofs: Mapping[str, tuple[EntryIndex, ...]]
    """By feature, the entries that its value was made of, newest first."""


async def frame_then(ledger: Ledger, asked: Asked, policy_at: Callable[[int], Awaitable[Policy]]) -> Frame:
    """Return what was in force then, by what was known then."""
    end = await known_entries(ledger, min(asked.at, asked.known_at))
    version = await ledger.connection.fetchval(_SQL.policy_before, ledger.controller_id, end)
    policy = await policy_at(version or 0)
    number = policy.purpose_ids.get(asked.purpose)
    if number is None or number not in policy.purposes:
        raise UnknownPurpose("The policy then declared no such purpose.", pointer="/purpose")
    rows = await ledger.connection.fetch(_SQL.audiences_before, ledger.controller_id, end)
    saved = {row["audience_id"]: audience_of(*row) for row in rows if row["rule"] is not None}
    audience = saved.get(asked.audience)
    if asked.version is not None:
        row = await ledger.connection.fetchrow(
            _AUDIENCES.audience_version, ledger.controller_id, asked.audience, asked.version
        )
        audience = None if row is None or row["rule"] is None else audience_of(*row)
    if audience is None:
        raise UnknownAudience("No such audience was in force then.", pointer="/audience")
    if asked.purpose not in audience.purposes:
        raise NotPermittedForPurpose("The audience is not for this purpose.", pointer="/purpose")
    rules = {one.id: one.rule for one in saved.values() if asked.purpose in one.purposes}
    rules[audience.id] = audience.rule
    frame = Frame(policy=policy, purpose=policy.purposes[number], audience=audience, rules=rules)
    return structs.replace(frame, policy=frame.reading(policy))


async def membership(
    ledger: Ledger,
    frame: Frame,
    who: IdentifierId,
    asked: Asked,
    named: Callable[[bytes], str],
) -> Membership | None:
    """Return whether a person was a member; None when nobody knew of them then.

    `named` gives a profile's keyed hash the name that a consumer knows it by, for the lists of a rule.
    """
    then = await person_then(
        ledger, frame.policy, who, frame.purpose, at=asked.at, known_at=asked.known_at, reading=frame.reading
    )
    if then is None:
        return None
    seen = _NOBODY if then.profile is None else seen_at(shown(then.profile), asked.at)
    if then.lost:
        seen = _without(seen, then.lost)
    key = named(seen.subject) if seen.subject else ""
    tree = explained(frame.audience.rule, frame.policy, seen, asked.at, frame.rules, key)
    looked = tuple(looked_at(tree))
    return Membership(
        then=then,
        truth=tree.truth,
        tree=tree,
        decisions=_decisions(then, frame, who, asked, {one.category for one in looked}),
        proofs={one.name: _proofs(then, frame, one) for one in looked if seen.visible >> one.category & 1},
    )


def _without(seen: Seen, lost: Collection[CategoryId]) -> Seen:
    """Return what is seen without categories; what was in them may tell more of who it was."""
    values = dict(seen.values)
    if TIER in values:
        values[TIER] = unsure(values[TIER])
    return structs.replace(seen, values=values, visible=CategoryMask(seen.visible & ~_mask(lost)))


def looked_at(part: Part) -> Collection[Feature]:
    """Return the features that the leaves of a rule looked at."""
    found = {one.feature.name: one.feature for one in part.looked_at}
    for each in part.of:
        found |= {one.name: one for one in looked_at(each)}
    return list(found.values())


def _mask(categories: Collection[CategoryId]) -> int:
    return sum(1 << category for category in categories)


def _decisions(
    then: Then, frame: Frame, who: IdentifierId, asked: Asked, categories: Collection[CategoryId]
) -> dict[CategoryId, Decision]:
    return {
        category: decide(
            then.history,
            then.cluster,
            frame.policy,
            Question(
                identifier=who,
                purpose=frame.purpose.id,
                category=category,
                at=asked.at,
                known_at=asked.known_at,
            ),
        )
        for category in sorted(categories)
    }


def _proofs(then: Then, frame: Frame, feature: Feature) -> tuple[EntryIndex, ...]:
    """Return the entries of which the feature takes something, newest first."""
    only = narrowed(frame.policy, {feature.id: feature})
    begin, end = window(feature, then.at)
    found = {
        (content.at, content.entry)
        for one, _, content in then.contents
        if content.category == feature.category
        and (not feature.itemised or begin < content.at <= end)
        and (items(only, content) if feature.itemised else absorb(only, EMPTY, content).partials)
        and (
            not feature.itemised
            or frame.purpose.retroactive >> content.category & 1
            or any(since <= content.at for held, since, _ in then.spans[one] if held >> content.category & 1)
        )
    }
    return tuple(entry for _, entry in sorted(found, reverse=True))
