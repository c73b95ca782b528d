"""A store in PostgreSQL, for the processes of many machines."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aiohubassoc.shared_quota.store import (
    VERSION,
    PermanentStoreError,
    RowTransaction,
    StoredState,
    TransientStoreError,
    check_version,
    schema,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg as _psycopg

    Connection = _psycopg.Connection[Any]

# Several statements in one round trip: in a pipeline the idle timeout does not count. No commit
# waits for the disk: after a crash of the server the epoch differs, and nothing is sent for one
# window. The server ends the transaction of a process that is paused in it. Nothing depends on the
# settings of the session, such as its time zone: those of other clients may differ.
_BEGIN: Final = """
begin isolation level read committed;
set local synchronous_commit = off;
set local lock_timeout = '3s';
set local idle_in_transaction_session_timeout = '1s';
select extract(epoch from pg_postmaster_start_time())::numeric::text,
  extract(epoch from clock_timestamp())::float8;
select revision, epoch, state from aiohubassoc_quota where name = %s and kind = %s for update;
select extract(epoch from clock_timestamp())::float8
"""
_COMMIT: Final = """
update aiohubassoc_quota set revision = %s, epoch = %s, state = %s where name = %s and kind = %s;
commit
"""
_INSERT: Final = """
insert into aiohubassoc_quota values (%s, %s, 0, '', ''::bytea) on conflict do nothing
"""
# Only a query of the catalog sees what others committed since this transaction began.
_IS_THERE: Final = """
select exists (
  select from pg_class where relname = 'aiohubassoc_quota_schema' and pg_table_is_visible(oid)
)
"""
_LOCK: Final = "select pg_advisory_xact_lock(hashtext('aiohubassoc_quota'))"
_CONNECT_SECONDS: Final = 10
# SQLSTATE classes of errors that pass: connection, resources, operator intervention; then lock and
# serialization; a transaction that was idle; a server that takes no writes until a failover is
# over. PostgreSQL, appendix A.
_PASSING: Final = ("08", "53", "57", "55P03", "40", "25P03", "25006")
# Of these, what does not: a full disk.
_LASTING: Final = ("53100",)


class PostgresStore:
    """A store in PostgreSQL, at a URL for libpq; the server's clock is that of all machines."""

    keeps_time = True
    has_local_time = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    def local_time(self) -> float:
        return time.monotonic()  # noqa: TID251 -- the store's clock, not the client's

    def open(self) -> None:
        import psycopg  # noqa: PLC0415 -- an extra

        try:
            connection = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                application_name="aiohubassoc",
                prepare_threshold=None,  # for PgBouncer
                client_encoding="utf8",
            )
            try:
                _make_tables(connection)
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            raise _classify(error) from error
        self._connection = connection

    def update(self, name: str, kind: str, change: Callable[[RowTransaction], bytes]) -> None:
        import psycopg  # noqa: PLC0415 -- an extra

        if self._connection is None:
            self.open()
        assert self._connection is not None  # noqa: S101 -- just opened
        try:
            self._update(self._connection, name, kind, change)
        except psycopg.Error as error:
            self.close()
            raise _classify(error) from error
        except BaseException:
            self.close()  # and with it the transaction
            raise

    def _update(
        self,
        connection: Connection,
        name: str,
        kind: str,
        change: Callable[[RowTransaction], bytes],
    ) -> None:
        from psycopg import ClientCursor  # noqa: PLC0415 -- an extra

        cursor = ClientCursor(connection)
        cursor.execute(_BEGIN, (name, kind))
        started, found, clock = (_rows(cursor, skip) for skip in (4, 1, 1))
        ((epoch, arrived_at),), ((now,),) = started, clock
        if not found:  # a new row, which is on the disk once it is committed
            cursor.execute("rollback")
            cursor.execute(_INSERT, (name, kind))
            self._update(connection, name, kind, change)
            return
        ((revision, row_epoch, state),) = found
        row = StoredState(revision, row_epoch, bytes(state)) if state else None
        changed = change(RowTransaction(row, epoch, arrived_at, now))
        cursor.execute(_COMMIT, (revision + 1, epoch, changed, name, kind))

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(Exception):  # it is broken: nothing more can be done about it
                connection.close()


def _rows(cursor: _psycopg.Cursor[Any], skip: int) -> list[Any]:
    for _ in range(skip):
        cursor.nextset()
    return cursor.fetchall()


def _make_tables(connection: Connection) -> None:
    # A user without the right to create tables can use existing ones.
    if not (connection.execute(_IS_THERE).fetchone() or (False,))[0]:
        with connection.transaction():
            connection.execute(_LOCK)  # "if not exists" fails where two do it at once
            if not (connection.execute(_IS_THERE).fetchone() or (False,))[0]:
                for statement in schema("bytea"):
                    connection.execute(statement.encode())
    check_version(connection.execute(VERSION).fetchone())


def _classify(error: _psycopg.Error) -> Exception:
    text = " ".join(str(error).split())
    state = error.sqlstate
    if state is None:  # not from the server, or refused while connecting
        lasting = ("authentication failed", "does not exist", "no pg_hba.conf", "no password")
        return (
            PermanentStoreError if any(one in text for one in lasting) else TransientStoreError
        )(text)
    if state.startswith(_PASSING) and state not in _LASTING:
        return TransientStoreError(text)
    return PermanentStoreError(text)
