"""Exit codes, counts, progress and summary, without a portal."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import threading
from itertools import product

import pytest
from rich.console import Console

from aiohubassoc import (
    AuthenticationError,
    LinkState,
    MissingScopesError,
    Outcome,
    Pair,
    Quota,
    RunStoppedError,
    Status,
    ValidationError,
    Verification,
)
from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.exits import exit_code, verify_exit_code
from aiohubassoc.cli.findings import Example, Findings, told_of
from aiohubassoc.cli.progress import Progress, shown
from aiohubassoc.cli.signals import interruptible
from aiohubassoc.cli.summary import print_lines, print_summary
from aiohubassoc.cli.tally import Tally
from aiohubassoc.tables.results import Told
from tests.conftest import pass_time

PAIR = Pair("contacts", 1, "companies", 2)


def _failed(message: str) -> Outcome:
    return Outcome(0, PAIR, Status.FAILED, error=ValidationError(400, "BAD", message, None))


# --- exit codes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tally", "code"),
    [
        (Tally(linked=5, skipped=3, input_complete=True), 0),
        (Tally(input_complete=True), 0),
        (Tally(linked=5, failed=1, input_complete=True), 1),
        (Tally(linked=5, partial=1, input_complete=True), 1),
        (Tally(linked=5, invalid=1, input_complete=True), 1),
        (Tally(linked=5, failed=1, unprocessed=1, input_complete=True), 3),
        (Tally(linked=5, failed=1, input_complete=False), 3),
        (Tally(failed=1, stopped=AuthenticationError(401, None, "no", None)), 4),
        (Tally(failed=1, stopped=MissingScopesError(403, None, "no", None)), 4),
        (Tally(linked=1, stopped=RunStoppedError("daily"), input_complete=False), 3),
    ],
)
def test_exit_codes(tally: Tally, code: int) -> None:
    """The highest that applies; storage beats all but a signal."""
    assert exit_code(tally, signal=None, storage_failed=False) == code
    assert exit_code(tally, signal=None, storage_failed=True) == 5
    for number, storage in product((signal.SIGINT, signal.SIGTERM), (True, False)):
        assert exit_code(tally, signal=number, storage_failed=storage) == 128 + number


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        (Findings(linked=5, duplicates=3, input_complete=True), 0),
        (Findings(input_complete=True), 0),
        (Findings(linked=5, missing=1, input_complete=True), 1),
        (Findings(linked=5, invalid=1, input_complete=True), 1),
        (Findings(linked=5, missing=1, unknown=1, input_complete=True), 3),
        (Findings(linked=5, input_complete=False), 3),
        (Findings(unknown=1, stopped=RunStoppedError("daily"), input_complete=True), 3),
        (Findings(unknown=1, stopped=AuthenticationError(401, None, "no", None)), 4),
        (Findings(unknown=1, stopped=MissingScopesError(403, None, "no", None)), 4),
    ],
)
def test_exit_codes_of_reading_back(findings: Findings, code: int) -> None:
    """What is unknown outranks what is missing: the answer is not complete."""
    assert verify_exit_code(findings, signal=None, storage_failed=False) == code
    assert verify_exit_code(findings, signal=None, storage_failed=True) == 5
    for number, storage in product((signal.SIGINT, signal.SIGTERM), (True, False)):
        assert verify_exit_code(findings, signal=number, storage_failed=storage) == 128 + number


# --- counts ------------------------------------------------------------------------------------


def test_categories_keep_their_first_example() -> None:
    """And count the others."""
    tally = Tally()
    tally.add(_failed("first"), 7, "line 7 of b.csv")
    tally.add(_failed("second"), 8, "line 8 of b.csv")
    (category,) = tally.categories.values()
    assert (category.count, category.example_line, category.message) == (2, 7, "400 BAD: first")
    assert category.example_place == "line 7 of b.csv"
    assert (tally.failed, tally.total) == (2, 2)


def test_categories_without_end_are_bounded() -> None:
    """A portal that makes up categories cannot fill memory."""
    tally = Tally()
    for number in range(200):
        error = ValidationError(400, f"CATEGORY_{number}", "no", None)
        tally.add(Outcome(number, PAIR, Status.FAILED, error=error), number, f"line {number}")
    assert len(tally.categories) == 51
    assert tally.categories["failed", "OTHER"].count == 150


def test_unusable_lines_are_bounded() -> None:
    """The first hundred are kept, all are counted."""
    tally = Tally()
    for number in range(150):
        tally.add_invalid(number, f"line {number}", "is odd")
    assert (tally.invalid, len(tally.invalid_lines)) == (150, 100)
    assert tally.invalid_lines[99] == (99, "line 99", "is odd")


def test_examples_of_what_is_not_linked_are_bounded() -> None:
    """The first hundred of either kind are kept, all are counted."""
    findings = Findings()
    for number in range(450):
        state = (LinkState.LINKED, LinkState.MISSING, LinkState.UNKNOWN)[number % 3]
        told = told_of(Verification(number, PAIR, state))
        findings.add(state, Example(number, f"line {number}", str(PAIR), told))
    assert (findings.linked, findings.missing, findings.unknown) == (150, 150, 150)
    assert (len(findings.first_missing), len(findings.first_unknown)) == (100, 100)
    assert findings.first_unknown[99].line == 299


def test_the_reason_of_what_is_not_linked() -> None:
    """HubSpot's where there is one, with what its support asks for; else ours."""
    error = ValidationError(400, "BAD", "no", "c-1")
    told = told_of(Verification(0, PAIR, LinkState.MISSING, error))
    assert told == Told("missing", "BAD", "400 BAD: no (correlation id c-1)", "c-1")
    unsaid = told_of(Verification(0, PAIR, LinkState.UNKNOWN))
    assert unsaid == Told("unknown", "NOT_TOLD", "HubSpot did not say")
    stopped = told_of(Verification(0, PAIR, LinkState.UNKNOWN, RunStoppedError("daily")))
    assert stopped == Told("unknown", "RUN_STOPPED", "daily")


