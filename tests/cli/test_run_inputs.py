"""A run folder and its inputs: several files, the same pairs again, standard input."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from aiohubassoc import Journal
from tests.cli.conftest import FAST, TYPES, sent_to, write_pairs
from tests.cli.processes import COMMAND, started

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.cli.conftest import Command, Result, StartPortal


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: files in it are called by their names alone."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _examples(result: Result) -> dict[str, dict[str, Any]]:
    return {one["category"]: one["example"] for one in result.reported["categories"]}


# --- several files -----------------------------------------------------------------------------


def test_a_line_is_told_with_its_file(link: Command, start_portal: StartPortal, here: Path) -> None:
    """The same line of each of two files is another pair, in this run and in the next one."""
    start_portal(records_up_to=1000)
    (here / "a.csv").write_text("from_id,to_id\n1,11\n2,12\n3,13\n4,14\n", encoding="utf-8")
    (here / "b.csv").write_text("from_id,to_id\n5,15\n6,16\n7,17\n8,9999\n", encoding="utf-8")
    for counts in ((7, 0), (0, 7)):
        result = link("a.csv", "b.csv", "--run", "run", "--json")
        assert result.code == 1
        assert counts == (result.reported["linked"], result.reported["skipped"])
        example = _examples(result)["VALIDATION_ERROR"]
        assert (example["line"], example["place"]) == (5, "line 5 of b.csv")
        assert example["pair"] == "contacts:8 -> companies:9999"
    assert [(0, n) for n in (2, 3, 4, 5)] + [(1, n) for n in (2, 3, 4, 5)] == [
        (row.source, row.line) for row in Journal("run").rows()
    ]


def test_what_the_limit_left_of_several_files_is_sent(
    link: Command, command: Command, start_portal: StartPortal, here: Path
) -> None:
    """The rest of the file where it ended, and all of the next ones."""
    portal = start_portal(daily_limit=13)
    names = [f"{name}.csv" for name in "abc"]
    for number, name in enumerate(names):
        rows = "".join(f"{number}{n:02},{n + 1}\n" for n in range(10))
        (here / name).write_text(f"from_id,to_id\n{rows}".replace("\n0", "\n9"), encoding="utf-8")
    assert link(*names, "--run", "run").code == 3
    next_day = start_portal(instead_of=portal)
    assert command("resume", "--no-check", "run", "--json").reported["linked"] == 17
    assert set((sent_to(portal) + sent_to(next_day)).values()) == {1}
    assert len(sent_to(portal) + sent_to(next_day)) == 30


def test_a_pair_of_two_files_is_sent_once(
    link: Command, command: Command, start_portal: StartPortal, here: Path
) -> None:
    """The second one names the first one's place; it does so in the next run, too."""
    portal = start_portal()
    write_pairs(here / "a.csv", 3)
    (here / "b.csv").write_text("from_id,to_id\n9,19\n2,100002\n9,19\n", encoding="utf-8")
    first = link("a.csv", "b.csv", "--run", "run", "--json")
    assert (first.code, first.reported["linked"], first.reported["skipped"]) == (0, 4, 2)
    for result in (first, link("a.csv", "b.csv", "--run", "run", "--json")):
        counts = {one["category"]: one["count"] for one in result.reported["categories"]}
        assert counts["DUPLICATE"] == 2
        example = _examples(result)["DUPLICATE"]
        assert (example["place"], example["message"]) in {
            ("line 3 of b.csv", "repeats line 3 of a.csv"),
            ("line 4 of b.csv", "repeats line 2 of b.csv"),
        }
    assert command("status", "run", "--json").reported["linked"] == 4
    assert set(sent_to(portal).values()) == {1}


