"""The command as a process: signals, pipes, what it loads, what it says when it cannot start."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import aiohubassoc
from aiohubassoc.simulator import FaultPlan
from tests.cli.conftest import TOKEN, TYPES, write_pairs
from tests.cli.processes import COMMAND, LINK, PYTHON, run, started, until, until_requests

if TYPE_CHECKING:
    from tests.cli.conftest import StartPortal

pytestmark = pytest.mark.looptime(False)  # processes have a time of their own

ROOT = Path(aiohubassoc.__file__).parents[1]
ROWS = "from_id,to_id\n" + "".join(f"{number},{number}\n" for number in range(1, 1201))


# --- signals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_the_first_signal_drains(
    start_portal: StartPortal, number: signal.Signals, code: int
) -> None:
    """What is in flight ends, the rest is unprocessed, the summary is printed."""
    portal = start_portal(faults=FaultPlan(slow=0.02, slow_seconds=0.3))
    with started(*LINK, "--json", stdin=ROWS) as process:
        until_requests(portal, 600, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    reported = json.loads(out)
    assert reported["exit_code"] == code
    assert reported["stopped"] == "interrupted"
    assert not reported["input_complete"]
    assert reported["failed"] == 0
    assert reported["linked"] == len(portal.portal.ledger.links) >= 500
    assert "Traceback" not in err


def test_a_second_signal_leaves_at_once(start_portal: StartPortal, tmp_path: Path) -> None:
    """Without waiting for answers that do not come."""
    portal = start_portal(faults=FaultPlan(never_before=1.0))
    pairs = write_pairs(tmp_path / "pairs.csv", 10)
    command = [*LINK, "--json"]
    command[command.index("-")] = str(pairs)
    with started(*command) as process:
        until_requests(portal, 10, process)
        # The same signal twice may be merged into one by the system.
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode in {130, 143}
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("json_", [[], ["--json"]])
def test_a_signal_before_the_run_ends_with_a_line(
    tmp_path: Path, number: signal.Signals, json_: list[str]
) -> None:
    """While the token is asked for: the command that gives it ends, too."""
    pairs, began = write_pairs(tmp_path / "pairs.csv", 10), tmp_path / "began"
    # More than a pipe takes: once it is written, it is waited for.
    token = f"sh -c 'head -c 200000 /dev/zero >&2; echo $$ > {began}; exec sleep 1000'"
    command = [*COMMAND, "link", pairs, *TYPES, "--token-command", token, *json_]
    with started(*command) as process:
        until(lambda: began.exists() and bool(began.read_text()), process)
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    name = "Ctrl-C" if number is signal.SIGINT else number.name
    assert (process.returncode, err) == (128 + number, f"aiohubassoc: Interrupted by {name}\n")
    object_ = {"error": f"Interrupted by {name}", "exit_code": 128 + number}
    assert (json.loads(out) if json_ else out) == (object_ if json_ else "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)


def test_a_signal_while_modules_are_loaded() -> None:
    """Ends the process with the same line."""
    code = """
import os, signal, sys
from aiohubassoc.__main__ import main
sys.meta_path.insert(0, type("Finder", (), {"find_spec": lambda self, name, *_: (
    os.kill(os.getpid(), signal.SIGINT) if name == "cyclopts" else None)})())
main()
"""
    done = run(*PYTHON, "-c", code, "--json")
    assert (done.returncode, done.stderr) == (130, "aiohubassoc: Interrupted by Ctrl-C\n")
    assert json.loads(done.stdout) == {"error": "Interrupted by Ctrl-C", "exit_code": 130}


def test_what_is_loaded_before_a_signal_is_heard() -> None:
    """Little: until then a signal ends Python with a traceback."""
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import signal
had = {{*sys.modules}}
def first(*_):
    slow = {{"typing", "re", "contextlib", "asyncio", "cyclopts"}} - had
    print(sorted(slow.intersection(sys.modules)), sum("aiohub" in one for one in sys.modules))
    raise SystemExit
signal.signal = first
from aiohubassoc.__main__ import main
main()
"""
    done = run(sys.executable, "-S", "-c", code)  # -S: nor does site load anything
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "[] 4\n")


