"""JSON Lines, good and bad."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import Pair
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.record import Record
from tests.files.reading import counts_of, file_of, ids_of, layout, problems_of, refusal_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path


def _file(folder: Path, *lines: str) -> str:
    return file_of(folder, "".join(f"{line}\n" for line in lines), "pairs.jsonl")


def _pairs(folder: Path, *lines: str, **options: Any) -> list[Pair | None]:
    return [pair for _, pair in rows_of(_file(folder, *lines), **options)]


# --- what is read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ('{"from": "contacts:1", "to": "companies:2"}', Pair.of("contacts:1", "companies:2")),
        ('{"from": "0-5:1", "to": "p1_cars:2", "tag": {"a": [1]}}', Pair.of("0-5:1", "p1_cars:2")),
        ('{"from": "1", "to": "deals:2"}', Pair.of("contacts:1", "deals:2")),
        ('{"from": 1, "to": 2}', Pair.of("contacts:1", "companies:2")),
        ('{"from_id": 1, "to_id": "2"}', Pair.of("contacts:1", "companies:2")),
        (
            '{"from_id": "1", "to_id": 2, "from_type": "deals", "to_type": "0-5"}',
            Pair.of("deals:1", "0-5:2"),
        ),
        (
            '{"from_id": 1, "to_id": 2, "from_type": null, "to_type": " "}',
            Pair.of("contacts:1", "companies:2"),
        ),
        ('{"from": "1", "to": 2, "from_type": "deals"}', Pair.of("deals:1", "companies:2")),
        ('{"from": "contacts:1", "from_id": 1, "to_id": 2}', Pair.of("contacts:1", "companies:2")),
        ('{"from": "a", "from_id": 1, "to_id": 2}', Pair.of("contacts:1", "companies:2")),
        ('{"From_ID": 1, " TO ": 2, "FROM_TYPE": "deals"}', Pair.of("deals:1", "companies:2")),
        ('{"FROM": 9, "from": 1, "to": 2}', Pair.of("contacts:1", "companies:2")),
        (
            '{"from_id": 12345678901234567890, "to_id": 2}',
            Pair.of("contacts:12345678901234567890", "companies:2"),
        ),
        ('{"from": 101.0, "to": 1e5}', Pair.of("contacts:101", "companies:100000")),
        ('{"from": "contacts: 1 ", "to": "\'2"}', Pair.of("contacts:1", "companies:2")),
        ('  {"from":1,"to":2}\t', Pair.of("contacts:1", "companies:2")),
    ],
)
def test_objects_as_people_have_them(tmp_path: Path, line: str, pair: Pair) -> None:
    """Types with the ids, in keys of their own, or given for all."""
    assert [pair] == _pairs(tmp_path, line)


def test_keys_of_other_names(tmp_path: Path) -> None:
    """Any keys can hold the ids, alone or with their types."""
    lines = ('{"A": "deals:1", "b": 2}', '{"a": "3", "b": "0-5:4"}', '{"b": 6, "x": 0, "a": 5}')
    assert [
        Pair.of("deals:1", "companies:2"),
        Pair.of("contacts:3", "0-5:4"),
        Pair.of("contacts:5", "companies:6"),
    ] == _pairs(tmp_path, *lines, from_column="a", to_column="b")


def test_keys_with_several_ids(tmp_path: Path) -> None:
    """As in tables, a key that ends with "IDs" may hold several of them, or none."""
    lines = ('{"id": 1, "Company IDs": "2; 3"}', '{"id": 4, "Company IDs": ""}')
    assert [Pair.of("contacts:1", "companies:2"), Pair.of("contacts:1", "companies:3")] == _pairs(
        tmp_path, *lines, from_column="id", to_column="Company IDs"
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pairs.jsonl", {}),
        ("pairs.NDJSON", {}),
        ("pairs.json", {}),
        ("pairs", {}),
        ("pairs.csv", {"format": "jsonl"}),
    ],
)
def test_by_its_name_or_by_how_it_begins(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    """A file that begins with a brace is JSON Lines, unless its name says otherwise."""
    path = file_of(tmp_path, '\ufeff \r\n\n{"from": 1, "to": 2}', name)
    assert [("1", "2")] == ids_of(path, **options)


def test_a_pair_carries_its_object(tmp_path: Path) -> None:
    """The line, and the whole object, come back on the outcome by the pair's tag."""
    path = _file(tmp_path, "", '{"from": 1, "to": 2, "tag": {"a": [null, 1.5, true]}, "ä": "ß"}')
    ((record, pair),) = rows_of(path)
    assert pair is not None
    assert pair.tag is record
    fields = {"from": 1, "to": 2, "tag": {"a": [None, 1.5, True]}, "ä": "ß"}
    assert Record(2, fields) == record


