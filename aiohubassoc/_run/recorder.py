"""What keeps outcomes where a crash cannot reach them: all that a run knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.models import Outcome, Report
    from aiohubassoc.pair import Pair


class Recorder(Protocol):
    """Opened before the first pair, closed after the last; used by one run at a time."""

    async def open(self) -> None:
        """
        Be ready for the run.

        Raises:
            JournalError: it cannot be used.
        """
        ...

    def begin(self, index: int, pair: Pair) -> Outcome | None:
        """
        Return the outcome of a pair that needs no call; None: send it.

        One that is not ``skipped`` is written like any other, before it is reported.

        Raises:
            JournalError: it can no longer be read.
        """
        ...

    async def write(self, outcomes: Sequence[Outcome]) -> None:
        """
        Return when *outcomes* are written, all of them.

        Raises:
            JournalError: none of them is.
        """
        ...

    async def close(self, report: Report, *, complete: bool) -> None:
        """
        Be done with the run; nothing is raised.

        Args:
            report: What it came to.
            complete: Whether the input was read to its end, and every outcome written.
        """
        ...
