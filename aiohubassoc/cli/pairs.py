"""``aiohubassoc pairs``."""

from __future__ import annotations

import contextlib
import csv
import json
import sqlite3
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TextIO, TypeAlias

import attrs
from cyclopts import Parameter

from aiohubassoc.cli.hints import how_to_link
from aiohubassoc.cli.match_hint import KeySample, find_hint
from aiohubassoc.cli.options import Flag, Flat
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.sinks import check_outputs
from aiohubassoc.cli.summary import print_count
from aiohubassoc.cli.terminal import (
    StorageError,
    lose_output,
    print_lines,
    rows_output,
    stderr,
    stdout,
)
from aiohubassoc.errors import InputError, OptionsError, plural
from aiohubassoc.files.byte_source import STDIN, file_identity
from aiohubassoc.files.join import Join, Joined, Unmatched
from aiohubassoc.files.keyed_table import (
    KeyColumns,
    KeyedTable,
    email_domain,
    exact_key,
    site_domain,
)
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.results import results_format

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

File: TypeAlias = Annotated[str, Parameter(allow_leading_hyphen=True)]
MatchBy: TypeAlias = Literal["exact", "email-domain"]

_HEADER: Final = ("from_id", "to_id", "from_key", "to_key")
_OWN_COLUMNS: Final = ("side", "line", "reason", "message")
# Stands in a command for an object type that no column shows.
_TYPE: Final = "TYPE"
_TO_KEYS: Final = {
    "exact": (exact_key, exact_key),
    "email-domain": (email_domain, site_domain),
}
# Of one row, and of several.
_REASONS: Final = {
    "NO_MATCH": ("matches no row of {other}", "match no row of {other}"),
    "SEVERAL_MATCHES": (
        "matches several records: --all-matches pairs it with each of them",
        "match several records: --all-matches pairs them all",
    ),
    "NO_KEY": ("has no value to compare", "have no value to compare"),
    "INVALID_ROW": ("could not be used", "could not be used"),
}


@attrs.frozen
class KeyOptions:
    """
    Which columns are compared, and which have the record ids.

    Args:
        on: The column that is compared, where it has the same name in both files.
        left_on: The column of LEFT that is compared.
        right_on: The column of RIGHT that is compared.
        left_id: The column of record ids of LEFT; else Record ID, or as HubSpot exports it.
        right_id: The column of record ids of RIGHT.
    """

    on: str | None = None
    left_on: str | None = None
    right_on: str | None = None
    left_id: str | None = None
    right_id: str | None = None

    def parsed(self) -> tuple[KeyColumns, KeyColumns]:
        """Return the columns of each file, or raise OptionsError."""
        left, right = self.left_on, self.right_on
        if self.on is not None:
            if left is not None or right is not None:
                raise OptionsError("give --on, or --left-on and --right-on")
            left = right = self.on
        if left is None or right is None:
            raise OptionsError(
                "which columns are compared? Give --on COLUMN, or --left-on COLUMN and --right-on "
                "COLUMN"
            )
        return (
            KeyColumns(left, "--left-on", self.left_id, "--left-id"),
            KeyColumns(right, "--right-on", self.right_id, "--right-id"),
        )


@attrs.frozen
class FileOptions:
    """
    What both files are like.

    Args:
        format: csv, tsv, jsonl, parquet or excel; else by their names and content.
        delimiter: The character between columns; else a comma, in TSV a tab.
        encoding: Text encoding of the files, such as cp1252 or utf-16.
        sheet: The sheet of a workbook; else the first that is visible.
        any_id: Take any text as a record id, not only digits.
        include_hidden: Read hidden rows and sheets of a workbook too.
    """

    format: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    sheet: str | None = None
    any_id: Flag = False
    include_hidden: Flag = False