def test_the_header_is_the_first_good_objects(tmp_path: Path) -> None:
    """Its keys, in their order; lines before it are read all the same."""
    path = _file(tmp_path, "x", "[]", '{"to": 2, "from": 1, "n": 3}', '{"other": 1}')
    with PairTable(path, layout()) as table:
        assert ["to", "from", "n"] == table.header
        assert [1, 2, 3, 4] == [record.line for record, _ in table]


def test_a_file_without_a_good_object(tmp_path: Path) -> None:
    """It has no header, and each line is reported; only the head of it is read for that."""
    with PairTable(_file(tmp_path, *["no"] * 1500), layout()) as table:
        assert [] == table.header
        assert list(range(1, 1501)) == [record.line for record, pair in table if pair is None]


_IDS = st.integers(1, 10**20 - 1)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(
    st.lists(
        st.tuples(_IDS, _IDS, _VALUES, st.sampled_from(["\n", "\r\n", "\n\n"])),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_what_was_written_comes_back(
    tmp_path_factory: Any, rows: list[tuple[int, int, object, str]], is_ascii: bool
) -> None:
    """Objects that the json library wrote come back as they were, whatever the tag."""
    objects = [{"from_id": a, "to": f"0-5:{b}", "tag": tag} for a, b, tag, _ in rows]
    text = "".join(
        json.dumps(one, ensure_ascii=is_ascii) + end
        for one, (*_, end) in zip(objects, rows, strict=True)
    )
    path = file_of(tmp_path_factory.getbasetemp(), text.encode(errors="surrogatepass"), "any.jsonl")
    read = rows_of(path)
    assert objects == [record.fields for record, _ in read]
    assert [Pair("contacts", a, "0-5", b) for a, b, *_ in rows] == [pair for _, pair in read]


@given(st.text(alphabet='{}[]":,1 ntruelsfaNI\\u\n\r\0ä', max_size=60))
def test_any_text_is_taken_line_by_line(tmp_path_factory: Any, text: str) -> None:
    """Each line that holds anything is a pair or has a problem, and can be written as JSON."""
    path = file_of(tmp_path_factory.getbasetemp(), '{"from": 1, "to": 2}\n' + text, "any.jsonl")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    with PairTable(path, layout()) as table:
        rows = list(table)[1:]
    assert [n for n, line in enumerate(lines, 2) if line.strip()] == [r.line for r, _ in rows]
    assert all((record.problem is None) == (pair is not None) for record, pair in rows)
    json.dumps([record.fields for record, _ in rows], allow_nan=False)


# --- lines that cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        ('{"from": 1, "to": 2', "is not JSON: expecting ',' delimiter at column 20"),
        ('{"from": "1', "is not JSON: unterminated string starting at column 10"),
        ('{"from": 1 "to": 2}', "is not JSON: expecting ',' delimiter at column 12"),
        ("from: 1, to: 2", "is not JSON: expecting value at column 1"),
        ('{"from": 1, "to": 2} {}', "is not JSON: more follows the first value, at column 22"),
        ('{"from": 1, "to": 2, "x": "a\tb"}', "is not JSON: invalid control character at"),
        ('{"from": 1, "to": 2},', "has a comma after its object: each line must hold an object"),
        ('{"from": NaN, "to": 2}', "is not JSON: it holds NaN"),
        ('{"from": 1, "to": 2, "x": -Infinity}', "is not JSON: it holds -Infinity"),
        ('{"from": 1, "to": 2, "x": 1e999}', "holds 1e999, which is too large a number"),
        ('{"from": 1, "to": ' + "9" * 5000 + "}", "holds a number that is too long"),
        ('{"from": 1, "to": 2, "from": 3}', "has more than one 'from'"),
        ('{"from": 1, "to": 2, "x": {"ä": 1, "ä": 1}}', "has more than one 'ä'"),
        ('{"from": 1, "to": 2, "x": ' + "[" * 101 + "]" * 101 + "}", "is nested too deeply"),
        ('{"from": 1, "to": 2, "x": ' + "[" * 50_000 + "]" * 50_000 + "}", "is nested too deeply"),
        ("[1, 2]", 'is not an object such as {"from": "contacts:101", "to": "companies:202"}'),
        ("7", "is not an object such as"),
        ('"1,2"', "is not an object such as"),
        ("null", "is not an object such as"),
        ("{}", "has no 'from' or 'from_id'"),
        ('{"from": 1}', "has no 'to' or 'to_id'"),
        (
            '{"fromId": 1, "toId": 2}',
            "has no 'from' or 'from_id'. Its keys: fromId, toId. Choose with --from-column",
        ),
        ("{", "is not JSON: an object must stand in one line: jq -c . writes it so"),
        ("  {  ", "an object must stand in one line"),
        ('{"From": 1, "FROM": 1, "to": 2}', "has more than one 'from'"),
        ('{"from": null, "to": 2}', "from is 'null', a placeholder for nothing"),
        ('{"from": 1, "to_id": true}', "to_id is 'true', a truth value"),
        ('{"from": [[1]], "to": 2}', "from is nested: an id must be a string or a number"),
        ('{"from": {"id": 1}, "to": 2}', "from is nested: an id must be"),
        ('{"from": 101.5, "to": 2}', "from is '101.5', a float"),
        ('{"from": 1, "to": 1e16}', "to is '1e+16', a number with an exponent"),
        ('{"from": -1, "to": 2}', "from is '-1', a number as another locale writes it"),
        ('{"from": "101.0", "to": 2}', "from is '101.0', a float"),
        ('{"from": "contacts:1e5", "to": 2}', "from is '1e5', a number with an exponent"),
        ('{"from": [1, "x"], "to": 2}', "from is 'x', a name or other text"),
        ('{"from": "", "to": 2}', "from is empty"),
        ('{"from": "contacts:", "to": 2}', "from is empty"),
        ('{"from": ":1", "to": 2}', "from is ':1', without a type before the colon"),
        ('{"from": "1 2", "to": 2}', "from is '1 2', several ids"),
        ('{"from": "1\\u0000", "to": 2}', "from is '1\\x00', digits with an invisible character"),
        ('{"from": "\\ud800", "to": 2}', "from is '\\ud800', a placeholder for nothing"),
        ('{"from": "a b:1", "to": 2}', "from contains a blank or a control character"),
        ('{"from_id": 1, "to": 2, "from_type": 7}', "from_type is '7': a type must be a string"),
        ('{"from": 1, "to": 2, "x": "\0"}', "holds a NUL character"),
        (
            '{"from": "contacts:1", "from_id": 9, "to": 2}',
            "from_id is '9', but from is 'contacts:1': choose with --from-column",
        ),
        (
            '{"from": 1, "TO": 3, "to_id": 2}',
            "to_id is '2', but TO is '3': choose with --to-column",
        ),
        (
            '{"from": "deals:1", "from_type": "contact", "to": 2}',
            "from is of type 'deals', but from_type is 'contacts'",
        ),
    ],
)
def test_a_line_that_cannot_be_used(tmp_path: Path, line: str, reported: str) -> None:
    """It is reported by its line, and the lines around it are read."""
    good = '{"from": 7, "to": 8}'
    rows = rows_of(_file(tmp_path, good, line, good, good))
    assert ["7", None, "7", "7"] == [pair and pair.from_id for _, pair in rows]
    ((number, problem),) = [(r.line, r.problem) for r, pair in rows if pair is None]
    assert 2 == number
    assert reported in str(problem)


