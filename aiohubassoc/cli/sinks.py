"""What a run writes: a line of JSON for each row, and a file of some of them."""

from __future__ import annotations

import errno
import itertools
import json
import os
import stat
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiohubassoc.cli.run_folder import open_folder, read_command
from aiohubassoc.cli.terminal import StorageError
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.byte_source import file_identity
from aiohubassoc.files.results import check_file_name, check_results_format, open_results
from aiohubassoc.journal.schema import DATABASE, LOCK
from aiohubassoc.models import Status
from aiohubassoc.shared_quota.quota import SQLITE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohubassoc.files.record import Fields, Record
    from aiohubassoc.files.results import ParquetResults, RowResult, TextResults
    from aiohubassoc.models import Outcome
    from aiohubassoc.pair import Pair

_Line: TypeAlias = dict[str, Any]
# SQLite, "Database File Format", 1.3: how each database begins.
_DATABASE_MAGIC: Final = b"SQLite format 3\0"
BEHIND_ALL: Final = (sys.maxsize, 0)
"""A place behind each row of an input: the number of the input, and the line."""


class JsonlOutput:
    """
    Writes a line of JSON for each row to standard output, at once: ``--stream``.

    If *ordered*, outcomes are given in the order of the input, and rows that are not sent, which
    are known earlier, wait for their turn.
    """

    def __init__(self, names: list[str], *, ordered: bool) -> None:
        self._names = names
        self._ordered = ordered
        self._waiting: deque[tuple[tuple[int, int], Record, _Line]] = deque()

    def outcome(self, outcome: Outcome, record: Record) -> None:
        self._write_until((record.source, record.line))
        line: _Line = {**_ids(outcome.pair), "ok": outcome.ok}
        line |= {"status": outcome.status.value, "attempts": outcome.attempts}
        if outcome.skip is not None:
            line["reason"] = {"category": outcome.skip.label, "message": outcome.skip.message}
        elif outcome.error is not None:
            line["error"] = _error(outcome.category, str(outcome.error), outcome.correlation_id)
            line["maybe_applied"] = outcome.maybe_applied
        self._write(record, line)

    def duplicate(self, record: Record, pair: Pair, message: str) -> None:
        line = {**_ids(pair), "ok": True, "status": Status.SKIPPED.value, "attempts": 0}
        line["reason"] = {"category": "DUPLICATE", "message": message}
        self._write_in_turn(record, line)

    def verification(self, record: Record, pair: Pair, result: RowResult) -> None:
        is_linked = result.category is None
        line: _Line = {**_ids(pair), "ok": is_linked, "status": str(result.status)}
        if not is_linked:
            line["error"] = _error(result.category, result.message, result.correlation_id)
        self._write(record, line)

    def invalid(self, record: Record) -> None:
        error = _error("INVALID_ROW", record.problem, None)
        self._write_in_turn(record, {"ok": False, "status": "invalid", "error": error})

    def close(self) -> None:
        self._write_until(BEHIND_ALL)

    def _write_in_turn(self, record: Record, line: _Line) -> None:
        if self._ordered:
            self._waiting.append(((record.source, record.line), record, line))
        else:
            self._write(record, line)

    def _write_until(self, place: tuple[int, int]) -> None:
        while self._waiting and self._waiting[0][0] <= place:
            _, record, line = self._waiting.popleft()
            self._write(record, line)

    def _write(self, record: Record, line: _Line) -> None:
        line["line"] = record.line
        if len(self._names) > 1:
            line["input"] = self._names[record.source]
        fields = record.fields
        if isinstance(fields, dict) and "tag" in fields:
            line["tag"] = fields["tag"]
        # ASCII only: any encoding can write it, also what the input held of broken characters.
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


class Sinks:
    """Writes a line for every row, and a file of some; *stop* is called if that fails."""

    def __init__(
        self, jsonl: JsonlOutput | None, path: str | None, stop: Callable[[str], None]
    ) -> None:
        self.problem: str | None = None
        self.output_is_gone = False
        self.rows_written = 0
        self._jsonl = jsonl
        self._path = path
        self._stop = stop
        if path is not None:
            check_results_format(path)
        self._file: TextResults | ParquetResults | None = None

    def open(self, header: list[str]) -> None:
        """Begin the file, which has the columns *header*, or raise StorageError."""
        if self._path is None:
            return
        try:
            self._file = open_results(self._path, header)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from None

    def write_line(self, write: Callable[[JsonlOutput], None]) -> None:
        """Write a line by *write*, if lines are written."""
        if self._jsonl is None:
            return
        try:
            write(self._jsonl)
        except OSError as error:
            self._jsonl, self.output_is_gone = None, True
            self.problem = f"standard output: {error.strerror}"
            self._stop(f"cannot write {self.problem}")

    def write_row(self, fields: Fields, result: RowResult) -> None:
        if self._file is None:
            return
        try:
            self._file.write(fields, result)
            self.rows_written += 1
        except OSError as error:
            with self._file:
                self._file = None
            self.problem = f"{self._path}: {error.strerror}"
            self._stop(f"cannot write {self.problem}")

    def close(self) -> None:
        self.write_line(lambda jsonl: jsonl.close())
        if self._file is None:
            return
        with self._file:
            try:
                self._file.flush()
            except OSError as error:
                self.problem = f"{self._path}: {error.strerror}"


