"""CSV files, good and bad."""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import InputError, Pair
from aiohubassoc.tables.failures import FailuresFile
from aiohubassoc.tables.pairs import PairTable
from aiohubassoc.tables.records import Record, Records

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {"from_type": "contacts", "to_type": "companies"}


def _file(folder: Path, content: str | bytes, name: str = "pairs.csv") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def _rows(folder: Path, content: str | bytes, **options: Any) -> list[tuple[Record, Pair | None]]:
    with PairTable(_file(folder, content), **{**TYPES, **options}) as table:
        return list(table)


def _pairs(folder: Path, content: str | bytes, **options: Any) -> list[tuple[str, str]]:
    pairs = [pair for _, pair in _rows(folder, content, **options)]
    assert None not in pairs
    return [(pair.from_id, pair.to_id) for pair in pairs if pair is not None]


def _problems(folder: Path, content: str | bytes, **options: Any) -> dict[int, str]:
    rows = _rows(folder, content, **options)
    return {record.line: record.problem or "" for record, pair in rows if pair is None}


def _refusal(folder: Path, content: str | bytes, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        PairTable(_file(folder, content), **{**TYPES, **options})
    return str(caught.value).replace(str(folder), "")


# --- what is read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "from_id,to_id\n1,2\n3,4\n",
        "from_id,to_id\r\n1,2\r\n3,4",
        "from_id,to_id\r1,2\r3,4\r",
        "\ufefffrom_id,to_id\n1,2\n3,4\n",
        '"from_id","to_id"\n"1","2"\n"3",4\n',
        "to_id,from_id\n2,1\n4,3\n",
        "FROM_ID, To_Id \n1,2\n3,4\n",
        "note,from_id,to_id\nä,1,2\n,3,4\n",
        'note,from_id,to_id\n"two\nlines, ""quoted""",1,2\n5" pipe,3,4\n',
        "from_id,to_id\n\n1,2\n\n\n3,4\n\n",
    ],
)
def test_files_as_people_have_them(tmp_path: Path, content: str) -> None:
    """With and without BOM, any line end, quotes, other columns, blank lines."""
    assert [("1", "2"), ("3", "4")] == _pairs(tmp_path, content)


def test_columns_of_other_names(tmp_path: Path) -> None:
    """Any column can hold the ids."""
    content = "Record ID,Company ID\n1,2\n"
    options = {"from_column": "Record ID", "to_column": "company id"}
    assert [("1", "2")] == _pairs(tmp_path, content, **options)


def test_types_of_each_row(tmp_path: Path) -> None:
    """A row's own types win over those of all; an empty cell leaves it to them."""
    content = "from_id,to_id,from_type,to_type\n1,2,deals,0-2\n3,4,,\n"
    assert [Pair("deals", 1, "0-2", 2), Pair("contacts", 3, "companies", 4)] == [
        pair for _, pair in _rows(tmp_path, content)
    ]


def test_a_pair_carries_its_row(tmp_path: Path) -> None:
    """Line and cells come back on the outcome by the pair's tag."""
    ((record, pair),) = _rows(tmp_path, "from_id,to_id,note\n\n1,2,x\n")
    assert pair is not None
    assert pair.tag is record
    assert Record(3, ["1", "2", "x"]) == record


