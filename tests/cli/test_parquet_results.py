"""Failed rows as Parquet, from a run and from its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    """Two pairs, one of a record that is not there."""
    path = tmp_path / "pairs.csv"
    path.write_text("from_id,to_id,note\n1,2,a\n999999,4,b\n", encoding="utf-8")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file."""
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_failures(
    command: Command, link: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """The file can be read, and linked again."""
    running = start_portal(records_up_to=1000)
    path = tmp_path / "failed.parquet"
    result = link(pairs_file, "--failures", path, "--json")
    assert (1, 1) == (result.code, result.reported["rows_written"])
    (row,) = rows_of(path)
    assert ("999999", "b", "failed") == (row["from_id"], row["note"], row["status"])
    before = running.portal.ledger.requests
    assert 1 == link(path).code
    assert before + 1 == running.portal.ledger.requests


def test_export(
    command: Command,
    link: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """By the name of the file, or by --format."""
    start_portal(records_up_to=1000)
    link(pairs_file, "--run", folder)
    for name, options in (("all.parquet", ()), ("all.dat", ("--format", "parquet"))):
        path = pairs_file.with_name(name)
        result = command("export", folder, "--output", path, "--json", *options)
        assert (2, "parquet") == (result.reported["rows"], result.reported["format"])
        assert ["linked", "failed"] == [row["status"] for row in rows_of(path)]


def test_export_to_standard_output_is_text(
    command: Command, link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Parquet needs a file."""
    start_portal()
    link(pairs_file, "--run", folder)
    result = command("export", folder, "--format", "parquet")
    assert (2, "") == (result.code, result.out)
    assert "--format parquet is for a file: give --output" in result.err


def test_missing_links_of_verify(
    command: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """The same."""
    start_portal()
    path = tmp_path / "missing.parquet"
    types = ("--from", "contacts", "--to", "companies")
    assert 1 == command("verify", pairs_file, *types, "--output", path).code
    assert ["missing", "missing"] == [row["status"] for row in rows_of(path)]


def test_without_the_extra_nothing_is_sent(
    link: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message says what to install."""
    running = start_portal()
    monkeypatch.setattr("aiohubassoc.files.results.find_spec", lambda _: None)
    result = link(pairs_file, "--failures", tmp_path / "f.parquet")
    assert (2, 0) == (result.code, running.portal.ledger.requests)
    assert "pip install 'aiohubassoc[parquet]'" in result.err


def test_a_full_disk_stops_the_run_in_good_order(
    link: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """Exit code 5, as for the other formats."""
    start_portal(records_up_to=1000)
    path = tmp_path / "f.parquet"
    path.symlink_to("/dev/full")
    result = link(pairs_file, "--failures", path)
    assert 5 == result.code
    assert f"Cannot write {path}: No space left on device" in result.err
