"""``aiohubassoc fleet submit``: files that are checked and stored as a run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from aiohubassoc.cli.fleet_options import DatabaseOptions, PortalsOptions, SubmitOptions
from aiohubassoc.cli.options import Flag, Flat, InputOptions, check_input
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.row_source import RowSource
from aiohubassoc.cli.terminal import print_result, stdout
from aiohubassoc.errors import InputError, plural
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.fleet import Fleet, SubmittedInput, find_portal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohubassoc.files.record import Record
    from aiohubassoc.pair import Pair

_SHOWN_PROBLEMS: Final = 5


def submit(
    portal: str,
    files: Annotated[list[str], Parameter(allow_leading_hyphen=True, negative="")],
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

    Nothing is sent here: a worker does. If a row holds no pair nothing is stored, unless
    --skip-invalid is given.

    Args:
        portal: A portal of the file of portals.
        files: As for aiohubassoc link.
        input_: What they are like.
        send: How and when the run is sent.
        database: Where the runs are.
        portals: Which portals there are.
        json_: Print {"run": NUMBER} on standard output, and nothing else.
    """
    find_portal(portals.load(), portal)
    check_input(input_)
    options, start = send.to_fleet(), send.start()

    async def work(fleet: Fleet) -> tuple[int, int]:
        with PairTable(tuple(files), input_) as table:
            about = SubmittedInput(
                columns=table.header,
                sources=table.names,
                cells=table.cells,
                place=_place,
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

    run, total = database.use(work)
    if json_:
        print_result({"run": run})
    else:
        stdout().print(f"Run {run}: {plural(total, 'pair')} queued for {portal}", markup=False)
        stdout().print(f"To see how it goes: aiohubassoc fleet status {run}", markup=False)
    return ExitCode.ALL_LINKED


def _place(pair: Pair) -> tuple[int, int]:
    record: Any = pair.tag  # the table tags each pair with its row
    return record.source, record.line


async def _checked(
    table: PairTable, about: SubmittedInput, *, skip_invalid: bool
) -> AsyncIterator[Pair]:
    """Yield the pairs of a table; raise InputError at its end if rows held none."""

    def reject(record: Record) -> None:
        about.rejected.append(
            (record.source, record.line, record.problem or "invalid", record.fields)
        )

    rows = RowSource(
        table,
        seen=None,  # storing them finds duplicates
        on_invalid=reject,
        on_duplicate=lambda *_: None,
        limit=None,
        on_limit=lambda: None,
    )
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
            f"{count:,} {'row' if count == 1 else 'rows'} of {table.name} "
            f"{'holds' if count == 1 else 'hold'} no pair: "
            f"{'; '.join(first)}{'; ...' if count > len(first) else ''}. Nothing was stored. Fix "
            "them, or leave them out with --skip-invalid."
        )
