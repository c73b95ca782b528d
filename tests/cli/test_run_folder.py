"""``--run``: what a second run of the same folder sends, skips and tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiohubassoc import Journal, Status
from aiohubassoc.simulator import FaultPlan
from tests.cli.conftest import sent_to, write_pairs

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.cli.conftest import Command, Result, StartPortal


@pytest.fixture(params=["link", "resume"])
def go_on(
    request: pytest.FixtureRequest, command: Command, link: Command, pairs_file: Path, folder: Path
) -> Command:
    """Continue with the folder: by the same command once more, or by ``resume``."""

    def call(*options: object, stdin: bytes | None = None) -> Result:
        if request.param == "resume":
            return command("resume", "--no-check", folder, *options, stdin=stdin)
        return link(pairs_file, "--run", folder, *options, stdin=stdin)

    return call


def _categories(result: Result) -> dict[tuple[str, str], int]:
    return {(one["status"], one["category"]): one["count"] for one in result.reported["categories"]}


def _example(result: Result) -> dict[str, Any]:
    (category,) = result.reported["categories"]
    example: dict[str, Any] = category["example"]
    return example


# --- the second run ----------------------------------------------------------------------------


def test_what_is_linked_is_skipped_without_a_call(
    link: Command, go_on: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Exit code 0, though nothing was sent: every pair is linked."""
    portal = start_portal()
    first = link(pairs_file, "--run", folder, "--json")
    assert (first.code, first.reported["linked"], first.reported["run"]) == (0, 10, str(folder))
    again = go_on("--json")
    assert (again.code, again.reported["linked"], again.reported["skipped"]) == (0, 0, 10)
    assert _categories(again) == {("skipped", "LINKED_BEFORE"): 10}
    assert portal.portal.ledger.requests == 10


def test_what_the_daily_limit_left_is_sent(
    link: Command, go_on: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """And nothing else: those that are linked are not sent a second time."""
    portal = start_portal(daily_limit=4)
    first = link(pairs_file, "--run", folder, "--concurrency", "1")
    assert first.code == 3
    assert f"To continue: aiohubassoc resume {folder}" in first.out
    next_day = start_portal(instead_of=portal)
    again = go_on("--json")
    assert (again.code, again.reported["linked"], again.reported["skipped"]) == (0, 6, 4)
    assert not sent_to(portal).keys() & sent_to(next_day).keys()
    assert len(sent_to(next_day)) == next_day.portal.ledger.requests == 6


@pytest.mark.parametrize("limit", [1, 7, 30])
def test_days_with_a_limit_link_each_pair_once(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, limit: int
) -> None:
    """However many days it takes: the folder and the portals of all days agree in the end."""
    portal = start_portal(daily_limit=limit)
    pairs, folder, days = write_pairs(tmp_path / "pairs.csv", 40), tmp_path / "run", 1
    code, links = link(pairs, "--run", folder).code, sent_to(portal)
    while code == 3 and days < 50:
        portal = start_portal(instead_of=portal, daily_limit=10 * limit)
        code = command("resume", "--no-check", folder).code
        links += sent_to(portal)
        days += 1
    assert code == 0
    assert set(links.values()) == {1}
    assert links.keys() == {
        (row.pair.from_id, row.pair.to_id) for row in Journal(folder).rows(Status.LINKED)
    }
    assert len(links) == 40


def test_what_stopping_left_is_sent(
    link: Command, go_on: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """After ``--stop-after-failures``: old failures are reported, and do not count for it again."""
    portal = start_portal(records_up_to=0)
    options = ("--run", folder, "--stop-after-failures", "2", "--concurrency", "1", "--json")
    first = link(pairs_file, *options).reported
    assert (first["failed"], first["unprocessed"], first["exit_code"]) == (2, 8, 3)
    mended = start_portal(instead_of=portal)
    again = go_on("--json").reported
    assert (again["failed"], again["linked"], again["exit_code"]) == (2, 8, 1)
    assert not sent_to(portal).keys() & sent_to(mended).keys()


# --- failures ----------------------------------------------------------------------------------


def test_what_failed_stays_failed_without_a_call(
    link: Command, go_on: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """The same exit code, category, message and correlation id as when it was refused."""
    portal = start_portal(records_up_to=100_009)
    first = link(pairs_file, "--run", folder, "--json")
    assert (first.code, first.reported["linked"], first.reported["failed"]) == (1, 9, 1)
    again = go_on("--json")
    assert (again.code, again.reported["skipped"], again.reported["failed"]) == (1, 9, 1)
    assert _categories(again) == {
        ("skipped", "LINKED_BEFORE"): 9,
        ("failed", "VALIDATION_ERROR"): 1,
    }
    examples = {one["category"]: one["example"] for one in again.reported["categories"]}
    assert examples["VALIDATION_ERROR"] == _example(first)
    assert examples["VALIDATION_ERROR"]["correlation_id"]
    assert portal.portal.ledger.requests == 10


def test_a_partial_link_stays_partial(
    link: Command, go_on: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """As failed ones do."""
    portal = start_portal(faults=FaultPlan(partial_207=1.0))
    first = link(pairs_file, "--run", folder, "--json")
    again = go_on("--json")
    assert (first.reported["partial"], again.reported["partial"], again.code) == (10, 10, 1)
    assert portal.portal.ledger.requests == 10


def test_failures_are_sent_again_when_asked_for(
    link: Command, go_on: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Those only; once they are linked they are skipped like the others."""
    portal = start_portal(records_up_to=100_005)
    assert link(pairs_file, "--run", folder).code == 1
    mended = start_portal(instead_of=portal)
    again = go_on("--retry-failed", "--json").reported
    assert (again["linked"], again["skipped"], again["exit_code"]) == (5, 5, 0)
    assert set(sent_to(mended)) == {(str(n), str(n + 100_000)) for n in range(6, 11)}
    assert go_on("--json").reported["skipped"] == 10
    assert mended.portal.ledger.requests == 5


def test_the_failures_file_has_old_failures_too(
    link: Command, go_on: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """It is what is not linked now, whichever run found out, in any order."""
    start_portal(records_up_to=100_008)
    first, second = pairs_file.with_name("first.csv"), pairs_file.with_name("second.csv")
    link(pairs_file, "--run", folder, "--failures", first)
    go_on("--failures", second)
    lines = second.read_text(encoding="utf-8").splitlines()
    assert sorted(lines) == sorted(first.read_text(encoding="utf-8").splitlines())
    assert len(lines) == 3


def test_unusable_rows_are_told_in_every_run(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """They are no less unusable then; the folder has each once."""
    start_portal()
    call = (write_pairs(pairs_file, 3, "1e5,7\n"), "--run", folder, "--skip-invalid")
    for result in (link(*call), link(*call), command("resume", "--no-check", folder)):
        assert result.code == 1
        assert "line 5: from_id is '1e5'" in result.out
    assert command("status", folder, "--json").reported["invalid"] == 1
