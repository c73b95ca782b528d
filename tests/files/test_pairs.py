"""One input or several: names, places, columns, counts, and what is open."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import sys
import threading
import tracemalloc
from collections import deque
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import InputError, Pair
from aiohubassoc.files.byte_source import ByteSource, open_source
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.table import MergedHeader
from tests.files.reading import file_of, layout, refusal_of, standard_input

CSV = "from_id,to_id\n1,2\n3,4\n"
JSONL = '{"from": 5, "to": 6, "x": [7]}\n'


def _refusal(paths: list[str]) -> str:
    with pytest.raises(InputError) as caught:
        PairTable(paths, layout())
    return str(caught.value)


# --- several inputs ------------------------------------------------------------------------------


def test_one_input(tmp_path: Path) -> None:
    """It is called by its name, and a place in it by its line alone."""
    path = file_of(tmp_path, CSV)
    with PairTable(path, layout()) as table:
        assert (path, [path], False) == (table.name, table.names, table.may_block)
        assert "line 5" == table.place(0, 5)
        assert [0, 0] == [record.source for record, _ in table]


def test_several_inputs(tmp_path: Path) -> None:
    """They are read one behind the other, and a place names its file."""
    paths = [file_of(tmp_path, CSV, "a.csv"), file_of(tmp_path, JSONL, "b.jsonl")]
    with PairTable(paths, layout()) as table:
        assert f"{paths[0]} and 1 more" == table.name
        assert paths == table.names
        assert f"line 5 of {paths[1]}" == table.place(1, 5)
        rows = list(table)
    assert [(0, 2, "1"), (0, 3, "3"), (1, 1, "5")] == [
        (record.source, record.line, pair and pair.from_id) for record, pair in rows
    ]
    assert {"from": 5, "to": 6, "x": [7]} == rows[2][0].fields


def test_every_format_at_once(tmp_path: Path) -> None:
    """Each file is read in its own; of Parquet and Excel the rows are counted, not the lines."""
    book = openpyxl.Workbook()
    book.active.append(("from_id", "to_id"))
    book.active.append((7, 8))
    book.save(tmp_path / "c.xlsx")
    pq.write_table(pa.table({"from_id": [9], "to_id": [10]}), tmp_path / "d.parquet")
    paths = [
        file_of(tmp_path, CSV, "a.csv"),
        file_of(tmp_path, gzip.compress(JSONL.encode()), "b.jsonl.gz"),
        str(tmp_path / "c.xlsx"),
        str(tmp_path / "d.parquet"),
    ]
    with PairTable(paths, layout()) as table:
        assert ["line 2", "line 2", "row 2", "row 2"] == [
            table.place(n, 2).partition(" of ")[0] for n in range(4)
        ]
        assert ["from_id", "to_id", "from", "to", "x"] == table.header
        assert 5 == table.count_rows()
        assert ["1", "3", "5", "7", "9"] == [pair and pair.from_id for _, pair in table]


def test_a_bad_row_takes_no_other_file_with_it(tmp_path: Path) -> None:
    """Its problem is its own."""
    bad = "from_id,to_id\n1,2\n3\nx,6\n7,8\n"
    paths = [file_of(tmp_path, bad, "a.csv"), file_of(tmp_path, bad, "b.csv")]
    with PairTable(paths, layout()) as table:
        rows = [(record.source, record.line, pair is None) for record, pair in table]
    assert [(n, line, line in {3, 4}) for n in range(2) for line in range(2, 6)] == rows


def test_columns_in_another_order(tmp_path: Path) -> None:
    """Rows are reported under the columns of all files; a cell that a file lacks is empty."""
    paths = [
        file_of(tmp_path, "from_id,to_id,note\n1,2,a\n", "a.csv"),
        file_of(tmp_path, "extra, Note ,TO_ID,from_id\nx,b,4,3\n5\n", "b.csv"),
    ]
    with PairTable(paths, layout()) as table:
        assert ["from_id", "to_id", "note", "extra"] == table.header
        rows = list(table)
    assert [["1", "2", "a", ""], ["3", "4", "b", "x"], ["5"]] == [r.fields for r, _ in rows]
    assert Pair("contacts", 3, "companies", 4) == rows[1][1]


def test_the_cells_of_one_pair_of_several(tmp_path: Path) -> None:
    """A cell with several ids has the pair's own alone, whatever the order of the columns."""
    paths = [
        file_of(tmp_path, "Record ID,Associated Deal IDs\n1,2;3\n4,5\n", "a.csv"),
        file_of(tmp_path, "x,Associated Deal IDs,Record ID\ny,7;8,6\n", "b.csv"),
        file_of(tmp_path, JSONL, "c.jsonl"),
    ]
    with PairTable(paths, layout(to_type="deals")) as table:
        cells = [table.cells(pair) for _, pair in table if pair is not None]
        assert ["Record ID", "Associated Deal IDs", "x", "from", "to"] == table.header
    assert [
        ["1", "2", "", "", ""],
        ["1", "3", "", "", ""],
        ["4", "5", "", "", ""],
        ["6", "7", "y", "", ""],
        ["6", "8", "y", "", ""],
        {"from": 5, "to": 6, "x": [7]},
    ] == cells


