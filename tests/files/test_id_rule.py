"""The one rule for record ids in files, and what is said of everything else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import Pair
from aiohubassoc.files.cells import Float, Formula, LongNumber, value_text
from aiohubassoc.files.ids import CellKind, IdRule, RejectedRowError, classify_text
from aiohubassoc.files.limits import ANY_ID_CHARS, CELL_IDS
from aiohubassoc.files.record import InputCounts
from tests.files.reading import counts_of, file_of, ids_of, problems_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path


def _each(text: str) -> list[str]:
    """The cells of a text that has two spaces between them."""
    return [cell for line in text.split("\n") for cell in line.strip().split("  ") if cell]


CELLS = {
    CellKind.FLOAT: _each("101.0  101.5  5.  .5"),
    CellKind.EXPONENT: _each("1.23457E+11  1,23457E+11  1e5  1E5  1.2e+16  2,5E-3  1.23×10^11"),
    CellKind.LOCALE: _each("""
        101,0  101,00  1.234.567  1'234'567  1’234’567  1\u202f234\u202f567  1.234,5  1 234,50
        +101  -101  101-  １０１  ٣  €101  101 %  1_000
    """),
    CellKind.GROUPED: _each("1,234,567  12,34,567  301,302  1234567,345  1 234 567  101,102,103"),
    CellKind.SEVERAL: [
        "101\n102",
        *_each("""
            301|302  301/302  {301,302}  [202]  ["202"]  101;202  101; 202  1 2  101 & 102
            101；102  101、102  101،102
            12345678 87654321  (101, 102)  '101','102'
        """),
    ],
    CellKind.PLACEHOLDER: _each("""
        nan  NaN  None  <NA>  null  NULL  \\N  n/a  N/A  NA  -  --  —  ?  ...  undefined  nil
        (blank)  (No value)  []  (Leer)  (vide)
        Ｎ／Ａ  ＮＵＬＬ  -nan  n.v.  Kein Wert  Sin valor  Aucune valeur  Нет данных
        #N/A  #NV  #N/D  #SAKNAS!  #YOK  #Н/Д  #PUUTTUU!  #I/T  #NENÍ_K_DISPOZICI
    """),
    CellKind.ERROR: _each("""
        #REF!  #BEZUG!  #¡REF!  #SPILL!  #CALC!  #ERROR!  #VALUE!  #WERT!  #DIV/0!  #NAME?
        #######  Loading...  Err:502  #ССЫЛКА!  #NOMBRE?
    """),
    CellKind.DATE: _each("""
        2021-01-01  2026-01-01T00:00:00  01/02/2021  1.2.2021  31.12.21  12:30  Jan 5, 2021
        5 January 2021  05-Jan-21  2021/1/5 10:00  2021-01-01 00:00:00+00:00
    """),
    CellKind.TRUTH: _each("TRUE  false  Yes  WAHR  FAUX  verdadero  ja  ИСТИНА"),
    CellKind.E_MAIL: _each("jo@example.com  Jo <jo@example.com>"),
    CellKind.URL: _each("""
        https://app.hubspot.com/contacts/1/record/0-1/202  www.acme.com  acme.com  http://x
    """),
    CellKind.OTHER_SYSTEM: _each("""
        0031t00000AbCdE  0031t00000AbCdEAAV  a0B5e000004kXyZEAU
        3f2504e0-4f89-11d3-9a0c-0305e82c3301  {3F2504E0-4F89-11D3-9A0C-0305E82C3301}
    """),
    CellKind.FORMULA: _each("""="101"&"1"  =101  =VLOOKUP(A1,B:C,2,0)"""),
    CellKind.NAME: _each(
        "Acme  Total  202 (Acme)  contacts:101  #101  x1  1e  é  Acme12345678901  3f2504e0-4f89"
    ),
    CellKind.INVISIBLE: ["101\u200b", "\u202d101\u202c"],
    CellKind.DIGITS: ["1" * 21, "9" * 30],
}


@pytest.mark.parametrize(
    ("text", "kind"),
    [(text, kind) for kind, texts in CELLS.items() for text in texts],
)
def test_what_is_no_id_is_called_by_its_name(tmp_path: Path, text: str, kind: CellKind) -> None:
    """It is rejected, and its message says the column, the cell and what the cell is."""
    path = file_of(tmp_path, json.dumps({"from_id": 1, "to_id": text}) + "\n", "x.jsonl")
    ((_, problem),) = problems_of(path).items()
    assert problem.startswith(f"to_id is {text!r}, {kind.one}")


@pytest.mark.parametrize("value", ["0", "000", "'0", '="0"', " 0", 0, 0.0, -0.0])
def test_zero_is_no_id(tmp_path: Path, value: object) -> None:
    """HubSpot counts from 1, and programs write 0 for nothing."""
    path = file_of(tmp_path, json.dumps({"from_id": 1, "to_id": value}) + "\n", "x.jsonl")
    assert {1: "to_id is '0', a placeholder for nothing"} == problems_of(path)
    assert [("1", "0")] == ids_of(path, any_id=True)


@pytest.mark.parametrize("kind", list(CellKind))
def test_every_kind_has_words(kind: CellKind) -> None:
    """For one cell, and for a column of them."""
    assert kind.one
    assert kind.many


@given(st.text())
def test_any_text_is_an_id_or_something_else(text: str) -> None:
    """Only digits are taken, whatever stands around them; every other text has a kind."""
    rule = IdRule(InputCounts(), any_id=False)
    try:
        found = rule.parse_id(text, "x")
    except RejectedRowError as error:
        assert error.wrong_cell is not None
        assert len(str(error)) < 500
    else:
        assert found.isdecimal()
        assert found.isascii()
        bare = text.strip().removeprefix("'")
        assert found == bare.lstrip("0") != ""
        assert str(Pair("contacts", found, "contacts", found).from_id) == found


@given(st.text(max_size=300))
def test_any_text_has_a_kind(text: str) -> None:
    """And it is found at once, however odd the text."""
    assert isinstance(classify_text(text), CellKind)


@pytest.mark.parametrize("piece", ["1 ", "1,", "1.", "a@", "- ", "1-", "0:", "(", "[1,", "#", "x "])
def test_a_long_text_has_a_kind_at_once(piece: str) -> None:
    """No pattern takes longer the longer the text is."""
    assert isinstance(classify_text(piece * 100_000), CellKind)


# --- what is taken off, and counted --------------------------------------------------------------


def test_what_is_taken_off_is_counted(tmp_path: Path) -> None:
    """Spaces, also those of Excel, and text marks."""
    path = file_of(tmp_path, "from_id,to_id\n 101,'202\n\t102\u00a0,203\n103,204\n")
    assert [("101", "202"), ("102", "203"), ("103", "204")] == ids_of(path)
    counts = counts_of(path)
    assert (2, 1, 0) == (counts.spaces, counts.text_marks, counts.floats)
    assert [
        "Cells with spaces around an id, which were removed: 2.",
        "Cells with Excel's text mark (' or =\"...\"), which was removed: 1.",
    ] == counts.sentences()


def test_a_formula_that_is_only_a_text_is_that_text(tmp_path: Path) -> None:
    """People write it so that Excel makes no number of it; csv.writer doubles its quotes."""
    rows = '="101",202\n"=""102""",=" 0203 "\n'
    path = file_of(tmp_path, f"from_id,to_id\n{rows}")
    assert [("101", "202"), ("102", "203")] == ids_of(path)
    assert 3 == counts_of(path).text_marks
    path = file_of(tmp_path, f'Record ID,Associated Company IDs\n{rows}="5",="6;7"\n')
    found = [("101", "202"), ("102", "203"), ("5", "6"), ("5", "7")]
    assert found == ids_of(path, to_type=None)
    assert [("abc", "2")] == ids_of(file_of(tmp_path, 'from_id,to_id\n="abc",2\n'), any_id=True)


