"""A run in its folder: the lock, the database, and the one thread that writes it."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from aiohubassoc import __version__
from aiohubassoc.errors import JournalError, JournalMismatchError
from aiohubassoc.journal.known import Known
from aiohubassoc.journal.ledger import Group, Ledger, Unusable
from aiohubassoc.journal.lock import FolderLock
from aiohubassoc.journal.rows import is_bad, settled_values, writable
from aiohubassoc.journal.schema import plainly, told_plainly
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from aiohubassoc._io.clock import Clock
    from aiohubassoc.journal.places import Places
    from aiohubassoc.models import Outcome, Report
    from aiohubassoc.pair import Pair

_T = TypeVar("_T")
logger = logging.getLogger("aiohubassoc")

# So many written pairs are kept in memory, about 2 MB, until they are sorted in together.
_INDEX_EVERY: Final = 8192
_LINKED: Final = Status.LINKED  # to look it up on the enum costs as much as a call
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.define
class InputNotes:
    """
    What whoever reads the input tells the run folder, while the run goes on.

    Attributes:
        unusable: Rows without a pair; each is written with the next outcomes.
        is_cut_short: Whether the input ended before its end, because the run was to.
    """

    unusable: list[Unusable] = attrs.Factory(list)
    is_cut_short: bool = False


class Recording:
    """
    A run that keeps its outcomes in a run folder: a `Recorder`.

    Args:
        folder: The folder.
        header: What is kept about the job; of it ``"job"`` must be the same in every run.
        places: Where pairs stand.
        notes: What is told of the input.
        clock: Time.
        force: Whether the job may differ.
        retry_failed: Whether pairs that failed in an earlier run are to be sent again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        header: Mapping[str, object],
        places: Places,
        notes: InputNotes,
        clock: Clock,
        force: bool,
        retry_failed: bool,
    ) -> None:
        self._folder = folder
        self._header = header
        self._places = places
        self._notes = notes
        self._clock = clock
        self._force = force
        self._retry_failed = retry_failed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aiohubassoc-journal")
        self._lock: FolderLock | None = None
        self._ledger: Ledger | None = None
        self._known: Known | None = None
        self._session = 0

    async def open(self) -> None:
        """
        Be ready: lock the folder, or make it.

        Raises:
            JournalInUseError: another run is using it.
            JournalMismatchError: it belongs to another job.
            JournalError: it cannot be used.
        """
        try:
            await self._in_thread(self._open)
        except BaseException:
            await self._close()
            raise

    def begin(self, index: int, pair: Pair) -> Outcome | None:
        """
        Return the outcome of a pair that needs no call; None: send it.

        Raises:
            JournalStorageError: the folder can no longer be read.
        """
        assert self._known is not None  # noqa: S101 -- set by `open`
        try:  # not "with", which costs as much as the asking
            return self._known.begin(index, pair)
        except sqlite3.Error as error:
            raise plainly(self._folder, error) from error

    async def write(self, outcomes: Sequence[Outcome]) -> None:
        """
        Return when *outcomes* are on the disk, all of them.

        Raises:
            JournalStorageError: none of them is.
        """
        known = self._known
        assert known is not None  # noqa: S101 -- set by `open`
        rows: dict[int, int | None] = {}
        with told_plainly(self._folder):
            for outcome in outcomes:
                if outcome.status is not _LINKED and is_bad(outcome):
                    place = self._places.place(outcome.index, outcome.pair)
                    rows[outcome.index] = known.row_of_bad(place)
                elif known.again and outcome.index in known.again:
                    rows[outcome.index] = known.again.pop(outcome.index)
        unusable, index = self._take_unusable(), known.unindexed >= _INDEX_EVERY
        await self._in_thread(lambda: self._write(outcomes, rows, unusable, index=index))
        known.written(outcomes)
        if index:
            known.indexed()

    async def close(self, report: Report, *, complete: bool) -> None:
        """Note how the run ended, and let others have the folder."""
        stopped = None if report.stopped is None else str(report.stopped)
        complete = complete and not self._notes.is_cut_short
        try:
            await self._in_thread(lambda: self._end(complete=complete, stopped=stopped))
        except JournalError as error:
            # Every outcome that was told is written; only how the run ended is not.
            logger.warning("%s", error)
        finally:
            await self._close()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        with told_plainly(self._folder):
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _close(self) -> None:
        try:
            await self._in_thread(self._release)
        finally:
            self._thread.shutdown(wait=False)

    def _take_unusable(self) -> list[Unusable]:
        taken, self._notes.unusable = self._notes.unusable, []
        return taken

    def _now_ms(self) -> int:
        return (self._clock.utc_now() - _EPOCH) // timedelta(milliseconds=1)

    # --- in the thread -------------------------------------------------------------------------

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self._folder)
        self._ledger = ledger = Ledger(self._folder)
        if not self._force:
            _compare(self._folder, ledger.header().get("job"), self._header["job"])
        if (process_id := ledger.unended_process()) is not None:
            logger.info("%s: process %d ended without closing it", self._folder, process_id)
        self._session = ledger.begin_session(
            self._header, process_id=os.getpid(), version=__version__, at_ms=self._now_ms()
        )
        self._known = Known(
            self._folder, self._session, self._places, retry_failed=self._retry_failed
        )

    def _write(
        self,
        outcomes: Sequence[Outcome],
        rows: Mapping[int, int | None],
        unusable: list[Unusable],
        *,
        index: bool,
    ) -> None:
        ledger, places = self._ledger, self._places
        assert ledger is not None  # noqa: S101 -- set by `open`
        group = Group(self._now_ms(), self._session, unusable)
        usual = group.usual
        for outcome in outcomes:
            pair = outcome.pair
            source, line = places.place(outcome.index, pair)
            if outcome.status is _LINKED and outcome.attempts == 1 and outcome.index not in rows:
                types = ledger.types(pair.from_type, pair.to_type)
                usual += (types, pair.from_id, pair.to_id, source, line, places.tag(pair))
                continue
            status, *settled = settled_values(outcome)
            told = (group.at_ms, group.session, places.tag(pair))
            row = rows.get(outcome.index)
            if row is not None:
                group.changed.append((status, source, line, *settled, *told, row))
            else:  # of an item that failed its checks anything may be anything
                types = ledger.types(writable(pair.from_type), writable(pair.to_type))
                ends = (types, writable(pair.from_id), writable(pair.to_id))
                group.others.append((*ends, status, source, line, *settled, *told))
        ledger.write(group)
        if index:
            ledger.index()

    def _end(self, *, complete: bool, stopped: str | None) -> None:
        assert self._ledger is not None  # noqa: S101 -- set by `open`
        if self._notes.unusable:
            self._write([], {}, self._take_unusable(), index=False)
        self._ledger.index()
        self._ledger.end_session(
            self._session, at_ms=self._now_ms(), complete=complete, stopped=stopped
        )

    def _release(self) -> None:
        if self._known is not None:
            self._known.close()
        if self._ledger is not None:
            self._ledger.close()
        if self._lock is not None:
            self._lock.release()


def _compare(folder: Path, had: object, given: object) -> None:
    """Raise JournalMismatchError if the folder belongs to another job."""
    if not isinstance(had, dict) or not isinstance(given, dict):  # a new one
        return
    differences = {
        name: (had.get(name), given.get(name))
        for name in {**had, **given}
        if had.get(name) != given.get(name)
    }
    if differences:
        told = "; ".join(
            f"{name} was {before!r} and is {now!r}" for name, (before, now) in differences.items()
        )
        raise JournalMismatchError(
            f"the run folder {folder} belongs to another job: {told}. Take another folder, or go "
            "on all the same: --force, in a program Journal(..., force=True)",
            differences,
        )
