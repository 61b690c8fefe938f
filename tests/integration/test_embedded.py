"""The embedded server: joined, not doubled; left by the killed; started again; closed to others."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assent.core.errors import DatabaseUnavailable
from assent.database import embedded, server_user
from assent.database.embedded import EmbeddedPostgres, embedded_postgres
from assent.database.server_user import ServerUser
from tests.support.database import run

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root lends the server another user")

USER = """
import sys
from pathlib import Path
from assent.database.embedded import embedded_postgres
server = embedded_postgres(Path(sys.argv[1]))
print(server.pid, flush=True)
sys.stdin.readline()
print(server.stop(), flush=True)
"""


class OtherUser:
    """Another process that uses the server of a folder."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leaves(self) -> bool:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.line() == "True"

    def is_killed(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def other_user(folder: Path) -> Iterator[OtherUser]:
    user = OtherUser(folder)
    try:
        yield user
    finally:
        user.process.kill()
        user.process.communicate()


def ends(pid: int) -> bool:
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def server_pid(server: EmbeddedPostgres) -> int:
    pid = server.pid
    assert pid is not None
    return pid


def test_the_last_user_stops_the_server_and_no_earlier_one(folder: Path) -> None:
    first, second = embedded_postgres(folder), embedded_postgres(folder)
    pid = server_pid(first)
    assert second.pid == pid
    assert first.stop() is False
    assert run(second.dsn(), "SELECT 1") == [1]
    assert second.stop() is True
    assert ends(pid)
    assert second.stop() is False  # there is nothing left to let go of


def test_rows_outlive_the_server(folder: Path) -> None:
    with embedded_postgres(folder) as server:
        run(server.dsn(), "CREATE TABLE kept AS SELECT 7 AS value")
    with embedded_postgres(folder) as server:
        assert run(server.dsn(), "SELECT value FROM kept") == [7]


def test_a_server_left_by_a_killed_user_is_joined_and_then_stopped(folder: Path) -> None:
    with other_user(folder) as other:
        pid = int(other.line())
        other.is_killed()
    assert Path(f"/proc/{pid}").exists()
    server = embedded_postgres(folder)
    assert server.pid == pid
    assert server.stop() is True  # who was killed does not count as a user
    assert ends(pid)


def test_two_starts_at_once_make_one_server(folder: Path) -> None:
    with other_user(folder) as one, other_user(folder) as two:
        pids = {one.line(), two.line()}
        assert len(pids) == 1
        assert [one.leaves(), two.leaves()] == [False, True]
    assert ends(int(pids.pop()))


def test_a_killed_server_is_started_again_with_every_row(folder: Path) -> None:
    with embedded_postgres(folder) as server:
        run(server.dsn(), "CREATE TABLE kept AS SELECT 7 AS value")
        killed = server_pid(server)
        os.kill(killed, signal.SIGKILL)
        server.ensure_running()
        assert server.pid not in {killed, None}
        assert run(server.dsn(), "SELECT value FROM kept") == [7]


def test_another_program_with_the_number_of_a_dead_server_is_not_taken_for_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = server_user.server_user()
    with embedded_postgres(folder) as server:
        os.kill(server_pid(server), signal.SIGKILL)
        with subprocess.Popen(["sleep", "60"], user=owner.uid if owner else None) as stranger:
            try:
                path = folder / "postgres" / "postmaster.pid"
                _, _, rest = path.read_text().partition("\n")
                path.write_text(f"{stranger.pid}\n{rest}")
                # The canary: as the file stands, PostgreSQL itself believes the number.
                with monkeypatch.context() as without:
                    without.setattr(embedded, "disown", lambda data: None)
                    with pytest.raises(DatabaseUnavailable, match="already exists"):
                        server.ensure_running()
                server.ensure_running()
                assert stranger.poll() is None
                assert run(server.dsn(), "SELECT 1") == [1]
            finally:
                stranger.kill()


def test_an_unfinished_first_start_is_thrown_away(folder: Path) -> None:
    unfinished = folder / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded_postgres(folder) as server:
        assert run(server.dsn(), "SELECT 1") == [1]
    assert not unfinished.exists()


def test_a_path_too_long_for_a_socket_gets_a_short_one(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    with embedded_postgres(deep) as server:
        (places,) = run(server.dsn(), "SHOW unix_socket_directories")
        short = Path(places.strip('"'))
        assert len(str(short)) < 90
        assert not short.is_relative_to(folder)
        assert stat.S_IMODE(short.stat().st_mode) & stat.S_IRWXO == 0
    assert not short.exists()


def test_a_socket_folder_someone_else_made_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "run").symlink_to(folder / "elsewhere")
    with pytest.raises(DatabaseUnavailable, match="belongs to another user"):
        embedded_postgres(folder)


def test_a_server_whose_socket_was_taken_away_is_started_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_ANSWER_WITHIN_S", 0.2)
    with embedded_postgres(folder) as server:
        mute = server_pid(server)
        (folder / "run" / ".s.PGSQL.5432").unlink()
        server.ensure_running()
        assert server.pid != mute
        assert run(server.dsn(), "SELECT 1") == [1]
    assert ends(mute)


def test_nothing_listens_on_a_network_and_nothing_is_lost_or_told_by_setting(folder: Path) -> None:
    with embedded_postgres(folder) as server:
        run(server.dsn(), "ALTER SYSTEM SET fsync = off")  # an edited file does the same
    with embedded_postgres(folder) as server:
        settings = ("fsync", "full_page_writes", "listen_addresses", "log_error_verbosity", "server_encoding")
        assert run(server.dsn(), *(f"SHOW {name}" for name in settings)) == ["on", "on", "", "terse", "UTF8"]


def test_values_in_failing_statements_do_not_reach_the_log(folder: Path) -> None:
    with embedded_postgres(folder) as server:
        run(server.dsn(), "CREATE TABLE person (email text PRIMARY KEY)")
        statement = "INSERT INTO person VALUES ('someone@example.com')"
        run(server.dsn(), statement)
        for failing in (statement, "SELECT 'someone@example.com'::integer"):
            with pytest.raises(Exception, match=r"someone|duplicate"):
                run(server.dsn(), failing)
        assert "someone@" not in (folder / "postgres" / "log").read_text()


def test_a_folder_that_cannot_be_a_database_says_so(folder: Path) -> None:
    embedded_postgres(folder).stop()
    (folder / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseUnavailable, match="of PostgreSQL 16"):
        embedded_postgres(folder)


def as_server_user(user: ServerUser, *command: str | Path) -> bool:
    asked = subprocess.run(
        command, user=user.uid, group=user.gid, extra_groups=[], capture_output=True, check=False
    )
    return asked.returncode == 0


@needs_root
def test_the_servers_user_passes_closed_folders_and_reads_nothing_in_them(folder: Path) -> None:
    home = folder / "home" / "project"
    home.mkdir(parents=True)
    for closed in (folder, folder / "home", home):
        closed.chmod(0o700)
    key = home / "keys.json"
    key.write_text("secret")
    key.chmod(0o600)
    with embedded_postgres(home):
        user = server_user.server_user()
        assert user is not None
        assert not as_server_user(user, "cat", key)
        assert not as_server_user(user, "ls", home)
        assert not as_server_user(user, "touch", home / "new")
        for closed in (folder, folder / "home", home):
            assert (
                stat.S_IMODE(closed.stat().st_mode) & stat.S_IRWXO == 0
            )  # closed to everyone else as before
        everyone_else = ServerUser(uid=65_534, gid=65_534)
        assert not as_server_user(everyone_else, "ls", home / "run")
        assert not as_server_user(everyone_else, "cat", home / "postgres" / "PG_VERSION")


@needs_root
def test_passing_is_opened_to_everyone_only_where_the_file_system_has_no_lists(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = server_user.server_user()
    assert user is not None
    folder.chmod(0o750)

    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    with monkeypatch.context() as without:
        without.setattr(os, "setxattr", unsupported)
        server_user.let_through(folder, user)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o751


@needs_root
def test_a_folders_list_keeps_what_it_granted(folder: Path) -> None:
    user = server_user.server_user()
    assert user is not None
    folder.chmod(0o700)
    server_user.let_through(folder, ServerUser(uid=65_534, gid=65_534))
    server_user.let_through(folder, user)
    tags = {(tag, owner): rights for tag, rights, owner in server_user._entries(folder)}
    assert tags[0x02, 65_534] == tags[0x02, user.uid] == 0o1
    assert tags[0x04, 0xFFFFFFFF] == tags[0x20, 0xFFFFFFFF] == 0


@needs_root
def test_programs_installed_under_a_strict_umask_are_opened_for_reading_and_running(folder: Path) -> None:
    user = server_user.server_user()
    assert user is not None
    programs = folder / "programs"
    (programs / "bin").mkdir(parents=True)
    for name, mode in (("bin/postgres", 0o700), ("postgres.bki", 0o600)):
        (programs / name).write_text("#!/bin/sh\nexit 0\n")
        (programs / name).chmod(mode)
    (programs / "bin").chmod(0o700)
    programs.chmod(0o700)
    assert not as_server_user(user, "cat", programs / "postgres.bki")
    server_user.let_read(programs, user)
    assert as_server_user(user, programs / "bin" / "postgres", "--version")
    assert as_server_user(user, "cat", programs / "postgres.bki")
    assert not as_server_user(user, "touch", programs / "postgres.bki")
    assert not as_server_user(user, "ls", folder)
