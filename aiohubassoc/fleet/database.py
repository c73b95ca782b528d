"""The fleet's database: how it is reached, its tables, how runs are stored, and their jobs."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import attrs
import psycopg
from procrastinate.schema import SchemaManager
from psycopg import errors as pg
from psycopg.types.json import Jsonb

from aiohubassoc.errors import FleetError
from aiohubassoc.fleet.runs import NUMBERS, OPEN, FleetOptions, SubmittedInput
from aiohubassoc.journal.known_pairs import SeenPairs
from aiohubassoc.journal.row_codec import make_place, split_place
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from aiohubassoc._run.source import Source

# Nothing is prepared: behind a PgBouncer that pools transactions each statement may go to another
# session. Texts are UTF-8 in a database of any encoding.
CONNECTION: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "prepare_threshold": None,
    "client_encoding": "utf8",
}
"""How each connection of a fleet is made; the arguments are those of `psycopg.connect`."""

QUEUE: Final = "aiohubassoc"
TASK: Final = "aiohubassoc.link_run"
VERSION: Final = 2

# One advisory lock for all that makes tables: two "fleet init" at once wait for each other.
_LOCK: Final = 0x61686173
# In one transaction with the run, so that no run is without its job and no job without its run.
_DEFER: Final = f"""
update aiohubassoc_runs r set job = (
  select unnest(procrastinate_defer_jobs_v1(array[row(
    '{QUEUE}', '{TASK}', r.priority, 'aiohubassoc:' || r.portal, null,
    jsonb_build_object('run', r.id), null
  )::procrastinate_job_to_defer_v1]))
)
where r.id = any(%s)
"""
# What makes tables of a version those of the next one.
_UPGRADES: Final = {1: "alter table aiohubassoc_runs add column statistics text"}
# procrastinate looks at every job of a lock for each job that it fetches. With 5,000 portals queued
# this index makes a poll twenty times as fast.
_JOB_INDEX: Final = """
create index if not exists aiohubassoc_jobs_lock on procrastinate_jobs (lock, status)
  where status in ('todo', 'doing')
"""
DUPLICATE: Final = "DUPLICATE"
"""The category of a pair that repeats an earlier one."""
_PAGE: Final = 2000  # pairs that are read at once, to be stored
_PAIR_COLUMNS: Final = (
    "run, n, from_type, from_id, to_type, to_id, source, line, cells, status, category, message"
)


async def connect(database: str) -> psycopg.AsyncConnection:
    """Return a connection in autocommit mode, or raise FleetError without the password."""
    no_uri = FleetError("the database is no libpq URI, such as postgresql://host/name")
    if not database.strip():  # libpq would look for one of the user's name
        raise no_uri
    try:
        return await psycopg.AsyncConnection.connect(database, autocommit=True, **CONNECTION)
    except psycopg.ProgrammingError:  # its text may be the URI, with its password
        raise no_uri from None
    except psycopg.Error as error:
        raise FleetError(f"cannot connect to the database: {describe(error)}") from None


def describe(error: Exception) -> str:
    """Return what PostgreSQL, or the way to it, says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def to_text(value: str) -> str:
    """Return *value* as PostgreSQL takes it: without NUL, and without lone surrogates."""
    return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


async def fetch_one(db: psycopg.AsyncConnection, statement: str, values: Any = ()) -> Any:  # noqa: ANN401 -- a row
    """Return the first row that a statement gives; None if there is none."""
    return await (await db.execute(statement, values)).fetchone()


async def defer_jobs(db: psycopg.AsyncConnection, runs: Sequence[int]) -> None:
    """Give each of the *runs* a new job, in the caller's transaction."""
    await db.execute(_DEFER, (list(runs),))


# --- tables ------------------------------------------------------------------------------------


