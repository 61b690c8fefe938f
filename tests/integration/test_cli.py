"""The command line as an operator meets it: processes, exit codes, and one line for each fault."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import pytest

from assent.cli import main
from assent.database.embedded import EmbeddedPostgres
from assent.resources import policies_folder
from tests.support import receipts
from tests.support.database import clone, run
from tests.support.order_file import MAPPING, write_orders
from tests.support.service import bearer, statement, subject

START_WITHIN_S = 60.0
KEY = re.compile(r"assent_[a-z]+_[A-Za-z0-9_-]{43}")


def free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def environment_of(folder: Path, database_url: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSENT_")}
    ports = {"ASSENT_PORT": free_port(), "ASSENT_ADMIN_PORT": free_port()}
    url = {} if database_url is None else {"ASSENT_DATABASE_URL": database_url}
    return kept | ports | url | {"ASSENT_FOLDER": str(folder)}


class Assent:
    """`assent` in processes of its own, with one environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.url = f"http://127.0.0.1:{environment['ASSENT_PORT']}"

    def __call__(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        command = [sys.executable, "-m", "assent.cli", *map(str, arguments)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )

    def serve(self) -> "Serving":
        """Run `assent run` until it serves."""
        return Serving(self.environment)


class Serving:
    """A running `assent run`, and what it printed before it served."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "assent.cli", "run"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said: list[str] = []
        for line in self.process.stdout:
            self.said.append(line.strip())
            if line.startswith("Assent serves on "):
                break

    @property
    def keys(self) -> dict[str, str]:
        lines = [line.removeprefix("export ") for line in self.said if line.startswith("export ")]
        return dict(line.split("=", 1) for line in lines)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        try:
            self.process.communicate(timeout=START_WITHIN_S)
        finally:
            self.process.kill()
        return self.process.returncode


@pytest.fixture(scope="module")
def assent(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Assent]:
    """A command line with a database of this module's own."""
    with clone(postgres, template_database) as database:
        yield Assent(environment_of(tmp_path_factory.mktemp("cli"), database.dsn()))


@pytest.fixture(scope="module")
def serving(assent: Assent) -> Iterator[Serving]:
    """The first start of the module's service."""
    running = assent.serve()
    yield running
    assert running.end() == 0


# The first start, later starts, and the end.


def test_the_first_start_shows_a_key_of_every_role_and_they_work(serving: Serving, assent: Assent) -> None:
    assert serving.said[-1] == f"Assent serves on {assent.url}"
    assert set(serving.keys) == {
        "ADMIN_KEY",
        "DPO_KEY",
        "ISSUER_KEY",
        "COLLECTOR_KEY",
        "BROWSER_KEY",
        "ENGINE_KEY",
        "URL",
    }
    ada = subject("user_id:ada")
    consents = {"subject": ada, "statements": [statement("personalisation", "given")]}
    decisions = {"purpose": "personalisation", "subjects": [ada]}
    with httpx.Client(base_url=assent.url, trust_env=False) as http:
        said = http.post("/v1/consents", json=consents, headers=bearer(serving.keys["COLLECTOR_KEY"]))
        decided = http.post("/v1/decisions", json=decisions, headers=bearer(serving.keys["ENGINE_KEY"]))
    assert said.status_code == 201
    assert decided.json()["decisions"][0]["tier"] == "named"


def test_counters_are_served_on_the_admin_listener_alone(serving: Serving, assent: Assent) -> None:
    admin = f"http://127.0.0.1:{assent.environment['ASSENT_ADMIN_PORT']}/metrics"
    assert "assent_connections" in httpx.get(admin, trust_env=False).text
    assert httpx.get(f"{assent.url}/metrics", trust_env=False).status_code == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_later_start_shows_the_address_alone_and_a_signal_ends_it_in_order(
    serving: Serving, assent: Assent, number: int
) -> None:
    ports = {"ASSENT_PORT": free_port(), "ASSENT_ADMIN_PORT": free_port()}
    later = Assent(assent.environment | ports)
    running = later.serve()
    assert running.said == [f"Assent serves on {later.url}"]
    assert httpx.get(f"{later.url}/health/ready", trust_env=False).status_code == 200
    everyone = {"title": "everyone", "purposes": ["service"], "rule": "everyone"}
    with httpx.Client(base_url=later.url, trust_env=False, timeout=40) as http, ThreadPoolExecutor() as pool:
        http.put("/v1/audiences/all", json=everyone, headers=bearer(serving.keys["ADMIN_KEY"]))
        engine = bearer(serving.keys["ENGINE_KEY"])
        feed = http.get("/v1/audiences/all/changes", params={"purpose": "service"}, headers=engine).json()
        wait = {"purpose": "service", "after": feed["next"], "wait": 30}
        waiting = pool.submit(http.get, "/v1/audiences/all/changes", params=wait, headers=engine)
        time.sleep(0.5)  # until it is under way
        assert running.end(number) == 0
        assert waiting.result().status_code == 200


def test_no_postgresql_is_left_whenever_the_signal_comes(folder: Path) -> None:
    alone = Assent(environment_of(folder, None))
    first = alone.serve()
    assert postgresql_runs(folder)
    assert first.end() == 0
    assert not postgresql_runs(folder)
    # While it starts: PostgreSQL is starting in a thread, and must be stopped all the same.
    command = [sys.executable, "-m", "assent.cli", "run"]
    with subprocess.Popen(command, env=alone.environment, stderr=subprocess.DEVNULL) as early:
        give_up = time.monotonic() + START_WITHIN_S
        while not postgresql_runs(folder) and time.monotonic() < give_up:
            time.sleep(0.005)
        early.terminate()
        assert early.wait(START_WITHIN_S) in (0, 130)
    assert not postgresql_runs(folder)


def postgresql_runs(folder: Path) -> bool:
    return EmbeddedPostgres(folder).pid is not None


def test_another_server_on_the_port_is_told_in_one_line(serving: Serving, assent: Assent) -> None:
    second = assent("run")
    assert (second.returncode, second.stdout) == (1, "")
    port = assent.environment["ASSENT_PORT"]
    assert second.stderr == (
        f"assent: cannot serve on 127.0.0.1:{port} (Address already in use): set ASSENT_HOST or ASSENT_PORT\n"
    )


def test_a_refused_start_says_why_in_one_line(serving: Serving, assent: Assent, tmp_path: Path) -> None:
    # Another folder on the same database: a ledger without its ring.
    beside = Assent(environment_of(tmp_path, assent.environment["ASSENT_DATABASE_URL"]))
    refused = beside("run")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(r"assent: [^\n]*key ring[^\n]*\n", refused.stderr)
    assert "fault in the program" not in refused.stderr


# Keys.


def test_a_key_is_shown_once_and_a_revoked_one_is_refused(serving: Serving, assent: Assent) -> None:
    made = assent("keys", "create", "--role", "engine", "--purpose", "service", "--consumer", "till")
    key = made.stdout.strip()
    number = re.findall(r"key (\d+)", made.stderr)[0]
    assert KEY.fullmatch(key)

    def asked() -> int:
        body = {"purpose": "service", "subjects": [subject("user_id:ada")]}
        answer = httpx.post(f"{assent.url}/v1/decisions", json=body, headers=bearer(key), trust_env=False)
        return answer.status_code

    assert asked() == 200
    listed = assent("keys", "list").stdout
    assert "till" in listed
    assert not KEY.search(listed)
    assert assent("keys", "revoke", number).returncode == 0
    time.sleep(1.1)  # a revoked key is refused within a second
    assert asked() == 401


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--role", "engine"], "at least one --purpose"),
        (["--role", "dpo", "--members"], "for engines"),
        (["--role", "issuer", "--trust", "browser"], "for collectors"),
        (["--role", "king"], "'king' is not one of"),
        ([], "Missing option '--role'"),
    ],
)
def test_a_key_that_would_mean_nothing_is_refused(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", "create", *arguments])
    assert ended.value.code == 2
    assert one_line(capsys, expected)


def one_line(capsys: pytest.CaptureFixture[str], expected: str) -> bool:
    """Return whether standard error is one line of ours that says so, and standard output is silent."""
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert (said.out, len(lines)) == ("", 1), said
    return lines[0].startswith("assent: ") and expected in lines[0]


# Policies.


def test_a_changed_folder_takes_effect_by_activation_alone(
    postgres: EmbeddedPostgres, template_database: str, tmp_path: Path
) -> None:
    policies = tmp_path / "policies"
    shutil.copytree(policies_folder(), policies)
    with clone(postgres, template_database) as database:
        environment = environment_of(tmp_path / "service", database.dsn())
        assent = Assent(environment | {"ASSENT_POLICIES": str(policies)})
        assert assent.serve().end() == 0
        purposes = policies / "purposes.toml"
        purposes.write_text(purposes.read_text().replace('validity = "P6M"', 'validity = "P3M"'))
        assert assent.serve().end() == 0
        shown = assent("policy", "show").stdout
        assert "version 1," in shown
        assert "6 months" in shown
        assert "version 2 is in force" in assent("policy", "activate").stdout
        assert "version 2 is in force and says the same" in assent("policy", "activate").stdout


def test_a_rebuild_says_equal_until_a_row_is_changed_behind_the_ledger(
    postgres: EmbeddedPostgres, template_database: str, folder: Path
) -> None:
    with clone(postgres, template_database) as database:
        assent = Assent(environment_of(folder, database.dsn()))
        assert assent.serve().end() == 0
        assert "equal: 1 entries fold into the same" in assent("rebuild").stdout
        run(database.dsn(), "UPDATE projection.purpose SET retroactive = 0 WHERE retroactive <> 0")
        found = assent("rebuild")
        assert found.returncode == 1
        assert "purpose: " in found.stderr
        run(database.dsn(), "DELETE FROM ledger.payload WHERE entry_index = 0")
        found = assent("rebuild")
        assert found.returncode == 1
        assert "facts, entry 0: the payload is missing" in found.stderr


def test_a_policy_that_does_not_parse_is_told_by_file_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(policies_folder(), tmp_path / "policies")
    purposes = tmp_path / "policies" / "purposes.toml"
    purposes.write_text(purposes.read_text().replace('legal_basis = "contract"', 'legal_basis = "habit"'))
    with pytest.raises(SystemExit) as ended:
        main(["policy", "check", str(tmp_path / "policies")])
    assert ended.value.code == 1
    assert one_line(capsys, "purposes.toml: purposes.service.legal_basis: expected one of")


def test_the_shipped_policies_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["policy", "check", str(policies_folder())])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("valid: 6 purposes,")


