"""The audiences in force, kept at hand: read again once a second, or when this process wrote one."""

from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Struct

from assent.audiences.evaluate import Tally, Truth, evaluate, scored
from assent.audiences.goal import Goal
from assent.audiences.goal import read as read_goals
from assent.audiences.holdout import Arm, Holdout, arm_of
from assent.audiences.holdout import read as read_holdout
from assent.audiences.rule import Rule, Score, from_json, parse
from assent.audiences.seen import TIER, Opening, Seen, Shown, seen_at, unsure
from assent.core.errors import Refused, UnknownAudience
from assent.core.ids import ControllerId
from assent.core.policy import Policy
from assent.core.time import SECOND, Instant
from assent.database.statements import load
from assent.database.types import Pool
from assent.gate.profile import Profile

_SQL = load("audiences")

_FRESH: Final = SECOND
EVERY: Final = "*"

_log = structlog.get_logger()


class Audience(Struct, frozen=True, kw_only=True):
    """One version of an audience."""

    id: str
    version: int
    title: str
    purposes: tuple[str, ...]
    rule: Rule
    holdout: Holdout | None = None
    goals: tuple[Goal, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rule, and those of the goals: all that it asks of data."""
        return self.rule, *(goal.rule for goal in self.goals)


class Rules(Struct, frozen=True, kw_only=True):
    """The rules a decision evaluates, and every rule of the purpose that they may refer to."""

    asked: tuple[Audience, ...]
    known: Mapping[str, Rule]

    @property
    def versions(self) -> str:
        """Return names and versions, as releases record them."""
        return ",".join(f"{one.id}@{one.version}" for one in self.asked)

    def of(self, policy: Policy, profile: Profile, now: Instant, name: str = "") -> list[str]:
        """Return the audiences that the profile is a member of; `name` is the consumer's for it."""
        if not self.asked:
            return []
        seen = seen_at(shown(profile), now)
        return [one.id for one in self.asked if _holds(one, policy, seen, now, self.known, name)]

    def scores(self, policy: Policy, profile: Profile, now: Instant, name: str = "") -> dict[str, Tally]:
        """Return what the profile comes to in each of these audiences whose rule is a score."""
        seen = seen_at(shown(profile), now)
        found: dict[str, Tally] = {}
        for one in self.asked:
            if isinstance(one.rule, Score):
                with suppress(Refused):  # the policy changed under the rule: nobody has a score
                    tally = scored(one.rule, policy, seen, now, self.known, name)
                    found |= {} if tally is None else {one.id: tally}
        return found

    def buckets(self, names: Container[str], subject: bytes) -> dict[str, Arm]:
        """Return the bucket in each of these audiences that holds somebody out."""
        drawn = {one.id: arm_of(one.holdout, subject) for one in self.asked if one.id in names}
        return {name: arm for name, arm in drawn.items() if arm is not None}


class AudienceShelf:
    """Audiences by controller."""

    def __init__(self, pool: Pool, clock: Callable[[], Instant]) -> None:
        self._pool = pool
        self._clock = clock
        self._kept: dict[ControllerId, tuple[Instant, dict[str, Audience]]] = {}

    async def all(self, controller_id: ControllerId) -> dict[str, Audience]:
        """Return every audience in force by its id, at most a second old."""
        kept = self._kept.get(controller_id)
        if kept is None or not 0 <= self._clock() - kept[0] < _FRESH:
            kept = (self._clock(), await self._read(controller_id))
            self._kept[controller_id] = kept
        return kept[1]

    def forget(self, controller_id: ControllerId) -> None:
        """Read again next time: this process changed an audience."""
        self._kept.pop(controller_id, None)

    async def of_purpose(self, controller_id: ControllerId, purpose: str) -> dict[str, Audience]:
        """Return the audiences that a purpose may ask for."""
        return {name: one for name, one in (await self.all(controller_id)).items() if purpose in one.purposes}

    async def named(self, controller_id: ControllerId, purpose: str, names: Iterable[str]) -> Rules:
        """Return the rules of the audiences asked for; `*` is every one of the purpose.

        Raises UnknownAudience, with the same answer for one that is another purpose's.
        """
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return Rules(asked=(), known={})
        known = await self.of_purpose(controller_id, purpose)
        if EVERY in wanted:
            wanted = sorted(known)
        for place, name in enumerate(wanted):
            if name not in known:
                raise UnknownAudience(pointer=f"/audiences/{place}")
        return Rules(
            asked=tuple(known[name] for name in wanted),
            known={name: one.rule for name, one in known.items()},
        )

    async def version(self, controller_id: ControllerId, name: str, version: int) -> Audience | None:
        """Return one version of an audience, in force or not; None where there is none that has a rule."""
        row = await self._pool.fetchrow(_SQL.audience_version, controller_id, name, version)
        return None if row is None or row["rule"] is None else audience_of(*row)

    async def _read(self, controller_id: ControllerId) -> dict[str, Audience]:
        rows = await self._pool.fetch(_SQL.newest_audiences, controller_id)
        return {row["audience_id"]: audience_of(*row) for row in rows if row["rule"] is not None}


def audience_of(
    name: str,
    version: int,
    title: str,
    purposes: Iterable[str],
    rule: str,
    holdout: str | None,
    goals: str | None,
) -> Audience:
    """Return a version of an audience as it is stored."""
    return Audience(
        id=name,
        version=version,
        title=title,
        purposes=tuple(purposes),
        rule=parse(from_json(rule)),
        holdout=read_holdout(holdout),
        goals=read_goals(goals),
    )


def shown(profile: Profile) -> Shown:
    """Return a profile as rules see it."""
    return Shown(
        profile=profile.id,
        values={**profile.values, TIER: profile.tier if profile.tier_is_sure else unsure(profile.tier)},
        permits=tuple(Opening(*permit) for permit in profile.permits),
        valid_until=profile.valid_until,
        subject=profile.subject,
    )


def _holds(
    one: Audience, policy: Policy, seen: Seen, now: Instant, known: Mapping[str, Rule], name: str
) -> bool:
    try:
        return evaluate(one.rule, policy, seen, now, known, name) is Truth.TRUE
    except Refused as error:
        # The policy changed under a saved rule: nobody is a member until the rule is mended.
        _log.warning("audience cannot be evaluated", code=error.code, version=one.version)
        return False
