"""``aiohubassoc verify``: which links HubSpot has, whatever was reported when they were made."""

from __future__ import annotations

import shlex
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import AssociationClient, RetryPolicy, Status
from aiohubassoc.cli.run_folder import FolderTable
from aiohubassoc.journal.reader import Reader
from aiohubassoc.simulator import FaultPlan
from tests.cli.conftest import TYPES, calls, make, read_rows, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from aiohubassoc.simulator import ServedPortal
    from tests.cli.conftest import Command, Result, StartPortal

NOT_LINKED = {"category": "NOT_LINKED", "message": "HubSpot does not have the link"}


@pytest.fixture
def verify(command: Command) -> Command:
    """Verify files with types."""

    def call(*arguments: object, stdin: bytes | None = None) -> Result:
        return command("verify", *arguments, *TYPES, stdin=stdin)

    return call


def counts(result: Result) -> tuple[int, ...]:
    """Return exit code, linked, missing, unknown."""
    reported = result.reported
    assert result.code == reported["exit_code"]
    return (result.code, reported["linked"], reported["missing"], reported["unknown"])


def unmade(portal: ServedPortal, count: int) -> set[str]:
    """Return the first ids of those pairs of `write_pairs` that the portal's records lack."""
    made = {pair.from_id for pair in portal.portal.ledger.links}
    return {str(number) for number in range(1, count + 1)} - made


# --- what is reported ----------------------------------------------------------------------------


def test_all_linked(verify: Command, start_portal: StartPortal, pairs_file: Path) -> None:
    """Exit code 0 by one call, and nothing is sent that makes a link."""
    portal = start_portal()
    make(portal, range(1, 11))
    result = verify(pairs_file)
    assert (result.code, "10  linked" in result.out) == (0, True)
    assert calls(portal) == {"read": 1}
    assert "aiohubassoc" not in result.out.replace(str(pairs_file), "")


@pytest.mark.parametrize("form", ["put", "batch"])
def test_what_was_told_and_never_made_is_found(
    link: Command, verify: Command, start_portal: StartPortal, tmp_path: Path, *, form: str
) -> None:
    """A 200 is no proof: exactly the pairs that the portal's records do not have are missing."""
    portal = start_portal(unmade_share=0.1)
    pairs, missing = write_pairs(tmp_path / "pairs.csv", 300), tmp_path / "missing.csv"
    assert link(pairs, "--via", form, "--json").reported["linked"] == 300
    expected = unmade(portal, 300)
    assert 10 < len(expected) < 60
    result = verify(pairs, "--output", missing, "--json")
    assert counts(result) == (1, 300 - len(expected), len(expected), 0)
    assert {row["from_id"] for row in read_rows(missing)} == expected


