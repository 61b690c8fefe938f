"""`assent import` of order lines against COPY of the same lines into a bare table, and its peak memory.

Both read the same unpacked CSV file. The import makes invoices of the lines, and of each an event with
everything on; each time into a controller of its own, since a file that was imported brings nothing new. The
peer is one COPY in one transaction, into a typed table without a key that is made in it, rows frozen.
"""

import asyncio
import gzip
import shutil
import sys
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec

from tests.benchmarks.figures import Figure, Result, figure
from tests.benchmarks.imported import Account
from tests.benchmarks.plan import QUICK, Plan
from tests.benchmarks.processes import seconds_of_postgres
from tests.benchmarks.world import World
from tests.support.retail_file import SAMPLE, VARIABLE, whole_file

NAME: Final = "import"

_WHOLE_ROUNDS: Final = 3
"""Of the whole file, which is thirteen times the sample: that many keep the benchmark under four minutes."""

_PEER: Final = "COPY of the same lines into a bare table"

_TABLE: Final = """
CREATE TABLE bench.orders (
    invoice text,
    stock_code text,
    description text,
    quantity integer,
    at timestamp,
    price numeric,
    customer text,
    country text
)
"""

_MIB: Final = 1 << 20

_MOST_MEMORY: Final = 512 * _MIB
"""Where memory is taken to grow with the file: far above the caches, which have ends of their own."""

_CHECKOUT: Final = Path(__file__).resolve().parents[2]


async def run(world: World, plan: Plan) -> Result:
    """Import and copy in turn: the sample, then a quarter of the whole file and the whole."""
    await world.connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
    sample = _unpacked(SAMPLE, world.folder / "sample.csv")
    figures: list[Figure] = []
    details: dict[str, object] = {}
    await _turns(world, sample, "warm", 1)
    ours, copied, shares = await _turns(world, sample, "sample", plan.rounds)
    figures += _figures("one month", ours, copied, sample.stat().st_size)
    details["one month"] = f"{ours[0].lines:,} lines"
    details["processor time, one month"] = shares
    found = whole_file() if plan is not QUICK else None
    if found is None:
        missing = f"THE WHOLE FILE IS NOT MEASURED: it is not there, {VARIABLE}=path names it"
        details["note"] = "a quick run: the sample alone" if plan is QUICK else missing
        if plan is not QUICK:
            sys.stderr.write(f"{missing}\n")
    else:
        whole = _unpacked(found, world.folder / "whole.csv")
        quarter = _first_quarter(whole, world.folder / "quarter.csv")
        (less, *_), _, _ = await _turns(world, quarter, "quarter", 1)
        ours, copied, shares = await _turns(world, whole, "whole", _WHOLE_ROUNDS)
        figures += _figures(
            "whole file",
            ours,
            copied,
            whole.stat().st_size,
        )
        details["whole file"] = f"{ours[0].lines:,} lines, in {_WHOLE_ROUNDS} rounds"
        details["processor time, whole file"] = shares
        twice = _twice(whole, world.folder / "twice.csv")
        (more, *_), _, _ = await _turns(world, twice, "twice", 1)
        details["peak memory"] = _memory(less, ours, more, whole.stat().st_size)
    return Result(
        name=NAME,
        rounds=plan.rounds,
        figures=tuple(figures),
        checked=(
            "after every import each record read was an entry of its controller's ledger",
            "after every COPY the table held every line",
        ),
        details=details,
    )


async def _turns(world: World, file: Path, name: str, rounds: int) -> tuple[list[Account], list[float], str]:
    ours: list[Account] = []
    copied: list[float] = []
    postgres_s = 0.0
    for turn in range(rounds):
        before = _postgres(world)
        account = await _imported(world, f"{name} {turn}", file)
        postgres_s += _postgres(world) - before
        ours.append(account)
        copied.append(await _copied(world, file, account.lines))
    return ours, copied, _shares(ours, postgres_s)