@pytest.mark.parametrize("same", ["101.0", '"0101"', '" 101"', "[101]", "[100, 101]", "null"])
def test_one_id_under_two_names(tmp_path: Path, same: str) -> None:
    """However it is written; of an id that is nothing it is said that it is nothing."""
    line = f'{{"from": "contacts:101", "from_id": {same}, "to": 2}}'
    if same == "null":
        problem = "from_id is 'null', a placeholder for nothing"
        assert problem in problems_of(_file(tmp_path, line, '{"from": 7, "to": 8}'))[1]
    else:
        assert "contacts:101 -> companies:2" in [str(pair) for pair in _pairs(tmp_path, line)]


def test_the_type_of_an_id_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    """What is no text beside it contradicts nothing."""
    line = '{"from": "contacts:1", "from_type": 0, "to": "companies:2"}'
    assert ["contacts:1 -> companies:2"] == [str(pair) for pair in _pairs(tmp_path, line)]


def test_lists_are_several_ids(tmp_path: Path) -> None:
    """Each element by the same rule, with a separate type or not; an empty list is none."""
    lines = (
        '{"from": 1, "to": ["2", 3.0, "deals:4"]}',
        '{"from": [5, null, 6], "to_id": [7, "", 8]}',
        '{"from": 9, "to": [null]}',
        '{"from": [], "to": "bad"}',
    )
    assert [
        *("contacts:1 -> companies:2", "contacts:1 -> companies:3", "contacts:1 -> deals:4"),
        *("contacts:5 -> companies:7", "contacts:5 -> companies:8"),
        *("contacts:6 -> companies:7", "contacts:6 -> companies:8"),
    ] == [str(pair) for pair in _pairs(tmp_path, *lines[:3])]
    assert {4: "to is 'bad', a name or other text"} == problems_of(_file(tmp_path, *lines))


