"""A run in its folder: the database, and the one thread that writes it."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from aiohubassoc import __version__
from aiohubassoc._http.event_log import make_extra
from aiohubassoc.errors import (
    JournalError,
    JournalMismatchError,
    PreviousFailureError,
    RefusedAlikeError,
)
from aiohubassoc.journal.database import Database, DatabaseThread, Group, RejectedRecord
from aiohubassoc.journal.known_pairs import KnownPairs
from aiohubassoc.journal.row_codec import are_usual, to_values, writable
from aiohubassoc.journal.schema import read_errors, storage_errors
from aiohubassoc.models import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from aiohubassoc._http.clock import Clock
    from aiohubassoc.journal.collector import StatisticsObserver
    from aiohubassoc.journal.row_codec import Places
    from aiohubassoc.models import Outcome, Report
    from aiohubassoc.pair import Pair

_T = TypeVar("_T")
logger = logging.getLogger("aiohubassoc")

# The statistics are written with a group once this many seconds have passed. Those of
# the last seconds are lost when the process is killed.
_STATISTICS_EVERY: Final = 2.0
# This many written pairs are kept in memory, about 2 MB, until they are sorted in together.
_INDEX_EVERY: Final = 8192
_PAIR: Final = attrgetter("pair")
_INDEX: Final = attrgetter("index")
_TYPES: Final = attrgetter("from_type", "to_type")
_FROM_ID: Final = attrgetter("from_id")
_TO_ID: Final = attrgetter("to_id")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.define
class InputNotes:
    """What the run folder learns of the input while it is read."""

    # Rows without a pair; each is written with the next outcomes.
    rejected: list[RejectedRecord] = attrs.Factory(list)
    is_cut_short: bool = False  # whether the input ended before its end, because the run was to
    is_of_folder: bool = False  # whether the pairs are taken from the folder itself


class JournalWriter:
    """A run that keeps its outcomes in a run folder: a `Recorder`."""

    run_id: str | None = None  # what log lines know the run by; None: it is not known

    def __init__(
        self,
        folder: Path,
        *,
        header: Mapping[str, object],
        places: Places,
        notes: InputNotes,
        observer: StatisticsObserver,
        clock: Clock,
        force: bool,
        retry_failed: bool,
    ) -> None:
        self._folder = folder
        self._header = header
        self._places = places
        self._notes = notes
        self._observer = observer
        self._statistics_at = 0.0
        self._clock = clock
        self._force = force
        self._retry_failed = retry_failed
        self._thread = DatabaseThread("journal")
        self._files = ExitStack()
        self._database: Database  # set by `open`
        self._known: KnownPairs  # set by `open`
        self._session = 0

    async def open(self) -> None:
        """Lock the folder, or make it; raise JournalError: another job's, or not to be used."""
        try:
            with read_errors(self._folder):
                statistics = await self._in_thread(self._open)
            self._observer.begin(statistics, self._clock, self.run_id)
            self._statistics_at = self._clock.now()
        except BaseException:
            await self._close()
            raise

    @property
    def begin(self) -> Callable[[int, Pair], Outcome | None]:
        return self._known.begin

    async def write(self, outcomes: Sequence[Outcome]) -> None:
        """Return when all *outcomes* are on the disk; JournalStorageError: none of them is."""
        known, database = self._known, self._database
        group = self._group()
        if self._clock.now() - self._statistics_at >= _STATISTICS_EVERY:
            self._statistics_at = self._clock.now()
            group.statistics = self._take_statistics()
        with storage_errors(self._folder):
            self._add(outcomes, group)
        if known.unindexed >= _INDEX_EVERY:
            # Apart from the group, and before it: if the disk is full now, nothing of it is there.
            await self._in_thread(database.index)
            known.indexed()
        await self._in_thread(partial(database.write, group))
        known.written(outcomes)
        self._observer.count(outcomes)

    async def close(self, report: Report, *, complete: bool) -> None:
        """Note how the run ended, and let others have the folder."""
        cause = report.stopped
        stopped = None if cause is None else str(cause)
        alike = cause.error.label if isinstance(cause, RefusedAlikeError) else None
        complete = complete and not self._notes.is_cut_short
        group = self._group()
        group.statistics = self._take_statistics()

        def end() -> None:
            self._database.write(group)
            self._database.index()
            self._database.end_session(
                self._session,
                at_ms=self._now_ms(),
                complete=complete,
                stopped=stopped,
                refused_alike=alike,
            )

        try:
            await self._in_thread(end)
        except JournalError as error:
            # Every outcome that was reported is written; only how the run ended is not.
            logger.warning("%s", error, extra=make_extra(self.run_id, error=error))
        finally:
            await self._close()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        with storage_errors(self._folder):
            return await self._thread.run(work)

    async def _close(self) -> None:
        """Return when others can have the folder, however often this is cancelled meanwhile."""
        with storage_errors(self._folder):
            await self._thread.close(self._files.close)

    def _take_statistics(self) -> str | None:
        self._observer.duplicates = self._known.duplicates
        return self._observer.to_json()

    def _group(self) -> Group:
        """Return what is to be written next, so far without outcomes."""
        rejected, self._notes.rejected = self._notes.rejected, []
        return Group(self._now_ms(), self._session, rejected)

    def _add(self, outcomes: Sequence[Outcome], group: Group) -> None:
        places, types, known_rows = self._places, self._database.types, self._known.rows
        if not known_rows and are_usual(outcomes):  # nearly always: at the speed of C
            pairs = list(map(_PAIR, outcomes))
            values = zip(
                map(types.__getitem__, map(_TYPES, pairs)),
                map(_FROM_ID, pairs),
                map(_TO_ID, pairs),
                map(places.place, map(_INDEX, outcomes), pairs),
                repeat(group.at_ms),
                repeat(group.session),
                map(places.tag, pairs),
                strict=False,  # two of them have no end
            )
            group.usual = list(chain.from_iterable(values))
            return
        for outcome in outcomes:
            row, may_be_there = known_rows.pop(outcome.index, (None, False))
            # What one run left open stays open in the next, until HubSpot confirms the link.
            if may_be_there and outcome.status in {Status.FAILED, Status.UNPROCESSED}:
                outcome.maybe_applied = True
            if row is None and are_usual((outcome,)):
                pair = outcome.pair
                place, tag = places.place(outcome.index, pair), places.tag(pair)
                ends = (types[_TYPES(pair)], pair.from_id, pair.to_id)
                group.usual += (*ends, place, group.at_ms, group.session, tag)
            else:
                self._add_other(outcome, row, group)

    def _add_other(self, outcome: Outcome, row: int | None, group: Group) -> None:
        pair = outcome.pair
        place = self._places.place(outcome.index, pair)
        if row is not None and isinstance(outcome.error, PreviousFailureError):
            group.repeated.append((group.session, place, row))
            return
        status, *result = to_values(outcome)
        tag = self._places.tag(pair)
        values = (status, place, *result, group.at_ms, group.session, tag)
        if row is not None:
            group.changed.append((*values, row))
        else:  # of an item that failed its checks anything may be anything
            types = self._database.types[writable(pair.from_type), writable(pair.to_type)]
            ends = (types, writable(pair.from_id), writable(pair.to_id))
            group.others.append((*ends, *values))

    def _now_ms(self) -> int:
        return (self._clock.utc_now() - _EPOCH) // timedelta(milliseconds=1)

    # --- in the thread -------------------------------------------------------------------------

    def _open(self) -> str | None:
        # Ids and HubSpot's messages are private.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = database = self._files.enter_context(closing(Database(self._folder)))
        kept = database.header()
        had = kept.get("job")
        if not self._force:
            compare_jobs(self._folder, had, self._header["job"], kept.get("names"))
        if (process_id := database.unended_process()) is not None:
            extra = make_extra(self.run_id)
            text = "%s: process %d ended without closing it"
            logger.info(text, self._folder, process_id, extra=extra)
        self._session = database.begin_session(
            self._header,
            process_id=os.getpid(),
            version=__version__,
            at_ms=self._now_ms(),
            is_of_folder=self._notes.is_of_folder,
            # A pipe that was mended is known by no more than its first row.
            is_of_other_input=had != self._header["job"] or not self._places.are_stable,
        )
        known = KnownPairs(
            self._folder, self._session, self._places, retry_failed=self._retry_failed
        )
        self._known = self._files.enter_context(closing(known))
        return database.statistics()


def compare_jobs(folder: Path, had: object, given: object, names: object) -> None:
    """Raise JournalMismatchError if the folder belongs to another job; *names*: of its inputs."""
    if not isinstance(had, dict) or not isinstance(given, dict):  # a new one
        return
    differences = {
        name: (had.get(name), given.get(name))
        for name in {**had, **given}
        if had.get(name) != given.get(name)
    }
    if differences:
        changed = "; ".join(_describe_change(name, *both) for name, both in differences.items())
        of = f" of {', '.join(map(str, names))}" if isinstance(names, list) else ""
        is_input = all(name.startswith("input ") for name in differences)
        force = "; for the same input with changed rows: --force" if is_input else ""
        raise JournalMismatchError(
            f"the run folder {folder} holds another run{of}: {changed}. For another input or "
            f"another portal use a new folder, such as --run runs/NAME{force}",
            differences,
        )


def _describe_change(name: str, before: object, now: object) -> str:
    if name.startswith("input ") and before is not None and now is not None:
        return f"{name} is another file, or has changed"
    if name.startswith("input "):
        return f"{name} was {'not given' if before is None else 'given'} then"
    return f"{name} was {before!r} and is {now!r}"
