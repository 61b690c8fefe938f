"""From `[retained.<category>]` of purposes.toml: what the law keeps when a person asks to be erased.

Only the grounds of GDPR Art. 17(3) are grounds, and each is for a time: what is kept is kept restricted, in
no projection, and the person is told until when.

Pure. Raises PolicyInvalid.
"""

from collections.abc import Mapping

from assent.core.document_places import Place, one_of, read, read_duration
from assent.core.document_shapes import RetainedShape
from assent.core.ids import CategoryId
from assent.core.policy import Category, Retained


def read_retained(
    place: Place, tables: Mapping[str, object], categories: Mapping[str, Category]
) -> dict[CategoryId, Retained]:
    """Return what is retained, by category."""
    found: dict[CategoryId, Retained] = {}
    for name, table in tables.items():
        shape = read(place.at(name), table, RetainedShape)
        if name not in categories:
            raise place.at(name).fault(one_of(categories))
        period = read_duration(place.at(name, "period"), shape.period)
        if period.months < 0 or period.microseconds < 0 or not (period.months or period.microseconds):
            raise place.at(name, "period").fault("expected a time that passes, such as P10Y")
        found[categories[name].id] = Retained(ground=shape.ground, title=shape.title, period=period)
    return found
