"""``aiohubassoc report`` and ``--report``: which run folders have one, and where it may go."""

from __future__ import annotations

import builtins
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import TYPES, make, write_pairs
from tests.html_report.conftest import Page
from tests.journal.test_report_reader import make_old

if TYPE_CHECKING:
    from tests.cli.conftest import Command, StartPortal


@pytest.fixture
def html(folder: Path) -> Path:
    """Return where a report is to be."""
    return html_of(folder)


def html_of(folder: Path) -> Path:
    """Return the same."""
    return folder.parents[1] / "run.html"


def text_of(html: Path) -> str:
    """Return what a report says, in one line."""
    page = Page(html.read_text(encoding="utf-8"))
    assert page.open == []
    return re.sub(r"\s+", " ", page.text)


def test_link_writes_a_report_of_its_run(
    link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Outcomes, reasons, HubSpot's words, rejected rows, duplicates, responses, what to do next."""
    html = html_of(folder)
    portal = start_portal(records_up_to=100_007)
    write_pairs(pairs_file, 10, "1e5,7\n1,100001\n")
    result = link(pairs_file, "--run", folder, "--skip-invalid", "--report", html)
    assert result.code == 1
    assert f"Wrote the report to {html}" in result.out
    text = text_of(html)
    for said in (
        "7 of 10 pairs linked",
        portal.base_url,
        "contacts to companies",
        "Complete",
        "3 failed",
        "1 row rejected",
        "VALIDATION_ERROR",
        "is not valid",
        "line 9, contacts:8 -> companies:100008; 1 attempt",
        "correlation id",
        "1 row repeats an earlier one.",
        "line 12",
        "a number with an exponent",
        "Slowest responses",
        "Pairs over time",
        f"aiohubassoc export {folder} --failed --output failed.csv",
        f"aiohubassoc verify {folder}",
    ):
        assert said in text
    assert "Correct these rows, then" in text
    assert "--retry-failed" not in text  # no retry makes a record
    assert "Simulated portal" not in text


def test_a_run_without_a_folder_has_one_too(
    link: Command, start_portal: StartPortal, pairs_file: Path, html: Path
) -> None:
    """It does not name the folder that is gone."""
    start_portal()
    result = link(pairs_file, "--report", html, "--json")
    assert result.code == 0
    assert result.reported["report"] == str(html)
    text = text_of(html)
    assert "All 10 pairs are linked" in text
    assert "Pairs over time" in text
    assert "Run folder" not in text


def test_a_simulated_run_says_so(command: Command, pairs_file: Path, folder: Path) -> None:
    """First of all, in the report of the run and in one of its folder."""
    html = html_of(folder)
    said = "Simulated portal: nothing was sent to HubSpot."
    flags = ("--simulate", "--run", folder, "--report", html)
    assert command("link", pairs_file, *TYPES, *flags).code == 0
    assert said in text_of(html)
    html.unlink()
    assert command("report", folder, "-o", html).code == 0
    assert said in text_of(html)


def test_a_report_adds_up_over_resumed_runs(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """Responses of all runs; each run is listed."""
    html = html_of(folder)
    start_portal(records_up_to=100_004)
    link(pairs_file, "--run", folder, "--limit", 3)
    assert command("report", folder, "-o", html).code == 0
    text = text_of(html)
    assert "All 3 pairs are linked" in text
    assert "Unfinished" in text
    assert "About 7 rows of the input are not read yet" in text
    assert f"aiohubassoc resume {folder}" in text
    assert command("resume", folder, "--report", html).code == 1
    text = text_of(html)
    assert "4 of 10 pairs linked" in text
    assert re.search(r"200 ?4 ?400 ?6|400 ?6 ?200 ?4", text)  # responses by status
    assert "Runs of the folder" in text


def test_a_report_of_a_folder_may_be_json(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """One object that says which file was written."""
    html = html_of(folder)
    start_portal()
    link(pairs_file, "--run", folder)
    result = command("report", folder, "--output", html, "--json")
    assert (result.code, result.err) == (0, "")
    assert result.reported == {"run": str(folder), "output": str(html)}


def test_an_old_folder_has_a_report_that_lacks_what_was_not_collected(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """It says so."""
    html = html_of(folder)
    start_portal()
    link(pairs_file, "--run", folder)
    make_old(folder)
    assert command("report", folder, "-o", html).code == 0
    text = text_of(html)
    assert "All 10 pairs are linked" in text
    assert "Not collected: the run folder was made by an earlier version" in text


def test_what_was_read_back_is_in_the_report(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """By ``--verify`` and by ``verify``."""
    html = html_of(folder)
    portal = start_portal(unmade_share=0.4)
    link(pairs_file, "--run", folder, "--verify", "--report", html)
    text = text_of(html)
    found = re.search(r"10 pairs read back from HubSpot: (\d+) linked, (\d+) missing", text)
    assert found is not None
    missing = 10 - len(portal.portal.ledger.links)
    assert int(found[2]) == missing > 0
    assert f"{missing} missing when read back" in text
    command("verify", folder)
    command("report", folder, "-o", html)
    assert text_of(html).count("10 pairs read back from HubSpot") == 2


def test_verify_writes_a_report_of_a_run_folder(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """It is that of the run, with what was just read back."""
    html = html_of(folder)
    portal = start_portal(unmade_share=0.4)
    link(pairs_file, "--run", folder)
    missing = 10 - len(portal.portal.ledger.links)
    result = command("verify", folder, "--report", html)
    assert result.code == 1
    assert result.out.endswith(f"Wrote the report to {html}\n")
    text = text_of(html)
    assert f"{missing} missing when read back" in text
    assert "Pairs over time" in text
    assert text.count("10 pairs read back from HubSpot") == 1


def test_verify_writes_a_report_of_files(
    command: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """What was asked and found, the first that are missing, rejected rows, what to do next."""
    html = tmp_path / "found.html"
    portal = start_portal()
    write_pairs(pairs_file, 10, "1e5,7\n1,100001\n")
    make(portal, range(1, 8))
    given = ("verify", pairs_file, *TYPES, "--skip-invalid")
    result = command(*given, "--report", html, "--json")
    assert (result.code, result.reported["report"]) == (1, str(html))
    text = text_of(html)
    for said in (
        "7 of 10 pairs linked",
        "3 missing",
        portal.base_url,
        "contacts to companies",
        "pairs.csv",
        "missing: HubSpot does not have the link",
        "line 9",
        "contacts:8 -> companies:100008",
        "1 row repeats an earlier one",
        "1 row rejected",
        "a number with an exponent",
        "--output missing.csv",
    ):
        assert said in text, said
    make(portal, range(1, 11))
    assert command(*given, "--report", html).code == 1  # of the rejected row
    assert "All 10 pairs are linked" in text_of(html)


def test_a_report_of_what_was_not_read_back(
    command: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """Says why; one that cannot be written is named, with exit code 5."""
    html = tmp_path / "found.html"
    start_portal(tokens=("another",))
    assert command("verify", pairs_file, *TYPES, "--report", html).code == 4
    text = text_of(html)
    assert "Not fully verified" in text
    assert "The reading stopped early. 401" in text
    result = command("verify", pairs_file, *TYPES, "--report", tmp_path / "no" / "x.html")
    assert (result.code, "Cannot write " in result.err) == (5, True)


def test_a_report_of_what_was_read_back_holds_hostile_text(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """As text, with nothing that is obeyed."""
    html, path = tmp_path / "x.html", tmp_path / "<b>\u202e.csv"
    start_portal()
    path.write_text("from_id,to_id\n<script>alert(1)</script>,\u202e\n1,2\n", encoding="utf-8")
    command("verify", path, *TYPES, "--skip-invalid", "--any-id", "--report", html)
    raw = html.read_text(encoding="utf-8")
    assert "<script" not in raw
    assert "\u202e" not in raw
    assert "default-src 'none'" in raw


def test_a_report_never_overwrites_what_is_needed(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """Neither the input nor anything in a run folder; nothing is sent before."""
    portal = start_portal()
    link(pairs_file, "--run", folder)
    before, calls = pairs_file.read_bytes(), portal.portal.ledger.calls.copy()
    for path in (pairs_file, folder / "journal.db", folder / "new.html"):
        for result in (
            link(pairs_file, "--run", folder, "--report", path),
            command("report", folder, "-o", path),
        ):
            assert result.code == 2
            assert "overwrite" in result.err or "run folder" in result.err
    assert pairs_file.read_bytes() == before
    assert portal.portal.ledger.calls == calls
    assert not (folder / "new.html").exists()


def test_a_token_file_is_never_overwritten(
    link: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """By no report."""
    start_portal()
    token = tmp_path / "token"
    token.write_text("simulated-token")
    assert link(pairs_file, "--token-file", token, "--report", token).code == 2
    assert token.read_text() == "simulated-token"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_report_that_cannot_be_written_changes_no_outcome(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """The exit code is that of storage, and the rest of the summary is there."""
    start_portal()
    path = "/dev/full"
    result = link(pairs_file, "--run", folder, "--report", path)
    assert result.code == 5
    assert f"Cannot write {path}" in result.err
    assert "10  linked" in result.out
    result = command("report", folder, "-o", path)
    assert result.code == 5
    assert f"Cannot write {path}" in result.err


def test_without_jinja2_nothing_is_sent(
    link: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    html: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says what to install."""
    portal = start_portal()
    imported = builtins.__import__

    def refuse(name: str, *more: Any) -> Any:
        if name == "jinja2":
            raise ImportError(name)
        return imported(name, *more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    result = link(pairs_file, "--report", html)
    assert result.code == 2
    assert "pip install 'aiohubassoc[report]'" in result.err
    assert not portal.portal.ledger.calls


def test_a_folder_that_is_none_is_named(command: Command, tmp_path: Path, html: Path) -> None:
    """And no file is written."""
    result = command("report", tmp_path / "none", "-o", html)
    assert result.code == 2
    assert "is not a run folder" in result.err
    assert not html.exists()


def test_hostile_text_comes_through_as_text(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    folder: Path,
) -> None:
    """From a file's name and cells to the page."""
    html = html_of(folder)
    start_portal()
    name = folder.parents[1] / "<script>alert(1)<\u202e.csv"
    name.write_text("from_id,to_id\n1,2\n<img src=x onerror=alert(1)>\u2066,3\n", encoding="utf-8")
    link(name, "--run", folder, "--skip-invalid", "--report", html)
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        db.execute(
            "update pairs set status = 3, category = '</style><script>', message = ?",
            ("\x1b[31m<svg onload=alert(1)>\u202e" * 50,),
        )
        db.commit()
    assert command("report", folder, "-o", html).code == 0
    raw = html.read_text(encoding="utf-8")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x09\x0b-\x1f\x7f-\x9f]", raw)
    page = Page(raw)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not [one for _, attributes in page.tags for one in attributes if one.startswith("on")]
    assert "<script>alert(1)<\\u202e.csv" in page.text
    assert "<img src=x onerror=alert(1)>\\u2066" in page.text


def test_two_outputs_are_two_files(
    link: Command, start_portal: StartPortal, pairs_file: Path, html: Path
) -> None:
    """One would overwrite the other; nothing is sent."""
    portal = start_portal()
    result = link(pairs_file, "--report", html, "--failures", html)
    assert result.code == 2
    assert "are the same file: name two" in result.err
    assert not portal.portal.ledger.calls


def test_a_report_that_cannot_be_written(
    link: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """Is found before anything is sent, as of --failures."""
    portal = start_portal()
    for path in (tmp_path, tmp_path / "none" / "run.html"):
        result = link(pairs_file, "--report", path)
        assert (result.code, f"Cannot write {path}: " in result.err) == (5, True)
    assert not portal.portal.ledger.calls