_NAMES = st.lists(st.sampled_from(["a", "A", " a", "b", "c", ""]), max_size=5)


@given(st.lists(_NAMES, min_size=1, max_size=4))
def test_no_cell_is_lost_among_the_columns_of_all(headers: list[list[str]]) -> None:
    """The first header is as it was, and each cell stands below its own name, once."""
    together = MergedHeader(headers)
    assert headers[0] == together.all[: len(headers[0])]
    for source, header in enumerate(headers):
        cells = [f"{n}" for n in range(len(header))]
        aligned = together.aligned(source, cells)
        under = dict(zip(aligned, together.all, strict=False))
        for cell, name in zip(cells, header, strict=True):
            assert under[cell].strip().casefold() == name.strip().casefold()
        assert sorted(cells) == sorted(cell for cell in aligned if cell)


def test_no_input() -> None:
    """Nothing at all is reported as such."""
    assert "there is no input: name a file, or - for standard input" == _refusal([])


def test_a_bad_file_is_told_before_any_is_read(tmp_path: Path) -> None:
    """Wherever it stands among the others."""
    good, bad = file_of(tmp_path, CSV, "a.csv"), file_of(tmp_path, "a;b\n", "b.csv")
    assert f"{bad} separates its columns by semicolons: give --delimiter ';'" == _refusal(
        [good, bad]
    )
    missing = str(tmp_path / "c.csv")
    assert f"cannot open {missing}: No such file or directory" == _refusal([good, missing])
    assert f"{tmp_path} is a directory, not a file" == _refusal([good, str(tmp_path)])
    (tmp_path / "journal.db").touch()
    assert _refusal([str(tmp_path)]).endswith(f"to continue its run, aiohubassoc resume {tmp_path}")
    assert "cannot open a\0b: embedded null byte" == _refusal([good, "a\0b"])
    url = _refusal(["https://example.com/pairs.csv"])
    assert url.endswith("A URL is not read: save it to a file, or pipe it into aiohubassoc link -")


def test_the_same_file_twice(tmp_path: Path) -> None:
    """It is refused under any of its names: its pairs were all duplicates."""
    path = file_of(tmp_path, CSV)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    assert f"{path} is given twice" == _refusal([path, path])
    assert f"{link} is given twice, first as {path}" == _refusal([path, str(link)])
    assert "standard input is given twice" == _refusal(["-", path, "-"])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert f"{pipe} is given twice" == _refusal([str(pipe), str(pipe)])


# --- what is open --------------------------------------------------------------------------------


def _open_files(folder: Path) -> list[str]:
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one of the listing itself
            targets.append(str(entry.readlink()))
    return sorted(target for target in targets if target.startswith(str(folder)))


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="lists the open files as Linux does"
)


@needs_proc
def test_few_files_are_open_at_once(tmp_path: Path) -> None:
    """Of many files the first is open, and each other one while it is read."""
    paths = [file_of(tmp_path, CSV, f"{n:03}.csv") for n in range(100)]
    with PairTable(paths, layout()) as table:
        assert paths[:1] == _open_files(tmp_path)
        seen = {(paths[record.source],): _open_files(tmp_path) for record, _ in table}
        assert [[path] for path in paths] == list(seen.values())
    assert [] == _open_files(tmp_path)


@needs_proc
@pytest.mark.parametrize("content", [CSV, "from_id\n", "", "tö,\n", JSONL])
def test_nothing_stays_open(tmp_path: Path, content: str) -> None:
    """Whether the files could be read or not, to their end or not."""
    paths = [file_of(tmp_path, CSV, "a.csv"), file_of(tmp_path, content.encode("cp1252"), "b")]
    with contextlib.suppress(InputError), PairTable(paths, layout()) as table:
        next(iter(table))
    assert [] == _open_files(tmp_path)


def test_a_file_that_was_changed_meanwhile(tmp_path: Path) -> None:
    """Its rows would be read under the wrong columns: it is reported, not read."""
    paths = [file_of(tmp_path, CSV, "a.csv"), file_of(tmp_path, CSV, "b.csv")]
    read: list[int] = []
    with (
        pytest.raises(InputError, match=r"b\.csv was changed while other inputs were read: its"),
        PairTable(paths, layout()) as table,
    ):
        file_of(tmp_path, "to_id,from_id\n1,2\n", "b.csv")
        read.extend(record.source for record, _ in table)
    assert [0, 0] == read


