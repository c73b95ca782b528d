"""Tables as spreadsheets leave them: titles, ragged rows, rows of nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from tests.files.reading import (
    broken_at,
    counts_of,
    file_of,
    ids_of,
    problems_of,
    refusal_of,
    rows_of,
)

if TYPE_CHECKING:
    from pathlib import Path


def _sheet(folder: Path, *rows: tuple[object, ...]) -> str:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / "x.xlsx")
    return str(folder / "x.xlsx")


# --- rows in single cells ------------------------------------------------------------------------


@pytest.mark.parametrize("quoted", ["from_id,to_id", "Record ID,Name,Associated Company IDs"])
def test_rows_in_single_cells_are_named(tmp_path: Path, quoted: str) -> None:
    """As if the columns were there: a CSV file opened with another delimiter and saved again."""
    path = file_of(tmp_path, f'"{quoted}"\n"101,202,203"\n')
    reported = refusal_of(path, to_type=None if "Record" in quoted else "companies")
    assert reported == f"{path} has each row in a single cell: remove the quotes around each row"
    for text in (quoted, quoted.replace(",", ";")):
        path = _sheet(tmp_path, ("A title, of May",), (text, None), ("101,202,203",))
        assert "has each row in a single cell: split it into columns" in (
            refusal_of(path, to_type=None if "Record" in quoted else "companies")
        )


# --- ragged rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "from_id,to_id,name\n101,202,x\n,,\n103,204,\n,,\n , ,\t\n\n",
        "from_id,to_id\n101,202,\n103,204,,,\n,,,,\n",
        "from_id,to_id,,\n101,202\n103,204,\n,\n",
        "from_id,to_id,,\n101,202,,\n103,204,x,\n",
        ",from_id,to_id\n0,101,202\n1,103,204\n",  # as pandas writes its index
        ' ,,\n"",""\nfrom_id,to_id\n101,202\n103,204\n',
        "from_id,to_id\r\n101,202\r\n103,204\r\n\x1a",  # as DOS ends a file
    ],
)
def test_what_has_no_content_is_nothing(tmp_path: Path, content: str) -> None:
    """Rows, cells behind the last column, and columns without a name."""
    path = file_of(tmp_path, content)
    assert [("101", "202"), ("103", "204")] == ids_of(path)
    counts = counts_of(path)
    assert (2, 0) == (counts.rows, counts.rejected)


@pytest.mark.parametrize(
    ("row", "reported"),
    [
        ("101,202,,x", "has too many fields: 4, the header has 2"),
        ("101", "has a missing column: 1 of 2 fields"),
        (",202", "from_id is empty"),
    ],
)
def test_what_has_content_is_something(tmp_path: Path, row: str, reported: str) -> None:
    """A cell beyond the header may have come out of another column."""
    assert {3: reported} == problems_of(file_of(tmp_path, f"from_id,to_id\n1,2\n{row}\n3,4\n"))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("address,from_id,to_id,note", "Main St, 12,101,201,"),
        ("from_id,amount,to_id,note", "101,12,50,201,"),
        ("from_id,amount,to_id,note,", "101,12,50,201,,"),
        ("from_id,amount,to_id,,", "101,12,50,201"),
        ("from_id,amount,to_id,,", "101,12,50,201,"),
    ],
)
def test_a_row_that_a_comma_without_quotes_has_shifted_is_rejected(
    tmp_path: Path, header: str, row: str
) -> None:
    """Its ids stand one column further, and what stands in their place may look like ids."""
    path = file_of(tmp_path, f"{header}\n{row}\n101,x,201\n")
    assert (
        "has more fields than columns with names: a cell may hold a ','" in (problems_of(path)[2])
    )


def test_a_cell_beside_a_sheets_table_is_nothing(tmp_path: Path) -> None:
    """In a sheet each cell surely stands in its column."""
    path = _sheet(tmp_path, ("from_id", "to_id"), (101, 202, None, "a note"), (103, 204))
    assert [["101", "202"], ["103", "204"]] == [record.fields for record, _ in rows_of(path)]


def test_a_row_with_very_many_cells_is_kept_short(tmp_path: Path) -> None:
    """Nobody can use them."""
    ((record, pair),) = rows_of(file_of(tmp_path, "from_id,to_id\n1,2" + ",x" * 100_000))
    assert pair is None
    assert "has too many fields: 100,002, the header has 2" == record.problem
    assert ["1", "2", "x"] == record.fields


# --- titles --------------------------------------------------------------------------------------

TITLED = [
    ("This export was made by Ann",),
    (),
    ("", "from_id", "to_id"),
    ("a", 101, 202),
    ("b", 103, 204),
]


def test_a_header_below_a_title_is_found(tmp_path: Path) -> None:
    """Its rows keep their numbers."""
    lines = "".join(",".join(map(str, row)) + "\n" for row in TITLED)
    for path in (file_of(tmp_path, lines), _sheet(tmp_path, *TITLED)):
        rows = rows_of(path)
        assert [(4, "101"), (5, "103")] == [(r.line, pair and pair.from_id) for r, pair in rows]
        assert ["a", "101", "202"] == rows[0][0].fields


def test_a_header_below_a_title_is_found_by_the_columns_that_are_named(tmp_path: Path) -> None:
    """Or by those of HubSpot's exports."""
    content = "Deals\nRecord ID,Deal ID,Contact ID,Associated Company IDs\n1,2,3,4\n"
    path = file_of(tmp_path, content)
    assert [("2", "3")] == ids_of(
        path, from_column="Deal ID", to_column="Contact ID", from_type="deals", to_type="contacts"
    )
    assert [("1", "4")] == ids_of(path, from_type="p1_cars", to_type=None)


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("Export by Ann\nContact,Company\n1,2\n", ", line 2, has no column 'from_id'"),
        ("Export by Ann\nfrom_id,Company\n1,2\n", ", line 2, has no column 'to_id'. Its"),
        ("Contact,Company\n1,2\n3,4\n", " has no column 'from_id' and no column 'to_id'. Its"),
        ("Export by Ann\n\n", " has no column 'from_id'"),
        ("a,b\n" + "c\n" * 25 + "from_id,to_id\n1,2\n", " has no column 'from_id'"),
    ],
)
def test_a_header_that_is_not_found_is_named(tmp_path: Path, content: str, reported: str) -> None:
    """By its line where a title stands above it; it is looked for in twenty rows."""
    path = file_of(tmp_path, content)
    assert refusal_of(path).startswith(f"{path}{reported}")