@pytest.mark.parametrize("given", ["a.csv", "-"])
def test_a_duplicate_of_a_failed_pair_is_no_second_failure(
    link: Command, start_portal: StartPortal, here: Path, given: str
) -> None:
    """Neither in this run nor in the next one."""
    start_portal(records_up_to=1000)
    content = write_pairs(here / "a.csv", 0, "1,9999\n1,9999\n").read_bytes()
    for _ in range(2):
        stdin = content if given == "-" else None
        reported = link(given, "--run", "run", "--json", stdin=stdin).reported
        assert (reported["failed"], reported["skipped"], reported["exit_code"]) == (1, 1, 1)


@pytest.mark.parametrize("name", ["./a.csv", "sub/../a.csv", "moved/renamed.csv"])
def test_the_same_file_by_another_name_is_the_same_input(
    link: Command, start_portal: StartPortal, here: Path, name: str
) -> None:
    """What counts is what it holds."""
    start_portal()
    write_pairs(here / "a.csv", 5)
    assert link("a.csv", "--run", "run").code == 0
    (here / "sub").mkdir()
    if name.startswith("moved"):
        (here / "moved").mkdir()
        (here / "a.csv").rename(name)
    assert link(name, "--run", "run", "--json").reported["skipped"] == 5


# --- standard input ----------------------------------------------------------------------------

_STDIN = b"note,from_id,to_id\n" + b"".join(b"n%d,%d,%d\n" % (n, n, n + 1) for n in range(1, 13))


def test_a_pipe_read_to_its_end_needs_not_be_given_again(
    link: Command, command: Command, start_portal: StartPortal, folder: Path
) -> None:
    """What is not settled is taken from the folder; it knows the lines, and rows are not lost."""
    portal = start_portal(daily_limit=5)
    first = link("-", "--run", folder, "--json", stdin=_STDIN)
    assert (first.code, first.reported["linked"], first.reported["unprocessed"]) == (3, 5, 7)
    next_day = start_portal(instead_of=portal, records_up_to=12)
    again = command("resume", "--no-check", folder, "--json")
    assert (again.code, again.reported["linked"], again.reported["skipped"]) == (1, 6, 5)
    example = _examples(again)["VALIDATION_ERROR"]
    assert (example["place"], example["pair"]) == ("line 13", "contacts:12 -> companies:13")
    assert set((sent_to(portal) + sent_to(next_day)).values()) == {1}
    mended = start_portal(instead_of=next_day)
    last = command("resume", "--no-check", folder, "--retry-failed", "--json").reported
    assert (last["linked"], last["skipped"], last["exit_code"]) == (1, 11, 0)
    assert list(sent_to(mended)) == [("12", "13")]
    exported = command("export", folder).out.splitlines()
    assert exported[0].startswith("note,from_id,to_id,status")
    assert [line.split(",")[0] for line in exported[1:]] == [f"n{n}" for n in range(1, 13)]


def test_unusable_rows_of_a_pipe_are_told_again(
    link: Command, command: Command, start_portal: StartPortal, folder: Path
) -> None:
    """They are no less unusable then, and nobody is asked about them."""
    start_portal()
    stdin = b"from_id,to_id\n1,2\n1e5,2\n"
    assert link("-", "--run", folder, "--skip-invalid", stdin=stdin).code == 1
    reported = command("resume", "--no-check", folder, "--json").reported
    assert (reported["skipped"], reported["invalid"], reported["exit_code"]) == (1, 1, 1)
    assert reported["invalid_lines"][0]["place"] == "line 3"


@pytest.fixture
def cut_short(command: Command, start_portal: StartPortal, folder: Path) -> tuple[bytes, Any]:
    """Return what is piped, and the portal of a run that stopped before it had read all of it."""
    portal = start_portal()
    rows = b"".join(b"%d,%d\n" % (n, n + 1) for n in range(1, 1501))
    whole = b"from_id,to_id\n" + rows.replace(b"\n1200,", b"\n1e5,")
    stopped = command("link", "-", "--run", folder, "--strict", *TYPES, *FAST, stdin=whole)
    assert stopped.code == 3
    assert "The input was not read to its end." in stopped.out
    return whole, portal


