"""``aiohubassoc plan``, and ``link --dry-run``."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter
from rich.markup import escape

from aiohubassoc._io.clock import SystemClock
from aiohubassoc.cli.exits import Exit
from aiohubassoc.cli.folder import Command, check_files
from aiohubassoc.cli.options import (
    CheckOptions,
    Flag,
    Flat,
    InputOptions,
    PaceOptions,
    PortalOptions,
    daily_calls,
)
from aiohubassoc.cli.progress import duration
from aiohubassoc.cli.summary import print_lines
from aiohubassoc.cli.terminal import messages, output
from aiohubassoc.client import checked_concurrency
from aiohubassoc.errors import OptionsError
from aiohubassoc.journal.journal import Journal
from aiohubassoc.journal.places import place_of
from aiohubassoc.options import Quota
from aiohubassoc.planning import Planner
from aiohubassoc.tables.pairs import PairTable

if TYPE_CHECKING:
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
        daily_limit: Calls that the account has a day; else those of the tier that --quota names.
        run: The run folder that would be used; pairs that it has as linked need no call.
        retry_failed: Send pairs again that failed in an earlier run of the folder.
        json_: Print one JSON object on standard output, and nothing else.
    """
    pace = PaceOptions(quota, share, None, False, concurrency)
    command = Command(tuple(files), input_, PortalOptions(), pace, CheckOptions())
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
            )
            name = table.name
    except (OSError, sqlite3.Error) as error:
        messages().print(f"[bold red]Cannot write[/] {escape(str(error))}", soft_wrap=True)
        return Exit.STORAGE
    if json_:
        lines = [{"line": line, "place": at, "problem": told} for line, at, told in bad]
        output().out(json.dumps({**made.as_json(), "invalid_lines": lines}))
    else:
        _print(made, name, bad, output(), is_quota_known=command.pace.quota is not None)
    return Exit.ALL_LINKED


def _print(
    made: Plan,
    name: str,
    bad: list[tuple[int, str, str]],
    console: Console,
    *,
    is_quota_known: bool,
) -> None:
    rows = made.pairs + made.duplicates + made.invalid
    console.print(f"[bold]{escape(name)}[/]: {rows:,} pairs and unusable rows; nothing was sent")
    for count, what in (
        (made.linked_before, "linked before, according to the run folder: no call"),
        (made.failed_before, "failed before: told again; sent with --retry-failed"),
        (made.duplicates, "repeat an earlier one: no call"),
        (made.invalid, "rows cannot be used"),
        (made.calls, f"to send: {made.calls:,} calls; as batches {made.batch_calls:,}"),
    ):
        if count or what.startswith("to send"):
            console.print(f"  {count:>9,}  {what}")
    told = "" if is_quota_known else ", until HubSpot names more: --quota"
    console.print(f"At {made.quota} they take {duration(made.seconds)}{told}", soft_wrap=True)
    if made.daily_share is not None:
        console.print(
            f"They are {made.daily_share:.1%} of the {made.daily_calls:,} calls of a day"
            + (f", so it takes {made.days} days" if made.days > 1 else "")
        )
    else:
        console.print("The calls of a day are not known: --daily-limit, or a tier as --quota")
    local = made.finishes_at.astimezone()
    console.print(f"Begun now, it ends about {local:%Y-%m-%d %H:%M:%S %Z}")
    print_lines(bad, made.invalid, console)
