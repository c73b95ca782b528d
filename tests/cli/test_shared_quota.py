"""``--shared-quota``, and the quota that the runs of a run folder share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.simulator import Latency
from tests.cli.conftest import FAST, TYPES, write_pairs
from tests.cli.processes import COMMAND, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

QUOTA = ("--quota", "20/2s", "--no-check")


def test_two_runs_share_a_quota(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """One after the other within a window, from folders of their own."""
    portal = start_portal(quota_limit=20, quota_window=2.0)
    shared = ("--shared-quota", f"sqlite:///{tmp_path}/quota.db", "--shared-key", "portal 1")
    for name in ("a", "b"):
        pairs = write_pairs(tmp_path / f"{name}.csv", 15)
        reported = command(
            "link", pairs, *TYPES, *QUOTA, *shared, "--run", tmp_path / name, "--json"
        ).reported
        assert reported["linked"] == 15
        assert not (tmp_path / name / "quota.db").exists()
    assert portal.portal.ledger.max_seen_in_window <= 20
    assert not portal.portal.ledger.throttled


@pytest.mark.parametrize("headers", ["all", "none"])
def test_a_resume_keeps_the_window_of_the_run_that_was_killed(
    command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path, headers: str
) -> None:
    """What that one sent is known, though HubSpot's headers may not say so."""
    portal = start_portal(
        quota_limit=20, quota_window=2.0, headers=headers, latency=Latency(0.02, 0.3, 0.02, 0.3)
    )
    pairs = write_pairs(tmp_path / "pairs.csv", 60)
    with started(*COMMAND, "link", pairs, *TYPES, *QUOTA, "--run", folder, "--stream") as process:
        assert process.stdout is not None
        for _ in range(10):
            assert json.loads(process.stdout.readline())["status"] == "linked"
        process.kill()
        process.wait()
    reported = command("resume", folder, "--no-check", "--json").reported
    assert reported["linked"] + reported["skipped"] == 60
    assert portal.portal.ledger.max_seen_in_window <= 20
    assert not portal.portal.ledger.throttled


def test_the_shared_quota_is_kept_without_its_password(
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A resume uses it again, from wherever it is begun."""
    portal = start_portal(daily_limit=4)
    monkeypatch.chdir(tmp_path)
    pairs = write_pairs(tmp_path / "pairs.csv", 10)
    shared = ("--shared-quota", "sqlite:///quota.db")
    call = ("--no-check", *TYPES, *FAST, *shared, "--run", folder)
    assert command("link", pairs, *call).code == 3
    assert not (folder / "quota.db").exists()
    start_portal(instead_of=portal)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert command("resume", folder, "--no-check").code == 0
    assert not (folder / "quota.db").exists()
    assert not (tmp_path / "elsewhere" / "quota.db").exists()


def test_a_store_that_cannot_be_used_lets_nothing_go(
    command: Command, start_portal: StartPortal, tmp_path: Path, pairs_file: Path
) -> None:
    """One sentence, exit code 5, and no run folder is begun."""
    portal = start_portal()
    (tmp_path / "quota.db").write_bytes(b"something else " * 100)
    shared = f"sqlite:///{tmp_path}/quota.db"
    folder = tmp_path / "run"
    for options in ((), ("--run", folder)):
        result = command(
            "link", pairs_file, *TYPES, *FAST, "--no-check", "--shared-quota", shared, *options
        )
        assert result.code == 5
        assert f"the shared quota {shared} cannot be used" in result.err
        assert not folder.exists()
    assert portal.portal.ledger.requests == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shared-quota", "redis://x"], "--shared-quota must be sqlite:///FILE"),
        (["--shared-key", "x"], "--shared-key is for --shared-quota"),
        (["--shared-quota", "sqlite:///x", "--shared-key", ""], "--shared-key is empty"),
    ],
)
def test_what_is_no_shared_quota_is_refused(
    command: Command, start_portal: StartPortal, pairs_file: Path, options: list[str], message: str
) -> None:
    """Before anything is read or sent, in the words of the command line."""
    portal = start_portal()
    result = command("link", pairs_file, *TYPES, *options)
    assert result.code == 2
    assert message in result.err
    assert portal.portal.ledger.requests == 0


def test_links_are_read_back_under_the_same_quota(
    command: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """With a shared quota and with that of a run folder."""
    start_portal()
    call = ("link", pairs_file, *TYPES, *FAST, "--no-check", "--verify", "--json")
    for options in (
        ("--shared-quota", f"sqlite:///{tmp_path}/quota.db"),
        ("--run", tmp_path / "run"),
    ):
        reported = command(*call, *options).reported
        assert reported["verification"]["linked"] == 10