async def _imported(world: World, controller: str, file: Path) -> Account:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.benchmarks.imported", str(world.folder), controller, str(file)),
        stdout=asyncio.subprocess.PIPE,
        cwd=_CHECKOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        message = "an import failed"
        raise AssertionError(message)
    account = msgspec.json.decode(said.splitlines()[-1], type=Account)
    held = await world.connection.fetchval(
        "SELECT count(*) FROM ledger.entry WHERE controller_id = $1", account.controller
    )
    if held != account.records + 1:  # 1: the policy
        message = f"{account.records} records were kept, the ledger holds {held} entries"
        raise AssertionError(message)
    return account


async def _copied(world: World, file: Path, lines: int) -> float:
    """Return the seconds that a durable COPY takes, from the file to the end of the transaction."""
    connection = world.connection
    await connection.execute("DROP TABLE IF EXISTS bench.orders")
    began = perf_counter()
    async with connection.transaction():
        await connection.execute(_TABLE)
        with file.open("rb") as source:
            await connection.copy_to_table(
                "orders", schema_name="bench", source=source, format="csv", header=True, freeze=True
            )
    took = perf_counter() - began
    held = await connection.fetchval("SELECT count(*) FROM bench.orders")
    if held != lines:
        message = f"{lines} lines were to be copied, {held} are there"
        raise AssertionError(message)
    return took


def _figures(what: str, ours: list[Account], copied: list[float], size: int) -> list[Figure]:
    return [
        figure(
            f"lines a second, {what}",
            "/s",
            [one.lines / one.seconds for one in ours],
            _PEER,
            [one.lines / took for one, took in zip(ours, copied, strict=True)],
        ),
        figure(
            f"peak memory, {what}",
            "MiB",
            [one.peak_bytes / _MIB for one in ours],
            "the file's size, unpacked",
            [size / _MIB] * len(ours),
        ),
    ]


def _memory(quarter: Account, whole: list[Account], twice: Account, size: int) -> str:
    """Say how memory grows with the file. Raises AssertionError where its bytes pass a bound."""
    most = max(twice.peak_bytes, *(one.peak_bytes for one in whole))
    if most > _MOST_MEMORY:
        message = f"memory is not bounded: {most} bytes at most, {_MOST_MEMORY} are the bound"
        raise AssertionError(message)
    steps = {
        "before the import": quarter.at_rest_bytes,
        "with a quarter of the file": quarter.peak_bytes,
        "with the whole": max(one.peak_bytes for one in whole),
        "with the whole twice over": twice.peak_bytes,
    }
    said = ", ".join(f"{taken / _MIB:.0f} MiB {words}" for words, taken in steps.items())
    return (
        f"{said}; the whole has {size / _MIB:.0f} MiB unpacked. One process reads and commits: a service "
        "that runs beside it takes no part"
    )


def _shares(ours: list[Account], postgres_s: float) -> str:
    reading = sum(one.reading_s for one in ours)
    committing = sum(one.python_s for one in ours) - reading
    total = reading + committing + postgres_s
    busy = total / sum(one.seconds for one in ours)
    return (
        f"reading {reading / total:.0%}, committing {committing / total:.0%}, PostgreSQL "
        f"{postgres_s / total:.0%}; {busy:.1f} cores busy"
    )


def _postgres(world: World) -> float:
    return seconds_of_postgres(world.server.pid) if world.server.pid else 0.0


def _unpacked(packed: Path, to: Path) -> Path:
    with gzip.open(packed) as source, to.open("wb") as target:
        shutil.copyfileobj(source, target)
    return to


def _first_quarter(whole: Path, to: Path) -> Path:
    """Write the first quarter of a file's lines."""
    with whole.open("rb") as source:
        lines = sum(1 for _ in source)
        source.seek(0)
        to.write_bytes(b"".join(islice(source, lines // 4)))
    return to


def _twice(whole: Path, to: Path) -> Path:
    """Write a file's lines twice, the second time as other invoices of the same people."""
    with whole.open("rb") as source, to.open("wb") as target:
        shutil.copyfileobj(source, target)
        source.seek(0)
        for line in islice(source, 1, None):
            # A cancellation begins with C, and stays one.
            target.write(line[:1] + b"9" + line[1:])
    return to