# The log's word.


def test_a_checkpoint_is_verified_with_the_public_key_alone(
    serving: Serving, assent: Assent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts, releases = assent("keys", "public").stdout.split()
    note = httpx.get(f"{assent.url}/checkpoint", headers=bearer(serving.keys["DPO_KEY"]), trust_env=False)
    kept = tmp_path / "checkpoint"
    kept.write_bytes(note.content)
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(kept), "--key", facts])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("verified: assent.local/1/facts has ")
    origin, size, *rest = note.text.split("\n")
    forged = tmp_path / "forged"
    forged.write_text("\n".join((origin, str(int(size) + 1), *rest)))
    for file, key in ((forged, facts), (kept, releases), (kept, "no key")):
        with pytest.raises(SystemExit) as refused:
            main(["verify", str(file), "--key", key])
        assert refused.value.code == 1
        assert one_line(capsys, "")


def test_a_receipt_is_verified_with_public_keys_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    receipt.write_bytes(receipts.made().content)
    keys.write_bytes(msgspec.json.encode(receipts.KEY))
    asked = ["verify", str(receipt), "--key", str(receipts.LOG)]
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--receipts-key", str(keys)])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "verified: receipt s:5, personalisation given at 2026-03-01T12:00:00.500000Z, entry 5"
    )
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert ended.value.code == 2
    one_line(capsys, "--receipts-key")
    receipt.write_bytes(receipts.made().content.replace(b"given", b"taken"))
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--receipts-key", str(keys)])
    assert ended.value.code == 1
    one_line(capsys, "the receipt says something else than what was signed")


