"""What the command reads: each kind of input from a file to the portal's records."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import FAST, TYPES, read_rows, sent_to, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from aiohubassoc.simulator import ServedPortal
    from tests.cli.conftest import Command, StartPortal

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_TWO = b"from_id,to_id\n1,11\n2,12\n"


@pytest.fixture
def portal(start_portal: StartPortal) -> ServedPortal:
    """Return a portal."""
    return start_portal()


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("pairs.csv", _TWO, ()),
        ("pairs.csv", b"\xef\xbb\xbf" + _TWO.replace(b"\n", b"\r\n"), ()),
        ("pairs.tsv", _TWO.replace(b",", b"\t"), ()),
        ("pairs.txt", _TWO.replace(b",", b"\t"), ("--format", "tsv")),
        ("pairs.csv", _TWO.replace(b",", b";"), ("--delimiter", ";")),
        ("pairs.csv", _TWO.replace(b",", b"|"), ("--delimiter", "|")),
        ("pairs.csv", _TWO.decode().encode("utf-16"), ("--encoding", "utf-16")),
        ("pairs.csv", b"\xe4,from_id,to_id\nx,1,11\nx,2,12\n", ("--encoding", "cp1252")),
        ("pairs.csv.gz", gzip.compress(_TWO, mtime=0), ()),
        ("packed", gzip.compress(_TWO, mtime=0) + gzip.compress(b"3,13\n", mtime=0), ()),
        ("pairs.csv.zst", zstd.compress(_TWO), ()),
        ("pairs.jsonl", b'{"from_id": 1, "to_id": "11"}\n{"from_id": 2, "to_id": 12}\n', ()),
        ("pairs.txt", b'{"from": "1", "to": "11"}\n\n{"to": "12", "from": "2"}\n', ()),
    ],
    ids=[
        "csv",
        "csv of Windows",
        "tsv",
        "tsv by option",
        "semicolons",
        "bars",
        "utf-16",
        "cp1252",
        "gzip",
        "gzip in two parts",
        "zstd",
        "json lines",
        "json lines by content",
    ],
)
def test_text(
    link: Command,
    portal: ServedPortal,
    tmp_path: Path,
    *,
    name: str,
    content: bytes,
    options: tuple[str, ...],
) -> None:
    """Every pair of it is linked, once."""
    (tmp_path / name).write_bytes(content)
    result = link(tmp_path / name, "--json", *options)
    assert result.code == 0, result
    expected = {("1", "11"): 1, ("2", "12"): 1}
    if name == "packed":
        expected["3", "13"] = 1
    assert sent_to(portal) == expected


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input(link: Command, portal: ServedPortal, *, packed: bool) -> None:
    """Named by a hyphen; it may be packed, too."""
    content = gzip.compress(_TWO, mtime=0) if packed else _TWO
    assert link("-", stdin=content).code == 0
    assert sent_to(portal) == {("1", "11"): 1, ("2", "12"): 1}


def test_parquet(command: Command, portal: ServedPortal, tmp_path: Path) -> None:
    """Its numbers are ids; bad rows are reported by their row, and their cells are kept."""
    table = pa.table({"deal": [1, 2, None], "note": ["a", "b", "c"], "contact": [11, 12, 13]})
    pq.write_table(table, tmp_path / "pairs.parquet")
    failures = tmp_path / "failures.csv"
    options = ("--from-column", "deal", "--to-column", "contact", "--from", "deals")
    result = command(
        *("link", tmp_path / "pairs.parquet", *options, "--to", "contacts", *FAST),
        *("--skip-invalid", "--failures", failures, "--json"),
    )
    assert (result.code, result.reported["linked"]) == (1, 2)
    assert result.reported["invalid_lines"] == [
        {"line": 3, "place": "row 3", "problem": "deal is empty"}
    ]
    assert sorted(map(tuple, portal.portal.ledger.links)) == [
        ("deals", "1", "contacts", "11"),
        ("deals", "2", "contacts", "12"),
    ]
    (row,) = read_rows(failures)
    assert (row["deal"], row["note"], row["contact"], row["status"]) == ("", "c", "13", "invalid")


def test_excel(link: Command, portal: ServedPortal, tmp_path: Path) -> None:
    """The sheet that is named; numbers are ids, and bad rows are reported by their row."""
    book = openpyxl.Workbook()
    book.active.append(["nothing"])
    sheet = book.create_sheet("Pairs")
    for row in (["from_id", "to_id"], [1, 11], ["2", 12], [1.5, 13]):
        sheet.append(row)
    book.save(tmp_path / "pairs.xlsx")
    result = link(tmp_path / "pairs.xlsx", "--sheet", "Pairs", "--skip-invalid", "--json")
    assert (result.code, result.reported["linked"]) == (1, 2)
    (bad,) = result.reported["invalid_lines"]
    assert (bad["place"], "1.5" in bad["problem"]) == ("row 4", True)
    assert sent_to(portal) == {("1", "11"): 1, ("2", "12"): 1}
    assert (
        "has no column 'from_id' and no column 'to_id'. Its columns: nothing."
        in link(tmp_path / "pairs.xlsx").err
    )


def test_several_files_of_several_kinds(
    link: Command, portal: ServedPortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one run, with a pipe among them; a repeated pair names the file it repeats."""
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "a.csv", 2)
    (tmp_path / "b.jsonl").write_text(
        '{"from": "contacts:1", "to": "companies:100001"}\n{"from_id": 3, "to_id": 13}\n',
        encoding="utf-8",
    )
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"to_id,from_id\n14,4\n", mtime=0))
    reported = link("a.csv", "b.jsonl", "-", "c.csv.gz", "--json", stdin=_TWO).reported
    assert (reported["linked"], reported["skipped"], reported["exit_code"]) == (6, 1, 0)
    (category,) = reported["categories"]
    assert category["example"]["place"] == "line 1 of b.jsonl"
    assert category["example"]["message"] == "repeats line 2 of a.csv"
    assert set(sent_to(portal)) == {
        ("1", "100001"),
        ("2", "100002"),
        ("3", "13"),
        ("1", "11"),
        ("2", "12"),
        ("4", "14"),
    }


