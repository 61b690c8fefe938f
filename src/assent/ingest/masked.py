"""A base for structs that carry what a person sent: their `repr` names the class and nothing else.

Logs, tracebacks and assertion messages print reprs; what was collected must not reach them that way.
"""

from typing import Any

from msgspec import Struct


class Masked(Struct, frozen=True, kw_only=True):
    """A struct that never shows what it holds."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # rich would otherwise list the fields of any struct, in tracebacks too.
        return []
