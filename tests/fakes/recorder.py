"""A recorder in memory, in virtual time, whose writes can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc import JournalStorageError, Outcome, Skip, Status
from aiohubassoc._http.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc import Pair, Report


class FakeRecorder:
    """
    Keeps outcomes.

    Args:
        known: Statuses of pairs that need no call, by their from-id.
        seconds: How long a write takes.
        breaks_at: The write that fails, from 1, and all later ones; None: none does.
        broken_by: What it raises.
    """

    def __init__(
        self,
        *,
        known: dict[str, Status] | None = None,
        seconds: float = 0.0,
        breaks_at: int | None = None,
        broken_by: Exception | None = None,
    ) -> None:
        self.written: dict[int, Outcome] = {}
        self.groups: list[int] = []
        self.begun: list[int] = []
        self.closed: list[tuple[Report, bool]] = []
        self.is_open = False
        self._known = known or {}
        self._seconds = seconds
        self._breaks_at = breaks_at
        self._broken_by = broken_by or JournalStorageError("the disk is full")

    async def open(self) -> None:
        """Be ready."""
        self.is_open = True

    def begin(self, index: int, pair: Pair) -> Outcome | None:
        """Return the outcome of a known pair."""
        self.begun.append(index)
        status = self._known.get(pair.from_id)
        if status is None:
            return None
        return Outcome(index, pair, status, skip=Skip("LINKED_BEFORE", "was linked before"))

    async def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write the outcomes, or fail."""
        await SystemClock().sleep(self._seconds)
        self.groups.append(len(outcomes))
        if self._breaks_at is not None and len(self.groups) >= self._breaks_at:
            raise self._broken_by
        for outcome in outcomes:
            assert outcome.index not in self.written, "written twice"
            self.written[outcome.index] = outcome

    async def close(self, report: Report, *, complete: bool) -> None:
        """Note how it ended."""
        assert self.is_open
        self.is_open = False
        self.closed.append((report, complete))


class FakeJournal:
    """
    A run folder in memory.

    Args:
        recorder: What keeps the outcomes.
    """

    def __init__(self, recorder: FakeRecorder) -> None:
        self._recorder = recorder

    def recording(self, job: object, clock: object, *, retry_failed: bool) -> FakeRecorder:
        """Return the recorder of a run."""
        return self._recorder
