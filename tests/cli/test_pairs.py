"""``aiohubassoc pairs``: two exports joined into what ``link`` takes."""

from __future__ import annotations

import csv
import json
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import FAST, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

_CONTACTS = """\
Record ID,First Name,Email,Contact owner
1,Ada,Ada@Acme.com,me
2,Bob,bob@two.example,me
3,Cy,,me
4,Di,di@nowhere.example,me
"""
_COMPANIES = """\
Record ID,Company name,Company domain name
10,Acme,https://www.acme.com/about
20,Two,two.example
21,Two B,two.example
30,Lone,lone.example
"""
_BY_DOMAIN = ("--left-on", "Email", "--right-on", "Company domain name", "--match", "email-domain")


@pytest.fixture
def contacts(tmp_path: Path) -> Path:
    """Return an export of contacts."""
    path = tmp_path / "contacts.csv"
    path.write_text(_CONTACTS, encoding="utf-8")
    return path


@pytest.fixture
def companies(tmp_path: Path) -> Path:
    """Return an export of companies."""
    path = tmp_path / "companies.csv"
    path.write_text(_COMPANIES, encoding="utf-8")
    return path


def test_pairs_go_to_standard_output(command: Command, contacts: Path, companies: Path) -> None:
    """Both ids and both keys, and nothing else; what it came to on standard error."""
    result = command("pairs", contacts, companies, *_BY_DOMAIN)
    assert result.code == 0
    assert result.out == (
        "from_id,to_id,from_key,to_key\n1,10,Ada@Acme.com,https://www.acme.com/about\n"
    )
    for expected in (
        f"1 pair of 4 rows of {contacts} and 4 rows of {companies}\n",
        f"        1  row of {contacts} matches no row of {companies}\n",
        f"        1  row of {contacts} has no value to compare\n",
        f"        1  row of {contacts} matches several records: --all-matches pairs it with",
        f"        1  row of {companies} matches no row of {contacts}\n",
        f"        2  rows of {companies} match several records: --all-matches pairs them all\n",
        "To write the rows without a pair to a file: the same command with --unmatched FILE\n",
    ):
        assert expected in result.err


def test_the_rows_without_a_pair_have_their_reason(
    command: Command, contacts: Path, companies: Path, tmp_path: Path
) -> None:
    """As they were in their file, with the columns of both; so in JSON Lines."""
    files = [tmp_path / "unmatched.csv", tmp_path / "unmatched.jsonl"]
    for file in files:
        assert command("pairs", contacts, companies, *_BY_DOMAIN, "--unmatched", file).code == 0
    rows = read_rows(files[0])
    assert [(row["side"], row["line"], row["reason"], row["Record ID"]) for row in rows] == [
        ("left", "3", "SEVERAL_MATCHES", "2"),
        ("left", "4", "NO_KEY", "3"),
        ("left", "5", "NO_MATCH", "4"),
        ("right", "3", "SEVERAL_MATCHES", "20"),
        ("right", "4", "SEVERAL_MATCHES", "21"),
        ("right", "5", "NO_MATCH", "30"),
    ]
    assert rows[0]["message"] == f"several records of {companies} have this key, such as 20, 21"
    assert (rows[0]["First Name"], rows[3]["Company name"]) == ("Bob", "Two")
    lines = [json.loads(line) for line in files[1].read_text(encoding="utf-8").splitlines()]
    assert [{name: str(value) for name, value in line.items()} for line in lines] == rows


def test_a_key_that_the_first_object_lacks_is_written(
    command: Command, companies: Path, tmp_path: Path
) -> None:
    """Of JSON Lines not every object has each key, but what was compared is always there."""
    contacts, unmatched = tmp_path / "c.jsonl", tmp_path / "unmatched.csv"
    lines = '{"Record ID": 1, "x": 2}\n{"Record ID": 2, "Email": "jo@nowhere.example"}\n'
    contacts.write_text(lines, encoding="utf-8")
    command("pairs", contacts, companies, *_BY_DOMAIN, "--unmatched", unmatched)
    rows = read_rows(unmatched)
    assert [row["Email"] for row in rows if row["side"] == "left"] == ["", "jo@nowhere.example"]
    assert rows[0]["x"] == "2"


def test_names_with_brackets_are_printed_as_they_are(
    command: Command, contacts: Path, companies: Path
) -> None:
    """They are no markup."""
    contacts = contacts.rename(contacts.with_name("contacts [final].csv"))
    (companies.parent / "a[").mkdir()
    companies = companies.rename(companies.parent / "a[" / "b].csv")
    result = command("pairs", contacts, companies, *_BY_DOMAIN)
    assert result.code == 0
    assert f"  row of {contacts} matches several records" in result.err
    assert f"  row of {companies} matches no row of {contacts}" in result.err


