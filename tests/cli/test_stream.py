"""``--stream``: one line of JSON for each row, for whoever reads a pipe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import Journal, Status
from aiohubassoc.simulator import FaultPlan, Latency
from tests.cli.conftest import FAST, TYPES, write_pairs
from tests.cli.processes import COMMAND, LINK, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

# Responses that overtake each other.
UNEVEN = Latency(after_median=0.005, after_sigma=1.5)


def _mixed(path: Path) -> Path:
    """Write two good rows, a duplicate, one that cannot be used and one that is refused."""
    return write_pairs(path, 2, "1,100001\n1e5,7\n5,999999\n")


# --- the lines ---------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [False, True])
def test_each_row_has_its_line(
    link: Command, start_portal: StartPortal, tmp_path: Path, folder: Path, *, run: bool
) -> None:
    """Of different shapes: linked, refused, repeated, not usable."""
    start_portal(records_up_to=200_000)
    more = ("--run", folder) if run else ()
    result = link(_mixed(tmp_path / "pairs.csv"), "--stream", "--skip-invalid", *more)
    assert result.code == 1
    lines = {line["line"]: line for line in result.lines}
    assert len(lines) == len(result.lines) == 5
    for number, line in ((2, lines[2]), (3, lines[3])):
        assert line == {
            "from": f"contacts:{number - 1}",
            "to": f"companies:{number + 99_999}",
            "ok": True,
            "status": "linked",
            "attempts": 1,
            "line": number,
        }
    assert lines[4] == {
        "from": "contacts:1",
        "to": "companies:100001",
        "ok": True,
        "status": "skipped",
        "attempts": 0,
        "reason": {"category": "DUPLICATE", "message": "repeats line 2"},
        "line": 4,
    }
    problem = (
        "from_id is '1e5', a number with an exponent: its digits may be lost: format the column as "
        "text and enter the ids again"
    )
    assert lines[5] == {
        "ok": False,
        "status": "invalid",
        "error": {"category": "INVALID_ROW", "message": problem, "correlation_id": None},
        "line": 5,
    }
    error = lines[6].pop("error")
    assert lines[6] == {
        "from": "contacts:5",
        "to": "companies:999999",
        "ok": False,
        "status": "failed",
        "attempts": 1,
        "maybe_applied": False,
        "line": 6,
    }
    assert error["category"] == "VALIDATION_ERROR"
    assert "COMPANY=999999 is not valid" in error["message"]
    assert len(error["correlation_id"]) == 36


def test_the_summary_goes_to_standard_error(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Standard output holds the lines and nothing else."""
    start_portal()
    result = link(pairs_file, "--stream")
    assert "10 pairs" in result.err
    assert "10  linked" in result.err
    assert [line["status"] for line in result.lines] == ["linked"] * 10


def test_lines_are_as_many_as_the_counts_say(
    link: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Of every status, in the first run and in the next one."""
    faults = FaultPlan(partial_207=0.2)
    start_portal(faults=faults, daily_limit=60, missing_share=0.1)
    pairs = write_pairs(tmp_path / "pairs.csv", 80, "3,100003\n1e5,7\n")
    for _ in range(2):
        result = link(pairs, "--run", folder, "--stream", "--skip-invalid")
        assert result.code == 3
        found = [line["status"] for line in result.lines]
        assert len(found) == 82
        for status in ("linked", "partial", "failed", "unprocessed", "skipped"):
            if status in found:
                assert f"{found.count(status):>9,}  {status}\n" in result.err
        assert [line["ok"] for line in result.lines] == [
            one in {"linked", "skipped"} for one in found
        ]


def test_what_an_earlier_run_linked_is_told_as_such(
    link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """It is ok, without a call."""
    start_portal()
    link(pairs_file, "--run", folder)
    (reason,) = {tuple(line["reason"].values()) for line in _again(link, pairs_file, folder)}
    assert reason == ("LINKED_BEFORE", "was linked in an earlier run")


def _again(link: Command, pairs: Path, folder: Path) -> list[dict[str, Any]]:
    lines = link(pairs, "--run", folder, "--stream").lines
    assert len(lines) == 10
    assert all(line["ok"] and line["attempts"] == 0 for line in lines)
    return lines


def test_what_was_not_sent_says_why(
    link: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """After a stop each of the others has its line, too."""
    start_portal(tokens=("another",))
    result = link(pairs_file, "--stream")
    assert result.code == 4
    assert {line["status"] for line in result.lines} == {"unprocessed"}
    assert {line["error"]["category"] for line in result.lines} == {"INVALID_AUTHENTICATION"}
    assert len(result.lines) == 10


def test_several_inputs_and_tags_are_told(
    link: Command, start_portal: StartPortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which input a line is of, and what an object of JSON Lines has as its tag."""
    start_portal()
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "a.csv", 1)
    (tmp_path / "b.jsonl").write_text(
        '{"from": "deals:7", "to": "contacts:8", "tag": {"order": [1]}}\n{"from": "deals:7"}\n',
        encoding="utf-8",
    )
    lines = link("a.csv", "b.jsonl", "--stream", "--skip-invalid").lines
    reported = {(line["input"], line["line"]): line for line in lines}
    assert sorted(reported) == [("a.csv", 2), ("b.jsonl", 1), ("b.jsonl", 2)]
    assert reported["b.jsonl", 1]["tag"] == {"order": [1]}
    assert "tag" not in reported["a.csv", 2]
    assert reported["b.jsonl", 2]["status"] == "invalid"


