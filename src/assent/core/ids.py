"""Numbers that mean one thing each.

Names of a policy (purposes, categories, features, namespaces, views) get small numbers in order of first
appearance in the ledger; a number is never given twice. Sets of purposes and of categories are bit masks of
those numbers, so a controller may declare at most 62 of each, ever.
"""

from collections.abc import Iterable, Iterator
from typing import NewType

ControllerId = NewType("ControllerId", int)
"""A controller (GDPR Art. 4(7)): the tenant."""

IdentifierId = NewType("IdentifierId", int)
"""Entry index * 64 + position in the entry: a function of the ledger."""

ProfileId = NewType("ProfileId", int)
"""The lowest identifier id of a profile, in one view."""

PurposeId = NewType("PurposeId", int)
CategoryId = NewType("CategoryId", int)
FeatureId = NewType("FeatureId", int)
NamespaceId = NewType("NamespaceId", int)
ViewId = NewType("ViewId", int)

EntryIndex = NewType("EntryIndex", int)
"""Position of an entry in the ledger, from 0, without gaps."""

Revision = NewType("Revision", int)
"""The ledger's size: the number of entries that a state was folded from."""

PurposeMask = NewType("PurposeMask", int)
"""A set of purposes as bits; the basis set of a datum is one."""

CategoryMask = NewType("CategoryMask", int)
"""A set of categories as bits."""

HIGHEST_BIT = 62
"""PostgreSQL's bigint is signed: bits 1 to 62 are usable, bit 0 stays free because numbers start at 1."""

IDENTIFIERS_PER_ENTRY = 64

COMPONENTS = ViewId(0)
"""View 0: everything connected by evidence, before any rule cuts."""

RESOLUTION = ViewId(1)
"""View 1: the one resolution over all evidence. Views of purposes are cuts of it, numbered from 2."""


def mask(numbers: Iterable[int]) -> int:
    """Return the bits of `numbers`."""
    bits = 0
    for number in numbers:
        bits |= 1 << number
    return bits


def members(bits: int) -> Iterator[int]:
    """Yield the numbers of a mask, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
