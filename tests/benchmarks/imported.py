"""One import in a process of its own: `python -m tests.benchmarks.imported FOLDER CONTROLLER FILE`.

Makes the controller, then does what `assent import` does, and writes one line of JSON: how long that took,
and how much of its processor time went into reading. Start-up is not in it.
"""

import asyncio
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time, thread_time

import msgspec
import uvloop
from msgspec import Struct

from assent.app import open_service
from assent.cli.first_start import make_controller
from assent.cli.running import collect_less_often, named
from assent.config import Settings
from assent.ingest.importer import import_file
from assent.ingest.reading import Chunk, Reader
from assent.ingest.records import read_mapping
from assent.resources import policies_folder
from tests.support.importing import importing_into

MAPPING = policies_folder() / "imports" / "online-retail.toml"


class Account(Struct, frozen=True, kw_only=True):
    """What one import took."""

    controller: int
    lines: int
    records: int
    seconds: float
    reading_s: float
    """Processor time of reading, grouping, hashing and sealing: all that happens before the committer."""
    python_s: float
    """Processor time of the whole process, reading included."""
    at_rest_bytes: int
    """The most memory it had before it began."""
    peak_bytes: int


async def imported(folder: Path, controller: str, file: Path) -> Account:
    """Import a file into a controller made for it."""
    reading = [0.0]
    Reader.chunk = _timed(Reader.chunk, reading)  # type: ignore[assignment, method-assign]
    async with open_service(Settings(folder=folder)) as service:
        await make_controller(service, controller)
        found = await named(service, controller)
        assert found is not None
        importing = await importing_into(service, found)
        mapping = read_mapping(MAPPING)
        collect_less_often()
        at_rest, began, used = _peak(), perf_counter(), process_time()
        summary = await import_file(importing, file, mapping, lambda _records, _summary: None)
        account = Account(
            controller=found,
            lines=summary.lines,
            records=summary.kept,
            seconds=perf_counter() - began,
            reading_s=reading[0],
            python_s=process_time() - used,
            at_rest_bytes=at_rest,
            peak_bytes=_peak(),
        )
    if summary.records != summary.kept:
        message = f"{summary.records} records were read, {summary.kept} are entries of the ledger"
        raise AssertionError(message)
    return account


def _timed(method: Callable[[Reader], Chunk | None], taken: list[float]) -> Callable[[Reader], Chunk | None]:
    def timed(reader: Reader) -> Chunk | None:
        began = thread_time()
        try:
            return method(reader)
        finally:
            taken[0] += thread_time() - began

    return timed


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        account = runner.run(imported(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
    sys.stdout.write(msgspec.json.encode(account).decode() + "\n")
