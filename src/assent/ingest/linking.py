"""Links of a mapping: `[links]`, where every line of a file says that two identifiers are one person.

    [links]
    kind = "probable"                   # or asserted, which is the default
    from = { namespace = "email", column = "email" }
    to = { namespace = "anonymous_id", column = "browser" }
    time = "seen_at"                    # when it was so; without one, the import's own time
    weight = { column = "probability" } # of a proposal: how sure, above 0 and up to 1; or a number
    model = "households-3"              # of a proposal: who says so; or { column = ... }

Pure. Raises PolicyInvalid.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from assent.core.document_places import Place
from assent.ingest.columns import NUMBERS, WORDS, Column, ColumnType, FileMapping, Prefix, Shape, Word


class End(Shape, frozen=True, kw_only=True):
    """One of the two identifiers."""

    namespace: Word
    column: Word
    prefix: Prefix = ""


Weight = Annotated[float, Meta(gt=0, le=1, extra={"expected": "a number above 0 and up to 1"})]


class Linking(Shape, frozen=True, kw_only=True, omit_defaults=True, rename={"start": "from", "end": "to"}):
    """`[links]`: who is one person with whom, how surely, and since when."""

    start: End
    end: End
    kind: Literal["asserted", "probable"] = "asserted"
    time: Word | None = None
    weight: Weight | Column | None = None
    model: Word | Column | None = None

    def ends(self) -> tuple[tuple[str, End], tuple[str, End]]:
        """Return the ends with their keys."""
        return ("from", self.start), ("to", self.end)

    @property
    def is_proposal(self) -> bool:
        """Whether the lines are a model's guesses."""
        return self.kind == "probable"


class LinkMapping(FileMapping, frozen=True, kw_only=True):
    """A checked mapping of lines that are links."""

    links: Linking


def uses(place: Place, links: Linking) -> Iterator[tuple[Place, str, tuple[ColumnType, ...]]]:
    """Yield every column that is used, with the types that fit; refuse what says too little or too much."""
    for key, said in (("weight", links.weight), ("model", links.model)):
        if (said is None) is links.is_proposal:
            raise place.at(key).fault(
                "expected of a proposal" if links.is_proposal else "expected of a proposal alone"
            )
    for key, end in links.ends():
        yield place.at(key, "column"), end.column, WORDS
    if links.time is not None:
        yield place.at("time"), links.time, (ColumnType.TIME,)
    if isinstance(links.weight, Column):
        yield place.at("weight", "column"), links.weight.column, NUMBERS
    if isinstance(links.model, Column):
        yield place.at("model", "column"), links.model.column, WORDS


def millionths(weight: float | Decimal) -> int | None:
    """Return how sure a model is in millionths, at least one; None where it is no weight."""
    if not 0 < weight <= 1:
        return None
    return max(1, round(weight * 1_000_000))