# --- the line that says the delimiter ------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("sep=;\nfrom_id;to_id\n101;202\n", {}),
        ("\ufeffsep=;\r\nfrom_id;to_id\r\n101;202\r\n", {}),
        ("SEP=|\nfrom_id|to_id\n101|202\n", {}),
        ("sep=\t\nfrom_id\tto_id\n101\t202\n", {}),
        ('"sep=;"\nfrom_id;to_id\n101;202\n', {}),
        ("sep=,\nfrom_id,to_id\n101,202\n", {}),
        ("sep=;\nfrom_id,to_id\n101,202\n", {"delimiter": ","}),
    ],
)
def test_the_line_of_excel_that_says_what_is_between_columns(
    tmp_path: Path, content: str, options: dict[str, Any]
) -> None:
    """It is obeyed, unless the user says otherwise, and counts as a line."""
    ((record, pair),) = rows_of(file_of(tmp_path, content), **options)
    assert pair is not None
    assert (3, "101") == (record.line, pair.from_id)


# --- tables one behind the other -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("from_id,to_id", "to_id,from_id"),
        ("from_id,to_id,note", "from_id,note,to_id"),
        ("from_id,to_id,note", "note,from_id,to_id"),
        ("from_id,to_id", "note,from_id,to_id"),
        ("from_id,to_id,note", '"TO_ID","from_id",x'),
        (
            "Record ID,Note,Associated Company IDs",
            "Record ID,Deal Name,Associated Company IDs",
        ),
        ("Record ID,Associated Company IDs", "Record ID,Associated Deal IDs"),
        ("Record ID,Associated Company IDs", "RECORD ID,ASSOCIATED DEAL IDS"),
        ("Record ID,Associated Company IDs", "\ufeffRecord ID,Associated Deal IDs"),
        ("Record ID,Associated Company IDs", "Record ID,Deal Name"),
        ("from_id,to_id", "Record ID,Associated Deal IDs"),
        ("from_id,to_id", "To_ID,From_ID"),
        ("from_id,to_id", "from_id,Deal ID"),
        ("from_id,to_id,note", "from_id,x,y"),
        ("from_id,to_id,from_type,to_type", "from_id,to_id,to_type,from_type"),
    ],
)
def test_a_header_of_another_table_ends_the_file(tmp_path: Path, first: str, second: str) -> None:
    """Files that were put together: the columns of the rows behind it are others."""
    rows = f"{','.join(('101', '202', '203', '204')[: first.count(',') + 1])}\n" * 1500
    content = f"{first}\n{rows}\n{second}\n404,505,606\n"
    path = file_of(tmp_path, content)
    read, reported = broken_at(path, to_type="companies" if "from_id" in first else None)
    assert len(read) == 1500
    assert f"{path}, line 1503 names other columns than line 1" in reported
    assert "Put the rows after it into another file" in reported