# Imports, beside the running service.


def test_an_import_beside_a_running_service_accounts_for_every_line(
    serving: Serving, assent: Assent, tmp_path: Path
) -> None:
    orders = write_orders(tmp_path / "orders.csv", 60)
    lines = len(orders.read_text().splitlines()) - 1
    first, again = (assent("import", orders, "--mapping", MAPPING) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert re.search(rf"^ *{lines}  lines *$", first.stdout, re.MULTILINE)
    assert re.search(r"^ *58  records kept", first.stdout, re.MULTILINE)
    assert re.search(r"^ *1  records refused: blocked_identifier", first.stdout, re.MULTILINE)
    assert re.search(r"^ *0  records kept", again.stdout, re.MULTILINE)
    summary = httpx.get(
        f"{assent.url}/v1/audit/summary", headers=bearer(serving.keys["DPO_KEY"]), trust_env=False
    )
    assert summary.json()["not_kept"] == {"blocked_identifier": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"InvoiceNo,Country\n1,Italy\n", "expected one column StockCode in the file"),
        (b"\x1f\x8b no gzip", "the file is damaged: expected a whole file of its packing"),
        (b"", "expected a first line that names the columns"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    serving: Serving, assent: Assent, tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "orders.csv").write_bytes(content)
    ended = assent("import", tmp_path / "orders.csv", "--mapping", MAPPING)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"assent: {expected}")
    assert len(ended.stderr.splitlines()) == 1


