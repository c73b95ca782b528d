"""The files of a run folder: the tables of its database, its lock, and how they are opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from aiohubassoc.errors import JournalInUseError, JournalStorageError, JournalVersionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATABASE: Final = "journal.db"
LOCK: Final = "lock.db"
# "ahas": marks our databases.
_APPLICATION_ID: Final = 0x61686173
VERSION: Final = 2

# One row a pair, in the order of completion: to append costs least. `seen` finds them; it follows
# behind, up to the row that header's "indexed" names. Status 5 is an item that failed
# its checks: it holds no pair that another could repeat, and is found by its place.
_SCHEMA: Final = """
create table header (name text primary key, value text not null) without rowid;
create table sessions (
  id integer primary key,
  process_id integer not null,
  version text not null,
  began_at_ms integer not null,
  is_of_folder integer not null,
  ended_at_ms integer,
  is_complete integer,
  stopped text
);
create table types (
  id integer primary key,
  from_type text not null,
  to_type text not null,
  unique (from_type, to_type)
);
create table pairs (
  id integer primary key,
  types integer not null,
  from_id text not null,
  to_id text not null,
  status integer not null,
  place integer not null,
  attempts integer not null,
  maybe_applied integer not null,
  category text,
  message text,
  correlation_id text,
  at_ms integer not null,
  session integer not null,
  tag text
);
create index bad on pairs (place) where status = 5;
create table seen (
  types integer not null,
  from_id text not null,
  to_id text not null,
  pair integer not null,
  primary key (types, from_id, to_id)
) without rowid;
create table unusable (
  place integer primary key,
  problem text not null,
  fields text not null
);
insert into header values ('indexed', '0');
"""
# For people: pairs as messages name them.
_VIEW: Final = """
create view outcomes as
select from_type, from_id, to_type, to_id,
  case status when 1 then 'linked' when 2 then 'partial' when 4 then 'unprocessed'
    else 'failed' end as status,
  place >> 40 as source, place & ((1 << 40) - 1) as line, attempts, maybe_applied, category,
  message, correlation_id,
  strftime('%Y-%m-%dT%H:%M:%fZ', at_ms / 1000.0, 'unixepoch') as at, session, tag
from pairs join types on types.id = pairs.types;
"""
# Since version 2, for the report of a run: how it went, and what reading links back found.
_FOR_REPORTS: Final = """
create table statistics (id integer primary key check (id = 1), value text not null);
create table verifications (
  id integer primary key,
  at_ms integer not null,
  value text not null
);
"""
_DAMAGED: Final = "journal.db is damaged. Link again in another folder, with skip_linked"
# What the system says, and what it means to people.
_MEANINGS: Final = (
    ("disk is full", "the disk is full"),
    ("readonly", "it is read-only"),
    ("unable to open", "it cannot be opened or made: is the folder writable?"),
    ("not a database", "journal.db is not a database"),
    ("malformed", _DAMAGED),
    ("no such table", _DAMAGED),
    ("no such column", _DAMAGED),
    ("already exists", _DAMAGED),
    ("Could not decode", _DAMAGED),
    ("is locked", "a program has locked it, or its file system has no locks: use a local disk"),
    ("disk I/O error", "it cannot be read or written (disk I/O error)"),
)
_STORAGE: Final = (sqlite3.Error, OSError)
# What reading a value raises if it is of another type, out of range or not the JSON it should be.
NOT_OURS: Final = (ValueError, TypeError, LookupError, OverflowError, AttributeError)


class NotBegunError(JournalStorageError):
    """The first run was killed, or its disk was full, before it wrote anything: another may."""


def to_storage_error(folder: Path, error: Exception) -> JournalStorageError:
    """Return what went wrong with the folder, for people."""
    if isinstance(error, NOT_OURS):
        return JournalStorageError(f"the run folder {folder}: {_DAMAGED}")
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    meaning = next((meaning for part, meaning in _MEANINGS if part in text), text)
    return JournalStorageError(f"the run folder {folder}: {meaning}")


@contextlib.contextmanager
def storage_errors(folder: Path, kinds: tuple[type[Exception], ...] = _STORAGE) -> Iterator[None]:
    """Raise what goes wrong with files and database in the block as a JournalStorageError."""
    try:
        yield
    except kinds as error:
        raise to_storage_error(folder, error) from error


def read_errors(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Do so for a block that only reads, also where it meets values that no run has written."""
    return storage_errors(folder, (*_STORAGE, *NOT_OURS))


