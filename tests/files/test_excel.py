"""Excel workbooks, good and bad."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings, strategies as st
from openpyxl.chart import BarChart, Reference

from aiohubassoc import InputError, Pair
from aiohubassoc.files.excel_reader import ExcelReader
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.record import InputCounts, Record
from tests.files.reading import (
    broken_at,
    counts_of,
    file_of,
    ids_of,
    layout,
    problems_of,
    refusal_of,
    rows_of,
)

HEADER = ("from_id", "to_id")


def _file(folder: Path, *rows: tuple[object, ...], name: str = "pairs.xlsx") -> str:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    path = folder / name
    book.save(path)
    return str(path)


def _changed(path: str, part: str, *changes: tuple[str, str]) -> None:
    """Write the workbook anew with changes to one of its parts."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts[part].decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    parts[part] = text.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


# --- what is read ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.xlsx", "a.XLSM", "a", "a.csv"])
def test_a_workbook_is_told_by_its_bytes(tmp_path: Path, name: str) -> None:
    """Whatever its name is."""
    path = _file(tmp_path, HEADER, (1, "2"), name=name)
    assert [("1", "2")] == ids_of(path)
    assert [("1", "2")] == ids_of(path, format="excel")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        ("", ""),
        ("101", "101"),
        (101, "101"),
        (101.0, "101"),  # Excel knows no difference
        (1e5, "100000"),
        (999_999_999_999_999, "999999999999999"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        (dt.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),  # noqa: DTZ001 -- Excel has no zones
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(days=1), "1 day, 0:00:00"),
        ("=1+1", ""),  # openpyxl computes nothing: no value is stored
        ("#N/A", "#N/A"),
        ("ä\nß", "ä\nß"),
    ],
)
def test_every_cell_is_text(tmp_path: Path, cell: object, text: str) -> None:
    """All other columns are kept, as text."""
    path = _file(tmp_path, ("from_id", "x", "to_id"), (1, cell, 2))
    ((record, pair),) = rows_of(path)
    assert pair is not None
    assert pair.tag is record
    assert Record(2, ["1", text, "2"]) == record


def test_rows_without_a_cell_are_nothing(tmp_path: Path) -> None:
    """Before the header, between rows and behind them; each row keeps its number."""
    rows = [(), ("", None), HEADER, (), (1, 2), (None, None), (3, 4), (" ",), ()]
    assert [(5, "1"), (7, "3")] == [
        (record.line, pair and pair.from_id) for record, pair in rows_of(_file(tmp_path, *rows))
    ]


def test_cells_that_are_not_there_are_empty(tmp_path: Path) -> None:
    """A row of a sheet ends with its last cell: it is not too short for that."""
    path = _file(tmp_path, (*HEADER, "x", ""), (1, 2), (3, None, "z"))
    (first, _), (second, pair) = rows_of(path)
    assert ["1", "2", ""] == first.fields
    assert pair is None
    assert ["3", "", "z"] == second.fields
    assert "to_id is empty" == second.problem


@pytest.mark.parametrize("size", ["A1", "A1:A2", "B7:C9"])
def test_a_sheet_that_is_wrong_about_its_size(tmp_path: Path, size: str) -> None:
    """Some writers say a wrong one; every row and column is read all the same."""
    path = _file(tmp_path, HEADER, (1, 2), (3, 4))
    _changed(path, "xl/worksheets/sheet1.xml", ('ref="A1:B3"', f'ref="{size}"'))
    assert [("1", "2"), ("3", "4")] == ids_of(path)


