"""The report of a run of a fleet, as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc import __version__
from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.hints import compose
from aiohubassoc.cli.run_folder import describe_portal
from aiohubassoc.fleet import RunState
from aiohubassoc.html_report.advice import advise, can_pass_later
from aiohubassoc.html_report.contents import Asked, Contents, Failure, Outcomes
from aiohubassoc.journal.reader import Session
from aiohubassoc.journal.report_reader import FailedPair, FailureGroup, RowWithoutPair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.fleet import Fleet, FleetPortal, FleetRow, FleetRun

_MOST_GROUPS = 20
_EXAMPLES = 3
_MOST_REJECTED = 20
_STATES = {RunState.DONE: "complete", RunState.RUNNING: "running"}


async def read_fleet_contents(fleet: Fleet, number: int, portal: FleetPortal | None) -> Contents:
    """
    Return what a report says of a run of a fleet.

    Args:
        fleet: The fleet.
        number: The run's number.
        portal: Its portal; None: the file of portals is not at hand.

    Raises:
        OptionsError: there is no such run.
    """
    (run,) = await fleet.runs(number)
    _, names = await fleet.input_of(number)
    groups = await fleet.failure_groups(number, most=_MOST_GROUPS, examples=_EXAMPLES)
    rejected = await fleet.rejected_rows(number)
    duplicates, already = await fleet.skipped_counts(number)
    statistics = await fleet.statistics(number)
    if statistics is not None:
        statistics.duplicates = duplicates

    def place(source: int, line: int) -> str:
        if not names:
            return f"item {line}"
        return f"line {line}" + (f" of {names[source]}" if len(names) > 1 else "")

    failures = [
        Failure(
            FailureGroup(status, category, count, tuple(map(_to_example, rows))),
            advise(status, category),
        )
        for status, category, count, rows in groups
    ]
    return Contents(
        folder=f"run {number} of {run.portal}",
        state=_STATES.get(run.state, "unfinished"),
        is_read=True,
        asked=Asked(
            portal="" if portal is None else describe_portal(portal.base_url),
            inputs=tuple(names),
            settings=_settings(run, portal),
            input_rows=None,
        ),
        types=await fleet.types_of(number),
        outcomes=Outcomes(
            run.linked, already, run.partial, run.failed, run.unprocessed, run.rejected
        ),
        failures=failures,
        other_groups=0,
        statistics=statistics,
        rejected=[
            RowWithoutPair(source, line, problem, ", ".join(map(str, cells)))
            for source, line, problem, cells in rejected[:_MOST_REJECTED]
        ],
        verifications=[],
        sessions=_sessions(run),
        session_count=len(_sessions(run)),
        place=place,
        version=__version__,
        made_at=SystemClock().utc_now(),
        steps=_find_steps(run, failures),
    )


def _to_example(row: FleetRow) -> FailedPair:
    return FailedPair(
        f"{row.from_type}:{row.from_id} -> {row.to_type}:{row.to_id}",
        row.source,
        row.line,
        row.attempts,
        row.maybe_applied,
        row.message or "",
        row.correlation_id,
    )


def _sessions(run: FleetRun) -> list[Session]:
    if run.started_at is None:
        return []
    is_done = run.state is RunState.DONE
    return [Session(1, 0, __version__, run.started_at, run.ended_at, False, is_done, run.reason)]


def _settings(run: FleetRun, portal: FleetPortal | None) -> tuple[tuple[str, str], ...]:
    quota = None if portal is None or portal.quota is None else str(portal.quota)
    return (
        ("Portal", run.portal),
        ("State", run.state),
        ("Quota", quota or "as HubSpot reports it"),
        ("Submitted", f"{run.submitted_at:%Y-%m-%d %H:%M:%S %Z}"),
    )


def _find_steps(run: FleetRun, failures: Sequence[Failure]) -> list[tuple[str, str]]:
    number, steps = str(run.run), []
    if run.state in {RunState.FAILED, RunState.CANCELLED} and run.unprocessed:
        steps.append(("Queue the rest again", compose("fleet resume", [number])))
    groups = (one.group for one in failures)
    if any(can_pass_later(one.category, one.examples[0].message) for one in groups):
        retry = compose("fleet resume", [number], {"--retry-failed": True})
        steps.append(("To send those again that failed", retry))
    if run.failed or run.partial or run.rejected:
        export = compose("fleet export", [number], {"--failed": True, "--output": "failed.csv"})
        steps.append(("To write those that failed to a file", export))
    return steps
