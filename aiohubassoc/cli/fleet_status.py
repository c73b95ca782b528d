"""The runs of a fleet as a table, once or again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from aiohubassoc._http.clock import SystemClock
from aiohubassoc.cli.terminal import stdout
from aiohubassoc.fleet import RunState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rich.console import Console

    from aiohubassoc.fleet import FleetRun

_EVERY: Final = 1.0
_ENDED: Final = frozenset({RunState.DONE, RunState.FAILED, RunState.CANCELLED})
_NUMBERS: Final = ("linked", "partial", "failed", "unprocessed", "skipped")


def print_runs(runs: Sequence[FleetRun], console: Console) -> None:
    """Print runs: a table on a terminal, else one line each."""
    if console.is_terminal:
        console.print(_table(runs))
        return
    for run in runs:
        numbers = ", ".join(f"{getattr(run, name):,} {name}" for name in _NUMBERS)
        why = f": {run.reason}" if run.reason else ""
        console.print(f"run {run.run} of {run.portal} {run.state}, {numbers}{why}", markup=False)


async def show_live(read: Callable[[], Awaitable[Sequence[FleetRun]]]) -> None:
    """Show what *read* returns each second, until every run has ended."""
    runs = await read()
    with Live(_table(runs), console=stdout(), auto_refresh=False) as live:
        while not all(run.state in _ENDED for run in runs):
            await SystemClock().sleep(_EVERY)
            runs = await read()
            live.update(_table(runs), refresh=True)


def _table(runs: Sequence[FleetRun]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("run", "portal", "state", *_NUMBERS, "why"):
        table.add_column(name, justify="right" if name in ("run", *_NUMBERS) else "left")
    for run in runs:
        numbers = (f"{getattr(run, name):,}" for name in _NUMBERS)
        due = "" if run.due_at is None else f"until {run.due_at.astimezone():%Y-%m-%d %H:%M %Z}. "
        row = (str(run.run), escape(run.portal), run.state, *numbers)
        table.add_row(*row, escape(due + (run.reason or "")))
    return table