# --- the summary -------------------------------------------------------------------------------


def _console(width: int = 200, *, terminal: bool = False) -> Console:
    return Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, highlight=False
    )


def _printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_summary_tells_all() -> None:
    """Counts, an example with what was said and its line, and why it ended."""
    tally = Tally(linked=1200, invalid=1, invalid_lines=[(9, "line 9", "is [odd]")], seconds=10.0)
    tally.add(_failed("no [such] record"), 7, "line 7")
    tally.add_duplicate("contacts:1 -> companies:2", 8, "line 8", "repeats line 7")
    tally.stopped = RunStoppedError("the daily quota is used up")
    console = _console()
    print_summary(tally, console)
    told = _printed(console)
    for expected in (
        "1,202 pairs in 10.0 s (120.1 settled a second)",
        "    1,200  linked",
        "        1  rows that could not be used",
        "line 7, contacts:1 -> companies:2: 400 BAD: no [such] record",
        "DUPLICATE",
        "line 8, contacts:1 -> companies:2: repeats line 7",
        "  line 9: is [odd]",
        "Stopped early: the daily quota is used up",
        "The input was not read to its end.",
    ):
        assert expected in told
    assert "partial" not in told


def test_long_lists_are_cut() -> None:
    """And say how much was left out."""
    console = _console()
    print_lines([(n, f"row {n} of b.xlsx", "is odd") for n in range(30)], 1000, console)
    first, *_, last = _printed(console).splitlines()
    assert (first, last) == ("  row 0 of b.xlsx: is odd", "  ... and 980 more")


# --- progress ----------------------------------------------------------------------------------


def _progress(tally: Tally, rows: int | None) -> Progress:
    progress = Progress(
        tally,
        quota=lambda: Quota(190, 10.0),
        in_flight=lambda: 3,
        clock=SystemClock(),
    )
    progress.rows = rows
    return progress


async def test_the_line_says_how_far_how_fast_and_how_long() -> None:
    """The rate is that of the last ten seconds, against the quota."""
    tally = Tally()
    progress = _progress(tally, 10_000)
    assert progress.line() == "0 of 10,000, 0.0/s of 19.0/s, 0 failed, 3 in flight"
    for _ in range(30):
        await pass_time(1.0)
        tally.linked += 10
        progress.line()
    tally.failed += 10
    await pass_time(1.0)
    assert progress.line() == (
        "310 of 10,000, 10.0/s of 19.0/s, 10 failed, 3 in flight, 16 min 09 s left"
    )
    assert "of 10,000" not in _progress(tally, None).line()
    tally.linked += 80
    await pass_time(1.0)
    assert _progress(tally, 10**8).line().endswith("in flight")


async def test_calls_for_many_pairs_are_no_measure_of_pairs() -> None:
    """The line says both: pairs a second, and the calls that there may be."""
    findings = Findings()
    progress = Progress(
        findings,
        quota=lambda: Quota(11, 10.0),
        in_flight=lambda: 2,
        clock=SystemClock(),
        is_batch=True,
    )
    await pass_time(1.0)
    findings.linked, findings.missing, findings.duplicates = 1990, 10, 5
    line = "2,005, 2,000.0/s, up to 1.1 calls/s, 10 missing, 0 unknown, 2 in flight"
    assert progress.line() == line


async def test_the_time_left_counts_what_needs_no_call() -> None:
    """Of a million pairs that are nearly all linked already, most are skipped."""
    tally = Tally()
    progress = _progress(tally, 10_000)
    await pass_time(10.0)
    tally.skipped, tally.linked = 4990, 10
    assert progress.line().endswith("1.0/s of 19.0/s, 0 failed, 3 in flight, 10 s left")


async def test_hours_are_told_as_hours() -> None:
    """Not as thousands of minutes; and seconds alone when it is nearly over."""
    tally = Tally()
    hours, seconds = _progress(tally, 1_000_000), _progress(tally, 30)
    await pass_time(1.0)
    tally.linked = 20
    assert hours.line().endswith(", 13 h 53 min left")
    assert seconds.line().endswith(", 0 s left")


async def test_plain_lines_now_and_then() -> None:
    """Soon at first, then seldom: a log is not flooded."""
    console = _console()
    async with shown(_progress(Tally(), 10), console):
        await pass_time(4.9)
        assert _printed(console) == ""
        await pass_time(0.2)
        assert _printed(console).count("\n") == 1
        await pass_time(3600.0)
    assert 60 <= _printed(console).count("\n") <= 70


async def test_a_line_that_changes_on_a_terminal() -> None:
    """And is gone in the end."""
    console = _console(terminal=True)
    async with shown(_progress(Tally(linked=4), 10), console):
        await pass_time(1.0)
        assert "4 of 10, " in _printed(console)
    assert _printed(console).endswith("\x1b[2K")


async def test_the_end_of_a_run_that_fails_ends_its_progress() -> None:
    """No task is left (a fixture sees to it), and the error is what it was."""
    with pytest.raises(ZeroDivisionError):
        async with shown(_progress(Tally(), 10), _console()):
            raise ZeroDivisionError


# --- signals -----------------------------------------------------------------------------------


@pytest.mark.looptime(False)
async def test_a_signal_is_heard_once_and_its_old_handler_returns() -> None:
    """The first is told; what was there before is there again."""
    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    heard = asyncio.Event()
    with interruptible(heard.set) as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(heard.wait(), 30)
        assert interruption.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
