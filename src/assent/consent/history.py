"""What was said, ready to be asked: by purpose, as far as it was known, with who belonged together when.

Pure: an index over one history and one resolution, thrown away after use. It sorts nothing and remembers
no order of arrival; whatever is asked of it depends on the set of statements alone.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from copy import copy

from assent.consent.question import Cluster
from assent.consent.statement import Statement
from assent.core.ids import IdentifierId, PurposeId
from assent.core.time import Instant


class History:
    """One person's statements by purpose, and the resolution they were said in."""

    __slots__ = ("_together", "_turns", "_unbonded", "about", "cluster")

    def __init__(self, statements: Iterable[Statement], cluster: Cluster, known_at: Instant) -> None:
        """Index what was known at `known_at`."""
        self.about: dict[PurposeId | None, list[Statement]] = {}
        self.cluster = cluster
        self._together: dict[tuple[int, int], dict[IdentifierId, frozenset[IdentifierId]]] = {}
        self._turns = sorted({turn for bond in cluster.bonds for turn in (bond.first_at, bond.until)})
        bonded = {end for bond in cluster.bonds for end in (bond.low, bond.high)}
        self._unbonded = any(member not in bonded for member in cluster.members)
        for said in statements:
            if said.known_at <= known_at:
                self.about.setdefault(said.purpose, []).append(said)

    def of(self, statements: Iterable[Statement]) -> "History":
        """Return the history of some of these statements, in the same resolution."""
        part = copy(self)  # which shares what was found out of who belonged together
        part.about = {}
        for said in statements:
            part.about.setdefault(said.purpose, []).append(said)
        return part

    def heard(self, purposes: Sequence[PurposeId | None], at: Instant) -> Iterator[Statement]:
        """Yield what had been said about any of `purposes` by `at`."""
        for purpose in purposes:
            for said in self.about.get(purpose, ()):
                if said.acted_at <= at:
                    yield said

    def person(
        self, identifier: IdentifierId, at: Instant, since: Instant | None = None
    ) -> frozenset[IdentifierId]:
        """Return the identifiers that are one person with `identifier` at `at`, itself among them.

        With `since`, only those that had been joined by then, and never parted until `at`.
        """
        since = at if since is None else since
        # Between two turns of the bonds nobody joins and nobody parts.
        turns = bisect_right(self._turns, at), bisect_right(self._turns, since)
        together = self._together.get(turns)
        if together is None:
            together = self._together[turns] = self._components(at, since)
        return together.get(identifier, frozenset((identifier,)))

    def _components(self, at: Instant, since: Instant) -> dict[IdentifierId, frozenset[IdentifierId]]:
        everybody = frozenset(self.cluster.members)
        if self._unbonded or len(everybody) == 1:
            return dict.fromkeys(everybody, everybody)
        groups = {member: {member} for member in everybody}
        for bond in self.cluster.bonds:
            if bond.first_at <= since and at < bond.until and bond.low in groups and bond.high in groups:
                small, large = sorted((groups[bond.low], groups[bond.high]), key=len)
                if small is not large:
                    large |= small
                    groups.update(dict.fromkeys(small, large))
        frozen = {id(group): frozenset(group) for group in groups.values()}
        return {member: frozen[id(group)] for member, group in groups.items()}


def newest(statements: Iterable[Statement]) -> Statement | None:
    """Return the statement acted last; between equal times a fixed one, whatever the order of arrival."""
    return max(statements, key=rank, default=None)


def rank(said: Statement) -> tuple[Instant, str, IdentifierId, int, int]:
    """Return the sort key of time order."""
    return said.acted_at, said.state, said.identifier, said.entry, said.position
