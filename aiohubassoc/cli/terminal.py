"""
Standard output and standard error: all that the command prints goes through here.

Either may be closed, broken off or lack a letter. Text from outside (HubSpot's, a file's, a name)
may hold what a terminal obeys: it is shown escaped.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TextIO

from rich.console import Console, ConsoleDimensions
from rich.markup import escape

from aiohubassoc.cli.signals import Interrupted, describe
from aiohubassoc.errors import JournalInUseError, JournalStorageError, SharedQuotaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.text import Text


# C0, DEL and C1 begin or are commands of terminals (ECMA-48); a line end would forge a line.
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
# What changes the order or the lines of what is shown (Unicode, UAX 9; line and paragraph ends).
_FORMATS: Final = {
    code: f"\\u{code:04x}"
    for code in (*(0x061C, 0x200E, 0x200F), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}
_ESCAPES: Final = {**_CONTROLS, **_FORMATS, **{ord(one): repr(one)[1:-1] for one in "\n\r\t"}}
SIMULATED: Final = "Simulated portal: nothing was sent to HubSpot"
# Columns of a terminal, where it reports none, or more than anybody has.
_LEAST_WIDTH: Final = 20
_MOST_WIDTH: Final = 1_000
# How messages name the values that an option takes: "... 'this' ... one of a, b, c".
_CHOICES: Final = re.compile(r"'([^']+)' .*\b(?:one|none) of (?:[a-z ]+: )?([\w-]+(?:, [\w-]+)+)$")


emit_line: Callable[[str, str], None] | None = None
"""Takes the level and the text of a line for standard error; None: it is printed as text."""
emit_end: Callable[[str, str, Mapping[str, object]], None] | None = None
"""Takes level, text and counts of the end of a run, for a log of JSON; None: there is none."""
prints_logs = False
"""Whether log lines are printed on standard error."""
run_id: str | None = None
"""The run that lines are about; None: there is none yet."""
result: dict[str, Any] | None = None
"""What ``--json`` prints, and ``--on-end`` is given; None: nothing came of the command yet."""
_lost_output: str | None = None


class StorageError(Exception):
    """A file of ours cannot be written: its name, and why."""


class OutputLostError(Exception):
    """Standard output was closed."""


class OutputConsole(Console):
    """A console whose reader may be gone, and whose disk may be full: neither ends the work."""

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


class EscapingConsole(OutputConsole):
    """A console for text from outside: nothing is folded but tables, no name becomes an emoji."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- of the base class
        super().__init__(highlight=False, emoji=False, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 -- of the base class
        """Return *text* as it is shown: everything printed comes through here."""
        return super().render_str(text.translate(_ESCAPES), **options)


class _EscapingOutput(io.TextIOBase):
    """Standard output for lines that hold text from outside, where it is a terminal."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text.removesuffix("\n").translate(_ESCAPES) + "\n")

    def flush(self) -> None:
        sys.stdout.flush()


class _LineOutput(io.TextIOBase):
    """Standard error where each line is emitted by itself."""

    def __init__(self, emit: Callable[[str, str], None]) -> None:
        self._emit = emit
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._emit("INFO", line.strip())
        return len(text)

    def fileno(self) -> int:
        return sys.stderr.fileno()


def stdout() -> Console:
    return _on(sys.stdout, is_error=False)


def stderr() -> Console:
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
    _print_message("WARNING", "yellow", message)


def print_error(message: str) -> None:
    """Print why the command did not do its work, or not all of it."""
    _print_message("ERROR", "bold red", message)


def _print_message(level: str, color: str, message: str) -> None:
    if emit_line is not None:
        emit_line(level, message)
    else:
        stderr().print(f"[{color}]aiohubassoc:[/] {escape(message)}")


def print_result(content: dict[str, Any], *, json_: bool = True) -> None:
    """Keep what came of the command; print it as one JSON object if *json_* says so."""
    global result  # noqa: PLW0603 -- a process does one command
    result = content
    if json_:
        # ASCII only: any encoding can write it, also what the input held of broken characters.
        stdout().out(json.dumps(content))


def end_by_error(error: BaseException, message: str = "", *, json_: bool) -> int:
    """Print why a command ends, *message* if given, also as JSON; return the exit code."""
    code = to_exit_code(error)
    message = message or str(error)
    if isinstance(error, KeyboardInterrupt):
        message = describe(code - 128)
    elif isinstance(error, StorageError):
        message = f"Cannot write {error}"
    message += suggest_choice(message)
    print_error(message)
    if result is None:  # else it came to something, and said so
        print_result({"error": message, "exit_code": code}, json_=json_)
    return code


def escape_controls(text: str) -> str:
    """Return *text* as one line that no terminal takes for a command."""
    return text.translate(_ESCAPES)


def to_exit_code(error: BaseException) -> int:
    """Return the exit code of a command that *error* has ended."""
    from aiohubassoc.cli.report import ExitCode  # noqa: PLC0415 -- loads the library

    if isinstance(error, KeyboardInterrupt):
        return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)
    if isinstance(error, JournalInUseError):
        return int(ExitCode.IN_USE)
    storage = (JournalStorageError, SharedQuotaError, StorageError, OSError)
    return int(ExitCode.STORAGE if isinstance(error, storage) else ExitCode.USAGE)


def lose_output(error: OSError) -> None:
    """Drop what Python would still write to standard output, and keep why it is lost."""
    global _lost_output  # noqa: PLW0603 -- there is one standard output
    discard_output()
    if not isinstance(error, BrokenPipeError):  # else nobody wants to read it
        _lost_output = error.strerror


def to_output_error(path: str | None, error: OSError) -> Exception:
    """Return why rows cannot be written; *path*: their file, None: standard output, now lost."""
    if path is not None:
        return StorageError(f"{path}: {error.strerror}")
    lose_output(error)
    return OutputLostError()


def take_lost_output() -> str | None:
    """Return, once, why standard output was lost; None: it was not, or nobody wanted to read it."""
    global _lost_output
    try:
        if sys.stdout is not None and not sys.stdout.closed:
            sys.stdout.flush()  # or Python would meet it when it ends, and say so
    except OSError as error:
        lose_output(error)
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
    # Ids and names are compared as people take them for equal; all options begin with "--".
    known = {choice.casefold().replace("_", "-").lstrip("-"): choice for choice in choices}
    written = given.casefold().replace("_", "-").lstrip("-")
    found = get_close_matches(written, known, n=3, cutoff=0.6)
    if not found:
        return ""
    # Letters that changed places are the likeliest slip: --form is --from rather than --format.
    meant = max(found, key=lambda one: sorted(one) == sorted(written))
    return f". Did you mean {known[meant]}?"


def suggest_choice(message: str) -> str:
    """Return which of the values that *message* names was probably meant."""
    match = _CHOICES.search(message)
    if match is None:
        return ""
    value, choices = match.groups()
    return suggest(value.partition("=")[0], choices.split(", "))


def print_lines(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(line, markup=False)
