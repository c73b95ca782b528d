"""Exit codes, counts, progress and summary, without a portal."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import threading
from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import attrs
import pytest

from aiohubassoc import (
    AuthenticationError,
    LinkState,
    MissingScopesError,
    Outcome,
    Pair,
    PermissionDeniedError,
    Quota,
    Report,
    RunStoppedError,
    Status,
    UnknownObjectTypeError,
    ValidationError,
    Verification,
    VerificationReport,
)
from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.progress import Progress, show
from aiohubassoc.cli.report import (
    Example,
    LinkReport,
    VerifyReport,
    outcome_result,
    verification_result,
)
from aiohubassoc.cli.signals import interruptible
from aiohubassoc.cli.summary import (
    print_categories,
    print_invalid,
    print_link_report,
    print_verify_report,
)
from aiohubassoc.cli.terminal import EscapingConsole
from aiohubassoc.files.results import RowResult
from tests.conftest import pass_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.console import Console

    from aiohubassoc.cli.report import CommandReport

PAIR = Pair("contacts", 1, "companies", 2)


def _failed(message: str) -> Outcome:
    return Outcome(0, PAIR, Status.FAILED, error=ValidationError(400, "BAD", message, None))


# --- exit codes --------------------------------------------------------------------------------


def _linked(*, invalid: int = 0, input_complete: bool = False, **counts: Any) -> LinkReport:
    return LinkReport(pairs=Report(**counts), invalid=invalid, input_complete=input_complete)


def _verified(*, invalid: int = 0, input_complete: bool = False, **counts: Any) -> VerifyReport:
    pairs = VerificationReport(**counts)
    return VerifyReport(pairs=pairs, invalid=invalid, input_complete=input_complete)


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (_linked(linked=5, skipped=3, input_complete=True), 0),
        (_linked(input_complete=True), 0),
        (_linked(linked=5, failed=1, input_complete=True), 1),
        (_linked(linked=5, partial=1, input_complete=True), 1),
        (_linked(linked=5, invalid=1, input_complete=True), 1),
        (_linked(linked=5, failed=1, unprocessed=1, input_complete=True), 3),
        (_linked(linked=5, failed=1), 3),
        (_linked(failed=1, stopped=AuthenticationError(401, None, "no", None)), 4),
        (_linked(failed=1, stopped=MissingScopesError(403, None, "no", None)), 4),
        (_linked(linked=1, stopped=RunStoppedError("daily")), 3),
        (_linked(linked=1, stopped=PermissionDeniedError(403, None, "no", None)), 4),
        (_linked(failed=1, stopped=UnknownObjectTypeError(400, None, "no", None)), 2),
        (_verified(linked=5, input_complete=True), 0),
        (_verified(input_complete=True), 0),
        (_verified(linked=5, missing=1, input_complete=True), 1),
        (_verified(linked=5, invalid=1, input_complete=True), 1),
        (_verified(linked=5, missing=1, unknown=1, input_complete=True), 3),
        (_verified(linked=5), 3),
        (_verified(unknown=1, stopped=RunStoppedError("daily"), input_complete=True), 3),
        (_verified(unknown=1, stopped=AuthenticationError(401, None, "no", None)), 4),
        (_verified(unknown=1, stopped=MissingScopesError(403, None, "no", None)), 4),
    ],
)
def test_exit_codes(report: CommandReport, code: int) -> None:
    """The highest that applies; storage beats all but a signal."""
    assert report.exit_code() == code
    assert attrs.evolve(report, storage_problem="a file").exit_code() == 5
    for number, storage in product((signal.SIGINT, signal.SIGTERM), (True, False)):
        problem = "a file" if storage else None
        interrupted = attrs.evolve(report, signal=number, storage_problem=problem)
        assert interrupted.exit_code() == 128 + number


# --- counts ------------------------------------------------------------------------------------


def _add(report: LinkReport, outcome: Outcome, line: int) -> None:
    report.pairs.add(outcome)
    reported = outcome_result(outcome)
    report.add_example(Example(line, f"line {line} of b.csv", str(outcome.pair), reported))


def test_categories_keep_their_first_example() -> None:
    """And count the others."""
    report = LinkReport()
    _add(report, _failed("first"), 7)
    _add(report, _failed("second"), 8)
    (category,) = report.categories.values()
    assert (category.count, category.example.line) == (2, 7)
    assert category.example.result.message == "400 BAD: first"
    assert category.example.place == "line 7 of b.csv"
    assert (report.pairs.failed, report.total) == (2, 2)


def test_categories_without_end_are_bounded() -> None:
    """A portal that makes up categories cannot fill memory."""
    report = LinkReport()
    for number in range(200):
        error = ValidationError(400, f"CATEGORY_{number}", "no", None)
        _add(report, Outcome(number, PAIR, Status.FAILED, error=error), number)
    assert len(report.categories) == 51
    assert report.categories["failed", "OTHER"].count == 150


def test_unusable_lines_are_bounded() -> None:
    """The first hundred are kept, all are counted."""
    report = LinkReport()
    for number in range(150):
        report.add_invalid(number, f"line {number}", "is odd")
    assert (report.invalid, len(report.invalid_lines)) == (150, 100)
    assert report.invalid_lines[99] == {"line": 99, "place": "line 99", "problem": "is odd"}


def test_examples_of_what_is_not_linked_are_bounded() -> None:
    """The first hundred of either kind are kept."""
    report = VerifyReport()
    for number in range(300):
        state = (LinkState.MISSING, LinkState.UNKNOWN)[number % 2]
        reported = verification_result(Verification(number, PAIR, state))
        report.add_example(Example(number, f"line {number}", str(PAIR), reported))
    assert (len(report.first_missing), len(report.first_unknown)) == (100, 100)
    assert report.first_unknown[99].line == 199


def test_the_reason_of_what_is_not_linked() -> None:
    """HubSpot's where there is one, with what its support asks for; else ours."""
    error = ValidationError(400, "BAD", "no", "c-1")
    reported = verification_result(Verification(0, PAIR, LinkState.MISSING, error))
    assert reported == RowResult("missing", "BAD", "400 BAD: no (correlation id c-1)", "c-1")
    unsaid = verification_result(Verification(0, PAIR, LinkState.UNKNOWN))
    assert unsaid == RowResult("unknown", "UNKNOWN", "the link could not be read")
    stopped = verification_result(
        Verification(0, PAIR, LinkState.UNKNOWN, RunStoppedError("daily"))
    )
    assert stopped == RowResult("unknown", "RUN_STOPPED", "daily")


