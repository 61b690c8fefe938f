"""What tests share: one embedded PostgreSQL per run, and a clone of the migrated template per test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from assent.database.embedded import EmbeddedPostgres, embedded_postgres
from tests.support.clock import FixedClock
from tests.support.database import TestDatabase, clone, template

_RUN_FOLDER = "TESTS_RUN_FOLDER"
_CHECKOUT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--scenarios",
        metavar="DIR",
        type=Path,
        default=_CHECKOUT.parent / "shared" / "scenarios",
        help="folder of the scenario files that tests/conformance runs",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Made by the first process and inherited by its workers. Not pytest's own folder: pytest closes that one
    # again at each start, to the server's user too.
    if not hasattr(config, "workerinput"):
        os.environ[_RUN_FOLDER] = tempfile.mkdtemp(prefix="assent-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(_RUN_FOLDER), ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The run's server. Workers share it; the last one to end stops it."""
    with embedded_postgres(Path(os.environ[_RUN_FOLDER])) as server:
        yield server


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedPostgres) -> str:
    """The name of a database with every migration of sql/ applied. Nobody connects to it: tests clone it."""
    return template(postgres, Path(os.environ[_RUN_FOLDER]))


@pytest.fixture
def fresh_database(postgres: EmbeddedPostgres, template_database: str) -> Iterator[TestDatabase]:
    """A migrated, empty database of the test's own, gone after it."""
    with clone(postgres, template_database) as database:
        yield database


@pytest.fixture
def empty_database(postgres: EmbeddedPostgres) -> Iterator[TestDatabase]:
    """A database of the test's own that no migration has touched."""
    with clone(postgres, "template1") as database:
        yield database


@pytest.fixture
def database_dsn(fresh_database: TestDatabase) -> str:
    """The address of `fresh_database` as superuser, as ASSENT_DATABASE_URL would name it."""
    return fresh_database.dsn()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path outside pytest's own, for tests that start a server of their own."""
    path = Path(tempfile.mkdtemp(prefix="assent-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)