@pytest.mark.parametrize(
    "second",
    [
        *("from_id,to_id,note", "from_id,to_id,other", "FROM_ID,To_Id ,Note"),
        *("from_id,5,y", "from_id,,y", "5,to_id,y", "David,Madrid,to_id"),
    ],
)
def test_a_header_of_the_same_columns_is_only_rejected(tmp_path: Path, second: str) -> None:
    """Or a row with the name of a column among other values."""
    path = file_of(tmp_path, f"from_id,to_id,note\n101,202,x\n{second}\n103,204,y\n")
    assert [3] == list(problems_of(path))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("from_id,to_id", "to_id,from_id"),
        ("from_id,to_id", "\ufeffto_id,from_id"),
        ("from_id,name,to_id", "to_id,name,from_id"),
        ("from_id,to_id,name", "TO_ID,From_ID,name"),
        ("Record ID,Associated Company IDs", "Associated Company IDs,Record ID"),
    ],
)
def test_a_header_behind_a_line_without_its_end_ends_the_file(
    tmp_path: Path, first: str, second: str
) -> None:
    """The first file had no line end at its end: its last row and the header are one line."""
    row = ",".join(("101", "202", "203")[: first.count(",") + 1])
    path = file_of(tmp_path, f"{first}\n{row}\n{row}{second}\n404,505,606\n")
    read, reported = broken_at(path, to_type="companies" if "from_id" in first else None)
    assert len(read) == 1
    assert f"{path}, line 3 names other columns than line 1" in reported


def test_the_same_header_behind_a_line_without_its_end_is_only_rejected(tmp_path: Path) -> None:
    """The rows after it have the same columns."""
    for mark in ("", "\ufeff"):
        content = f"from_id,to_id,n\n1,2,x\n3,4,y{mark}from_id,to_id,n\n5,6,z\n"
        assert [3] == list(problems_of(file_of(tmp_path, content)))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("from_id,to_id", "Company ID,Contact ID"),
        ("from_id,to_id", "Record ID - Company,Record ID - Contact"),
        ("from_id,to_id", "hs_object_id,Firmen-ID"),
        ("from_id,to_id", "toObjectId,fromObjectId"),
        ("A,B", "to_id,from_id"),
    ],
)
def test_a_header_with_other_names_of_ids_ends_the_file(
    tmp_path: Path, first: str, second: str
) -> None:
    """Nobody knows in which of its columns the first ids are."""
    path = file_of(tmp_path, f"{first}\n101,202\n{second}\n404,505\n")
    columns = {"from_column": "A", "to_column": "B"} if first == "A,B" else {}
    read, reported = broken_at(path, **columns)
    assert read == ["contacts:101 -> companies:202"]
    assert f"{path}, line 3 names other columns than line 1" in reported


@pytest.mark.parametrize(
    "second", ["Contact ID,Company ID", "Contact ID,5", "David,Company ID", "string,string"]
)
def test_a_second_header_for_the_same_columns_is_only_rejected(tmp_path: Path, second: str) -> None:
    """It names the columns once more, for people; or it is a row with a text."""
    path = file_of(tmp_path, f"from_id,to_id\n{second}\n101,202\n")
    assert [2] == list(problems_of(path))


@pytest.mark.parametrize(
    ("content", "cell"),
    [
        ("name,from_id,to_id,amount\nAnn,101,202,5\nTotal,1,1,5.50\n", "Total"),
        ("name,last name,from_id,to_id\nAnn,B,101,202\n,TOTAL:,1,1\n", "TOTAL:"),
        ("name,from_id,to_id\nAnn,101,202\nGrand total,1,1\n", "Grand total"),
        ("name,from_id,to_id\nAnn,101,202\nCount: ,1,1\n", "Count: "),
        ("from_id,to_id,name\n101,202,Ann\n1,1,Gesamtergebnis\n", "Gesamtergebnis"),
        ("Name,Record ID,Associated Company IDs\nAnn,101,202\nSumme,101,202\n", "Summe"),
    ],
)
def test_a_row_of_totals_is_rejected(tmp_path: Path, content: str, cell: str) -> None:
    """What stands where the others have their ids are counts or sums."""
    problem = problems_of(file_of(tmp_path, content))[3]
    assert f"looks like a row of totals, as it has the cell {cell!r}" in problem


@pytest.mark.parametrize(
    "row", ["Total,101,202,ann@total.com", "Total Wine,101,202,", "x,1,2,3", "Max,1,2,"]
)
def test_a_record_called_total_is_none(tmp_path: Path, row: str) -> None:
    """It has other texts."""
    path = file_of(tmp_path, f"name,from_id,to_id,mail\n{row}\n")
    assert len(ids_of(path)) == 1


def test_a_header_of_another_table_in_a_sheet(tmp_path: Path) -> None:
    """Its row is named."""
    path = _sheet(tmp_path, ("from_id", "to_id"), (1, 2), (), ("to_id", "from_id"), (4, 3))
    read, reported = broken_at(path)
    assert read == ["contacts:1 -> companies:2"]
    assert "row 4 names other columns than row 1" in reported