def _book(folder: Path, **states: str) -> str:
    """Sheets in this order, each with a pair of its number, visible or not."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for n, (title, state) in enumerate(states.items(), 1):
        sheet = book.create_sheet(title)
        sheet.sheet_state = state
        sheet.append(HEADER)
        sheet.append((n, n))
    path = folder / "book.xlsx"
    book.save(path)
    return str(path)


def test_a_sheet_by_its_name(tmp_path: Path) -> None:
    """As Excel does, without regard to case; without a name it is the first."""
    path = _book(tmp_path, Contacts="visible", Old="visible")
    assert [("1", "1")] == ids_of(path)
    assert [("2", "2")] == ids_of(path, sheet="old")
    reported = f"{path} has no sheet 'new'. Its sheets: 'Contacts', 'Old'. Choose with --sheet"
    assert reported == refusal_of(path, sheet="new")


# --- what the person does not see ----------------------------------------------------------------


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_the_first_visible_sheet_is_read(tmp_path: Path, state: str) -> None:
    """Hidden ones are counted; by its name, or where they are wanted, one can be read."""
    path = _book(tmp_path, _old=state, Pairs="visible", _more=state)
    assert [("2", "2")] == ids_of(path)
    counts = counts_of(path)
    assert (2, 0) == (counts.hidden_sheets, counts.hidden_rows)
    assert ["Hidden sheets left out: 2 (--include-hidden reads them)."] == counts.sentences()
    assert [("1", "1")] == ids_of(path, sheet="_OLD")
    assert [("1", "1")] == ids_of(path, include_hidden=True)
    assert 0 == counts_of(path, include_hidden=True).hidden_sheets


def test_a_workbook_of_hidden_sheets(tmp_path: Path) -> None:
    """Nobody meant them to be read: it is refused, and what to do is said."""
    path = _book(tmp_path, a="visible")
    _changed(path, "xl/workbook.xml", ('state="visible"', 'state="hidden"'))
    reported = refusal_of(path)
    assert (
        "has hidden sheets only: 'a' (hidden). Choose with --sheet, or read them with" in reported
    )
    assert [("1", "1")] == ids_of(path, include_hidden=True)


def _filtered(folder: Path) -> str:
    book = openpyxl.Workbook()
    for row in [HEADER, (1, 2), (3, 4), (5, 6), (7, 8)]:
        book.active.append(row)
    book.active.auto_filter.ref = "A1:B5"
    book.active.row_dimensions[3].hidden = True
    book.save(folder / "filtered.xlsx")
    path = str(folder / "filtered.xlsx")
    _changed(path, "xl/worksheets/sheet1.xml", ('<row r="5"', '<row r="5" ht="0.0"'))
    return path


def test_hidden_rows_are_left_out(tmp_path: Path) -> None:
    """By a filter, by hand, or without height; they are counted, and can be wanted."""
    path = _filtered(tmp_path)
    assert [(2, "1"), (4, "5")] == [(r.line, pair and pair.from_id) for r, pair in rows_of(path)]
    counts = counts_of(path)
    assert 2 == counts.hidden_rows
    assert ["Hidden rows left out: 2 (--include-hidden reads them)."] == counts.sentences()
    assert ["1", "3", "5", "7"] == [first for first, _ in ids_of(path, include_hidden=True)]
    assert 0 == counts_of(path, include_hidden=True).hidden_rows


def test_what_is_hidden_is_counted_once_among_several_inputs(tmp_path: Path) -> None:
    """Though a later file is opened twice."""
    paths = [file_of(tmp_path, "from_id,to_id\n1,2\n"), _filtered(tmp_path)]
    with PairTable(paths, layout()) as table:
        assert 3 == len(list(table))
        assert 2 == table.counts.hidden_rows


@pytest.mark.parametrize(
    ("state", "reported"),
    [
        ("visible", "Other sheets, for --sheet: 'Pairs'"),
        ("hidden", "Other sheets, for --sheet: 'Pairs' (hidden)"),
    ],
)
def test_the_other_sheets_are_named(tmp_path: Path, state: str, reported: str) -> None:
    """Where the first has not the columns; a cover, or nothing at all."""
    for cover in [("This export was made by Ann",), ()]:
        book = openpyxl.Workbook()
        book.active.title = "Info"
        if cover:
            book.active.append(cover)
        book.create_sheet("Pairs").append(HEADER)
        book["Pairs"].sheet_state = state
        book.save(tmp_path / "two.xlsx")
        message = refusal_of(str(tmp_path / "two.xlsx"))
        assert re.search(r"two.xlsx, sheet 'Info' (has no|is empty)", message)
        assert reported in message


def test_a_row_of_one_of_several_sheets(tmp_path: Path) -> None:
    """Its place is the file, the sheet and the row, each once and with one comma between them."""
    book = openpyxl.Workbook()
    book.active.title = "Pairs"
    for row in (("Export by Ann",), ("from_id", "Company"), (1, 2)):
        book.active.append(row)
    book.create_sheet("Other").append(("x",))
    book.save(tmp_path / "book.xlsx")
    message = refusal_of(str(tmp_path / "book.xlsx"))
    assert "book.xlsx, sheet 'Pairs', row 2, has no column 'to_id'" in message


def test_a_hidden_header_is_named(tmp_path: Path) -> None:
    """It is no header, and the message says that rows were left out."""
    path = _file(tmp_path, HEADER, ("Contact", "Company"), (1, 2))
    _changed(path, "xl/worksheets/sheet1.xml", ('<row r="1"', '<row r="1" hidden="1"'))
    assert "1 hidden row left out: --include-hidden" in refusal_of(path)


# --- what came back ------------------------------------------------------------------------------


_CELL_TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn"]), max_size=5)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**15 - 1) | st.integers(1, 10**20 - 1).map(str),
            st.integers(1, 10**20 - 1),
            st.none() | _CELL_TEXT.filter(lambda text: not text.startswith(("=", "#"))),
        ),
        max_size=6,
    )
)
def test_what_was_written_comes_back(
    tmp_path_factory: Any, rows: list[tuple[int | str, int, str | None]]
) -> None:
    """Cells that openpyxl wrote come back as they were."""
    written = [(a, str(b), note) for a, b, note in rows]
    path = _file(tmp_path_factory.getbasetemp(), (*HEADER, "note"), *written)
    read = rows_of(path)
    assert [Pair("contacts", a, "companies", b) for a, b, _ in rows] == [pair for _, pair in read]
    assert [
        Record(row, [str(a), str(b), note or ""]) for row, (a, b, note) in enumerate(rows, 2)
    ] == [record for record, _ in read]


class _Counting(io.FileIO):
    """A file that counts what is read of it."""

    taken_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes | Any:
        data = super().read(-1 if size is None else size)
        self.taken_bytes += len(data or b"")
        return data


def test_the_first_row_comes_at_once(tmp_path: Path) -> None:
    """However long the sheet is, little of it is read for that."""
    path = Path(_file(tmp_path, HEADER, *((n, n**5 % 10**15) for n in range(20_000))))
    with _Counting(path) as file:
        rows = ExcelReader(file, "x", layout(), InputCounts())
        assert [Record(1, list(HEADER)), Record(2, ["0", "0"])] == list(islice(rows, 2))
        assert file.taken_bytes < path.stat().st_size / 4
        assert 20_001 == rows.count
        rows.close()


# --- what cannot be used -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reported"),
    [
        ((None, 2), "from_id is empty"),
        ((1, " "), "to_id is empty"),
        (("=A1", 2), "from_id is a formula without a value: open the file in a spreadsheet"),
        ((1, "=VLOOKUP(A1,B1:C9,2)"), "to_id is a formula without a value"),
        (("=A1", "=B1"), "from_id is a formula without a value"),
        ((1.5, 2), "from_id is '1.5', a float"),
        (("101.0", 2), "from_id is '101.0', a float"),
        ((1e20, 2), "from_id is '100000000000000000000', a number of which Excel keeps 15 digits"),
        ((-1, 2), "from_id is '-1', a number as another locale writes it"),
        ((True, 2), "from_id is 'true', a truth value"),
        ((dt.date(2026, 1, 2), 2), "from_id is '2026-01-02T00:00:00', a date or time"),
        ((dt.time(3, 4), 2), "from_id is '03:04:00', a date or time"),
        (("#N/A", 2), "from_id is '#N/A', a placeholder for nothing"),
        (("#REF!", 2), "from_id is '#REF!', an error value"),
        (("1 2", 2), "from_id is '1 2', several ids"),
        (HEADER, "repeats the header"),
    ],
)
def test_a_row_that_cannot_be_used(tmp_path: Path, row: tuple[object, ...], reported: str) -> None:
    """It is reported by its number, by the same rules as in CSV; the rows around it are read."""
    rows = rows_of(_file(tmp_path, HEADER, (7, 8), row, (9, 10)))
    assert ["7", None, "9"] == [pair and pair.from_id for _, pair in rows]
    ((number, problem),) = [(r.line, r.problem) for r, pair in rows if pair is None]
    assert 3 == number
    assert reported in str(problem)


def test_a_number_of_more_than_15_digits(tmp_path: Path) -> None:
    """It is no id, as its last digits may be lost; a text of digits is, and it may be a note."""
    path = _file(tmp_path, (*HEADER, "x"), (101, 2), ("1234567890123456", "3"), (4, 5, 101))
    sheet = "xl/worksheets/sheet1.xml"
    _changed(path, sheet, ("<v>101</v>", "<v>1234567890123456</v>"))
    (first, _), (_, second), (third, pair) = rows_of(path)
    assert first.problem is not None
    assert first.problem.startswith(
        "from_id is '1234567890123456', a number of which Excel keeps 15 digits: "
        "format the column as text"
    )
    assert Pair("contacts", "1234567890123456", "companies", 3) == second
    assert pair is not None
    assert ["4", "5", "1234567890123456"] == third.fields
    export = _file(tmp_path, ("Record ID", "Associated Company IDs"), (1, 101), (2, "3;4"))
    _changed(export, sheet, ("<v>101</v>", "<v>1234567890123456</v>"))
    assert [2] == list(problems_of(export, to_type=None))
    path = _file(tmp_path, (*HEADER, "x"), (1, 101))
    _changed(path, sheet, ("<v>101</v>", "<v>999999999999999</v>"))
    assert {} == problems_of(path)


def test_a_date_that_is_none(tmp_path: Path) -> None:
    """What openpyxl warns of is no concern of the user's terminal: the cell says it."""
    path = _file(tmp_path, (*HEADER, "x"), (1, 2, dt.datetime(2026, 1, 2)))  # noqa: DTZ001
    _changed(path, "xl/worksheets/sheet1.xml", ("<v>46024</v>", "<v>99999999999</v>"))
    ((record, pair),) = rows_of(path)
    assert pair is not None
    assert ["1", "2", "#VALUE!"] == record.fields