def test_json_is_one_object_and_nothing_else(
    verify: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """With every count, the first that are missing with place and reason, and the exit code."""
    portal = start_portal(records_up_to=200_000)
    make(portal, range(1, 3))
    pairs = write_pairs(tmp_path / "pairs.csv", 3, "1e5,7\n2,100002\n999999,7\n")
    result = verify(pairs, "--json", "--skip-invalid")
    assert (result.code, result.err) == (1, "")
    reported = result.reported
    assert reported.pop("seconds") >= 0
    assert reported.pop("responses") == 1
    first, second = reported.pop("first_missing")
    assert first == {
        "line": 4,
        "place": "line 4",
        "pair": "contacts:3 -> companies:100003",
        **NOT_LINKED,
        "correlation_id": None,
    }
    assert (second["line"], second["category"]) == (7, "OBJECT_NOT_FOUND")
    counts = reported.pop("input")
    assert (counts["rows"], counts["rejected"]) == (6, 1)
    (line,) = reported.pop("invalid_lines")
    assert line["place"] == "line 5"
    assert reported == {
        "total": 4,
        "linked": 2,
        "missing": 2,
        "unknown": 0,
        "duplicates": 1,
        "portal": portal.base_url,
        "limit": None,
        "rows_left": 0,
        "invalid": 1,
        "error_responses": 0,
        "stopped": None,
        "input_complete": True,
        "first_unknown": [],
        "run": None,
        "output": None,
        "report": None,
        "exit_code": 1,
    }


def test_people_are_told_the_same(
    verify: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Counts, the first examples with place and reason, what could not be used, what to do."""
    make(start_portal(), range(1, 3))
    pairs = write_pairs(tmp_path / "pairs.csv", 9, "1e5,7\n2,100002\n")
    printed = verify(pairs, "--skip-invalid").out
    for expected in (
        f"9 pairs of {pairs} read back in ",
        " s, by 1 call\n",
        "        2  linked\n",
        "        7  missing: HubSpot does not have the link\n",
        "        1  repeats an earlier one\n",
        "        1  rejected row\n",
        "  line 4: missing, contacts:3 -> companies:100003: HubSpot does not have the link\n",
        "  ... and 2 more\n",
        "  line 11: from_id is '1e5'",
        f"to a file: aiohubassoc verify {pairs} --from contacts --to companies --skip-invalid ",
        "--skip-invalid --output missing.csv",
    ):
        assert expected in printed
    assert "unknown" not in printed


def test_each_row_has_its_line(verify: Command, start_portal: StartPortal, tmp_path: Path) -> None:
    """With ``--stream``: linked, missing, repeated, not usable; the summary is elsewhere."""
    make(start_portal(), [1])
    pairs = write_pairs(tmp_path / "pairs.csv", 2, "1,100001\n1e5,7\n")
    result = verify(pairs, "--stream", "--skip-invalid")
    assert result.code == 1
    linked, missing, repeated, invalid = sorted(result.lines, key=lambda line: line["line"])
    assert linked == {
        "from": "contacts:1",
        "to": "companies:100001",
        "ok": True,
        "status": "linked",
        "line": 2,
    }
    assert missing == {
        "from": "contacts:2",
        "to": "companies:100002",
        "ok": False,
        "status": "missing",
        "error": {**NOT_LINKED, "correlation_id": None},
        "line": 3,
    }
    assert (repeated["status"], repeated["reason"]["message"]) == ("skipped", "repeats line 2")
    assert (invalid["status"], invalid["line"]) == ("invalid", 5)
    assert "1  missing" in result.err


def test_standard_input(verify: Command, start_portal: StartPortal) -> None:
    """The same as from a file; to write the rows the input must be given again."""
    make(start_portal(), [1])
    rows = b"from_id,to_id\n1,100001\n2,100002\n"
    assert counts(verify("-", "--json", stdin=rows)) == (1, 1, 1, 0)
    assert ", give the input again: aiohubassoc verify - --from" in verify("-", stdin=rows).out


# --- exit codes ----------------------------------------------------------------------------------


def test_rows_that_cannot_be_used_end_it_before_it_began(
    verify: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Exit code 2 and their lines, as of link; without them it is 1, though all are linked."""
    portal = start_portal()
    make(portal, range(1, 4))
    pairs = write_pairs(tmp_path / "pairs.csv", 3, "1e5,7\n")
    refused = verify(pairs)
    assert (refused.code, "line 5: from_id is '1e5'" in refused.err) == (2, True)
    assert calls(portal) == {}
    assert counts(verify(pairs, "--skip-invalid", "--json")) == (1, 3, 0, 0)


@pytest.mark.parametrize(
    ("settings", "code", "reported"),
    [
        ({"tokens": ("another",)}, 4, "authentication"),
        ({"missing_scopes": ("crm.objects.contacts.read",)}, 4, "crm.objects.contacts.read"),
        ({"daily_limit": 1}, 3, "daily"),
    ],
    ids=["token", "scopes", "daily limit"],
)
def test_what_ends_it(
    verify: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    settings: dict[str, Any],
    *,
    code: int,
    reported: str,
) -> None:
    """Once for all pairs: those that were not asked about are unknown, and the summary says why."""
    portal = start_portal(**settings)
    make(portal, range(1, 3001))
    pairs = write_pairs(tmp_path / "pairs.csv", 3000)
    result = verify(pairs, "--json")
    assert result.code == code
    assert result.reported["unknown"] > 0
    assert result.reported["linked"] + result.reported["unknown"] == 3000
    assert result.reported["first_unknown"][0]["message"] == result.reported["stopped"]
    printed = verify(pairs).out
    assert reported in printed.casefold()
    assert "unknown: the link could not be read (reason below)" in printed


def test_what_hubspot_does_not_say_is_unknown(
    verify: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3 though it came to its end: to ask again may find that something is missing."""
    portal = start_portal(faults=FaultPlan(server_error_500=1.0))
    make(portal, range(1, 11))
    impatient = partial(AssociationClient, retry=RetryPolicy(attempts=1))
    monkeypatch.setattr("aiohubassoc.cli.connection.AssociationClient", impatient)
    result = verify(pairs_file, "--json")
    assert counts(result) == (3, 0, 0, 10)
    assert result.reported["stopped"] is None


# --- the rows that are not linked ----------------------------------------------------------------


def test_what_was_written_can_be_linked(
    verify: Command, command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """By the command that is reported: the user's own rows, and all are there in the end."""
    portal = start_portal()
    make(portal, range(1, 6))
    pairs, missing = tmp_path / "my pairs.csv", tmp_path / "what's missing.csv"
    rows = "".join(f"n{n};{n};{n + 100_000}\n" for n in range(1, 11))
    pairs.write_text(f"note;from_id;to_id\n{rows}", encoding="utf-8")
    options = ("--delimiter", ";")
    printed = verify(pairs, *options, "--output", missing).out
    found = read_rows(missing)
    assert [row["note"] for row in found] == [f"n{n}" for n in range(6, 11)]
    assert {(row["status"], row["category"], row["message"]) for row in found} == {
        ("missing", *NOT_LINKED.values())
    }
    (line,) = [line for line in printed.splitlines() if line.startswith("To link them: ")]
    program, *arguments = shlex.split(line.removeprefix("To link them: "))
    assert (program, command(*arguments).code) == ("aiohubassoc", 0)
    assert verify(pairs, *options).code == 0
    assert calls(portal)["put"] == 5


def test_json_lines(verify: Command, start_portal: StartPortal, tmp_path: Path) -> None:
    """Objects come back as they were, with the reason behind."""
    start_portal()
    pairs, missing = tmp_path / "pairs.jsonl", tmp_path / "missing.jsonl"
    pairs.write_text('{"from": "deals:7", "to": "contacts:8", "tag": [1]}\n', encoding="utf-8")
    assert verify(pairs, "--output", missing).code == 1
    assert '{"from": "deals:7", "to": "contacts:8", "tag": [1], "status": "missing", ' in (
        missing.read_text(encoding="utf-8")
    )


def test_of_a_cell_with_several_ids_only_those_that_are_missing(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """The row that is written has no other id, so that only it is linked."""
    start_portal().portal.add_links([("contacts", "1", "companies", "2")])
    pairs, missing = tmp_path / "pairs.csv", tmp_path / "missing.csv"
    pairs.write_text("Record ID,Associated Company IDs\n1,2;3\n", encoding="utf-8")
    assert command("verify", pairs, "--from", "contacts", "--output", missing).code == 1
    assert [row["Associated Company IDs"] for row in read_rows(missing)] == ["3"]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ((), {"missing", "unknown"}),
        (("--missing",), {"missing"}),
        (("--unknown",), {"unknown"}),
        (("--missing", "--unknown"), {"missing", "unknown"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_rows_that_are_wanted(
    verify: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    chosen: tuple[str, ...],
    *,
    expected: set[str],
) -> None:
    """Missing ones, or those of which nothing is known, or both."""
    start_portal(daily_limit=1)
    pairs, rows = write_pairs(tmp_path / "pairs.csv", 3000), tmp_path / "rows.csv"
    options = ("--output", rows, "--batch-quota", "1/0.2s", *chosen)
    assert verify(pairs, *options).code == 3
    assert {row["status"] for row in read_rows(rows)} == expected


# --- a run folder --------------------------------------------------------------------------------


def test_a_run_folder(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """What it claims is read back from its own portal; what failed is not, unless all is."""
    portal = start_portal(unmade_share=0.1, records_up_to=100_190)
    pairs, missing = write_pairs(tmp_path / "pairs.csv", 200), tmp_path / "missing.csv"
    assert link(pairs, "--run", folder).code == 1
    other = start_portal()
    expected = unmade(portal, 190)
    result = command("verify", folder, "--output", missing, "--json")
    assert counts(result) == (1, 190 - len(expected), len(expected), 0)
    assert result.reported["run"] == str(folder)
    assert {row["from_id"] for row in read_rows(missing)} == expected
    everything = command("verify", folder, "--all", "--json")
    assert counts(everything) == (1, 190 - len(expected), len(expected) + 10, 0)
    assert calls(other) == {}


def test_a_run_folder_of_a_pipe(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Its rows are in the folder: standard input is free for the token."""
    start_portal(unmade_share=1.0)
    link("-", "--run", folder, stdin=b"note,from_id,to_id\nx,1,2\n")
    missing = tmp_path / "missing.csv"
    options = ("--token-stdin", "--output", missing)
    assert command("verify", folder, *options, stdin=b"simulated-token\n").code == 1
    assert [row["note"] for row in read_rows(missing)] == ["x"]


def test_a_run_folder_says_how_to_write_its_rows(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Without the types, which it knows."""
    start_portal(unmade_share=1.0)
    link(pairs_file, "--run", folder)
    assert f"aiohubassoc verify {folder} --output missing.csv" in command("verify", folder).out


def test_a_run_folder_says_what_was_not_read_back(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Pairs that the run has not linked; with --all there are none."""
    start_portal(records_up_to=100_007)
    link(pairs_file, "--run", folder)
    said = "Not read back: 3 pairs that the run has not linked. --all reads back every pair\n"
    assert said in command("verify", folder).out
    assert "Not read back" not in command("verify", folder, "--all").out


def test_an_output_without_a_row_is_named(
    verify: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """It has a header only."""
    make(start_portal(), range(1, 11))
    out = tmp_path / "rows.csv"
    assert f"Wrote 0 rows to {out}\n" in verify(pairs_file, "--output", out).out


def test_the_batch_quota_of_a_folder_is_kept(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """Never exceeded: neither by linking nor by reading, unless another is given."""
    portal = start_portal()
    pairs = write_pairs(tmp_path / "pairs.csv", 2500)
    link(pairs, "--run", folder, "--via", "batch", "--batch-quota", "1/0.3s")
    emptied = start_portal(instead_of=portal, batch_window=0.3)
    assert counts(command("verify", folder, "--json")) == (1, 0, 2500, 0)
    assert calls(emptied) == {"read": 3}
    assert emptied.portal.ledger.max_batch_in_window == 1
    assert command("verify", folder, "--batch-quota", "100/0.3s").code == 1
    assert emptied.portal.ledger.max_batch_in_window > 1


def test_rows_are_counted_in_another_thread(
    link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Whatever becomes of the reader meanwhile: SQLite has no mercy on whoever shares one."""
    start_portal(records_up_to=100_008)
    link(write_pairs(pairs_file, 10, "1e5,7\n"), "--run", folder, "--skip-invalid")
    with Reader(folder) as reader:
        claimed, everything = FolderTable(reader, (Status.LINKED,)), FolderTable(reader)
    assert (claimed.count_rows(), everything.count_rows()) == (8, 11)
    shutil.rmtree(folder)
    assert claimed.count_rows() is None


# --- what cannot work ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (("--stream", "--json"), "give --stream or --json"),
        (("--missing",), "--missing is for --output"),
        (("--unknown",), "--unknown is for --output"),
        (("--output", "pairs.csv"), "--output pairs.csv would overwrite the input"),
        (("--all",), "--all is for a run folder"),
        (("--batch-quota", "fast"), "--batch-quota: 'fast' is neither a quota"),
        (("--base-url", "http://api.example.com"), "https"),
        (("--api-version", "v3"), "v3"),
        (("--delimiter", ";;"), "--delimiter"),
        (("--token-file", "/nowhere/token"), "cannot read the token"),
        (("-x",), "-x"),
        (("runs",), "runs is neither a file nor a run folder: it has no journal.db"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_cannot_work(
    verify: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    options: tuple[str, ...],
    reported: str,
) -> None:
    """Exit code 2 and what is wrong, with --json on standard output, too; nothing is sent."""
    portal = start_portal()
    monkeypatch.chdir(pairs_file.parent)
    (pairs_file.parent / "runs").mkdir()
    result = verify("pairs.csv", *options)
    assert (result.code, reported in result.err) == (2, True), result
    assert (result.out == "") == ("--json" not in options)
    assert calls(portal) == {}


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (("--from", "deals"), "--from is for files"),
        (("--encoding", "cp1252"), "--encoding is for files"),
        (("--base-url", "https://api.example.com"), "--base-url is for files"),
        (("--allow-http",), "--allow-http is for files"),
        (("--skip-invalid",), "--skip-invalid is for files"),
        (("pairs.csv",), "must be given alone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_a_run_folder_knows_is_not_given(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    *,
    options: tuple[str, ...],
    reported: str,
) -> None:
    """Exit code 2: it would be without effect, or against what the folder says."""
    start_portal()
    link(pairs_file, "--run", folder)
    result = command("verify", folder, *options)
    assert (result.code, reported in result.err, result.out) == (2, True, "")


def test_standard_input_holds_one_thing(verify: Command, start_portal: StartPortal) -> None:
    """Pairs or the token."""
    start_portal()
    result = verify("-", "--token-stdin", stdin=b"x")
    assert (result.code, "either the pairs or the token" in result.err) == (2, True)


def test_the_portal_of_a_simulated_run_is_gone(
    link: Command, command: Command, pairs_file: Path, folder: Path
) -> None:
    """Exit code 2: there is nothing to verify, and what to do instead."""
    assert link(pairs_file, "--simulate", "--run", folder).code == 0
    result = command("verify", folder)
    assert (result.code, f"The run in {folder} was simulated: HubSpot has" in result.err) == (
        2,
        True,
    )
    assert "Link again without --simulate, in another folder" in result.err


@pytest.mark.parametrize(("more", "code"), [((), 0), (("--require-rows",), 1)])
def test_a_folder_without_a_linked_pair(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    *,
    more: tuple[str, ...],
    code: int,
) -> None:
    """Is no empty file: a warning says that none is linked, and which option reads all."""
    start_portal(records_up_to=0)
    link(pairs_file, "--run", folder)
    result = command("verify", folder, *more)
    said = f"No pair of {folder} is linked yet: nothing to read back. --all reads back every pair"
    assert (result.code, said in result.err, "holds no pairs" in result.err) == (code, True, False)
    every = command("verify", folder, "--all", "--json", *more)
    assert (every.code, every.reported["missing"]) == (1, 10)


def test_an_output_that_cannot_be_made(
    verify: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Exit code 5, before anything is sent."""
    portal = start_portal()
    result = verify(pairs_file, "--output", "/nowhere/missing.csv")
    assert (result.code, "/nowhere/missing.csv: No such file" in result.err) == (5, True)
    assert calls(portal) == {}
