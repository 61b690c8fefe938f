"""Work out once per policy what every fact of that policy asks for again.

By identity, since a policy holds mappings and has no hash. Bounded: every controller has a policy of its own.
Pure. Raises what the work raises.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from assent.core.policy import Policy

T = TypeVar("T")

_KEPT: Final = 1024


class PerPolicy(Generic[T]):
    """A function of a policy that remembers."""

    __slots__ = ("_known", "_work")

    def __init__(self, work: Callable[[Policy], T]) -> None:
        self._work = work
        # An entry keeps its policy alive, so that the identity cannot become another's.
        self._known: dict[int, tuple[Policy, T]] = {}

    def __call__(self, policy: Policy) -> T:
        """Return what the work made of this policy, now or before."""
        known = self._known.get(id(policy))
        if known is not None:
            return known[1]
        while len(self._known) >= _KEPT:
            self._known.pop(next(iter(self._known)), None)
        made = self._work(policy)
        self._known[id(policy)] = (policy, made)
        return made
