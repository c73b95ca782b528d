"""How far a run is: one line that changes on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rich.console import Console

    from aiohubassoc._http.clock import Clock
    from aiohubassoc.options import Quota

_TERMINAL_SECONDS: Final = 0.25
# A plain line comes after this, then after twice as long, and so on up to the longest.
_PLAIN_SECONDS: Final = 5.0
_PLAIN_SECONDS_LONGEST: Final = 60.0
# The rate shown is that of the last seconds.
_RATE_SECONDS: Final = 10.0


class Counted(Protocol):
    """Counts of a run."""

    @property
    def done(self) -> int:
        """How many rows are dealt with."""
        ...

    @property
    def settled(self) -> int:
        """How many pairs HubSpot answered for."""
        ...

    @property
    def trouble(self) -> str:
        """How many rows did not come through, in words."""
        ...


class Progress:
    """
    What the line says.

    Args:
        counts: Counts.
        quota: Gives the quota that is kept.
        in_flight: Gives the number of requests on the wire.
        clock: Time.
        is_batch: Whether a call is for many pairs, so that the quota is none of pairs.
    """

    def __init__(
        self,
        counts: Counted,
        *,
        quota: Callable[[], Quota],
        in_flight: Callable[[], int],
        clock: Clock,
        is_batch: bool = False,
    ) -> None:
        self._counts = counts
        self.rows: int | None = None
        """How many rows the input has, roughly; None if nobody knows."""
        self._quota = quota
        self._in_flight = in_flight
        self.clock = clock
        self._is_batch = is_batch
        self._history: deque[tuple[float, int, int]] = deque([(clock.now(), 0, 0)])

    def line(self) -> str:
        """Return the line as of now."""
        done = self._counts.done
        rate, done_rate = self._rates(self._counts.settled, done)
        calls = f"{self._quota().rate_per_second:.1f}"
        parts = [
            f"{done:,} of {self.rows:,}" if self.rows else f"{done:,}",
            f"{rate:,.1f}/s" + (f", up to {calls} calls/s" if self._is_batch else f" of {calls}/s"),
            self._counts.trouble,
            f"{self._in_flight()} in flight",
        ]
        if self.rows and done_rate > 0:
            parts.append(f"{duration(max(0, self.rows - done) / done_rate)} left")
        return ", ".join(parts)

    def _rates(self, settled: int, done: int) -> tuple[float, float]:
        """Return how many pairs a second were settled, and how many rows were dealt with."""
        now = self.clock.now()
        self._history.append((now, settled, done))
        while len(self._history) > 2 and self._history[1][0] < now - _RATE_SECONDS:  # noqa: PLR2004
            self._history.popleft()
        since, settled_before, done_before = self._history[0]
        if now <= since:
            return 0.0, 0.0
        return (settled - settled_before) / (now - since), (done - done_before) / (now - since)


def duration(seconds: float) -> str:
    """Return so many seconds as people say it."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {left:02} s" if minutes else f"{left} s"


@contextlib.asynccontextmanager
async def shown(
    progress: Progress, console: Console, count_rows: Callable[[], int | None] | None = None
) -> AsyncIterator[None]:
    """
    Show *progress* on *console* while the block runs.

    Args:
        progress: What to show.
        console: Where.
        count_rows: Counts the rows of the input, in a thread: a large file takes a while, and
            nothing is to wait for it. None: nobody can.
    """
    tasks = [
        asyncio.create_task(
            _on_terminal(progress, console)
            if console.is_terminal and not console.is_dumb_terminal
            else _plainly(progress, console)
        )
    ]
    if count_rows is not None:
        tasks.append(asyncio.create_task(_count(progress, count_rows)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)  # not "await task": whether we are cancelled is not its say


async def _count(progress: Progress, count_rows: Callable[[], int | None]) -> None:
    progress.rows = await asyncio.to_thread(count_rows)


async def _on_terminal(progress: Progress, console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(Text(progress.line(), style="cyan", no_wrap=True, overflow="ellipsis"))
            live.refresh()
            await progress.clock.sleep(_TERMINAL_SECONDS)


async def _plainly(progress: Progress, console: Console) -> None:
    pause = _PLAIN_SECONDS
    while True:
        await progress.clock.sleep(pause)
        console.print(progress.line(), soft_wrap=True)
        pause = min(2 * pause, _PLAIN_SECONDS_LONGEST)