# --- the summary -------------------------------------------------------------------------------


def _console(width: int = 200, *, terminal: bool = False) -> Console:
    return EscapingConsole(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None
    )


def _printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, "1 of 1 response was an error (|1  rejected row\n|1 pair of|by 1 call\n|1  repeats an"),
        (
            2,
            "2 of 2 responses were errors (|2  rejected rows\n|2 pairs of|by 2 calls|2  repeat an",
        ),
    ],
)
def test_the_summary_of_one_has_no_plurals(count: int, expected: str) -> None:
    """Of a run that links, and of one that reads back."""
    console = _console()
    linked = _linked(invalid=count, responses=count, error_responses=count)
    print_link_report(linked, console)
    verified = _verified(invalid=count, linked=count, responses=count)
    verified.duplicates = count
    print_verify_report(verified, "a.csv", console)
    printed = _printed(console)
    for part in expected.split("|"):
        assert part in printed


@pytest.mark.parametrize(
    ("seconds", "quota_rate", "expected"),
    [
        (1.2, 19.0, "200 pairs in 1.2 s"),  # a burst
        (10.2, 10.0, "200 pairs in 10.2 s"),  # two bursts: 19.6 where 10 are allowed
        (20.0, 10.0, "200 pairs in 20.0 s (10.0 pairs/s)"),
        (19.9, 10.0, "200 pairs in 19.9 s (10.0 pairs/s)"),
        (40.0, 10.0, "200 pairs in 40.0 s (5.0 pairs/s)"),
        (10.0, None, "200 pairs in 10.0 s (20.0 pairs/s)"),
    ],
)
def test_no_pace_above_the_quota_is_printed(
    seconds: float, quota_rate: float | None, expected: str
) -> None:
    """Nor that of a burst: both would look as if the quota were broken."""
    report = _linked(linked=200)
    report.seconds, report.quota_rate, report.pairs.responses = seconds, quota_rate, 200
    console = _console()
    print_link_report(report, console)
    assert _printed(console).splitlines()[0] == expected


