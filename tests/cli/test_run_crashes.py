"""A run folder and what may happen to its process: signals, kills, a second one, a full disk."""

from __future__ import annotations

import codecs
import json
import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiohubassoc import Journal, Status
from aiohubassoc.journal.report_reader import ReportReader
from aiohubassoc.simulator import FaultPlan, Latency
from tests.cli.conftest import FAST, TYPES, sent_to, write_pairs
from tests.cli.processes import COMMAND, PYTHON, kill_run, run, started, until, until_requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Command, StartPortal

pytestmark = pytest.mark.looptime(False)  # processes have a time of their own

_COUNT = 1200
# Its first call never has a response, so that a run does not end.
UNANSWERED = ("contacts", "7", "companies", "100007")


def _call(pairs: Path, folder: Path, *more: str) -> list[object]:
    return [*COMMAND, "link", "--no-check", pairs, "--run", folder, *TYPES, *FAST, *more]


def _linked(folder: Path) -> set[tuple[str, str]]:
    """Return the ids that the folder has as linked."""
    rows = Journal(folder).rows(Status.LINKED)
    return {(row.pair.from_id, row.pair.to_id) for row in rows}


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Return a file of many good pairs."""
    return write_pairs(tmp_path / "many.csv", _COUNT)


# --- what ends a process -----------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_after_a_signal_the_rest_is_sent(
    command: Command,
    start_portal: StartPortal,
    many: Path,
    folder: Path,
    *,
    number: signal.Signals,
    code: int,
) -> None:
    """What was in flight is in the folder: no pair is sent twice."""
    portal = start_portal(latency=Latency(after_median=0.03))
    with started(*_call(many, folder, "--json")) as process:
        until_requests(portal, 300, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    linked = json.loads(out)["linked"]
    assert linked == len(_linked(folder)) == len(portal.portal.ledger.links) < _COUNT
    status = command("status", folder, "--json").reported
    assert (status["state"], status["linked"]) == ("unfinished", linked)
    assert status["runs"][0]["stopped"] == "interrupted"
    assert status["runs"][0]["input_complete"] is False
    reported = command("resume", "--no-check", folder, "--json").reported
    assert (reported["linked"], reported["skipped"], reported["exit_code"]) == (
        _COUNT - linked,
        linked,
        0,
    )
    assert set(sent_to(portal).values()) == {1}
    assert command("status", folder, "--json").reported["state"] == "complete"


def test_after_a_kill_nothing_is_lost_and_what_is_linked_is_not_sent_again(
    command: Command, start_portal: StartPortal, many: Path, folder: Path
) -> None:
    """Only what was not written yet: no more than was in flight or waited to be written."""
    portal = start_portal(latency=Latency(after_median=0.03))
    process_id = kill_run(portal, *_call(many, folder), after=600)
    linked = _linked(folder)
    assert linked
    assert linked <= sent_to(portal).keys()
    status = command("status", folder, "--json").reported
    assert (status["state"], status["linked"]) == ("unfinished", len(linked))
    assert status["process_id"] is None
    assert (status["runs"][0]["process_id"], status["runs"][0]["ended_at"]) == (process_id, None)
    printed = command("status", folder).out
    assert ", killed, or its disk was full\n" in printed
    assert f"If the disk of {folder} is full, free space on it first\n" in printed
    assert f"To continue: aiohubassoc resume {folder}" in printed
    reported = command("resume", "--no-check", folder, "--json").reported
    assert (reported["linked"], reported["skipped"]) == (_COUNT - len(linked), len(linked))
    sent = sent_to(portal)
    assert {sent[ids] for ids in linked} == {1}
    assert (len(sent), max(sent.values())) == (_COUNT, 2)
    assert len(_linked(folder)) == _COUNT


# --- two processes -----------------------------------------------------------------------------


def test_a_second_process_is_refused_while_the_first_runs(
    command: Command, link: Command, start_portal: StartPortal, many: Path, folder: Path
) -> None:
    """Exit code 75 and the first one's process id; once that is killed, the folder is free."""
    portal = start_portal(faults=FaultPlan(script={UNANSWERED: ("never_before",)}))
    with started(*_call(many, folder)) as process:
        until_requests(portal, 64, process)
        until(lambda: bool(_linked(folder)), process)
        named = f"{folder} is being used by process {process.pid}: wait for it, or stop it"
        for refused in (link(many, "--run", folder), command("resume", "--no-check", folder)):
            assert (refused.code, named in refused.err) == (75, True)
        before = len(_linked(folder))
        status = command("status", folder, "--json").reported
        assert (status["state"], status["process_id"]) == ("running", process.pid)
        assert before <= status["linked"] <= len(_linked(folder))
        assert f"running, process {process.pid}" in command("status", folder).out
        assert command("export", folder, "--linked").code == 0
        assert process.poll() is None
        process.kill()
        process.communicate(timeout=300)
    assert command("status", folder, "--json").reported["state"] == "unfinished"
    reported = link(many, "--run", folder, "--json").reported
    assert (reported["linked"] + reported["skipped"], reported["exit_code"]) == (_COUNT, 0)


