"""One service for all clients of a run's worker, and the packages of those that run on Node."""

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from assent.database.embedded import EmbeddedPostgres
from tests.integration.clients.serving import HERE, Served, serving
from tests.support.database import clone

pytest.register_assert_rewrite("tests.integration.clients.matrix")

_NODE = 20
_INSTALL_WITHIN_S = 180
_NPM = ("npm", "ci", "--ignore-scripts", "--omit=optional", "--loglevel=error")


@pytest.fixture(scope="session")
def served(postgres: EmbeddedPostgres, template_database: str) -> Iterator[Served]:
    """A service on a socket, with a controller set up."""
    folder = Path(tempfile.mkdtemp(prefix="assent-clients-"))
    try:
        with clone(postgres, template_database) as database, serving(database, folder) as served:
            yield served
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The locked packages of the clients that run on Node or in a browser; installed once per lock."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"NOT TESTED: {program} is not installed; the clients for Node and browsers need it")
    version = subprocess.run(("node", "--version"), check=True, capture_output=True, text=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < _NODE:
        pytest.skip(
            f"NOT TESTED: node {_NODE} or newer is not installed; node {version} is too old for clients"
        )
    folder = HERE / "node"
    lock, stamp = folder / "package-lock.json", folder / "node_modules" / ".installed"
    with lock.open("rb") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)  # another worker may be installing them
        if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
            try:
                subprocess.run(_NPM, cwd=folder, check=True, capture_output=True, timeout=_INSTALL_WITHIN_S)
            except subprocess.SubprocessError as error:
                pytest.skip(
                    f"NOT TESTED: the packages of the clients for Node could not be installed: {error}"
                )
            stamp.write_bytes(lock.read_bytes())
    return folder / "node_modules"
