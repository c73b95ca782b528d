"""The rows that did not come through, and back in."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import Pair
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.results import RowResult, open_results
from tests.files.reading import file_of, layout

if TYPE_CHECKING:
    from pathlib import Path


def _written(path: Path, header: list[str], *rows: tuple[Any, ...]) -> list[list[str]]:
    with open_results(str(path), header) as file:
        for row in rows:
            file.write(row[0], RowResult(*row[1:]))
        file.flush()
    with path.open(encoding="utf-8", newline="") as read:
        return list(csv.reader(read))


def test_failures_keep_the_users_own_columns(tmp_path: Path) -> None:
    """In their order, under their names; what became of the row stands behind them."""
    header = ["note", "from_id", "to_id"]
    row = ['a,"b"\nc', "1", "2"]
    assert [
        [*header, "status", "category", "message", "correlation_id"],
        [*row, "failed", "OBJECT_NOT_FOUND", "gone", "c-1"],
        ["x", "", "", "invalid", "", "has a missing column", ""],
        ["a", "b", "c", "invalid", "", "has too many fields", ""],
    ] == _written(
        tmp_path / "f.csv",
        header,
        (row, "failed", "OBJECT_NOT_FOUND", "gone", "c-1"),
        (["x"], "invalid", None, "has a missing column", None),
        (["a", "b", "c", "d"], "invalid", None, "has too many fields", None),
    )


def test_a_column_of_the_same_name_is_kept(tmp_path: Path) -> None:
    """Ours then has a longer name."""
    ((*header,),) = _written(tmp_path / "f.csv", ["Status", "from_id", "to_id"])
    assert ["Status", "from_id", "to_id", "aiohubassoc_status", "category"] == header[:5]


def test_columns_of_one_name_are_all_in_json(tmp_path: Path) -> None:
    """As in Parquet, where none may have the name of another either."""
    header, row = ["note", "from_id", "to_id", "note", "note_2", ""], ["a", "1", "2", "b", "c", "d"]
    with open_results(str(tmp_path / "f.jsonl"), header) as file:
        file.write(row, RowResult("failed"))
        file.flush()
    written = json.loads((tmp_path / "f.jsonl").read_text("utf-8"))
    names = ["note", "from_id", "to_id", "note_2", "note_2_2", ""]
    assert dict(zip(names, row, strict=True)) == dict(list(written.items())[:6])
    assert "failed" == written["status"]


def test_failures_can_be_given_to_another_run(tmp_path: Path) -> None:
    """What an earlier run said of a row is replaced, and the rows are read as they were."""
    header = ["from_id", "to_id"]
    first = _written(tmp_path / "1.csv", header, (["1", "2"], "failed", "X", "reported", None))
    with PairTable(str(tmp_path / "1.csv"), layout()) as table:
        ((record, pair),) = list(table)
        again = _written(
            tmp_path / "2.csv", table.header, (record.fields, "partial", "Y", "reported again", "c")
        )
    assert pair == Pair("contacts", 1, "companies", 2)
    assert [first[0], ["1", "2", "partial", "Y", "reported again", "c"]] == again


@pytest.mark.parametrize("line_end", ["\r", "\r\n", "\n"])
def test_a_cell_of_several_lines_is_one_cell_when_it_is_read_again(
    tmp_path: Path, line_end: str
) -> None:
    """With any line end: no reader takes one of its lines for a row."""
    row = [f"Hi{line_end}901,x,902{line_end}Bye", "1", "2"]
    path = tmp_path / "1.csv"
    _written(path, ["note", "from_id", "to_id"], (row, "failed", "X", f"a{line_end}b", None))
    with PairTable(str(path), layout()) as table:
        ((record, pair),) = list(table)
    assert pair == Pair("contacts", 1, "companies", 2)
    assert isinstance(record.fields, list)
    assert record.fields[:3] == row


def test_bytes_that_are_no_text_come_back_as_they_were(tmp_path: Path) -> None:
    """A row that is not UTF-8 is written as it was read."""
    path = file_of(tmp_path, b"from_id,to_id,note\n1,2,\xe4\n")
    with (
        PairTable(path, layout()) as table,
        open_results(str(tmp_path / "f"), table.header) as file,
    ):
        for record, _ in table:
            file.write(record.fields, RowResult("invalid"))
    assert b"1,2,\xe4,invalid" in (tmp_path / "f").read_bytes()