def test_a_signal_while_the_command_at_the_end_runs(
    start_portal: StartPortal, tmp_path: Path
) -> None:
    """The result was printed, and stays the one object; the command ends, too."""
    start_portal()
    pairs, began = write_pairs(tmp_path / "pairs.csv", 10), tmp_path / "began"
    on_end = f"sh -c 'cat; echo $$ > {began}; exec sleep 1000'"
    command = [str(pairs) if word == "-" else word for word in LINK]
    with started(*command, "--json", "--on-end", on_end) as process:
        until(lambda: began.exists() and bool(began.read_text()), process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (143, "aiohubassoc: Interrupted by SIGTERM\n")
    assert json.loads(out)["linked"] == 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)


def test_a_signal_after_the_result_prints_no_second_one() -> None:
    """While Python ends, say."""
    code = """
import atexit, os, signal, sys
from aiohubassoc.__main__ import main
atexit.register(lambda: os.kill(os.getpid(), signal.SIGTERM))
sys.exit(main())
"""
    done = run(*PYTHON, "-c", code, "status", "none", "--json")
    assert done.returncode == 143
    assert "not a run folder" in json.loads(done.stdout)["error"]


def test_nohup(start_portal: StartPortal, tmp_path: Path) -> None:
    """A run that is to outlive its terminal goes on."""
    portal = start_portal(faults=FaultPlan(slow=0.02, slow_seconds=0.3))
    pairs = write_pairs(tmp_path / "pairs.csv", 300)
    command = [str(pairs) if word == "-" else word for word in LINK]
    with started("nohup", *command, "--json") as process:
        until_requests(portal, 100, process)
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, json.loads(out)["linked"]) == (0, 300), err


def test_a_signal_while_a_new_token_is_asked_for(start_portal: StartPortal, tmp_path: Path) -> None:
    """Nothing waits for the command that gives it."""
    start_portal()
    pairs, asked = write_pairs(tmp_path / "pairs.csv", 10), tmp_path / "asked"
    token = (
        f"sh -c 'test -e {asked} && echo $$ > {asked} && exec sleep 1000; touch {asked}; echo x'"
    )
    command = [str(pairs) if word == "-" else word for word in LINK]
    with started(*command, "--token-command", token) as process:
        until(lambda: asked.exists() and bool(asked.read_text()), process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=300)
    assert (process.returncode, "Traceback" in err) == (143, False), err
    with pytest.raises(ProcessLookupError):
        os.kill(int(asked.read_text()), 0)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system has no /proc")
def test_a_signal_before_anything_was_sent(start_portal: StartPortal) -> None:
    """While it waits for rows."""
    portal = start_portal()
    # Not measured: what coverage saves at the end prints a warning of the file that is still open.
    unmeasured = {name: value for name, value in os.environ.items() if "COV" not in name}
    with started(*LINK, stdin="from_id,to_id\n1,2\n", env=unmeasured) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        # Its second thread is the one that reads the rows.
        while len(list(Path(f"/proc/{process.pid}/task").iterdir())) < 2:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        # Not communicate(): it would end the standard input, which the process must not wait for.
        out, err = process.stdout.read(), process.stderr.read()
        process.wait(300)
    assert process.returncode == 130
    assert out == ""
    assert portal.portal.ledger.requests == 0
    assert "Traceback" not in err


# --- pipes and terminals -----------------------------------------------------------------------


