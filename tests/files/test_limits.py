"""How much is read of a file that holds more than it should."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiohubassoc.files.limits import most_rows
from aiohubassoc.files.record import Record
from tests.files.reading import broken_at, file_of, ids_of, problems_of, refusal_of, rows_of
from tests.files.test_excel import minimal_workbook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20
HEAD = b"from_id,to_id\n1,2\n"
TOO_MUCH = (
    "unpacks to far more than a table of its size: unpack it first, if you know what is in it"
)


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
@pytest.mark.parametrize(
    ("content", "read"),
    [
        (HEAD + b"\n" * 2_200_000, 1),
        (HEAD + b'"' + b"a" * 10 * MIB + b'"\n', 1),  # a cell as long as it may be is no bomb
    ],
)
def test_lines_that_compress_to_nothing(
    tmp_path: Path, pack: Callable[[bytes], bytes], content: bytes, read: int
) -> None:
    """Rows before them are read; then the file is named, with what to do."""
    path = file_of(tmp_path, pack(content), "x.csv")
    if content.count(b"\n") < 10:
        assert {3: "has a missing column: 1 of 2 fields"} == problems_of(path)
        return
    pairs, reported = broken_at(path)
    assert (read, f"{path} {TOO_MUCH}") == (len(pairs), reported)


def test_bytes_that_compress_to_nothing(tmp_path: Path) -> None:
    """Fifty times the size of the file, and fifty mebibytes in any case."""
    line = b"1,2," + b"a" * (MIB - 5) + b"\n"
    header = b"from_id,to_id,x\n"
    assert 49 == len(ids_of(file_of(tmp_path, gzip.compress(header + line * 49), "x.csv")))
    _, reported = broken_at(file_of(tmp_path, gzip.compress(header + line * 51), "x.csv"))
    assert TOO_MUCH in reported


def test_a_line_without_end(tmp_path: Path) -> None:
    """It is not read to its end, in any format of text."""
    for name, head in (("x.csv", HEAD), ("x.jsonl", b'{"from": 1, "to": 2}\n')):
        path = file_of(tmp_path, head + b"a" * 18 * MIB, name)
        pairs, reported = broken_at(path)
        assert ["contacts:1 -> companies:2"] == pairs
        assert "17 MiB" in reported


def test_too_many_columns(tmp_path: Path) -> None:
    """No table has them."""
    path = file_of(tmp_path, "from_id,to_id" + ",x" * 16_384)
    assert f"{path}, line 1: has 16,386 columns: is this a table?" == refusal_of(path)
    pq.write_table(pa.table({f"{n}": [1] for n in range(16_385)}), tmp_path / "x.parquet")
    assert "has 16,385 columns: is this a table?" in refusal_of(str(tmp_path / "x.parquet"))


def test_too_many_pairs_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two cells with many ids each, again and again."""
    assert 2 * MIB == most_rows(0) == most_rows(MIB) < most_rows(MIB + 1)
    monkeypatch.setattr("aiohubassoc.files.pairs.most_rows", lambda _: 1000)
    cell = ";".join(map(str, range(1, 11)))
    path = file_of(tmp_path, "a IDs,b IDs\n" + f"{cell},{cell}\n" * 30)
    pairs, reported = broken_at(path, from_column="a IDs", to_column="b IDs")
    assert 1000 == len(pairs)
    assert f"{path}, line 12: 1,100 pairs are too many for a file of its size" == reported


# --- workbooks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "reported"),
    [
        ("<row><c t='str'><v>" + "a" * (MIB + 1) + "</v></c></row>", "row 2: a cell has more than"),
        ("<row><c r='" + "A" * 2 * MIB + "'/></row>", "a tag has more than 1,048,576 bytes"),
        ("<row>" * 300, "it is nested too deeply"),
        (
            "<row>" + ("<c t='str'><v>" + "a" * MIB + "</v></c>") * 18 + "</row>",
            "row 2 has more than 17 MiB",
        ),
    ],
)
def test_too_much_in_one_cell_of_a_workbook(tmp_path: Path, cells: str, reported: str) -> None:
    """It is not read to its end."""
    path = file_of(tmp_path, minimal_workbook(cells), "x.xlsx")
    pairs, message = broken_at(path)
    assert [] == pairs
    assert reported in message


def test_a_part_of_a_workbook_that_compresses_to_nothing(tmp_path: Path) -> None:
    """It is not read at all."""
    path = file_of(tmp_path, minimal_workbook("<row/>" * (9 * MIB)), "x.xlsx")
    assert "unpacks to far more than a workbook of its size: save it as CSV" in refusal_of(path)


def test_a_long_text_that_many_cells_share(tmp_path: Path) -> None:
    """Nor is one of these."""
    shared = f"<si><t>{'a' * (MIB + 1)}</t></si>"
    path = file_of(tmp_path, minimal_workbook("", shared), "x.xlsx")
    assert "a cell has more than 1,048,576 characters" in refusal_of(path)