def test_a_cell_of_several_lines_is_one_cell(command: Command, tmp_path: Path) -> None:
    """With any line end, in the pairs and in the rows without a pair."""
    for name, key in (("left", "x\ry"), ("right", "x\ry"), ("other", "z")):
        (tmp_path / f"{name}.csv").write_text(f'Record ID,Key\n1,"{key}"\n', newline="")
    keys = []
    for right, option in (("right", "--output"), ("other", "--unmatched")):
        path = tmp_path / "written.csv"
        command(
            "pairs", tmp_path / "left.csv", tmp_path / f"{right}.csv", "--on", "Key", option, path
        )
        with path.open(newline="", encoding="utf-8") as file:
            keys += [row.get("from_key") or row["Key"] for row in csv.DictReader(file)]
    assert keys == ["x\ry", "x\ry", "z"]


def test_the_pairs_can_be_linked_by_the_command_that_is_named(
    command: Command, start_portal: StartPortal, contacts: Path, companies: Path, tmp_path: Path
) -> None:
    """The types are those that the exports show."""
    portal = start_portal()
    output = tmp_path / "my pairs.csv"
    result = command("pairs", contacts, companies, *_BY_DOMAIN, "--all-matches", "--output", output)
    assert (result.code, result.err) == (0, "")
    (line,) = [line for line in result.out.splitlines() if line.startswith("To link them: ")]
    program, *arguments = shlex.split(line.partition(": ")[2])
    assert program == "aiohubassoc"
    assert command(*arguments, *FAST).code == 0
    made = {(pair.from_id, pair.to_id) for pair in portal.portal.ledger.links}
    assert made == {("1", "10"), ("2", "20"), ("2", "21")}


def test_a_type_that_no_column_shows_has_to_be_given(command: Command, tmp_path: Path) -> None:
    """The option is named."""
    path = tmp_path / "things.csv"
    path.write_text("Record ID,key\n1,a\n", encoding="utf-8")
    result = command("pairs", path, path, "--on", "KEY", "--output", tmp_path / "pairs.csv")
    step = "To link them, with an object type such as contacts for TYPE: "
    *_, (before, after) = [line.split(": ") for line in result.out.splitlines()]
    assert f"{before}: " == step
    program, *arguments = shlex.split(
        after.replace("TYPE", "deals", 1).replace("TYPE", "tickets", 1)
    )
    assert program == "aiohubassoc"
    assert command(*arguments, "--simulate").code == 0


def test_json_says_what_was_written(
    command: Command, contacts: Path, companies: Path, tmp_path: Path
) -> None:
    """Counts by side and reason."""
    given = ("pairs", contacts, companies, *_BY_DOMAIN, "--json")
    assert command(*given).code == 2
    output = tmp_path / "pairs.csv"
    assert command(*given, "--output", output).reported == {
        "pairs": 1,
        "left_rows": 4,
        "right_rows": 4,
        "left_unmatched": {"no_match": 1, "several_matches": 1, "no_key": 1, "invalid_row": 0},
        "right_unmatched": {"no_match": 1, "several_matches": 2, "no_key": 0, "invalid_row": 0},
        "right_repeated": 0,
        "output": str(output),
        "unmatched": None,
        "exit_code": 0,
    }


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_side_may_be_standard_input(
    command: Command, contacts: Path, companies: Path, side: str
) -> None:
    """Not both."""
    whole = command("pairs", contacts, companies, *_BY_DOMAIN).out
    files, stdin = {
        "left": (("-", companies), contacts),
        "right": ((contacts, "-"), companies),
    }[side]
    assert command("pairs", *files, *_BY_DOMAIN, stdin=stdin.read_bytes()).out == whole
    both = command("pairs", "-", "-", *_BY_DOMAIN, stdin=b"")
    assert (both.code, "LEFT and RIGHT are both standard input" in both.err) == (2, True)


def test_exit_code_1(command: Command, companies: Path, tmp_path: Path) -> None:
    """Rows that cannot be used, or not one pair."""
    left = tmp_path / "left.csv"
    for rows, code in (("1,acme\n", 0), ("1,acme\nSmith,two\n", 1), ("1,none\n", 1), ("", 1)):
        left.write_text(f"Record ID,name\n{rows}", encoding="utf-8")
        result = command(
            "pairs", left, companies, "--left-on", "name", "--right-on", "company NAME"
        )
        assert result.code == code, rows


