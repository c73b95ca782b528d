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
        cause, path = error.__cause__, Path(self.url.removeprefix(SQLITE))
        if isinstance(cause, OSError | sqlite3.OperationalError):
            return SharedQuotaError(str(plainly(path.parent, cause)))
        return SharedQuotaError(
            f"{path}, which knows what the last run sent, cannot be used, so nothing may be sent: "
            f"{error}. If it is damaged and no run uses the folder: rm {path}*, and go on after a "
            "window of the quota, ten seconds"
        )


def make_folder_quota(folder: str | os.PathLike[str]) -> SharedQuota:
    """Return what the runs of a run folder share."""
    return _FolderQuota(f"{SQLITE}{Path(folder) / FOLDER_FILE}")