def check_outputs(
    outputs: Mapping[str, str | None],
    *,
    inputs: Sequence[str],
    token_file: str | None = None,
    folder: str | None = None,
    shared_quota: str | None = None,
) -> None:
    """
    Refuse to overwrite files that are needed, and to write two outputs to one file.

    With ``--report`` also what makes a report must be installed, and its file likely writable.
    *outputs* are the options that name files to be written, and these files.
    """
    given = [(option, path) for option, path in outputs.items() if path is not None]
    for option, path in given:
        _check_output(option, path, inputs, token_file, folder)
        if _is_standard_output(path, appends=option == "--log-file"):
            raise OptionsError(f"{option} {path} and standard output are the same file: name two")
    store = (shared_quota or "").partition(SQLITE)[2]  # which may not be there yet
    named = [*given, *([("--shared-quota", store)] if store else [])]
    for (option, path), (other, second) in itertools.combinations(named, 2):
        if _are_one(path, second):
            raise OptionsError(f"{option} {path} and {other} {second} are the same file: name two")
    if (report := outputs.get("--report")) is not None:
        from aiohubassoc.html_report.page import check_installed  # noqa: PLC0415 -- only if asked

        check_installed()
        check_file_name(report, ".html", ".htm")
        _check_writable(report)


def _check_output(
    option: str, path: str, inputs: Sequence[str], token_file: str | None, folder: str | None
) -> None:
    """Refuse to overwrite a file that is needed, under any of its names: raise OptionsError."""
    kept = [*((each, "the input") for each in inputs), (token_file, "the token file")]
    for file, what in kept:
        if file is not None and _are_one(file, path):
            raise OptionsError(f"{option} {path} would overwrite {what}: name another file")
    if _is_database(path):
        raise OptionsError(
            f"{option} {path} would overwrite an SQLite database, such as a shared quota: name "
            "another file"
        )
    found = _find_run_folder(path, folder)
    if found is not None:
        raise OptionsError(
            f"{option} {path} is in the run folder {found}, which is the run's own: name a file "
            "outside"
        )


def check_folder_output(folder: str, path: str | None) -> None:
    """Refuse, as `check_outputs`, an output that a run folder or its input needs."""
    with open_folder(folder) as reader:
        command = read_command(reader.header())
    inputs = () if command is None else command.files
    check_outputs({"--output": path}, inputs=inputs, folder=folder)


def _check_writable(path: str) -> None:
    """Raise StorageError for a file that surely cannot be written later; nothing is made of it."""
    file = Path(path).resolve()
    if file.is_dir():
        problem = errno.EISDIR
    elif not file.parent.is_dir():
        problem = errno.ENOENT
    elif not os.access(file if file.exists() else file.parent, os.W_OK):
        problem = errno.EACCES
    else:
        return
    raise StorageError(f"{path}: {os.strerror(problem)}")


def _is_database(path: str) -> bool:
    if not Path(path).is_file():  # a pipe would be waited for
        return False
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_DATABASE_MAGIC)) == _DATABASE_MAGIC
    except OSError:
        return False


def _are_one(one: str, other: str) -> bool:
    """Return whether two names are, or would be, of one plain file: no pipe is overwritten."""
    is_plain = Path(other).is_file() or not Path(other).exists()
    return is_plain and _identity(one) == _identity(other)


def _identity(path: str | Path) -> object:
    """Return the same for two names of one file or folder, also of one that is not there yet."""
    found = file_identity(str(path))
    # Where case does not count, two names of a file that is not there yet would be of one.
    return found if found != str(path) else str(Path(path).resolve()).casefold()


def _is_standard_output(path: str, *, appends: bool) -> bool:
    """Return whether standard output goes to that plain file; two that append get along."""
    try:
        status = os.fstat(sys.stdout.fileno())
        if appends and _appends(sys.stdout.fileno()):
            return False
    except (AttributeError, OSError, ValueError):  # closed, or not a file of the system
        return False
    return stat.S_ISREG(status.st_mode) and file_identity(path) == (status.st_dev, status.st_ino)


def _appends(descriptor: int) -> bool:
    try:
        import fcntl  # noqa: PLC0415 -- not on Windows
    except ImportError:
        return False
    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND)


def _find_run_folder(path: str, folder: str | None) -> str | None:
    """Return the run folder that *path* is in, or one of whose files it is; None: there is none."""
    whole = Path(path).resolve()
    if folder is not None:
        links = Path(folder).iterdir() if Path(folder).is_dir() else ()
        places = {_identity(whole), *map(_identity, whole.parents)}
        if _identity(folder) in places or any(_are_one(str(each), path) for each in links):
            return folder
    parent = whole.parent
    is_run_folder = all((parent / name).is_file() for name in (DATABASE, LOCK))
    return str(parent) if is_run_folder else None


def _error(category: str | None, message: str | None, correlation_id: str | None) -> _Line:
    return {"category": category, "message": message, "correlation_id": correlation_id}


def _ids(pair: Pair) -> dict[str, str]:
    return {"from": f"{pair.from_type}:{pair.from_id}", "to": f"{pair.to_type}:{pair.to_id}"}
