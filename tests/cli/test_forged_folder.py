"""A run folder whose values were forged, or written by who knows what: an error, no traceback."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.journal.schema import open_for_writing
from tests.cli.conftest import write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

DAMAGED = "journal.db is damaged. Link again in another folder, with skip_linked"
WRONG = [5, "x", [1], {"a": 1}, None]


def _forge(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "journal.db")) as db, db:
        db.execute(statement, values)


@pytest.fixture
def ran(link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path) -> Path:
    """Return a folder with linked pairs and a rejected row."""
    start_portal()
    write_pairs(pairs_file, 2, "1e5,7\n")
    assert link(pairs_file, "--run", folder, "--skip-invalid").code == 1
    return folder


def _forge_command(folder: Path, forged: dict[str, object]) -> None:
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        (value,) = db.execute("select value from header where name = 'command'").fetchone()
    changed = json.dumps(json.loads(value) | forged)
    _forge(folder, "update header set value = ? where name = 'command'", changed)


def _use(command: Command, folder: Path) -> set[int]:
    """Call what reads a folder; return the exit codes. A traceback fails the test."""
    output = folder.with_name("report.html")
    calls = [("status", folder), ("status", folder, "--json"), ("export", folder)]
    calls += [("report", folder, "--output", output), ("resume", folder, "--no-check")]
    return {command(*call).code for call in calls}


@pytest.mark.parametrize("name", ["job", "columns", "names", "inputs", "has_objects"])
def test_a_value_of_the_header_of_another_type(command: Command, ran: Path, name: str) -> None:
    """Each command that needs it says that the folder is damaged."""
    for wrong in WRONG:
        if name == "job" and isinstance(wrong, dict):
            continue
        _forge(ran, "update header set value = ? where name = ?", json.dumps(wrong), name)
        result = command("status", ran)
        assert (result.code, DAMAGED in result.err) == (5, True), (name, wrong)
        assert _use(command, ran) == {5}


@pytest.mark.parametrize("name", ["job", "columns", "names", "inputs"])
def test_a_value_of_the_header_that_is_missing(command: Command, ran: Path, name: str) -> None:
    """So too: the command line keeps all of them together."""
    _forge(ran, "delete from header where name = ?", name)
    assert _use(command, ran) == {5}


@pytest.mark.parametrize(
    "forged",
    [
        {"input": {"delimiter": 5}},
        {"input": {"encoding": None}},
        {"pace": {"share": "x"}},
        {"send": {"via": "post"}},
        {"check": {"stop_after_alike": "x"}},
        {"portal": {"base_url": [1]}},
        {"input": 5},
    ],
    ids=str,
)
def test_a_kept_command_of_another_type(
    command: Command, ran: Path, forged: dict[str, object]
) -> None:
    """It counts as that of another version: what needs no command can still be done."""
    _forge_command(ran, forged)
    assert _use(command, ran) == {0, 2}
    result = command("resume", ran, "--no-check")
    assert result.code == 2
    assert "made by another version of the command" in result.err


@pytest.mark.parametrize("files", [5, "p.csv", [5], None])
def test_a_kept_command_without_files(command: Command, ran: Path, files: object) -> None:
    """No version has none."""
    _forge_command(ran, {"files": files})
    assert _use(command, ran) == {5}


@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize("from_id", ["", "a b", "..", "1\n2"])
def test_ids_that_no_run_has_read(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    folder: Path,
    *,
    from_id: str,
    via: str,
) -> None:
    """Nothing of them is sent where the folder itself is the input, as after a pipe."""
    portal = start_portal()
    assert link("-", "--run", folder, stdin=b"from_id,to_id\n1,2\n3,4\n").code == 0
    _forge(folder, "update pairs set from_id = ?, status = 4 where id = 1", from_id)
    sent = portal.portal.ledger.requests
    for call in (("resume", folder, "--no-check", "--via", via), ("verify", folder, "--all")):
        result = command(*call)
        assert result.code == 5, call
        assert DAMAGED in result.err + result.out
    assert portal.portal.ledger.requests == sent


@pytest.mark.parametrize("fields", ["5", "null", '"x"', "1.5"])
def test_cells_of_a_rejected_row_that_are_none(command: Command, ran: Path, fields: str) -> None:
    """An export says so."""
    _forge(ran, "update unusable set fields = ?", fields)
    for format_ in ("csv", "jsonl"):
        assert command("export", ran, "--format", format_).code == 5


@pytest.mark.parametrize(
    "forged",
    [
        *({"linked": "x"}, {"missing": None}, {"unknown": 1.5}, {"first_missing": 5}),
        *({"first_unknown": [1]}, {"first_missing": [{"pair": 1, "place": "", "message": ""}]}),
    ],
    ids=str,
)
def test_what_was_read_back_of_another_type(
    command: Command, ran: Path, forged: dict[str, object]
) -> None:
    """Status and report say that the folder is damaged."""
    assert command("verify", ran).code == 0
    with closing(sqlite3.connect(ran / "journal.db")) as db:
        (kept,) = db.execute("select value from verifications").fetchone()
    changed = json.dumps(json.loads(kept) | forged)
    _forge(ran, "update verifications set value = ?", changed)
    assert command("status", ran).code == 5
    assert command("report", ran, "--output", ran.with_name("report.html")).code == 5


@pytest.mark.parametrize(
    "column",
    [
        *("sessions.stopped", "sessions.version", "types.from_type", "unusable.problem"),
        *("pairs.message", "pairs.category", "pairs.from_id", "pairs.correlation_id"),
    ],
)
def test_bytes_in_place_of_text(command: Command, ran: Path, column: str) -> None:
    """SQLite takes them in any column."""
    table, name = column.split(".")
    _forge(ran, f"update {table} set {name} = ?", b"\xff")  # noqa: S608 -- ours
    assert 5 in _use(command, ran)


def test_a_folder_in_which_no_run_has_begun(command: Command, tmp_path: Path) -> None:
    """The first run was killed between its tables and its first words: nothing of it is known."""
    folder = tmp_path / "run"
    folder.mkdir()
    open_for_writing(folder).close()
    result = command("status", folder)
    assert (result.code, result.err) == (0, "")
    assert f"{folder}: unfinished" in result.out
    assert _use(command, folder) <= {0, 2}
