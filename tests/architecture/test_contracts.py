"""Imports point one way, and each contract that says so is shown to fail when it is broken on purpose."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

LAYERS = "imports point one way"
GATE = "only the gate reads the feature store"
PURE = "the pure core knows neither database nor HTTP"
STORES = "the pure core does not reach the database through a store"

FAULTS = [
    pytest.param("core/time.py", "import assent.ledger", LAYERS, id="core-knows-the-ledger"),
    pytest.param("identity/resolve.py", "import assent.consent", LAYERS, id="identity-knows-consent"),
    pytest.param("consent/decide.py", "import assent.features", LAYERS, id="consent-knows-features"),
    pytest.param("new_room.py", "", LAYERS, id="a-package-that-stands-nowhere"),
    pytest.param(
        "audiences/engine.py",
        "from assent.features import store",
        GATE,
        id="the-engine-reads-around-the-gate",
    ),
    pytest.param("ingest/tracking.py", "import assent.features.store", GATE, id="another-part-of-ingest"),
    pytest.param("core/ids.py", "import litestar", PURE, id="core-knows-http"),
    pytest.param("consent/decide.py", "import asyncpg", PURE, id="decide-knows-the-database"),
    pytest.param(
        "identity/resolve.py",
        "from assent.database.types import Connection",
        PURE,
        id="through-another-module",
    ),
    pytest.param("ledger/tree.py", "def f():\n    import asyncpg", PURE, id="late-inside-a-function"),
    pytest.param("consent/decide.py", "from assent.consent import store", STORES, id="decide-reads-a-store"),
]


def broken(tree: Path) -> set[str]:
    """Return the names of the contracts that do not hold for the package under `tree`/src."""
    said = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = re.findall(r"^(.*) (KEPT|BROKEN)\b", said.stdout, re.MULTILINE)
    assert {name for name, _ in verdicts} == {LAYERS, GATE, PURE, STORES}, said.stdout + said.stderr
    found = {name for name, verdict in verdicts if verdict == "BROKEN"}
    assert (said.returncode == 0) == (not found)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(CHECKOUT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_holds(tree: Path) -> None:
    assert broken(tree) == set()


@pytest.mark.parametrize(("path", "line", "contract"), FAULTS)
def test_a_contract_broken_on_purpose_is_found(tree: Path, path: str, line: str, contract: str) -> None:
    module = tree / "src" / "assent" / path
    module.parent.mkdir(exist_ok=True)
    (module.parent / "__init__.py").touch()
    with module.open("a") as file:
        file.write(f"\n{line}\n")
    assert contract in broken(tree)


def test_every_contract_of_the_house_has_a_fault_of_its_own() -> None:
    declared = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in declared} == {fault.values[2] for fault in FAULTS}