def pairs(
    left: File,
    right: File,
    /,
    *,
    keys: Annotated[KeyOptions, Flat] = KeyOptions(),
    match: MatchBy = "exact",
    all_matches: Flag = False,
    output: str | None = None,
    unmatched: str | None = None,
    file: Annotated[FileOptions, Flat] = FileOptions(),
    json_: Flag = False,
) -> int:
    """
    Join two exports by a column of each, and write the pairs of record ids.

    Args:
        left: The export with the first records of the pairs: CSV, TSV, JSON Lines, Parquet or
            Excel, or - for standard input.
        right: The export with the second records.
        match: exact: both cells are the same, ignoring case and spaces around them.
            email-domain: what follows the @ in LEFT is the domain in RIGHT, without www.
        all_matches: Pair a row of LEFT that matches several records of RIGHT with each of them;
            else it is paired with none.
        output: Write the pairs to this file instead of standard output, as CSV.
        unmatched: Write the rows of both files that are in no pair to this file, each with its
            reason: as CSV, or as JSON Lines where its name ends with .jsonl.
        json_: Print one JSON object on standard output that says what was written; for --output.
    """
    columns, layout = keys.parsed(), Layout(**attrs.asdict(file))
    if json_ and output is None:
        raise OptionsError("--json is for --output: without it the pairs are on standard output")
    _check_files((left, right), output, unmatched)
    samples = tuple(map(KeySample, _TO_KEYS[match]))
    with (
        KeyedTable(left, columns[0], layout, samples[0].to_key) as left_table,
        KeyedTable(right, columns[1], layout, samples[1].to_key) as right_table,
    ):
        target = _Output(output, unmatched)
        try:
            with Join(
                left_table, right_table, all_matches=all_matches, keeps_cells=unmatched is not None
            ) as join:
                target.write(join)
        except InputError as error:
            if target.begun and output is not None:
                raise InputError(
                    f"{error}. {output} has only the pairs of the rows before"
                ) from None
            raise
        except sqlite3.Error as error:
            raise StorageError(f"a temporary file: {error}") from None
        except OSError as error:
            if not target.begun:
                raise StorageError(f"a temporary file: {error}") from None
            if target.path is not None:
                raise StorageError(f"{target.path}: {error.strerror}") from None
            lose_output(error)
            return ExitCode.STORAGE
        if json_:
            stdout().out(json.dumps(_as_json(join, output, unmatched)))
        else:
            hint = find_hint(samples, columns) if match == "exact" and not join.pairs else None
            _print(join, left_table, right_table, target, hint)
    return _exit_code(join)


def _check_files(inputs: tuple[str, str], output: str | None, unmatched: str | None) -> None:
    """Raise OptionsError for files that cannot be read or written together."""
    left, right = inputs
    if file_identity(left) == file_identity(right) and (
        STDIN in inputs or (Path(left).exists() and not Path(left).is_file())
    ):
        raise OptionsError("LEFT and RIGHT are both standard input: name a file for one of them")
    check_outputs({"--output": output, "--unmatched": unmatched}, inputs=inputs)


class _Output:
    """
    Writes what a join comes to.

    Attributes:
        begun: Whether anything may have been written.
        path: The file that is written right now; None: standard output.
    """

    def __init__(self, output: str | None, unmatched: str | None) -> None:
        self.begun = False
        self.output = output
        self.unmatched = unmatched
        self.path = output

    def write(self, join: Join) -> None:
        """
        Write all of it.

        Raises:
            OSError: the file `path` cannot be written.
            InputError: an input can no longer be read.
        """
        with ExitStack() as stack:
            # Where the first row of either file cannot be read, nothing is overwritten.
            results = iter(join)
            first = next(results, None)
            self.begun = True
            file = rows_output() if self.output is None else stack.enter_context(_open(self.output))
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(_HEADER)
            others: _UnmatchedFile | None = None
            if self.unmatched is not None:
                self.path = self.unmatched
                others = _UnmatchedFile(
                    stack.enter_context(_open(self.unmatched)), join.header, self.unmatched
                )
            for result in () if first is None else chain((first,), results):
                if isinstance(result, Joined):
                    self.path = self.output
                    rows.writerow(attrs.astuple(result))
                elif others is not None:
                    self.path = self.unmatched
                    others.write(result)
            self.path = self.unmatched
            if others is not None:
                others.flush()
            self.path = self.output
            file.flush()


