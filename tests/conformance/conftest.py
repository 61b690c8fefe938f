"""Rows become tests here, and the service they ask is hosted here, once per process."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from assent.database.embedded import EmbeddedPostgres
from tests.conformance.host import Host, hosted
from tests.conformance.rows import is_default, parameters
from tests.support.database import clone


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "row" in metafunc.fixturenames:
        # A module with rows of its own names their folder.
        folder = getattr(metafunc.module, "FOLDER", None) or scenarios_of(metafunc.config)
        metafunc.parametrize("row", list(parameters(metafunc.module.SUITE, folder)))


def scenarios_of(config: pytest.Config) -> Path:
    """Return the folder asked for; one that was named and is not there is a mistake, not a reason to skip."""
    folder: Path = config.getoption("--scenarios")
    if not folder.is_dir() and not is_default(folder):
        message = f"--scenarios {folder}: no such folder"
        raise pytest.UsageError(message)
    return folder


@pytest.fixture
def scenarios(request: pytest.FixtureRequest) -> Path:
    """The folder whose rows run."""
    return scenarios_of(request.config)


@pytest.fixture(scope="session")
def host(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Host]:
    """The service on a socket, with a database of its own."""
    folder = Path(tempfile.mkdtemp(prefix="assent-conformance-"))
    try:
        with clone(postgres, template_database) as database, hosted(database.settings(folder)) as host:
            yield host
    finally:
        shutil.rmtree(folder, ignore_errors=True)
