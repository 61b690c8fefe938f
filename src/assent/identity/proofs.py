"""Which sources prove a link, and what is left of a link without some of them.

A link is the merge of what each source saw: the oldest and the newest of it. Where one source proves it, the
link itself says all there is; where several do, `Link.sources` keeps what each of them saw, by number. The
number of a source is the head of its name's digest: it is the same in every fold, and needs no table.

Of more sources than `MOST_SOURCES` those are kept who saw it first and who saw it last: the link's own times
stay exact, and taking back those who are kept ends it, rather than joining people by what nobody can name.

Pure. Raises nothing.
"""

import struct
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Final

from msgspec import structs

from assent.core.ids import EntryIndex, IdentifierId
from assent.core.policy import LinkKind
from assent.core.time import Instant
from assent.identity.resolve import UNNAMED, Link

MOST_SOURCES: Final = 32
"""Of one link: no row grows past a page of the database for being seen by an import every day."""

_RECORD: Final = struct.Struct(">8s4qi")


@lru_cache(maxsize=1_024)
def number_of(source: str) -> bytes:
    """Return the number of a source."""
    return sha256(source.encode()).digest()[: len(UNNAMED)] if source else UNNAMED


def seen(
    low: IdentifierId,
    high: IdentifierId,
    kind: LinkKind,
    at: Instant,
    entry: EntryIndex,
    *,
    weight: int,
    source: bytes,
) -> Link:
    """Return the link that one piece of evidence makes."""
    return Link(
        low=low,
        high=high,
        kind=kind,
        first_at=at,
        last_at=at,
        first_entry=entry,
        last_entry=entry,
        weight=weight,
        sources=source,
    )


def parts(link: Link) -> Iterator[Link]:
    """Yield what each source proves of a link, in the order of their numbers."""
    if len(link.sources) == len(UNNAMED):
        yield link
        return
    for source, first_at, last_at, first_entry, last_entry, weight in _RECORD.iter_unpack(link.sources):
        yield structs.replace(
            link,
            first_at=first_at,
            last_at=last_at,
            first_entry=first_entry,
            last_entry=last_entry,
            weight=weight,
            sources=source,
        )


def part_of(link: Link, source: bytes) -> Link | None:
    """Return what one source proves of a link; None where that is nothing."""
    if link.sources == source:
        return link
    return next((part for part in parts(link) if part.sources == source), None)


def merged(proofs: Iterable[Link]) -> Link:
    """Return the link that what sources saw makes; at least one of them, no source twice."""
    held = sorted(proofs, key=lambda one: one.sources)
    first = min(held, key=lambda one: (one.first_at, one.first_entry))
    last = min(held, key=lambda one: (-one.last_at, one.last_entry))
    if len(held) > MOST_SOURCES:
        newest = sorted(held, key=lambda one: (one is not first, -one.last_at, one.last_entry))
        held = sorted(newest[:MOST_SOURCES], key=lambda one: one.sources)
    return structs.replace(
        last,
        first_at=first.first_at,
        first_entry=first.first_entry,
        # A model's newest word counts; of two at one instant the less sure.
        weight=min(one.weight for one in held if one.last_at == last.last_at),
        sources=held[0].sources if len(held) == 1 else b"".join(map(_packed, held)),
    )


def also(link: Link, proof: Link) -> Link:
    """Return a link with what a source saw of it in place of what that source had seen before."""
    return merged((*(part for part in parts(link) if part.sources != proof.sources), proof))


def without(link: Link, sources: Collection[bytes]) -> Link | None:
    """Return what is left of a link when some sources prove nothing; None where nothing proves it."""
    held = list(parts(link))
    left = [part for part in held if part.sources not in sources]
    if len(left) == len(held):
        return link
    return merged(left) if left else None


def _packed(part: Link) -> bytes:
    return _RECORD.pack(
        part.sources, part.first_at, part.last_at, part.first_entry, part.last_entry, part.weight
    )