@pytest.mark.parametrize(
    ("rows", "reported"),
    [
        ([], "is empty: its first row must name the columns"),
        ([(), ("",)], "is empty"),
        ([(1, 2), (3, 4)], "has no header: its first row is '1,2'"),
        ([("from_id;to_id",)], "has each row in a single cell: split it into columns"),
    ],
)
def test_a_sheet_that_is_no_table_of_pairs(
    tmp_path: Path, rows: list[tuple[object, ...]], reported: str
) -> None:
    """It is reported before anything is read."""
    path = _file(tmp_path, *rows)
    message = refusal_of(path)
    assert message.startswith(path)
    assert reported in message


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (_zip("pairs.csv"), "is a zip archive, but no Excel workbook: unpack it first"),
        (_zip("mimetype", "content.xml"), "is an OpenDocument file: save it as .xlsx or CSV"),
        (_zip("Index/Document.iwa"), "is a Numbers document: export it as .xlsx or CSV"),
        (
            _zip("[Content_Types].xml", "xl/workbook.bin"),
            "is a binary Excel workbook: save it as .xlsx or CSV",
        ),
        (
            _zip("[Content_Types].xml", "word/document.xml"),
            "cannot be read as an Excel workbook: its part xl/workbook.xml is missing",
        ),
        (_zip("[Content_Types].xml")[:-30], "is damaged or cut off: "),
        (b"PK\x03\x04", "is damaged or cut off: "),
    ],
)
def test_a_file_that_is_no_workbook(tmp_path: Path, content: bytes, reported: str) -> None:
    """The message says what it is, and what to do."""
    path = file_of(tmp_path, content, "pairs.xlsx")
    assert refusal_of(path).startswith(f"{path} {reported}")


