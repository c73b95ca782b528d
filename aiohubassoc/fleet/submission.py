"""Stores a new run with all its pairs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import attrs
from psycopg.types.json import Jsonb

from aiohubassoc.fleet.database import fetch_one, to_text
from aiohubassoc.fleet.runs import NUMBERS, OPEN, FleetOptions, SubmittedInput
from aiohubassoc.journal.known_pairs import SeenPairs
from aiohubassoc.journal.row_codec import make_place, split_place
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import psycopg

    from aiohubassoc._run.source import Source

DUPLICATE: Final = "DUPLICATE"
"""The category of a pair that repeats an earlier one."""
_PAGE: Final = 2000
_COLUMNS: Final = (
    "run, n, from_type, from_id, to_type, to_id, source, line, cells, status, category, message"
)


async def store_run(
    db: psycopg.AsyncConnection,
    portal: str,
    source: Source,
    *,
    options: FleetOptions,
    priority: int,
    start_at: datetime | None,
    about: SubmittedInput,
) -> int:
    """Store a run in the caller's transaction, and return its number: see `Fleet.submit`."""
    (run,) = await fetch_one(
        db,
        "insert into aiohubassoc_runs (portal, state, priority, due_at, options, columns,"
        " sources, total, skipped, rejected)"
        " values (%s, 'queued', %s, %s, %s, %s, %s, 0, 0, 0) returning id",
        (
            portal,
            priority,
            start_at,
            Jsonb(attrs.asdict(options)),
            json.dumps(about.columns),
            json.dumps(about.sources),
        ),
    )
    try:
        total, skipped = await _copy_pairs(db, run, source, about)
    finally:
        await source.close()
    statement = "copy aiohubassoc_rejected_rows (run, source, line, problem, cells) from stdin"
    async with db.cursor() as cursor, cursor.copy(statement) as copy:
        for number, line, problem, cells in about.rejected:
            await copy.write_row((run, number, line, to_text(problem), json.dumps(cells)))
    await db.execute(
        "update aiohubassoc_runs set total = %s, skipped = %s, rejected = %s where id = %s",
        (total, skipped, len(about.rejected), run),
    )
    return int(run)


async def _copy_pairs(
    db: psycopg.AsyncConnection, run: int, source: Source, about: SubmittedInput
) -> tuple[int, int]:
    """Return how many pairs were stored, and how many of them repeat an earlier one."""
    total = skipped = 0
    statement = f"copy aiohubassoc_pairs ({_COLUMNS}) from stdin"
    async with db.cursor() as cursor, cursor.copy(statement) as copy:
        with SeenPairs() as seen:
            while items := await source.read(_PAGE):
                for index, item in items:
                    pair = source.pair(index, item)
                    if isinstance(pair, tuple):
                        raise pair[1]
                    place = (0, index) if about.place is None else about.place(pair)
                    first = seen.first_place(pair, make_place(*place))
                    skip: Sequence[object] = (OPEN, None, None)
                    if first is not None:
                        message = f"repeats {about.describe_place(*split_place(first))}"
                        skip = (NUMBERS[Status.SKIPPED], DUPLICATE, to_text(message))
                        skipped += 1
                    cells = None if about.cells is None else about.cells(pair)
                    kept = (
                        None if cells in (None, [pair.from_id, pair.to_id]) else json.dumps(cells)
                    )
                    ends = (pair.from_type, pair.from_id, pair.to_type, pair.to_id)
                    await copy.write_row((run, index, *ends, *place, kept, *skip))
                total += len(items)
    return total, skipped
