"""READMEs do what they say: their calls run, the settings are all there, their links lead somewhere."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assent.config import VARIABLES, Secret, Settings
from assent.database.embedded import EmbeddedPostgres
from tests.integration.test_cli import Assent, Serving, environment_of
from tests.support.database import clone

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()
API = CHECKOUT / "src" / "assent" / "http" / "README.md"
READMES = [
    CHECKOUT / "README.md",
    *(
        path
        for folder in ("src", "sql", "policies", "tests")
        for path in sorted((CHECKOUT / folder).rglob("README.md"))
        if "node_modules" not in path.parts
    ),
]
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README + "\n" + API.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def serving(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    with clone(postgres, template_database) as database:
        running = Assent(environment_of(tmp_path_factory.mktemp("readme"), database.dsn())).serve()
        yield running
        assert running.end() == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's calls are made with curl")
def test_every_block_runs_one_after_the_other(serving: Serving, tmp_path: Path) -> None:
    assent = tmp_path / "bin" / "assent"
    assent.parent.mkdir()
    assent.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m assent.cli "$@"\n')
    assent.chmod(0o755)
    (tmp_path / "policies").symlink_to(CHECKOUT / "policies")
    environment = serving.environment | serving.keys
    environment["PATH"] = f"{assent.parent}:{environment['PATH']}"
    # An answer that is no success fails the block.
    script = 'set -euo pipefail\ncurl() { command curl --fail-with-body --noproxy "*" "$@"; }\n'
    ran = subprocess.run(
        ["bash", "-c", script + "\n".join(BLOCKS)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = ran.stdout
    assert '"tier":"anonymous","features":{"categories_viewed":["lanterns"]' in said
    assert re.search(r'\{"count":[1-9]', said)
    assert '"end":true' in said
    assert "verified: assent.local/1/facts" in said
    assert "says the same: nothing changed" in said
    assert "verified: receipt s:" in said.rstrip().splitlines()[-1]
    # Who withdrew is answered for no more.
    last = said[said.rindex('{"decisions"') :]
    assert last.startswith('{"decisions":[{"subject":null,"tier":null,"features":{},"audiences":[]')


def test_the_two_commands_stand_first_and_are_targets() -> None:
    first = re.findall(r"^```\w+\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)[0]
    assert first.splitlines() == ["make demo", "make test"]
    targets = re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"make ([a-z-]+)", README)) <= set(targets)


def settings_table() -> str:
    """Return the README's table of settings, made of what the service reads."""
    rows = []
    for variable in VARIABLES:
        default = getattr(Settings(), variable.field)
        match default:
            case bool():
                shown = "`yes`" if default else "`no`"
            case None:
                shown = ""
            case Path() if default.is_absolute():
                shown = f"the product's own `{default.name}/`"
            case Secret():
                shown = "(a secret)"
            case _:
                shown = f"`{default}`" if str(default) else ""
        rows.append(f"| `{variable.name}` | {shown} | {variable.meaning} |")
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def test_every_setting_is_documented_with_its_default_and_meaning() -> None:
    assert settings_table() in README, f"expected in README.md:\n\n{settings_table()}"


def links(readme: Path) -> list[tuple[Path, str]]:
    """Return where a README's links lead: a file, and a section of it where one is named."""
    found = re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", readme.read_text())
    return sorted({(readme.parent / path if path else readme, section) for path, section in found})


def sections(readme: Path) -> set[str]:
    """Return the anchors of a README's headings, as those who show Markdown make them."""
    headings = re.findall(r"^#+ (.+)$", readme.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_links_lead_somewhere(readme: Path) -> None:
    for path, section in links(readme):
        assert path.exists(), path
        assert not section or section in sections(path), section