def test_files_with_byte_order_marks_may_be_joined(tmp_path: Path) -> None:
    """The second mark is nothing either."""
    line = '\ufeff{"from": 1, "to": 2}'
    assert ["contacts:1 -> companies:2"] * 2 == [str(pair) for pair in _pairs(tmp_path, line, line)]


def test_the_object_of_one_pair_of_several(tmp_path: Path) -> None:
    """A list has the pair's own id alone, so that a file of failures links nothing else."""
    lines = (
        '{"from": 1, "to": [2, "deals:3"], "x": [7]}',
        '{"to_id": [5], "from": "6", "y": 0}',
        '{"from": 7, "to": 8}',
    )
    with PairTable(_file(tmp_path, *lines), layout()) as table:
        cells = [table.cells(pair) for _, pair in table if pair is not None]
    assert [
        {"from": 1, "to": "companies:2", "x": [7]},
        {"from": 1, "to": "deals:3", "x": [7]},
        {"to_id": "5", "from": "6", "y": 0},
        {"from": 7, "to": 8},
    ] == cells


@pytest.mark.parametrize(
    "key", ["label", "Label", "association_label", "associationTypeId", "types"]
)
def test_a_key_that_is_not_obeyed_is_said_once(tmp_path: Path, key: str) -> None:
    """Whether the label is a key of objects or a column of a table."""
    line = json.dumps({"from": 1, "to": 2, key: "Decision maker", "tag": {"label": 1}})
    path = _file(tmp_path, *[line, '{"from": 1, "to": 3}'] * 3)
    reported = f"{path}: the key '{key}' is not used: links are made without a label."
    assert [reported] == counts_of(path).notes == counts_of(path).sentences()
    table = file_of(tmp_path, f"from_id,to_id,{key}\n1,2,x\n3,4,y\n", "x.csv")
    reported = f"{table}: the column '{key}' is not used: links are made without a label."
    assert [reported] == counts_of(table).notes


