"""The run folder of a run: read before a pair is sent, written before its outcome is reported."""

from __future__ import annotations

import contextlib
import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohubassoc.errors import OptionsError
from aiohubassoc.journal.collector import StatisticsObserver
from aiohubassoc.journal.database import Database
from aiohubassoc.journal.reader import Reader
from aiohubassoc.journal.row_codec import ByIndex, Places
from aiohubassoc.journal.schema import (
    DATABASE,
    NotBegunError,
    is_in_use,
    make_in_use_error,
    storage_errors,
)
from aiohubassoc.journal.writer import InputNotes, JournalWriter, compare_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from aiohubassoc._http.clock import Clock
    from aiohubassoc.journal.reader import JournalRow
    from aiohubassoc.models import Status


class Journal:
    """
    A run folder: every outcome is in it before it is reported, so that a run survives any crash.

    Give it to `AssociationClient.link_each` or `link_all`. When a run is begun again with the same
    folder and the same pairs, those that are linked come back as ``skipped`` without a call, those
    that failed are reported again (or sent, with ``retry_failed=True``), and all others are sent.
    A pair that repeats an earlier one is ``skipped``.

    One process, and one run, uses a folder at a time; `counts` and `rows` can be called by any,
    also meanwhile. The folder holds an SQLite database, ``journal.db``, whose view ``outcomes`` is
    made for reading.

    Args:
        folder: The folder; made if it is not there.
        force: Whether to continue though the folder belongs to another job: another portal or other
            types.

    Raises:
        OptionsError: *folder* is no path.
    """

    def __init__(self, folder: str | PathLike[str], *, force: bool = False) -> None:
        given: object = folder
        if not isinstance(given, str | PathLike) or not str(given):
            raise OptionsError(f"folder must be the path of a run folder, not {given!r}")
        self.folder: Final = Path(folder)
        """The folder."""
        self._force = force
        self._job: Mapping[str, object] = {}
        self.about: dict[str, Any] = {}
        self._places: Places = ByIndex()
        self.notes = InputNotes()
        self.observer = StatisticsObserver()
        """
        Collects how a run goes, for the report of a run: give it to the client that links, as
        ``AssociationClient(..., observer=journal.observer)``.
        """

    @classmethod
    def of_input(
        cls,
        folder: str | PathLike[str],
        *,
        job: Mapping[str, object],
        about: dict[str, Any],
        places: Places,
        force: bool,
    ) -> Journal:
        """Return a journal that knows its input."""
        # *job*: what must be the same in every run, unless *force*: names for people to plain
        # values. *about*: what is kept besides, as of the last run. *places*: where pairs stand.
        journal = cls(folder, force=force)
        journal._job, journal.about, journal._places = job, about, places
        return journal

    @property
    def is_there(self) -> bool:
        """Whether the folder has been begun."""
        return (self.folder / DATABASE).is_file()

    def check(self) -> None:
        """
        Find out what would keep a run from using the folder, where this is known before it begins.

        Raises:
            JournalInUseError: another run is using it.
            JournalMismatchError: it belongs to another job; a run also compares the portal.
            JournalError: it cannot be read.
        """
        if not self.is_there:
            return
        try:
            with Reader(self.folder) as reader:
                header = reader.header()
        except NotBegunError:
            return
        if is_in_use(self.folder):
            raise make_in_use_error(self.folder)
        had = header.get("job")
        if not self._force and isinstance(had, dict):
            # A client knows the portal, and compares it when the run begins.
            job = {"portal": had.get("portal"), **self._job}
            compare_jobs(self.folder, had, job, header.get("names"))

    def counts(self) -> dict[Status, int]:
        """
        Return how many pairs the folder has of each status; those not completed yet are in none.

        Raises:
            JournalError: it is not a run folder, or cannot be read.
        """
        with Reader(self.folder) as reader:
            return reader.counts()

    def rows(self, *statuses: Status) -> Iterator[JournalRow]:
        """
        Yield the pairs of these statuses, of every one if none is given, in the input's order.

        Raises:
            JournalError: it is not a run folder, or cannot be read.
        """
        with Reader(self.folder) as reader:
            yield from reader.rows(*statuses)

    def recording(
        self, job: Mapping[str, object], clock: Clock, *, retry_failed: bool
    ) -> JournalWriter:
        """Return what a run keeps its outcomes with; *job* must be the same in every run."""
        return JournalWriter(
            self.folder,
            header={"job": {**job, **self._job}, **self.about},
            places=self._places,
            notes=self.notes,
            observer=self.observer,
            clock=clock,
            force=self._force,
            retry_failed=retry_failed,
        )


def add_verification(folder: Path, at: datetime, value: Mapping[str, Any]) -> None:
    """Keep what reading the links of *folder* back found, or raise JournalError."""
    with storage_errors(folder), contextlib.closing(Database(folder)) as database:
        database.add_verification(int(at.timestamp() * 1000), json.dumps(value))