@pytest.mark.parametrize(
    ("cell", "reported"),
    [('="Acme"', "a name"), ('="101.0"', "a float"), ('=""', "a placeholder"), ('=101"', "a for")],
)
def test_the_text_of_a_formula_is_called_by_its_name(
    tmp_path: Path, cell: str, reported: str
) -> None:
    """As any other text that is no id."""
    path = file_of(tmp_path, f"from_id,to_id\n1,2\n3,{cell}\n")
    assert f"to_id is {cell!r}, {reported}" in problems_of(path)[3]


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (Float("202.0"), "202"),
        (Float("9007199254740991.0"), "9007199254740991"),
        (Float("202.00"), "202"),
        (Float("9007199254740992.0"), "a float"),
        (Float("1e+22"), "a number with an exponent"),
        (Float("1.5"), "a float"),
        (Float("-3.0"), "a number as another locale writes it"),
        (Float("inf"), "a float"),
        (LongNumber("1234567890123456"), "a number of which Excel keeps 15 digits"),
        (Formula(), "x is a formula without a value: open the file"),
        ("202.0", "a float"),  # of text, nobody knows what it was
    ],
)
def test_numbers_of_typed_columns(text: str, reported: str) -> None:
    """A whole float that holds every whole number is an id, and counted."""
    counts = InputCounts()
    rule = IdRule(counts, any_id=False)
    if reported.isdecimal():
        assert reported == rule.parse_id(text, "x")
        assert [reported] == rule.parse_ids(text, "x")
        assert 2 == counts.floats
        return
    for read in (rule.parse_id, rule.parse_ids):
        with pytest.raises(RejectedRowError) as caught:
            read(text, "x")
        assert reported in str(caught.value)


def test_a_missing_value_of_a_typed_column_is_empty() -> None:
    """None and NaN are no text."""
    assert ["", ""] == [value_text(value) for value in (None, float("nan"))]


# --- one record written in several ways ----------------------------------------------------------