def test_a_key_that_contradicts_a_type(tmp_path: Path) -> None:
    """It is refused, as a column of a table is; without a type the key says it."""
    path = _file(tmp_path, '{"id": 1, "Associated Deal IDs": "2;3"}')
    named = {"from_column": "id", "to_column": "Associated Deal IDs"}
    assert "holds ids of deals, but --to is companies" in refusal_of(path, **named)
    assert ["contacts:1 -> deals:2", "contacts:1 -> deals:3"] == [
        str(pair) for _, pair in rows_of(path, to_type=None, **named)
    ]


def test_an_object_with_too_many_values(tmp_path: Path) -> None:
    """It is refused unread: its values would take thirty times the memory of its text."""
    path = _file(tmp_path, '{"from": 1, "to": 2, "x": [' + "[]," * 500_000 + "0]}")
    assert {1: "holds too many values"} == problems_of(path)
    path = _file(
        tmp_path, '{"from": 1, "to": 2, ' + ",".join(f'"{n}": 0' for n in range(17_000)) + "}"
    )
    assert {1: "has more than 16,384 keys"} == problems_of(path)


def test_many_keys_of_one_name_are_found_at_once(tmp_path: Path) -> None:
    """However many there are."""
    keys = ", ".join(f'"{n}": 0' for n in range(100_000))
    path = _file(tmp_path, f'{{{keys}, "99999": 1}}')
    assert {1: "has more than one '99999'"} == problems_of(path)


def test_a_long_flat_object_is_no_problem(tmp_path: Path) -> None:
    """Only how deep it is nested counts."""
    line = '{"from": 1, "to": 2, "x": [' + ",".join(["[{}]"] * 500) + "]}"
    assert [Pair.of("contacts:1", "companies:2")] == _pairs(tmp_path, line)


def test_ids_without_a_type(tmp_path: Path) -> None:
    """Where nobody says the type, that line is reported, with the ways to say it."""
    path = _file(tmp_path, '{"from": 1, "to": "0-2:2"}', '{"from": "0-1:1", "to_id": 2}')
    assert {
        1: "from has no type: write it as \"contacts:101\", add 'from_type', or give --from",
        2: "to_id has no type: write it as \"contacts:101\", add 'to_type', or give --to",
    } == problems_of(path, from_type=None, to_type=None)


def test_a_key_that_is_named_and_missing(tmp_path: Path) -> None:
    """Only the named one is looked for."""
    path = _file(tmp_path, '{"from": 1, "to": 2}')
    assert {1: "has no 'id'"} == problems_of(path, from_column="id")


def test_a_line_that_is_not_utf8(tmp_path: Path) -> None:
    """Only that line is given up; it is kept as it is."""
    path = file_of(
        tmp_path, b'{"from":1,"to":2}\n{"from":1,"to":2,"x":"\xe4"}\r\n{"from":3,"to":4}', "x.jsonl"
    )
    (_, (record, pair), _) = rows_of(path)
    assert pair is None
    assert (record.problem or "").startswith("is not UTF-8: save the file as UTF-8")
    assert ['{"from":1,"to":2,"x":"\udce4"}'] == record.fields


# --- files that are none -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("", "is empty: each line must hold an object such as {"),
        ("\ufeff\n \n", "is empty: each line must hold"),
        ('[{"from": 1, "to": 2}]', "is one JSON array, but each line must hold an object:"),
        ('\n[\n  {"from": 1, "to": 2}\n]', "is one JSON array"),
        ("[]", "is one JSON array"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: str, reported: str) -> None:
    """It is reported before anything is read, and what to do."""
    path = file_of(tmp_path, content, "pairs.jsonl")
    message = refusal_of(path)
    assert message.startswith(path)
    assert reported in message
    assert reported.startswith("is empty") or "jq -c" in message
