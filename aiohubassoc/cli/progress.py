"""How far a run is: one line that changes on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from rich.live import Live

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rich.console import Console

    from aiohubassoc._io.clock import Clock
    from aiohubassoc._io.limiter import Limiter
    from aiohubassoc._run.stream import OutcomeStream, VerificationStream
    from aiohubassoc.cli.report import CommandReport

_TERMINAL_SECONDS: Final = 0.25
# A plain line comes after this, then after twice as long, and so on up to the longest.
_PLAIN_SECONDS: Final = 5.0
_PLAIN_SECONDS_LONGEST: Final = 60.0
# The rate shown is that of the last seconds.
_RATE_SECONDS: Final = 10.0


class Progress:
    """
    What the line says.

    Args:
        report: Counts.
        limiter: Has the quota that is kept.
        stream: The client's run.
        clock: Time.
        is_batch: Whether a call is for many pairs, so that the quota is none of pairs.

    Attributes:
        rows: How many rows the input has, roughly; None if nobody knows.
    """

    def __init__(
        self,
        report: CommandReport,
        *,
        limiter: Limiter,
        stream: OutcomeStream | VerificationStream,
        clock: Clock,
        is_batch: bool = False,
    ) -> None:
        self.rows: int | None = None
        self._report = report
        self._limiter = limiter
        self._stream = stream
        self.clock = clock
        self._is_batch = is_batch
        self._history: deque[tuple[float, int, int]] = deque([(clock.now(), 0, 0)])

    def line(self) -> str:
        """Return the line as of now."""
        done = self._report.done
        rate, done_rate = self._rates(self._report.settled, done)
        calls = f"{self._limiter.quota.rate_per_second:.1f}"
        parts = [
            f"{done:,} of {self.rows:,}" if self.rows else f"{done:,}",
            f"{rate:,.1f}/s" + (f", up to {calls} calls/s" if self._is_batch else f" of {calls}/s"),
            self._report.trouble,
            f"{self._stream.in_flight} in flight",
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
            line = console.render_str(progress.line(), style="cyan", overflow="ellipsis")
            line.no_wrap = True
            live.update(line)
            live.refresh()
            await progress.clock.sleep(_TERMINAL_SECONDS)


async def _plainly(progress: Progress, console: Console) -> None:
    pause = _PLAIN_SECONDS
    while True:
        await progress.clock.sleep(pause)
        console.print(progress.line())
        pause = min(2 * pause, _PLAIN_SECONDS_LONGEST)
