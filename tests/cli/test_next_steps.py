"""Every end says where the run went and what to do next, by commands that work as typed."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import AssociationClient, RetryPolicy
from aiohubassoc._http import retry_loop
from aiohubassoc._protocol import retry
from aiohubassoc._protocol.retry import GiveUp, Why
from aiohubassoc.cli.hints import compose, how_to_resume
from aiohubassoc.cli.terminal import escape_controls
from aiohubassoc.journal.reader import Reader
from aiohubassoc.simulator import FaultPlan
from tests.cli.conftest import FAST, TOKEN, TYPES, sent_to, write_pairs
from tests.cli.processes import COMMAND, started, until_requests

if TYPE_CHECKING:
    from aiohubassoc.simulator import ServedPortal
    from tests.cli.conftest import Command, Result, StartPortal

NOWHERE = ("--base-url", "http://127.0.0.1:1", "--token-command", "echo x")
_CORRECT = "Correct these rows, then: "
_SIMULATED = "Simulated portal: nothing was sent to HubSpot"


def _step(printed: str, begin: str) -> list[str]:
    """Return the command of the one line that begins so, without the program's name."""
    (line,) = [line for line in printed.splitlines() if line.startswith(begin)]
    program, *arguments = shlex.split(line.partition(": ")[2])
    assert program == "aiohubassoc"
    return arguments


def _typed(printed: str) -> list[str]:
    """Return the words that a POSIX shell makes of a command, without the program's name."""
    script = f"set -- {printed.partition('aiohubassoc ')[2]}; printf '%s\\0' \"$@\""
    shell = subprocess.run(["/bin/sh", "-c", os.fsencode(script)], capture_output=True, check=True)
    return [os.fsdecode(word) for word in shell.stdout.split(b"\0")[:-1]]


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX shell")
@pytest.mark.parametrize(
    "name",
    [
        "-x.csv",
        "--help",
        "my pairs.csv",
        "it's 5\" $HOME `x` \\.csv",
        "a\nb\tc.csv",
        "\x1b[31m\u202e%s.csv",
        "Müller 株式.csv",
        os.fsdecode(b"-caf\xe9 '\\x%d'.csv"),
    ],
)
def test_a_command_with_any_file_name_works_as_typed(name: str) -> None:
    """What is printed names that file in a POSIX shell, and nothing in it is escaped."""
    printed = compose("fleet export", [name, "-"], {"--run": name, "--strict": True})
    assert escape_controls(printed) == printed
    is_like_an_option = name.startswith("-")
    assert _typed(printed) == [
        *("fleet", "export", f"./{name}" if is_like_an_option else name, "-"),
        *([f"--run={name}"] if is_like_an_option else ["--run", name]),
        "--strict",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="a name of bytes")
@pytest.mark.parametrize("name", ["-f.csv", "a 'b'\n.csv", os.fsdecode(b"caf\xe9.csv")])
def test_a_failures_file_of_any_name_is_linked_as_typed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The printed command finds it, with the row that no command can link."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("from_id,to_id\n1,2\n3,x\n", encoding="utf-8")
    options = [*TYPES, "--simulate", "--skip-invalid", f"--failures={name}"]
    printed = command("link", "in.csv", *options).out
    (line,) = [one for one in printed.splitlines() if one.startswith(_CORRECT)]
    result = command(*_typed(line))
    assert result.code == 2
    assert "the only row is rejected: line 2: to_id is 'x'" in result.err


@pytest.mark.parametrize("folder", ["run 1", "-x", "it's", "a\tb"])
def test_the_options_of_a_pipe_work_as_typed(folder: str) -> None:
    """They are added to a command that gives the input again."""
    step = how_to_resume(folder, needs_input=True)
    words = _typed(step.replace("with the same command and ", "aiohubassoc "))
    assert words == ([f"--run={folder}"] if folder.startswith("-") else ["--run", folder])


# --- where it went -------------------------------------------------------------------------------