@pytest.mark.parametrize("json_", [[], ["--json"]])
def test_nobody_reads_the_summary(start_portal: StartPortal, json_: list[str]) -> None:
    """The work was done: the exit code says so, and nothing is complained of."""
    start_portal()
    command = [*LINK, *json_]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = subprocess.run(
            command,
            input="from_id,to_id\n1,2\n",
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        os.close(writing)
    assert (process.returncode, process.stderr) == (0, "")


def test_colours_only_where_they_are_wanted(start_portal: StartPortal) -> None:
    """NO_COLOR is honoured, even where colours are forced."""
    start_portal()
    coloured = run(*LINK, stdin="from_id,to_id\n1\n", FORCE_COLOR="1", TERM="xterm")
    assert "\x1b[1;31m" in coloured.stderr
    plain = run(*LINK, stdin="from_id,to_id\n1\n", FORCE_COLOR="1", TERM="xterm", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain.stderr)
    assert run(*LINK, stdin="from_id,to_id\n1\n").stderr.count("\x1b") == 0


# --- the other commands ------------------------------------------------------------------------


def test_link_simulate() -> None:
    """Needs no token and no portal: it brings its own."""
    command = (*LINK[:-2], "--simulate", "--quota", "190/1s", "--json")
    result = run(*command, stdin="from_id,to_id\n1,2\n3,4\n")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["linked"] == 2


def test_simulate_serves_until_it_is_told_to_end() -> None:
    """It prints its URL and that of its ledger; Ctrl-C ends it with exit code 0."""
    with started(*COMMAND, "simulate", "--port", "0", "--fault", "server_error_500=0.1") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"(http://127\.0\.0\.1:\d+), quota 190/10s\.", line)
        assert found, line
        with urllib.request.urlopen(f"{found[1]}/_portal/ledger", timeout=300) as answer:  # noqa: S310
            assert json.load(answer)["requests"] == 0
        assert f"HUBSPOT_ACCESS_TOKEN={TOKEN} aiohubassoc link" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0


def test_version_and_help() -> None:
    """On standard output; the help has examples."""
    version = run(*COMMAND, "--version")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", version.stdout)
    help_ = run(*COMMAND, "--help")
    assert "aiohubassoc link pairs.csv --from contacts --to companies" in help_.stdout
    link = run(*COMMAND, "link", "--help")
    assert "--skip-invalid" in link.stdout
    assert "Exit codes: 0 every pair linked" in " ".join(link.stdout.split())
    assert (version.returncode, help_.returncode, link.returncode) == (0, 0, 0)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_completion_installs(tmp_path: Path) -> None:
    """For the shell that is named, in the home of whoever asks; the shell takes the script."""
    given = ("--install-completion", "--shell", "bash")
    result = run(*COMMAND, *given, HOME=str(tmp_path), XDG_DATA_HOME="")
    assert result.returncode == 0, result.stderr
    (script,) = tmp_path.rglob("completions/aiohubassoc")
    assert "--skip-linked" in script.read_text(encoding="utf-8")
    assert run("bash", "-n", script).returncode == 0


@pytest.mark.parametrize("module", ["aiohttp", "asyncio", "cattrs", "tenacity"])
def test_help_loads_little(module: str) -> None:
    """What is not needed for it would be most of its time."""
    code = (
        "import sys; from aiohubassoc.__main__ import main; sys.argv[1:] = ['--help']; main(); "
        f"sys.exit({module!r} in sys.modules)"
    )
    assert run(*PYTHON, "-c", code).returncode == 0


@pytest.mark.parametrize("module", ["cyclopts", "rich"])
def test_without_the_extra(module: str) -> None:
    """One line says what to install."""
    code = (
        f"import sys; sys.modules[{module!r}] = None; "
        "from aiohubassoc.__main__ import main; sys.exit(main())"
    )
    result = run(*PYTHON, "-c", code)
    assert result.returncode == 2
    assert result.stderr == (
        "aiohubassoc: the command line needs an extra: pip install 'aiohubassoc[cli]' "
        "(in a clone: pip install '.[cli]')\n"
    )
