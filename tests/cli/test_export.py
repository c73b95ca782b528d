"""``aiohubassoc export``: the user's own rows, with what became of them."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiohubassoc.cli import folder_commands
from aiohubassoc.simulator import FaultPlan, Latency
from tests.cli.conftest import FAST, sent_to, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from aiohubassoc.files.results import RowResult
    from aiohubassoc.journal.reader import JournalRow
    from tests.cli.conftest import Command, Result, StartPortal

ADDED = ["status", "category", "message", "correlation_id"]


@pytest.fixture
def mixed(
    link: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> dict[str, set[str]]:
    """Return the notes of the rows of a folder, by what became of them: some of each kind."""
    script: dict[tuple[str, str, str, str], tuple[str | None, ...]] = {
        ("contacts", "2", "companies", "12"): ("partial_207",),
    }
    start_portal(daily_limit=5, records_up_to=50, faults=FaultPlan(script=script))
    (tmp_path / "pairs.csv").write_text(
        "note, from_id ,to_id\n"
        "a,1,11\nb,2,12\nc,3,99\nd,1e5,14\ne,5,15\nf,6,16\ng,7,17\nh,8,18\ni,1,11\n",
        encoding="utf-8",
    )
    call = (tmp_path / "pairs.csv", "--run", folder, "--concurrency", "1", "--skip-invalid")
    assert link(*call).code == 3
    return {
        "linked": {"a", "e", "f"},
        "failed": {"c"},
        "partial": {"b"},
        "invalid": {"d"},
        "unprocessed": {"g", "h"},
    }


def _rows(result: Result) -> list[dict[str, str]]:
    assert result.code == 0, result
    return list(csv.DictReader(io.StringIO(result.out)))


def _notes(rows: list[dict[str, str]]) -> dict[str, set[str]]:
    notes: dict[str, set[str]] = {}
    for row in rows:
        notes.setdefault(row["status"], set()).add(row["note"])
    return notes


# --- which rows --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "statuses"),
    [
        ((), {"linked", "failed", "partial", "invalid", "unprocessed"}),
        (("--linked",), {"linked"}),
        (("--failed",), {"failed", "partial", "invalid"}),
        (("--unprocessed",), {"unprocessed"}),
        (("--failed", "--unprocessed"), {"failed", "partial", "invalid", "unprocessed"}),
        (("--linked", "--unprocessed"), {"linked", "unprocessed"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_each_selection(
    command: Command,
    mixed: dict[str, set[str]],
    folder: Path,
    *,
    options: tuple[str, ...],
    statuses: set[str],
) -> None:
    """The rows of these kinds and no others, each once; without a selection all of them."""
    rows = _rows(command("export", folder, *options))
    assert _notes(rows) == {status: mixed[status] for status in statuses}
    assert len(rows) == sum(len(mixed[status]) for status in statuses)


@pytest.mark.parametrize("options", [(), ("--unprocessed",)])
def test_rejected_rows_that_were_not_read_are_there(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    folder: Path,
    *,
    options: tuple[str, ...],
) -> None:
    """Each once: also those of several files, and not those that a run has read."""
    start_portal()
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("from_id,to_id\n1,2\nx,1\n3,4\ny,2\n5,6\n", encoding="utf-8")
    b.write_text("from_id,to_id\nz,1\n,\n7,8\nw,2\n", encoding="utf-8")
    link(a, b, "--run", folder, "--skip-invalid", "--limit", "2")
    rows = _rows(command("export", folder, *options))
    found = [(row["from_id"], row["status"]) for row in rows]
    unread = [*(("y", "invalid"), ("5", "unprocessed"), ("z", "invalid"))]
    unread += [("7", "unprocessed"), ("w", "invalid")]
    read = [("1", "linked"), ("3", "linked"), ("x", "invalid")]
    assert found == ([] if options else read) + unread
    assert rows[-1]["message"] == "from_id is 'w', a name or other text"


def test_rows_are_the_users_own(command: Command, mixed: dict[str, set[str]], folder: Path) -> None:
    """Columns under their names, in their order, as they were written; the reason is behind."""
    result = command("export", folder)
    header, *lines = result.out.splitlines()
    assert header == "note, from_id ,to_id,status,category,message,correlation_id"
    assert "a,1,11,linked,,," in lines
    rows = {row["note"]: row for row in _rows(result)}
    assert (rows["c"]["status"], rows["c"]["category"]) == ("failed", "VALIDATION_ERROR")
    assert "COMPANY=99 is not valid" in rows["c"]["message"]
    assert len(rows["c"]["correlation_id"]) == 36
    assert (rows["d"]["status"], rows["d"]["category"]) == ("invalid", "INVALID_ROW")
    assert rows["d"]["message"].startswith("from_id is '1e5'")
    assert "daily" in rows["h"]["message"].casefold()


def test_rows_of_one_kind_are_in_the_inputs_order(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Whatever order they were completed in."""
    start_portal(latency=Latency(after_median=0.01, after_sigma=1.0))
    link(write_pairs(tmp_path / "pairs.csv", 200), "--run", folder)
    exported = [row["from_id"] for row in _rows(command("export", folder))]
    assert exported == [str(n) for n in range(1, 201)]


