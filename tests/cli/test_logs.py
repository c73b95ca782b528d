"""What a command logs: JSON or text, on standard error or in a file."""

from __future__ import annotations

import json
import logging
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc.cli.logs import asks_for_json
from aiohubassoc.simulator import FaultPlan
from tests.cli import processes
from tests.cli.conftest import TYPES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

JSON = ("--log-format", "json")
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    """Three pairs, one of a record that is not there."""
    path = tmp_path / "pairs.csv"
    path.write_text("from_id,to_id\n1,2\n2,3\n999999,4\n", encoding="utf-8")
    return path


def lines_of(text: str) -> list[dict[str, Any]]:
    """Return the object of each line; every line is one."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert all(TIME.fullmatch(line["time"]) for line in lines)
    return lines


def _messages(lines: list[dict[str, Any]], level: str) -> list[str]:
    return [line["message"] for line in lines if line["level"] == level]


def test_every_line_is_json(link: Command, start_portal: StartPortal, pairs_file: Path) -> None:
    """The begin, the end and the summary; and standard output has nothing but results."""
    start_portal(records_up_to=1000)
    result = link(pairs_file, *JSON)
    lines = lines_of(result.err)
    assert ("", 1) == (result.out, result.code)
    run = {line["run"] for line in lines}
    assert 1 == len(run)
    messages = _messages(lines, "INFO")
    assert f"run {next(iter(run))} started: single calls to 127.0.0.1" in messages[0]
    assert any("finished in" in message and "1 failed" in message for message in messages)


def test_the_end_of_a_run_is_one_line_with_its_counts(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """With the keys of ``--json``, short lists, and what to type next; text prints none of it."""
    start_portal(records_up_to=1000)
    rejected = "".join(f"x{n},1\n" for n in range(30))
    pairs_file.write_text(f"{pairs_file.read_text('utf-8')}{rejected}", encoding="utf-8")
    given = (pairs_file, "--skip-invalid", "--run", folder, *JSON)
    result = link(*given, "--verify")
    begin, *_, end = (line for line in lines_of(result.err) if "run" in line)
    assert (result.out, result.code, end["level"]) == ("", 1, "WARNING")
    assert end["run"] == begin["run"]  # not that of the verification
    assert end["message"].startswith("3 pairs in ")
    assert end["message"].endswith(" s: 2 linked, 1 failed, 30 rejected rows")
    counts = {name: end[name] for name in ("total", "linked", "failed", "skipped", "invalid")}
    assert counts == {"total": 3, "linked": 2, "failed": 1, "skipped": 0, "invalid": 30}
    assert (end["exit_code"], end["run_folder"]) == (1, str(folder))
    assert "999999" in end["categories"][0]["example"]["pair"]
    assert len(end["invalid_lines"]) == 5
    assert end["verification"]["linked"] == 2
    assert any("export" in step for step in end["next"])
    assert not [line for line in lines_of(result.err) if "export" in line["message"]]
    reported = link(pairs_file, "--skip-invalid", "--json").reported
    assert reported.keys() - end.keys() == set()
    *_, end = lines_of(command("verify", folder, *JSON).err)
    assert end["message"].startswith("2 pairs read back in ")
    assert (end["level"], end["linked"], end["missing"]) == ("INFO", 2, 0)


def test_a_log_file_has_the_end_of_a_run_too(
    link: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """Where it holds JSON, at any level; the summary stays where it is."""
    start_portal()
    path = tmp_path / "run.log"
    result = link(pairs_file, "--log-file", path, *JSON, "--log-level", "error")
    (end,) = lines_of(path.read_text("utf-8"))
    assert (end["linked"], "3 pairs in" in result.out, result.err) == (3, True, "")


def test_a_run_that_stops_ends_with_a_line(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """That says why and what to do."""
    start_portal(tokens=("another",))
    *_, end = lines_of(link(pairs_file, *JSON).err)
    assert end["stopped"].startswith("401")
    assert end["exit_code"] == 4
    assert "HubSpot refused the access token" in end["next"][0]


def test_json_of_results_stays_on_standard_output(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Both go together."""
    start_portal()
    result = link(pairs_file, *JSON, "--json")
    assert 3 == result.reported["linked"]
    assert 3 == len(lines_of(result.err))
    stream = link(pairs_file, *JSON, "--stream")
    assert 3 == len(stream.lines)
    assert lines_of(stream.err)


