"""What a feed must say next, from what it said last and what the gate shows now.

Pure. A subject is somebody as one consumer knows them; its *anchor* is the identifier that stands for it.
Replayed from its beginning, a feed gives exactly the members: `entered` adds, all else takes away. A member
whose bucket is another one, since the holdout changed, is said to have entered again. `stop` is for who may
no longer be used, and says so only to whom they were given; who was erased and is back enters after it.
`merged` says which subject somebody is from now on; whether that one is a member, its own changes say.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, structs

from assent.audiences.holdout import Arm
from assent.core.ids import IdentifierId, ProfileId


class Kind(StrEnum):
    """What a change says of a subject; in the order in which changes of one moment are said."""

    STOP = "stop"
    MERGED = "merged"
    LEFT = "left"
    ENTERED = "entered"


_ORDER = {kind: place for place, kind in enumerate(Kind)}


class Said(Struct, frozen=True, kw_only=True):
    """What a feed last said of a subject. `into` is who it became, for `merged`."""

    subject: str
    anchor: IdentifierId
    profile: ProfileId
    kind: Kind
    into: str | None = None
    bucket: Arm | None = None
    first_seq: int = 0
    """The first change that named it; 0 before there is one."""


class Present(Struct, frozen=True, kw_only=True):
    """A profile that the purpose may use now: who stands for it, and whether it is a member."""

    subject: str
    anchor: IdentifierId
    member: bool
    bucket: Arm | None = None
    """Of a member or of who was one, where somebody is held out."""


class Step(Struct, frozen=True, kw_only=True):
    """What becomes of a subject. Not `told`: nothing is said, only kept."""

    now: Said
    told: bool = True
    returns: bool = False
    """Whether it had become another and is itself again."""
    stopped: Said | None = None
    """What was last said of it, when that one may no longer be used: erased, and back as somebody new."""


class Change(Struct, frozen=True, kw_only=True):
    """One line of a feed."""

    seq: int
    subject: str
    anchor: IdentifierId | None
    kind: Kind
    into: str | None
    bucket: Arm | None


class Written(Struct, frozen=True, kw_only=True):
    """What to store: lines, what was last said of whom, of whom nothing is kept, and whose mergers go.

    Of the `forgotten` go the lines from a number on: of who was never given, those of this time alone, for an
    earlier time may have ended with a stop that is still to be read.
    """

    changes: tuple[Change, ...]
    said: tuple[Said, ...]
    forgotten: tuple[tuple[str, int], ...]
    returned: tuple[str, ...]
    seq: int


def follow(
    said: Iterable[Said], present: Mapping[ProfileId, Present], opened: Mapping[IdentifierId, ProfileId]
) -> list[Step]:
    """Return what changed, in the order to say it: a function of subjects, not of numbers inside.

    `opened` are the anchors of `said` that may be used now, with their profiles; `present` has at least those
    profiles. Whoever of `present` was never spoken of and is no member is not spoken of.
    """
    known = {one.subject: one for one in said}
    ended = {name for name, one in known.items() if opened.get(one.anchor) not in present}
    steps = {name: Step(now=_became(known[name], Kind.STOP, known[name].profile)) for name in ended}
    for name in known.keys() - ended:
        one = known[name]
        profile = opened[one.anchor]
        now = present[profile]
        if now.subject != name:
            # Whoever is stopped takes along what was said of others who became them.
            if one.kind is not Kind.MERGED or one.into != now.subject or now.subject in ended:
                steps[name] = Step(now=_became(one, Kind.MERGED, profile, now.subject))
            elif one.profile != profile:
                steps[name] = Step(now=_became(one, one.kind, profile, one.into), told=False)
    for profile, now in present.items():
        stopped = steps[now.subject].now if now.subject in ended else None
        before = None if stopped else known.get(now.subject)
        for step in _standing(before, profile, now):
            steps[now.subject] = structs.replace(step, stopped=stopped)
    return in_order(steps.values())


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Return steps in the order to say them."""
    return sorted(steps, key=lambda step: (_ORDER[_first(step).kind], step.now.subject))


def _first(step: Step) -> Said:
    return step.now if step.stopped is None else step.stopped


def written(steps: Iterable[Step], delivered: int, seq: int) -> Written:
    """Return what to store after change `seq`, of which the consumer was given those up to `delivered`."""
    changes: list[Change] = []
    kept, forgotten, returned = [], [], []
    for step in _stops_apart(steps):
        now = step.now
        given = 0 < now.first_seq <= delivered
        ends = now.kind in {Kind.STOP, Kind.MERGED}
        if step.told and (given or not ends):
            seq += 1
            anchor = None if now.kind is Kind.STOP else now.anchor
            changes.append(
                Change(
                    seq=seq,
                    subject=now.subject,
                    anchor=anchor,
                    kind=now.kind,
                    into=now.into,
                    bucket=now.bucket,
                )
            )
        if now.kind is Kind.STOP or (ends and not given):
            forgotten.append((now.subject, 0 if given else now.first_seq))
            continue
        if step.returns:
            returned.append(now.subject)
        kept.append(structs.replace(now, first_seq=now.first_seq or seq))
    return Written(
        changes=tuple(changes),
        said=tuple(kept),
        forgotten=tuple(forgotten),
        returned=tuple(returned),
        seq=seq,
    )


def replayed(changes: Iterable[tuple[str, str]]) -> set[str]:
    """Return who is a member after changes, each a subject and a kind, were followed in order."""
    members: set[str] = set()
    for subject, kind in changes:
        if kind == Kind.ENTERED:
            members.add(subject)
        else:
            members.discard(subject)
    return members


def _stops_apart(steps: Iterable[Step]) -> Iterable[Step]:
    for step in steps:
        if step.stopped is not None:
            yield Step(now=step.stopped)
        yield step


def _standing(before: Said | None, profile: ProfileId, now: Present) -> Iterable[Step]:
    """Yield what to say of who stands for a profile."""
    kind = Kind.ENTERED if now.member else Kind.LEFT
    after = Said(
        subject=now.subject,
        anchor=now.anchor,
        profile=profile,
        kind=kind,
        bucket=now.bucket,
        first_seq=0 if before is None else before.first_seq,
    )
    if before is None:
        if now.member:
            yield Step(now=after)
    elif before.kind is not kind:
        yield Step(now=after, returns=before.kind is Kind.MERGED)
    elif now.member and before.bucket is not now.bucket:
        yield Step(now=after)
    elif (before.profile, before.anchor) != (profile, now.anchor):
        yield Step(now=after, told=False)


def _became(one: Said, kind: Kind, profile: ProfileId, into: str | None = None) -> Said:
    return Said(
        subject=one.subject,
        anchor=one.anchor,
        profile=profile,
        kind=kind,
        into=into,
        first_seq=one.first_seq,
    )
