"""What ``link`` and ``resume`` ask about the account before the first pair."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc.cli import runner
from aiohubassoc.journal.schema import FolderLock
from aiohubassoc.simulator import FaultPlan, Latency
from tests.cli.conftest import TOKEN, TYPES, calls, write_pairs
from tests.cli.processes import COMMAND, started, until_requests

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

WRITE = ("crm.objects.contacts.write", "crm.objects.companies.write")


@pytest.mark.parametrize("way", ["job", "in use", "file", "in a file", "damaged"])
def test_a_run_folder_that_cannot_be_used(
    command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path, *, way: str
) -> None:
    """What is known on this machine is known before HubSpot is asked."""
    portal = start_portal()
    given, types, lock = folder, TYPES, None
    if "file" in way:
        folder.parent.mkdir(exist_ok=True)
        folder.write_text("a table", encoding="utf-8")
        given = folder / "x" if way == "in a file" else folder
    else:
        assert command("link", pairs_file, *TYPES, "--run", folder).code == 0
    if way == "job":
        types = ("--from", "deals", "--to", "companies")
    elif way == "in use":
        lock = FolderLock(folder)
    elif way == "damaged":
        (folder / "journal.db").write_bytes(b"x" * 100_000)
    before = portal.portal.ledger.requests
    result = command("link", pairs_file, *types, "--run", given)
    if lock is not None:
        lock.release()
    expected = {
        "job": (2, "--from was 'contacts' and is 'deals'"),
        "in use": (75, f"the run folder {folder} is being used by"),
        "damaged": (5, f"the run folder {folder}: journal.db is not a database"),
    }
    code, message = expected.get(way, (2, f"{folder} is a file, not a run folder: name a folder"))
    assert (result.code, message in result.err) == (code, True), result.err
    assert portal.portal.ledger.requests == before


def test_a_file_in_place_of_a_run_folder(command: Command, pairs_file: Path) -> None:
    """A plan says so, too: the run that it is of would end by it."""
    result = command("plan", pairs_file, *TYPES, "--run", pairs_file)
    assert result.code == 2
    assert f"{pairs_file} is a file, not a run folder: name a folder" in result.err


@pytest.mark.parametrize(
    ("settings", "types", "code", "message"),
    [
        ({"tokens": ("another",)}, TYPES, 4, "refused the access token (401). Check HUBSPOT_"),
        ({}, ("--from", "contacts", "--to", "compnies"), 2, "no object type 'compnies'. Use a na"),
        ({"daily_limit": 5, "daily_used": 5}, TYPES, 3, "HubSpot allows no more calls today."),
    ],
    ids=["token", "type", "day"],
)
@pytest.mark.parametrize("options", [(), ("--json",), ("--stream",)])
def test_what_every_pair_would_meet(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    *,
    settings: dict[str, Any],
    types: tuple[str, ...],
    code: int,
    message: str,
    options: tuple[str, ...],
) -> None:
    """One sentence, its exit code, and no call for a pair; no run folder is begun."""
    portal = start_portal(**settings)
    result = command("link", pairs_file, *types, "--run", folder, *options)
    assert result.code == code
    (line,) = result.err.splitlines()
    assert line.startswith("aiohubassoc: Nothing was sent. ")
    assert message in line
    assert not folder.exists()
    assert set(calls(portal)) <= {"read", "account"}
    assert sum(calls(portal).values()) <= 3
    if "--json" in options:
        assert result.reported["exit_code"] == code
        assert (result.reported["total"], result.reported["input_complete"]) == (0, False)
        assert result.reported["stopped"]
    else:
        assert result.out == ""


def test_scopes_that_the_token_lacks_are_named(
    command: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Before the first pair: those to write; those to read only for a run that reads."""
    start_portal(scopes=("crm.objects.contacts.write",))
    warning = "seems to lack scopes: crm.objects.companies.write. "
    assert warning in command("link", pairs_file, *TYPES).err
    result = command("link", pairs_file, *TYPES, "--verify")
    assert "crm.objects.companies.write, crm.objects.contacts.read, crm.ob" in result.err


def test_it_costs_three_calls(
    command: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """And none with --no-check, for a simulated portal, and where no pair was read ahead."""
    portal = start_portal()
    assert command("link", pairs_file, *TYPES).code == 0
    assert calls(portal) == {"read": 1, "account": 2, "put": 10}
    portal = start_portal()
    assert command("link", pairs_file, *TYPES, "--no-check").code == 0
    assert calls(portal) == {"put": 10}


def test_a_row_may_name_the_types(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Then those of the first pair are checked."""
    start_portal()
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("from_id,to_id,from_type,to_type\n1,2,contacts,compnies\n", encoding="utf-8")
    result = command("link", pairs)
    assert (result.code, "no object type 'compnies'" in result.err) == (2, True)


@pytest.mark.parametrize(
    "settings",
    [
        {"unknown_calls": ("token_info", "details")},
        {"refused_calls": ("token_info", "details"), "scopes": WRITE},
        {"faults": FaultPlan(script_account=("server_error_500",) * 9)},
    ],
    ids=["no such endpoints", "no scopes to read", "broken"],
)
def test_what_hubspot_does_not_say_stops_nothing(
    command: Command, start_portal: StartPortal, pairs_file: Path, settings: dict[str, Any]
) -> None:
    """The run itself finds out."""
    start_portal(**settings)
    assert command("link", pairs_file, *TYPES).code == 0


def test_resume(command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path) -> None:
    """It checks where something is left to send, and asks nothing where all is done."""
    portal = start_portal()
    pairs = write_pairs(tmp_path / "pairs.csv", 20)
    assert command("link", pairs, *TYPES, "--run", folder, "--limit", "5").code == 0
    portal = start_portal(instead_of=portal, tokens=("another",))
    result = command("resume", folder)
    assert (result.code, result.out) == (4, "")
    portal = start_portal(instead_of=portal, tokens=(TOKEN,))
    assert command("resume", folder).code == 0
    before = calls(portal)
    assert command("resume", folder).code == 0
    assert calls(portal) == before


def test_it_does_not_wait_for_long(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A check that takes too long is given up, and the run begins."""
    monkeypatch.setattr(runner, "_CHECK_SECONDS", 0.01)
    monkeypatch.setattr(runner, "_SILENT_SECONDS", 0.005)
    start_portal(latency=Latency(before_median=0.1, after_median=0.1), tokens=("another",))
    result = command("link", pairs_file, *TYPES)
    assert (result.code, "10 pairs" in result.out) == (4, True)  # the run has found it out
    assert "Checking the token and the object types, for at most" in result.err


def test_ctrl_c_ends_it(start_portal: StartPortal, pairs_file: Path, folder: Path) -> None:
    """At once, and nothing is begun."""
    portal = start_portal(latency=Latency(after_median=60.0))
    with started(*COMMAND, "link", pairs_file, *TYPES, "--run", folder) as process:
        until_requests(portal, 1, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, "")
    last = err.splitlines()[-1]  # a slow machine may say before that it checks the account
    assert last == "Interrupted by Ctrl-C; nothing was sent. To continue: the same command again"
    assert not folder.exists()
    assert set(calls(portal)) <= {"read", "account"}