class _UnmatchedFile:
    """Rows without a pair, as CSV or JSON Lines: the reason, then their cells."""

    def __init__(self, file: TextIO, header: Sequence[str], path: str) -> None:
        taken = {name.strip().casefold() for name in header}
        own = [f"aiohubassoc_{name}" if name in taken else name for name in _OWN_COLUMNS]
        self._names = [*own, *header]
        self._file = file
        self._csv = None
        if results_format(path) != "jsonl":
            self._csv = csv.writer(file, lineterminator="\n")
            self._csv.writerow(self._names)

    def write(self, row: Unmatched) -> None:
        """Write a row."""
        values = [row.side, row.line, row.reason, row.message, *row.cells]
        if self._csv is not None:
            self._csv.writerow(values)
        else:
            self._file.write(json.dumps(dict(zip(self._names, values, strict=True))) + "\n")

    def flush(self) -> None:
        """Hand what was written to the system."""
        self._file.flush()


@contextlib.contextmanager
def _open(path: str) -> Iterator[TextIO]:
    file = Path(path).open(  # noqa: SIM115 -- closed below; flush has raised before
        # A cell of JSON may hold half of a character.
        "w",
        encoding="utf-8",
        errors="backslashreplace",
        newline="",
    )
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()


def _print_rows(count: int, table: str, one: str, several: str, console: Console) -> None:
    """Print how many rows of a table are of a kind; no line for 0."""
    noun, what = ("row", one) if count == 1 else ("rows", several)
    print_count(count, f"{noun} of {table} {what}", console)


def _exit_code(join: Join) -> int:
    are_rejected = any(reason == "INVALID_ROW" for _, reason in join.unmatched)
    return ExitCode.SOME_FAILED if are_rejected or not join.pairs else ExitCode.ALL_LINKED


def _as_json(join: Join, output: str | None, unmatched: str | None) -> dict[str, Any]:
    return {
        "pairs": join.pairs,
        "left_rows": join.rows["left"],
        "right_rows": join.rows["right"],
        **{
            f"{side}_unmatched": {
                reason.lower(): join.unmatched[side, reason]  # type: ignore[index]
                for reason in _REASONS
            }
            for side in ("left", "right")
        },
        "right_repeated": join.repeated,
        "output": output,
        "unmatched": unmatched,
        "exit_code": int(_exit_code(join)),
    }


def _print(
    join: Join, left: KeyedTable, right: KeyedTable, target: _Output, hint: str | None
) -> None:
    console: Console = stderr() if target.output is None else stdout()
    console.print(
        f"{plural(join.pairs, 'pair')} of {plural(join.rows['left'], 'row')} of {left.name} and "
        f"{plural(join.rows['right'], 'row')} of {right.name}",
        markup=False,
    )
    for (side, reason), count in sorted(join.unmatched.items()):
        own, other = (left, right) if side == "left" else (right, left)
        one, several = (what.format(other=other.name) for what in _REASONS[reason])
        _print_rows(count, own.name, one, several, console)
    _print_rows(
        join.repeated, right.name, "repeats an earlier one", "repeat an earlier one", console
    )
    for name, table in ((left.name, left), (right.name, right)):
        for sentence in table.counts.sentences():
            console.print(f"{name}: {sentence}", markup=False)
    steps = [] if hint is None else [hint]
    if target.unmatched is not None:
        rows = join.unmatched.total()
        steps.append(f"Wrote {plural(rows, 'row')} to {target.unmatched}, each with its reason")
    elif join.unmatched:
        steps.append(
            "To write the rows without a pair to a file: the same command with --unmatched FILE"
        )
    if target.output is not None and join.pairs:
        types = Layout(from_type=left.object_type or _TYPE, to_type=right.object_type or _TYPE)
        step = how_to_link(target.output, types)
        if _TYPE in {types.from_type, types.to_type}:
            step = step.replace("them:", "them, with an object type such as contacts for TYPE:", 1)
        steps.append(step)
    print_lines(steps, console)
