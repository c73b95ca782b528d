"""``aiohubassoc export``: what no run has settled, and where the rows go."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from aiohubassoc import Journal, Status
from aiohubassoc.simulator import Latency
from tests.cli.conftest import FAST, TYPES, read_rows, write_pairs
from tests.cli.processes import COMMAND, kill_run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

pytestmark = pytest.mark.looptime(False)  # processes have a time of their own

HEADER = "from_id,to_id,status,category,message,correlation_id\n"


# --- what is not settled -----------------------------------------------------------------------


def test_after_a_kill_all_that_is_not_settled_is_there(
    command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Also what no run has read; linked, unfinished and the input agree, and it can be linked."""
    portal = start_portal(latency=Latency(after_median=0.03))
    pairs = write_pairs(tmp_path / "pairs.csv", 3000)
    kill_run(
        portal, *COMMAND, "link", "--no-check", pairs, "--run", folder, *TYPES, *FAST, after=400
    )
    linked = {row.pair.from_id for row in Journal(folder).rows(Status.LINKED)}
    rest = tmp_path / "rest.csv"
    result = command("export", folder, "--unprocessed", "--output", rest, "--json")
    rows = read_rows(rest)
    assert result.reported == {"rows": len(rows), "output": str(rest), "format": "csv"}
    assert {row["status"] for row in rows} == {"unprocessed"}
    unfinished = [row["from_id"] for row in rows]
    assert len(unfinished) == len(set(unfinished)) > 2000
    assert not linked & set(unfinished)
    assert linked | set(unfinished) == {str(n) for n in range(1, 3001)}
    reported = command("link", "--no-check", rest, *TYPES, *FAST, "--json").reported
    assert (reported["linked"], reported["exit_code"]) == (len(rows), 0)
    assert len(portal.portal.ledger.links) == 3000


def test_a_pipe_that_was_not_read_to_its_end(
    link: Command, command: Command, start_portal: StartPortal, folder: Path
) -> None:
    """What nobody has read nobody can write: it is said, once, on standard error."""
    start_portal()
    rows = b"".join(b"%d,%d\n" % (n, n + 1) for n in range(1, 1500))
    stdin = b"from_id,to_id\n" + rows.replace(b"\n1100,", b"\n1e5,")
    assert link("-", "--run", folder, "--strict", stdin=stdin).code == 3
    result = command("export", folder, "--unprocessed")
    assert (result.code, result.err.count("Rows that no run has read are missing")) == (1, 1)
    assert command("export", folder, "--linked").err == ""


def test_an_input_that_is_gone(
    command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """After a kill: the same."""
    portal = start_portal(latency=Latency(after_median=0.03))
    pairs = write_pairs(tmp_path / "pairs.csv", 3000)
    kill_run(
        portal, *COMMAND, "link", "--no-check", pairs, "--run", folder, *TYPES, *FAST, after=100
    )
    pairs.unlink()
    result = command("export", folder)
    assert result.code == 1
    assert result.err.count("Rows that no run has read are missing here") == 1
    assert f"{pairs}: No such file" in result.err


# --- where to ----------------------------------------------------------------------------------


def test_nothing_of_a_kind_is_a_header(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """An empty table, not an empty file; of JSON Lines nothing."""
    start_portal()
    link(pairs_file, "--run", folder)
    for options in (("--failed",), ("--unprocessed",), ("--failed", "--unprocessed")):
        assert command("export", folder, *options).out == HEADER
        assert command("export", folder, *options, "--format", "jsonl").out == ""


def test_output_says_how_many_rows_went_where(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """On standard error; as JSON on standard output, and nothing else."""
    start_portal()
    link(pairs_file, "--run", folder)
    output = pairs_file.with_name("[out].csv")
    result = command("export", folder, "--output", output)
    assert (result.code, result.out, result.err) == (0, "", f"10 rows in {output}\n")
    result = command("export", folder, "--output", output, "--json", "--format", "jsonl")
    assert (result.reported, result.err) == (
        {"rows": 10, "output": str(output), "format": "jsonl"},
        "",
    )
    assert len(output.read_text(encoding="utf-8").splitlines()) == 10


@pytest.mark.parametrize(
    ("options", "code", "reported"),
    [
        (("--format", "xlsx"), 2, 'Choose from: "csv", "jsonl"'),
        (("--json",), 2, "--json is for --output"),
        (("--output", "/nowhere/out.csv"), 5, "/nowhere/out.csv: No such file"),
        (("--output", "/dev/full"), 5, "/dev/full: No space left"),
    ],
)
def test_what_cannot_work(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    *,
    options: tuple[str, ...],
    code: int,
    reported: str,
) -> None:
    """Exit code 2 for options, 5 for a file; nothing on standard output but for --json."""
    start_portal()
    link(pairs_file, "--run", folder)
    result = command("export", folder, *options)
    assert (result.code, result.out == "") == (code, "--json" not in options)
    assert reported in result.err
    assert "Traceback" not in result.err


def test_nobody_reads_the_rows(
    link: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """As with ``head``: no traceback."""
    start_portal()
    rows = "".join(f"{'x' * 1000},{n},{n}\n" for n in range(1, 301))  # more than a pipe holds
    (tmp_path / "pairs.csv").write_text(f"note,from_id,to_id\n{rows}", encoding="utf-8")
    link(tmp_path / "pairs.csv", "--run", folder)
    with subprocess.Popen(
        [*COMMAND, "export", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"note,from_id,to_id,status")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(300) == 5