def test_columns_of_the_same_names_are_told_apart(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Ours get a prefix; the user's stay."""
    start_portal(records_up_to=10)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("from_id,to_id,Status,message\n1,99,new,hello\n", encoding="utf-8")
    link(pairs, "--run", folder)
    header, row = csv.reader(io.StringIO(command("export", folder).out))
    added = ["aiohubassoc_status", "category", "aiohubassoc_message", "correlation_id"]
    assert header == ["from_id", "to_id", "Status", "message", *added]
    assert row[:6] == ["1", "99", "new", "hello", "failed", "VALIDATION_ERROR"]
    (reported,) = command("export", folder, "--format", "jsonl").lines
    assert list(reported) == header
    assert (reported["message"], reported["aiohubassoc_status"]) == ("hello", "failed")


def test_cells_come_back_as_they_were(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Quotes, line ends, blanks, letters of any kind, and bytes that no encoding has."""
    start_portal(records_up_to=10)
    cells = [' "a" ', "one\ntwo", "one\rtwo", "ä ☃ 𝄞", "[bold]x[/]", "=1+1", ""]
    pairs = tmp_path / "pairs.csv"
    with pairs.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["note", "from_id", "to_id"])
        writer.writerows([cell, f" {n} ", "99"] for n, cell in enumerate(cells, 1))
    with pairs.open("ab") as file:
        file.write(b"caf\xe9,7,8\n")
    link(pairs, "--run", folder, "--skip-invalid")
    exported = tmp_path / "exported.csv"
    assert command("export", folder, "--output", exported).code == 0
    with exported.open(encoding="utf-8", newline="", errors="surrogateescape") as file:
        rows = list(csv.reader(file))[1:]
    assert [row[:3] for row in rows[:-1]] == [
        [cell, f" {n} ", "99"] for n, cell in enumerate(cells, 1)
    ]
    assert b"caf\xe9,7,8,invalid" in exported.read_bytes()


@pytest.mark.parametrize("to_file", [True, False])
def test_no_cell_is_a_formula_of_a_spreadsheet(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    folder: Path,
    *,
    to_file: bool,
) -> None:
    """With the option: names of columns, cells and messages, in any row; the rest is as it was."""
    start_portal(records_up_to=10)
    formulas = ["=cmd|'/C calc'!A0", "+1+1", "@SUM(1)", "-2", "\t=1", "\r=1", "\n=1", "\uff1d1+1"]
    kept = ["a=1", "1-2", "", "'x", " =1", "jo@x.de"]
    pairs = tmp_path / "pairs.csv"
    with pairs.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["=note", "from_id", "to_id"])
        writer.writerows([cell, "1", n] for n, cell in enumerate([*formulas, *kept], 2))
        writer.writerow(["x", "=HYPERLINK(1)", "5"])
    link(pairs, "--run", folder, "--skip-invalid")
    options = ("--safe-for-spreadsheets", *(("--output", tmp_path / "x.csv") if to_file else ()))
    result = command("export", folder, *options)
    assert result.code == 0, result
    written = (tmp_path / "x.csv").read_bytes().decode() if to_file else result.out
    header, *rows = csv.reader(io.StringIO(written, newline=""))
    assert header == ["'=note", "from_id", "to_id", *ADDED]
    assert [row[0] for row in rows] == [*(f"'{cell}" for cell in formulas), *kept, "x"]
    assert rows[-1][1] == "'=HYPERLINK(1)"
    raw = csv.DictReader(io.StringIO(command("export", folder).out, newline=""))
    assert [row["=note"] for row in raw] == [*formulas, *kept, "x"]


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_only_csv_is_made_safe_for_spreadsheets(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    folder: Path,
    *,
    name: str,
) -> None:
    """No spreadsheet takes a cell of the other formats for a formula: it is refused."""
    start_portal()
    link(write_pairs(tmp_path / "pairs.csv", 1), "--run", folder)
    result = command("export", folder, "--output", tmp_path / name, "--safe-for-spreadsheets")
    assert (result.code, "--safe-for-spreadsheets is for CSV" in result.err) == (2, True)
    assert not (tmp_path / name).exists()


def test_every_row_is_there_once_also_while_a_run_goes_on(
    command: Command,
    link: Command,
    start_portal: StartPortal,
    folder: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """As of the moment at which the export began."""
    start_portal()
    pairs, written = write_pairs(tmp_path / "pairs.csv", 5), folder_commands.to_result
    assert link(pairs, "--run", folder, "--limit", "2").code == 0

    calls: list[JournalRow] = []

    def write_late(row: JournalRow) -> RowResult:
        calls.append(row)
        if len(calls) == 2:  # after the first row was looked at for its columns
            assert link(pairs, "--run", folder).code == 0
        return written(row)

    monkeypatch.setattr(folder_commands, "to_result", write_late)
    assert command("export", folder, "--output", tmp_path / "rows.csv").code == 0
    rows = csv.DictReader((tmp_path / "rows.csv").read_text(encoding="utf-8").splitlines())
    assert [row["category"] for row in rows] == ["", "", "NOT_READ", "NOT_READ", "NOT_READ"]


def test_a_folder_that_may_not_be_looked_at(
    command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and not the output."""

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(folder), "is_file", refuse)
    result = command("export", folder)
    assert (result.code, result.err) == (
        5,
        f"aiohubassoc: Cannot use {folder / 'journal.db'}: Permission denied\n",
    )


def test_rows_of_several_files(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Under the columns of all of them; a file that lacks one has nothing there."""
    start_portal()
    (tmp_path / "a.csv").write_text("from_id,to_id,note\n1,2,x\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("to_id,from_id,size\n3,4,XL\n", encoding="utf-8")
    link(tmp_path / "a.csv", tmp_path / "b.csv", "--run", folder)
    rows = _rows(command("export", folder))
    assert [[row[name] for name in ("from_id", "to_id", "note", "size")] for row in rows] == [
        ["1", "2", "x", ""],
        ["4", "3", "", "XL"],
    ]


def test_what_is_exported_can_be_linked_and_exported_again(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Its reasons are those of the last run then: no column is there twice."""
    portal = start_portal(records_up_to=100)
    (tmp_path / "pairs.csv").write_text("n,from_id,to_id\na,1,2\nb,3,999\n", encoding="utf-8")
    link(tmp_path / "pairs.csv", "--run", folder)
    failed, second = tmp_path / "failed.csv", tmp_path / "second"
    command("export", folder, "--failed", "--output", failed)
    start_portal(instead_of=portal)
    assert link(failed, "--run", second).code == 0
    assert (
        command("export", second).out == f"n,from_id,to_id,{','.join(ADDED)}\nb,3,999,linked,,,\n"
    )


# --- JSON and HubSpot's exports ----------------------------------------------------------------


@pytest.fixture
def objects(link: Command, start_portal: StartPortal, tmp_path: Path, folder: Path) -> list[Any]:
    """Return the objects of a file of JSON Lines of which the last failed."""
    start_portal(records_up_to=10)
    objects = [
        {"from": "contacts:1", "to": "companies:2", "tag": {"order": [1, None, 2.5]}},
        {"to_id": 4, "from_id": "3", "ünïcode": "ä☃"},
        {"from": "contacts:5", "to": "deals:99", "status": "mine"},
    ]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(f"{json.dumps(one)}\n" for one in objects), encoding="utf-8")
    assert link(pairs, "--run", folder).code == 1
    return objects


@pytest.mark.parametrize("way", ["--format", "--output"])
def test_json_lines_come_back_as_their_own_objects(
    command: Command, objects: list[Any], folder: Path, tmp_path: Path, *, way: str
) -> None:
    """With the reason behind, whose names are distinguished from their own."""
    if way == "--format":
        reported = command("export", folder, "--format", "jsonl").lines
    else:
        assert command("export", folder, "--output", tmp_path / "out.jsonl").code == 0
        text = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
        reported = [json.loads(line) for line in text.splitlines()]
    nothing = {"status": "linked", "category": None, "message": None, "correlation_id": None}
    assert reported[:2] == [{**one, **nothing} for one in objects[:2]]
    assert {name: reported[2][name] for name in objects[2]} == objects[2]
    assert (reported[2]["aiohubassoc_status"], reported[2]["category"]) == (
        "failed",
        "VALIDATION_ERROR",
    )


def test_json_lines_as_csv(command: Command, objects: list[Any], folder: Path) -> None:
    """Every name that any of them has is a column."""
    rows = _rows(command("export", folder, "--format", "csv"))
    assert [row["tag"] for row in rows] == ['{"order": [1, null, 2.5]}', "", ""]
    assert [row["from_id"] for row in rows] == ["", "3", ""]
    assert [row["ünïcode"] for row in rows] == ["", "ä☃", ""]
    assert [row["status"] for row in rows] == ["", "", "mine"]
    assert [row["aiohubassoc_status"] for row in rows] == ["linked", "linked", "failed"]


@pytest.mark.parametrize("way", ["export", "--failures"])
def test_a_cell_with_several_ids_comes_back_as_several_rows(
    command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path, *, way: str
) -> None:
    """Each with its own id, so that those that failed can be linked again alone."""
    portal = start_portal(records_up_to=50)
    export = tmp_path / "hubspot.csv"
    export.write_text(
        "Record ID,Deal Name,Associated Contact IDs\n1,Big,11;99;13\n2,Small,14\n3,None,\n",
        encoding="utf-8",
    )
    failed = tmp_path / "failed.csv"
    written = ("--failures", failed) if way == "--failures" else ()
    call = ("link", export, "--from", "deals", "--run", folder, *FAST, *written)
    assert command(*call).code == 1
    columns = ("Record ID", "Deal Name", "Associated Contact IDs", "status")
    rows = _rows(command("export", folder))
    assert sorted(tuple(row[name] for name in columns) for row in rows) == [
        ("1", "Big", "11", "linked"),
        ("1", "Big", "13", "linked"),
        ("1", "Big", "99", "failed"),
        ("2", "Small", "14", "linked"),
    ]
    if way == "export":
        command("export", folder, "--failed", "--output", failed)
    mended = start_portal(instead_of=portal)
    reported = command("link", failed, "--from", "deals", *FAST, "--json").reported
    assert (reported["total"], reported["linked"]) == (1, 1)
    assert list(sent_to(mended)) == [("1", "99")]


@pytest.mark.parametrize("way", ["export", "--failures"])
def test_a_list_comes_back_as_its_ids(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    folder: Path,
    *,
    way: str,
) -> None:
    """Of Parquet, as text that can be linked again."""
    portal = start_portal(records_up_to=50)
    table = pa.table({"from_id": [1], "ids": pa.array([["11", None, "99", "13"]])})
    pq.write_table(table, tmp_path / "lists.parquet")
    failed, column = tmp_path / "failed.csv", ("--to-column", "ids")
    written = ("--failures", failed) if way == "--failures" else ()
    assert link(tmp_path / "lists.parquet", *column, "--run", folder, *written).code == 1
    if way == "export":
        command("export", folder, "--failed", "--output", failed)
    mended = start_portal(instead_of=portal)
    assert link(failed, *column, "--json").reported["linked"] == 1
    assert list(sent_to(mended)) == [("1", "99")]