def test_the_summary_tells_all() -> None:
    """Counts, an example with what was said and its line, and why it ended."""
    report = _linked(linked=1200, stopped=RunStoppedError("the daily quota is used up"))
    report.seconds, report.pairs.responses = 10.0, 1201
    report.add_invalid(9, "line 9", "is [odd]")
    _add(report, _failed("no [such] record"), 7)
    reported = RowResult("skipped", "DUPLICATE", "repeats line 7")
    report.duplicates += 1
    report.add_example(Example(8, "line 8", str(PAIR), reported))
    console = _console()
    print_link_report(report, console)
    printed = _printed(console)
    for expected in (
        "1,202 pairs in 10.0 s (120.1 pairs/s)",
        "    1,200  linked",
        "        1  rejected row",
        "line 7 of b.csv, contacts:1 -> companies:2: 400 BAD: no [such] record",
        "DUPLICATE",
        "line 8, contacts:1 -> companies:2: repeats line 7",
        "  line 9: is [odd]",
        "Stopped early: the daily quota is used up",
        "The input was not read to its end.",
    ):
        assert expected in printed
    assert "partial" not in printed


def test_a_run_that_sent_nothing_has_no_pace() -> None:
    """Though pairs of it failed before: none was sent."""
    report = LinkReport()
    _add(report, _failed("as before"), 7)
    console = _console()
    print_link_report(report, console)
    assert _printed(console).startswith("1 pair in 0.0 s\n")


def test_long_lists_are_cut() -> None:
    """And say how much was left out."""
    console = _console()
    report = LinkReport()
    for number in range(1000):
        report.add_invalid(number, f"row {number} of b.xlsx", "is odd")
    print_invalid(report, console)
    first, *_, last = _printed(console).splitlines()
    assert (first, last) == ("  row 0 of b.xlsx: is odd", "  ... and 980 more")


def test_categories_in_a_log_and_on_a_terminal() -> None:
    """A line each that nothing folds, so that ids can be found; a table that fits its width."""
    rows = [(1200, "failed", "[BAD]", "line 7, contacts:1 -> companies:2: no " + "x" * 200)]
    log, terminal = _console(80), _console(80, terminal=True)
    print_categories(rows, log)
    assert _printed(log) == f"      1,200  failed, [BAD]: {rows[0][3]}\n"
    print_categories(rows, terminal)
    header, *cells = _printed(terminal).splitlines()
    assert header.split() == ["count", "status", "category", "for", "example"]
    assert (len(cells) > 2, max(map(len, cells)) <= 80, "[BAD]" in cells[0]) == (True, True, True)


# --- progress ----------------------------------------------------------------------------------


def _progress(report: CommandReport, rows: int | None, **options: Any) -> Progress:
    limiter = Mock(quota=options.pop("quota", Quota(190, 10.0)))
    stream = Mock(in_flight=options.pop("in_flight", 3))
    progress = Progress(report, limiter=limiter, stream=stream, clock=SystemClock(), **options)
    report.input_rows = rows
    return progress


@contextlib.asynccontextmanager
async def _shown(progress: Progress, console: Console) -> AsyncIterator[None]:
    task = asyncio.create_task(show(progress, console))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_the_line_says_how_far_how_long_and_how_fast() -> None:
    """What matters most first; the rate is that of the last ten seconds, against the quota."""
    report = LinkReport()
    progress = _progress(report, 10_000)
    assert progress.line() == "0 of 10,000, 0 failed, 0.0 of 19.0 pairs/s, 3 in flight"
    for _ in range(30):
        await pass_time(1.0)
        report.pairs.linked += 10
        progress.line()
    report.pairs.failed += 10
    await pass_time(1.0)
    assert progress.line() == (
        "310 of 10,000, 16 min 09 s left, 10 failed, 10.0 of 19.0 pairs/s, 3 in flight"
    )
    report.pairs.throttled = 5
    assert progress.line().endswith("10.0 of 19.0 pairs/s, 5 throttled, 3 in flight")
    assert "of 10,000" not in _progress(report, None).line()
    report.pairs.linked += 80
    await pass_time(1.0)
    assert _progress(report, 10**8).line().endswith("in flight")


async def test_a_burst_is_no_pace() -> None:
    """Calls of a window go at once: no rate above the quota is shown, no end that is too soon."""
    report = LinkReport()
    progress = _progress(report, 3000, in_flight=0)
    report.pairs.responses = report.pairs.linked = 190
    await pass_time(1.0)
    assert progress.line() == (
        "190 of 3,000, 2 min 28 s left, waiting for the rate limit, next calls in 10 s, "
        "0 failed, 19.0 of 19.0 pairs/s, 0 in flight"
    )
    await pass_time(4.0)
    assert "waiting for the rate limit, next calls in 6 s" in progress.line()
    await pass_time(6.5)
    assert "waiting" not in progress.line()


