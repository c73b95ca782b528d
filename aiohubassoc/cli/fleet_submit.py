"""``aiohubassoc fleet submit``: files that are checked and stored as a run."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

import attrs

from aiohubassoc.cli.fleet import DatabaseOptions, PortalsOptions
from aiohubassoc.cli.options import Files, Flag, Flat, InputOptions, check_input, check_stops
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.row_source import RowSource
from aiohubassoc.cli.run_folder import get_record
from aiohubassoc.cli.terminal import StorageError, print_result, stdout
from aiohubassoc.errors import InputError, OptionsError, plural
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.fleet import Fleet, FleetOptions, SubmittedInput, find_portal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohubassoc.files.record import Record
    from aiohubassoc.pair import Pair

_SHOWN_PROBLEMS: Final = 5


@attrs.frozen
class SubmitOptions:
    """
    How a run is sent, and when.

    Args:
        via: put: a call for each pair. batch: a call for up to 2,000 pairs.
        skip_linked: Ask HubSpot first which pairs are linked already; these are skipped.
        skip_invalid: Leave out rows that hold no pair; export --failed writes them.
        stop_after_failures: Stop once this many pairs failed.
        stop_after_alike: Stop once HubSpot refused this many pairs in a row for the same reason. 0:
            never.
        priority: Runs with a higher number go first.
        start_at: Start no earlier, as 2026-11-30T22:00+01:00.
    """

    via: Literal["put", "batch"] = "put"
    skip_linked: Flag = False
    skip_invalid: Flag = False
    stop_after_failures: int | None = None
    stop_after_alike: int = 50
    priority: int = 0
    start_at: str | None = None

    def start(self) -> datetime | None:
        if self.start_at is None:
            return None
        try:
            return datetime.fromisoformat(self.start_at).astimezone()
        except (ValueError, OverflowError):
            raise OptionsError(
                f"--start-at {self.start_at!r} is no time such as 2026-11-30T22:00+01:00"
            ) from None


def submit(
    portal: str,
    files: Files,
    /,
    *,
    input_: InputOptions = Layout(),
    send: Annotated[SubmitOptions, Flat] = SubmitOptions(),
    database: Annotated[DatabaseOptions, Flat] = DatabaseOptions(),
    portals: Annotated[PortalsOptions, Flat] = PortalsOptions(),
    json_: Flag = False,
) -> int:
    """
    Queue a run: read and check files as link does, store their pairs, and print the run's number.

    Args:
        portal: A portal of the file of portals.
        files: As for aiohubassoc link.
        json_: Print {"run": NUMBER} on standard output, and nothing else.
    """
    find_portal(portals.load(), portal)
    check_input(input_)
    check_stops(send.stop_after_failures, send.stop_after_alike)
    start = send.start()
    options = FleetOptions(
        via=send.via,
        skip_linked=send.skip_linked,
        stop_after_failures=send.stop_after_failures,
        stop_after_alike=send.stop_after_alike or None,
    )

    async def work(fleet: Fleet) -> tuple[int, int]:
        with PairTable(tuple(files), input_) as table:
            about = SubmittedInput(
                columns=table.header,
                sources=table.names,
                cells=table.cells,
                place=lambda pair: (get_record(pair).source, get_record(pair).line),
                describe_place=table.place,
            )
            run = await fleet.submit(
                portal,
                _checked(table, about, skip_invalid=send.skip_invalid),
                options=options,
                priority=send.priority,
                start_at=start,
                about=about,
            )
        return run, (await fleet.runs(run))[0].total

    try:
        run, total = database.use(work)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"the temporary file of duplicates: {error}") from None
    if json_:
        print_result({"run": run})
    else:
        stdout().print(f"Run {run}: {plural(total, 'pair')} queued for {portal}", markup=False)
        stdout().print(f"To see how it goes: aiohubassoc fleet status {run}", markup=False)
    return ExitCode.ALL_LINKED


async def _checked(
    table: PairTable, about: SubmittedInput, *, skip_invalid: bool
) -> AsyncIterator[Pair]:
    """Yield the pairs of a table; raise InputError at its end if rows held none."""

    def reject(record: Record) -> None:
        about.rejected.append(
            (record.source, record.line, record.problem or "invalid", record.fields)
        )

    rows = RowSource(table, reject)  # storing them finds duplicates
    await rows.check_ahead()
    async with contextlib.aclosing(rows.pairs()) as pairs:  # type: ignore[type-var]
        async for pair in pairs:
            yield pair
    if about.rejected and not skip_invalid:
        first = [
            f"{table.place(source, line)}: {problem}"
            for source, line, problem, _ in about.rejected[:_SHOWN_PROBLEMS]
        ]
        count = len(about.rejected)
        raise InputError(
            f"{plural(count, 'row')} of {table.name} {'holds' if count == 1 else 'hold'} no pair: "
            f"{'; '.join(first)}{'; ...' if count > len(first) else ''}. Nothing was stored. Fix "
            "them, or leave them out with --skip-invalid."
        )
