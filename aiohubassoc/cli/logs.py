"""Log lines of a command: text or JSON, on standard error or in a file."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohubassoc._http.event_log import KEYS
from aiohubassoc.cli import terminal
from aiohubassoc.cli.terminal import StorageError, escape_controls, print_error, stderr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiohubassoc.cli.output_options import PrintOptions

_LIBRARY: Final = "aiohubassoc"
# Others, such as asyncio, are heard if something is wrong.
_OF_OTHERS: Final = logging.WARNING


class JsonFormatter(logging.Formatter):
    """Makes one JSON object of a record: ``time``, ``level``, ``message`` and the extra keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line without its end; ASCII only, for any text."""
        line: dict[str, object] = {
            "time": _time(record).replace("+00:00", "Z"),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        line |= {key: value for key in KEYS if (value := getattr(record, key, None)) is not None}
        line |= getattr(record, "result", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """Makes one line of a record, and further ones of its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line without its end; control characters are escaped."""
        lines = [f"{_time(record)} {record.levelname} {record.getMessage()}"]
        if record.exc_info:
            lines += self.formatException(record.exc_info).splitlines()
        return "\n".join(map(escape_controls, lines))


class _FileHandler(logging.FileHandler):
    """Writes a file; once it can no longer be written it says so, and drops what comes."""

    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 -- logging's name
        """Drop the line, and all that follow."""
        error = sys.exception()
        self.setLevel(logging.CRITICAL + 1)
        print_error(f"Cannot write {self.baseFilename}: {getattr(error, 'strerror', error)}")

    def close(self) -> None:
        """Close the file; what could not be written was reported."""
        with contextlib.suppress(OSError):
            super().close()


class _StderrHandler(logging.Handler):
    """Writes standard error, until its reader closes it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        stderr().print(self.format(record), markup=False)


class _JsonHandler(logging.Handler):
    """Writes JSON on standard error, until its reader closes it; a run's lines name the run."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        if getattr(record, "run", None) is None:
            record.run = terminal.run_id
        with contextlib.suppress(OSError):
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Return whether a command line that may be wrong has standard error written as JSON."""
    names = [one.partition("=")[0] for one in arguments]
    if "--log-file" in names or "--log-format" not in names:
        return False
    at = names.index("--log-format")
    return "json" in (arguments[at].partition("=")[2], *arguments[at + 1 : at + 2])


@contextlib.contextmanager
def json_lines() -> Iterator[logging.Handler]:
    """Write all that goes to standard error in the block as lines of JSON."""
    handler = _JsonHandler()
    handler.setFormatter(JsonFormatter())

    def emit(level: str, text: str) -> None:
        handler.handle(_make_record(level, text))

    terminal.emit_line, before = emit, terminal.emit_line
    terminal.run_id = None
    try:
        yield handler
    finally:
        terminal.emit_line = before


@contextlib.contextmanager
def logged(options: PrintOptions) -> Iterator[None]:
    """
    Write log lines in the block as the options say; nothing if they say nothing.

    Raises:
        StorageError: the log file cannot be written.
    """
    is_json, path = options.log_format == "json", options.log_file
    if not is_json and path is None and options.log_level is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        handler: logging.Handler
        if path is not None:
            handler = stack.enter_context(contextlib.closing(_open(path)))
            handler.setFormatter(JsonFormatter() if is_json else TextFormatter())
        elif is_json:
            handler = stack.enter_context(json_lines())
        else:
            handler = _StderrHandler()
            handler.setFormatter(TextFormatter())
        if is_json:
            terminal.emit_end = partial(_emit_end, handler)
            stack.callback(setattr, terminal, "emit_end", None)
        level = (options.log_level or "info").upper()
        terminal.prints_logs = path is None
        stack.callback(setattr, terminal, "prints_logs", False)
        stack.enter_context(_attached(handler, level))
        yield


def _emit_end(
    handler: logging.Handler, level: str, text: str, result: Mapping[str, object]
) -> None:
    record = _make_record(level, text)
    record.run, record.result = terminal.run_id, result
    handler.handle(record)


def _make_record(level: str, text: str) -> logging.LogRecord:
    number = logging.getLevelNamesMapping()[level]
    return logging.LogRecord(_LIBRARY, number, "", 0, text, None, None)


def _open(path: str) -> _FileHandler:
    try:
        return _FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None


@contextlib.contextmanager
def _attached(handler: logging.Handler, level: str) -> Iterator[None]:
    library, root = logging.getLogger(_LIBRARY), logging.getLogger()
    handler.addFilter(_is_wanted)
    before = library.level
    library.setLevel(level)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        library.setLevel(before)


def _is_wanted(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == _LIBRARY or record.levelno >= _OF_OTHERS


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
