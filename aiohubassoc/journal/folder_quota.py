"""The quota that the runs of a run folder share, so that one knows what the last one sent."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from aiohubassoc.errors import SharedQuotaError
from aiohubassoc.journal.schema import plainly
from aiohubassoc.shared_quota.quota import FOLDER_FILE, SQLITE, SharedQuota

if TYPE_CHECKING:
    import os

    from aiohubassoc.shared_quota.store import Store


class _FolderQuota(SharedQuota):
    """That of one run folder, which is made if it is not there."""

    def make_store(self) -> Store:
        """Return the store, which is not open yet."""
        from aiohubassoc.shared_quota.sqlite_store import SqliteStore  # noqa: PLC0415 -- when used

        return SqliteStore(self.url.removeprefix(SQLITE), makes_folder=True)

    def explain(self, error: BaseException) -> SharedQuotaError:
        """Return the error that users see: it is about the folder, which they know."""
        cause = error.__cause__
        if isinstance(cause, OSError | sqlite3.Error):
            folder = Path(self.url.removeprefix(SQLITE)).parent
            return SharedQuotaError(str(plainly(folder, cause)))
        return super().explain(error)


def make_folder_quota(folder: str | os.PathLike[str]) -> SharedQuota:
    """Return what the runs of a run folder share."""
    return _FolderQuota(f"{SQLITE}{Path(folder) / FOLDER_FILE}")
