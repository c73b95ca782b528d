"""Parquet files, good and bad."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import InputError, Pair
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.parquet_reader import encoded_messages
from aiohubassoc.files.record import Record
from tests.files.reading import counts_of, file_of, ids_of, layout, problems_of, refusal_of, rows_of


def _writes_views() -> bool:
    """Return whether this pyarrow can write texts as views: older ones can read them only."""
    try:
        pq.write_table(pa.table({"a": pa.array(["b"], pa.string_view())}), io.BytesIO())
    except pa.ArrowNotImplementedError:
        return False
    return True


_VIEWS = [pa.array(["101", str(2**62)], pa.string_view())] if _writes_views() else []


def _file(folder: Path, columns: dict[str, Any], name: str = "pairs.parquet", **how: Any) -> str:
    path = folder / name
    pq.write_table(pa.table(columns), path, **how)
    return str(path)


# --- what is read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([101, 2**62]),
        pa.array([101, 2**62], pa.uint64()),
        pa.array(["101", str(2**62)]),
        pa.array(["101", str(2**62)], pa.large_string()),
        pa.array(["101", str(2**62)]).dictionary_encode(),
        *_VIEWS,
        pa.array([b"101", str(2**62).encode()]),
        pa.array([101, 2**62], pa.decimal128(38)),
    ],
    ids=lambda ids: str(ids.type)[:12],
)
def test_ids_of_any_type(tmp_path: Path, ids: pa.Array) -> None:
    """Texts and ints, and what writers make of them, are the same ids."""
    path = _file(tmp_path, {"to_id": pa.array([1, 2]), "From_ID": ids})
    assert [("101", "1"), (str(2**62), "2")] == ids_of(path)


@pytest.mark.parametrize("name", ["a.parquet", "a.PQ", "a", "a.csv"])
def test_parquet_is_told_by_its_bytes(tmp_path: Path, name: str) -> None:
    """Whatever its name is."""
    path = _file(tmp_path, {"from_id": [1], "to_id": [2]}, name)
    assert [("1", "2")] == ids_of(path)
    assert [("1", "2")] == ids_of(path, format="parquet")


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, pa.string(), ""),
        (None, pa.int64(), ""),
        (float("nan"), pa.float64(), ""),
        (True, pa.bool_(), "true"),
        (False, pa.bool_(), "false"),
        (101, pa.int8(), "101"),
        (101.0, pa.float64(), "101.0"),
        (0.1, pa.float64(), "0.1"),
        (decimal.Decimal("1.50"), pa.decimal128(10, 2), "1.50"),
        (dt.date(2026, 1, 2), pa.date32(), "2026-01-02"),
        (dt.datetime(2026, 1, 2, 3, 4, 5), pa.timestamp("s"), "2026-01-02T03:04:05"),  # noqa: DTZ001
        (
            dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
            pa.timestamp("ms", "UTC"),
            "2026-01-02T03:04:05+00:00",
        ),
        (dt.time(3, 4, 5), pa.time32("s"), "03:04:05"),
        (dt.timedelta(days=1), pa.duration("s"), "1 day, 0:00:00"),
        (b"text", pa.binary(), "text"),
        (b"\xff\x00", pa.binary(), "0xff00"),
        ([1, None], pa.list_(pa.int64()), "[1, null]"),
        (
            {"a": "ä", "b": dt.date(2026, 1, 2)},
            pa.struct([("a", pa.string()), ("b", pa.date32())]),
            '{"a": "ä", "b": "2026-01-02"}',
        ),
    ],
)
def test_every_cell_is_text(tmp_path: Path, value: object, kind: pa.DataType, text: str) -> None:
    """All other columns are kept, as text."""
    path = _file(tmp_path, {"from_id": [1, 3], "x": pa.array([value, None], kind), "to_id": [2, 4]})
    ((first, pair), (second, _)) = rows_of(path)
    assert pair is not None
    assert pair.tag is first
    assert [Record(1, ["1", text, "2"]), Record(2, ["3", "", "4"])] == [first, second]


def test_values_that_python_does_not_have(tmp_path: Path) -> None:
    """The far future, odd zones and the like are written by Arrow, and take no row with them."""
    columns = {
        "ns": pa.array([1, None, 10**18], pa.timestamp("ns")),
        "far": pa.array([10**12, None, 0], pa.timestamp("s")),
        "zone": pa.array([0, None, 1], pa.timestamp("s", "Nowhere/Never")),
        "inside": pa.array([[10**12], None, [0]], pa.list_(pa.timestamp("s"))),
    }
    rows = rows_of(_file(tmp_path, {"from_id": [1, 2, 3], "to_id": [1, 2, 3], **columns}))
    assert [True] * 3 == [pair is not None for _, pair in rows]
    first, second, third = [cells for record, _ in rows if isinstance(cells := record.fields, list)]
    assert "1970-01-01" == first[2][:10]
    assert ["10000000000" in cell for cell in first] == [False, False, False, True, False, True]
    assert ["2", "2", "", "", "", ""] == second
    assert ["2001-09-09", "1970-01-01", "1970-01-01"] == [cell[:10] for cell in third[2:5]]
    assert "1970-01-01" in third[5]


@settings(max_examples=15)  # each starts a process
@given(
    st.lists(
        st.tuples(
            st.integers(1, 2**63 - 1),
            st.integers(1, 10**20 - 1),
            st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        ),
        max_size=9,
    ),
    st.integers(1, 4),
)
def test_what_was_written_comes_back(
    tmp_path_factory: Any, rows: list[tuple[int, int, str | None]], group_rows: int
) -> None:
    """Cells that pyarrow wrote come back as they were, in their order, whatever the row groups."""
    columns = {
        "from_id": pa.array([row[0] for row in rows], pa.int64()),
        "to_id": pa.array([str(row[1]) for row in rows], pa.string()),
        "note": pa.array([row[2] for row in rows], pa.string()),
    }
    path = _file(tmp_path_factory.getbasetemp(), columns, row_group_size=group_rows)
    read = rows_of(path)
    assert [Pair("contacts", a, "companies", b) for a, b, _ in rows] == [pair for _, pair in read]
    assert [
        Record(line, [str(a), str(b), note or ""]) for line, (a, b, note) in enumerate(rows, 1)
    ] == [record for record, _ in read]


class _Counting(io.FileIO):
    """A file that counts what is read of it."""

    taken_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes | Any:
        data = super().read(-1 if size is None else size)
        self.taken_bytes += len(data or b"")
        return data


@pytest.mark.parametrize("group_rows", [1000, 200_000])
def test_the_first_row_comes_at_once(tmp_path: Path, group_rows: int) -> None:
    """However long the file is, little of it is read for that, in one row group or in many."""
    ids = [n**5 % 10**15 for n in range(200_000)]
    how: dict[str, Any] = {"row_group_size": group_rows, "use_dictionary": False}
    how |= {"data_page_size": 64 * 1024, "write_batch_size": 1000}  # as new ones do by themselves
    path = Path(_file(tmp_path, {"from_id": ids, "to_id": ids}, **how))
    with _Counting(path) as file:
        described, rows = islice(map(json.loads, encoded_messages(file)), 2)
        assert (["from_id", "to_id"], 200_000) == (described["names"], described["rows"])
        assert ["0", "0"] == [column[0] for column in rows["columns"]]
        assert file.taken_bytes < path.stat().st_size / 4


# --- what cannot be used -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "reported"),
    [
        (pa.array([101.5, 3.0, 3.0]), "from_id is '101.5', a float"),
        (pa.array([1e22, 3.0, 3.0]), "from_id is '1e+22', a number with an exponent"),
        (pa.array([float("nan"), 3.0, 3.0]), "from_id is empty"),
        (pa.array([-1, 3, 3]), "from_id is '-1', a number as another locale writes it"),
        (pa.array([True, None, None]), "from_id is 'true', a truth value"),
        (pa.array([dt.date(2026, 1, 2), None, None]), "from_id is '2026-01-02', a date"),
        (pa.array(["1 2", "3", "3"]), "from_id is '1 2', several ids"),
        (pa.array([None, "3", "3"]), "from_id is empty"),
        (pa.array(["from_id", "3", "3"]), "repeats the header"),
        (pa.array(["1\0", "3", "3"]), "digits with an invisible character"),
        (pa.array([b"\x91\x80", b"3", b"3"]), "from_id is '0x9180', a name or other text"),
        (pa.array([[b"\x91\x80"], [b"3"], [b"3"]]), "from_id is '0x9180', a name or other text"),
        (pa.array([10**15, 3, 3], pa.duration("s")), "000 duration[s]', a name or other text"),
    ],
)
def test_a_row_that_cannot_be_used(tmp_path: Path, ids: pa.Array, reported: str) -> None:
    """It is reported by its number, by the same rules as in CSV."""
    first = "to_id" if "header" in reported else "3"
    path = _file(tmp_path, {"from_id": ids, "to_id": [first, "4", "5"]})
    assert reported in problems_of(path)[1]


@pytest.mark.parametrize("is_encoded", [False, True])
def test_a_text_that_is_not_utf8(tmp_path: Path, is_encoded: bool) -> None:
    """Only its row is given up, though the whole column says that it is text."""
    note = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"\xff", b"\xc3\xa4"]).buffers())
    note = note.dictionary_encode() if is_encoded else note
    path = _file(tmp_path, {"from_id": [1, 3, 5], "to_id": [2, 4, 6], "note": note})
    rows = rows_of(path)
    assert ["1", None, "5"] == [pair and pair.from_id for _, pair in rows]
    assert [["1", "2", "a"], ["3", "4", "\udcff"], ["5", "6", "ä"]] == [r.fields for r, _ in rows]
    assert "is not UTF-8" in str(rows[1][0].problem)


def test_damage_in_the_middle(tmp_path: Path) -> None:
    """Row groups before it were read, and then the file is named."""
    ids = [n**5 % 10**15 for n in range(40_000)]
    path = _file(tmp_path, {"from_id": ids, "to_id": ids}, row_group_size=10_000)
    data = bytearray(Path(path).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 100_000] = b"\xff" * 100_000
    Path(path).write_bytes(data)
    read: list[int] = []
    with PairTable(path, layout()) as table, pytest.raises(InputError) as caught:
        read.extend(record.line for record, _ in table)
    assert str(caught.value).startswith(f"{path} cannot be read as a Parquet file: ")
    assert list(range(1, len(read) + 1)) == read
    assert 10_000 <= len(read) < 40_000


def test_a_byte_that_was_changed(tmp_path: Path) -> None:
    """Where the file has checksums, it is reported; it would be read as another id."""
    columns = {"from_id": ["101"], "to_id": ["202"]}
    how: dict[str, Any] = {"write_page_checksum": True, "compression": "none"}
    path = _file(tmp_path, columns, **how, use_dictionary=False, write_statistics=False)
    data = Path(path).read_bytes()
    assert 1 == data.count(b"101")
    Path(path).write_bytes(data.replace(b"101", b"102"))
    with PairTable(path, layout()) as table, pytest.raises(InputError, match="CRC"):
        list(table)


@pytest.mark.parametrize(
    ("columns", "reported", "options"),
    [
        ({"a": [1], "to_id": [2]}, "has no column 'from_id'. Its columns: a, to_id. Choose", {}),
        ({"1": [1], "2": [2]}, "has no header: its first row is '1,2'", {}),
        ({"from_id": [1], "to_id": [2]}, "has no column 'to_type': give --to", {"to_type": None}),
        (
            {"from_id": [1], "to_id": [2]},
            "is a Parquet file: leave out --format csv",
            {"format": "csv"},
        ),
        ({"from_id": [1], "FROM_ID": [2]}, "has no column 'to_id'", {}),
        ({}, "is empty: its first row must name the columns", {}),
    ],
)
def test_a_file_that_is_no_table_of_pairs(
    tmp_path: Path, columns: dict[str, Any], reported: str, options: dict[str, Any]
) -> None:
    """It is reported before anything is read."""
    path = _file(tmp_path, columns)
    message = refusal_of(path, **options)
    assert message.startswith(path)
    assert reported in message


@pytest.mark.parametrize("kept", [slice(0, 4), slice(0, -9), slice(0, 60)])
def test_a_file_that_is_cut_off(tmp_path: Path, kept: slice) -> None:
    """Without its end it cannot be read at all."""
    whole = Path(_file(tmp_path, {"from_id": [1], "to_id": [2]})).read_bytes()
    path = file_of(tmp_path, whole[kept], "cut.parquet")
    assert refusal_of(path).startswith(f"{path} cannot be read as a Parquet file: ")


def test_a_text_of_that_name(tmp_path: Path) -> None:
    """A file that only says it is Parquet is reported as such."""
    path = file_of(tmp_path, "from_id,to_id\n1,2\n", "pairs.parquet")
    assert "is not a Parquet file, though its name says so: if it is text" in refusal_of(path)
    assert [("1", "2")] == ids_of(path, format="csv")
    reported = refusal_of(file_of(tmp_path, "from_id,to_id\n"), format="parquet")
    assert "is not a Parquet file, though --format parquet says so" in reported


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said how to get it."""
    path = _file(tmp_path, {"from_id": [1], "to_id": [2]})
    _replace_pyarrow(tmp_path, monkeypatch, "raise ImportError")
    assert "is a Parquet file, which needs a library: pip install 'aiohubassoc[parquet]'" in (
        refusal_of(path)
    )


