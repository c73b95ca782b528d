"""Keeps in a run folder what reading its links back found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohubassoc.journal.database import Database
from aiohubassoc.journal.lock import FolderLock
from aiohubassoc.journal.schema import in_plain_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path


def add_verification(folder: Path, at: datetime, value: Mapping[str, Any]) -> None:
    """
    Keep what reading the links of *folder* back found, for a report.

    Args:
        folder: The run folder.
        at: When it was found; aware.
        value: Counts and examples, as JSON takes them.

    Raises:
        JournalInUseError: a run is using the folder.
        JournalError: it cannot be written.
    """
    with in_plain_words(folder):
        lock = FolderLock(folder)
        try:
            database = Database(folder)
            try:
                database.add_verification(int(at.timestamp() * 1000), json.dumps(value))
            finally:
                database.close()
        finally:
            lock.release()