def create_private(path: Path) -> None:
    """Make a file that only its owner can read, unless there is one; SQLite would let others."""
    # Where it cannot be made, SQLite says so. One that is there is not opened: to close it would
    # drop the locks that this process may hold on it (POSIX).
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def identify(folder: Path) -> tuple[int, int] | None:
    """Return which file the database of a folder is now; None: there is none."""
    try:
        found = (folder / DATABASE).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_for_writing(folder: Path) -> sqlite3.Connection:
    """Open the database, made or brought up to date if need be; for any one thread at a time."""
    path = (folder / DATABASE).absolute()  # else "file:" would begin a URI
    create_private(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        _check(db, folder)
        db.execute("pragma journal_mode = wal")
        # A write is on the disk before its outcomes are reported, even if the power fails. A group
        # each time, this costs next to nothing.
        db.execute("pragma synchronous = full")
        version = _number(db, "user_version")
        if version < VERSION:
            new = f"{_SCHEMA} {_VIEW} pragma application_id = {_APPLICATION_ID};"
            db.executescript(
                f"begin immediate; {'' if version else new} {_FOR_REPORTS} "
                f"pragma user_version = {VERSION}; commit;"
            )
    except BaseException:
        db.close()
        raise
    return db


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """Open the database as it is, while another process may write it, or raise JournalError."""
    path = folder / DATABASE
    if not path.is_file():
        raise JournalStorageError(f"{folder} is not a run folder: it has no {DATABASE}")
    uri = path.resolve().as_uri()
    for mode in ("mode=ro", "immutable=1"):  # the second where nothing can be written at all
        db = sqlite3.connect(
            f"{uri}?{mode}", uri=True, isolation_level=None, check_same_thread=False
        )
        db.row_factory = _check_row
        try:
            _check(db, folder)
            _check_begun(db, folder)
        except sqlite3.OperationalError:
            db.close()
            # Without the log of a run that was killed, its last outcomes would be missing.
            if mode != "mode=ro" or _has_log(path):
                raise
        except BaseException:
            db.close()
            raise
        else:
            return db
    raise AssertionError  # pragma: no cover -- the second mode returns or raises


def _check_row(_: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row as it is; ValueError for bytes, which no run has written."""
    if bytes in map(type, row):
        raise ValueError("a value that is bytes")
    return row


def _has_log(path: Path) -> bool:
    log = path.resolve().with_name(f"{path.resolve().name}-wal")
    return log.is_file() and log.stat().st_size > 0


class FolderLock:
    """Holds a run folder for this process until it is released, or the process ends, however."""

    # It is the lock of an empty database: the system drops it with the process, so that no stale
    # one can be left behind, and it works on every system that has SQLite.

    def __init__(self, folder: Path) -> None:
        path = (folder / LOCK).absolute()  # as above
        create_private(path)
        # `is_in_use` may be asking just now.
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
        try:
            self._db.execute("begin exclusive")
        except sqlite3.DatabaseError as error:
            self._db.close()
            if "locked" in str(error):
                raise make_in_use_error(folder) from None
            if "not a database" in str(error):
                raise JournalStorageError(
                    f"the run folder {folder}: {LOCK} is damaged. Nothing of the run is in it: if "
                    f"no run uses the folder, remove {path}"
                ) from None
            raise

    def release(self) -> None:
        self._db.close()


def make_in_use_error(folder: Path) -> JournalInUseError:
    """Return the error that names the process which uses the folder, if that is known."""
    process_id = _process_of_last_session(folder)
    named = "another process" if process_id is None else f"process {process_id}"
    return JournalInUseError(
        f"the run folder {folder} is being used by {named}: wait for it, or stop it", process_id
    )


def _process_of_last_session(folder: Path) -> int | None:
    # It may be being made just now.
    with contextlib.suppress(Exception), contextlib.closing(open_for_reading(folder)) as db:
        (process_id,) = db.execute(
            "select process_id from sessions where ended_at_ms is null order by id desc"
        ).fetchone()
        return int(process_id)
    return None


def is_in_use(folder: Path) -> bool:
    """Return whether a run is using the folder, without getting in its way."""
    if not (folder / LOCK).is_file():
        return False
    uri = f"{(folder / LOCK).resolve().as_uri()}?mode=ro"
    try:
        with contextlib.closing(
            sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0.0)
        ) as db:
            db.execute("select count(*) from sqlite_schema").fetchone()
    except sqlite3.Error as error:  # one that is damaged is locked by nobody
        return "locked" in str(error)
    return False


def _check(db: sqlite3.Connection, folder: Path) -> None:
    version = _number(db, "user_version")
    if version > VERSION and _number(db, "application_id") == _APPLICATION_ID:
        raise JournalVersionError(
            f"the run folder {folder} was written by a newer aiohubassoc (its schema is {version}, "
            f"this one knows {VERSION}): update aiohubassoc"
        )
    (tables,) = db.execute("select count(*) from sqlite_schema").fetchone()
    if tables and _number(db, "application_id") != _APPLICATION_ID:
        raise JournalVersionError(f"{folder / DATABASE} is not a journal of aiohubassoc")


def _check_begun(db: sqlite3.Connection, folder: Path) -> None:
    if _number(db, "user_version") == 0:
        raise NotBegunError(
            f"{folder} is not a run folder yet, as nothing was written: give its command again"
        )


def _number(db: sqlite3.Connection, pragma: str) -> int:
    (number,) = db.execute(f"pragma {pragma}").fetchone()
    return int(number)
