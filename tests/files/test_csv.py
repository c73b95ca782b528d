"""CSV and TSV, good and bad."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, strategies as st

from aiohubassoc import InputError, Pair
from aiohubassoc.files.csv_reader import CsvReader
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.record import Record
from tests.files.reading import file_of, ids_of, layout, problems_of, refusal_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path


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
        "PARENT,from_id,to_id\nx,1,2\nx,3,4\n",
        "from_id,to_id\r\r\n1,2\r\r\n3,4\r\r\n",  # csv.writer on Windows without newline=""
        "from\u200b_id,\u200eto\u00ad_id\n1,2\n3,4\n",
    ],
)
def test_files_as_people_have_them(tmp_path: Path, content: str) -> None:
    """With and without BOM, any line end, quotes, other columns, blank lines."""
    assert [("1", "2"), ("3", "4")] == ids_of(file_of(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "delimiter", "options"),
    [
        ("pairs.tsv", "\t", {}),
        ("pairs.TAB", "\t", {}),
        ("pairs.txt", "\t", {"format": "tsv"}),
        ("pairs.csv", "\t", {"delimiter": "\t"}),
        ("pairs.csv", "\t", {"delimiter": r"\t"}),
        ("pairs.csv", ";", {"delimiter": ";"}),
        ("pairs.tsv", "|", {"delimiter": "|"}),
        ("pairs.tsv", ",", {"format": "csv"}),
        ("pairs", ",", {}),
    ],
)
def test_what_stands_between_columns(
    tmp_path: Path, name: str, delimiter: str, options: dict[str, Any]
) -> None:
    """A comma in CSV and a tab in TSV, as the name says; or what the user says."""
    lines = [["from_id", "to_id", "note"], ["1", "2", "a b"], ["3", "4", ""]]
    content = "".join(delimiter.join(line) + "\n" for line in lines)
    assert [("1", "2"), ("3", "4")] == ids_of(file_of(tmp_path, content, name), **options)


def test_columns_of_other_names(tmp_path: Path) -> None:
    """Any column can hold the ids."""
    path = file_of(tmp_path, "Record ID,Company ID\n1,2\n")
    assert [("1", "2")] == ids_of(path, from_column="Record ID", to_column=" company id")


def test_types_of_each_row(tmp_path: Path) -> None:
    """A row's own types win over those of all; an empty cell leaves it to them."""
    content = "from_id,to_id,from_type,to_type\n1,2,deals,0-5\n3,4,,\n"
    assert [Pair("deals", 1, "0-5", 2), Pair("contacts", 3, "companies", 4)] == [
        pair for _, pair in rows_of(file_of(tmp_path, content))
    ]


def test_a_pair_carries_its_row(tmp_path: Path) -> None:
    """Line and cells come back on the outcome by the pair's tag, all other columns with them."""
    ((record, pair),) = rows_of(file_of(tmp_path, "from_id,to_id,note\n\n1,2,x\n"))
    assert pair is not None
    assert pair.tag is record
    assert Record(3, ["1", "2", "x"]) == record


ids = st.integers(1, 10**20 - 1)


@given(
    st.lists(
        st.tuples(ids, ids, st.text("ab,;\t\"' \r\n|ä€\u2028", max_size=6)),
        max_size=8,
    ),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_was_written_comes_back(
    rows: list[tuple[int, int, str]], delimiter: str, line_end: str
) -> None:
    """Cells that the csv library wrote come back as they were, whatever stands in them."""
    # Tabs in each line of a cell may be those of a row.
    assume(
        delimiter != "\t" or not any("\t" in row[2] and re.search("[\r\n]", row[2]) for row in rows)
    )
    file = io.StringIO(newline="")
    # Before Python 3.13 it leaves a lone carriage return unquoted by itself.
    writer = csv.writer(
        file, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_NONNUMERIC
    )
    writer.writerows([("from_id", "to_id", "note"), *rows])
    read = CsvReader(
        io.StringIO(file.getvalue(), newline=""), name="x", delimiter=delimiter, encoding="utf-8"
    )
    records = list(read)
    assert [["from_id", "to_id", "note"], *([str(cell) for cell in row] for row in rows)] == [
        record.fields for record in records
    ]
    assert all(record.problem is None for record in records)


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    """That is no error: there is nothing to do."""
    assert [] == rows_of(file_of(tmp_path, "from_id,to_id\n"))


# --- rows that cannot be used --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        (",2", "from_id is empty"),
        ("1,", "to_id is empty"),
        ("  ,2", "from_id is empty"),
        ("1", "has a missing column: 1 of 2 fields"),
        ("1,2,3", "has too many fields: 3, the header has 2"),
        ("12.0,2", "from_id is '12.0', a float"),
        ('"1,234",2', "from_id is '1,234', several ids or a number as another locale writes it"),
        ("Acme,2", "from_id is 'Acme', a name or other text"),
        ("1,..", "to_id is '..', a placeholder for nothing"),
        ("1\0,2", "holds a NUL character"),
        ("from_id,to_id", "repeats the header"),
    ],
)
def test_a_row_that_cannot_be_used(tmp_path: Path, line: str, reported: str) -> None:
    """It is named by its line, and the rows around it are read."""
    content = f"from_id,to_id\n7,8\n{line}\n9,10\n11,12\n"
    rows = rows_of(file_of(tmp_path, content))
    assert ["7", None, "9", "11"] == [pair and pair.from_id for _, pair in rows]
    ((number, problem),) = [(r.line, r.problem) for r, pair in rows if pair is None]
    assert 3 == number
    assert reported in str(problem)


