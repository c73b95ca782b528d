"""What a run came to, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc.cli.tally import Tally

_SHOWN_LINES: Final = 20


def print_summary(tally: Tally, console: Console) -> None:
    """Print counts by status, categories with an example each, unusable lines, and the stop."""
    seconds = max(tally.seconds, 1e-9)
    settled = tally.linked + tally.partial + tally.failed
    console.print(
        f"[bold]{tally.total:,} pairs[/] in {tally.seconds:,.1f} s "
        f"({settled / seconds:,.1f} settled a second)"
    )
    for status in ("linked", "partial", "failed", "unprocessed", "skipped", "invalid"):
        if count := getattr(tally, status):
            what = "rows that could not be used" if status == "invalid" else status
            console.print(f"  {count:>9,}  {what}")
    if tally.error_answers:
        share = tally.error_answers / tally.answers
        console.print(
            f"{tally.error_answers:,} of {tally.answers:,} answers were errors ({share:.1%}), "
            f"{tally.throttled:,} of them 429"
        )
    _print_categories(tally, console)
    if tally.invalid_lines:
        print_lines(tally.invalid_lines, tally.invalid, console)
    if tally.stopped is not None:
        console.print(f"[bold yellow]Stopped early:[/] {escape(str(tally.stopped))}")
    if not tally.input_complete:
        console.print("[yellow]The input was not read to its end.[/]")


def _print_categories(tally: Tally, console: Console) -> None:
    if not tally.categories:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("count", "status", "category", "for example"):
        table.add_column(column, overflow="fold", justify="right" if column == "count" else "left")
    for category in tally.categories.values():
        example = f"{category.example_place}, {category.example_pair}: {category.message}"
        table.add_row(f"{category.count:,}", category.status, category.name or "-", escape(example))
    console.print(table)


def print_lines(lines: list[tuple[int, str, str]], count: int, console: Console) -> None:
    """Print unusable lines with their problems, the first of them."""
    for _, place, problem in lines[:_SHOWN_LINES]:
        console.print(f"  {place}: {escape(problem)}", soft_wrap=True)
    if count > _SHOWN_LINES:
        console.print(f"  ... and {count - min(len(lines), _SHOWN_LINES):,} more")
