"""Files as HubSpot's own exports have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import Pair
from aiohubassoc.files import hubspot
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from tests.files.reading import file_of, ids_of, problems_of, refusal_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path

FROM_ALONE = {"to_type": None}
BETWEEN_TYPES = (
    "has more than one column that may be meant, 'Associated Company IDs', "
    "'Associated Deal IDs': choose with --to or --to-column"
)
BETWEEN_COLUMNS = (
    "has more than one column that may be meant, 'Associated Company ID', "
    "'Associated Company IDs': choose with --to-column"
)
NO_DEALS = (
    "has no column with ids of deals. Its columns of ids: 'Associated Company IDs'. Export it with "
    "that column, or choose with --to-column"
)


def _pairs(folder: Path, content: str, **options: Any) -> list[str]:
    rows = rows_of(file_of(folder, content), **{**FROM_ALONE, **options})
    return [str(pair) if pair is not None else f"{record.problem}" for record, pair in rows]


@pytest.mark.parametrize(
    ("column", "object_type"),
    [
        ("Associated Company IDs", "companies"),
        ("Associated Company IDs (Primary)", "companies"),
        ("Associated Line Item IDs", "line_items"),
        ("Associated Deal IDs", "deals"),
        ("Associated Ticket IDs", "tickets"),
        ("Associated Company ID", "companies"),
        ("Primary Associated Company ID", "companies"),
        (" associated company ids ", "companies"),
        ("Associated  Company\u00a0IDs", "companies"),
        ("Associated Company IDs  (Primary)\u200b", "companies"),
    ],
)
def test_the_columns_of_an_export(tmp_path: Path, column: str, object_type: str) -> None:
    """The exported record is linked to those in its column of ids, which names their type."""
    content = f"Record\u00a0 ID,Name,{column}\n1,x,2\n3,y,4\n"
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
    ("row", "reported"),
    [
        ("1,7;8.0;9", "Associated Company IDs is '8.0', a float"),
        ("1,7;a b", "Associated Company IDs is 'a b', a name or other text"),
        (",7", "Record ID is empty"),
        ("1.0,7;8", "Record ID is '1.0', a float"),
    ],
)
def test_a_row_with_one_bad_id(tmp_path: Path, row: str, reported: str) -> None:
    """It gives no pair at all, as nobody knows what was meant; the rows around it do."""
    content = f"Record ID,Associated Company IDs\n3,4\n{row}\n5,6\n"
    first, bad, last = _pairs(tmp_path, content)
    assert ("contacts:3 -> companies:4", "contacts:5 -> companies:6") == (first, last)
    assert reported in bad


@given(st.lists(st.lists(st.integers(1, 10**20 - 1), max_size=4), max_size=5))
def test_every_id_of_every_cell(tmp_path_factory: Any, cells: list[list[int]]) -> None:
    """There are as many pairs as ids, in the same order."""
    lines = "".join(f"{n},{';'.join(map(str, ids))}\n" for n, ids in enumerate(cells, 1))
    path = file_of(
        tmp_path_factory.getbasetemp(), f"Record ID,Associated Deal IDs\n{lines}", "any.csv"
    )
    assert [Pair("contacts", n, "deals", one) for n, ids in enumerate(cells, 1) for one in ids] == [
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
    assert ["contacts:1 -> 2-7:40"] == _pairs(
        tmp_path, content, to_type="2-7", to_column="Associated Car IDs"
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


@pytest.mark.parametrize("name", ["IDs de empresa asociados", "IDs (Primär)", "TheirIDs"])
def test_a_column_of_ids_in_another_language(tmp_path: Path, name: str) -> None:
    """The word for several ids is the same."""
    content = f"ID de registro,{name}\n1,2;3\n4,\n"
    options = {"from_column": "ID de registro", "to_column": name, "to_type": "deals"}
    assert ["contacts:1 -> deals:2", "contacts:1 -> deals:3"] == _pairs(
        tmp_path, content, **options
    )


def test_any_column_with_that_ending(tmp_path: Path) -> None:
    """A column whose name ends with "IDs" may hold several ids; in lower case that is a word."""
    content = "a,My IDs,kids\n1,2;3,4;5\n1,,\n"
    both = {"from_column": "a", "to_type": "deals"}
    assert ["contacts:1 -> deals:2", "contacts:1 -> deals:3"] == _pairs(
        tmp_path, content, to_column="My IDs", **both
    )
    assert [
        "kids is '4;5', several ids: write one id in a row",
        "kids is empty",
    ] == _pairs(tmp_path, content, to_column="kids", **both)


def test_our_own_columns_come_first(tmp_path: Path) -> None:
    """A file with from_id and to_id is no export, whatever else it has."""
    content = "Record ID,Associated Company IDs,from_id,to_id\n1,2,3,4\n"
    assert ["contacts:3 -> deals:4"] == _pairs(tmp_path, content, to_type="deals")


@pytest.mark.parametrize(
    ("header", "reported", "options"),
    [
        ("Record ID,Associated Company IDs,Associated Deal IDs", BETWEEN_TYPES, {}),
        (
            "Record ID,Associated Company ID,Associated Company IDs",
            BETWEEN_COLUMNS,
            {"to_type": "companies"},
        ),
        ("Record ID,Associated Company IDs", NO_DEALS, {"to_type": "deals"}),
        (
            "Record ID,Associated Car IDs",
            "has no column 'to_type': give --to, such as --to companies",
            {},
        ),
        (
            "Record ID,Associated Company IDs",
            "has no column 'from_type': give --from, such as --from contacts",
            {"from_type": None},
        ),
        ("Record ID,Associated Company", "has no column 'to_id'. Its columns: Record ID, A", {}),
        ("ID,Associated Company IDs", "has no column 'from_id'. Its columns: ID, Assoc", {}),
        ("Record ID,record id,Associated Company IDs", "has more than one column that may", {}),
    ],
)
def test_an_export_that_leaves_a_question(
    tmp_path: Path, header: str, reported: str, options: dict[str, Any]
) -> None:
    """It is asked before anything is read, and the option that solves it is named."""
    path = file_of(tmp_path, f"{header}\n1,2,3\n")
    assert f"{path} {reported}" in refusal_of(path, **{**FROM_ALONE, **options})


# --- labels --------------------------------------------------------------------------------------


def test_the_primary_company(tmp_path: Path) -> None:
    """Its column is known; an empty cell links nothing, and a cell may have several ids."""
    content = (
        "Record ID,First Name,Associated Company (Primary),Associated Company IDs (Primary)\n"
        "101,Jo,Acme,202\n102,Al,,\n103,Bo,Two,203;204\n"
    )
    expected = [
        "contacts:101 -> companies:202",
        *(f"contacts:103 -> companies:{n}" for n in (203, 204)),
    ]
    assert expected == _pairs(tmp_path, content)
    assert expected == _pairs(tmp_path, content, to_type="companies")
    assert expected == _pairs(tmp_path, content, to_column="Associated Company IDs (Primary)")


@pytest.mark.parametrize("name", ["Associated Contact ID", "Associated Contact IDs"])
def test_the_column_of_a_label(tmp_path: Path, name: str) -> None:
    """Any column of associated ids may have several of them, or none."""
    content = f"Record ID,{name} (Decision maker)\n9,301;302\n8,\n"
    assert ["deals:9 -> contacts:301", "deals:9 -> contacts:302"] == _pairs(
        tmp_path, content, from_type="deals"
    )


def test_the_column_of_all_comes_before_those_of_labels(tmp_path: Path) -> None:
    """It has their ids too; among labels alone the user chooses."""
    content = "Record ID,Associated Company IDs (Primary),Associated Company IDs\n1,2,2;3\n"
    assert ["contacts:1 -> companies:2", "contacts:1 -> companies:3"] == _pairs(tmp_path, content)
    content = content.replace("Associated Company IDs (Primary)", "Primary Associated Company ID")
    assert ["contacts:1 -> companies:2", "contacts:1 -> companies:3"] == _pairs(tmp_path, content)
    labels = "Record ID,Associated Contact IDs (Buyer),Associated Contact IDs (Payer)\n1,2,3\n"
    reported = refusal_of(file_of(tmp_path, labels), from_type="deals", to_type=None)
    assert "more than one column that may be meant, 'Associated Contact IDs (Buyer)', " in reported
    assert reported.endswith("choose with --to or --to-column")


# --- whose ids "Record ID" holds -----------------------------------------------------------------

DEALS = (
    "Record ID,Deal Name,Associated Contact IDs,Associated Company IDs\n"
    "9001,Roof,101;102,202\n9002,Door,103,203;204\n"
)


@pytest.mark.parametrize("to_type", ["companies", None, "contacts", "deals", "0-2"])
def test_a_deals_own_ids_are_not_taken_for_contacts(tmp_path: Path, to_type: str | None) -> None:
    """The command asks, and names the options that are probably meant."""
    reported = refusal_of(file_of(tmp_path, DEALS), from_type="contacts", to_type=to_type)
    assert "column 'Record ID' seems not to hold ids of contacts, as there is a column" in reported
    assert "--from-column 'Associated Contact IDs'" in reported
    if to_type == "deals":
        assert "--to-column 'Record ID'" in reported


def test_an_answer_ends_the_question(tmp_path: Path) -> None:
    """Whatever it is: the user knows best."""
    assert [
        *("contacts:101 -> companies:202", "contacts:102 -> companies:202"),
        *("contacts:103 -> companies:203", "contacts:103 -> companies:204"),
    ] == _pairs(tmp_path, DEALS, from_column="Associated Contact IDs", to_type="companies")
    assert ["contacts:9001 -> companies:202"] == _pairs(
        tmp_path, DEALS, from_column="Record ID", to_column="Associated Company IDs"
    )[:1]
    assert ["contacts:101 -> deals:9001"] == _pairs(
        tmp_path,
        DEALS,
        from_column="Associated Contact IDs",
        to_column="Record ID",
        to_type="deals",
    )[:1]
    assert ["deals:9001 -> contacts:101"] == _pairs(
        tmp_path, DEALS, from_type="deals", to_type="contacts"
    )[:1]


@pytest.mark.parametrize(
    ("column", "object_type", "other"),
    [
        ("Deal Name", "deals", "contacts"),
        ("Deal Stage", "0-3", "companies"),
        ("Ticket name", "ticket", "contact"),
        ("Ticket status", "tickets", "p1_cars"),
        ("Company domain name", "companies", "contacts"),
        ("Note body", "notes", "0-1"),
        ("Call notes", "calls", "deals"),
        ("Email subject", "emails", "contacts"),
        ("Meeting outcome", "meetings", "tickets"),
        ("Task title", "tasks", "2-7"),
        ("First Name", "contacts", "companies"),
        ("last name", "contacts", "deals"),
        ("Associated Ticket IDs", "contacts", "tickets"),
        ("Associated Ticket IDs (Label)", "contacts", "0-5"),
    ],
)
def test_a_column_of_another_object_is_a_question(
    tmp_path: Path, column: str, object_type: str, other: str
) -> None:
    """For all others but its own, whatever name the type is given by."""
    content = f"Record ID,{column},Associated Order IDs\n1,2,3\n"
    assert [f"{object_type}:1 -> orders:3"] == _pairs(
        tmp_path, content, from_type=object_type, to_type="orders"
    )
    reported = refusal_of(file_of(tmp_path, content), from_type=other, to_type="orders")
    assert f"seems not to hold ids of {other}, as there is a column '{column}'" in reported


@pytest.mark.parametrize(
    "column", ["Email", "Company name", "Amount", "Lead Status", "Associated Company"]
)
def test_columns_that_several_objects_have_are_no_question(tmp_path: Path, column: str) -> None:
    """Or that people add to any of them."""
    content = f"Record ID,{column},Associated Order IDs\n1,2,3\n"
    for object_type in ("contacts", "companies", "deals", "p1_cars"):
        assert [f"{object_type}:1 -> orders:3"] == _pairs(tmp_path, content, from_type=object_type)


# --- types and columns that contradict each other ------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (
            {"to_type": "deals", "to_column": "Associated Company IDs"},
            "column 'Associated Company IDs' holds ids of companies, but --to is deals",
        ),
        (
            {"from_type": "tickets", "from_column": "Associated Contact IDs"},
            "column 'Associated Contact IDs' holds ids of contacts, but --from is tickets",
        ),
        (
            {"to_type": "2-7", "to_column": "associated company ids"},
            "column 'Associated Company IDs' holds ids of companies, but --to is 2-7",
        ),
        (
            {"from_type": "contacts", "from_column": "Deal ID"},
            "column 'Deal ID' holds ids of deals, but --from is contacts",
        ),
        (
            {"from_type": "contacts", "from_column": "Record ID - Company"},
            "column 'Record ID - Company' holds ids of companies, but --from is contacts",
        ),
    ],
)
def test_a_type_that_contradicts_a_column(
    tmp_path: Path, options: dict[str, Any], reported: str
) -> None:
    """One of the two is wrong: nothing is sent."""
    header = "Record ID,Associated Contact IDs,Associated Company IDs,Deal ID,Record ID - Company"
    content = f"{header}\n1,2,3,4,5\n"
    given = {"from_type": "deals", "to_type": "companies", **options}
    assert reported in refusal_of(file_of(tmp_path, content), **given)


def test_a_column_whose_name_says_no_type_contradicts_none(tmp_path: Path) -> None:
    """Other programs call their ids what they like."""
    content = "User ID,id,Acme Contact ID\n1,2,3\n"
    assert ["contacts:1 -> deals:2"] == _pairs(
        tmp_path, content, from_column="User ID", to_column="id", to_type="deals"
    )
    assert ["contacts:3 -> deals:2"] == _pairs(
        tmp_path, content, from_column="Acme Contact ID", to_column="id", to_type="deals"
    )


# --- columns that are probably meant -------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "reported"),
    [
        (
            "Record ID - Contact,Record ID - Company",
            "--from-column 'Record ID - Contact' --to-column 'Record ID - Company'",
        ),
        (
            "Company - Record ID,Email,Contact - Record ID",
            "--from-column 'Contact - Record ID' --to-column 'Company - Record ID'",
        ),
        ("Contact ID,Company ID", "--from-column 'Contact ID' --to-column 'Company ID'"),
        ("company_id,contact_id", "--from-column contact_id --to-column company_id"),
        ("contactId,Name,companyId", "--from-column contactId --to-column companyId"),
        ("Contact ID,Associated Company ID", "Choose with --from-column 'Contact ID'"),
        ("Name,E-mail", "Choose with --from-column --to-column"),
    ],
)
@pytest.mark.parametrize("types", ["contacts companies", "0-1 company"])
def test_both_options_are_proposed_at_once(
    tmp_path: Path, header: str, reported: str, types: str
) -> None:
    """As they can be typed."""
    from_type, to_type = types.split()
    path = file_of(tmp_path, f"{header}\n1,2,3\n")
    assert reported in refusal_of(path, from_type=from_type, to_type=to_type)


def test_columns_are_proposed_without_types_too(tmp_path: Path) -> None:
    """In their order; and a column's name says the type of its ids."""
    path = file_of(tmp_path, "Record ID - Contact,Record ID - Company\n1,2\n")
    nothing: dict[str, Any] = {"from_type": None, "to_type": None}
    reported = refusal_of(path, **nothing)
    assert "--from-column 'Record ID - Contact' --to-column 'Record ID - Company'" in reported
    rows = rows_of(
        path, from_column="Record ID - Contact", to_column="Record ID - Company", **nothing
    )
    assert ["contacts:1 -> companies:2"] == [str(pair) for _, pair in rows]


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
    assert hubspot.associated_type(column) is None or hubspot.is_associated(column)