def test_damage_in_the_middle(tmp_path: Path) -> None:
    """Rows before it were read, and then the file is named."""
    path = _file(tmp_path, HEADER, *((n, n) for n in range(1000)))
    _changed(path, "xl/worksheets/sheet1.xml", ("<v>777</v>", "<v>777</w>"))
    read: list[int] = []
    with PairTable(path, layout()) as table, pytest.raises(InputError) as caught:
        read.extend(record.line for record, _ in table)
    assert str(caught.value).startswith(f"{path} cannot be read as an Excel workbook: ")
    assert list(range(2, len(read) + 2)) == read
    assert 500 < len(read) < 778


def test_damage_at_the_beginning(tmp_path: Path) -> None:
    """It is reported before anything is read."""
    path = _file(tmp_path, HEADER)
    _changed(path, "xl/worksheets/sheet1.xml", ("</row>", "</raw>"))
    assert refusal_of(path).startswith(f"{path} cannot be read as an Excel workbook: ")


def test_a_workbook_of_charts(tmp_path: Path) -> None:
    """It has no sheet with cells."""
    book = openpyxl.Workbook()
    chart = BarChart()
    chart.add_data(Reference(book.active, min_col=1, min_row=1))
    book.create_chartsheet().add_chart(chart)
    book.remove(book.active)
    book.save(tmp_path / "pairs.xlsx")
    assert "has no sheet with cells" in refusal_of(str(tmp_path / "pairs.xlsx"))