def test_a_pipe_not_read_to_its_end_must_be_given_again(
    command: Command, cut_short: tuple[bytes, Any], folder: Path
) -> None:
    """``resume`` has no way to know the rest, and says what to do; nothing is sent."""
    _, portal = cut_short
    requests = portal.portal.ledger.requests
    reported = f"To continue, give the input again, with the same command and --run {folder}\n"
    assert reported in command("status", folder).out
    result = command("resume", "--no-check", folder)
    assert result.code == 2
    assert "standard input, and it was not read to its end: give it again" in result.err
    assert f"with the same command and --run {folder}" in result.err
    assert portal.portal.ledger.requests == requests


def test_the_same_command_goes_on_with_the_same_pipe(
    link: Command, command: Command, cut_short: tuple[bytes, Any], folder: Path
) -> None:
    """What is linked is skipped; once all was read, ``resume`` needs no pipe."""
    whole, portal = cut_short
    linked = len(portal.portal.ledger.links)
    assert linked >= 1000
    reported = link("-", "--run", folder, "--skip-invalid", "--json", stdin=whole).reported
    assert (reported["linked"], reported["skipped"], reported["invalid"]) == (
        1499 - linked,
        linked,
        1,
    )
    assert set(sent_to(portal).values()) == {1}
    assert command("resume", "--no-check", folder, "--json").reported["skipped"] == 1499


def test_a_longer_pipe_must_be_given_again_too(
    link: Command, command: Command, start_portal: StartPortal, folder: Path
) -> None:
    """It begins like one that was read to its end; what lies behind that nobody has read."""
    start_portal()
    rows = [b"%d,%d\n" % (n, n + 1) for n in range(1, 1501)]
    head, tail = b"from_id,to_id\n" + b"".join(rows[:10]), b"".join(rows[10:])
    assert link("-", "--run", folder, stdin=head).code == 0
    longer = head + tail + b"1e5,7\n" + b"".join(b"5,%d\n" % n for n in range(1, 1500))
    assert link("-", "--run", folder, "--strict", stdin=longer).code == 3
    result = command("resume", "--no-check", folder)
    assert result.code == 2
    assert "it was not read to its end: give it again" in result.err
    result = command("export", folder, "--unprocessed")
    assert "Rows that no run has read are missing here" in result.err


def test_another_pipe_is_another_job(
    link: Command, cut_short: tuple[bytes, Any], folder: Path
) -> None:
    """As far as its columns and first row show."""
    result = link("-", "--run", folder, stdin=b"from_id,to_id\n77,88\n")
    assert result.code == 2
    assert "input 1 is another file, or has changed" in result.err


@pytest.mark.looptime(False)
@pytest.mark.parametrize("name", ["status", "resume"])
def test_a_named_pipe_is_not_opened_again(
    link: Command, start_portal: StartPortal, tmp_path: Path, folder: Path, *, name: str
) -> None:
    """It would wait for a writer for ever, or take rows away from a run that reads them."""
    portal = start_portal()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"from_id,to_id\n1,2\n",))
    writer.start()
    assert link(pipe, "--run", folder).code == 0
    writer.join()
    with started(*COMMAND, name, folder, "--json") as process:
        out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    reported = json.loads(out)
    assert (reported["linked"], reported.get("input_rows")) == (1 if name == "status" else 0, None)
    assert portal.portal.ledger.requests == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status",), 0),
        (("report", "--output", os.devnull), 0),
        (("export",), 1),
        (("resume", "--no-check"), 2),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_a_file_that_is_a_named_pipe_by_now_is_not_waited_for(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    *,
    arguments: tuple[str, ...],
    code: int,
) -> None:
    """Nobody may ever write to it."""
    start_portal()
    assert link(pairs_file, "--run", folder, "--limit", 2).code == 0
    pairs_file.unlink()
    os.mkfifo(pairs_file)
    result = command(*arguments, folder)
    assert result.code == code
    problem = f"cannot read {pairs_file} again: it is no longer a plain file"
    assert (problem in result.err) == (code != 0)