# --- advice that works as it stands --------------------------------------------------------------

CONTACTS = "Record ID,First Name,Email,Associated Company IDs"


def _advice(folder: Path, header: str, **options: Any) -> str:
    path = file_of(folder, f"{header}\n1,2,3,4\n")
    return refusal_of(path, **{"from_type": None, "to_type": None, **options})


@pytest.mark.parametrize("header", [CONTACTS, CONTACTS.replace("First Name,", "")])
def test_an_export_of_the_second_type(tmp_path: Path, header: str) -> None:
    """Both options have their value, and a command with them is taken."""
    types = {"from_type": "companies", "to_type": "contacts"}
    advice = _advice(tmp_path, header, **types)
    assert (
        "If it holds ids of contacts: --from-column 'Associated Company IDs' "
        "--to-column 'Record ID'. If it does hold them: --from-column 'Record ID'"
    ) in advice
    path = file_of(tmp_path, "Record ID,Email,Associated Company IDs\n1,2,3\n")
    columns = {"from_column": "Associated Company IDs", "to_column": "Record ID"}
    assert ["companies:3 -> contacts:1"] == [
        str(pair) for _, pair in rows_of(path, **types, **columns)
    ]


def test_the_second_column_may_be_the_record_id(tmp_path: Path) -> None:
    """It is named once the first is another, unless a column speaks against it."""
    given = {
        "from_column": "Associated Company IDs",
        "from_type": "companies",
        "to_type": "contacts",
    }
    assert _advice(tmp_path, CONTACTS, **given).endswith(
        "'Associated Company IDs'. If 'Record ID' holds them: --to-column 'Record ID'"
    )
    deals = _advice(tmp_path, CONTACTS.replace("First Name", "Deal Stage"), **given)
    assert deals.endswith("Export it with that column, or choose with --to-column")


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"to_column": "Associated Ticket IDs"}, "tickets"),
        ({"to_column": "Associated Ticket IDs", "to_type": "tickets"}, "tickets"),
        ({"to_column": "Ticket ID"}, "tickets"),
        ({"to_column": "Associated Deal IDs (Label)"}, "deals"),
        ({"to_column": "Record ID - Deal"}, "deals"),
    ],
)
def test_a_column_of_another_type_is_never_proposed(
    tmp_path: Path, options: dict[str, Any], missing: str
) -> None:
    """It would link other records than those that were asked for."""
    advice = _advice(tmp_path, CONTACTS, from_type="contacts", **options)
    assert advice.endswith(
        f"It has no column with ids of {missing}. Export it with that column, or choose with "
        "--to-column"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"to_column": "Associated Car IDs"},
        {"to_column": "Firm"},
        {"to_column": "Firm", "to_type": "2-7"},
        {"to_column": "Associated Ticket IDs", "to_type": "companies"},
    ],
)
def test_without_a_sure_type_no_column_is_proposed(tmp_path: Path, options: dict[str, Any]) -> None:
    """Only the option is named; the columns are listed before."""
    advice = _advice(tmp_path, CONTACTS, from_type="contacts", **options)
    assert advice.endswith("Choose with --to-column")