async def create_tables(db: psycopg.AsyncConnection) -> bool:
    """Make or upgrade all tables; return whether there was anything to do, or raise FleetError."""
    async with db.transaction():
        await db.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))
        (encoding,) = await fetch_one(db, "show server_encoding")
        if encoding not in {"UTF8", "SQL_ASCII"}:
            raise FleetError(
                f"the database has the encoding {encoding}: create one with encoding 'UTF8'"
            )
        has_jobs = await _has_table(db, "procrastinate_jobs")
        if not has_jobs:
            await db.execute(SchemaManager.get_schema().encode())
        await db.execute(_JOB_INDEX)
        if not await _has_table(db, "aiohubassoc_fleet"):
            await db.execute((files(__package__) / "tables.sql").read_bytes())
            await db.execute("insert into aiohubassoc_fleet values (%s)", (VERSION,))
            return True
        found = await _read_version(db)
        for version in range(found, VERSION):
            await db.execute(_UPGRADES[version].encode())
        if found < VERSION:
            await db.execute("update aiohubassoc_fleet set version = %s", (VERSION,))
    return found < VERSION or not has_jobs


async def check_version(db: psycopg.AsyncConnection) -> None:
    """Raise FleetError if there are no tables, or those of another version."""
    try:
        version = await _read_version(db)
    except pg.UndefinedTable:
        raise FleetError("the database has no fleet: run aiohubassoc fleet init first") from None
    except psycopg.Error as error:
        raise FleetError(f"the fleet's database: {describe(error)}") from error
    if version < VERSION:
        raise FleetError(
            "the fleet's tables were made by an earlier aiohubassoc: upgrade them with "
            "aiohubassoc fleet init"
        )


async def _read_version(db: psycopg.AsyncConnection) -> int:
    """Return the version of the tables; raise FleetError if it is a newer one."""
    row = await fetch_one(db, "select version from aiohubassoc_fleet")
    version = None if row is None else row[0]
    if not isinstance(version, int) or version < min(_UPGRADES):
        raise FleetError("the table aiohubassoc_fleet has no version: it is not that of a fleet")
    if version > VERSION:
        raise FleetError(
            f"the fleet's tables were made by a newer aiohubassoc (version {version}, this one "
            f"knows {VERSION}): update aiohubassoc"
        )
    return version


async def _has_table(db: psycopg.AsyncConnection, name: str) -> bool:
    (is_there,) = await fetch_one(db, "select to_regclass(%s) is not null", (name,))
    return bool(is_there)


# --- runs --------------------------------------------------------------------------------------


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
        " values (%s, 'queued', %s, %s, %s, '[]', %s, 0, 0, 0) returning id",
        (portal, priority, start_at, Jsonb(attrs.asdict(options)), json.dumps(about.sources)),
    )
    columns = dict.fromkeys(about.columns)
    try:
        total, skipped = await _copy_pairs(db, run, source, about, columns)
    finally:
        await source.close()
    statement = "copy aiohubassoc_rejected_rows (run, source, line, problem, cells) from stdin"
    async with db.cursor() as cursor, cursor.copy(statement) as copy:
        for number, line, problem, cells in about.rejected:
            await copy.write_row((run, number, line, to_text(problem), json.dumps(cells)))
            _add_names(columns, cells)
    await db.execute(
        "update aiohubassoc_runs set columns = %s, total = %s, skipped = %s, rejected = %s"
        " where id = %s",
        (json.dumps([*columns]), total, skipped, len(about.rejected), run),
    )
    return int(run)


async def _copy_pairs(
    db: psycopg.AsyncConnection,
    run: int,
    source: Source,
    about: SubmittedInput,
    columns: dict[str, None],
) -> tuple[int, int]:
    """Return how many pairs were stored, and how many of them repeat an earlier one."""
    total = skipped = 0
    statement = f"copy aiohubassoc_pairs ({_PAIR_COLUMNS}) from stdin"
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
                    _add_names(columns, cells)
                    kept = (
                        None if cells in (None, [pair.from_id, pair.to_id]) else json.dumps(cells)
                    )
                    ends = (pair.from_type, pair.from_id, pair.to_type, pair.to_id)
                    await copy.write_row((run, index, *ends, *place, kept, *skip))
                total += len(items)
    return total, skipped


def _add_names(columns: dict[str, None], cells: object) -> None:
    if isinstance(cells, dict):  # of JSON Lines: each row may have other names
        columns |= dict.fromkeys(cells)
