"""What `postmaster.pid` says about the server of a data folder, and whether that is still true.

A process killed with -9 leaves the file behind, and its number may by now belong to someone else: a server
counts as alive only if the process runs PostgreSQL on this very folder. Nothing is started or stopped here.
"""

import os
import subprocess
from pathlib import Path

from msgspec import Struct

_NEVER_A_PROCESS = 2**31 - 1
"""Larger than any process number (Linux: at most 2^22), so PostgreSQL takes the file's owner for dead."""


class Postmaster(Struct, frozen=True, kw_only=True):
    """The server's parent process as its own file describes it."""

    pid: int
    socket_folder: Path


def read_postmaster(data: Path) -> Postmaster | None:
    """Return what the file says, None without a file or with one that is not yet, or no longer, whole."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        # Lines: pid, data folder, start time, port, socket folder, listen address, shared memory, status.
        return Postmaster(pid=int(lines[0]), socket_folder=Path(lines[4]))
    except (FileNotFoundError, IndexError, ValueError):
        return None


def is_alive(postmaster: Postmaster, data: Path) -> bool:
    """Return whether that process is a PostgreSQL of this data folder."""
    return str(data) in _arguments(postmaster.pid)


def disown(data: Path) -> None:
    """Give a file left behind an owner that cannot exist: its number may belong to another program by now.

    The rest of the file stays: PostgreSQL reads the shared memory's key in it, and refuses to start while
    a process of the old server is still attached. Deleting the file would take that protection away.
    """
    try:
        # The folder is the server user's and we may be root: a link in it is not followed.
        handle = os.open(data / "postmaster.pid", os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    with os.fdopen(handle, "r+", encoding="utf-8") as file:
        _, _, rest = file.read().partition("\n")
        file.seek(0)
        file.truncate()
        file.write(f"{_NEVER_A_PROCESS}\n{rest}")


def _arguments(pid: int) -> list[str]:
    """Return the command line of a process; empty if there is none, or only its remains (a zombie)."""
    if Path("/proc/self/cmdline").exists():
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
        except (FileNotFoundError, ProcessLookupError):
            return []
    asked = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return asked.stdout.strip().split(" ")