# Faults of the caller, and of ours.


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ASSENT_PORT", "99999", "ASSENT_PORT: expected a number from 1 to 65535"),
        ("ASSENT_PROT", "8080", "ASSENT_PROT: no such setting"),
        ("ASSENT_DATABASE_URL", "mysql://secret@host/db", "ASSENT_DATABASE_URL: expected postgresql://"),
    ],
)
def test_a_wrong_setting_is_told_without_its_secret(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    expected: str,
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        main(["policy", "check"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert expected in said
    assert "secret" not in said


def test_an_unreachable_database_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    ended = Assent(environment_of(tmp_path, url))("migrate")
    assert ended.returncode == 1
    assert ended.stderr == "assent: the database cannot be reached to migrate it\n"


def test_a_fault_of_ours_is_told_by_kind_and_place_never_by_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty(_: Path) -> None:
        raise KeyError("ada@example.com")

    # By its module: the package's own `policy` is the command.
    monkeypatch.setattr(sys.modules["assent.cli.policy"], "read_folder", faulty)
    with pytest.raises(SystemExit) as ended:
        main(["policy", "check"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert re.fullmatch(r"assent: a fault in the program: KeyError in faulty:\d+\n", said)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["demo"],
        ["import"],
        ["keys"],
        ["keys", "create"],
        ["policy", "activate"],
        ["rebuild"],
        ["verify"],
    ],
)
def test_every_command_says_what_it_does(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: assent")


def test_what_is_logged_of_an_exception_is_its_kind_and_place() -> None:
    script = (
        "import logging, structlog; from assent.cli import logs; logs.configure()\n"
        "def f(address):\n"
        "    raise ValueError(address)\n"
        "try: f('ada@example.com')\n"
        "except ValueError as error:\n"
        "    structlog.get_logger().error('fault', exc_info=error)\n"
        "    logging.getLogger('lib').exception('of %s', 'ada@example.com')\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, second = said.stderr.splitlines()
    assert '"kind": "ValueError"' in first
    assert '"f:3"' in first
    assert '"of %s"' in second
    assert "ada" not in said.stderr + said.stdout
