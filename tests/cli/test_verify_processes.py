"""``verify`` as a process: slow inputs, signals, readers that leave."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.simulator import FaultPlan
from tests.cli.conftest import TYPES, make, write_pairs
from tests.cli.processes import COMMAND, started, until_requests

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import StartPortal

pytestmark = pytest.mark.looptime(False)  # processes have a time of their own

VERIFY = [*COMMAND, "verify", "-", *TYPES, "--stream"]


def test_lines_come_as_rows_do(start_portal: StartPortal) -> None:
    """A pair that is piped in is reported while the pipe is still open, though it is alone."""
    make(start_portal(), range(1, 1001))
    with started(*VERIFY, stdin="from_id,to_id\n") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # Nothing is asked before the first 1,000 rows are checked.
        process.stdin.write("".join(f"{n},{n + 100_000}\n" for n in range(1, 1001)))
        process.stdin.flush()
        reported = [json.loads(process.stdout.readline()) for _ in range(1000)]
        assert {line["status"] for line in reported} == {"linked"}
        process.stdin.write("1001,101001\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["status"] == "missing"
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (1, "")
    assert "1,000  linked" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_good_order(
    start_portal: StartPortal, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """What was read is reported and the rest is unknown; an endless input is no hindrance."""
    portal = start_portal()
    make(portal, range(1, 3001))
    call = [*COMMAND, "verify", "-", *TYPES, "--batch-quota", "1/1000s", "--json"]
    rows = write_pairs(tmp_path / "pairs.csv", 3000).read_text(encoding="utf-8")
    with started(*call, stdin=rows) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        until_requests(portal, 1, process)
        process.send_signal(number)
        # Not communicate(): it would end the standard input.
        out, err = process.stdout.read(), process.stderr.read()
        process.wait(300)
    assert (process.returncode, "Traceback" in err) == (code, False)
    reported = json.loads(out)
    assert (reported["exit_code"], reported["stopped"], reported["missing"]) == (
        code,
        "interrupted",
        0,
    )
    assert reported["linked"] in {0, 1000}
    assert not reported["input_complete"]


def test_a_reader_that_leaves_ends_it(start_portal: StartPortal, tmp_path: Path) -> None:
    """Exit code 5, and no traceback."""
    make(start_portal(), range(1, 3001))
    pairs = write_pairs(tmp_path / "pairs.csv", 3000)
    with started(*COMMAND, "verify", pairs, *TYPES, "--stream") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(300) == 5
    assert "Stopped early: cannot write standard output: Broken pipe" in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_a_signal_while_a_run_is_read_back(start_portal: StartPortal, tmp_path: Path) -> None:
    """What linking came to is reported, and what was read back until then."""
    portal = start_portal(faults=FaultPlan(script_reads=("slow",), slow_seconds=2.0))
    pairs = write_pairs(tmp_path / "pairs.csv", 10)
    call = [*COMMAND, "link", "--no-check", pairs, *TYPES, "--via", "batch", "--verify", "--json"]
    with started(*call) as process:
        until_requests(portal, 2, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, "Traceback" in err) == (130, False)
    reported = json.loads(out)
    assert (reported["linked"], reported["stopped"], reported["exit_code"]) == (10, None, 130)
    # The answer was in flight, and came in time.
    assert (reported["verification"]["linked"], reported["verification"]["stopped"]) == (
        10,
        "interrupted",
    )