# --- the process that decodes it -----------------------------------------------------------------


def _replace_pyarrow(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Let *source* run in place of the library in processes that are started."""
    (folder / "lib").mkdir()
    (folder / "lib" / "pyarrow.py").write_text(source)
    monkeypatch.syspath_prepend(folder / "lib")


@pytest.mark.parametrize("source", ["import os; os.abort()", "import os; os._exit(3)"])
def test_a_crash_of_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """It is the error of one file, and what to do."""
    path = _file(tmp_path, {"from_id": [1], "to_id": [2]})
    _replace_pyarrow(tmp_path, monkeypatch, source)
    message = refusal_of(path)
    assert message.startswith(f"{path} cannot be read as a Parquet file: pyarrow crashed (")
    assert message.endswith("Write it anew, or save it as CSV")


def test_a_crash_after_some_rows(tmp_path: Path) -> None:
    """They were read; then the file is named."""
    ids = list(range(1, 20_001))
    path = _file(tmp_path, {"from_id": ids, "to_id": ids})
    read: list[int] = []
    with PairTable(path, layout()) as table, pytest.raises(InputError) as caught:
        for record, _ in table:
            read.append(record.line)
            if record.line == 1:
                (child,) = _children()
                os.kill(child, signal.SIGKILL)
    assert str(caught.value).startswith(f"{path} cannot be read as a Parquet file: pyarrow crashed")
    assert list(range(1, len(read) + 1)) == read
    assert len(read) < 20_000


def _children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    found = [int(pid) for task in tasks for pid in task.read_text().split()]
    names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found}
    return [pid for pid, name in names.items() if b"parquet_reader" in name]


@pytest.mark.skipif(sys.platform != "linux", reason="others do not bound a process's memory")
def test_a_page_that_claims_more_than_it_has(tmp_path: Path) -> None:
    """The memory is not taken, and the file is named."""
    columns = {"from_id": [1], "to_id": [2], "x": ["7" * (2 << 20)]}
    path = Path(_file(tmp_path, columns, compression="zstd", use_dictionary=False))
    assert [("1", "2")] == ids_of(str(path))
    page = pq.ParquetFile(path).metadata.row_group(0).column(2).data_page_offset
    data = bytearray(path.read_bytes())
    # In Thrift's compact protocol the page's second field is its size, in seven bits a byte.
    size = data.index(b"\x15", page + 1) + 1
    assert [True, True, True, False] == [byte > 127 for byte in data[size : size + 4]]
    data[size : size + 4] = b"\xfe\xff\xff\x7f"  # 134 MB
    path.write_bytes(data)
    with PairTable(str(path), layout()) as table, pytest.raises(InputError) as caught:
        list(table)
    assert str(caught.value).startswith(f"{path} unpacks to far more than a table of its size")


def test_this_process_does_not_load_the_library(tmp_path: Path) -> None:
    """What it does at damage is not done here."""
    path = _file(tmp_path, {"from_id": [1], "to_id": [2]})
    command = [sys.executable, "-X", "importtime", "-m", "aiohubassoc", "plan", path]
    types = ["--from", "contacts", "--to", "companies"]
    ended = subprocess.run([*command, *types], capture_output=True, text=True, check=True)
    assert "pyarrow" not in ended.stderr


def test_the_process_ends_with_its_reader(tmp_path: Path) -> None:
    """Whether its rows were read or not."""
    ids = list(range(1, 100_001))
    path = _file(tmp_path, {"from_id": ids, "to_id": ids})
    with PairTable(path, layout()) as table:
        next(iter(table))
        assert 1 == len(_children())
    assert [] == _children()


def test_the_process_ends_when_nobody_reads(tmp_path: Path) -> None:
    """As after the end of the process that started it."""
    ids = list(range(1, 100_001))
    path = _file(tmp_path, {"from_id": ids, "to_id": ids})
    with Path(path).open("rb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "aiohubassoc.files.parquet_reader"],
            stdin=file,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        with process.stdout as messages:
            messages.readline()
        assert 0 == process.wait(60)


def test_without_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said which file could not be read."""
    path = _file(tmp_path, {"from_id": [1], "to_id": [2]})
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert f"{path} cannot be read: no process could be started for it: No such file" in (
        refusal_of(path)
    )


def test_nothing_beside_the_input_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the working directory, as one that came with the file."""
    path = _file(tmp_path, {"from_id": [1], "to_id": [2]})
    (tmp_path / "pyarrow.py").write_text("import os; os._exit(3)")
    monkeypatch.chdir(tmp_path)
    assert [("1", "2")] == ids_of(path)


# --- lists -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.int64()),
        pa.list_(pa.string()),
        pa.large_list(pa.int32()),
        pa.list_(pa.float64()),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
        pa.list_(pa.decimal128(20)),
        *([pa.list_view(pa.int64())] if hasattr(pa, "list_view") else []),
    ],
    ids=str,
)
def test_a_list_is_several_ids(tmp_path: Path, kind: pa.DataType) -> None:
    """Whatever its column is called; a list without elements, or none, links nothing."""
    values = [[202, 203], [204], [], None, [205, 205]]
    inner = kind.value_type
    is_text = pa.types.is_string(inner) or pa.types.is_dictionary(inner)
    cells: list[Any] = [one and [str(n) if is_text else n for n in one] for one in values]
    try:
        path = _file(tmp_path, {"from_id": [1, 2, 3, 4, 5], "companies": pa.array(cells, kind)})
    except pa.ArrowNotImplementedError:
        pytest.skip(f"pyarrow {pa.__version__} does not write {kind}")
    options = {"to_column": "companies"}
    assert [("1", "202"), ("1", "203"), ("2", "204"), ("5", "205"), ("5", "205")] == ids_of(
        path, **options
    )
    counts = counts_of(path, **options)
    assert (5, 2) == (counts.rows, counts.nothing_to_link)
    with PairTable(path, layout(**options)) as table:
        first, second, *_ = [table.cells(pair) for _, pair in table if pair is not None]
    assert [["1", "202"], ["1", "203"]] == [first, second]


@pytest.mark.parametrize(
    ("values", "reported"),
    [
        (["202", "Acme"], "to_id is 'Acme', a name or other text"),
        ([None, "NULL"], "to_id is 'NULL', a placeholder for nothing"),
        (["202;203"], "to_id is '202;203', several ids"),
    ],
)
def test_a_list_with_one_bad_id(tmp_path: Path, values: list[str | None], reported: str) -> None:
    """Its row gives no pair at all."""
    path = _file(tmp_path, {"from_id": [1, 2], "to_id": pa.array([values, ["7"]])})
    ((line, problem),) = problems_of(path).items()
    assert (1, True) == (line, problem.startswith(reported))


@pytest.mark.parametrize("form", ["parquet", "jsonl", "csv"])
def test_an_empty_element_is_nothing(tmp_path: Path, form: str) -> None:
    """One rule for the lists of all formats; a list of nothing else links nothing."""
    lists: list[list[str | None]] = [["202", None, "203"], [None, "", " "], ["\u00a0", "204"]]
    path = str(tmp_path / f"pairs.{form}")
    if form == "parquet":
        _file(tmp_path, {"from_id": [1, 2, 3], "to IDs": pa.array(lists)})
    else:
        cells = [";".join(one or "" for one in cell) for cell in lists]
        lines = ["from_id,to IDs", *(f"{n},{cell}" for n, cell in enumerate(cells, 1))]
        if form == "jsonl":
            lines = [json.dumps({"from": n, "to IDs": cell}) for n, cell in enumerate(lists, 1)]
        file_of(tmp_path, "\n".join(lines), f"pairs.{form}")
    options = {"to_column": "to IDs"}
    assert [("1", "202"), ("1", "203"), ("3", "204")] == ids_of(path, **options)
    counts = counts_of(path, **options)
    assert (3, 0, 1) == (counts.rows, counts.rejected, counts.nothing_to_link)


def test_whole_floats_are_ids(tmp_path: Path) -> None:
    """As pandas writes a column of ints with gaps; they are counted."""
    path = _file(tmp_path, {"from_id": [101.0, None, 103.0], "to_id": [1, 2, 3], "x": [1.0] * 3})
    assert {2: "from_id is empty"} == problems_of(path)
    counts = counts_of(path)
    assert 2 == counts.floats
    assert ["Whole numbers in columns of floats, taken as ids: 2."] == counts.sentences()


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()], ids=str)
@pytest.mark.parametrize("form", ["plain", "list", "dictionary"])
def test_a_narrow_float_that_lost_digits_is_no_id(
    tmp_path: Path, kind: pa.DataType, form: str
) -> None:
    """16777217 in 32 bits is 16777216, another record."""
    exact = 2**11 if kind == pa.float16() else 2**24
    ids = pa.array([float(exact - 1), float(exact), 5.0], pa.float64()).cast(kind)
    if form == "list":
        ids = pa.ListArray.from_arrays([0, 1, 2, 3], ids)
    elif form == "dictionary":
        ids = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), ids)
    path = _file(tmp_path, {"from_id": ids if form != "list" else [1, 2, 3], "to_id": ids})
    ((line, problem),) = problems_of(path).items()
    assert (2, True) == (line, "a number with an exponent: its digits may be lost" in problem)
    assert [str(exact - 1), "5"] == [pair.to_id for _, pair in rows_of(path) if pair is not None]


def test_fields_can_be_written_as_json(tmp_path: Path) -> None:
    """Whatever the types are."""
    path = _file(tmp_path, {"from_id": [1], "to_id": [2], "x": [{"a": [b"\xff"], "b": 1.5}]})
    ((record, _),) = rows_of(path)
    assert json.loads(json.dumps(record.fields, allow_nan=False)) == record.fields


@pytest.mark.parametrize("name", ["failures.parquet", "pairs.xlsx"])
def test_a_file_that_was_never_written_to_its_end(tmp_path: Path, name: str) -> None:
    """Is empty, as a run leaves it that was killed: it is not taken for text."""
    path = tmp_path / name
    path.touch()
    assert refusal_of(str(path)).endswith(
        f"{name} is empty: what was to write it may not have ended"
    )
