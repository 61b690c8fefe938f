"""The client matrix of the API's README and the tests say the same: rows are tests, of the locked version."""

import json
import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
README = CHECKOUT / "src" / "assent" / "http" / "README.md"
CLIENTS = CHECKOUT / "tests" / "integration" / "clients"


def rows() -> dict[str, str]:
    """Return the matrix: client and version."""
    section = README.read_text().partition("\n### Clients\n")[2].partition("\n### ")[0]
    return dict(re.findall(r"^\| ([@a-z/-]+) ([0-9.]+) \|", section, re.MULTILINE))


def test_each_row_names_the_version_that_is_tested() -> None:
    locked = dict(
        re.findall(r"^([a-z-]+)==([0-9.]+)", (CHECKOUT / ".lock" / "dev.txt").read_text(), re.MULTILINE)
    )
    node: dict[str, str] = json.loads((CLIENTS / "node" / "package.json").read_text())["dependencies"]
    assert rows() == {name: (locked | node)[name] for name in rows()}
    assert set(node) <= set(rows())


def test_each_row_is_a_test_and_each_test_a_row() -> None:
    beginnings = [
        re.match(r'"""(\S+) .*?against the service', path.read_text()) for path in CLIENTS.glob("test_*.py")
    ]
    assert {found[1] for found in beginnings if found is not None} == set(rows())
