"""Rules stay ready while the same versions are in force under the same policy, and not a moment longer."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from assent.audiences import shelf as shelf_module
from assent.audiences.shelf import Audience, AudienceShelf, Rules
from assent.core.errors import UnknownAudience
from assent.core.ids import ControllerId
from assent.core.time import SECOND, Instant
from tests.property.audiences.worlds import POLICY

Held = dict[str, Audience]

_NAMES = ("audience_id", "version", "title", "purposes", "rule", "holdout", "goals")
_ALL = '{"op":"all"}'
_NOBODY = '{"op":"not","of":{"op":"all"}}'


class Table:
    """Stands in for the pool: one audience of one purpose, as it is stored."""

    def __init__(self) -> None:
        self.stored: tuple[int, str] = (1, _ALL)
        self.name = "everyone"

    async def fetch(self, *_: object) -> list["Row"]:
        version, rule = self.stored
        return [Row((self.name, version, "Everyone", ("ads",), rule, None, None))]


class Row:
    """Read by column and in order, as the driver's rows are."""

    def __init__(self, values: tuple[object, ...]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> object:
        return self._values[_NAMES.index(name)]

    def __iter__(self) -> Iterator[object]:
        return iter(self._values)


class Time:
    """A clock that is set."""

    now = Instant(0)

    def __call__(self) -> Instant:
        return self.now


def asked_twice(second: tuple[int, str]) -> tuple[Rules, Rules]:
    """Return the rules as they are asked for before and after another process wrote the second version."""
    table, time = Table(), Time()
    shelf = AudienceShelf(table, time)  # type: ignore[arg-type]

    async def ask() -> Rules:
        return await shelf.named(ControllerId(1), "ads", ["everyone"])

    before = asyncio.run(ask())
    table.stored = second
    time.now = Instant(2 * SECOND)
    return before, asyncio.run(ask())


def test_rules_read_again_stay_ready_while_their_versions_are_in_force() -> None:
    before, after = asked_twice((1, _ALL))
    assert after.ready.evaluator(POLICY, after.known) is before.ready.evaluator(POLICY, before.known)


def test_a_new_version_is_made_ready_anew() -> None:
    before, after = asked_twice((2, _NOBODY))
    assert after.known != before.known
    assert after.ready.evaluator(POLICY, after.known) is not before.ready.evaluator(POLICY, before.known)


def test_another_policy_makes_rules_ready_anew() -> None:
    rules, _ = asked_twice((1, _ALL))
    first = rules.ready.evaluator(POLICY, rules.known)
    assert rules.ready.evaluator(msgspec.structs.replace(POLICY), rules.known) is not first


def test_an_audience_that_another_process_saved_just_now_is_found() -> None:
    table = Table()
    shelf = AudienceShelf(table, Time())  # type: ignore[arg-type]

    async def ask(name: str) -> tuple[str, ...]:
        return tuple(one.id for one in (await shelf.named(ControllerId(1), "ads", [name])).asked)

    async def asked() -> None:
        assert await ask("everyone") == ("everyone",)
        with pytest.raises(UnknownAudience):
            await ask("somebody")
        table.name = "somebody"
        assert await ask("somebody") == ("somebody",)

    asyncio.run(asked())


def test_a_version_kept_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = AudienceShelf._read

    async def read(self: AudienceShelf, controller_id: ControllerId, before: Held) -> Held:
        return before or await real(self, controller_id, before)

    monkeypatch.setattr(shelf_module.AudienceShelf, "_read", read)
    with pytest.raises(AssertionError):
        test_a_new_version_is_made_ready_anew()
