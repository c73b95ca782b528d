"""The fleet's database: how it is reached, its tables, and the jobs that start runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import errors as pg

from aiohubassoc.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
# One row a pair. Rows change in place (no index holds a changed column): the free room of a page
# is for their new versions. Status 0 is a pair without an outcome.
_TABLES: Final = """
create table aiohubassoc_fleet (version integer not null);
create table aiohubassoc_runs (
  id bigint generated always as identity primary key,
  portal text not null,
  state text not null,
  priority integer not null,
  due_at timestamptz,
  options jsonb not null,
  columns text not null,
  sources text not null,
  job bigint,
  owner uuid,
  cancel_requested boolean not null default false,
  retries integer not null default 0,
  reason text,
  total bigint not null,
  linked bigint not null default 0,
  partial bigint not null default 0,
  failed bigint not null default 0,
  skipped bigint not null,
  rejected bigint not null,
  submitted_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz,
  statistics text
) with (fillfactor = 50);
create index aiohubassoc_runs_open on aiohubassoc_runs (id)
  where state in ('queued', 'running', 'sleeping');
create table aiohubassoc_pairs (
  run bigint not null,
  n bigint not null,
  from_type text not null,
  from_id text not null,
  to_type text not null,
  to_id text not null,
  source integer not null,
  line bigint not null,
  cells text,
  status smallint not null default 0,
  attempts integer not null default 0,
  maybe_applied boolean not null default false,
  category text,
  message text,
  correlation_id text,
  at timestamptz,
  primary key (run, n)
) with (fillfactor = 70);
create table aiohubassoc_rejected_rows (
  run bigint not null,
  source integer not null,
  line bigint not null,
  problem text not null,
  cells text not null
);
create index aiohubassoc_rejected_rows_run on aiohubassoc_rejected_rows (run);
"""
# What makes tables of a version those of the next one.
_UPGRADES: Final = {1: "alter table aiohubassoc_runs add column statistics text"}
# procrastinate looks at every job of a lock for each job that it fetches. With 5,000 portals queued
# this index makes a poll twenty times as fast.
_JOB_INDEX: Final = """
create index if not exists aiohubassoc_jobs_lock on procrastinate_jobs (lock, status)
  where status in ('todo', 'doing')
"""


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


async def create_tables(db: psycopg.AsyncConnection) -> bool:
    """
    Make the tables of procrastinate and of the fleet, or upgrade those of an earlier version.

    Return False if all were there. Raise FleetError if they are those of a newer version, or if the
    database cannot hold every text.
    """
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
            await db.execute(_TABLES)
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
