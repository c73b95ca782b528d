"""``--json`` where a command ends by an error: one object, which ``--on-end`` is given, too."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import TYPES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal


@pytest.fixture
def _empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give a token, and no file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "t")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("link", "none.csv", *TYPES), "none.csv"),
        (("link", "none.csv", *TYPES, "--dry-run"), "none.csv"),
        (("link", "none.csv", "--from", "a b", "--to", "companies"), "--from 'a b'"),
        (("plan", "none.csv", *TYPES), "none.csv"),
        (("check", "--from", "contacts", "--to", "a b"), "--to 'a b'"),
        (("verify", "none.csv", *TYPES), "none.csv"),
        (("verify", ".", *TYPES), "neither a file nor a run folder"),
        (("resume", "none"), "none is not a run folder"),
        (("status", "none"), "none is not a run folder"),
        (("export", "none", "--output", "o.csv"), "none is not a run folder"),
        (("export", "none"), "--json is for --output"),
        (("report", "none", "--output", "o.html"), "none is not a run folder"),
        (("pairs", "a.csv", "b.csv", "--on", "Email", "--output", "o.csv"), "a.csv"),
        (("fleet", "status"), "no database"),
        (("fleet", "status", "--watch"), "give --watch or --json"),
        (("fleet", "portals"), "no portals"),
        (("link", "none.csv", "--form", "contacts"), "no option --form"),
        (("link",), "link needs FILES"),
        (("link", "a.csv", "--batch-size", "many"), "many"),
        (("link", "a.csv", "--run", ""), "--run is empty"),
        (("lnik", "a.csv"), "lnik"),
    ],
)
@pytest.mark.usefixtures("_empty_folder")
def test_an_error_is_one_object(command: Command, arguments: tuple[str, ...], error: str) -> None:
    """Of every command, and of a command line that cannot be understood."""
    result = command(*arguments, "--json")
    assert 2 == result.code == result.reported["exit_code"]
    assert ["error", "exit_code"] == sorted(result.reported)
    assert error in result.reported["error"]
    assert result.reported["error"] in result.err.removeprefix("aiohubassoc: ").rstrip()


def test_a_file_that_cannot_be_written_is_one_too(
    link: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """With its name; and the command at the end is given the same."""
    start_portal()
    given = tmp_path / "given"
    keep = f"import sys; open({str(given)!r}, 'w').write(sys.stdin.read())"
    report = tmp_path / "no" / "report.html"
    on_end = shlex.join([sys.executable, "-c", keep])
    result = link(pairs_file, "--report", report, "--json", "--on-end", on_end)
    assert 5 == result.code == result.reported["exit_code"]
    assert f"Cannot write {report}: No such file or directory" == result.reported["error"]
    assert json.loads(given.read_text()) == result.reported


def test_without_json_nothing_is_printed(command: Command) -> None:
    """Standard output is for results."""
    assert "" == command("status", "none").out


@pytest.mark.parametrize(
    ("flag", "prints"), [("--json=true", True), ("--json=false", False), ("--json=No", False)]
)
def test_json_with_a_value(command: Command, flag: str, *, prints: bool) -> None:
    """It is taken as where the command does its work."""
    assert prints == bool(command("status", "none", flag).out)


def test_an_end_that_has_a_result_has_one_object(
    link: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Rejected rows end the command, too: the result has them."""
    start_portal()
    path = tmp_path / "pairs.csv"
    path.write_text("from_id,to_id\n1,2\nx,2\n")
    result = link(path, "--json")
    assert 2 == result.code == result.reported["exit_code"]
    assert [3] == [line["line"] for line in result.reported["invalid_lines"]]
