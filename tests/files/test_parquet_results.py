"""Failed rows as Parquet: as they were, readable as input again, in flat memory."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from aiohubassoc import OptionsError, Pair
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.results import (
    ParquetResults,
    RowResult,
    TextResults,
    check_results_format,
    open_results,
    results_format,
)
from tests.files.reading import layout

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ADDED = ["status", "category", "message", "correlation_id"]
FAILED = RowResult("failed", "OBJECT_NOT_FOUND", "gone", "c-1")


def written(
    path: Path, header: list[str], rows: Iterable[tuple[Any, RowResult]]
) -> list[dict[str, Any]]:
    """Return the rows of a file that these were written to."""
    with ParquetResults(str(path), header) as file:
        for fields, result in rows:
            file.write(fields, result)
        file.flush()
    rows_read: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows_read


def test_rows_are_as_they_were(tmp_path: Path) -> None:
    """With what became of them behind; all of it is text, and what is not there is null."""
    header = ["note", "from_id", "to_id"]
    rows: list[tuple[Any, RowResult]] = [
        (['a,"b"\nc', "007", "9007199254740993"], FAILED),
        (["x"], RowResult("invalid", "INVALID_ROW", "has a missing column")),
        (["a", "b", "c", "d"], RowResult("invalid")),
        ({"from_id": 1, "to_id": "2", "other": [1]}, FAILED),
    ]
    found = written(tmp_path / "f.parquet", header, rows)
    assert [*header, *ADDED] == list(found[0])
    values = [tuple(row.values()) for row in found]
    assert ('a,"b"\nc', "007", "9007199254740993", "failed") == values[0][:4]
    assert ("OBJECT_NOT_FOUND", "gone", "c-1") == values[0][4:]
    assert ("x", None, None, "invalid", "INVALID_ROW", "has a missing column", None) == values[1]
    assert ("a", "b", "c", "invalid", None, None, None) == values[2]
    assert (None, "1", "2", "failed") == values[3][:4]


def test_they_can_be_given_to_another_run(tmp_path: Path) -> None:
    """What an earlier run said of a row is replaced."""
    path = tmp_path / "f.parquet"
    written(path, ["from_id", "to_id"], [(["1", "2"], FAILED)])
    with PairTable(str(path), layout()) as table:
        ((record, pair),) = list(table)
        again = written(
            tmp_path / "2.parquet", table.header, [(record.fields, RowResult("partial"))]
        )
    assert pair == Pair("contacts", 1, "companies", 2)
    none = dict.fromkeys(ADDED[1:])
    assert [{"from_id": "1", "to_id": "2", "status": "partial", **none}] == again


def test_no_rows_are_a_file_with_columns(tmp_path: Path) -> None:
    """Which every reader opens."""
    assert [] == written(tmp_path / "f.parquet", ["from_id", "to_id"], [])
    assert 6 == len(pq.read_schema(tmp_path / "f.parquet").names)


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    """Parquet's strings are UTF-8."""
    broken = b"Z\xfcrich".decode("utf-8", "surrogateescape")
    ((row),) = written(tmp_path / "f.parquet", ["city"], [([broken], FAILED)])
    assert "Z\ufffdrich" == row["city"]


def test_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """And ours from the input's."""
    header = ["id", "id", "Status"]
    (row,) = written(tmp_path / "f.parquet", header, [(["1", "2", "3"], FAILED)])
    assert ["id", "id_2", "Status", "aiohubassoc_status"] == list(row)[:4]


def test_memory_is_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a row group of the rows is kept, whatever their number."""
    monkeypatch.setattr("aiohubassoc.files.results._GROUP_ROWS", 500)

    def peak(count: int) -> int:
        tracemalloc.start()
        with ParquetResults(str(tmp_path / "f.parquet"), ["from_id", "to_id"]) as file:
            for number in range(count):
                file.write([str(number), str(number)], FAILED)
            file.flush()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1_000)  # loads what writing needs
    assert peak(10_000) < 1_000_000
    assert 10_000 == pq.read_metadata(tmp_path / "f.parquet").num_rows


def test_long_cells_are_written_sooner(tmp_path: Path) -> None:
    """A row group is bounded by its text as well as by its rows."""
    with ParquetResults(str(tmp_path / "f.parquet"), ["note"]) as file:
        for _ in range(30):
            file.write(["x" * 1_000_000], FAILED)
            assert len(file._rows) <= 2
        file.flush()


def test_a_full_disk_is_an_os_error() -> None:
    """As for the other formats; leaving the block adds none."""
    with ParquetResults("/dev/full", ["note"]) as file:
        file.write(["x"], FAILED)
        with pytest.raises(OSError, match="No space left"):
            file.flush()


@pytest.mark.parametrize(
    ("name", "format_"),
    [("f.parquet", "parquet"), ("F.PQ", "parquet"), ("f.jsonl", "jsonl"), ("f", "csv")],
)
def test_the_name_shows_the_format(tmp_path: Path, name: str, format_: str) -> None:
    """And what writes it."""
    assert format_ == results_format(name)
    with open_results(str(tmp_path / name), ["note"]) as file:
        assert isinstance(file, ParquetResults if format_ == "parquet" else TextResults)


def test_without_the_extra_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent; other formats need nothing."""
    monkeypatch.setattr("aiohubassoc.files.results.find_spec", lambda _: None)
    with pytest.raises(OptionsError, match=r"f.parquet: .* pip install 'aiohubassoc\[parquet\]'"):
        check_results_format("f.parquet", "parquet")
    check_results_format("f.csv", "csv")
