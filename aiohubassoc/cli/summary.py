"""The summary at the end of a run, and the parts of it that other commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape

from aiohubassoc.cli import terminal
from aiohubassoc.cli.signals import describe
from aiohubassoc.cli.terminal import SIMULATED, print_lines
from aiohubassoc.errors import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from aiohubassoc.cli.report import CommandReport, Example, LinkReport, VerifyReport

_SHOWN_LINES: Final = 20
_TABLE_WIDTH: Final = 60  # columns; a narrower terminal gets lines
_SHOWN_EXAMPLES: Final = 5
# Calls come in bursts, one a window, and a run may end just after one.
_PACE_SECONDS: Final = 10.0
_BURST: Final = 1.05
_COUNTED: Final = (
    *("linked", "partial", "failed", "unprocessed", "skipped"),
    *("missing", "unknown", "invalid"),
)


def print_link_report(report: LinkReport, console: Console) -> None:
    """Print counts by status, categories with an example each, rejected rows, and the stop."""
    pairs = report.pairs
    what = plural(report.total, "pair")
    if report.rows_left:
        what = f"{report.rows_read:,} of about {plural(report.input_rows or 0, 'row')}"
    console.print(f"[bold]{what}[/] in {report.seconds:,.1f} s{_describe_pace(report)}")
    print_portal(report.portal, console)
    for name, count in report.counts().items():
        print_status(count, name, console)
    if pairs.error_responses:
        verb = "was an error" if pairs.error_responses == 1 else "were errors"
        console.print(
            f"{pairs.error_responses:,} of {plural(pairs.responses, 'response')} {verb} "
            f"({pairs.error_share:.1%}), {pairs.throttled:,} of them 429"
        )
    categories = []
    for one in report.categories.values():
        example, message = one.example, one.example.result.message
        if message != str(report.stopped):  # that is printed below
            text = f"{example.place}, {example.pair}: {message}"
            categories.append((one.count, one.status, one.name, text))
    print_categories(categories, console)
    _print_end(report, console)


def _describe_pace(report: LinkReport) -> str:
    """Return how fast pairs were linked; "" for a burst, which would look like a broken quota."""
    if report.seconds < _PACE_SECONDS or not (report.completed and report.pairs.responses):
        return ""
    rate = report.completed / report.seconds
    if report.quota_rate is not None:
        if rate > _BURST * report.quota_rate:
            return ""
        rate = min(rate, report.quota_rate)
    return f" ({rate:,.1f} pairs/s)"


def print_verify_report(report: VerifyReport, name: str, console: Console) -> None:
    """Print what reading back the pairs of *name* found: counts, examples, and the stop."""
    pairs = report.pairs
    console.print(
        f"[bold]{plural(pairs.total, 'pair')}[/] of {escape(name)} read back in "
        f"{report.seconds:,.1f} s, by {plural(pairs.responses, 'call')}"
    )
    print_portal(report.portal, console)
    print_count(pairs.linked, "linked", console)
    print_count(pairs.missing, "missing: HubSpot does not have the link", console)
    print_count(pairs.unknown, "unknown: the link could not be read (reason below)", console)
    repeat = "repeats" if report.duplicates == 1 else "repeat"
    print_count(report.duplicates, f"{repeat} an earlier one", console)
    print_status(report.invalid, "invalid", console)
    _print_examples(report.first_missing, pairs.missing, str(report.stopped), console)
    _print_examples(report.first_unknown, pairs.unknown, str(report.stopped), console)
    _print_end(report, console)


def log_end(
    what: str, report: CommandReport, result: Mapping[str, Any], steps: Sequence[str]
) -> None:
    """Log the end of a run, *what* took how long, as one line, where there is a log of JSON."""
    if terminal.emit_end is None:
        return
    counts = [f"{result[one]:,} {_name(one, result[one])}" for one in _COUNTED if result.get(one)]
    # `run` is the id of the run in each line of a log.
    line = {"run_folder" if key == "run" else key: _shorten(value) for key, value in result.items()}
    level = "INFO" if result["exit_code"] == 0 else "WARNING"
    text = f"{what}: {', '.join(counts) or 'none'}"
    if (end := _describe_early_end(report)) is not None:
        text += f". {end[0]}{end[1]}"
    terminal.emit_end(level, text, {**line, "next": list(steps)})


def _shorten(value: object) -> object:
    """Return a value with no more of each list than a summary shows."""
    if isinstance(value, list):
        return [_shorten(one) for one in value[:_SHOWN_EXAMPLES]]
    if isinstance(value, dict):
        return {key: _shorten(one) for key, one in value.items()}
    return value


def print_portal(portal: str, console: Console, *, more: str = "") -> None:
    """Print where pairs go, and *more* of it; nothing if that is not known."""
    if portal:
        console.print(portal if portal == SIMULATED else f"Portal: {portal}{more}", markup=False)


def print_count(count: int, what: str, console: Console) -> None:
    """Print a line of a list of counts; no line for 0."""
    if count:
        console.print(f"  {count:>9,}  {what}", markup=False)


def print_status(count: int, status: str, console: Console) -> None:
    """Print how many pairs have a status, or how many rows are ``invalid``."""
    print_count(count, _name(status, count), console)


def _name(status: str, count: int) -> str:
    if status != "invalid":
        return status
    return "rejected row" if count == 1 else "rejected rows"


def print_categories(rows: Iterable[tuple[int, str, str, str]], console: Console) -> None:
    """Print what is not linked as a table; but on a narrow or no terminal as a line each."""
    is_wide = console.is_terminal and not console.is_dumb_terminal and console.width >= _TABLE_WIDTH
    if not is_wide:
        for count, status, name, example in rows:
            what = f"{status}, {name}" if name else status
            console.print(f"  {count:>9,}  {what}: {example}", markup=False)
        return
    from rich.table import Table  # noqa: PLC0415 -- only if there is one

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for column in ("count", "status", "category", "for example"):
        table.add_column(column, overflow="fold", justify="right" if column == "count" else "left")
    for count, status, name, example in rows:
        table.add_row(f"{count:,}", status, escape(name) or "-", escape(example))
    if table.row_count:
        console.print(table, soft_wrap=False)


def print_invalid(report: CommandReport, console: Console) -> None:
    lines = [f"{one['place']}: {one['problem']}" for one in report.invalid_lines]
    _print_first(lines[:_SHOWN_LINES], report.invalid, console)


def _print_first(lines: list[str], count: int, console: Console) -> None:
    print_lines((f"  {line}" for line in lines), console)
    if lines and count > len(lines):
        console.print(f"  ... and {count - len(lines):,} more")


def _print_examples(examples: list[Example], count: int, stopped: str, console: Console) -> None:
    lines = [
        f"{one.place}: {one.result.status}, {one.pair}: {one.result.message}"
        for one in examples[:_SHOWN_EXAMPLES]
        if one.result.message != stopped  # that is printed below
    ]
    _print_first(lines, count, console)


def _print_end(report: CommandReport, console: Console) -> None:
    if report.input_counts is not None:
        print_lines(report.input_counts.sentences(), console)
    print_invalid(report, console)
    if (early := _describe_early_end(report)) is not None:
        console.print(f"[bold yellow]{early[0]}[/]{escape(early[1])}")
    if not report.input_complete:
        verb = "is" if report.rows_left == 1 else "are"
        rows = plural(report.rows_left, "row")
        left = f" About {rows} {verb} left." if report.rows_left else ""
        end = "The input was not read to its end."
        if report.is_limited:
            end = f"The limit of {plural(report.limit or 0, 'pair')} is reached (--limit)."
        console.print(f"[yellow]{end}[/]{left}")


def _describe_early_end(report: CommandReport) -> tuple[str, str] | None:
    """Return that a run ended early, and why; None: it did not."""
    if report.signal is not None:
        return f"{describe(report.signal)}.", ""
    return None if report.stopped is None else ("Stopped early:", f" {report.stopped}")
