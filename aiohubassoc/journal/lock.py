"""One process at a time."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from aiohubassoc.errors import JournalInUseError
from aiohubassoc.journal.schema import LOCK, create_private, open_for_reading

if TYPE_CHECKING:
    from pathlib import Path


class FolderLock:
    """
    Holds a run folder for this process until it is released, or the process ends, however.

    It is the lock of an empty database: the system drops it with the process, so that no stale
    one can be left behind, and it works on every system that has SQLite.

    Raises:
        JournalInUseError: another process, or another run of this one, holds it.
        sqlite3.Error: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        create_private(folder / LOCK)
        # `is_in_use` may be asking just now.
        self._db = sqlite3.connect(
            folder / LOCK, isolation_level=None, check_same_thread=False, timeout=0.5
        )
        try:
            self._db.execute("begin exclusive")
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" not in str(error):
                raise
            process_id = _process_of_last_session(folder)
            named = "another process" if process_id is None else f"process {process_id}"
            raise JournalInUseError(
                f"the run folder {folder} is being used by {named}: wait for it, or stop it",
                process_id,
            ) from None

    def release(self) -> None:
        """Let others have it."""
        self._db.close()


def _process_of_last_session(folder: Path) -> int | None:
    try:
        db = open_for_reading(folder)
        try:
            row = db.execute(
                "select process_id from sessions where ended_at_ms is null order by id desc"
            ).fetchone()
        finally:
            db.close()
    except Exception:  # noqa: BLE001 -- it is being made just now
        return None
    return None if row is None else int(row[0])


def is_in_use(folder: Path) -> bool:
    """Return whether a run is using the folder, without getting in its way."""
    if not (folder / LOCK).is_file():
        return False
    uri = f"{(folder / LOCK).resolve().as_uri()}?mode=ro"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0.0)
    try:
        db.execute("select count(*) from sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    finally:
        db.close()
    return False
