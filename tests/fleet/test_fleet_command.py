"""``aiohubassoc fleet``, as people and programs type it."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import attrs
import pytest

from aiohubassoc.cli import fleet as cli_fleet
from aiohubassoc.cli.app import run
from aiohubassoc.errors import OptionsError
from aiohubassoc.fleet import FleetRun, RunState
from aiohubassoc.journal.known_pairs import SeenPairs
from aiohubassoc.simulator import PortalSettings, portal_process
from tests.html_report.conftest import Page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohubassoc.simulator import PortalProcess

pytestmark = [pytest.mark.looptime(False), pytest.mark.timeout(600)]

_LATE = "9999-12-31T23:59:59-14:00"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
TYPES = ("--from", "contacts", "--to", "companies")


@pytest.fixture(scope="module")
def portal() -> Iterator[PortalProcess]:
    """Return a portal that knows the records 1 to 1,000."""
    with portal_process(PortalSettings(records_up_to=1000)) as portal:
        yield portal


@attrs.frozen
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


class Command:
    """Calls ``aiohubassoc fleet`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Done:
        """Call it."""
        self._capsys.readouterr()
        code = run(["fleet", *arguments])
        out, err = self._capsys.readouterr()
        return Done(code, out, err)

    def json(self, *arguments: str) -> Any:
        """Return what it prints."""
        done = self(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    def state(self, number: int) -> dict[str, Any]:
        """Return how a run stands."""
        (one,) = self.json("status", str(number))["runs"]
        return dict(one)

    def until_ended(self, number: int) -> dict[str, Any]:
        """Return how a run stands once it has ended."""
        for _ in range(1000):
            if (one := self.state(number))["state"] in {"done", "failed", "cancelled"}:
                return one
            threading.Event().wait(0.05)
        raise AssertionError(self.state(number))


@pytest.fixture
def fleet_command(
    database: str,
    portal: PortalProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Return what calls the command, with a database and a file of portals."""
    portals = tmp_path / "portals.toml"
    (tmp_path / "token").write_text("simulated-token\n", encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    portals.write_text(
        f'[portals.acme]\nbase_url = "{portal.base_url}"\ntoken_file = "token"\nquota = "190/1s"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("AIOHUBASSOC_DATABASE", database)
    monkeypatch.setenv("AIOHUBASSOC_PORTALS", str(portals))
    monkeypatch.setenv("COLUMNS", "400")
    command = Command(capsys)
    assert command("init").code == 0
    return command


def test_a_file_is_submitted_linked_and_exported(fleet_command: Command, tmp_path: Path) -> None:
    """A file is submitted, linked and exported."""
    source = tmp_path / "pairs.csv"
    source.write_text("from_id,to_id,note\n1,2,a\n3,4,b\n5000,6,c\n1,2,d\n", encoding="utf-8")
    number = fleet_command.json("submit", "acme", str(source), *TYPES)["run"]
    queued = fleet_command.state(number)
    assert (queued["portal"], queued["state"], queued["unprocessed"]) == ("acme", "queued", 3)
    worker = subprocess.Popen(
        [sys.executable, "-m", "aiohubassoc", "fleet", "worker", "--poll", "0.1"],
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        ended = fleet_command.until_ended(number)
    finally:
        worker.send_signal(signal.SIGTERM)
        _, printed = worker.communicate(timeout=300)
    assert worker.returncode == 143
    assert f"INFO fleet run {number} is done\n" in printed
    names = ("state", "linked", "partial", "failed", "unprocessed", "skipped")
    assert [ended[name] for name in names] == ["done", 2, 0, 1, 0, 1]
    linked = fleet_command("export", str(number), "--linked", "--format", "csv").out.splitlines()
    assert linked[0] == "from_id,to_id,note,status,category,message,correlation_id"
    assert linked[1:] == ["1,2,a,linked,,,", "3,4,b,linked,,,"]
    page = tmp_path / "run.html"
    assert fleet_command("report", str(number), "-o", str(page)).code == 0
    html = page.read_text(encoding="utf-8")
    assert f"run {number} of acme" in html
    assert "VALIDATION_ERROR" in html
    assert "contacts:5000" in html
    shown = Page(html)
    assert shown.open == []
    for said in ("Pairs over time", "Calls over time", "1 row repeats an earlier one."):
        assert said in shown.text
    assert "Not collected" not in shown.text
    assert "quota" in {given.get("class") for tag, given in shown.tags}  # its line in a chart
    failed = tmp_path / "failed.jsonl"
    assert fleet_command("export", str(number), "--failed", "--output", str(failed)).code == 0
    (row,) = map(json.loads, failed.read_text(encoding="utf-8").splitlines())
    assert (row["note"], row["status"], row["category"]) == ("c", "failed", "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("submit", "acne", "x.csv", *TYPES), "no portal 'acne'"),
        (("status", "999"), "no run 999"),
        (("cancel", "999"), "no run 999"),
        (("export", "999"), "no run 999"),
        (("cancel", "0.6"), "RUN must be a whole number, not '0.6'"),
        (("status", "1.0"), "not '1.0'"),
        (("export", "x"), "not 'x'"),
        (("submit", "acme", "no-such-file.csv", *TYPES), "no-such-file.csv"),
        (("submit", "acme", "x.csv", *TYPES, "--start-at", "soon"), "--start-at"),
        (("status", "--database", "postgresql://u:secret@127.0.0.1:1/x"), "cannot connect"),
        (("submit", "acme", "x.csv", *TYPES, "--start-at", _LATE), "--start-at"),
        (("status", "9" * 30), f"no run {'9' * 30}"),
        (("worker", "--portals", "no-such.toml"), "no-such.toml"),
        (("worker", "--max-runs", "0"), "--max-runs must be 1 or more"),
        (("worker", "--poll", "0"), "--poll must be more than 0"),
        (("worker", "--heartbeat", "nan"), "--heartbeat must be more than 0"),
        (("worker", "--drain-timeout", "-1"), "--drain-timeout must be 0 or more"),
        (("worker", "--dead-after", "8"), "--dead-after must be more than twice --heartbeat"),
    ],
)
def test_what_cannot_work_ends_with_2_and_says_why(
    fleet_command: Command, arguments: tuple[str, ...], message: str
) -> None:
    """What cannot work ends with 2 and says why."""
    done = fleet_command(*arguments)
    assert done.code == 2
    assert message in done.err
    assert "secret" not in done.err
    assert "Traceback" not in done.err


def test_the_report_of_a_run_that_has_not_begun_says_so(
    fleet_command: Command, tmp_path: Path
) -> None:
    """No call was made; nothing is said of run folders."""
    source = tmp_path / "pairs.csv"
    source.write_text("from_id,to_id\n1,2\n", encoding="utf-8")
    number = fleet_command.json("submit", "acme", str(source), *TYPES)["run"]
    page = tmp_path / "run.html"
    assert fleet_command("report", str(number), "-o", str(page)).code == 0
    text = Page(page.read_text(encoding="utf-8")).text
    assert "No call was made." in text
    assert "run folder" not in text


def test_a_row_without_a_pair_stores_nothing_unless_it_is_skipped(
    fleet_command: Command, tmp_path: Path
) -> None:
    """A row without a pair stores nothing unless it is skipped."""
    source = tmp_path / "pairs.csv"
    source.write_text("from_id,to_id\n1,2\nx,4\n", encoding="utf-8")
    refused = fleet_command("submit", "acme", str(source), *TYPES)
    assert refused.code == 2
    assert "line 3" in refused.err
    assert "--skip-invalid" in refused.err
    assert fleet_command.json("status") == {"runs": []}
    number = fleet_command.json("submit", "acme", str(source), *TYPES, "--skip-invalid")["run"]
    assert (fleet_command.state(number)["total"], fleet_command.state(number)["rejected"]) == (1, 1)
    assert "x,4,invalid" in fleet_command("export", str(number), "--failed").out


def test_the_worker_uses_the_proxy_of_the_environment(
    fleet_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As other commands do."""
    given: dict[str, object] = {}

    def refuse(*_: object, **options: object) -> NoReturn:
        given.update(options)
        raise OptionsError("not now")

    monkeypatch.setattr(cli_fleet, "FleetWorker", refuse)
    assert fleet_command("worker").code == 2
    assert given["trust_env"] is True


def test_a_full_disk_stores_nothing(
    fleet_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the temporary file that finds duplicates: exit code 5."""

    def full(*_: object) -> NoReturn:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SeenPairs, "first_place", full)
    path = tmp_path / "pairs.csv"
    path.write_text("from_id,to_id\n1,2\n", encoding="utf-8")
    done = fleet_command("submit", "acme", str(path), *TYPES)
    assert done.code == 5
    assert "the temporary file of duplicates: database or disk is full" in done.err
    assert fleet_command.json("status") == {"runs": []}


def test_rows_of_json_lines_keep_every_value(fleet_command: Command, tmp_path: Path) -> None:
    """Also those that the first row has no name for."""
    path, columns = tmp_path / "pairs.jsonl", ("--from-column", "a", "--to-column", "b")
    path.write_text('{"a": 1, "b": 2}\n{"a": 3, "b": 4, "note": "x"}\n{"lost": 5}\n', "utf-8")
    number = fleet_command.json("submit", "acme", str(path), *TYPES, *columns, "--skip-invalid")
    rows = fleet_command("export", str(number["run"])).out.splitlines()
    assert rows == [
        "a,b,note,lost,status,category,message,correlation_id",
        "1,2,,,unprocessed,,,",
        "3,4,x,,unprocessed,,,",
        ",,,5,invalid,INVALID_ROW,has no 'a',",
    ]
    page = tmp_path / "run.html"
    assert fleet_command("report", str(number["run"]), "-o", str(page)).code == 0
    assert '{"lost": 5}' in Page(page.read_text("utf-8")).text


def test_portals_say_whether_their_token_can_be_read(
    fleet_command: Command, tmp_path: Path
) -> None:
    """Portals say whether their token can be read."""
    assert fleet_command.json("portals")["portals"][0]["problem"] is None
    (tmp_path / "token").unlink()
    done = fleet_command("portals")
    assert done.code == 1
    assert "cannot read the token" in done.out


def test_runs_as_text_have_their_counts_reason_and_next_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No count of nothing; a run that waits says until when."""
    numbers = dict.fromkeys(("partial", "unprocessed", "skipped", "rejected", "priority"), 0)
    counts: Any = {"total": 3, "linked": 2, "failed": 1, **numbers}
    times: Any = {**dict.fromkeys(("due_at", "started_at", "ended_at")), "submitted_at": NOON}
    done = FleetRun(run=1, portal="acme", state=RunState.DONE, reason=None, **counts, **times)
    sleeping = attrs.evolve(done, run=2, state=RunState.SLEEPING, due_at=NOON, reason="the day")
    failed = attrs.evolve(done, run=3, state=RunState.FAILED, reason="no token")
    cli_fleet._print_runs([done, sleeping, failed])
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "run 1 of acme done, 2 linked, 1 failed"
    assert "2 linked, 1 failed: not before 2" in second
    assert second.endswith(". the day")
    assert third == "run 3 of acme failed, 2 linked, 1 failed: no token"
    later = attrs.evolve(done, state=RunState.QUEUED, linked=0, failed=0, due_at=NOON)
    cli_fleet._print_runs([later])
    assert not capsys.readouterr().out.endswith(". \n")
    cli_fleet._print_runs([done, failed])
    fix, export = capsys.readouterr().err.splitlines()
    assert fix == "Fix the cause, then: aiohubassoc fleet resume 3"
    assert export.endswith(": aiohubassoc fleet export 1 --failed --output failed.csv")
    cli_fleet._print_runs([failed, failed])
    assert capsys.readouterr().err == "Fix the cause, then: aiohubassoc fleet resume RUN\n"
