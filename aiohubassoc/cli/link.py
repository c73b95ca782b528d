"""``aiohubassoc link``."""

from __future__ import annotations

from typing import Annotated

import attrs
from cyclopts import Parameter

from aiohubassoc.cli.clients import base_url_of
from aiohubassoc.cli.linking import Call, check as check_call, execute
from aiohubassoc.cli.options import (
    CheckOptions,
    Flag,
    Flat,
    InputOptions,
    OutputOptions,
    PaceOptions,
    PortalOptions,
    TokenOptions,
)
from aiohubassoc.cli.plan import tell_plan
from aiohubassoc.cli.run_folder import Command
from aiohubassoc.cli.send_options import SendOptions
from aiohubassoc.errors import OptionsError


def link(
    files: Annotated[list[str], Parameter(allow_leading_hyphen=True, negative="")],
    /,
    *,
    input_: Annotated[InputOptions, Flat] = InputOptions(),  # noqa: B008 -- frozen, and so below
    portal: Annotated[PortalOptions, Flat] = PortalOptions(),  # noqa: B008
    pace: Annotated[PaceOptions, Flat] = PaceOptions(),  # noqa: B008
    form: Annotated[SendOptions, Flat] = SendOptions(),  # noqa: B008
    check: Annotated[CheckOptions, Flat] = CheckOptions(),  # noqa: B008
    token: Annotated[TokenOptions, Flat] = TokenOptions(),  # noqa: B008
    tell: Annotated[OutputOptions, Flat] = OutputOptions(),  # noqa: B008
    run: str | None = None,
    retry_failed: Flag = False,
    force: Flag = False,
    dry_run: Flag = False,
    daily_limit: int | None = None,
    uvloop: Flag = False,
) -> int:
    """
    Link the pairs of files and return the exit code; `aiohubassoc.cli.app` tells which.

    Args:
        files: CSV, TSV, JSON Lines, Parquet or Excel files, or - for standard input. Text may be
            compressed with gzip or zstd.
        input_: What they are like.
        portal: Where to.
        pace: How fast.
        form: One by one or in batches, and whether links are read.
        check: What to do about bad rows and failures.
        token: Where the token is.
        tell: What to tell.
        run: Keep every outcome in this folder, so that the run can go on after a crash.
        retry_failed: Send pairs again that failed in an earlier run of the folder.
        force: Go on though the folder belongs to another job.
        dry_run: Send nothing, and tell what would be done: as aiohubassoc plan.
        daily_limit: Calls that the account has a day, for --dry-run; else those of the tier that
            --quota names.
        uvloop: Use uvloop, which costs less CPU; it must be installed.
    """
    # The address is kept, not the environment: it may be another one next time.
    if not portal.simulate:
        portal = attrs.evolve(portal, base_url=base_url_of(portal.base_url))
    command = Command(tuple(files), input_, portal, pace, check, form)
    call = Call(token, tell, run=run, retry_failed=retry_failed, force=force, uvloop=uvloop)
    if dry_run:
        check_call(command, call)
        return tell_plan(
            command, run=run, retry_failed=retry_failed, daily_limit=daily_limit, json_=tell.json_
        )
    if daily_limit is not None:
        raise OptionsError("--daily-limit is for --dry-run: HubSpot tells a run what is left")
    return execute(command, call)