def test_a_throttle_a_retry_and_a_stop_are_lines_with_their_keys(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """As the library logs them."""
    plan = FaultPlan(unavailable_503=0.5)
    start_portal(quota_limit=5, quota_window=0.5, faults=plan)
    path = tmp_path / "many.csv"
    path.write_text("from_id,to_id\n" + "".join(f"{n},{n}\n" for n in range(1, 21)))
    result = command(
        "link", path, *TYPES, "--quota", "100000/1s", "--no-check", *JSON, "--log-level", "debug"
    )
    lines = lines_of(result.err)
    assert 0 == result.code
    retry = next(line for line in lines if line.get("status") == 503)
    assert {"run", "pair", "attempt", "status", "category"} <= retry.keys()
    assert "DEBUG" == retry["level"]
    throttle = next(line for line in lines if "HubSpot throttles" in line["message"])
    assert ("INFO", 429) == (throttle["level"], throttle["status"])
    assert {"run", "category", "correlation_id"} <= throttle.keys()


def test_a_stop_is_a_warning(
    link: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason, and without the token."""
    start_portal()
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "canary-token-of-nobody")
    result = link(pairs_file, *JSON, "--log-level", "debug")
    (stop,) = [line for line in lines_of(result.err) if "stopped: 401" in line["message"]]
    assert ("WARNING", 401) == (stop["level"], stop["status"])
    assert stop["correlation_id"]
    assert "canary-token" not in result.err


def test_an_error_is_a_line_of_json(link: Command, start_portal: StartPortal) -> None:
    """Whether the input is wrong, or the command line itself."""
    start_portal()
    (line,) = lines_of(link("none.csv", *JSON).err)
    assert "ERROR" == line["level"]
    assert "none.csv" in line["message"]
    (line,) = lines_of(link("none.csv", "--log-format=json", "--colour").err)
    assert "--colour" in line["message"]


def test_a_warning_of_another_library_is_a_line_of_json(
    link: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it says at INFO is not there."""
    start_portal()

    def say(*_: object) -> None:
        logging.getLogger("asyncio").info("quiet")
        logging.getLogger("asyncio").warning("a callback was slow")

    monkeypatch.setattr("aiohubassoc.cli.link.LinkRun.take", say)
    result = link(pairs_file, *JSON)
    assert ["a callback was slow"] * 3 == _messages(lines_of(result.err), "WARNING")
    assert "quiet" not in result.err


@pytest.mark.parametrize("options", [JSON, ("--log-level", "info")])
def test_a_traceback_is_kept(
    link: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    """In JSON in the same line, in text in lines below."""
    start_portal()

    def say(*_: object) -> None:
        error = ValueError("a\x1bb")
        logging.getLogger("asyncio").error("a callback failed", exc_info=error)

    monkeypatch.setattr("aiohubassoc.cli.link.LinkRun.take", say)
    result = link(pairs_file, *options)
    if options == JSON:
        errors = [line for line in lines_of(result.err) if line["level"] == "ERROR"]
        assert all("ValueError: a\x1bb" in line["exception"] for line in errors)
    assert 3 == result.err.count("a callback failed")
    assert 3 == result.err.count("ValueError: a\\")
    assert "\x1b" not in result.err


def test_control_characters_are_escaped(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """In lines of text too: no text from outside begins a separate line."""
    start_portal()
    path = tmp_path / "log"
    name = tmp_path / "a\nb\x1b.csv"
    link(name, *JSON)
    for options in (("--log-level", "debug"), ("--log-file", path)):
        result = link(name, *options)
        assert "\x1b" not in result.err
        assert 1 == len(result.err.splitlines())


def test_lines_of_text(link: Command, start_portal: StartPortal, pairs_file: Path) -> None:
    """The time, the level, the message; the summary stays where it is."""
    start_portal()
    result = link(pairs_file, "--log-level", "info")
    begin, *_, end = result.err.splitlines()
    assert re.fullmatch(r"\S+T\S+ INFO run \w{16} started: .*", begin)
    assert re.fullmatch(r"\S+T\S+ INFO run \w{16} finished in .*", end)
    assert "3 pairs in" in result.out


def test_a_level_leaves_out_what_is_below(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Nothing goes wrong: nothing is logged."""
    start_portal()
    assert "" == link(pairs_file, "--log-level", "warning").err


def test_nothing_is_logged_without_options(
    link: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary says why a run stopped."""
    start_portal()
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "wrong")
    result = link(pairs_file)
    assert "401" in result.out
    assert "stopped:" not in result.err


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_log_file_takes_the_lines(
    link: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path, format_: str
) -> None:
    """Standard error and standard output are as without it; a second run is appended."""
    start_portal()
    path = tmp_path / "run.log"
    for _ in range(2):
        result = link(pairs_file, "--log-file", path, "--log-format", format_)
        assert ("", True) == (result.err, "3 pairs in" in result.out)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == (6 if format_ == "json" else 4)
    assert ("json" == format_) is lines[0].startswith("{")


def test_a_log_file_that_cannot_be_written_ends_nothing_halfway(
    link: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """At once if it cannot be opened; a full disk ends the log alone."""
    running = start_portal()
    result = link(pairs_file, "--log-file", tmp_path / "no" / "run.log")
    assert (5, 0) == (result.code, running.portal.ledger.requests)
    assert "Cannot write" in result.err
    result = link(pairs_file, "--log-file", "/dev/full")
    assert 0 == result.code
    assert "aiohubassoc: Cannot write /dev/full: No space left on device\n" == result.err


def test_a_log_file_is_never_the_input(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """It would be appended to it."""
    start_portal()
    before = pairs_file.read_bytes()
    result = link(pairs_file, "--log-file", pairs_file)
    assert (2, before) == (result.code, pairs_file.read_bytes())
    assert "--log-file" in result.err


def test_verify_and_resume_log_too(
    command: Command, link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """The same options."""
    start_portal()
    link(pairs_file, "--run", folder)
    for arguments in (("verify", folder), ("resume", folder, "--no-check")):
        lines = lines_of(command(*arguments, *JSON).err)
        assert any(" started: " in line["message"] for line in lines)


def test_progress_is_a_line_of_json(start_portal: StartPortal) -> None:
    """Without a second time of its own; Ctrl-C is reported in JSON, too."""
    running = start_portal(quota_limit=5, quota_window=1.0)
    pairs = "from_id,to_id\n" + "".join(f"{n},{n}\n" for n in range(1, 500))
    command = [*processes.COMMAND, "link", "-", *TYPES, "--quota", "5/1s", "--no-check", *JSON]
    with processes.started(*command, stdin=pairs) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.close()
        process.stdin = None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if " in flight" in line:
                process.send_signal(signal.SIGINT)
        assert 130 == process.wait(timeout=300)
    assert running.base_url
    lines = lines_of("".join(seen))
    progress = next(line for line in lines if " in flight" in line["message"])
    assert re.match(r"[\d,]+", progress["message"])
    assert "run" in progress
    assert any("Ctrl-C" in line["message"] for line in lines)


@pytest.mark.parametrize(
    ("arguments", "is_json"),
    [
        ("link a --log-format json", True),
        ("link a --log-format=json", True),
        ("link a --log-format", False),
        ("link a --log-format text", False),
        ("link a --log-format json --log-file x", False),
        ("link a --log-file=x --log-format=json", False),
        ("link json", False),
    ],
)
def test_whether_standard_error_is_json(arguments: str, is_json: bool) -> None:
    """It is known before the command line is read: that may be wrong."""
    assert asks_for_json(arguments.split()) is is_json