async def test_the_last_pairs_take_as_long_as_the_wait_for_their_calls() -> None:
    """Few rows are left, and none can be sent before the window has room."""
    report = LinkReport()
    progress = _progress(report, 193, in_flight=0)
    report.pairs.responses = report.pairs.linked = 190
    await pass_time(1.0)
    assert progress.line().startswith("190 of 193, 10 s left, waiting for the rate limit, next ca")
    report.pairs.linked = 193
    assert progress.line().startswith("193 of 193, 0 s left")


@pytest.mark.parametrize(("in_flight", "responses"), [(1, 190), (0, 189)])
async def test_what_is_no_waiting_for_the_limit(in_flight: int, responses: int) -> None:
    """Calls are in flight, or the window is not full: something else takes its time."""
    report = LinkReport()
    progress = _progress(report, 3000, in_flight=in_flight)
    report.pairs.responses = report.pairs.linked = responses
    await pass_time(1.0)
    assert "waiting" not in progress.line()


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (200, "190 of 3,000, 2 min 28 s left, 0 failed, 19.0 of 19.0 pairs/s, 3 in flight"),
        (60, "190 of 3,000, 2 min 28 s left, 0 failed"),
        (38, "190 of 3,000, 2 min 28 s left"),
        (5, "190 of 3,000"),
    ],
)
async def test_what_matters_less_is_shed(width: int, line: str) -> None:
    """As many parts as fit; the first in any case."""
    report = LinkReport()
    progress = _progress(report, 3000)
    report.pairs.linked = 190
    await pass_time(1.0)
    assert progress.line(width) == line


async def test_calls_for_many_pairs_are_no_measure_of_pairs() -> None:
    """The line says both: pairs a second, and the calls that there may be."""
    report = VerifyReport()
    progress = _progress(report, None, quota=Quota(11, 10.0), in_flight=2, is_batch=True)
    await pass_time(10.0)
    report.pairs.linked, report.pairs.missing, report.duplicates = 19_990, 10, 5
    line = "20,005, 10 missing, 0 unknown, 2,000.0 pairs/s, up to 1.1 calls/s, 2 in flight"
    assert progress.line() == line


async def test_the_time_left_counts_what_needs_no_call() -> None:
    """Of a million pairs that are nearly all linked already, most are skipped."""
    report = LinkReport()
    progress = _progress(report, 10_000)
    await pass_time(10.0)
    report.pairs.skipped, report.pairs.linked = 4990, 10
    assert progress.line().startswith("5,000 of 10,000, 10 s left, ")


async def test_hours_are_told_as_hours() -> None:
    """Not as thousands of minutes; and seconds alone when it is nearly over."""
    report = LinkReport()
    progress = _progress(report, 1_000_000)
    await pass_time(10.0)
    report.pairs.linked = 200
    assert ", 13 h 53 min left, " in progress.line()
    report.input_rows = 201
    assert ", 0 s left, " in progress.line()


async def test_plain_lines_now_and_then() -> None:
    """Soon at first, then seldom: a log is not flooded. Each has the time, and is not folded."""
    console = _console(width=10)
    async with _shown(_progress(LinkReport(), 10), console):
        await pass_time(4.9)
        assert _printed(console) == ""
        await pass_time(0.2)
        (line,) = _printed(console).splitlines()
        instant, _, rest = line.partition(" ")
        assert datetime.fromisoformat(instant).utcoffset() is not None
        assert rest.startswith("0 of 10, 0 failed, ")
        await pass_time(3600.0)
    assert 60 <= _printed(console).count("\n") <= 70


async def test_a_line_that_changes_on_a_terminal() -> None:
    """And is gone in the end."""
    console = _console(terminal=True)
    async with _shown(_progress(_linked(linked=4), 10), console):
        await pass_time(1.0)
        assert "4 of 10, " in _printed(console)
    assert _printed(console).endswith("\x1b[2K")


# --- signals -----------------------------------------------------------------------------------


@pytest.mark.looptime(False)
async def test_a_signal_is_heard_once_and_its_old_handler_returns() -> None:
    """The first is reported; what was there before is there again."""
    assert threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    heard = asyncio.Event()
    numbers = []

    def hear(number: int) -> None:
        numbers.append(number)
        heard.set()

    with interruptible(hear):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(heard.wait(), 300)
    assert numbers == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before