def test_a_bad_line_is_told_with_its_file(
    link: Command, portal: ServedPortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among several, before anything is sent."""
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "a.csv", 2)
    write_pairs(tmp_path / "b.csv", 2, "1e5,7\n")
    result = link("a.csv", "b.csv")
    assert result.code == 2
    assert "a.csv and 1 more: 1 row cannot be used; nothing was sent" in result.err
    assert "line 4 of b.csv: from_id is '1e5'" in result.err
    assert portal.portal.ledger.requests == 0


@pytest.mark.parametrize(
    ("files", "reported"),
    [
        (("a.csv", "a.csv"), "a.csv is given twice"),
        (("a.csv", "./a.csv"), "./a.csv is given twice, first as a.csv"),
        (("a.csv", "none.csv"), "none.csv: No such file"),
        (("a.csv", "empty.csv"), "empty.csv is empty"),
        ((), "FILES"),
    ],
)
def test_several_files_that_cannot_be(
    link: Command,
    portal: ServedPortal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    files: tuple[str, ...],
    reported: str,
) -> None:
    """Found before anything is sent: exit code 2."""
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "a.csv", 2)
    (tmp_path / "empty.csv").touch()
    result = link(*files)
    assert (result.code, reported in result.err) == (2, True)
    assert portal.portal.ledger.requests == 0


def test_a_hubspot_export(command: Command, portal: ServedPortal, tmp_path: Path) -> None:
    """Its own columns are known: a row with several ids is several pairs, one without is none."""
    (tmp_path / "deals.csv").write_text(
        "Record ID,Deal Name,Associated Contact IDs,Associated Company\n"
        "1,Big,11;12,Acme\n2,Small,13,\n3,None,,\n4,Bad,12.0,\n",
        encoding="utf-8",
    )
    call = ("link", tmp_path / "deals.csv", "--from", "deals", *FAST, "--skip-invalid", "--json")
    reported = command(*call).reported
    assert (reported["linked"], reported["invalid"]) == (3, 1)
    assert sorted(map(tuple, portal.portal.ledger.links)) == [
        ("deals", "1", "contacts", "11"),
        ("deals", "1", "contacts", "12"),
        ("deals", "2", "contacts", "13"),
    ]


def test_json_lines_with_types_of_their_own(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """No option is needed; failures come back as JSON Lines, as they were."""
    portal = start_portal(records_up_to=1000)
    pairs, failures = tmp_path / "pairs.jsonl", tmp_path / "failures.jsonl"
    objects: list[Any] = [
        {"from": "contacts:1", "to": "companies:2"},
        {"from": "deals:3", "to": "tickets:4", "tag": [1, 2]},
        {"from": "deals:9999", "to": "tickets:5", "why": {"a": None}},
    ]
    pairs.write_text("".join(f"{json.dumps(one)}\n" for one in objects), encoding="utf-8")
    result = command("link", pairs, "--failures", failures, *FAST)
    assert result.code == 1
    assert sorted(map(tuple, portal.portal.ledger.links)) == [
        ("contacts", "1", "companies", "2"),
        ("deals", "3", "tickets", "4"),
    ]
    (failed,) = map(json.loads, failures.read_text(encoding="utf-8").splitlines())
    assert {name: failed[name] for name in objects[2]} == objects[2]
    assert failed["status"] == "failed"


def test_a_table_in_place_of_json(command: Command, portal: ServedPortal, tmp_path: Path) -> None:
    """One array is no JSON Lines: it is said how to turn it into them."""
    (tmp_path / "pairs.jsonl").write_text('[{"from": "contacts:1"}]', encoding="utf-8")
    result = command("link", tmp_path / "pairs.jsonl", *TYPES)
    assert (result.code, "is one JSON array" in result.err) == (2, True)
    assert portal.portal.ledger.requests == 0


# --- what is refused before anything is sent ------------------------------------------------------


@pytest.mark.parametrize("option", [None, "--skip-invalid"])
@pytest.mark.parametrize(
    ("rows", "reported"),
    [
        (
            [f"{n},Company {n}" for n in range(1, 1201)],
            (
                "none of the first 1,000 rows is valid: line 2: to_id is 'Company 1', a "
                "name or other text. Column 'to_id' holds names or other text. Choose the columns"
            ),
        ),
        (["Jo,Acme"], "the only row is rejected: line 2: from_id is 'Jo'"),
        (["1,2"] * 900 + ['3,"4', "901,902"], "line 902: has a quote that is never closed. Noth"),
    ],
)
def test_a_file_that_nothing_is_sent_of(
    link: Command,
    portal: ServedPortal,
    tmp_path: Path,
    *,
    rows: list[str],
    reported: str,
    option: str | None,
) -> None:
    """Though rows that cannot be used are to be skipped; what is printed is short."""
    (tmp_path / "pairs.csv").write_text("\n".join(["from_id,to_id", *rows]), encoding="utf-8")
    result = link(tmp_path / "pairs.csv", *([option] if option else []))
    assert (result.code, result.out) == (2, "")
    assert reported in result.err
    assert len(result.err) < 1000
    assert portal.portal.ledger.requests == 0


@pytest.mark.parametrize("option", [None, "--skip-invalid"])
def test_no_line_of_a_mail_is_linked(
    link: Command, portal: ServedPortal, tmp_path: Path, *, option: str | None
) -> None:
    """A cell of 150 KB is read; a record that broke further down ends the run there."""
    body = "Hi,\n901,x,902\n903,y,904\n" + "lorem ipsum dolor\n" * 8000
    ids = range(10_000, 11_200)
    with (tmp_path / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("from_id", "Body", "to_id"))
        writer.writerows([(one, "short", 202) for one in ids])
        writer.writerow((102, body, 203))
        file.write(f'103,"{body}he said \\"yes\\" to it",204\n105,fine,206\n')
    options = [option] if option else []
    result = link(tmp_path / "pairs.csv", *options, "--json")
    assert (result.code, result.reported["input_complete"]) == (3, False)
    assert "line 9206: has text after a closing quote" in result.reported["stopped"]
    linked = {(pair[1], pair[3]) for pair in portal.portal.ledger.links}
    assert linked <= {(str(one), "202") for one in ids} | {("102", "203")}
    assert len(linked) == result.reported["linked"] > 0


def test_a_deals_own_ids_are_not_linked_as_contacts(
    command: Command, portal: ServedPortal, tmp_path: Path
) -> None:
    """The command ends and asks, with the option that is probably meant."""
    (tmp_path / "deals.csv").write_text(
        "Record ID,Deal Name,Associated Contact IDs,Associated Company IDs\n9001,Roof,101,202\n",
        encoding="utf-8",
    )
    result = command("link", tmp_path / "deals.csv", *TYPES)
    assert (result.code, "--from-column 'Associated Contact IDs'" in result.err) == (2, True)
    assert portal.portal.ledger.requests == 0


def test_one_pair_written_in_several_ways_is_a_duplicate(
    link: Command, portal: ServedPortal, tmp_path: Path
) -> None:
    """It is sent once, with a run folder and without, by the name that was given first."""
    kinds = ("contacts", "contact", "Contacts", "0-1")
    rows = "".join(f"{kind},{'0' * n}101,202\n" for n, kind in enumerate(kinds))
    (tmp_path / "pairs.csv").write_text(f"from_type,from_id,to_id\n{rows}", encoding="utf-8")
    for options in ((), ("--run", tmp_path / "run")):
        reported = link(tmp_path / "pairs.csv", *options, "--json").reported
        assert (reported["linked"], reported["skipped"]) == (1, 3)
        assert [one["category"] for one in reported["categories"]] == ["DUPLICATE"]
    assert {tuple(pair) for pair in portal.portal.ledger.links} == {
        ("contacts", "101", "companies", "202")
    }


# --- options of the inputs -----------------------------------------------------------------------


def test_any_text_as_an_id(link: Command, portal: ServedPortal, tmp_path: Path) -> None:
    """With the option it is HubSpot who says what an id is."""
    (tmp_path / "pairs.csv").write_text("from_id,to_id\nabc,202.0\n", encoding="utf-8")
    assert link(tmp_path / "pairs.csv").code == 2
    assert portal.portal.ledger.requests == 0
    assert link(tmp_path / "pairs.csv", "--any-id").code == 1
    assert portal.portal.ledger.requests == 1


def test_hidden_rows(link: Command, portal: ServedPortal, tmp_path: Path) -> None:
    """What the person does not see is not linked, unless it is wanted."""
    book = openpyxl.Workbook()
    for row in [("from_id", "to_id"), (1, 11), (2, 12)]:
        book.active.append(row)
    book.active.row_dimensions[2].hidden = True
    book.save(tmp_path / "pairs.xlsx")
    assert link(tmp_path / "pairs.xlsx").code == 0
    assert sent_to(portal) == {("2", "12"): 1}
    assert link(tmp_path / "pairs.xlsx", "--include-hidden", "--json").reported["linked"] == 2


def test_flags_of_the_input_are_part_of_the_next_command(
    command: Command, portal: ServedPortal, tmp_path: Path
) -> None:
    """They can be typed as they are printed."""
    write_pairs(tmp_path / "pairs.csv", 2)
    result = command(
        "verify",
        tmp_path / "pairs.csv",
        "--any-id",
        "--include-hidden",
        *TYPES,
        "--batch-quota",
        "9/1s",
    )
    assert result.code == 1
    assert "--any-id --include-hidden --output missing.csv" in result.out
    assert portal.portal.ledger.requests


def test_merged_cells_explain_a_refused_workbook(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """To the person, the cell that is said to be empty is not."""
    start_portal()
    book = openpyxl.Workbook()
    for row in (("from_id", "to_id"), (1, 2), (3, None)):
        book.active.append(row)
    book.active.merge_cells("B2:B3")
    book.save(tmp_path / "x.xlsx")
    result = link(tmp_path / "x.xlsx")
    assert result.code == 2
    assert "row 3: to_id is empty" in result.err
    assert "cells are merged over several rows, such as B2:B3" in result.err


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("from_id,amount,to_id,note", "101,12,50,201,"),
        ("from_id,amount,to_id,note", "101,12,50,201,x"),
        ("from_id,amount,to_id,,", "101,12,50,201"),
        ("from_id,amount,to_id,,", "101,12,50,201,"),
        ("from_id,amount,to_id,note", "101,50,201"),
        ("name,from_id,to_id", "Total,1,1"),
        ("from_id,to_id,name", "1,1,Total"),
    ],
)
def test_a_row_that_is_rejected_by_its_shape_is_rejected_again(
    link: Command, portal: ServedPortal, tmp_path: Path, header: str, row: str
) -> None:
    """The file of failed rows is an input: uncorrected, its rows make no pair there either."""
    path, failures = tmp_path / "pairs.csv", tmp_path / "failures.csv"
    good = f"7,8,9{',' * (header.count(',') - 2)}"
    path.write_text(f"{header}\n{good}\n{row}\n", encoding="utf-8")
    assert link(path, "--skip-invalid", "--failures", failures).code == 1
    assert row.split(",", maxsplit=1)[0] in failures.read_text(encoding="utf-8")
    sent = portal.portal.ledger.requests
    assert link(failures, "--skip-invalid", "--no-check").code in {1, 2}
    assert portal.portal.ledger.requests == sent