def test_the_first_line_and_the_summary_name_the_portal(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Its host, and the variable it is from; so do JSON, the run folder and reading back."""
    portal = start_portal()
    result = link(pairs_file, "--run", folder, "--verify")
    first, counts, second, *_ = result.out.splitlines()
    assert first == f"Portal: {portal.base_url} (v4, HUBSPOT_BASE_URL)"
    assert (counts.startswith("10 pairs in "), second) == (True, f"Portal: {portal.base_url}")
    assert result.out.count(f"Portal: {portal.base_url}\n") == 2  # that of reading back, too
    assert f"Portal: {portal.base_url}\n" in command("status", folder).out
    for reported in (
        link(pairs_file, "--json", "--base-url", portal.base_url).reported,
        command("status", folder, "--json").reported,
        command("verify", folder, "--json").reported,
    ):
        assert reported["portal"] == portal.base_url
    streamed = link(pairs_file, "--stream")
    assert "Portal: " not in streamed.out
    assert streamed.err.startswith(first)


def test_a_simulation_says_so(
    command: Command, pairs_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the first line, in the summary, in JSON and of the run folder."""
    monkeypatch.setenv("HUBSPOT_BASE_URL", "https://elsewhere.invalid")
    given = ("link", pairs_file, *TYPES, *FAST, "--simulate")
    result = command(*given, "--run", folder)
    assert result.code == 0
    assert result.out.splitlines()[0] == _SIMULATED
    assert result.out.count(_SIMULATED) == 2
    assert "Portal: " not in result.out
    assert command(*given, "--json").reported["portal"] == _SIMULATED
    assert _SIMULATED in command("status", folder).out
    assert command("status", folder, "--json").reported["portal"] == _SIMULATED


def test_nothing_is_said_of_a_portal_before_the_run_begins(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Rows that cannot be used end it before."""
    start_portal()
    assert link(write_pairs(tmp_path / "pairs.csv", 1, "x y,2\n")).out == ""


# --- after an interruption -----------------------------------------------------------------------


@pytest.mark.looptime(False)
@pytest.mark.parametrize("keeps", [False, True])
def test_what_ctrl_c_left_is_sent_by_the_command_that_is_named(
    command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path, *, keeps: bool
) -> None:
    """With a run folder and without; the summary says how much of the input is left."""
    portal = start_portal(faults=FaultPlan(slow=0.5, slow_seconds=0.2))
    pairs = write_pairs(tmp_path / "my pairs.csv", 3000)
    more = ("--run", folder) if keeps else ()
    with started(*COMMAND, "link", "--no-check", pairs, *TYPES, *FAST, *more) as process:
        until_requests(portal, 400, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "Interrupted by Ctrl-C." in out
    assert " of about 3,000 rows in " in out
    (left,) = [line for line in out.splitlines() if line.startswith("The input was not read")]
    assert left.endswith(" rows are left.")
    if not keeps:
        assert "With --run FOLDER" in out
    result = command(*_step(out, "To continue: "), "--json")
    assert (result.code, result.reported["linked"] + result.reported["skipped"]) == (0, 3000)
    assert result.reported["skipped"] > 300


@pytest.mark.looptime(False)
@pytest.mark.parametrize("more", [(), ("--report", "run.html")])
def test_a_run_folder_that_is_removed_during_the_run(
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    folder: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
) -> None:
    """Cannot be resumed: the command that is named needs nothing of it."""
    monkeypatch.chdir(tmp_path)
    portal = start_portal(faults=FaultPlan(slow=0.5, slow_seconds=0.2))
    pairs = write_pairs(tmp_path / "pairs.csv", 3000)
    given = ("link", "--no-check", pairs, *TYPES, *FAST, "--run", folder, *more)
    with started(*COMMAND, *given) as process:
        until_requests(portal, 400, process)
        shutil.rmtree(folder)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 5, err
    assert f"the run folder {folder}" in out
    assert "was removed" in out
    assert "rm " not in out
    assert "resume" not in out
    assert "Traceback" not in err
    again = _step(out, "To continue: ")
    assert ("--skip-linked" in again, again[-2:]) == (True, ["--run", str(folder)])
    result = command(*again, "--json")
    assert (result.code, result.reported["linked"] + result.reported["skipped"]) == (0, 3000)


# --- after failures ------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--quota", "190/10s", "--concurrency", "8")])
def test_the_file_of_failures_is_named_with_the_command_that_takes_it(
    command: Command, start_portal: StartPortal, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """And with the number of its rows; JSON has both."""
    start_portal(records_up_to=100_008)
    pairs, failures = write_pairs(tmp_path / "pairs.csv", 10), tmp_path / "my failures.csv"
    given = ("link", pairs, *TYPES, *more, "--failures", failures)
    printed = command(*given).out
    assert f"Wrote 2 rows to {failures}, each with its reason\n" in printed
    reported = command(*given, "--json").reported
    assert (reported["failures"], reported["rows_written"]) == (str(failures), 2)
    start_portal()
    assert command(*_step(printed, _CORRECT)).code == 0


@pytest.mark.parametrize("step", ["link", "link of verify", "verify", "retry"])
def test_the_command_that_is_named_goes_to_the_same_portal(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """With the same token: not to HubSpot itself, and not with another token."""
    portal = start_portal(records_up_to=100_008)
    if step == "retry":
        portal = _start_failing_portal(start_portal, monkeypatch)
    monkeypatch.delenv("HUBSPOT_BASE_URL")
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    token, written = pairs_file.with_name("my token"), pairs_file.with_name("written.csv")
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o600)
    where = ("--base-url", portal.base_url, "--token-file", token)
    given = {
        "link": ("link", pairs_file, *TYPES, *FAST, *where, "--failures", written),
        "link of verify": ("verify", pairs_file, *TYPES, *where, "--output", written),
        "verify": ("verify", pairs_file, *TYPES, *where),
        "retry": ("link", pairs_file, *TYPES, *FAST, *where, "--run", folder),
    }[step]
    begin = {
        "link": _CORRECT,
        "link of verify": "To link them: ",
        "verify": "To write those ",
        "retry": "To send those again ",
    }[step]
    printed = command(*given).out
    before = portal.portal.ledger.requests
    monkeypatch.chdir(pairs_file.parent)
    result = command(*_step(printed, begin))
    assert (result.code, "no access token" in result.err) == (1, False)
    assert portal.portal.ledger.requests > before


def test_what_a_simulation_left_is_simulated_again(
    command: Command, pairs_file: Path, tmp_path: Path
) -> None:
    """By the command that is named: nobody asked for more."""
    pairs_file.write_text("from_id,to_id\n1,2\nx,3\n", encoding="utf-8")
    given = (*TYPES, *FAST, "--simulate", "--skip-invalid", "--failures", tmp_path / "failures.csv")
    assert "--simulate" in _step(command("link", pairs_file, *given).out, _CORRECT)


def test_one_row_is_one_row(link: Command, start_portal: StartPortal, tmp_path: Path) -> None:
    """And a file without any is said to have none."""
    start_portal(records_up_to=100_009)
    failures = tmp_path / "failures.csv"
    assert "Wrote 1 row to" in link(write_pairs(tmp_path / "a.csv", 10), "--failures", failures).out
    assert "Wrote 0 rows to" in link(write_pairs(tmp_path / "b.csv", 9), "--failures", failures).out


def test_without_a_file_the_option_is_named(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """That would have written one; not where all is well."""
    start_portal(records_up_to=100_005)
    assert "the same command with --failures FILE" in link(pairs_file).out
    start_portal()
    assert "--failures" not in link(pairs_file).out


def test_a_resume_that_links_does_not_say_that_nothing_was_sent(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, *, folder: Path
) -> None:
    """Also where the pairs that are left failed in an earlier run."""
    start_portal(records_up_to=100)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("from_id,to_id\n1,101\n1,2\n1,3\n", encoding="utf-8")
    link(pairs, "--run", folder, "--limit", "1")
    printed = command("resume", "--no-check", folder).out
    assert "2  linked" in printed
    assert "Nothing was sent" not in printed
    assert "The pairs that are left failed in an earlier run, and are sent again only" in printed


def test_a_run_folder_knows_what_failed(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    *,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It can be written to a file and sent again, also when nothing else is left to do."""
    monkeypatch.chdir(pairs_file.parent)
    portal = start_portal(records_up_to=100_008)
    link(pairs_file, "--run", folder)
    printed = command(
        "resume", "--no-check", folder
    ).out  # sends nothing: all that is left has failed
    assert "Nothing was sent: the pairs that are left failed in an earlier run, and" in printed
    assert portal.portal.ledger.requests == 10
    assert command(*_step(printed, "To write those that failed ")).code == 0
    assert len((pairs_file.parent / "failed.csv").read_text("utf-8").splitlines()) == 1 + 2
    start_portal(instead_of=portal)
    again = command(*_step(printed, _CORRECT))
    assert again.code == 0
    assert "To " not in again.out


@pytest.mark.parametrize("stdin", [False, True])
def test_json_lines_are_written_as_what_can_be_linked(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    stdin: bool,
) -> None:
    """Of objects with types in their ids CSV would be no input."""
    monkeypatch.chdir(tmp_path)
    portal = start_portal(records_up_to=10)
    lines = b'{"from": "contacts:1", "to": ["companies:2", "companies:99"]}\n'
    (tmp_path / "pairs.jsonl").write_bytes(lines)
    name = "-" if stdin else "pairs.jsonl"
    given = {"stdin": lines} if stdin else {}
    csv = link(name, "--failures", "f.csv", **given)
    assert "rows of JSON Lines, each with its own keys, are written as such: let the na" in csv.err
    assert (csv.code, portal.portal.ledger.requests, Path("f.csv").exists()) == (2, 0, False)
    written = link(name, "--failures", "f.jsonl", **given).out
    link(name, "--run", folder, **given)
    for printed in (command("status", folder).out, command("resume", "--no-check", folder).out):
        assert command(*_step(printed, "To write those that failed ")).code == 0
    command("report", folder, "--output", "report.html")
    assert "--output failed.jsonl" in (tmp_path / "report.html").read_text("utf-8")
    missing = command("verify", folder, "--all").out
    verify = _step(missing, "To write those not linked to a file: ")
    assert command(*verify, "--all").code == 1
    assert "let the name end with .jsonl" in command(*verify[:-1], "missing.csv", "--all").err
    start_portal(instead_of=portal)
    for printed in (written, command("status", folder).out):
        reported = command(*_step(printed, _CORRECT), "--json", "--no-check").reported
        assert (reported["total"], reported["linked"]) == (1, 1)
    assert link("missing.jsonl", "--json").reported["linked"] == 1


def _start_failing_portal(start: StartPortal, monkeypatch: pytest.MonkeyPatch) -> ServedPortal:
    """Return a portal that fails with each request, which no client sends again."""
    impatient = partial(AssociationClient, retry=RetryPolicy(attempts=1))
    monkeypatch.setattr("aiohubassoc.cli.connection.AssociationClient", impatient)
    return start(faults=FaultPlan(server_error_500=1.0))


def test_what_can_pass_is_sent_again(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    *,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is to be corrected, and the run, its state and its report say the same."""
    portal = _start_failing_portal(start_portal, monkeypatch)
    page = pairs_file.with_name("report.html")
    printed = link(pairs_file, "--run", folder, "--report", page).out
    state = command("status", folder).out
    retry = f"aiohubassoc resume {folder} --retry-failed"
    for said in (printed, state, page.read_text("utf-8")):
        assert (retry in said, "Correct these rows" in said) == (True, False)
    start_portal(instead_of=portal)
    assert command(*_step(state, "To send those again ")).code == 0


def test_nothing_of_an_earlier_run_is_said_of_the_first(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing responded: the network is named, also where a later run meets it."""
    monkeypatch.setattr(retry, "backoff", lambda *_: 0.0)
    start_portal(faults=FaultPlan(reset_before=1.0))
    first = command("link", pairs_file, *TYPES, *FAST, "--no-check", "--run", folder)
    again = command("resume", folder, "--retry-failed", "--no-check")
    for result in (first, again):
        assert "No response came from http://127.0.0.1:" in result.out
        assert "an earlier run" not in result.out


def test_a_file_of_an_input_that_was_not_read_to_its_end(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Is not linked instead of the rest: the one step is to continue."""
    start_portal(records_up_to=0)
    written = tmp_path / "failures.csv"
    pairs = write_pairs(tmp_path / "pairs.csv", 3000)
    result = link(pairs, "--failures", written, "--limit", "20")
    assert (result.code, "To continue: " in result.out) == (1, True)
    assert not [one for one in (_CORRECT, "To link them: ", "Wrote ") if one in result.out]
    assert f"{written} has only the 20 rows of those read that are not linked\n" in result.out


# --- after what ends a run -----------------------------------------------------------------------


@pytest.mark.parametrize("source", ["HUBSPOT_ACCESS_TOKEN", "PRIVATE_APP_ACCESS_TOKEN", "file"])
def test_a_refused_token(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    """Where it came from, once HubSpot's words, and how to continue."""
    start_portal()
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    token = pairs_file.with_name("token")
    token.write_text("wrong", encoding="utf-8")
    if source == "file":
        result = link(pairs_file, "--token-file", token)
    else:
        monkeypatch.setenv(source, "wrong")
        result = link(pairs_file)
    named = token if source == "file" else source
    assert result.code == 4
    assert f"HubSpot refused the access token (401). Check {named}\n" in result.out
    assert result.out.count("Authentication credentials not found") == 1
    again = _step(result.out, "To continue: ")
    assert "--skip-linked" not in again  # nothing is linked yet
    token.write_text(TOKEN, encoding="utf-8")
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
    assert command(*again).code == 0


@pytest.mark.parametrize(
    ("settings", "options", "reported"),
    [
        (
            {"missing_scopes": ("crm.objects.contacts.write",)},
            (),
            "The access token lacks scopes: crm.objects.contacts.write. Add them to its app",
        ),
        (
            {"daily_limit": 4},
            (),
            "anew at midnight in the account's time zone: within 24 hours\n",
        ),
        (
            {"daily_limit": 1000},
            ("--reserve-daily", "990"),
            "counts the day's calls anew at midnight in the account's time",
        ),
    ],
    ids=["scopes", "daily limit", "reserve"],
)
@pytest.mark.parametrize("keeps", [False, True])
def test_what_ends_a_run_names_its_cure(
    link: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    folder: Path,
    *,
    settings: dict[str, Any],
    options: tuple[str, ...],
    reported: str,
    keeps: bool,
) -> None:
    """And the command to continue with."""
    start_portal(**settings)
    pairs = write_pairs(tmp_path / "pairs.csv", 200)
    more = ("--run", folder) if keeps else ()
    result = link(pairs, *options, *more)
    assert result.code in {3, 4}
    assert reported in result.out
    verb, path, *_ = _step(result.out, "To continue: ")
    assert (verb, path) == (("resume", str(folder)) if keeps else ("link", str(pairs)))


@pytest.mark.parametrize("hours", [-5.0, 0.0, 5.75])
def test_the_end_of_the_day(
    command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path, *, hours: float
) -> None:
    """In the time of this machine; the run folder keeps it, as nothing can be asked then."""
    start_portal(daily_limit=20, utc_offset=hours)
    pairs = write_pairs(tmp_path / "pairs.csv", 200)
    ends = []
    for arguments in (("link", pairs, *TYPES, "--run", folder), ("resume", folder)):
        ends.append(_day_end(hours))
        result = command(*arguments)
        ends.append(_day_end(hours))
        for told in (result, command("status", folder)):
            said = f"{told.out}{told.err}".partition("in the account's time zone: ")[2]
            assert said.partition("\n")[0] in ends
    # Nobody is told to wait for a midnight that has passed.
    with closing(sqlite3.connect(folder / "journal.db")) as db, db:
        db.execute("update sessions set ended_at_ms = ended_at_ms - 86400000")
    assert "in the account's time zone" not in command("status", folder).out


def _day_end(hours: float) -> str:
    today = datetime.now(timezone(timedelta(hours=hours))).date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(hours=hours)
    return f"{(midnight + timedelta(days=1)).astimezone():%Y-%m-%d %H:%M %Z}"


def test_an_object_type_that_hubspot_does_not_know(
    command: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Ends the run at once with exit code 2; the type that may have been meant is named."""
    portal = start_portal()
    write_pairs(pairs_file, 400)
    result = command("link", pairs_file, "--from", "contacts", "--to", "compnies", *FAST)
    assert (result.code, portal.portal.ledger.requests < 100) == (2, True)
    reported = (
        "HubSpot knows no object type 'compnies'. Use a name such as contacts, an id such as 0-1, "
        "or the id of a custom object such as 2-1234567. Did you mean companies?\n"
    )
    assert reported in result.err
    assert "To continue" not in result.out


@pytest.mark.parametrize("verb", ["link", "verify"])
def test_a_refused_token_of_what_is_read_back(
    command: Command, start_portal: StartPortal, pairs_file: Path, verb: str
) -> None:
    """The cause is said once, with its cure, and what reads the links back once it is mended."""
    start_portal(tokens=("another",))
    result = command("verify", pairs_file, *TYPES)
    assert result.code == 4
    assert result.out.count("Authentication credentials not found") == 1
    assert "HubSpot refused the access token (401). Check HUBSPOT_ACCESS_TOKEN\n" in result.out
    start_portal()
    command(verb, pairs_file, *TYPES)
    again = command(*_step(result.out, "To read them back again: "))
    assert again.code == (0 if verb == "link" else 1)


def test_a_check_ends_with_a_command_that_goes_where_it_went(
    command: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same token; only the file has to be put in."""
    portal = start_portal()
    monkeypatch.delenv("HUBSPOT_BASE_URL")
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    token = pairs_file.with_name("my token")
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o600)
    result = command("check", *TYPES, "--base-url", portal.base_url, "--token-file", token)
    step = _step(result.out, "Next: ")
    assert step.count("FILE") == 1
    again = [str(pairs_file) if word == "FILE" else word for word in step]
    assert (result.code, command(*again).code, portal.portal.ledger.links_total) == (0, 0, 10)


def test_an_input_that_was_moved(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """Is named with the command that continues from its new place."""
    portal = start_portal(daily_limit=4)
    link(pairs_file, "--run", folder)
    moved = pairs_file.rename(pairs_file.with_name("elsewhere.csv"))
    result = command("resume", folder)
    assert result.code == 2
    (line,) = result.err.splitlines()
    problem, command_ = line.split(". If it was moved: aiohubassoc ")
    assert problem.endswith("No such file or directory")
    step = shlex.split(command_)
    assert step.count("FILE") == 1
    start_portal(instead_of=portal)
    again = command(*[str(moved) if word == "FILE" else word for word in step], "--json")
    assert (again.code, again.reported["linked"] + again.reported["skipped"]) == (0, 10)


def test_nobody_that_responds(
    link: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What to look at, and the command that sends them again."""
    monkeypatch.setattr(retry, "backoff", lambda *_: 0.0)
    start_portal(faults=FaultPlan(reset_before=1.0))
    result = link(pairs_file, "--run", folder)
    assert result.code == 1
    said = "No response came from http://127.0.0.1:"
    (line,) = [line for line in result.out.splitlines() if line.startswith(said)]
    assert line.endswith(". Check the network, the proxy and --base-url")
    assert "--retry-failed" in _step(result.out, "To send those again that failed: ")


@pytest.mark.parametrize("options", [(), ("--json",), ("--via", "batch")])
def test_nobody_to_connect_to(
    command: Command,
    pairs_file: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    """The command ends before it sends anything, and says where it looked; no run is begun."""
    monkeypatch.setattr(retry, "backoff", lambda *_: 0.0)
    result = command("link", pairs_file, *TYPES, *NOWHERE, "--run", folder, *options)
    assert result.code == 3
    (line,) = result.err.splitlines()
    assert line.startswith("aiohubassoc: Nothing was sent. ")
    assert "127.0.0.1:1 " in line
    assert line.endswith(". Check the network, --base-url and --proxy")
    assert not folder.exists()
    if "--json" in options:
        assert (result.reported["exit_code"], result.reported["total"]) == (3, 0)


def test_an_outage_during_the_run(
    command: Command, pairs_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run stops, no pair has failed, and the command that continues is named."""
    monkeypatch.setattr(retry, "backoff", lambda *_: 0.0)
    given_up = GiveUp(Why.BUDGET)
    monkeypatch.setattr(retry_loop, "decide_unconnected", lambda *_, **__: given_up)
    link_ = ("link", pairs_file, *TYPES, *NOWHERE, "--run", folder, "--no-check")
    for options in ((), ("--via", "batch")):
        result = command(*link_, *options)
        assert result.code == 3
        assert "no connection for 0 s. Last error: " in result.out
        assert _step(result.out, "To continue: ")[:2] == ["resume", str(folder)]
    result = command(*link_, "--json")
    counts = [result.reported[name] for name in ("failed", "unprocessed", "input_complete")]
    assert counts == [0, 10, True]
    result = command("resume", folder, *NOWHERE[2:])
    assert (result.code, result.out) == (3, "")
    assert "Nothing was sent. " in result.err


@pytest.mark.parametrize("keeps", [False, True])
def test_pairs_that_are_refused_alike(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    *,
    folder: Path,
    keeps: bool,
) -> None:
    """End the run; it can continue with what is left, or be asked not to stop."""
    portal = start_portal(records_up_to=0)
    pairs = write_pairs(tmp_path / "pairs.csv", 900)
    more = ("--run", folder) if keeps else ()
    result = link(pairs, *more, "--concurrency", "8")
    assert result.code == 3, result
    assert "are wrong, continue with --stop-after-alike 0\n" in result.out
    assert portal.portal.ledger.requests < 700
    start_portal(instead_of=portal)
    assert command(*_step(result.out, "To continue: ")).code == 0
    assert link(pairs, "--stop-after-alike", "-1").code == 2


def test_pairs_that_are_wrong_do_not_stop_what_continues_in_spite_of_them(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """As the step says: resume takes the option, and keeps it for the next time."""
    start_portal(records_up_to=0)
    stopped = link(write_pairs(tmp_path / "pairs.csv", 900), "--run", folder)
    assert stopped.code == 3
    step = _step(stopped.out, "To continue: ")
    again = command(*step, "--stop-after-alike", "0", "--json")
    assert (again.code, again.reported["failed"]) == (1, 900)
    with Reader(folder) as reader:
        assert reader.header()["command"]["check"]["stop_after_alike"] == 0
    assert command(*step, "--stop-after-alike", "-1").code == 2


def test_a_run_that_is_not_to_stop(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """
    Sends every pair, however many were refused alike.

    A refusal is confirmed in real time: where this process stood still for a second, the request
    is sent once more. So the pairs are counted, not the requests.
    """
    portal = start_portal(records_up_to=0)
    assert link(write_pairs(tmp_path / "pairs.csv", 900), "--stop-after-alike", "0").code == 1
    assert len(sent_to(portal)) == 900


def test_a_pipe_must_be_given_again(link: Command, start_portal: StartPortal) -> None:
    """The line says so, and is no command that would wait for ever."""
    start_portal(daily_limit=2)
    rows = "".join(f"{number},{number}\n" for number in range(1, 201))
    result = link("-", stdin=f"from_id,to_id\n{rows}".encode())
    assert "To continue, give the input again: aiohubassoc link - " in result.out


# --- the command's own name ----------------------------------------------------------------------


def test_a_program_that_is_not_on_the_path_is_named_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by ``make demo``; where it is on the path its name is enough."""
    program = tmp_path / "my bin" / "aiohubassoc"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    other = tmp_path / "aiohubassoc"
    other.write_bytes(program.read_bytes())
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compose("resume", ["a b"]) == "aiohubassoc resume 'a b'"
    monkeypatch.setattr(sys, "argv", ["aiohubassoc"])
    assert compose("plan", ["x"]) == "aiohubassoc plan x"
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert compose("plan", ["x"]) == f"'{program}' plan x"
    monkeypatch.setenv("PATH", str(program.parent))
    assert compose("plan", ["x"], {"--json": True, "--quota": 5}) == (
        "aiohubassoc plan x --json --quota 5"
    )


def _lines_after(result: Result, line: str) -> list[str]:
    return result.out.partition(f"{line}\n")[2].splitlines()


def test_the_demonstration_ends_with_commands(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That work as they are."""
    from aiohubassoc.cli import simulate  # noqa: PLC0415 -- what is patched

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(simulate, "_EXAMPLE", write_pairs(tmp_path / "pairs.csv", 50))
    lines = _lines_after(command("demo"), "Next:")
    assert len(lines) == 3
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "aiohubassoc"
        assert command(*arguments).code == 0


# --- after a plan --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plan", ()),
        ("plan", ("--quota", "190/10s", "--concurrency", "5")),
        ("plan", ("--batch-size", "7", "--batch-quota", "5/10s")),
        ("plan", ("--from-column", "from_id", "--run", "runs/one", "--retry-failed")),
        ("link", ("--dry-run", "--no-check", "--via", "batch", "--failures", "failed.csv")),
    ],
)
def test_a_plan_ends_with_the_command_that_links(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    options: tuple[str, ...],
) -> None:
    """With the same options, in any order; options of batches need --via batch."""
    start_portal()
    monkeypatch.chdir(pairs_file.parent)
    result = command(name, pairs_file, *TYPES, *options)
    assert result.out.splitlines()[-1].startswith("To link them: ")
    step = _step(result.out, "To link them: ")
    via = ("--via", "batch") if "--batch-size" in options else ()
    kept = [one for one in (*TYPES, *options, *via) if one != "--dry-run"]
    assert (step[:2], sorted(step[2:])) == (["link", str(pairs_file)], sorted(kept))
    assert command(*step).code == 0


def test_a_plan_with_rejected_rows(
    command: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Links the others with --skip-invalid; that works as it is typed."""
    portal = start_portal()
    with pairs_file.open("a", encoding="utf-8") as file:
        file.write("x,1\n")
    step = _step(
        command("plan", pairs_file, *TYPES).out, "Fix the rejected rows, or link the others: "
    )
    assert command(*step, "--no-check").code == 1
    assert portal.portal.ledger.links_total == 10


def test_a_plan_of_nothing_links_nothing(command: Command, tmp_path: Path) -> None:
    """No command is named where there is no pair; standard input has to be given again."""
    empty = tmp_path / "empty.csv"
    empty.write_text("from_id,to_id\n", encoding="utf-8")
    assert "aiohubassoc link" not in command("plan", empty, *TYPES).out
    printed = command("plan", "-", *TYPES, stdin=b"from_id,to_id\n1,2\n").out
    assert "\nTo link them, give the input again: aiohubassoc link - --from " in printed
