"""Read a folder of policies into documents, and give documents their digest.

Only files are read; what they mean is for `core/documents.py` to say. `imports/` holds mappings of files to
facts: no policy, so it is left out. Every other TOML file is a document, and every JSON file below `events/`,
so that a misnamed one is refused rather than overlooked. Raises PolicyInvalid, which names the file.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from assent.core.errors import PolicyInvalid

LARGEST_BYTES: Final = 1_000_000
"""Of one file: a policy that a person can review is far smaller."""

_NOT_POLICY: Final = frozenset({"imports"})

_JSON: Final = "events"
"""Below it stand JSON Schemas, and nothing else; everywhere else documents are TOML."""


def read_folder(path: Path) -> dict[str, dict[str, object]]:
    """Return every document by its path below `path`, without the ending, in order of name.

    Times become RFC 3339 text, so that a document is JSON and reads the same from the ledger.
    """
    if not path.is_dir():
        raise PolicyInvalid("policies: expected a folder")
    files = sorted([*path.rglob("*.toml"), *path.rglob("*.json")])
    inside = [(file.relative_to(path), file) for file in files]
    return {
        short.with_suffix("").as_posix(): _read(short.as_posix(), file)
        for short, file in inside
        if short.parts[0] not in _NOT_POLICY
    }


def digest(documents: Mapping[str, Mapping[str, object]]) -> bytes:
    """Return the SHA-256 of the documents as JSON, keys sorted, no spaces: equal content, equal digest.

    Raises PolicyInvalid when JSON cannot hold them.
    """
    try:
        canonical = msgspec.json.encode(documents, order="sorted")
    except (TypeError, ValueError, RecursionError) as error:
        raise PolicyInvalid("expected documents that JSON can hold") from error
    return hashlib.sha256(canonical).digest()


def _read(name: str, file: Path) -> dict[str, object]:
    kind = "json" if name.startswith(f"{_JSON}/") else "toml"
    if file.suffix != f".{kind}":
        raise PolicyInvalid(f"{name}: expected {kind.upper()}, and a name that ends with .{kind}")
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise PolicyInvalid(f"{name}: expected a readable file") from error
    if len(text) > LARGEST_BYTES:
        raise PolicyInvalid(f"{name}: expected at most {LARGEST_BYTES} bytes")
    try:
        document = _json(text.decode()) if kind == "json" else tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        raise PolicyInvalid(f"{name}: expected UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise PolicyInvalid(f"{name}: expected {kind.upper()}: {error}") from error
    plain: dict[str, object] = msgspec.to_builtins(document)
    return plain


def _json(text: str) -> dict[str, object]:
    document = json.loads(text, object_pairs_hook=_once)
    if not isinstance(document, dict):
        message = "expected an object"
        raise ValueError(message)  # noqa: TRY004 the file is at fault, as it is for what is no JSON
    return document


def _once(members: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Return an object's members; one given twice is refused, as in TOML."""
    found = dict(members)
    if len(found) < len(members):
        message = "a member stands twice in an object"
        raise ValueError(message)
    return found
