"""No pair is made of a line of a record that broke: the file ends there."""

from __future__ import annotations

import csv
import gzip
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.files.limits import CELL_CHARS, ROW_CHARS
from aiohubassoc.files.pairs import PairTable
from tests.files.reading import (
    broken_at,
    file_of,
    ids_of,
    layout,
    problems_of,
    refusal_of,
    rows_of,
    standard_input,
)

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "Record ID,Body,Associated Company IDs\n"
GOOD = "101,short,202\n"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("chars", [131_072, 131_073, 150_000, 2_000_000])
def test_a_long_cell_of_many_lines_is_read(tmp_path: Path, chars: int, line_end: str) -> None:
    """As csv.writer, Excel and HubSpot write it, a mail with a pasted table in it."""
    body = line_end.join(["Hi,", "901,x,902", "903,y,904", "x" * chars, "Bye"])
    path = tmp_path / "export.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator=line_end)
        writer.writerows(
            [("Record ID", "Body", "Associated Company IDs"), (101, "short", 202), (102, body, 203)]
        )
        writer.writerow((103, "short", 204))
    read = rows_of(str(path), to_type=None)
    assert ["101", "102", "103"] == [pair and pair.from_id for _, pair in read]
    assert ["102", body, "203"] == read[1][0].fields
    assert [2, 3, 8] == [record.line for record, _ in read]


@pytest.mark.parametrize(
    "broken",
    [
        '102,"Hi\n901,x,902\nhe said \\"yes\\" to it",203\n',  # quotes of MySQL
        '102,"Hi\n901,x,902\nthe 5" model",203\n',  # quotes that were not doubled
        '102,"the 5" model\n901,x,902\nBye",203\n',
        '102,"say \\"yes\n901,x,902\nand\\" no",203\n',
        '102,"size 5\\", 6\\"\n901,x,902\nBye",203\n',
        '102,"a \\",\n901,x,902\nBye",203\n',
        '102,Hi "there\n901,x,902\nBye" you,203\n',
        '102,"Hi\n901,x,902\n903,y,904\n',  # never closed
        '102,"Hi "you"\n901,x,902\nBye",203\n',
        '102,"Hi\r901,x,902\rBye,203\n',
    ],
)
@pytest.mark.parametrize("rows_before", [1, 1500])
def test_nothing_behind_a_record_that_broke_is_read(
    tmp_path: Path, broken: str, rows_before: int
) -> None:
    """Its line is named, and neither its own lines nor those behind it give a pair."""
    content = HEADER + GOOD * rows_before + broken + "103,fine,204\n104,fine,205\n"
    path = file_of(tmp_path, content)
    read, reported = broken_at(path, to_type=None)
    assert ["contacts:101 -> companies:202"] * rows_before == read
    assert reported.startswith(f"{path}, line {rows_before + 2}: has ")
    assert "Nothing after it can be read: repair that record" in reported


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.tsv"])
def test_a_line_break_in_a_cell_without_quotes(tmp_path: Path, name: str) -> None:
    """A line end of another kind than the file's ends no row."""
    content = "from_id,note,to_id\n101,a,202\n102,b\r901,x,902\n103,c,204\n"
    if name.endswith("tsv"):
        content = content.replace(",", "\t")
    read, reported = broken_at(file_of(tmp_path, content, name))
    assert ["contacts:101 -> companies:202"] == read
    assert "line 3: has a line break in a cell without quotes" in reported


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ('101,the 5" model,202', 'the 5" model'),
        ("101,it's,202", "it's"),
        ('101,5" and 6",202', '5" and 6"'),
        ('101,"the 5"" model",202', 'the 5" model'),
        ('101,"C:\\",202', "C:\\"),
        ('101,"{""a"": ""b\\""""}",202', '{"a": "b\\""}'),
    ],
)
def test_a_quote_in_a_row_that_has_all_its_fields_is_text(
    tmp_path: Path, row: str, note: str
) -> None:
    """As it is where quotes are doubled."""
    path = file_of(tmp_path, f"{HEADER}{row}\n103,x,204\n")
    read = rows_of(path, to_type=None)
    assert ["101", "103"] == [pair and pair.from_id for _, pair in read]
    assert ["101", note, "202"] == read[0][0].fields


def test_a_bare_quote_in_a_row_that_has_another_fault(tmp_path: Path) -> None:
    """It has all its fields: only the row itself cannot be used."""
    path = file_of(tmp_path, f'{HEADER},the 5" model,202\n101,x,202\n103,the 5" model,\n')
    assert [None, "101"] == [pair and pair.from_id for _, pair in rows_of(path, to_type=None)]


