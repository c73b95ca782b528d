"""How far a run is: one line that changes on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rich.console import Console

    from aiohubassoc._io.clock import Clock
    from aiohubassoc.cli.tally import Tally
    from aiohubassoc.options import Quota

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
        tally: Counts.
        rows: How many rows the input has, roughly; None if nobody can know.
        quota: Gives the quota that is kept.
        in_flight: Gives the number of requests on the wire.
        clock: Time.
    """

    def __init__(
        self,
        tally: Tally,
        *,
        rows: int | None,
        quota: Callable[[], Quota],
        in_flight: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._tally = tally
        self._rows = rows
        self._quota = quota
        self._in_flight = in_flight
        self.clock = clock
        self._history: deque[tuple[float, int]] = deque([(clock.now(), 0)])

    def line(self) -> str:
        """Return the line as of now."""
        tally = self._tally
        settled = tally.linked + tally.partial + tally.failed
        rate = self._rate(settled)
        done = tally.total + tally.invalid
        parts = [
            f"{done:,} of {self._rows:,}" if self._rows else f"{done:,}",
            f"{rate:.1f}/s of {self._quota().rate_per_second:.1f}/s",
            f"{tally.failed + tally.partial + tally.invalid:,} failed",
            f"{self._in_flight()} in flight",
        ]
        if self._rows and rate > 0:
            parts.append(f"{_duration(max(0, self._rows - done) / rate)} left")
        return ", ".join(parts)

    def _rate(self, settled: int) -> float:
        now = self.clock.now()
        self._history.append((now, settled))
        while len(self._history) > 2 and self._history[1][0] < now - _RATE_SECONDS:  # noqa: PLR2004
            self._history.popleft()
        since, before = self._history[0]
        return (settled - before) / (now - since) if now > since else 0.0


def _duration(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {left:02} s" if minutes else f"{left} s"


@contextlib.asynccontextmanager
async def shown(progress: Progress, console: Console) -> AsyncIterator[None]:
    """Show *progress* on *console* while the block runs."""
    task = asyncio.create_task(
        _on_terminal(progress, console)
        if console.is_terminal and not console.is_dumb_terminal
        else _plainly(progress, console)
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])  # not "await task": whether we are cancelled is not its say


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
