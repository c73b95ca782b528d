"""``aiohubassoc plan``, and ``link --dry-run``."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Annotated, Final

import attrs
from rich.markup import escape

from aiohubassoc._http.clock import SystemClock
from aiohubassoc._quota.batch_pacer import FIRST_QUOTA
from aiohubassoc.arguments import checked_concurrency
from aiohubassoc.cli import options
from aiohubassoc.cli.hints import after_plan
from aiohubassoc.cli.progress import duration
from aiohubassoc.cli.report import ExitCode, LinkReport
from aiohubassoc.cli.run_folder import (
    Command,
    FolderOptions,
    LinkCall,
    check_folder,
    find_refusal,
)
from aiohubassoc.cli.summary import print_count, print_invalid, print_status
from aiohubassoc.cli.terminal import (
    StorageError,
    print_error,
    print_lines,
    print_result,
    stdout,
)
from aiohubassoc.errors import OptionsError, plural
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.journal.journal import Journal
from aiohubassoc.journal.row_codec import make_place
from aiohubassoc.options import Quota
from aiohubassoc.planning import BATCH_ROUND_TRIP, Planner

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from aiohubassoc.planning import Plan

# HubSpot, API usage guidelines, "Limits": calls a day, by the account's tier.
_DAILY_CALLS: Final = {"STARTER": 250_000, "PROFESSIONAL": 625_000, "ENTERPRISE": 1_000_000}


def plan(
    files: options.Files,
    /,
    *,
    input_: options.InputOptions = Layout(),
    quota: Annotated[options.QuotaOptions, options.Flat] = options.QuotaOptions(),
    batch: Annotated[options.BatchOptions, options.Flat] = options.BatchOptions(),
    daily_limit: int | None = None,
    run: str | None = None,
    retry_failed: options.Flag = False,
    json_: options.Json = False,
) -> int:
    """
    Read the input, send nothing, and say what linking it would do and take.

    Args:
        files: As for link.
        daily_limit: Calls that the account has a day; else those of the tier that --quota names.
        run: The run folder that would be used; pairs that it has as linked need no call.
        retry_failed: Send pairs again that failed in an earlier run of the folder, wholly or in
            part.
    """
    command = Command(
        tuple(files),
        input_,
        pace=options.PaceOptions(**attrs.asdict(quota)),
        send=options.SendOptions(**attrs.asdict(batch)),
    )
    call = LinkCall(
        command,
        output=options.OutputOptions(json_=json_),
        folder=FolderOptions(run, retry_failed=retry_failed),
        checks_account=True,
    )
    return print_plan(call, daily_limit=daily_limit)


def print_plan(call: LinkCall, *, daily_limit: int | None) -> int:
    command = call.command
    options.check_input(command.input)
    journal = None
    if call.folder.run is not None:
        check_folder(call.folder.run)
        journal = Journal(call.folder.run)
    send, pace = command.send, command.pace
    batch_size, batch_quota = send.size, send.parsed_batch_quota()
    concurrency = checked_concurrency(pace.concurrency)
    daily_calls = _find_daily_calls(daily_limit, pace.quota)
    quota = pace.parsed_quota() or Quota.STARTER
    if not 0 < pace.share <= 1:
        raise OptionsError("--share must be above 0 and up to 1")
    shared = Quota(max(1, int(quota.limit * pace.share)), quota.window)
    rows = LinkReport()
    try:
        with (
            PairTable(command.files, command.input) as table,
            Planner(journal, retry_failed=call.folder.retry_failed) as planner,
        ):
            for record, pair in table:
                if pair is not None:
                    planner.add(pair, make_place(record.source, record.line))
                    continue
                planner.invalid += 1
                place = table.place(record.source, record.line)
                rows.add_invalid(record.line, place, record.problem or "")
            refusal = None
            if journal is not None and journal.is_there:
                refusal = find_refusal(call, table)
            made = planner.plan(
                shared,
                concurrency=concurrency,
                daily_calls=daily_calls,
                now=SystemClock().utc_now(),
                batch_quota=batch_quota,
                batch_size=batch_size,
            )
    except (OSError, sqlite3.Error) as error:
        raise StorageError(str(error)) from None
    if call.output.json_:
        result = {
            **made.as_json(),
            "input": table.counts.as_json(),
            "finishes_at_local": _local_time(made.finishes_at).isoformat(),
            "batch_finishes_at_local": _local_time(made.batch_finishes_at).isoformat(),
            "invalid_lines": rows.invalid_lines,
        }
        print_result(result)
    else:
        _print(made, table, rows, command, stdout())
        if refusal is None and made.calls:
            print_lines([after_plan(call, rejected=made.invalid)], stdout())
    if refusal is not None:
        print_error(refusal)
    return ExitCode.SOME_FAILED if rows.invalid else ExitCode.ALL_LINKED


def _find_daily_calls(given: int | None, quota: str | None) -> int | None:
    if given is not None and given < 1:
        raise OptionsError("--daily-limit must be 1 or more")
    tier = (quota or "").strip().upper().replace("-", "_")
    return _DAILY_CALLS.get(tier) if given is None else given


def _print(
    made: Plan, table: PairTable, rows: LinkReport, command: Command, console: Console
) -> None:
    send = command.send
    console.print(
        f"[bold]{escape(table.name)}[/]: {plural(table.counts.rows, 'row')}, "
        f"{plural(made.calls, 'pair')} to link, {made.invalid:,} rejected; nothing was sent"
    )
    print_count(made.linked_before, "linked before, according to the run folder: no call", console)
    print_count(
        made.failed_before, "failed before: reported again; sent with --retry-failed", console
    )
    repeat = "repeats" if made.duplicates == 1 else "repeat"
    print_count(made.duplicates, f"{repeat} an earlier one: no call", console)
    print_status(made.invalid, "invalid", console)
    console.print(f"  {made.calls:>9,}  to send")
    known = "" if command.pace.quota is not None else " (give --quota for your account's limit)"
    console.print(
        f"One by one: {plural(made.calls, 'call')}, {duration(made.seconds)} at "
        f"{_rate(made.quota)}{known}"
    )
    _print_end(made.daily_share, made.days, made.finishes_at, console)
    batch_quota = made.batch_quota or FIRST_QUOTA
    first = " at first" if made.batch_quota is None else ""
    console.print(
        f"In batches of {send.size:,}, --via batch: {plural(made.batch_calls, 'call')}, "
        f"about {duration(made.batch_seconds)} (estimate: {BATCH_ROUND_TRIP:g} s per call), at "
        f"{_rate(batch_quota)}{first}"
    )
    _print_end(made.batch_daily_share, made.batch_days, made.batch_finishes_at, console)
    if made.daily_calls is None:
        console.print("The calls of a day are not known: --daily-limit, or a tier as --quota")
    else:
        console.print(f"A day has {plural(made.daily_calls, 'call')}")
    if send.skip_linked or send.verify:
        console.print(
            "Links are read besides (--skip-linked, --verify), up to 1,000 records a call"
        )
    fan_out = made.largest_fan_out
    if fan_out is not None:
        console.print(
            f"Record with most links: {fan_out.record}, {plural(fan_out.pairs, 'link')} to "
            f"{fan_out.other_type} (compare with HubSpot's association limit)",
            markup=False,
        )
    console.print(
        f"Events: {made.association_change_events:,} associationChange events to each app that "
        "subscribes to them, two a link"
    )
    print_lines(table.counts.sentences(), console)
    print_invalid(rows, console)


def _rate(quota: Quota) -> str:
    return f"{plural(quota.limit, 'call')} per {quota.window:g} s"


def _print_end(
    daily_share: float | None, days: int, finishes_at: datetime, console: Console
) -> None:
    parts = [] if daily_share is None else [f"{daily_share:.1%} of the calls of a day"]
    if days > 1:
        parts.append(f"{days} days")
    parts.append(f"would finish about {_local_time(finishes_at):%Y-%m-%d %H:%M:%S %Z}")
    console.print(f"  {', '.join(parts)}")


def _local_time(moment: datetime) -> datetime:
    return moment.astimezone().replace(microsecond=0)
