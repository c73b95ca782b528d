"""The command at the end of a run: given the result, whatever came of it."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import processes
from tests.cli.conftest import TYPES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    """Two pairs, one of a record that is not there."""
    path = tmp_path / "pairs.csv"
    path.write_text("from_id,to_id\n1,2\n999999,4\n", encoding="utf-8")
    return path


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Where the command writes what it was given."""
    return tmp_path / "given.json"


@pytest.fixture
def _portal(start_portal: StartPortal) -> None:
    """Start a portal."""
    start_portal()


def keeping(path: Path, then: str = "") -> str:
    """Return a command that writes its standard input to a file."""
    code = f"import sys; open({str(path)!r}, 'a').write(sys.stdin.read() + '\\n'); {then}"
    return shlex.join([sys.executable, "-c", code])


def read(path: Path) -> Any:
    """Return what the command was given: once."""
    (line,) = path.read_text(encoding="utf-8").splitlines()
    return json.loads(line)


def test_it_is_given_what_json_prints(
    link: Command, start_portal: StartPortal, pairs_file: Path, given: Path
) -> None:
    """Whether that is printed or not."""
    start_portal(records_up_to=1000)
    result = link(pairs_file, "--on-end", keeping(given), "--json")
    assert result.reported == read(given)
    assert (1, 1, 1) == (result.code, result.reported["exit_code"], result.reported["linked"])
    given.unlink()
    result = link(pairs_file, "--on-end", keeping(given))
    assert "2 pairs in" in result.out
    assert {"linked": 1, "exit_code": 1}.items() <= read(given).items()


@pytest.mark.usefixtures("_portal")
def test_resume_and_verify_have_it(
    command: Command, link: Command, pairs_file: Path, folder: Path, given: Path
) -> None:
    """The same option."""
    link(pairs_file, "--run", folder)
    for arguments, key in (
        (("resume", folder, "--no-check"), "skipped"),
        (("verify", folder), "missing"),
    ):
        command(*arguments, "--on-end", keeping(given))
        assert key in read(given)
        given.unlink()


def test_it_runs_if_the_run_stops(
    link: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    given: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With why."""
    start_portal()
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "wrong")
    assert 4 == link(pairs_file, "--on-end", keeping(given)).code
    assert "401" in read(given)["stopped"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "none.csv"), ("from_id,to\n1,2\n", "to_id"), ("from_id,to_id\nx y,2\n", None)],
)
@pytest.mark.usefixtures("_portal")
def test_it_runs_if_nothing_was_sent(
    link: Command, tmp_path: Path, given: Path, content: str | None, problem: str | None
) -> None:
    """No file, no such column, rejected rows: exit code 2, with the error or the result."""
    path = tmp_path / "none.csv"
    if content is not None:
        path.write_text(content)
    assert 2 == link(path, "--on-end", keeping(given)).code
    result = read(given)
    assert 2 == result["exit_code"]
    assert problem is None or problem in result["error"]


def test_it_runs_if_the_run_folder_is_none(command: Command, tmp_path: Path, given: Path) -> None:
    """As of a job whose folder was cleaned up."""
    assert 2 == command("resume", tmp_path / "none", "--on-end", keeping(given)).code
    assert "none" in read(given)["error"]


def test_it_runs_if_a_file_cannot_be_written(
    link: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path, given: Path
) -> None:
    """Exit code 5."""
    start_portal()
    result = link(pairs_file, "--failures", tmp_path / "no" / "f.csv", "--on-end", keeping(given))
    assert (5, 5) == (result.code, read(given)["exit_code"])


def test_it_runs_after_ctrl_c(start_portal: StartPortal, given: Path) -> None:
    """Once, and the exit code is that of the signal."""
    start_portal(quota_limit=5, quota_window=10.0)
    pairs = "from_id,to_id\n" + "".join(f"{n},{n}\n" for n in range(1, 1_500))
    command = [*processes.COMMAND, "link", "-", *TYPES, "--quota", "5/10s", "--no-check"]
    with processes.started(*command, "--on-end", keeping(given), stdin=pairs) as process:
        assert process.stdout is not None
        assert "127.0.0.1" in process.stdout.readline()  # it has begun
        process.send_signal(2)
        assert 130 == process.wait(timeout=300)
    assert {"exit_code": 130, "input_complete": False}.items() <= read(given).items()


@pytest.mark.parametrize(
    ("end_command", "problem"),
    [
        ("/no/such/command", "(/no/such/command) cannot be run: No such file or directory"),
        (f"{sys.executable} -c 'import sys; sys.stdin.read(); sys.exit(3)'", "exit code 3"),
        (f"{sys.executable} -c pass", "did not read the result"),
        ("/etc/passwd", "cannot be run: Permission denied"),
    ],
)
def test_what_is_wrong_with_it_is_printed_and_changes_nothing(
    link: Command, start_portal: StartPortal, pairs_file: Path, end_command: str, problem: str
) -> None:
    """By its name."""
    start_portal()
    result = link(pairs_file, "--on-end", end_command)
    assert 0 == result.code
    assert problem in result.err
    assert f"--on-end ({shlex.split(end_command)[0]})" in result.err


def test_a_command_that_does_not_end_is_ended(
    link: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute; here sooner."""
    monkeypatch.setattr("aiohubassoc.cli.on_end._SECONDS", 0.2)
    start_portal()
    code = "import sys, time; sys.stdin.read(); time.sleep(60)"
    result = link(pairs_file, "--on-end", shlex.join([sys.executable, "-c", code]))
    assert 0 == result.code
    assert "did not end within 0.2 s" in result.err


def test_what_it_prints_goes_to_standard_error(
    link: Command, start_portal: StartPortal, pairs_file: Path, given: Path
) -> None:
    """Escaped, and as JSON where the rest is: standard output is for results."""
    start_portal()
    say = keeping(given, "print('sent\\x1b[2J'); print('twice', file=sys.stderr)")
    result = link(pairs_file, "--on-end", say, "--json")
    assert result.reported["linked"] == 2
    assert ["sent\\x1b[2J", "twice"] == result.err.splitlines()
    result = link(pairs_file, "--on-end", say, "--log-format", "json")
    *_, first, second = [json.loads(line)["message"] for line in result.err.splitlines()]
    assert ("sent\\x1b[2J", "twice") == (first, second)


def test_much_output_and_a_large_result_block_nobody(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Neither is a pipe that has to be emptied."""
    start_portal(records_up_to=1000)
    path = tmp_path / "pairs.csv"
    path.write_text("from_id,to_id\n" + "".join(f"x{n} y,{n}\n" for n in range(300)))
    code = "print('x' * 10_000_000)"
    end_command = shlex.join([sys.executable, "-c", code])
    result = link(path, "--skip-invalid", "--on-end", end_command)
    assert len(result.err) < 20_000
    assert "did not read the result" in result.err


@pytest.mark.parametrize("text", ["", "  ", "notify 'me"])
def test_a_command_that_is_none_is_refused(
    link: Command, start_portal: StartPortal, pairs_file: Path, text: str
) -> None:
    """Before anything is sent."""
    running = start_portal()
    result = link(pairs_file, "--on-end", text)
    assert (2, 0) == (result.code, running.portal.ledger.requests)
    assert "--on-end" in result.err


def test_it_is_not_for_a_dry_run(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Nothing runs, so nothing ends."""
    start_portal()
    result = link(pairs_file, "--on-end", "cat", "--dry-run")
    assert "--on-end is for a run" in result.err
