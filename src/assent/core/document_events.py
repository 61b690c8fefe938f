"""From `events/<name>.json` to the schemas of events, by the event's name, which is the schema's `title`.

What is refused: a file that does not say draft 2020-12, a schema without a title, two schemas of one event,
and what `event_schema` refuses.

Pure. Raises PolicyInvalid.
"""

import re
from collections.abc import Mapping
from typing import Final

from assent.core.document_places import Place
from assent.core.event_schema import DIALECT, EventSchema, SchemaFault

NAME: Final = re.compile(r"events/[a-z0-9][a-z0-9_-]{0,63}")
"""What such a document is called."""

_LONGEST_TITLE: Final = 200


def read_schemas(documents: Mapping[str, Mapping[str, object]]) -> dict[str, EventSchema]:
    """Return the compiled schemas by the event they describe."""
    schemas: dict[str, EventSchema] = {}
    for name in sorted(documents):
        if NAME.fullmatch(name):
            event, schema = _read(Place(name), documents[name])
            if event in schemas:
                raise Place(name, ("title",)).fault("expected an event that no other file describes")
            schemas[event] = schema
    return schemas


def _read(place: Place, document: Mapping[str, object]) -> tuple[str, EventSchema]:
    if document.get("$schema") != DIALECT:
        raise place.at("$schema").fault(f"expected {DIALECT}")
    title = document.get("title")
    if not isinstance(title, str) or not 0 < len(title) <= _LONGEST_TITLE:
        raise place.at("title").fault("expected the name of the event, up to 200 characters")
    try:
        return title, EventSchema(document)
    except SchemaFault as fault:
        raise place.at(*fault.path).fault(fault.expected) from None