# --- where nothing can be written --------------------------------------------------------------


@pytest.fixture
def locked_up() -> Iterator[Path]:
    """Return a folder that anybody can read, and nobody but root can write."""
    with tempfile.TemporaryDirectory(prefix="aiohubassoc-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


@contextmanager
def _without_rights(path: Path) -> Iterator[None]:
    """Be somebody who can read *path* and its files, and write none of them."""
    for name in path.rglob("*"):
        name.chmod(0o755 if name.is_dir() else 0o444)
    if os.geteuid() == 0:  # whom no permission holds
        # Python may lie where nobody else may read: what fails to be imported is remembered.
        codecs.lookup("ascii")
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        for name in (path, *(name for name in path.rglob("*") if name.is_dir())):
            name.chmod(0o555)
        yield


def test_a_folder_that_cannot_be_made(
    link: Command, start_portal: StartPortal, locked_up: Path
) -> None:
    """Exit code 5; nothing is sent."""
    pairs = write_pairs(locked_up / "pairs.csv", 3)
    link(pairs, "--simulate")  # all that is imported late is so now: others may not read it
    portal = start_portal()
    with _without_rights(locked_up):
        result = link(pairs, "--run", locked_up / "run")
    assert result.code == 5
    assert f"the run folder {locked_up / 'run'}: Permission denied" in result.err
    assert portal.portal.ledger.requests == 0


def test_a_folder_of_somebody_else(
    link: Command, command: Command, start_portal: StartPortal, locked_up: Path
) -> None:
    """It can be read and exported, and not gone on with: exit code 5, nothing is sent."""
    portal = start_portal(records_up_to=100_002)
    pairs, folder = write_pairs(locked_up / "pairs.csv", 3), locked_up / "run"
    assert link(pairs, "--run", folder).code == 1
    with _without_rights(locked_up):
        again = link(pairs, "--run", folder)
        status = command("status", folder, "--json")
        exported = command("export", folder, "--failed")
    assert again.code == 5
    assert f"the run folder {folder}: it is read-only" in again.err
    assert portal.portal.ledger.requests == 3
    assert (status.reported["linked"], status.reported["failed"], status.reported["state"]) == (
        2,
        1,
        "complete",
    )
    assert exported.out.splitlines()[1].startswith("3,100003,failed,VALIDATION_ERROR")


def test_a_copy_of_somebody_else_without_its_log(
    link: Command, command: Command, start_portal: StartPortal, locked_up: Path
) -> None:
    """The outcomes of a killed run, which are in its log, are shown or it is an error."""
    start_portal()
    pairs, folder, copy = write_pairs(locked_up / "pairs.csv", 3), locked_up / "run", locked_up
    assert link(pairs, "--run", folder).code == 0
    with ReportReader(folder) as reader:  # while it reads, what is written stays in the log
        reader.linked()
        assert link(write_pairs(pairs, 2), "--run", folder, "--force").code == 0
        for name in ("journal.db", "journal.db-wal"):
            shutil.copy(folder / name, copy)
    with _without_rights(locked_up):
        status = command("status", copy, "--json")
    assert status.code == 5
    assert f"the run folder {copy}: it cannot be opened or made" in status.err


# No file may grow beyond this many bytes; what lies behind the command's end is not held to it.
_LIMITED = """
import resource, runpy, sys
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), hard))
try:
    runpy.run_module("aiohubassoc", run_name="__main__", alter_sys=True)
finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
"""


def _limited(size_bytes: int, call: list[object]) -> list[object]:
    """Return the call of the command on a disk that is full once a file has that size."""
    return [*PYTHON, "-c", _LIMITED, size_bytes, *call[len(COMMAND) :]]


def test_a_full_disk_stops_the_run(
    command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Exit code 5; all that was reported as linked is in the folder; the rest can be sent later."""
    portal, pairs = start_portal(), write_pairs(tmp_path / "pairs.csv", 2500)
    result = run(*_limited(120_000, _call(pairs, folder, "--stream")))
    assert result.returncode == 5, result.stderr
    assert f"Stopped early: the run folder {folder}:" in result.stderr
    assert "Traceback" not in result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    reported = {
        (line["from"].partition(":")[2], line["to"].partition(":")[2])
        for line in lines
        if line["ok"]
    }
    assert reported
    assert reported == _linked(folder)
    assert {line["status"] for line in lines if not line["ok"]} == {"unprocessed"}
    assert len(lines) == 2500
    before = sent_to(portal)
    assert command("resume", "--no-check", folder, "--json").reported["skipped"] == len(reported)
    assert {sent_to(portal)[ids] - before[ids] for ids in reported} == {0}
    assert len(_linked(folder)) == 2500


def test_a_folder_that_is_full_from_the_start(
    start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Exit code 5, nothing is sent, and no run has begun in it."""
    portal = start_portal()
    result = run(*_limited(1000, _call(pairs_file, folder)))
    assert (result.returncode, result.stdout) == (5, "")
    assert f"the run folder {folder}:" in result.stderr
    assert "Traceback" not in result.stderr
    assert portal.portal.ledger.requests == 0
    assert run(*COMMAND, "status", folder).returncode == 2
