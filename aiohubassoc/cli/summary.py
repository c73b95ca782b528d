"""What a run came to, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc.cli.findings import Example, Findings
    from aiohubassoc.cli.report import RowCounts
    from aiohubassoc.cli.tally import Tally

_SHOWN_LINES: Final = 20
_SHOWN_EXAMPLES: Final = 5


def print_summary(tally: Tally, console: Console) -> None:
    """Print counts by status, categories with an example each, unusable lines, and the stop."""
    seconds = max(tally.seconds, 1e-9)
    console.print(
        f"[bold]{tally.total:,} pairs[/] in {tally.seconds:,.1f} s "
        f"({tally.settled / seconds:,.1f} settled a second)"
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
    _print_end(tally, console)


def print_findings(findings: Findings, name: str, console: Console) -> None:
    """Print what reading back the pairs of *name* found: counts, examples, and the stop."""
    console.print(
        f"[bold]{findings.total:,} pairs[/] of {escape(name)} read back in "
        f"{findings.seconds:,.1f} s, by {calls_told(findings.answers)}",
        soft_wrap=True,
    )
    for count, what in (
        (findings.linked, "linked"),
        (findings.missing, "missing: HubSpot does not have the link"),
        (findings.unknown, "unknown: HubSpot was not asked, or did not say"),
        (findings.duplicates, "repeat an earlier one"),
        (findings.invalid, "rows that could not be used"),
    ):
        if count:
            console.print(f"  {count:>9,}  {what}")
    _print_examples(findings.first_missing, findings.missing, console)
    _print_examples(findings.first_unknown, findings.unknown, console)
    _print_end(findings, console)


def _print_examples(examples: list[Example], count: int, console: Console) -> None:
    lines = [
        (one.line, one.place, f"{one.told.status}, {one.pair}: {one.told.message}")
        for one in examples
    ]
    if lines:
        print_lines(lines, count, console, shown=_SHOWN_EXAMPLES)


def _print_end(counts: RowCounts, console: Console) -> None:
    if counts.invalid_lines:
        print_lines(counts.invalid_lines, counts.invalid, console)
    if counts.stopped is not None:
        console.print(f"[bold yellow]Stopped early:[/] {escape(str(counts.stopped))}")
    if not counts.input_complete:
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


def calls_told(count: int) -> str:
    """Return so many calls as people say it."""
    return f"{count:,} call" if count == 1 else f"{count:,} calls"


def print_lines(
    lines: list[tuple[int, str, str]], count: int, console: Console, *, shown: int = _SHOWN_LINES
) -> None:
    """Print lines of the input and what is told of them, the first *shown* of *count*."""
    for _, place, told in lines[:shown]:
        console.print(f"  {place}: {escape(told)}", soft_wrap=True)
    if count > shown:
        console.print(f"  ... and {count - min(len(lines), shown):,} more")