@pytest.mark.parametrize("option", ["--output", "--unmatched"])
@pytest.mark.parametrize("side", ["contacts.csv", "companies.csv", "link.csv"])
def test_no_input_is_overwritten(
    command: Command, contacts: Path, companies: Path, *, option: str, side: str
) -> None:
    """By whatever name."""
    target = contacts.with_name(side)
    if not target.exists():
        target.symlink_to(companies)
    result = command("pairs", contacts, companies, *_BY_DOMAIN, option, target)
    assert (result.code, "would overwrite the input" in result.err) == (2, True)
    assert contacts.read_text(encoding="utf-8") == _CONTACTS
    assert companies.read_text(encoding="utf-8") == _COMPANIES


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        ((), "which columns are compared? Give --on COLUMN, or --left-on"),
        (("--left-on", "Email"), "which columns are compared?"),
        (("--on", "Email", "--left-on", "Email"), "give --on, or --left-on and --right-on"),
        (("--on", "Email"), "has no column 'Email'. Its columns: Record ID, Company name"),
        (("--on", "Email"), "Choose with --left-on and --right-on in place of --on"),
        (("--on", "Record ID", "--left-id", "none"), "has no column 'none'"),
        (("--on", "Record ID", "--match", "fuzzy"), "--match"),
        (("--on", "Record ID", "--all-match"), "Did you mean --all-matches?"),
        (("--on", "Record ID", "--delimiter", ";;"), "--delimiter"),
        (("--on", "Record ID", "--output", "x", "--unmatched", "./x"), "the same file: name two"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_work(
    command: Command, contacts: Path, companies: Path, options: tuple[str, ...], reported: str
) -> None:
    """Exit code 2, before anything is written."""
    result = command("pairs", contacts, companies, *options)
    assert (result.code, reported in result.err, result.out) == (2, True, ""), result.err


def test_a_file_that_cannot_be_written(
    command: Command,
    contacts: Path,
    companies: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 5, and which."""
    for option in ("--output", "--unmatched"):
        missing = tmp_path / "none" / "x.csv"
        result = command("pairs", contacts, companies, *_BY_DOMAIN, option, missing)
        assert (result.code, f"Cannot write {missing}: " in result.err) == (5, True), option
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    result = command("pairs", contacts, companies, *_BY_DOMAIN)
    assert (result.code, "Cannot write a temporary file" in result.err) == (5, True)


def test_a_record_that_broke_ends_the_pairs_there(
    command: Command, contacts: Path, companies: Path, tmp_path: Path
) -> None:
    """And it is said that the file is not whole."""
    with contacts.open("a", encoding="utf-8") as file:
        file.write('5,"Ed,ed@acme.com,me\n6,Fe,fe@acme.com,me\n')
    output = tmp_path / "pairs.csv"
    result = command("pairs", contacts, companies, *_BY_DOMAIN, "--output", output)
    assert (result.code, result.out) == (2, "")
    assert f"{contacts}, line 6: " in result.err
    assert f"{output} has only the pairs of the rows before" in result.err
    assert [row["from_id"] for row in read_rows(output)] == ["1"]


_SWAP = " and give the files in the other order"


@pytest.mark.parametrize("is_swapped", [False, True])
def test_addresses_beside_domains(
    command: Command, contacts: Path, companies: Path, *, is_swapped: bool
) -> None:
    """If nothing matches, the option that compares them is named, for either order."""
    files, keys = [contacts, companies], ["Email", "Company domain name"]
    if is_swapped:
        files.reverse()
        keys.reverse()
    result = command("pairs", *files, "--left-on", keys[0], "--right-on", keys[1])
    assert result.code == 1
    hint = "Email holds e-mail addresses and Company domain name domains: try --match email-domain"
    assert f"{hint}{_SWAP if is_swapped else ''}\n" in result.err


@pytest.mark.parametrize(
    "options",
    [
        ("--left-on", "Email", "--right-on", "Company name"),
        ("--left-on", "First Name", "--right-on", "Company domain name"),
        _BY_DOMAIN,
    ],
)
def test_no_advice_that_would_not_help(
    command: Command, contacts: Path, companies: Path, options: tuple[str, ...]
) -> None:
    """Other columns, or pairs that were found, need no other way to compare."""
    assert "--match" not in command("pairs", contacts, companies, *options).err


def test_a_side_without_rows_holds_nothing(
    command: Command, contacts: Path, tmp_path: Path
) -> None:
    """There is no advice about its values."""
    empty = tmp_path / "empty.csv"
    empty.write_text("Record ID,Site\n", encoding="utf-8")
    result = command("pairs", contacts, empty, "--left-on", "Email", "--right-on", "Site")
    assert (result.code, "--match" in result.err) == (1, False)
