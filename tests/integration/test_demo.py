"""`assent demo` shows the whole job on a small file, and leaves nothing running and nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assent.cli.demo.rule import choices
from tests.support.order_file import write_orders

INVOICES = 200


def begun(folder: Path, orders: Path) -> "subprocess.Popen[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSENT_")}
    # A setting of the operator's own service must not reach the demo's.
    environment |= {"ASSENT_FOLDER": str(folder), "ASSENT_PORT": "1", "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, "-m", "assent.cli", "demo", "--data", str(orders)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(folder: Path) -> list[str]:
    """Return what runs on the folder still: our own processes and PostgreSQL's."""
    lines = subprocess.run(
        ["ps", "axww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in lines.splitlines() if str(folder) in line and "assent.cli demo" not in line]


def numbers(said: str, row: str) -> list[int]:
    """Return the numbers of the row of a table that begins with `row`."""
    line = next(line for line in said.splitlines() if re.match(rf"[│ ]*{row} *│", line))
    return [int(one.replace(",", "")) for one in re.findall(r"│ +([\d,]+) +(?=│)", line)]


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    return write_orders(tmp_path / "orders.csv", INVOICES)


def test_it_shows_the_whole_job_and_leaves_nothing(folder: Path, orders: Path) -> None:
    process = begun(folder, orders)
    said, faults = process.communicate(timeout=170)
    assert (process.returncode, faults) == (0, ""), said
    customers = {line.split(",")[6].removesuffix(".0") for line in orders.read_text().splitlines()[1:]}
    customers -= {"", "unknown"}
    # (1) every customer's consent by the rule, (2) every line of the file
    given = sum(choices(one).get("personalisation") == "given" for one in customers)
    assert f"of {len(customers)} customers are in the ledger" in said
    lines = len(orders.read_text().splitlines()) - 1
    assert re.search(rf"^ *{lines} +lines", said, re.MULTILINE)
    # (3) a visitor becomes known and then named
    assert re.findall(r"│ (-|anonymous|known|named) +│", said)[:4] == ["-", "anonymous", "known", "named"]
    # (4) people per tier and consent per purpose: the two visitors gave, too
    assert numbers(said, "personalisation")[0] == given + 2
    # (5) three audiences under two purposes of different sizes
    for audience in ("regulars", "big_baskets"):
        one, other = numbers(said, audience)
        assert one > other > 0
    # (6) a withdrawal: the decision, the person's own view and the audience, before and after
    before, after = numbers(said, "audience regulars, personalisation")
    assert after == before - 1
    assert re.search(r"decision for personalisation +│ named, Italy, .*│ nobody:", said)
    assert re.search(
        r"as the person sees it +│ in use: given .*│ not in use: withdrawn \(GDPR Art. 7\(3\)", said
    )
    # (7) the checkpoint
    assert "\nassent.local/1/facts\n" in said
    assert left(folder) == []
    assert list(folder.iterdir()) == []


def test_interrupted_it_leaves_nothing_either(folder: Path, orders: Path) -> None:
    process = begun(folder, orders)
    give_up = time.monotonic() + 60
    while not left(folder) and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, faults = process.communicate(timeout=60)
    assert (process.returncode, faults.splitlines()[-1]) == (130, "assent: interrupted")
    assert left(folder) == []
    assert list(folder.iterdir()) == []