# --- rows that cannot be used --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (",2", "from_id is empty"),
        ("1,", "to_id is empty"),
        ("  ,2", "from_id is empty"),
        ("1", "has a missing column: 1 of 2 fields"),
        ("1,2,3", "has too many fields: 3, the header has 2"),
        ("12.0,2", "from_id is '12.0', a number as spreadsheets write it"),
        ("1,1e5", "to_id is '1e5', a number as spreadsheets write it"),
        ("1,1.23457E+11", "to_id is '1.23457E+11'"),
        ('"1,234",2', "from_id is '1,234'"),
        (".5,2", "from_id is '.5'"),
        ("1 2,2", "holds a blank"),
        (" 1,2", "holds a blank"),
        ("..,2", "cannot be '..'"),
        ("1\0,2", "holds a NUL character"),
        ("from_id,to_id", "repeats the header"),
        ('"1"x,2', "is not CSV"),
        ('"1,2', "has a quote that is never closed"),
    ],
)
def test_a_row_that_cannot_be_used(tmp_path: Path, line: str, told: str) -> None:
    """It is told by its line, and the rows around it are read."""
    content = f"from_id,to_id\n7,8\n{line}\n9,10\n11,12\n"
    rows = _rows(tmp_path, content)
    assert ["7", None, "9", "11"] == [pair and pair.from_id for _, pair in rows]
    ((number, problem),) = [(r.line, r.problem) for r, pair in rows if pair is None]
    assert 3 == number
    assert told in str(problem)


def test_ids_that_only_look_odd_are_sent(tmp_path: Path) -> None:
    """Zeros in front, letters, dashes: HubSpot decides."""
    content = "from_id,to_id\n007,-1\nabc,e5\n1e,a.b\n"
    assert [("007", "-1"), ("abc", "e5"), ("1e", "a.b")] == _pairs(tmp_path, content)


def test_a_line_that_is_not_utf8(tmp_path: Path) -> None:
    """Only that line is given up."""
    content = b"from_id,to_id,note\n1,2,ok\n3,4,\xe4\n5,6,\xc3\xa4\n"
    assert {3: "is not UTF-8"} == _problems(tmp_path, content)


def test_a_row_without_a_type(tmp_path: Path) -> None:
    """Where the options leave it to the column, its cells must be filled."""
    content = "from_id,to_id,from_type,to_type\n1,2,,0-2\n1,2,0-1,\n"
    options = {"from_type": None, "to_type": None}
    assert {2: "from_type is empty", 3: "to_type is empty"} == _problems(
        tmp_path, content, **options
    )


def test_a_quote_that_is_never_closed_swallows_nothing(tmp_path: Path) -> None:
    """However far its end would be, every later row is read, with its own line number."""
    rows = "".join(f"{n},{n}\n" for n in range(3, 30_000))
    content = f'from_id,to_id\n1,1\n"2,2\n{rows}'
    read = _rows(tmp_path, content)
    assert 29_999 == len(read)
    assert {3: "has a quote that is never closed"} == {
        record.line: record.problem for record, pair in read if pair is None
    }
    assert all(record.line == int(pair.from_id) + 1 for record, pair in read if pair is not None)


def test_a_cell_without_end(tmp_path: Path) -> None:
    """A huge cell on one line is told as what it is."""
    content = f"from_id,to_id\n1,2\n{'x' * 200_000},4\n5,6\n"
    assert {3: "has a cell of more than 131,072 characters"} == _problems(tmp_path, content)


# --- files that are none -------------------------------------------------------------------------


def _refused(content: str | bytes, told: str, **options: Any) -> Any:
    return pytest.param(content, told, options, id=told[:40])