def test_a_row_without_a_type(tmp_path: Path) -> None:
    """Where the options leave it to the column, its cells must be filled."""
    path = file_of(tmp_path, "from_id,to_id,from_type,to_type\n1,2,,0-2\n1,2,0-1,\n")
    assert {2: "from_type is empty", 3: "to_type is empty"} == problems_of(
        path, from_type=None, to_type=None
    )


@pytest.mark.parametrize("kind", ["null", "N/A", "#N/A", "NULL", "-", "(blank)", "=A1"])
def test_a_type_that_is_nothing(tmp_path: Path, kind: str) -> None:
    """A program wrote it for no value: neither a type nor the one for all."""
    path = file_of(tmp_path, f"from_id,to_id,to_type\n1,2,{kind}\n1,2,deals\n")
    ((line, problem),) = problems_of(path).items()
    assert (2, True) == (line, problem.startswith(f"to_type is {kind!r}, "))


@pytest.mark.parametrize("kind", ["a b", "x" * 129, "contacts/1\u200b", ".."])
def test_a_type_that_is_none(tmp_path: Path, kind: str) -> None:
    """It is named in its row, however long it is."""
    path = file_of(tmp_path, f"from_id,to_id,to_type\n1,2,{kind}\n1,2,deals\n")
    ((line, problem),) = problems_of(path).items()
    assert 2 == line
    assert problem.startswith("to_type ")
    assert len(problem) < 150


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_the_line_ends_of_a_file_are_those_of_its_header(tmp_path: Path, line_end: str) -> None:
    """Others stand in cells, and only in quotes."""
    other = "\n" if line_end == "\r" else "\r"
    lines = ["from_id,to_id,note", f'1,2,"a{other}b"', "3,4,c", ""]
    rows = rows_of(file_of(tmp_path, line_end.join(lines).encode()))
    assert [["1", "2", f"a{other}b"], ["3", "4", "c"]] == [record.fields for record, _ in rows]


@given(st.text(alphabet='1,"\n\r x\\0ä', max_size=60))
def test_any_text_is_taken_apart(text: str) -> None:
    """Up to a record that broke, every line is in some row, in its order."""
    reader = CsvReader(io.StringIO(text, newline="\n"), name="x", delimiter=",", encoding="utf-8")
    records: list[Record] = []
    with contextlib.suppress(InputError):
        records.extend(reader)
    lines = text.split("\n")
    assert sorted({record.line for record in records}) == [record.line for record in records]
    assert all(1 <= record.line <= len(lines) for record in records)
    if '"' not in text and "\r" not in text:
        assert [line.split(",") for line in lines if line] == [record.fields for record in records]


# --- files that are no table of pairs ------------------------------------------------------------


def _refused(content: str, reported: str, **options: Any) -> Any:
    return pytest.param(content, reported, options, id=reported[:40])


