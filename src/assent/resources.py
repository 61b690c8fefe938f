"""Where the folders that lie outside the package are: `sql/` and `policies/`.

A wheel carries them inside the package (pyproject.toml, force-include); an editable install finds them
in the checkout. Nothing is read here, only located.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def sql_folder() -> Path:
    """Return the folder of `migrations/` and `queries/`."""
    return _located("sql")


def policies_folder() -> Path:
    """Return the policies the product ships with; a setting may name others."""
    return _located("policies")


def _located(name: str) -> Path:
    packed = _PACKAGE / f"_{name}"
    return packed if packed.is_dir() else _PACKAGE.parents[1] / name
