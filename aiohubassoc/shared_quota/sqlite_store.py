"""A store in a file, for the processes of one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc.shared_quota.store import (
    NOT_OURS,
    VERSION,
    PermanentStoreError,
    RowTransaction,
    StoredState,
    TransientStoreError,
    boot_id,
    check_version,
    schema,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# Other processes hold the lock for less than a millisecond; SQLite itself waits up to 100 ms.
_LOOK_EVERY: Final = 0.0005
_LOCKED_FOR: Final = 1.0
_ATTEMPTS: Final = 3
_creating: Final = threading.Lock()  # else a client may open the file while another one makes it
_READ: Final = "select {} from aiohubassoc_quota where name = ? and kind = ?"
_WRITE: Final = "insert or replace into aiohubassoc_quota values (?, ?, ?, ?, ?)"


class SqliteStore:
    """A store in a file; its clock is the monotonic clock that the processes of a machine share."""

    # With *makes_folder* its folder is made, and removed on closing if it has nothing else.

    # The clock begins anew with the machine.
    keeps_time = False
    has_local_time = True

    def __init__(self, path: str, *, makes_folder: bool = False) -> None:
        self._path = Path(path).absolute()  # wherever the process goes
        self._makes_folder = makes_folder
        self._made_folder = False
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        # Empty where it is unknown: a clock that restarts at 0 then counts as if it was set back.
        self._epoch = boot_id()

    def local_time(self) -> float:
        return time.monotonic()  # noqa: TID251 -- the store's clock, not the client's

    def open(self) -> None:
        if self._makes_folder:
            self._make_folder()
        if not self._path.parent.is_dir():
            folder = self._path.parent.absolute()
            raise PermanentStoreError(
                f"there is no folder {folder}. An absolute path has four slashes: sqlite:////..."
            )
        if self._path.is_dir():
            raise PermanentStoreError(f"{self._path} is a directory, not a file")
        db: sqlite3.Connection | None = None
        try:
            _create_private(self._path)
            db = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=_LOCKED_FOR
            )
            _make_tables(db)
            # After a crash of the machine the last changes may be missing; the epoch shows it.
            db.execute("pragma synchronous = normal")
        except BaseException as error:
            if db is not None:
                db.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise _classify(error) from error
            raise
        self._db, self._file = db, _identify(self._path)

    def update(self, name: str, kind: str, change: Callable[[RowTransaction], bytes]) -> None:
        if self._db is None:
            self.open()
        assert self._db is not None  # noqa: S101 -- just opened
        if _identify(self._path) != self._file:
            raise PermanentStoreError("the file was removed or replaced while it was in use")
        arrived_at = self.local_time()
        try:
            self._update(self._db, name, kind, arrived_at, change)
        except (OSError, sqlite3.Error) as error:
            raise _classify(error) from error

    def _update(
        self,
        db: sqlite3.Connection,
        name: str,
        kind: str,
        arrived_at: float,
        change: Callable[[RowTransaction], bytes],
    ) -> None:
        # The file is locked only to write, so a process is hardly ever paused while it holds the
        # lock. After some conflicts it is locked before it is read, so that this process succeeds.
        for attempt in range(_ATTEMPTS, -1, -1):
            if not attempt:
                _begin(db)
            try:
                row = _read(db, name, kind)
                state = change(RowTransaction(row, self._epoch, arrived_at, self.local_time()))
                if attempt:
                    _begin(db)
                    if _read(db, name, kind, columns="revision, epoch, x''") != (
                        None if row is None else attrs.evolve(row, state=b"")
                    ):
                        db.execute("rollback")
                        continue
                revision = 1 if row is None else row.revision + 1
                db.execute(_WRITE, (name, kind, revision, self._epoch, state))
                db.execute("commit")
            except BaseException:
                if db.in_transaction:
                    with suppress(sqlite3.Error):
                        db.execute("rollback")
                raise
            return

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
            if self._made_folder:
                self._remove_folder()

    def _make_folder(self) -> None:
        folder = self._path.parent
        try:
            self._made_folder = self._made_folder or not folder.exists()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _classify(error) from error

    def _remove_folder(self) -> None:
        """Remove the run folder of a run that did not begin."""
        folder = self._path.parent
        with suppress(OSError):
            if [one.name for one in folder.iterdir()] == [self._path.name]:
                self._path.unlink()
                folder.rmdir()


def _read(
    db: sqlite3.Connection, name: str, kind: str, columns: str = "revision, epoch, state"
) -> StoredState | None:
    found = db.execute(_READ.format(columns), (name, kind)).fetchone()
    if found is None:
        return None
    if list(map(type, found)) != [int, str, bytes]:  # SQLite keeps any value in any column
        raise PermanentStoreError(f"{NOT_OURS}: its row {name!r} holds other values")
    return StoredState(*found)


def _create_private(path: Path) -> None:
    """Make a file that only its owner can read, as SQLite's other files then are."""
    # To close a file drops all locks that this process has on it (POSIX). So one that exists, and
    # that another client may use, is not opened.
    with _creating, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _begin(db: sqlite3.Connection) -> None:
    """Begin a transaction that locks out all other writers."""
    db.execute("pragma busy_timeout = 0")
    give_up_at = time.monotonic() + _LOCKED_FOR  # noqa: TID251 -- in a thread of its own
    while True:
        try:
            db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() >= give_up_at:  # noqa: TID251 -- likewise
                raise
            time.sleep(_LOOK_EVERY)  # noqa: TID251 -- likewise
        else:
            return


def _make_tables(db: sqlite3.Connection) -> None:
    if not _table_names(db):
        # Readers and a writer do not wait for each other, and a commit waits for no disk.
        db.execute("pragma journal_mode = wal")
    db.execute("begin immediate")
    try:
        if not _table_names(db):
            for statement in schema("blob"):
                db.execute(statement)
        _check_tables(db)
        db.execute("commit")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("rollback")
        raise


def _check_tables(db: sqlite3.Connection) -> None:
    names = _table_names(db)
    if "aiohubassoc_quota_schema" not in names:
        raise PermanentStoreError(f"{NOT_OURS}: it has the tables {', '.join(sorted(names)[:5])}")
    check_version(db.execute(VERSION).fetchone())


def _table_names(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("select name from sqlite_schema where type = 'table'")}


def _classify(error: Exception) -> Exception:
    if isinstance(error, sqlite3.OperationalError) and _is_busy(error):
        return TransientStoreError("the file is locked by another process")
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
        return PermanentStoreError(f"{NOT_OURS}: the file is no SQLite database")
    return PermanentStoreError(str(error))


def _is_busy(error: sqlite3.OperationalError) -> bool:
    busy = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
    return (error.sqlite_errorcode & 0xFF) in busy


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