def test_interesting_text_is_ascii(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Whatever the input holds, the lines can be written and read."""
    start_portal()
    (tmp_path / "pairs.jsonl").write_text(
        '{"from": "contacts:1", "to": "companies:2", "tag": "ä☃\\u2028"}\n', encoding="utf-8"
    )
    result = link(tmp_path / "pairs.jsonl", "--stream")
    assert result.out.isascii()
    assert result.lines[0]["tag"] == "ä☃\u2028"


# --- the order ---------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [False, True])
def test_in_the_inputs_order(
    link: Command, start_portal: StartPortal, tmp_path: Path, folder: Path, *, run: bool
) -> None:
    """Every kind of row, at the beginning, in the midst and at the end, of two files."""
    start_portal(latency=UNEVEN, missing_share=0.1)
    first = tmp_path / "a.csv"
    rows = ["1e5,1" if n % 7 == 0 else f"{n % 50 + 1},{n % 50 + 2}" for n in range(150)]
    first.write_text("\n".join(["from_id,to_id", *rows, "x", ""]), encoding="utf-8")
    second = write_pairs(tmp_path / "b.csv", 60, "1e5,2\n")
    more = ("--run", folder) if run else ()
    result = link(first, second, "--stream", "--ordered", "--skip-invalid", *more)
    places = [(line["input"], line["line"]) for line in result.lines]
    assert places == [(str(first), n) for n in range(2, 153)] + [
        (str(second), n) for n in range(2, 63)
    ]
    assert {"linked", "failed", "skipped", "invalid"} == {line["status"] for line in result.lines}


def test_without_order_none_waits_for_another(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """A pair that takes long is reported late, and holds back no other."""
    script = {("contacts", "1", "companies", "100001"): ("slow",)}
    start_portal(faults=FaultPlan(script=script, slow_seconds=0.3))
    lines = link(write_pairs(tmp_path / "pairs.csv", 20), "--stream").lines
    assert lines[-1]["line"] == 2
    ordered = link(tmp_path / "pairs.csv", "--stream", "--ordered").lines
    assert [line["line"] for line in ordered] == list(range(2, 22))


# --- the pipe ----------------------------------------------------------------------------------


@pytest.fixture
def reader_leaves(start_portal: StartPortal, tmp_path: Path) -> tuple[Any, list[object], Path]:
    """Return a portal, the command for a long file, and its run folder."""
    portal = start_portal(latency=Latency(after_median=0.03))
    pairs, folder = write_pairs(tmp_path / "pairs.csv", 2000), tmp_path / "run"
    return (
        portal,
        [*COMMAND, "link", "--no-check", pairs, *TYPES, *FAST, "--stream", "--run", folder],
        folder,
    )


@pytest.mark.looptime(False)
def test_a_reader_that_leaves_stops_the_run(
    reader_leaves: tuple[Any, list[object], Path], command: Command
) -> None:
    """In good order: exit code 5, what is in flight ends, the summary says why, no traceback."""
    portal, call, folder = reader_leaves
    with started(*call) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(20):
            assert json.loads(process.stdout.readline())["ok"]
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(300) == 5
    assert "Stopped early: cannot write standard output: Broken pipe" in err
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    linked = {row.pair.from_id for row in Journal(folder).rows(Status.LINKED)}
    assert {pair.from_id for pair in portal.portal.ledger.links} == linked
    assert 20 <= len(linked) < 2000
    assert command("resume", "--no-check", folder, "--json").reported["linked"] == 2000 - len(
        linked
    )


@pytest.mark.looptime(False)
def test_lines_come_as_rows_do(start_portal: StartPortal) -> None:
    """A pair that is piped in is reported while the pipe is still open."""
    start_portal()
    with started(*LINK, "--stream", stdin="from_id,to_id\n") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # Nothing is sent before the first 1,000 rows are checked.
        process.stdin.write("".join(f"{n},{n}\n" for n in range(1, 1001)))
        process.stdin.flush()
        reported = [json.loads(process.stdout.readline()) for _ in range(1000)]
        assert {line["line"] for line in reported} == set(range(2, 1002))
        for number in range(1001, 1004):
            process.stdin.write(f"{number},{number}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["from"] == f"contacts:{number}"
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (0, "")
    assert "1,003  linked" in err
