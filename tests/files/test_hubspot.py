"""Files as HubSpot's own exports have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import Pair
from aiohubassoc.files import hubspot
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from tests.files.reading import file_of, refusal_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path

FROM_ALONE = {"to_type": None}
BETWEEN_TYPES = (
    "has more than one column that may be meant, 'Associated Company IDs', "
    "'Associated Deal IDs': choose one with --to or --to-column"
)
BETWEEN_COLUMNS = (
    "has more than one column that may be meant, 'Associated Company ID', "
    "'Associated Company IDs': name it with --to-column"
)
NO_DEALS = (
    "has no column with ids of deals but 'Associated Company IDs': name the column with --to-column"
)


def _pairs(folder: Path, content: str, **options: Any) -> list[str]:
    rows = rows_of(file_of(folder, content), **{**FROM_ALONE, **options})
    return [str(pair) if pair is not None else f"{record.problem}" for record, pair in rows]


@pytest.mark.parametrize(
    ("column", "object_type"),
    [
        ("Associated Company IDs", "companies"),
        ("Associated Contact IDs", "contacts"),
        ("Associated Deal IDs", "deals"),
        ("Associated Ticket IDs", "tickets"),
        ("Associated Company ID", "companies"),
        (" associated company ids ", "companies"),
    ],
)
def test_the_columns_of_an_export(tmp_path: Path, column: str, object_type: str) -> None:
    """The exported record is linked to those in its column of ids, which names their type."""
    content = f"Record ID,Name,{column}\n1,x,2\n3,y,4\n"
    assert [f"contacts:1 -> {object_type}:2", f"contacts:3 -> {object_type}:4"] == _pairs(
        tmp_path, content
    )


def test_a_cell_with_several_ids(tmp_path: Path) -> None:
    """Each gives a pair, in their order, all with the same record; an empty cell gives none."""
    lines = "1,7;8; 9 ,x\n2,,x\n3, ,x\n4,;,x\n5,6,x\n,,x\n6,7;7,\n"
    path = file_of(tmp_path, f"Record ID,Associated Company IDs,Name\n{lines}")
    rows = rows_of(path, **FROM_ALONE)
    assert [
        (2, "contacts:1 -> companies:7"),
        (2, "contacts:1 -> companies:8"),
        (2, "contacts:1 -> companies:9"),
        (6, "contacts:5 -> companies:6"),
        (8, "contacts:6 -> companies:7"),
        (8, "contacts:6 -> companies:7"),
    ] == [(record.line, str(pair)) for record, pair in rows]
    assert all(pair is not None and pair.tag is record for record, pair in rows)
    assert ["1", "7;8; 9 ", "x"] == rows[0][0].fields


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("1,7;8.0;9", "Associated Company IDs is '8.0', a number as spreadsheets write it"),
        ("1,7;a b", "holds a blank"),
        (",7", "Record ID is empty"),
        ("1.0,7;8", "Record ID is '1.0', a number as spreadsheets write it"),
    ],
)
def test_a_row_with_one_bad_id(tmp_path: Path, row: str, told: str) -> None:
    """It gives no pair at all, as nobody knows what was meant; the rows around it do."""
    content = f"Record ID,Associated Company IDs\n3,4\n{row}\n5,6\n"
    first, bad, last = _pairs(tmp_path, content)
    assert ("contacts:3 -> companies:4", "contacts:5 -> companies:6") == (first, last)
    assert told in bad


@given(st.lists(st.lists(st.integers(0), max_size=4), max_size=5))
def test_every_id_of_every_cell(tmp_path_factory: Any, cells: list[list[int]]) -> None:
    """There are as many pairs as ids, in the same order."""
    lines = "".join(f"{n},{';'.join(map(str, ids))}\n" for n, ids in enumerate(cells))
    path = file_of(
        tmp_path_factory.getbasetemp(), f"Record ID,Associated Deal IDs\n{lines}", "any.csv"
    )
    assert [Pair("contacts", n, "deals", one) for n, ids in enumerate(cells) for one in ids] == [
        pair for _, pair in rows_of(path, **FROM_ALONE)
    ]


def test_several_columns_of_associated_ids(tmp_path: Path) -> None:
    """What the user says chooses: the type, under any name of it, or the column."""
    content = (
        "Record ID,Associated Company IDs,Associated Deal IDs,Associated Car IDs\n1,20;21,30,40\n"
    )
    deal = ["contacts:1 -> {}:30"]
    for name in ("deals", "deal", "0-3", "DEALS"):
        assert [deal[0].format(name)] == _pairs(tmp_path, content, to_type=name)
    assert ["contacts:1 -> companies:20", "contacts:1 -> companies:21"] == _pairs(
        tmp_path, content, to_column="associated company ids"
    )
    assert ["contacts:1 -> p1_cars:40"] == _pairs(tmp_path, content, to_type="p1_cars")
    assert ["contacts:1 -> 2-7:20", "contacts:1 -> 2-7:21"] == _pairs(
        tmp_path, content, to_type="2-7", to_column="Associated Company IDs"
    )


def test_the_other_way_round(tmp_path: Path) -> None:
    """The associated ids may be the first of the pairs; their type follows as well."""
    content = "Record ID,Associated Contact IDs\n1,2;3\n"
    assert ["contacts:2 -> companies:1", "contacts:3 -> companies:1"] == _pairs(
        tmp_path,
        content,
        from_type=None,
        to_type="companies",
        from_column="Associated Contact IDs",
        to_column="Record ID",
    )


def test_any_column_with_that_ending(tmp_path: Path) -> None:
    """A column whose name ends with "IDs" may hold several ids; in lower case that is a word."""
    content = "a,My IDs,kids\n1,2;3,4;5\n1,,\n"
    both = {"from_column": "a", "to_type": "deals"}
    assert ["contacts:1 -> deals:2", "contacts:1 -> deals:3"] == _pairs(
        tmp_path, content, to_column="My IDs", **both
    )
    assert ["contacts:1 -> deals:4;5", "kids is empty"] == _pairs(
        tmp_path, content, to_column="kids", **both
    )


def test_our_own_columns_come_first(tmp_path: Path) -> None:
    """A file with from_id and to_id is no export, whatever else it has."""
    content = "Record ID,Associated Company IDs,from_id,to_id\n1,2,3,4\n"
    assert ["contacts:3 -> deals:4"] == _pairs(tmp_path, content, to_type="deals")


@pytest.mark.parametrize(
    ("header", "told", "options"),
    [
        ("Record ID,Associated Company IDs,Associated Deal IDs", BETWEEN_TYPES, {}),
        (
            "Record ID,Associated Company ID,Associated Company IDs",
            BETWEEN_COLUMNS,
            {"to_type": "companies"},
        ),
        ("Record ID,Associated Company IDs", NO_DEALS, {"to_type": "deals"}),
        ("Record ID,Associated Car IDs", "has no column 'to_type': give --to", {}),
        (
            "Record ID,Associated Company IDs",
            "has no column 'from_type': give --from",
            {"from_type": None},
        ),
        ("Record ID,Primary Associated Company ID", "has no column 'to_id' but", {}),
        ("Record ID,Associated Company", "has no column 'to_id' but Record ID, Assoc", {}),
        ("ID,Associated Company IDs", "has no column 'from_id' but ID, Associated", {}),
        ("Record ID,record id,Associated Company IDs", "has more than one column that may", {}),
    ],
)
def test_an_export_that_leaves_a_question(
    tmp_path: Path, header: str, told: str, options: dict[str, Any]
) -> None:
    """It is asked before anything is read, and the option that answers it is named."""
    path = file_of(tmp_path, f"{header}\n1,2,3\n")
    assert f"{path} {told}" in refusal_of(path, **{**FROM_ALONE, **options})


def test_semicolons_between_the_columns(tmp_path: Path) -> None:
    """Do not get in the way of those between ids, which are then in quotes."""
    path = file_of(tmp_path, 'Record ID;Associated Company IDs\n1;"2;3"\n')
    with PairTable(path, Layout("contacts", delimiter=";")) as table:
        assert ["contacts:1 -> companies:2", "contacts:1 -> companies:3"] == [
            str(pair) for _, pair in table
        ]


@given(st.text(max_size=20))
def test_any_column_has_one_meaning_at_most(column: str) -> None:
    """No name is that of the exported records and of associated ones."""
    assert not (hubspot.is_record_id(column) and hubspot.is_associated(column))
    assert hubspot.type_of(column) is None or hubspot.is_associated(column)
