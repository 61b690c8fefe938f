"""The audiences in force, kept at hand: read again once a second, or when this process wrote one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from msgspec import Struct, field, structs

from assent.audiences.evaluate import Evaluator, Tally, scored
from assent.audiences.goal import Goal
from assent.audiences.goal import read as read_goals
from assent.audiences.holding import Person
from assent.audiences.holdout import Arm, Holdout, arm_of
from assent.audiences.holdout import read as read_holdout
from assent.audiences.request import heard, of_request
from assent.audiences.rule import Rule, Score, from_json, parse
from assent.audiences.seen import TIER, Opening, Shown, seen_at, unsure
from assent.core.errors import OverCapacity, Refused, UnknownAudience
from assent.core.ids import ControllerId, EntryIndex
from assent.core.policy import Policy
from assent.core.time import SECOND, Instant
from assent.database.statements import load
from assent.database.types import Pool
from assent.gate.profile import Profile

_SQL = load("audiences")

_FRESH: Final = SECOND
EVERY: Final = "*"

_TRIES: Final = 200
_PAUSE_S: Final = 0.02
"""Four seconds in all: one change of an audience takes some hundredths of one."""

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


class Ready:
    """The rules of a purpose made ready for the policy under which they were asked last."""

    def __init__(self) -> None:
        """Have nothing ready."""
        self._kept: tuple[Policy, Mapping[str, Rule], Evaluator] | None = None

    def evaluator(self, policy: Policy, known: Mapping[str, Rule]) -> Evaluator:
        """Return what evaluates these rules: the same while neither they nor the policy are replaced."""
        if self._kept is None or self._kept[0] is not policy or self._kept[1] is not known:
            self._kept = (policy, known, Evaluator(policy, known))
        return self._kept[2]


class Rules(Struct, frozen=True, kw_only=True):
    """The rules a decision evaluates, and every rule of the purpose that they may refer to."""

    asked: tuple[Audience, ...]
    known: Mapping[str, Rule]
    ready: Ready = field(default_factory=Ready)
    asking: frozenset[str] = frozenset()
    """Those that ask of the request, and (`leading`) those that refer to such a one, too."""
    leading: frozenset[str] = frozenset()
    said: tuple[Mapping[str, Rule], Ready] | None = None
    """The rules as the request's context has them."""

    @property
    def versions(self) -> str:
        """Return names and versions, as releases record them."""
        return ",".join(f"{one.id}@{one.version}" for one in self.asked)

    def heard(self, context: Mapping[str, object]) -> "Rules":
        """Return the rules as they are for one request, which says so much of itself."""
        if not context or not any(one.id in self.leading for one in self.asked):
            return self
        known = {**self.known, **{name: heard(self.known[name], context) for name in self.asking}}
        asked = tuple(
            structs.replace(one, rule=known[one.id]) if one.id in self.asking else one for one in self.asked
        )
        return structs.replace(self, asked=asked, said=(known, Ready()))

    def of(self, policy: Policy, profile: Profile, now: Instant, name: str = "") -> list[str]:
        """Return the audiences that the profile is a member of; `name` is the consumer's for it."""
        if not self.asked:
            return []
        person = Person(seen_at(shown(profile), now), now, name)
        plain = heard = self.known, self.ready.evaluator(policy, self.known)
        if self.said is not None:
            known, ready = self.said
            heard = known, ready.evaluator(policy, known)
        return [
            one.id for one in self.asked if _holds(one, *(heard if one.id in self.leading else plain), person)
        ]

    def scores(self, policy: Policy, profile: Profile, now: Instant, name: str = "") -> dict[str, Tally]:
        """Return what the profile comes to in each of these audiences whose rule is a score."""
        seen = seen_at(shown(profile), now)
        found: dict[str, Tally] = {}
        for one in self.asked:
            if isinstance(one.rule, Score):
                with suppress(Refused):  # the policy changed under the rule: nobody has a score
                    known = self.known if self.said is None else self.said[0]
                    tally = scored(one.rule, policy, seen, now, known, name)
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
        self._ready: dict[tuple[ControllerId, str], Rules] = {}
        """By purpose, every audience that it may ask for."""

    async def all(self, controller_id: ControllerId, wanted: Iterable[str] = ()) -> dict[str, Audience]:
        """Return every audience in force by its id, a second old at most; as of now if one wanted lacks."""
        kept = self._kept.get(controller_id)
        if (
            kept is None
            or not 0 <= self._clock() - kept[0] < _FRESH
            or any(name not in kept[1] for name in wanted)  # another process may have saved it just now
        ):
            before = {} if kept is None else kept[1]
            kept = (self._clock(), await self._read(controller_id, before))
            self._kept[controller_id] = kept
        return kept[1]

    def forget(self, controller_id: ControllerId) -> None:
        """Read again next time: this process changed an audience."""
        self._kept.pop(controller_id, None)

    @asynccontextmanager
    async def alone(self, pool: Pool, controller_id: ControllerId) -> AsyncIterator[dict[str, Audience]]:
        """Let nobody else change a controller's audiences meanwhile, and yield those in force.

        What was checked against them stands when it is appended: two that are saved at once lead to each
        other in no circle, and none is deleted to which another one that is being saved refers. Holds a
        connection of `pool`, and none while it waits. Raises OverCapacity.
        """
        for _ in range(_TRIES):
            async with pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(_SQL.try_changing_audiences, controller_id):
                    self.forget(controller_id)
                    yield await self.all(controller_id)
                    return
            await asyncio.sleep(_PAUSE_S)
        raise OverCapacity

    async def of_purpose(
        self, controller_id: ControllerId, purpose: str, wanted: Iterable[str] = ()
    ) -> dict[str, Audience]:
        """Return the audiences that a purpose may ask for, as `all` does."""
        everyone = await self.all(controller_id, wanted)
        return {name: one for name, one in everyone.items() if purpose in one.purposes}

    async def named(self, controller_id: ControllerId, purpose: str, names: Iterable[str]) -> Rules:
        """Return the rules of the audiences asked for; `*` is every one of the purpose.

        Raises UnknownAudience, with the same answer for one that is another purpose's.
        """
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return Rules(asked=(), known={})
        known = await self.of_purpose(controller_id, purpose, [name for name in wanted if name != EVERY])
        if EVERY in wanted:
            wanted = sorted(known)
        for place, name in enumerate(wanted):
            if name not in known:
                raise UnknownAudience(pointer=f"/audiences/{place}")
        whole = self._whole(controller_id, purpose, known)
        return structs.replace(whole, asked=tuple(known[name] for name in wanted))

    async def version(self, controller_id: ControllerId, name: str, version: int) -> Audience | None:
        """Return one version of an audience, in force or not; None where there is none that has a rule."""
        row = await self._pool.fetchrow(_SQL.audience_version, controller_id, name, version)
        return None if row is None or row["rule"] is None else audience_of(*row)

    async def saved(self, controller_id: ControllerId, name: str, entry: EntryIndex | None) -> int:
        """Return which version an entry saved, whatever was saved since. Raises UnknownAudience."""
        version: int | None = await self._pool.fetchval(_SQL.audience_saved, controller_id, name, entry)
        if version is None:
            raise UnknownAudience
        return version

    def _whole(self, controller_id: ControllerId, purpose: str, known: Mapping[str, Audience]) -> Rules:
        """Return every rule of the purpose, the same as before while the same versions are in force."""
        kept = self._ready.get((controller_id, purpose))
        everyone = tuple(known.values())
        if (
            kept is None
            or len(kept.asked) != len(everyone)
            or any(one is not other for one, other in zip(kept.asked, everyone, strict=True))
        ):
            rules = {one.id: one.rule for one in everyone}
            asking, leading = of_request(rules)
            kept = Rules(asked=everyone, known=rules, asking=asking, leading=leading)
            self._ready[controller_id, purpose] = kept
        return kept

    async def _read(self, controller_id: ControllerId, before: Mapping[str, Audience]) -> dict[str, Audience]:
        """Return what is in force; a version that was read `before` is the same, for none is ever changed."""
        rows = await self._pool.fetch(_SQL.newest_audiences, controller_id)
        found: dict[str, Audience] = {}
        for row in rows:
            if row["rule"] is not None:
                held = before.get(row["audience_id"])
                same = held is not None and held.version == row["version"]
                found[row["audience_id"]] = held if held is not None and same else audience_of(*row)
        return found


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


def _holds(one: Audience, known: Mapping[str, Rule], evaluator: Evaluator, person: Person) -> bool:
    try:
        own = known.get(one.id) is one.rule
        return person.fulfils(evaluator.named(one.id) if own else evaluator.ask(one.rule))
    except Refused as error:
        # The policy changed under a saved rule: nobody is a member until the rule is mended.
        _log.warning("audience cannot be evaluated", code=error.code, version=one.version)
        return False