def test_a_broken_header(tmp_path: Path) -> None:
    """Nothing of the file is read."""
    path = file_of(tmp_path, 'from_id,"to_id\n1,2\n')
    assert refusal_of(path).startswith(f"{path}, line 1: has a quote that is never closed.")


def test_the_largest_cell(tmp_path: Path) -> None:
    """16 MiB are read; of more the file ends, with the line on which the row begins."""
    path = file_of(tmp_path, f"from_id,to_id,note\n1,2,{'x' * CELL_CHARS}\n3,4,\n")
    assert [("1", "2"), ("3", "4")] == ids_of(path)
    path = file_of(tmp_path, f"from_id,to_id,note\n1,2,\n3,4,{'x' * (CELL_CHARS + 1)}\n5,6,\n")
    read, reported = broken_at(path)
    assert ["contacts:1 -> companies:2"] == read
    assert "line 3: has a cell of more than 16 MiB, or a quote that is not closed" in reported


@pytest.mark.parametrize(
    ("rest", "reported"),
    [
        ("x" * ROW_CHARS, "line 2: has 17 MiB"),
        ('"' + "x\n" * (ROW_CHARS // 2), "line 2: has a cell of more than 16 MiB, or a quote"),
    ],
)
def test_a_row_without_end_is_not_read_to_its_end(tmp_path: Path, rest: str, reported: str) -> None:
    """Whether it is one line or many."""
    read, message = broken_at(file_of(tmp_path, f"from_id,to_id\n{rest}"))
    assert [] == read
    assert reported in message


def test_quotes_of_tsv_may_be_text(tmp_path: Path) -> None:
    """Programs that write TSV without quoting leave them as they are."""
    rows = '101\t"Acme" Inc\t202\n102\t"a" and "b"\t203\n103\t"quoted\t"" text"\t204\n'
    path = file_of(tmp_path, f"from_id\tname\tto_id\n{rows}", "x.tsv")
    read = rows_of(path)
    names = [row.fields[1] for row, _ in read if isinstance(row.fields, list)]
    assert ['"Acme" Inc', '"a" and "b"', 'quoted\t" text'] == names
    assert ["202", "203", "204"] == [pair and pair.to_id for _, pair in read]


@pytest.mark.parametrize("line", ['102\t"a" b', '102\t"a "b"\t203', '102\t203\t"say "yes" to'])
def test_a_line_of_tsv_whose_quotes_do_not_fit_ends_the_file(tmp_path: Path, line: str) -> None:
    """A cell of several lines may begin there."""
    content = f"from_id\tto_id\tnote\n101\t202\tx\n{line}\n901\t902\ty\n"
    read, reported = broken_at(file_of(tmp_path, content, "x.tsv"))
    assert ["contacts:101 -> companies:202"] == read
    assert "line 3: " in reported


def test_a_row_after_quotes_that_are_text_is_only_rejected(tmp_path: Path) -> None:
    """Each line of TSV is looked at by itself."""
    rows = '101\t"Acme" Inc\t202\n102\t"x"\n103\ty\t204\n'
    path = file_of(tmp_path, f"from_id\tname\tto_id\n{rows}", "x.tsv")
    assert {3: "has a missing column: 2 of 3 fields"} == problems_of(path)


@pytest.mark.parametrize(
    "cell", ["{long}😀", "é{long}", '"{long}\n é""😀,\n{long}"', "\udcff{long}"]
)
def test_a_long_cell_with_wide_characters(tmp_path: Path, cell: str) -> None:
    """It is read as any other."""
    text = cell.format(long="a" * 1_500_000)
    content = f"from_id,to_id,x\n1,2,{text}\n3,4,ü\n".encode(errors="surrogateescape")
    first, second = rows_of(file_of(tmp_path, content))
    assert ["1", "2", text.strip('"').replace('""', '"')] == first[0].fields
    assert ["3", "4", "ü"] == second[0].fields


@pytest.mark.parametrize("name", ["x.tsv", "x.csv"])
def test_a_long_line_is_one_row(tmp_path: Path, name: str) -> None:
    """It is not looked at as several."""
    content = f"from_id,to_id,note\n1,2,{'x' * 70_000}\n3,4,y\n"
    content = content.replace(",", "\t") if name == "x.tsv" else content
    assert [("1", "2"), ("3", "4")] == ids_of(file_of(tmp_path, content, name))


@pytest.mark.parametrize("between", [0, 1, 900, 3000])
def test_rows_of_tsv_are_not_taken_for_the_text_of_one(tmp_path: Path, between: int) -> None:
    """A quote at the beginning of a cell has no other one; a later row's is at an end by chance."""
    rows = "103\tBeta is the name of a company\t204\n" * between
    content = f'from_id\tname\tto_id\n101\tAcme\t202\n102\t"Beta\t203\n{rows}104\t5"\t205\n'
    read, told = broken_at(file_of(tmp_path, content, "x.tsv"))
    assert read == ["contacts:101 -> companies:202"]
    assert "line 3: has a quote that takes the rows after it for its text" in told


@pytest.mark.parametrize(
    "row",
    [
        '102\t"Hi\n901\tx\t902\nBye"\t203\n',
        '102\t"Hi\nthere"\t203\n',
        '102\t"a\tb\nc"\t203\n',
        f'102\t"{"Hi" * 40_000}\n901\tx\t902"\t203\n',
    ],
)
def test_a_cell_of_tsv_may_hold_lines_and_tabs(tmp_path: Path, row: str) -> None:
    """As Excel writes it."""
    content = f"from_id\tname\tto_id\n101\tAcme\t202\n{row}104\tx\t205\n"
    assert ids_of(file_of(tmp_path, content, "x.tsv")) == [
        ("101", "202"),
        ("102", "203"),
        ("104", "205"),
    ]


LATE = [
    '301,"TV 55"\n901,x,902\nBye",401\n',
    '301,"TV 55",401\n901,x,902\nBye"\n',
    '301,"55", 65" TVs\n901,x,902\nBye",401\n',
    '301,"5"\n901,"x",902\n903,"y",904\nBye",401\n',
    '301,"5",401\n901,x,902\nfoo,bar,b"\n',  # it has all columns, but is no pair
    '301,"5",7\n901,x,902\n903,"\n104,x,205\n',  # what ends the cell seems to begin one
    '301,"5"\n' + "901,x,902\n" * 997 + 'Bye",401\n',
]


@pytest.mark.parametrize("broken", LATE)
@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("before", ["101,x,202\n", '101,"x, y",202\n'])
def test_rows_inside_of_a_cell_that_seems_to_end_are_not_read(
    tmp_path: Path, before: str, delimiter: str, broken: str
) -> None:
    """A quote that is not doubled ends its cell too early; a later one shows that it did."""
    first = "from_id,note,to_id\n" + before * 2000 + "102,x,203\n" * 1001
    text = (first + broken + "501,fine,601\n").replace(",", delimiter)
    name = "x.tsv" if delimiter == "\t" else "x.csv"
    path = file_of(tmp_path, text, name)
    read, reported = broken_at(path)
    assert ["101 202"] * 2000 + ["102 203"] * 1001 == [
        " ".join(part.partition(":")[2] for part in pair.split(" -> ")) for pair in read
    ]
    assert reported.startswith(f"{path}, line 3003: has ")


def test_a_quote_that_ends_what_it_did_not_begin(tmp_path: Path) -> None:
    """Nor does an even number of quotes on that line hide it."""
    path = file_of(tmp_path, f'{HEADER}{GOOD}301,"5"\n901,x,902\nfoo "bar",401\n')
    read, reported = broken_at(path, to_type=None)
    assert ["contacts:101 -> companies:202"] == read
    assert f"{path}, line 3: has a quote that may not end its cell (line 5: has a " in reported


def test_a_record_that_broke_in_a_file_with_quotes_in_each_row(tmp_path: Path) -> None:
    """Any of the 1,000 rows before may be the one: the file ends before them."""
    rows = '"101","x","202"\n' * 5000
    path = file_of(tmp_path, f'"from_id","note","to_id"\n{rows}"103","5"\n901,x,902\n",204\n')
    read, reported = broken_at(path)
    assert ["contacts:101 -> companies:202"] * len(read) == read
    assert 4000 <= len(read) <= 5000
    assert f"line {len(read) + 2}: has a quote that may not end its cell" in reported
    assert "(line 5004: has a quote that is never closed)" in reported


@pytest.mark.parametrize("quoted", [2, 40, 101, 102, 150, 201, 1300])
def test_every_row_before_the_first_that_may_have_broken_is_read(
    tmp_path: Path, quoted: int
) -> None:
    """Wherever it stands, after other rows with quotes that are known to be whole."""
    lines = ['"from_id","a note","to_id"', *(f"{line},x,{line}" for line in range(2, 3000))]
    for line in (quoted, quoted + 1200):
        lines[line - 1] = f'{line},"a, b",{line}'
    lines[quoted + 1500 - 1 :] = ['901,"5"', "902,x,903", '",904', ""]
    read, reported = broken_at(file_of(tmp_path, "\n".join(lines)))
    assert [f"contacts:{n} -> companies:{n}" for n in range(2, quoted + 1200)] == read
    assert f"line {quoted + 1200}: has a quote that may not end its cell" in reported


@pytest.mark.parametrize("end", [",x,202\n", ',the 5" model,202\n', ',"say ""hi""",202\n'])
def test_a_rejected_row_after_quotes_ends_nothing(tmp_path: Path, end: str) -> None:
    """Its quotes are sound, or text in a cell that goes on behind them."""
    path = file_of(tmp_path, f'{HEADER}101,"x, y",202\nfoo{end}103,x,204\n')
    read = rows_of(path, to_type=None)
    assert ["101", None, "103"] == [pair and pair.from_id for _, pair in read]


def test_what_came_before_damage_is_read(tmp_path: Path) -> None:
    """Rows with quotes too, where nothing says that a record broke."""
    rows = "".join(f'{n},"no {n}",{n + 1}\n' for n in range(101, 5000))
    packed = gzip.compress(f"from_id,note,to_id\n{rows}".encode())
    read, reported = broken_at(file_of(tmp_path, packed[:-2000], "x.csv.gz"))
    assert "is cut off" in reported
    assert len(read) > 3000


@pytest.mark.parametrize(
    "written",
    [
        b'from_id,note,to_id\n101,x,202\n102,the 5" model,203\n',
        b'"from_id","to_id"\n"101","202"\n"102","203"\n',
    ],
)
def test_rows_without_quoted_text_are_not_held_back(
    written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a pipe that stays open, each is there as soon as it was written."""
    with standard_input(monkeypatch) as writer:
        writer.write(written)
        with PairTable("-", layout()) as table:
            rows = iter(table)
            assert ["101", "102"] == [pair and pair.from_id for _, pair in islice(rows, 2)]
            writer.close()
            assert not list(rows)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ("from_id,name,to_id", '101,"Acme,201\n102,5",202\n'),
        ("from_id,name,to_id", '101,"Acme,201\n102,x,202\n103,5",203\n'),
        ("from_id,name,to_id", '101,"Acme,201\n\n102,x, Inc,202\n103,5",203\n'),
        ("from_id,name,to_id", "'101,\"Acme,'201\n'102,5\",'202\n"),
        ("Record ID,name,Associated Company IDs", '101,"Acme,201\n102,x,\n103,5",203\n'),
        ("from_id,to_id,name", '101,201,"Acme\n102,202,5"\n'),
        ("name,from_id,to_id", '"Acme,101,201\nB,102,202\n5",103,203\n'),
        ("from_id;name;to_id", '101;"Acme;201\n102;5";202\n'),
        ("Record ID,name,Associated Company IDs", '101,"Acme,201;202\n102,5",202\n'),
        ("from_id,to_id,name", '101,201,"A\n' + "103,203,y\n" * 9000 + '1,2,5"\n'),
    ],
)
def test_rows_of_csv_are_not_taken_for_the_text_of_one(
    tmp_path: Path, header: str, rows: str
) -> None:
    """Their program writes no quotes: by them, 101 was linked to the company of 102."""
    path = file_of(tmp_path, f"{header}\n{rows}", "x.csv")
    to_type = None if "Record" in header else "companies"
    delimiter = ";" if ";" in header else None
    read, told = broken_at(path, to_type=to_type, delimiter=delimiter)
    assert read == []
    assert "line 2: has a quote that takes the rows after it for its text" in told


@pytest.mark.parametrize(
    "rows",
    [
        '101,"Hi,\n901,x,902\n903,y,904\nBye",201\n',
        '101,"901,x,902\n903,y,904",201\n',
        '101,"\n901,x,902\n",201\n',
        '101,"see 5,\n12,30",201\n',
    ],
)
def test_a_table_inside_of_a_text_is_text(tmp_path: Path, rows: str) -> None:
    """As in the body of a mail."""
    path = file_of(tmp_path, f"from_id,mail,to_id\n{rows}")
    assert [("101", "201")] == ids_of(path)
    path = file_of(tmp_path, 'from_id,to_id,note\n101,201,"Hi\nsee:\n901,902,x"\n')
    assert [("101", "201")] == ids_of(path)