def test_a_text_of_that_name(tmp_path: Path) -> None:
    """A file that only says it is a workbook is reported as such."""
    path = file_of(tmp_path, "from_id,to_id\n1,2\n", "pairs.xlsx")
    assert "is not an Excel workbook, though its name says so: if it is text" in refusal_of(path)
    assert [("1", "2")] == ids_of(path, format="csv")


def test_another_format_is_said(tmp_path: Path) -> None:
    """A workbook cannot be read as what it is not."""
    path = _file(tmp_path, HEADER)
    reported = "is an Excel workbook, or another zip archive: leave out --format csv"
    assert reported in refusal_of(path, format="csv")


# --- workbooks of other programs -----------------------------------------------------------------

_NAMESPACES = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


_HEAD = (
    '<row><c t="inlineStr"><is><t>from_id</t></is></c><c t="inlineStr"><is><t>to_id</t></is></c>'
    '<c t="inlineStr"><is><t>x</t></is></c></row>'
)


def minimal_workbook(
    cells: str,
    shared: str = "",
    *,
    head: str = _HEAD,
    prefix: str = "",
    space: str = _NAMESPACES[0],
) -> bytes:
    """The least that a workbook has, its elements with a prefix or not."""
    cells = head + cells
    colon = f"{prefix}:" if prefix else ""
    named = f'xmlns{":" if prefix else ""}{prefix}="{space}"'

    def tagged(text: str) -> str:
        if not prefix:
            return text
        return re.sub(r"<(/?)(?=\w)", rf"<\1{colon}", text)

    workbook = f'<workbook {named} xmlns:r="{_RELATIONS}"><sheets>'
    workbook += '<sheet name="A" sheetId="1" r:id="r1"/></sheets></workbook>'
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(
            [("worksheet", "/xl/sheets/a.xml"), ("sharedStrings", "texts.xml")], 1
        )
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", tagged(workbook))
        archive.writestr(
            "xl/_rels/workbook.xml.rels", f"<Relationships>{relations}</Relationships>"
        )
        archive.writestr("xl/texts.xml", tagged(f"<sst {named}>{shared}</sst>"))
        sheet = f"<worksheet {named}><sheetData>{cells}</sheetData></worksheet>"
        archive.writestr("xl/sheets/a.xml", tagged(sheet))
    return file.getvalue()


@pytest.mark.parametrize("prefix", ["", "x"])
@pytest.mark.parametrize("space", _NAMESPACES)
def test_other_ways_to_write_a_sheet(tmp_path: Path, prefix: str, space: str) -> None:
    """Prefixes, strict namespaces, cells without places, texts in several fonts, odd numbers."""
    shared = "<si><t>10</t></si><si><r><t>20</t></r><r><t>2</t></r><rPh><t>no</t></rPh></si><si/>"
    cells = (
        '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c></row>'
        '<row r="7"><c r="B7"><v>2.02E2</v></c><c r="A7"><v>101.0</v></c></row>'
        '<row><c t="str"><f>A1&amp;1</f><v>103</v></c><c><f>1+1</f><v>2</v></c>'
        '<c t="str"><f>""</f><v></v></c></row>'
    )
    rows = rows_of(
        file_of(tmp_path, minimal_workbook(cells, shared, prefix=prefix, space=space), "x.xlsx")
    )
    assert [(2, ["10", "202", ""]), (7, ["101", "202", ""]), (8, ["103", "2", ""])] == [
        (record.line, record.fields) for record, _ in rows
    ]
    assert all(pair is not None for _, pair in rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("101_x000D_", "101\r"),
        ("_x0009_101", "\t101"),
        ("a_x005F_x000D_b", "a_x000D_b"),
        ("_x005f_", "_"),
        ("a_x0000_", "a_x0000_"),
        ("a_x0041_", "a_x0041_"),
        ("_x000D", "_x000D"),
    ],
)
@pytest.mark.parametrize(
    "cell", ['<c t="s"><v>0</v></c>', '<c t="inlineStr"><is><t>{}</t></is></c>']
)
def test_characters_that_excel_escapes(tmp_path: Path, text: str, expected: str, cell: str) -> None:
    """XML could not hold them; what Excel does not write so is left as it is."""
    row = f"<row><c><v>1</v></c><c><v>2</v></c>{cell.format(text)}</row>"
    book = minimal_workbook(row, f"<si><t>{text}</t></si>")
    ((record, _),) = rows_of(file_of(tmp_path, book, "x.xlsx"))
    assert ["1", "2", expected] == record.fields


