"""``aiohubassoc pairs``."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TextIO, TypeAlias

import attrs
from cyclopts import Parameter

from aiohubassoc.cli import terminal
from aiohubassoc.cli.hints import how_to_link
from aiohubassoc.cli.options import Flag, Flat
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.sinks import check_outputs
from aiohubassoc.cli.summary import print_count
from aiohubassoc.errors import InputError, OptionsError, plural
from aiohubassoc.files import keyed_table, results
from aiohubassoc.files.byte_source import STDIN, file_identity
from aiohubassoc.files.join import Join, Joined
from aiohubassoc.files.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console


File: TypeAlias = Annotated[str, Parameter(allow_leading_hyphen=True)]
MatchBy: TypeAlias = Literal["exact", "email-domain"]

_BOTH_KEYS: Final = "--left-on and --right-on in place of --on"
# Stands in a command for an object type that no column shows.
_TYPE: Final = "TYPE"
_TO_KEYS: Final = {
    "exact": (keyed_table.exact_key, keyed_table.exact_key),
    "email-domain": (keyed_table.email_domain, keyed_table.site_domain),
}
# Keys of a side that are looked at, to see what it holds if nothing matches.
_SAMPLE: Final = 1000
_HEADER: Final = ("from_id", "to_id", "from_key", "to_key")
_OWN_COLUMNS: Final = ("side", "line", "reason", "message")
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

    def parsed(self) -> tuple[keyed_table.KeyColumns, keyed_table.KeyColumns]:
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
        own, other = ("--left-on", "--right-on") if self.on is None else (_BOTH_KEYS,) * 2
        return (
            keyed_table.KeyColumns(left, own, self.left_id, "--left-id"),
            keyed_table.KeyColumns(right, other, self.right_id, "--right-id"),
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
    Join two exports by a column of each.

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
    samples = tuple(map(_KeySample, _TO_KEYS[match]))
    with (
        keyed_table.KeyedTable(left, columns[0], layout, samples[0].to_key) as left_table,
        keyed_table.KeyedTable(right, columns[1], layout, samples[1].to_key) as right_table,
    ):
        try:
            with Join(
                left_table, right_table, all_matches=all_matches, keeps_cells=unmatched is not None
            ) as join:
                _write_join(join, output, unmatched)
        except (OSError, sqlite3.Error) as error:
            raise terminal.StorageError(f"a temporary file: {error}") from None
        if json_:
            terminal.print_result(_as_json(join, output, unmatched))
        else:
            hint = _find_hint(samples, columns) if match == "exact" and not join.pairs else None
            _print(join, left_table, right_table, output, unmatched, hint=hint)
    return _exit_code(join)


def _check_files(inputs: tuple[str, str], output: str | None, unmatched: str | None) -> None:
    left, right = inputs
    if file_identity(left) == file_identity(right) and (
        STDIN in inputs or (Path(left).exists() and not Path(left).is_file())
    ):
        raise OptionsError("LEFT and RIGHT are both standard input: name a file for one of them")
    check_outputs({"--output": output, "--unmatched": unmatched}, inputs=inputs)
    if output is not None:
        results.check_file_name(output, ".csv")
    if unmatched is not None:
        results.check_file_name(unmatched, ".csv", ".jsonl", ".ndjson")


def _print_rows(count: int, table: str, verbs: Sequence[str], console: Console) -> None:
    noun, verb = ("row", verbs[0]) if count == 1 else ("rows", verbs[1])
    print_count(count, f"{noun} of {table} {verb}", console)


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
    join: Join,
    left: keyed_table.KeyedTable,
    right: keyed_table.KeyedTable,
    output: str | None,
    unmatched: str | None,
    *,
    hint: str | None,
) -> None:
    console = terminal.stderr() if output is None else terminal.stdout()
    console.print(
        f"{plural(join.pairs, 'pair')} of {plural(join.rows['left'], 'row')} of {left.name} and "
        f"{plural(join.rows['right'], 'row')} of {right.name}",
        markup=False,
    )
    for (side, reason), count in sorted(join.unmatched.items()):
        own, other = (left, right) if side == "left" else (right, left)
        verbs = [what.format(other=other.name) for what in _REASONS[reason]]
        _print_rows(count, own.name, verbs, console)
    repeats = ("repeats an earlier one", "repeat an earlier one")
    _print_rows(join.repeated, right.name, repeats, console)
    for table in (left, right):
        terminal.print_lines((f"{table.name}: {one}" for one in table.counts.sentences()), console)
    steps = [] if hint is None else [hint]
    if unmatched is not None:
        rows = join.unmatched.total()
        steps.append(f"Wrote {plural(rows, 'row')} to {unmatched}, each with its reason")
    elif join.unmatched:
        steps.append(
            "To write the rows without a pair to a file: the same command with --unmatched FILE"
        )
    if output is not None and join.pairs:
        types = Layout(from_type=left.object_type or _TYPE, to_type=right.object_type or _TYPE)
        step = how_to_link(output, types)
        if _TYPE in {types.from_type, types.to_type}:
            step = step.replace("them:", "them, with an object type such as contacts for TYPE:", 1)
        steps.append(step)
    terminal.print_lines(steps, console)


class _KeySample:
    """Makes the keys of a side, and counts what the first of them are."""

    def __init__(self, to_key: keyed_table.ToKey) -> None:
        self._to_key = to_key
        self.keys = self.addresses = self.domains = 0

    def to_key(self, text: str) -> str:
        key = self._to_key(text)
        if self.keys < _SAMPLE:
            self.keys += 1
            with contextlib.suppress(keyed_table.NoKeyError):
                keyed_table.email_domain(key)
                self.addresses += 1
            with contextlib.suppress(keyed_table.NoKeyError):
                self.domains += "." in key and bool(keyed_table.site_domain(key))
        return key


def _find_hint(
    samples: tuple[_KeySample, ...], columns: tuple[keyed_table.KeyColumns, ...]
) -> str | None:
    """Return what to try where nothing matched, as one side has addresses and the other domains."""
    for own, other, order in ((0, 1, ""), (1, 0, " and give the files in the other order")):
        left, right = samples[own], samples[other]
        if 2 * left.addresses > left.keys and 2 * right.domains > right.keys:
            return (
                f"{columns[own].key} holds e-mail addresses and {columns[other].key} domains: try "
                f"--match email-domain{order}"
            )
    return None


# --- the files ------------------------------------------------------------------------------------


def _write_join(join: Join, output: str | None, unmatched: str | None) -> None:
    """Write the pairs (to *output*, None: standard output), and the rows without one."""
    # Where the first row of either file cannot be read, nothing is overwritten.
    rows = iter(join)
    first = next(rows, None)
    with contextlib.ExitStack() as stack:
        joined, others = _RowFile(stack, output, _HEADER), None
        if unmatched is not None:
            own = results.added_names(join.header, _OWN_COLUMNS)
            others = _RowFile(stack, unmatched, [*own, *join.header])
        try:
            for row in () if first is None else chain((first,), rows):
                if isinstance(row, Joined):
                    joined.write(attrs.astuple(row))
                elif others is not None:
                    reason = (row.side, row.line, row.reason, row.message)
                    others.write([*reason, *row.cells])
        except InputError as error:
            if output is None:
                raise
            raise InputError(f"{error}. {output} has only the pairs of the rows before") from None
        if others is not None:
            others.flush()
        joined.flush()


class _RowFile:
    """Writes rows as CSV, or as JSON Lines as its name says; StorageError, OutputLostError."""

    def __init__(self, stack: contextlib.ExitStack, path: str | None, names: Sequence[str]) -> None:
        self._path = path
        self._names = results.distinct_names(names)
        self._is_csv = path is None or names is _HEADER or results.results_format(path) == "csv"
        try:
            self._file = (
                terminal.rows_output() if path is None else stack.enter_context(_open(path))
            )
        except OSError as error:
            raise terminal.to_output_error(path, error) from None
        self._csv = results.csv_writer(self._file)
        if self._is_csv:
            self.write(names)

    def write(self, values: Sequence[object]) -> None:
        try:
            if self._is_csv:
                self._csv.writerow(values)
            else:
                self._file.write(json.dumps(dict(zip(self._names, values, strict=True))) + "\n")
        except OSError as error:
            raise terminal.to_output_error(self._path, error) from None

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            raise terminal.to_output_error(self._path, error) from None


@contextlib.contextmanager
def _open(path: str) -> Iterator[TextIO]:
    # A cell of JSON may hold half of a character.
    file = Path(path).open("w", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: SIM115 -- closed below
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):  # flush has raised before
            file.close()