def test_too_many_texts_that_cells_share(tmp_path: Path) -> None:
    """A file of this size cannot have them."""
    path = file_of(tmp_path, minimal_workbook("", "<si/>" * 2_100_000), "x.xlsx")
    assert "it has more than 2,097,152 texts" in refusal_of(path)


# --- Parquet -------------------------------------------------------------------------------------


def _parquet(folder: Path, **columns: object) -> str:
    pq.write_table(pa.table(columns), folder / "x.parquet", compression="zstd")
    return str(folder / "x.parquet")


def test_rows_of_a_parquet_file_that_compress_to_nothing(tmp_path: Path) -> None:
    """They are not read at all."""
    many = pa.array(bytes([1]) * 2_200_000, pa.uint8())
    path = _parquet(tmp_path, from_id=many, to_id=many)
    assert "unpacks to far more than a table of its size: write it anew" in refusal_of(path)


def _listed(values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


@pytest.mark.skipif(sys.platform != "linux", reason="others do not bound a process's memory")
@pytest.mark.parametrize(
    "make_cells",  # not made until the test runs: they take a gigabyte
    [
        lambda: _listed(pa.array(bytes([1]) * 20_000_000, pa.uint8())),
        lambda: _listed(pa.array(["7" * MIB]).take(pa.array([0] * 200))),
        lambda: pa.array(["7" * 9 * MIB]),
        lambda: pa.array(["7" * 200 * MIB]),
        lambda: pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), ["7" * MIB]),
        lambda: pa.StructArray.from_arrays(
            [pa.array(["7" * MIB]).take(pa.array([0] * 500))], ["a"]
        ),
    ],
    ids=["list", "list-of-texts", "text", "long-text", "text-of-all-rows", "objects"],
)
def test_cells_of_a_parquet_file_that_compress_to_nothing(
    tmp_path: Path, make_cells: Callable[[], pa.Array]
) -> None:
    """Of one row or of all."""
    cells = make_cells()
    path = _parquet(tmp_path, from_id=cells, to_id=pa.array([1] * len(cells)))
    read, reported = broken_at(path)
    assert [] == read
    assert reported.startswith(f"{path} ")
    assert "unpacks to far more than a table of its size" in reported


def test_a_text_that_stands_in_every_row(tmp_path: Path) -> None:
    """One of tens of kilobytes is read as it is, even if it is stored once."""
    long = "7" * 30_000
    note = pa.DictionaryArray.from_arrays(pa.array([1, 0] * 1500, pa.int32()), [long, "8"])
    rows = rows_of(_parquet(tmp_path, from_id=note, to_id=pa.array([1] * 3000)))
    assert ["8"] * 1500 == [pair.from_id for _, pair in rows if pair is not None]
    assert [["8", "1"], [long, "1"]] * 1500 == [record.fields for record, _ in rows]


# --- rows that wait ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        ["", "", ""],
        ["a", "ä€😀", "\udcff", "\0", '"'],
        ['{"a": 1}', ""],
        {"from": 1, "to": [2, {"ä": None}], "\ud800": 1.5},
        {},
    ],
)
def test_a_compact_row_has_the_same_fields(fields: list[str] | dict[str, object]) -> None:
    """Whatever they hold."""
    record, compact = Record(1, fields), Record(1, fields)
    compact.compact()
    assert isinstance(compact.kept, bytes)
    assert record.fields == compact.fields
    compact.compact()
    assert fields == compact.fields


def test_long_rows_are_compact(tmp_path: Path) -> None:
    """In every format: their cells would take twenty times their memory."""
    names = ["from_id", "to_id", *(f"c{n}" for n in range(1000))]
    cells = ["1", "2", *["ab"] * 1000]
    sheet = "".join(
        "<row>" + "".join(f"<c t='str'><v>{cell}</v></c>" for cell in row) + "</row>"
        for row in (names, cells)
    )
    paths = [
        file_of(tmp_path, ",".join(names) + "\n" + ",".join(cells) + "\n", "x.csv"),
        file_of(tmp_path, minimal_workbook(sheet, head=""), "x.xlsx"),
        _parquet(tmp_path, **{name: [cell] for name, cell in zip(names, cells, strict=True)}),
    ]
    for path in paths:
        ((record, pair),) = rows_of(path)
        assert pair is not None
        assert isinstance(record.kept, bytes)
        assert cells == record.fields


def test_an_archive_that_is_no_workbook_is_not_unpacked(tmp_path: Path) -> None:
    """Only its names are read."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", bytes(100 * MIB))
    assert "is a zip archive, but no Excel workbook" in refusal_of(
        file_of(tmp_path, file.getvalue(), "x.xlsx")
    )