@pytest.mark.parametrize(
    ("cells", "reported"),
    [
        ('<row><c t="s"><v>9</v></c></row>', "list index out of range"),
        ('<row><c t="s"><v>-1</v></c></row>', "row 2: there is no text '-1'"),
        ('<row r="1048577"/>', "it has more than 1,048,576 rows"),
        ('<row><c r="XFE1"><v>1</v></c></row>', "there is no cell 'XFE1'"),
        ('<row><c r="1"><v>1</v></c></row>', "there is no cell '1'"),
        ("<row><c><v>one</v></c></row>", "could not convert string to float: 'one'"),
        ("<row>", "mismatched tag"),
    ],
)
def test_a_sheet_that_is_damaged(tmp_path: Path, cells: str, reported: str) -> None:
    """What is wrong is said, with the file's name."""
    path = file_of(tmp_path, minimal_workbook(cells), "x.xlsx")
    read, message = broken_at(path)
    assert [] == read
    assert message.startswith(f"{path} cannot be read as an Excel workbook: ")
    assert reported in message


def test_a_workbook_of_too_many_sheets(tmp_path: Path) -> None:
    """Nobody has made it."""
    path = _file(tmp_path, HEADER)
    sheet = '<sheet name="x" sheetId="2" r:id="rId1"/>'
    _changed(path, "xl/workbook.xml", ("</sheets>", f"{sheet * 10_001}</sheets>"))
    assert "it has more than 10,000 sheets" in refusal_of(path)


def test_a_workbook_of_too_many_styles(tmp_path: Path) -> None:
    """Excel makes no more of them."""
    path = _file(tmp_path, HEADER)
    _changed(path, "xl/styles.xml", ("</cellXfs>", f"{'<xf/>' * 65_490}</cellXfs>"))
    assert "it has more than 65,490 styles of cells" in refusal_of(path)


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    """Its entities could unpack to any size."""
    file = io.BytesIO(minimal_workbook(""))
    with zipfile.ZipFile(file) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    kept["xl/sheets/a.xml"] = b'<!DOCTYPE x [<!ENTITY a "b">]>' + kept["xl/sheets/a.xml"]
    path = tmp_path / "x.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in kept.items():
            archive.writestr(name, data)
    assert "it has a document type, which could unpack to any size" in refusal_of(str(path))


def test_cells_merged_over_several_rows_are_noted(tmp_path: Path) -> None:
    """Their rows look filled, and only the first one has the value."""
    book = openpyxl.Workbook()
    for row in (("Record ID", "Associated Company IDs"), (1, 2), (3, None), (4, None), (5, 6)):
        book.active.append(row)
    book.active.merge_cells("B2:B4")
    book.active.merge_cells("D1:F1")  # of a title: its row stays as it is
    book.save(tmp_path / "x.xlsx")
    path = str(tmp_path / "x.xlsx")
    assert [("1", "2"), ("5", "6")] == ids_of(path, to_type=None)
    (note,) = counts_of(path, to_type=None).notes
    assert note == (
        f"{path}: cells are merged over several rows, such as B2:B4. Only the first of these rows "
        "has the value: unmerge them and fill in each row."
    )
