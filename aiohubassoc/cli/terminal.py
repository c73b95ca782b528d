"""
Standard output and standard error: all that the command prints goes through here.

Either may be closed, broken off or lack a letter. Text from outside (HubSpot's, a file's, a name)
may hold what a terminal obeys: it is shown escaped.
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TextIO

from rich.console import Console, ConsoleDimensions
from rich.markup import escape

from aiohubassoc.errors import JournalInUseError, JournalStorageError, SharedQuotaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.text import Text

    from aiohubassoc.cli.report import CommandReport, Example, LinkReport, VerifyReport

# C0, DEL and C1 begin or are commands of terminals (ECMA-48); a line end would forge a line.
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
# What changes the order or the lines of what is shown (Unicode, UAX 9; line and paragraph ends).
_FORMATS: Final = {
    code: f"\\u{code:04x}"
    for code in (
        *(0x061C, 0x200E, 0x200F),
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
    )
}
_ESCAPES: Final = {**_CONTROLS, **_FORMATS, **{ord(one): repr(one)[1:-1] for one in "\n\r\t"}}
SIMULATED: Final = "Simulated portal: nothing was sent to HubSpot"
# Columns of a terminal, where it reports none, or more than anybody has.
_LEAST_WIDTH: Final = 20
_MOST_WIDTH: Final = 1_000
_TABLE_WIDTH: Final = 60
_SHOWN_LINES: Final = 20
_SHOWN_EXAMPLES: Final = 5
# How messages name the values that an option takes: "... 'this' ... one of a, b, c".
_CHOICES: Final = re.compile(r"'([^']+)' .*\b(?:one|none) of (?:[a-z ]+: )?([\w-]+(?:, [\w-]+)+)$")


emit_line: Callable[[str, str], None] | None = None
"""Takes the level and the text of a line for standard error; None: it is printed as text."""
prints_logs = False
"""Whether log lines are printed on standard error."""
run_id: str | None = None
"""The run that lines are about; None: there is none yet."""
_lost_output: str | None = None


class StorageError(Exception):
    """A file of ours cannot be written: its name, and why."""


class LastingConsole(Console):
    """A console that no reader, disk or width brings to an end."""

    @property
    def size(self) -> ConsoleDimensions:
        """Return how large the terminal is; where it says 0 or 2 columns, rich prints nothing."""
        width, height = super().size
        return ConsoleDimensions(min(max(width, _LEAST_WIDTH), _MOST_WIDTH), height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self.width, self.height = new_size

    def on_broken_pipe(self) -> None:
        """Print nothing more: a reader that is gone does not end the run."""
        self.quiet = True
        _discard(self.file.fileno())

    def _check_buffer(self) -> None:
        # What rich calls to write. A full disk does not end the run either, but is no success.
        try:
            super()._check_buffer()
        except OSError as error:
            self.on_broken_pipe()
            if not self.stderr:
                lose_output(error)


class EscapingConsole(LastingConsole):
    """
    A console for text from outside; nothing is folded but tables, and no name becomes an emoji.

    Args:
        **options: Of the base class.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- of the base class
        super().__init__(highlight=False, emoji=False, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 -- of the base class
        """Return *text* as it is shown: everything printed comes through here."""
        return super().render_str(text.translate(_ESCAPES), **options)


class _EscapingOutput(io.TextIOBase):
    """Standard output for lines that hold text from outside, where it is a terminal."""

    def write(self, text: str) -> int:
        """Write a whole line."""
        return sys.stdout.write(text.removesuffix("\n").translate(_ESCAPES) + "\n")

    def flush(self) -> None:
        """Hand what was written to the terminal."""
        sys.stdout.flush()


class _LineOutput(io.TextIOBase):
    """Standard error where each line is emitted by itself."""

    def __init__(self, emit: Callable[[str, str], None]) -> None:
        self._emit = emit
        self._rest = ""

    def write(self, text: str) -> int:
        """Emit the lines that are whole now."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._emit("INFO", line.strip())
        return len(text)

    def fileno(self) -> int:
        """Return that of standard error."""
        return sys.stderr.fileno()


def stdout() -> Console:
    """Return where results go."""
    return _on(sys.stdout, is_error=False)


def stderr() -> Console:
    """Return where progress and errors go."""
    if emit_line is not None:
        return EscapingConsole(file=_LineOutput(emit_line), force_terminal=False, color_system=None)
    return _on(sys.stderr, is_error=True)


def rows_output() -> TextIO:
    """Return where rows go that hold text from outside: as they are, but to a terminal."""
    return _EscapingOutput() if sys.stdout.isatty() else sys.stdout  # type: ignore[return-value]


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning of Python's, as people who type commands read it."""
    print_warning(str(message).replace("api_version", "--api-version"))


def print_warning(message: str) -> None:
    """Print a warning: the command continues."""
    if emit_line is not None:
        emit_line("WARNING", message)
        return
    stderr().print(f"[yellow]aiohubassoc:[/] {escape(message)}")


def print_error(message: str) -> None:
    """Print why the command did not do its work, or not all of it."""
    if emit_line is not None:
        emit_line("ERROR", message)
        return
    stderr().print(f"[bold red]aiohubassoc:[/] {escape(message)}")


def escape_controls(text: str) -> str:
    """Return *text* as one line that no terminal takes for a command."""
    return text.translate(_ESCAPES)


def to_exit_code(error: BaseException) -> int:
    """Return the exit code of a command that *error* has ended."""
    from aiohubassoc.cli.report import ExitCode  # noqa: PLC0415 -- loads the library

    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    if isinstance(error, JournalInUseError):
        return ExitCode.IN_USE
    storage = (JournalStorageError, SharedQuotaError, StorageError)
    return ExitCode.STORAGE if isinstance(error, storage) else ExitCode.USAGE


def lose_output(error: OSError) -> None:
    """Drop what Python would still write to standard output, and keep why it is lost."""
    global _lost_output  # noqa: PLW0603 -- there is one standard output
    discard_output()
    if not isinstance(error, BrokenPipeError):  # else nobody wants to read it
        _lost_output = error.strerror


def take_lost_output() -> str | None:
    """Return, once, why standard output was lost; None: it was not, or nobody wanted to read it."""
    global _lost_output
    lost, _lost_output = _lost_output, None
    return lost


def discard_output() -> None:
    """Drop what Python would still write to standard output, which was closed."""
    _discard(sys.stdout.fileno())


def _discard(descriptor: int) -> None:
    # Or Python would try to write what is left when it ends, and say so.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _on(stream: object, *, is_error: bool) -> Console:
    if isinstance(stream, io.TextIOWrapper):
        # A letter that the terminal's encoding lacks must not end the work either.
        stream.reconfigure(errors="backslashreplace")
    return EscapingConsole(stderr=is_error)


def suggest(given: str, choices: Iterable[str]) -> str:
    """Return a sentence that names the choice which is most like *given*; empty if none is."""
    # Ids and names are compared as people take them for equal.
    known = {choice.casefold().replace("_", "-"): choice for choice in choices}
    written = given.casefold().replace("_", "-")
    found = get_close_matches(written, known, n=1, cutoff=0.6)
    return f". Did you mean {known[found[0]]}?" if found else ""


def suggest_choice(message: str) -> str:
    """Return which of the values that *message* names was probably meant."""
    match = _CHOICES.search(message)
    if match is None:
        return ""
    value, choices = match.groups()
    return suggest(value.partition("=")[0], choices.split(", "))


# --- what a run came to ------------------------------------------------------------------------


def print_link_report(report: LinkReport, console: Console) -> None:
    """Print counts by status, categories with an example each, rejected rows, and the stop."""
    seconds, pairs = max(report.seconds, 1e-9), report.pairs
    what = plural(report.total, "pair")
    if report.rows_left:
        what = f"{report.done:,} of about {report.input_rows:,} rows"
    console.print(
        f"[bold]{what}[/] in {report.seconds:,.1f} s ({report.completed / seconds:,.1f} pairs/s)"
    )
    print_portal(report.portal, console)
    for name, count in report.counts().items():
        print_count(count, "rejected rows" if name == "invalid" else name, console)
    if pairs.error_responses:
        console.print(
            f"{pairs.error_responses:,} of {pairs.responses:,} responses were errors "
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


def print_verify_report(report: VerifyReport, name: str, console: Console) -> None:
    """Print what reading back the pairs of *name* found: counts, examples, and the stop."""
    pairs = report.pairs
    console.print(
        f"[bold]{pairs.total:,} pairs[/] of {escape(name)} read back in "
        f"{report.seconds:,.1f} s, by {plural(pairs.responses, 'call')}"
    )
    print_portal(report.portal, console)
    print_count(pairs.linked, "linked", console)
    print_count(pairs.missing, "missing: HubSpot does not have the link", console)
    print_count(pairs.unknown, "unknown: HubSpot was not asked, or did not say", console)
    print_count(report.duplicates, "repeat an earlier one", console)
    print_count(report.invalid, "rejected rows", console)
    _print_examples(report.first_missing, pairs.missing, console)
    _print_examples(report.first_unknown, pairs.unknown, console)
    _print_end(report, console)


def print_portal(portal: str, console: Console, *, more: str = "") -> None:
    """Print where pairs go, and *more* of it; nothing if that is not known."""
    if portal:
        console.print(portal if portal == SIMULATED else f"Portal: {portal}{more}", markup=False)


def print_count(count: int, what: str, console: Console) -> None:
    """Print a line of a list of counts; no line for 0."""
    if count:
        console.print(f"  {count:>9,}  {what}")


def print_categories(rows: Iterable[tuple[int, str, str, str]], console: Console) -> None:
    """
    Print count, status, category and example of what is not linked.

    On a terminal this is a table; elsewhere, and on a narrow one, each is one line.
    """
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
    """Print the first rejected rows, and what is wrong with each."""
    lines = [f"{one['place']}: {one['problem']}" for one in report.invalid_lines]
    _print_first(lines[:_SHOWN_LINES], report.invalid, console)


def print_lines(lines: Iterable[str], console: Console) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, markup=False)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, such as ``1 call`` and ``2 calls``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _print_first(lines: list[str], count: int, console: Console) -> None:
    """Print lines, the first of *count*."""
    print_lines((f"  {line}" for line in lines), console)
    if lines and count > len(lines):
        console.print(f"  ... and {count - len(lines):,} more")


def _print_examples(examples: list[Example], count: int, console: Console) -> None:
    lines = [
        f"{one.place}: {one.result.status}, {one.pair}: {one.result.message}"
        for one in examples[:_SHOWN_EXAMPLES]
    ]
    _print_first(lines, count, console)


def _print_end(report: CommandReport, console: Console) -> None:
    if report.input_counts is not None:
        print_lines(report.input_counts.sentences(), console)
    print_invalid(report, console)
    if report.signal is not None:
        cause = "by Ctrl-C" if report.signal == signal.SIGINT else "by a signal"
        console.print(f"[bold yellow]Interrupted {cause}.[/]")
    elif report.stopped is not None:
        console.print(f"[bold yellow]Stopped early:[/] {escape(str(report.stopped))}")
    if not report.input_complete:
        left = f" About {report.rows_left:,} rows are left." if report.rows_left else ""
        end = "The input was not read to its end."
        if report.is_limited:
            end = f"The limit of {plural(report.limit or 0, 'pair')} is reached (--limit)."
        console.print(f"[yellow]{end}[/]{left}")