def test_one_pair_written_in_several_ways_is_one_pair(tmp_path: Path) -> None:
    """HubSpot reads them as the same records: whoever looks for duplicates finds them."""
    kinds = ("contacts", "contact", "Contacts", "0-1", " contacts ")
    rows = "".join(f"{kind},{'0' * n}101,202\n" for n, kind in enumerate(kinds))
    path = file_of(tmp_path, f"from_type,from_id,to_id\n{rows}")
    assert {"contacts:101 -> companies:202"} == {str(pair) for _, pair in rows_of(path)}


def test_two_names_of_one_type_are_one(tmp_path: Path) -> None:
    """The name that comes first is the one that is sent."""
    path = file_of(tmp_path, "from_id,to_id,to_type\n1,2,\n3,4,0-1\n5,6,p1_cars\n7,8,P1_cars\n")
    assert [
        "contact:1 -> contact:2",
        "contact:3 -> contact:4",
        "contact:5 -> p1_cars:6",
        "contact:7 -> P1_cars:8",  # nobody knows the names of a portal's own
    ] == [str(pair) for _, pair in rows_of(path, from_type="contact", to_type="0-1")]


# --- any text as an id ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["202.0", "abc", "1e5", "-1", "٣", "#1", "a;b", "nan", "=1"])
def test_any_text_may_be_allowed_as_an_id(tmp_path: Path, text: str) -> None:
    """Then it is sent as it is, without the spaces around it."""
    path = file_of(tmp_path, f"from_id,to_id\n'1, {text} \n2,007\n")
    assert [("1", text), ("2", "7")] == ids_of(path, any_id=True)
    assert 1 == counts_of(path, any_id=True).spaces


@pytest.mark.parametrize("value", [1.5, 1e22, -3.0])
def test_any_number_may_be_allowed_as_an_id(tmp_path: Path, value: float) -> None:
    """One that Excel has cut is still none: its last digits are lost."""
    path = file_of(tmp_path, json.dumps({"from": value, "to": 202.0}) + "\n", "x.jsonl")
    assert [(str(value), "202")] == ids_of(path, any_id=True)
    with pytest.raises(RejectedRowError, match="Excel keeps 15 digits"):
        IdRule(InputCounts(), any_id=True).parse_id(LongNumber("1" * 16), "x")


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("a b", "contains a blank or a control character"),
        ("..", "cannot be '..'"),
        (" ", "is empty"),
        ("x" * (ANY_ID_CHARS + 1), "has more than 256 characters"),
        ("a\u200b", "contains a blank or a control character"),
    ],
)
def test_what_can_stand_in_no_path_is_no_id(tmp_path: Path, text: str, reported: str) -> None:
    """Whatever is allowed."""
    path = file_of(tmp_path, f"from_id,to_id\n1,{text}\n")
    assert reported in problems_of(path, any_id=True)[2]


# --- several ids ---------------------------------------------------------------------------------


def test_a_cell_with_too_many_ids_is_refused_whole(tmp_path: Path) -> None:
    """Before a pair of it is made; so are two cells whose pairs are too many."""
    many = ";".join(["7"] * (CELL_IDS + 1))
    some = ";".join(map(str, range(1, 401)))
    content = f"Associated Contact IDs,Associated Deal IDs\n1,{many}\n{some},{some}\n1,2;3\n"
    options = {"from_column": "Associated Contact IDs", "to_type": "deals"}
    assert {
        2: "Associated Deal IDs holds more than 100,000 ids",
        3: "would make 160,000 pairs, more than 100,000 of one row",
    } == problems_of(file_of(tmp_path, content), **options)


# --- columns that were chosen wrongly ------------------------------------------------------------


def test_what_a_column_holds_is_said_where_no_row_can_be_used(tmp_path: Path) -> None:
    """Once the first thousand rows are read, or all there are."""
    rows = "".join(f"{n},Company {n}\n" for n in range(1, 1501))
    counts = counts_of(file_of(tmp_path, f"from_id,to_id\n{rows}"))
    assert (1500, 1500) == (counts.rows, counts.rejected)
    assert counts.none_valid == (
        "none of the first 1,000 rows is valid: line 2: to_id is 'Company 1', a name or "
        "other text. Column 'to_id' holds names or other text. Choose the columns of record ids "
        "with --from-column and --to-column, or take any text as an id with --any-id"
    )
    few = counts_of(file_of(tmp_path, "from_id,to_id\njo@x.de,1.5\nal@x.de,2.5\n"))
    assert "Column 'from_id' holds e-mail addresses. Choose" in str(few.none_valid)


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("from_id,to_id\n1\n", "the only row is rejected: line 2: has a missing"),
        ("from_id,to_id\nx,2\n3,4\n", None),
        ("from_id,to_id\n" + "x,2\n" * 999 + "3,4\n", None),
        ("from_id,to_id\n", None),
        ("from_id,to_id\n1,2\n" + "x,2\n" * 2000, None),
        ("Record ID,Associated Deal IDs\nx,2\n1,\n", None),  # the last has nothing to link
    ],
)
def test_one_row_that_can_be_used_is_enough(
    tmp_path: Path, content: str, reported: str | None
) -> None:
    """The columns are right then."""
    found = counts_of(file_of(tmp_path, content), to_type="deals").none_valid
    assert found is None if reported is None else str(found).startswith(reported)