def test_no_column_is_proposed_for_both_ends(tmp_path: Path) -> None:
    """It would link each record to itself."""
    header = "Record ID,Deal Name,Associated Contact IDs"
    advice = _advice(tmp_path, header, from_type="contacts", to_type="contacts")
    assert "Choose with --from-column 'Associated Contact IDs' --to-column COLUMN. If" in advice
    advice = _advice(
        tmp_path,
        header,
        from_type="contacts",
        to_type="contacts",
        to_column="Associated Contact IDs",
    )
    assert "Choose with --from-column. If it does hold them: --from-column 'Record ID'" in advice


@pytest.mark.parametrize(
    "options",
    [
        {"to_column": "record id"},
        {"to_column": "Record ID", "to_type": "contacts"},
        {"from_column": "Firm", "to_column": "Firm"},
    ],
)
def test_one_column_for_both_ends_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    """Each record would be linked to the one with the same number."""
    options = {"to_type": "companies", **options}
    advice = _advice(tmp_path, "Record ID,Firm", from_type="contacts", **options)
    assert "is chosen for both ends: choose another with --from-column or --to-column" in advice


@pytest.mark.parametrize("value", ["5", '"contacts:5"'])
def test_one_key_for_both_ends_is_refused(tmp_path: Path, value: str) -> None:
    """So of JSON Lines; but those of a list may be linked with each other."""
    path = file_of(tmp_path, f'{{"id": {value}}}\n', "pairs.jsonl")
    options = {"from_column": "id", "to_column": "ID"}
    assert "'id' is chosen for both ends: choose another with" in problems_of(path, **options)[1]
    path = file_of(tmp_path, '{"id": [5, 6]}\n', "pairs.jsonl")
    assert len(ids_of(path, **options)) == 4
    path = file_of(tmp_path, "group IDs\n5;6\n")
    assert len(ids_of(path, from_column="group IDs", to_column="group IDs")) == 4


