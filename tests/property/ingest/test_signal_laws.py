"""A machine's signal never widens, whatever was said before it; a carrier's yes outlives no later no."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from msgspec import structs

from assent.consent.permit import Permit
from assent.core.carried import CarriedChoice, CategoryPreferences
from assent.core.ids import EntryIndex, IdentifierId
from assent.core.policy import Policy, Purpose
from assent.core.time import SECOND, Instant
from assent.ingest import saying, signalling
from assent.ingest.board import Board
from assent.ingest.facts import KINDS, Draft, Identifier, StatedBody
from assent.ingest.signalling import Speaker, Stance, hear, signal_drafts
from assent.ingest.tracking import Call, CallType
from assent.ledger.append import Fact, Part, Ref
from tests.property.ingest.evidence import NOW, POLICY, Evidence, Said, Seen, Tied, fold

EVERYBODY = ("user_id:u1", "device_id:d1", "anonymous_id:a1")
PURPOSES = ("personalisation", "analytics", "advertising", "identity_linking")
TYPES = ("ad_storage", "analytics_storage", "ad_user_data", "ad_personalization", "personalization_storage")
SERVER = Speaker(role="collector", source="key:1", server=True)

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

values = st.sampled_from(("granted", "denied", "Denied", "", None, True, False, 0, 1))
types = st.dictionaries(st.sampled_from((*TYPES, "unknown")), values)
modes = st.one_of(
    types,
    st.fixed_dictionaries({}, optional={"default": types, "update": types}),
    st.from_regex(r"G1[01x-]{0,3}", fullmatch=True),
    values,
    st.lists(values, max_size=2),
)
headers = st.lists(st.sampled_from(("1", "0", "", "true")), max_size=2)


@st.composite
def told(draw: st.DrawFn) -> list[Evidence]:
    """Return what happened before the signal."""
    hours = iter(range(0, 24 * 40, 50))
    found: list[Evidence] = []
    for _ in range(draw(st.integers(0, 7))):
        kind = draw(st.sampled_from(("said", "said", "seen", "tied")))
        one, other = draw(st.permutations(EVERYBODY))[:2]
        match kind:
            case "said":
                state = draw(st.sampled_from(("given", "given", "withdrawn", "refused", "objected")))
                found.append(
                    Said(next(hours), one, draw(st.sampled_from(PURPOSES)), state, draw(st.booleans()))
                )
            case "seen":
                found.append(Seen(next(hours), (one,), "Order Completed", draw(st.integers(1, 9))))
            case _:
                found.append(Tied(next(hours), (one, other)))
    return found


def call_with(mode: object) -> Call:
    item = {"context": {"consentMode": mode}}
    return Call(index=0, type=CallType.TRACK, name="x", context=item["context"], item=item)


def speak(board: Board, drafts: Sequence[Draft]) -> int:
    """Apply what a signal states; return how many statements it made."""
    taken = 0
    for draft in drafts:
        board.now = Instant(board.now + SECOND)
        body = draft.body
        assert isinstance(body, StatedBody)
        refs = tuple(Ref(namespace=one.namespace, lookup=one.value.encode()) for one in body.identifiers)
        fact = Fact(
            kind=KINDS[type(body)],
            role="collector",
            body=body,
            refs=refs,
            who=Part(sealed=b"", commitment=b""),
        )
        taken += board.apply(EntryIndex(1_000 + len(board.statements)), fact) is not None
    return taken


def stating(call: Call, header: Sequence[str], who: str, policy: Policy = POLICY) -> list[Draft]:
    namespace, _, value = who.partition(":")
    identifier = Identifier(policy.namespace_ids[namespace], value)
    heard = hear(policy, header, call)
    return list(signal_drafts(policy, heard, [identifier], speaker=SERVER, chosen_at=NOW, now=NOW))


def reach(board: Board) -> dict[IdentifierId, list[Permit]]:
    """Return what may be used of everybody, from now on."""
    return {
        one: [permit for permit in board.derived_of(one).permits.get(one, ()) if permit.until > board.now]
        for one in set(board.identifiers.values())
    }


def widened(before: dict[IdentifierId, list[Permit]], after: dict[IdentifierId, list[Permit]]) -> bool:
    """Whether anything that may be used after was not to be used before."""
    for one, permits in after.items():
        for permit in permits:
            covered = 0
            for old in before.get(one, ()):
                if old.purpose == permit.purpose and old.since <= permit.since and permit.until <= old.until:
                    covered |= old.categories
            standing = permit.entry < 0 and one not in before  # somebody new, under what needs no statement
            if permit.categories & ~covered and not standing:
                return True
    return False


Spoken = tuple[list[Evidence], object, list[str], str]
spoken = st.tuples(told(), modes, headers, st.sampled_from(EVERYBODY))


def adds(case: Spoken) -> bool:
    evidence, mode, header, who = case
    board = fold(evidence)
    board.now = Instant(board.now + SECOND)
    before = reach(board)
    speak(board, stating(call_with(mode), header, who))
    return widened(before, reach(board))


@quick
@given(case=spoken)
def test_a_machines_signal_never_widens(case: Spoken) -> None:
    assert not adds(case)


def test_a_machine_that_gives_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def giving(purpose: Purpose, *_: object) -> Stance:
        return Stance(purpose, signalling.SEGMENT_CONSENT, "given", 1, "click")

    monkeypatch.setattr(signalling, "Stance", giving)
    find(spoken, adds, settings=settings(quick, max_examples=2_000, phases=[Phase.generate]))


def repeats(case: Spoken) -> bool:
    """Whether a signal that is heard twice states something the second time."""
    evidence, mode, header, who = case
    board = fold(evidence)
    drafts = stating(call_with(mode), header, who)
    speak(board, drafts)
    return speak(board, drafts) > 0


@quick
@given(case=spoken)
def test_a_signal_that_is_repeated_states_nothing_more(case: Spoken) -> None:
    assert not repeats(case)


def test_a_repetition_that_is_stated_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saying, "_repeats", lambda *_: False)
    find(spoken, repeats, settings=settings(quick, max_examples=500, phases=[Phase.generate]))


CHOICE = CarriedChoice(purpose=POLICY.purpose_ids["analytics"], notice=1, mechanism="click")
CARRYING = structs.replace(
    POLICY,
    category_preferences=CategoryPreferences(
        source="context.consent", event="Chosen", categories={"Analytics": CHOICE}
    ),
)
LATE = 24 * 50
"""After everything that was told."""


def outlives(case: tuple[list[Evidence], str, str]) -> bool:
    """Whether a yes that a client stored and repeats opens what its identifier denied."""
    evidence, who, state = case
    board = fold([*evidence, Said(LATE, who, "analytics", state)], CARRYING)
    item = {"context": {"consent": {"Analytics": True}}}
    repeating = Call(index=0, type=CallType.TRACK, name="x", context=item["context"], item=item)
    return speak(board, stating(repeating, (), who, CARRYING)) > 0


denials = st.tuples(told(), st.sampled_from(EVERYBODY), st.sampled_from(("withdrawn", "refused", "objected")))


@quick
@given(case=denials)
def test_a_stored_yes_outlives_no_denial(case: tuple[list[Evidence], str, str]) -> None:
    assert not outlives(case)


def test_a_stored_yes_that_is_taken_for_a_new_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saying, "is_chosen", lambda *_, **__: True)
    find(denials, outlives, settings=settings(quick, max_examples=500, phases=[Phase.generate]))