def test_the_first_pair_of_a_long_file(tmp_path: Path, monkeypatch: Any) -> None:
    """It comes at once: only the head was read."""
    sources: list[ByteSource] = []

    def noted(path: str) -> ByteSource:
        sources.append(open_source(path))
        return sources[-1]

    monkeypatch.setattr("aiohubassoc.files.pairs.open_source", noted)
    for name, line in (("a.csv", "1,2\n"), ("a.jsonl", '{"from_id": 1, "to_id": 2}\n')):
        path = file_of(tmp_path, "from_id,to_id\n" * ("csv" in name) + line * 100_000, name)
        with PairTable(path, layout()) as table:
            next(iter(table))
            assert sources[-1].taken_bytes <= 1 << 16
            assert 99_999 == sum(1 for _ in table)
        assert Path(path).stat().st_size == sources[-1].taken_bytes


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.csv", "1,2\n"),
        ("a.csv", "x,2\n"),
        ("a.csv", ",\n"),
        ("a.jsonl", '{"from": 1, "to": 2}\n'),
    ],
)
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, name: str, line: str) -> None:
    """Whatever becomes of them."""
    path = file_of(tmp_path, "from_id,to_id\n1,2\n" * ("csv" in name) + line * 40_000, name)
    with PairTable(path, layout()) as table:
        next(table_rows := iter(table))
        tracemalloc.start()
        try:
            deque(table_rows, maxlen=0)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 1_000_000


def test_a_file_that_can_no_longer_be_read(tmp_path: Path, monkeypatch: Any) -> None:
    """What the disk says is reported with the file's name, at the beginning and later."""
    path = file_of(tmp_path, CSV * 10_000)
    with PairTable(path, layout()) as table:
        rows = iter(table)
        next(rows)

        def broken(*_: object) -> int:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(ByteSource, "readinto", broken)
        with pytest.raises(InputError) as caught:
            list(rows)
    assert f"{path} cannot be read further: Input/output error" == str(caught.value)
    assert f"cannot read {path}: Input/output error" == refusal_of(path)


@needs_proc
def test_a_file_that_cannot_be_read_at_all() -> None:
    """What the system says is reported: here of a memory without a page at its beginning."""
    assert "cannot read /proc/self/mem: Input/output error" == refusal_of("/proc/self/mem")


# --- standard input and pipes --------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(),
        b'{"from": 1, "to": 2}\n{"from": 3, "to": 4}\n',
        gzip.compress(CSV.encode(), mtime=0),
    ],
)
def test_standard_input(monkeypatch: Any, content: bytes) -> None:
    """Text of any kind, packed or not; whoever reads it may have to wait."""
    with standard_input(monkeypatch) as writer:
        writer.write(content)
        writer.close()
        with PairTable("-", layout()) as table:
            assert ("standard input", ["standard input"]) == (table.name, table.names)
            assert table.may_block
            assert table.count_rows() is None
            assert ["1", "3"] == [pair and pair.from_id for _, pair in table]


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"", "is empty"),
        (b"PAR1....", "is a Parquet file: save it to a file first, and give its name"),
        (b"PK\x03\x04..", "is an Excel workbook, or another zip archive: save it to a file"),
    ],
)
def test_what_cannot_come_from_standard_input(
    monkeypatch: Any, content: bytes, reported: str
) -> None:
    """Formats that are not read from their beginning on, and nothing."""
    with standard_input(monkeypatch) as writer:
        writer.write(content)
        writer.close()
        assert _refusal(["-"]).startswith(f"standard input {reported}")


def test_standard_input_that_is_closed(monkeypatch: Any) -> None:
    """It is reported as such."""
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" == _refusal(["-"])


@pytest.mark.parametrize(
    ("head", "row"),
    [(b"from_id,to_id\n", b"1,2\n"), (b"", b'{"from": 1, "to": 2}\n')],
)
def test_a_slow_writer(monkeypatch: Any, head: bytes, row: bytes) -> None:
    """A row is there as soon as its line is, though the next one is not written yet."""
    with standard_input(monkeypatch) as writer:
        writer.write(head + row)
        with PairTable("-", layout()) as table:
            rows = iter(table)
            (first, _) = next(rows)
            writer.write(row)
            (second, _) = next(rows)
            assert 1 == second.line - first.line
            writer.close()
            assert [] == list(rows)


def test_a_pipe_by_its_name_among_files(tmp_path: Path) -> None:
    """It is opened once, and read in its turn."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_text, args=(CSV,))
    thread.start()
    with PairTable([file_of(tmp_path, CSV), str(pipe)], layout()) as table:
        assert table.may_block
        assert table.count_rows() is None
        assert [0, 0, 1, 1] == [record.source for record, _ in table]
    thread.join()
