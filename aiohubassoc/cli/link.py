"""``aiohubassoc link``."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from aiohubassoc.cli.loops import loop_factory
from aiohubassoc.cli.run import Job, Run
from aiohubassoc.cli.secrets import access_token
from aiohubassoc.cli.summary import print_summary
from aiohubassoc.cli.terminal import messages, output
from aiohubassoc.client import BASE_URL, BASE_URL_VARIABLE, AssociationClient
from aiohubassoc.errors import OptionsError
from aiohubassoc.options import Quota
from aiohubassoc.pair import Pair
from aiohubassoc.tables.opening import STDIN
from aiohubassoc.tables.pairs import PairTable

_Flag: TypeAlias = Annotated[bool, Parameter(negative="", show_default=False)]


def link(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    from_column: str = "from_id",
    to_column: str = "to_id",
    base_url: str | None = None,
    api_version: str = "v4",
    quota: str | None = None,
    share: float = 1.0,
    reserve_daily: str | None = None,
    strict_quota: _Flag = False,
    concurrency: int | None = None,
    failures: str | None = None,
    skip_invalid: _Flag = False,
    strict: _Flag = False,
    stop_after_failures: int | None = None,
    json_: Annotated[_Flag, Parameter(name="--json")] = False,
    simulate: _Flag = False,
    token_file: str | None = None,
    token_stdin: _Flag = False,
    allow_http: _Flag = False,
    uvloop: _Flag = False,
) -> int:
    """
    Link the pairs of a CSV file and return the exit code; `aiohubassoc.cli.app` tells which.

    Args:
        file: A CSV file in UTF-8, or - for standard input.
        from_: The object type of the first ids, such as contacts, 0-1 or p12345_cars.
        to: The object type of the second ids.
        from_column: The column of the first ids.
        to_column: The column of the second ids.
        base_url: Where HubSpot's API is; else HUBSPOT_BASE_URL, else HubSpot itself.
        api_version: v4, 2026-03 or 2026-09.
        quota: starter, professional, enterprise, limit-increase, oauth, or as 190/10s. It is never
            exceeded. Without it: begin with 100/10s and take what HubSpot names.
        share: The part of the quota to use, such as 0.5; the rest is for others.
        reserve_daily: Calls of the day to leave for others, such as 50000 or 10%. The run stops
            there, where HubSpot says how many are left.
        strict_quota: Never send a call too many whatever the network does, at 1 to 2 % less speed.
        concurrency: The most requests on the wire at once; 64 if not given.
        failures: Write the rows that did not come through to this CSV file, with the reason.
        skip_invalid: Go on without rows that cannot be used.
        strict: Stop at a row that cannot be used, wherever it stands.
        stop_after_failures: Stop once so many pairs failed.
        json_: Print one JSON object with the result on standard output, and nothing else.
        simulate: Send to a simulated portal on this machine instead of HubSpot.
        token_file: Read the access token from this file instead of HUBSPOT_ACCESS_TOKEN.
        token_stdin: Read the access token from the first line of standard input.
        allow_http: Send the token unencrypted to another machine.
        uvloop: Use uvloop, which costs less CPU; it must be installed.
    """
    if file.startswith("-") and file != STDIN:
        raise OptionsError(f"there is no option {file}")
    if file == STDIN and token_stdin:
        raise OptionsError("standard input holds either the pairs or the token")
    if failures is not None and _same_file(file, failures):
        raise OptionsError(f"--failures {failures} would overwrite the input")
    if stop_after_failures is not None and stop_after_failures < 1:
        raise OptionsError("--stop-after-failures must be 1 or more")
    for option, kind in (("--from", from_), ("--to", to)):
        if kind is not None:
            _check_type(option, kind)
    wanted = None if quota is None else Quota.parse(quota)
    with ExitStack() as stack:
        if simulate:
            base_url, token = _simulated(stack, wanted)
        else:
            base_url = base_url or os.environ.get(BASE_URL_VARIABLE, "").strip() or BASE_URL
            token = access_token(token_file, from_stdin=token_stdin)
        client = AssociationClient(
            token,
            base_url=base_url,
            api_version=api_version,
            quota=wanted,
            share=share,
            reserve_daily=None if reserve_daily is None else parse_reserve(reserve_daily),
            strict_quota=strict_quota,
            concurrency=concurrency,
            allow_http=allow_http,
        )
        table = stack.enter_context(
            PairTable(
                file, from_type=from_, to_type=to, from_column=from_column, to_column=to_column
            )
        )
        job = Job(
            file,
            failures=failures,
            skip_invalid=skip_invalid,
            strict=strict,
            stop_after_failures=stop_after_failures,
        )
        run = Run(job, table, messages())
        with asyncio.Runner(loop_factory=loop_factory(uvloop=uvloop)) as runner:
            code = runner.run(run.go(client))
    if json_:
        # ASCII only: whatever the input held, this can be written and read.
        output().out(json.dumps({**run.tally.as_json(), "exit_code": int(code)}))
    elif run.began:
        print_summary(run.tally, output())
    return code


def _simulated(stack: ExitStack, quota: Quota | None) -> tuple[str, str]:
    """Start a portal that ends with *stack*; return its base URL and token."""
    from aiohubassoc.cli.portals import usual_portal  # noqa: PLC0415 -- only when asked for
    from aiohubassoc.simulator import portal_process  # noqa: PLC0415 -- likewise

    settings = usual_portal(quota or Quota.PROFESSIONAL)
    portal = stack.enter_context(portal_process(settings))
    return portal.base_url, settings.tokens[0]


def parse_reserve(text: str) -> float:
    """
    Return the reserve written as calls (an int) or as a percentage (a float from 0 to 1).

    Raises:
        OptionsError: neither.
    """
    number = text.strip().replace("_", "")
    try:
        return float(number[:-1]) / 100 if number.endswith("%") else int(number)
    except ValueError:
        raise OptionsError(
            f"--reserve-daily {text!r} is neither a number of calls nor a percentage such as 10%"
        ) from None


def _check_type(option: str, kind: str) -> None:
    try:
        Pair(kind, 1, kind, 1)
    except ValueError:
        raise OptionsError(f"{option} {kind!r} is not an object type") from None


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