@pytest.mark.parametrize(
    ("content", "reported", "options"),
    [
        _refused("", "is empty: its first line must name the columns"),
        _refused("\ufeff", "is empty"),
        _refused("\n\n", "is empty"),
        _refused(
            "from_id;to_id\n1;2\n", "separates its columns by semicolons: give --delimiter ';'"
        ),
        _refused(
            '"from_id";"to_id"\n"1";"2"\n',
            "separates its columns by semicolons: give --delimiter ';'",
        ),
        _refused(
            '\ufeff"from_id"\t"to_id"\n"1"\t"2"\n',
            "separates its columns by tabs: give --format tsv",
        ),
        _refused(
            'from "x" y;"to_id"\n1;2\n', "separates its columns by semicolons: give --delimiter ';'"
        ),
        _refused("from_id;to_id\n101,0;202,0\n", ".csv separates its columns by semicolons: give"),
        _refused(
            "Table 1\n\nRecord ID;Associated Company IDs;;\n101;202;;\n",
            ".csv separates its columns by semicolons: give --delimiter ';'",
        ),
        _refused(
            "from_id;Name, first;to_id\n101;Jo;202\n",
            ".csv separates its columns by semicolons: give --delimiter ';'",
        ),
        _refused("from_id\tto_id\n1\t2\n", "separates its columns by tabs: give --format tsv"),
        _refused("from_id|to_id\n1|2\n", "separates its columns by bars: give --delimiter '|'"),
        _refused("from_id to_id\n1 2\n", "separates its columns by ' ': give --delimiter ' '"),
        _refused("from_id^to_id\n1^2\n", "separates its columns by '^': give --delimiter '^'"),
        _refused("from_id，to_id\n1，2\n", "separates its columns by '，': give --delimiter"),
        _refused("from_id\x01to_id\n", r"columns by '\x01': give --delimiter $'\x01'"),
        _refused(
            "from_id,to_id\n1,2\n",
            "separates its columns by commas: give --delimiter ','",
            delimiter=";",
        ),
        _refused(
            '"from_id,to_id"\n"1,2"\n',
            "has each row in a single cell: remove the quotes around each row",
        ),
        _refused('{"from_id": 1}\n', "holds JSON, not a table: give --format jsonl"),
        _refused('{"from_id":1,"to_id":2}\n', "holds JSON, not a table: give --format jsonl"),
        _refused('{"from_id":"1","to_id":2}\n', "holds JSON, not a table", format="csv"),
        _refused('[\n  {"from_id":1,"to_id":2}]', "is one JSON array, but each line must hold"),
        _refused("1,2\n3,4\n", "has no header: its first line is '1,2'"),
        _refused("12.0,1e5\n", "has no header"),
        _refused(
            "from,to\n1,2\n",
            "has no column 'from_id' and no column 'to_id'. Its columns: from, to. "
            "Choose with --from-column --to-column",
        ),
        _refused(
            "From ID,toId,note\n1,2,x\n",
            "Its columns: From ID, toId, note. Choose with --from-column 'From ID' "
            "--to-column toId",
        ),
        _refused(
            "fromObjectId,to-id\n",
            "Choose with --from-column fromObjectId --to-column to-id",
        ),
        _refused(
            "from_id,to_ids\n", "Its columns: from_id, to_ids. Choose with --to-column to_ids"
        ),
        _refused(
            "from_id,to\n",
            "has no column 'to_id'. Its columns: from_id, to. Choose with --to-column",
        ),
        _refused(
            "from_id,to_id\n",
            "has no column 'x'. Its columns: from_id, to_id. Choose with --from-column",
            from_column="x",
        ),
        _refused("from_id,to_id,from_id\n", "has more than one column 'from_id'"),
        _refused("From_Id,FROM_ID,to_id\n", "has more than one column 'from_id'"),
        _refused('"from_id,to_id\n1,2\n', "line 1: has a quote that is never closed"),
        _refused("from_id,to_id\n", "has no column 'from_type': give --from", from_type=None),
        _refused("from_id,to_id\n", "has no column 'to_type': give --to", to_type=None),
        _refused(
            "from_id,to_id\n",
            "has no columns 'from_type' and 'to_type': give --from and --to, such as --from "
            "contacts --to companies",
            from_type=None,
            to_type=None,
        ),
    ],
)
def test_a_file_that_cannot_be_read(
    tmp_path: Path, content: str, reported: str, options: dict[str, Any]
) -> None:
    """Each with its message, before anything is read."""
    path = file_of(tmp_path, content)
    message = refusal_of(path, **options)
    assert message.startswith(path)
    assert reported in message


def test_headers_are_compared_as_people_read_them(tmp_path: Path) -> None:
    """However their letters are composed, spaced and cased."""
    path = file_of(tmp_path, "Fi\u0302rma  nr,\ufeffTO_ID\u00a0\n1,2\n")
    assert [("1", "2")] == ids_of(path, from_column="f\u00eerma Nr")


def test_messages_are_short_whatever_a_file_holds(tmp_path: Path) -> None:
    """Of many columns with long names some are named, each by its beginning."""
    path = file_of(tmp_path, ",".join(f"{n} {'x' * 10_000}" for n in range(1000)) + "\n1,2\n")
    message = refusal_of(path).removeprefix(path)
    assert "and 970 more" in message
    assert len(message) < 3000


def test_the_rows_that_were_read_are_not_kept(tmp_path: Path) -> None:
    """Memory does not grow with a file, nor with what comes through a pipe."""
    rows = "".join(f"{n},{n},{'x' * 100}\n" for n in range(20_000))
    path = file_of(tmp_path, f"from_id,to_id,note\n{rows}")
    with PairTable(path, layout()) as table:
        next(iter(table))
        tracemalloc.start()
        for _ in table:
            pass
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes < len(rows) / 4
