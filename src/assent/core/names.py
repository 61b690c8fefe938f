"""Give names their numbers, and never take one back.

A `NameBook` is what the ledger has named so far: every policy version grows it. A name once in the book keeps
its number for good, also while no policy declares it, so that masks and rows written long ago keep their
meaning. New names of one version are numbered in alphabetical order: the numbers are a function of the
documents' content, not of the order in which some parser happened to yield their keys.

Pure, and total: it raises nothing. Limits are the caller's to check.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct, structs


class NameKind(StrEnum):
    """What is numbered; the values are the book's fields."""

    PURPOSE = "purpose"
    CATEGORY = "category"
    FEATURE = "feature"
    NAMESPACE = "namespace"
    VIEW = "view"


class NameBook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every name a controller's policies ever used, by kind, with its number. JSON and back by msgspec.

    A feature's name stands with its definition and a view's is the text of its link use: another definition
    is another number, so that a value folded under the old one is never read as the new one.
    """

    purpose: Mapping[str, int] = {}
    category: Mapping[str, int] = {}
    feature: Mapping[str, int] = {}
    namespace: Mapping[str, int] = {}
    view: Mapping[str, int] = {}

    def numbers(self, kind: NameKind) -> Mapping[str, int]:
        """Return the names of one kind with their numbers."""
        numbers: Mapping[str, int] = getattr(self, kind.value)
        return numbers

    def grown(self, kind: NameKind, names: Iterable[str]) -> "NameBook":
        """Return a book that also holds `names`; the numbers already given are untouched."""
        numbers = dict(self.numbers(kind))
        following = max(numbers.values(), default=FIRST[kind] - 1) + 1
        fresh = sorted(set(names) - numbers.keys())
        numbers.update(zip(fresh, range(following, following + len(fresh)), strict=True))
        return structs.replace(self, **{kind.value: numbers})


FIRST: Final[Mapping[NameKind, int]] = {
    NameKind.PURPOSE: 1,
    NameKind.CATEGORY: 1,
    NameKind.FEATURE: 1,
    NameKind.NAMESPACE: 1,
    NameKind.VIEW: 2,  # 0 and 1 are the components and the resolution, which no purpose owns
}

EMPTY: Final = NameBook()
"""Before a controller's first policy."""
