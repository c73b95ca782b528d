"""Log lines of a command: text or JSON, on standard error or in a file."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiohubassoc._http.event_log import KEYS
from aiohubassoc.cli import terminal
from aiohubassoc.cli.terminal import StorageError, escape_controls, print_error, stderr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aiohubassoc.cli.options import PrintOptions

_LIBRARY: Final = "aiohubassoc"
# Others, such as asyncio, are heard if something is wrong.
_OF_OTHERS: Final = logging.WARNING


class _JsonFormatter(logging.Formatter):
    """Makes one JSON object of a record: ``time``, ``level``, ``message`` and the extra keys."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record).replace("+00:00", "Z"),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        line |= {key: value for key in KEYS if (value := getattr(record, key, None)) is not None}
        line |= getattr(record, "result", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)  # ASCII only, for any text


class _TextFormatter(logging.Formatter):
    """Makes one line of a record, and further ones of its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        lines = [f"{_time(record)} {record.levelname} {record.getMessage()}"]
        if record.exc_info:
            lines += self.formatException(record.exc_info).splitlines()
        return "\n".join(map(escape_controls, lines))


class _FileHandler(logging.FileHandler):
    """Writes a file; once it can no longer be written it says so, and drops what comes."""

    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802 -- logging's name
        error = sys.exception()
        self.setLevel(logging.CRITICAL + 1)
        print_error(f"Cannot write {self.baseFilename}: {getattr(error, 'strerror', error)}")

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what could not be written was reported
            super().close()


class _StderrHandler(logging.Handler):
    """Writes standard error, until its reader closes it."""

    def emit(self, record: logging.LogRecord) -> None:
        stderr().print(self.format(record), markup=False)


class _JsonHandler(logging.Handler):
    """Writes JSON on standard error, until its reader closes it; a run's lines name the run."""

    def emit(self, record: logging.LogRecord) -> None:
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
    handler.setFormatter(_JsonFormatter())

    def emit(level: str, text: str) -> None:
        handler.handle(_make_record(level, text))

    terminal.emit_line, before = emit, terminal.emit_line
    terminal.run_id = None
    try:
        yield handler
    finally:
        terminal.emit_line = before


def start_logs(options: PrintOptions, stack: contextlib.ExitStack) -> None:
    """Write log lines as the options say, if they say any, until *stack* ends; or StorageError."""
    is_json, path = options.log_format == "json", options.log_file
    if not is_json and path is None and options.log_level is None:
        return
    handler: logging.Handler
    if is_json and path is None:
        handler = stack.enter_context(json_lines())
    else:
        try:
            handler = (
                _StderrHandler()
                if path is None
                else _FileHandler(path, encoding="utf-8", errors="backslashreplace")
            )
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from None
        stack.callback(handler.close)
        handler.setFormatter(_JsonFormatter() if is_json else _TextFormatter())
    if is_json:

        def emit_end(level: str, text: str, result: Mapping[str, object]) -> None:
            record = _make_record(level, text)
            record.run, record.result = terminal.run_id, result
            handler.handle(record)

        terminal.emit_end = emit_end
        stack.callback(setattr, terminal, "emit_end", None)
    terminal.prints_logs = path is None
    stack.callback(setattr, terminal, "prints_logs", False)
    library, root = logging.getLogger(_LIBRARY), logging.getLogger()
    handler.addFilter(_is_wanted)
    stack.callback(library.setLevel, library.level)
    library.setLevel((options.log_level or "info").upper())
    root.addHandler(handler)
    stack.callback(root.removeHandler, handler)


def _make_record(level: str, text: str) -> logging.LogRecord:
    number = logging.getLevelNamesMapping()[level]
    return logging.LogRecord(_LIBRARY, number, "", 0, text, None, None)


def _is_wanted(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == _LIBRARY or record.levelno >= _OF_OTHERS


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