def test_no_option_is_left_without_its_value(tmp_path: Path) -> None:
    """Between two options, one without a value would take the other for it."""
    header = "Record ID - Contact,Firm"
    advice = _advice(tmp_path, header, from_type="contacts", to_type="companies")
    assert advice.endswith("Choose with --from-column 'Record ID - Contact' --to-column COLUMN")
    advice = _advice(tmp_path, header, from_type="contacts", to_type="2-7")
    assert advice.endswith("Choose with --from-column 'Record ID - Contact' --to-column COLUMN")
    advice = _advice(tmp_path, "fromIds,toIds")
    assert advice.endswith("Choose with --from-column fromIds --to-column toIds")


def test_a_missing_first_column_of_an_export(tmp_path: Path) -> None:
    """It is exported anew, with the exported records as the second ones."""
    header = CONTACTS.replace("Company", "Deal")
    advice = _advice(tmp_path, header, from_type="companies", to_type="contacts")
    assert (
        "It has no column with ids of companies. Export it with that column, or choose with "
        in advice
    )
    assert "--from-column COLUMN --to-column 'Record ID'. If it does hold them: " in advice


def test_an_export_of_the_other_type_names_both_ways(tmp_path: Path) -> None:
    """From the records of the export, and from those of its column; never one type with itself."""
    header = "Record ID,Contact owner,Associated Company IDs,Associated Company IDs (Primary)"
    assert (
        "For links from contacts: --from contacts. For links from companies: --from-column "
        "'Associated Company IDs' --to contacts --to-column 'Record ID'. If it does hold them: "
    ) in _advice(tmp_path, header, from_type="companies")
    alone = _advice(tmp_path, "Record ID,Contact owner,Phone", from_type="companies")
    assert "For links from contacts: --from contacts. If it does" in alone
    unlike = _advice(tmp_path, header.removeprefix("Record ID,"), from_type=None)
    assert unlike.endswith("Choose with --from-column")