@pytest.mark.parametrize(
    ("content", "told", "options"),
    [
        _refused("", "is empty: its first line must name the columns"),
        _refused("\ufeff", "is empty"),
        _refused("\n\n", "is empty"),
        _refused("from_id,to_id".encode("utf-16"), "is UTF-16: save it as CSV in UTF-8"),
        _refused("from_id,to_id\n".encode("utf-16-be"), "is a binary file"),
        _refused("from_id,tö_id\n1,2\n".encode("latin-1"), "is not text in UTF-8"),
        _refused("ö".encode("latin-1") * 5000, "is not text in UTF-8"),
        _refused(bytes(range(256)) * 20, "is a binary file"),
        _refused(b"\x89PNG\r\n\x1a\n", "is not text in UTF-8"),
        _refused(b"PK\x03\x04abc", "is a zip archive, perhaps an Excel workbook"),
        _refused(b"\xd0\xcf\x11\xe0abc", "is an old Excel workbook"),
        _refused(gzip.compress(b"from_id,to_id\n"), "is compressed with gzip"),
        _refused(b"PAR1abc", "is a Parquet file"),
        _refused("from_id;to_id\n1;2\n", "separates its columns by semicolons"),
        _refused("from_id\tto_id\n1\t2\n", "separates its columns by tabs"),
        _refused("from_id|to_id\n1|2\n", "separates its columns by bars"),
        _refused("1,2\n3,4\n", "has no header: its first line is '1,2'"),
        _refused("12.0,1e5\n", "has no header"),
        _refused("from,to\n1,2\n", "has no column 'from_id' but from, to: name it with --from-c"),
        _refused("from_id,to\n", "has no column 'to_id' but from_id, to: name it with --to-col"),
        _refused("from_id,to_id,from_id\n", "has more than one column 'from_id'"),
        _refused("From_Id,FROM_ID,to_id\n", "has more than one column 'from_id'"),
        _refused('"from_id,to_id\n1,2\n', "line 1 has a quote that is never closed"),
        _refused("from_id,to_id\n", "has no column 'from_type': give --from", from_type=None),
        _refused("from_id,to_id\n", "has no column 'to_type': give --to", to_type=None),
    ],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, content: str | bytes, told: str, options: dict[str, Any]
) -> None:
    """Each with its message, before anything is read."""
    message = _refusal(tmp_path, content, **options)
    assert message.startswith("/pairs.csv")
    assert told in message


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    """That is no error: there is nothing to do."""
    assert [] == _rows(tmp_path, "from_id,to_id\n")


def test_a_directory(tmp_path: Path) -> None:
    """It is told as such."""
    with pytest.raises(InputError, match="is a directory, not a file"):
        PairTable(str(tmp_path), **TYPES)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """With the system's own reason."""
    with pytest.raises(InputError, match=r"cannot open .*nothing\.csv: No such file"):
        PairTable(str(tmp_path / "nothing.csv"), **TYPES)


@given(st.text(alphabet='1,"\n\r x\0ä', max_size=60))
def test_any_text_is_taken_apart(text: str) -> None:
    """Every line that holds anything is in some record; broken ones hide no other."""
    lines = text.splitlines(keepends=True)
    records = list(Records(lines))
    assert sorted({record.line for record in records}) == [record.line for record in records]
    assert all(1 <= record.line <= len(lines) for record in records)
    unbroken = [record for record in records if record.problem is None]
    if '"' not in text:
        assert [line.strip("\r\n").split(",") for line in lines if line.strip("\r\n")] == [
            record.fields for record in records
        ]
        assert "\0" in text or len(records) == len(unbroken)


# --- the failures file ------------------------------------------------------------------------


def _written(path: Path, header: list[str], *rows: tuple[Any, ...]) -> list[list[str]]:
    with FailuresFile(str(path), header) as file:
        for row in rows:
            file.write(*row)
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


def test_failures_can_be_given_to_another_run(tmp_path: Path) -> None:
    """What an earlier run said of a row is replaced, and the rows are read as they were."""
    header = ["from_id", "to_id"]
    first = _written(tmp_path / "1.csv", header, (["1", "2"], "failed", "X", "told", None))
    with PairTable(str(tmp_path / "1.csv"), **TYPES) as table:
        ((record, pair),) = list(table)
        again = _written(
            tmp_path / "2.csv", table.header, (record.fields, "partial", "Y", "told again", "c")
        )
    assert pair == Pair("contacts", 1, "companies", 2)
    assert [first[0], ["1", "2", "partial", "Y", "told again", "c"]] == again


def test_bytes_that_are_no_text_come_back_as_they_were(tmp_path: Path) -> None:
    """A row that is not UTF-8 is written as it was read."""
    path = _file(tmp_path, b"from_id,to_id,note\n1,2,\xe4\n")
    with PairTable(path, **TYPES) as table, FailuresFile(str(tmp_path / "f"), table.header) as file:
        for record, _ in table:
            file.write(record.fields, "invalid", None, "", None)
    assert b"1,2,\xe4,invalid" in (tmp_path / "f").read_bytes()
