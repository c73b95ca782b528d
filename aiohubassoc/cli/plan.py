"""``aiohubassoc plan``, and ``link --dry-run``."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter
from rich.markup import escape

from aiohubassoc._http.clock import SystemClock
from aiohubassoc._quota.batch_pacer import FIRST_QUOTA
from aiohubassoc.arguments import checked_concurrency
from aiohubassoc.cli.daily import daily_calls
from aiohubassoc.cli.exits import Exit
from aiohubassoc.cli.folder import Command, check_files
from aiohubassoc.cli.form import FormOptions, check_batch_size
from aiohubassoc.cli.options import (
    CheckOptions,
    Flag,
    Flat,
    InputOptions,
    PaceOptions,
    PortalOptions,
)
from aiohubassoc.cli.progress import duration
from aiohubassoc.cli.summary import calls_told, print_lines
from aiohubassoc.cli.terminal import messages, output
from aiohubassoc.errors import OptionsError
from aiohubassoc.journal.journal import Journal
from aiohubassoc.journal.places import place_of
from aiohubassoc.options import Quota
from aiohubassoc.planning import BATCH_ROUND_TRIP, Planner
from aiohubassoc.tables.pairs import PairTable

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import Console

    from aiohubassoc.planning import Plan

_LISTED: Final = 100


def plan(
    files: Annotated[list[str], Parameter(allow_leading_hyphen=True, negative="")],
    /,
    *,
    input_: Annotated[InputOptions, Flat] = InputOptions(),  # noqa: B008 -- frozen
    quota: str | None = None,
    share: float = 1.0,
    concurrency: int | None = None,
    batch_size: int | None = None,
    batch_quota: str | None = None,
    daily_limit: int | None = None,
    run: str | None = None,
    retry_failed: Flag = False,
    json_: Annotated[Flag, Parameter(name="--json")] = False,
) -> int:
    """
    Read the input, send nothing, and tell what linking it would do and take.

    Args:
        files: As for link.
        input_: What they are like.
        quota: As for link; 100/10s if not given.
        share: The part of the quota to use.
        concurrency: The most requests on the wire at once; 64 if not given.
        batch_size: The most pairs of a batch, 1 to 2000; 2000 if not given.
        batch_quota: Batch calls in a window, as for link; if not given, 10/10s that rise.
        daily_limit: Calls that the account has a day; else those of the tier that --quota names.
        run: The run folder that would be used; pairs that it has as linked need no call.
        retry_failed: Send pairs again that failed in an earlier run of the folder.
        json_: Print one JSON object on standard output, and nothing else.
    """
    pace = PaceOptions(quota, share, None, False, concurrency)
    form = FormOptions(batch_size=batch_size, batch_quota=batch_quota)
    command = Command(tuple(files), input_, PortalOptions(), pace, CheckOptions(), form)
    return tell_plan(
        command, run=run, retry_failed=retry_failed, daily_limit=daily_limit, json_=json_
    )


def tell_plan(
    command: Command,
    *,
    run: str | None,
    retry_failed: bool,
    daily_limit: int | None,
    json_: bool,
) -> int:
    """
    Tell what *command* would do, and return the exit code.

    Args:
        command: The command.
        run: The run folder that would be used; None: none.
        retry_failed: Whether pairs that failed in an earlier run would be sent again.
        daily_limit: Calls that the account has a day; None: those of the tier.
        json_: Whether to print JSON.

    Raises:
        AioHubAssocError: an option, the input or the run folder cannot work.
    """
    check_files(command)
    check_batch_size(command.form.batch_size)
    batch_quota = command.form.parsed_quota()
    concurrency = checked_concurrency(command.pace.concurrency)
    daily = daily_calls(daily_limit, command.pace.quota)
    quota = command.pace.parsed_quota() or Quota.STARTER
    if not 0 < command.pace.share <= 1:
        raise OptionsError("--share must be above 0 and up to 1")
    shared = Quota(max(1, int(quota.limit * command.pace.share)), quota.window)
    journal = None if run is None else Journal(run)
    bad: list[tuple[int, str, str]] = []
    try:
        with (
            PairTable(command.files, command.input.layout()) as table,
            Planner(journal, retry_failed=retry_failed) as planner,
        ):
            for record, pair in table:
                if pair is not None:
                    planner.add(pair, place_of(record.source, record.line))
                    continue
                planner.invalid += 1
                if len(bad) < _LISTED:
                    place = table.place(record.source, record.line)
                    bad.append((record.line, place, record.problem or ""))
            made = planner.plan(
                shared,
                concurrency=concurrency,
                daily_calls=daily,
                now=SystemClock().utc_now(),
                batch_quota=batch_quota,
                batch_size=command.form.size,
            )
            name = table.name
    except (OSError, sqlite3.Error) as error:
        messages().print(f"[bold red]Cannot write[/] {escape(str(error))}", soft_wrap=True)
        return Exit.STORAGE
    if json_:
        lines = [{"line": line, "place": at, "problem": told} for line, at, told in bad]
        output().out(json.dumps({**made.as_json(), "invalid_lines": lines}))
    else:
        _print(made, name, bad, output(), command)
    return Exit.ALL_LINKED


def _print(
    made: Plan, name: str, bad: list[tuple[int, str, str]], console: Console, command: Command
) -> None:
    rows = made.pairs + made.duplicates + made.invalid
    console.print(f"[bold]{escape(name)}[/]: {rows:,} pairs and unusable rows; nothing was sent")
    for count, what in (
        (made.linked_before, "linked before, according to the run folder: no call"),
        (made.failed_before, "failed before: told again; sent with --retry-failed"),
        (made.duplicates, "repeat an earlier one: no call"),
        (made.invalid, "rows cannot be used"),
        (made.calls, "to send"),
    ):
        if count or what == "to send":
            console.print(f"  {count:>9,}  {what}")
    known = "" if command.pace.quota is not None else ", until HubSpot names more: --quota"
    _print_way(
        f"One by one: {calls_told(made.calls)}, {duration(made.seconds)} at {made.quota}{known}",
        made.daily_share,
        made.days,
        made.finishes_at,
        console,
    )
    pace = f"{FIRST_QUOTA} at first" if made.batch_quota is None else str(made.batch_quota)
    _print_way(
        f"In batches of {command.form.size:,}, --via batch: {calls_told(made.batch_calls)}, "
        f"{duration(made.batch_seconds)} at {pace} if each takes {BATCH_ROUND_TRIP:g} s",
        made.batch_daily_share,
        made.batch_days,
        made.batch_finishes_at,
        console,
    )
    if made.daily_calls is None:
        console.print("The calls of a day are not known: --daily-limit, or a tier as --quota")
    else:
        console.print(f"A day has {made.daily_calls:,} calls")
    if command.form.skip_linked or command.form.verify:
        console.print(
            "Links are read besides (--skip-linked, --verify), up to 1,000 records a call"
        )
    print_lines(bad, made.invalid, console)


def _print_way(
    told: str, daily_share: float | None, days: int, finishes_at: datetime, console: Console
) -> None:
    """Print what one way to send them takes."""
    console.print(told, soft_wrap=True)
    parts = [] if daily_share is None else [f"{daily_share:.1%} of the calls of a day"]
    if days > 1:
        parts.append(f"{days} days")
    parts.append(f"begun now, it ends about {finishes_at.astimezone():%Y-%m-%d %H:%M:%S %Z}")
    console.print(f"  {', '.join(parts)}", soft_wrap=True)
