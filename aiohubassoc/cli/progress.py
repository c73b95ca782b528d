"""How far a run is: one line that changes on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs
from rich.live import Live

from aiohubassoc._http.clock import Clock
from aiohubassoc._http.limiter_interface import Limiter
from aiohubassoc._run.stream import OutcomeStream, VerificationStream
from aiohubassoc.cli import terminal
from aiohubassoc.cli.report import CommandReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console


_TERMINAL_SECONDS: Final = 0.25
# A plain line comes after this, then after twice as long, and so on up to the longest.
_PLAIN_SECONDS: Final = 5.0
_PLAIN_SECONDS_LONGEST: Final = 60.0
_SAMPLE_SECONDS: Final = 1.0
# Rates are those of the last seconds: at least these, and at least a window of the quota.
_RATE_SECONDS: Final = 10.0


@attrs.frozen
class _Sample:
    """Counts at an instant: pairs that HubSpot responded for, rows done, responses."""

    at: float
    completed: int = 0
    done: int = 0
    responses: int = 0


@attrs.define(eq=False)
class Progress:
    report: CommandReport
    _limiter: Limiter
    _stream: OutcomeStream | VerificationStream
    clock: Clock
    _is_batch: bool = False  # whether a call is for many pairs, so that no quota counts pairs
    _samples: deque[_Sample] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._samples = deque([_Sample(self.clock.now())])

    def line(self, width: int | None = None) -> str:
        """Return the line as of now: what matters most first, and only what fits into *width*."""
        self.sample()
        line, *parts = self._parts()
        for part in parts:
            if width is not None and len(line) + len(part) + 2 > width:
                break
            line += f", {part}"
        return line

    def sample(self) -> None:
        """Note the counts as of now: rates come from them."""
        report = self.report
        sample = _Sample(self.clock.now(), report.completed, report.done, report.pairs.responses)
        samples, since = self._samples, sample.at - self._span
        samples.append(sample)
        while samples[1].at <= since:
            samples.popleft()

    @property
    def _span(self) -> float:
        return max(_RATE_SECONDS, self._limiter.quota.window)

    def _parts(self) -> Iterator[str]:
        rows, done, quota = self.report.goal, self.report.done, self._limiter.quota
        yield f"{done:,} of {rows:,}" if rows else f"{done:,}"
        first, last = self._samples[0], self._samples[-1]
        seconds = max(last.at - first.at, _TERMINAL_SECONDS)
        # Calls come in bursts, one a window: a burst is no pace.
        completed_rate = (last.completed - first.completed) / max(seconds, self._span)
        other_rate = (last.done - first.done - (last.completed - first.completed)) / seconds
        wait = self._wait()
        if rows and completed_rate + other_rate > 0:
            left = max(0, rows - done) / (completed_rate + other_rate)
            yield f"{duration(left if wait is None or done >= rows else max(left, wait))} left"
        if wait is not None:
            yield f"waiting for the rate limit, next calls in {duration(wait)}"
        yield self.report.describe_failures
        calls = quota.rate_per_second
        if self._is_batch:
            yield f"{completed_rate:,.1f} pairs/s, up to {calls:.1f} calls/s"
        else:
            yield f"{min(completed_rate, calls):,.1f} of {calls:,.1f} pairs/s"
        if throttled := self.report.pairs.throttled:
            yield f"{throttled:,} throttled"
        yield f"{self._stream.in_flight} in flight"

    def _wait(self) -> float | None:
        """Return about how many seconds no call may go, as the window is full; None if one may."""
        quota, last = self._limiter.quota, self._samples[-1]
        if self._stream.in_flight or last.responses < quota.limit:
            return None
        # The next call may go when the first of the last ones leaves the window.
        first = next(one for one in self._samples if one.responses > last.responses - quota.limit)
        wait = first.at + quota.window - last.at
        return wait if wait > 0 else None


def duration(seconds: float) -> str:
    """Return a number of seconds as text, such as ``2 min 05 s``."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {left:02} s" if minutes else f"{left} s"


async def show(
    progress: Progress, console: Console, count_rows: Callable[[], int | None] | None = None
) -> None:
    """Show *progress* on *console* until it is cancelled; *count_rows* counts the rows."""
    is_live = console.is_terminal and not console.is_dumb_terminal
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task((_show_live if is_live else _show_plainly)(progress, console))
        if count_rows is not None:
            # In a thread: a large file takes a while.
            progress.report.input_rows = await asyncio.to_thread(count_rows)


async def _show_live(progress: Progress, console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            line = console.render_str(progress.line(console.width), style="cyan")
            line.no_wrap, line.overflow = True, "ellipsis"
            live.update(line, refresh=True)
            await progress.clock.sleep(_TERMINAL_SECONDS)


async def _show_plainly(progress: Progress, console: Console) -> None:
    pause, next_at = _PLAIN_SECONDS, progress.clock.now() + _PLAIN_SECONDS
    while True:
        await progress.clock.sleep(_SAMPLE_SECONDS)
        progress.sample()
        if progress.clock.now() >= next_at:
            line = progress.line()
            if terminal.emit_line is None:  # else the line has its time
                now = progress.clock.utc_now().astimezone()
                line = f"{now.isoformat(timespec='seconds')} {line}"
            console.print(line, markup=False)
            pause = min(2 * pause, _PLAIN_SECONDS_LONGEST)
            next_at += pause
