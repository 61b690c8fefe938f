"""How much processor time and memory a process, or PostgreSQL with all its processes, has used (Linux)."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pid: int) -> float:
    """Return the processor seconds of a process, without its children."""
    fields = _fields(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def most_memory_of(pid: int) -> int:
    """Return the most bytes that a process held at once so far."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def seconds_of_postgres(postmaster: int) -> float:
    """Return the processor seconds of a server and of all its processes, ended ones too."""
    fields = _fields(postmaster)
    total = sum(int(field) for field in fields[11:15]) / _TICKS
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid = int(path.parent.name)
            if int(_fields(pid)[1]) == postmaster:
                total += seconds_of(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def _fields(pid: int) -> list[str]:
    # After the name, which stands in parentheses and may hold spaces: state, parent, ...; utime is the 12th.
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
