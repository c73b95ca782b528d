"""The command and the input that a run folder keeps, so that a run can be resumed."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
import cattrs

from aiohubassoc.cli import options
from aiohubassoc.cli.terminal import SIMULATED, StorageError
from aiohubassoc.errors import (
    AioHubAssocError,
    JournalError,
    JournalInUseError,
    JournalMismatchError,
    OptionsError,
)
from aiohubassoc.files.byte_source import STDIN, display_name
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.files.record import Record
from aiohubassoc.journal.header import HAS_OBJECTS
from aiohubassoc.journal.journal import Journal
from aiohubassoc.journal.reader import Reader
from aiohubassoc.journal.row_codec import make_place, name_line, split_place
from aiohubassoc.journal.schema import DATABASE, LOCK, read_errors
from aiohubassoc.models import Status
from aiohubassoc.pair import Pair, RejectedPair
from aiohubassoc.shared_quota.quota import FOLDER_FILE, to_kept_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import ExitStack

    from aiohubassoc.journal.row_codec import Place

# What a run reports as there.
REPORTED_LINKED: Final = (Status.LINKED, Status.PARTIAL)
_NOT_OTHER: Final = (DATABASE, LOCK, FOLDER_FILE, ".", "lost+found")
# What a run folder keeps in place of a portal's address that is another one each time.
SIMULATED_PORTAL: Final = "a simulated portal"


@attrs.frozen
class Command:
    """The command ``link`` as a run folder keeps it: what it takes to continue."""

    files: tuple[str, ...]
    input: Layout
    portal: options.PortalOptions = attrs.Factory(options.PortalOptions)
    pace: options.PaceOptions = attrs.Factory(options.PaceOptions)
    check: options.CheckOptions = attrs.Factory(options.CheckOptions)
    send: options.SendOptions = attrs.Factory(options.SendOptions)

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> Command:
        """Return the command of a run folder; OptionsError: a program's, or another version's."""
        kept = header.get("command")
        if not isinstance(kept, dict):
            raise OptionsError("the run folder was made by a program: continue with that program")
        try:
            return _make_converter().structure(kept, cls)
        except cattrs.BaseValidationError:
            raise OptionsError(
                "the run folder was made by another version of the command: continue with that "
                "version, or take another folder"
            ) from None

    def to_header(self) -> dict[str, Any]:
        files = [path if path == STDIN else str(Path(path).absolute()) for path in self.files]
        kept = {**attrs.asdict(self), "files": files}
        if self.pace.shared_quota is not None:
            kept["pace"]["shared_quota"] = to_kept_url(self.pace.shared_quota)
        return kept

    @property
    def names(self) -> str:
        return ", ".join(display_name(path) for path in self.files)


def _make_converter() -> cattrs.Converter:
    """Return what reads a command that was kept; a value of another type is no such command."""
    converter = cattrs.Converter(forbid_extra_keys=True)

    def check(value: object, kind: type) -> object:
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    for kind in (str, int, float, bool):  # cattrs alone would make a text of anything
        converter.register_structure_hook(kind, check)
    return converter


@attrs.frozen
class FolderOptions:
    """
    How to use a run folder.

    Args:
        run: Keep every outcome in this folder, so that the run can be resumed.
        retry_failed: Send pairs again that failed in an earlier run of the folder, wholly or in
            part.
        force: Continue although the folder belongs to another job.
    """

    run: str | None = None
    retry_failed: options.Flag = False
    force: options.Flag = False

    def check(self) -> None:
        if self.run is not None:
            check_folder(self.run)
        for option, is_given in (("--retry-failed", self.retry_failed), ("--force", self.force)):
            if is_given and self.run is None:
                raise OptionsError(f"{option} is for a run folder: give --run")


@attrs.frozen
class LinkCall:
    """How ``link`` or ``resume`` was called: the command, and what a run folder does not keep."""

    command: Command
    token: options.AccessOptions = attrs.Factory(options.AccessOptions)
    output: options.OutputOptions = attrs.Factory(options.OutputOptions)
    folder: FolderOptions = attrs.Factory(FolderOptions)
    uvloop: bool = False
    limit: int | None = None
    checks_account: bool = False
    utc_offset_seconds: float | None = None  # as the run folder keeps it; None: it does not


class FolderTable:
    """
    The pairs of a run folder whose input can no longer be read, or need not be.

    With *statuses* only pairs of these; else also the rows that hold none: then the last run must
    have read the input to its end. *place* returns what messages call a place; None: its line.
    """

    may_block = False

    def __init__(
        self,
        reader: Reader,
        statuses: Sequence[Status] = (),
        place: Callable[[int, int], str] | None = None,
    ) -> None:
        self.counts = None
        self._reader = reader
        self._statuses = statuses
        header = reader.header()
        self.header: list[str] = header["columns"]
        self.names: list[str] = header["names"]
        self.has_objects: bool = header.get(HAS_OBJECTS, False)
        self.name = self.names[0]
        self.job: dict[str, object] = header["job"]
        self._inputs: list[dict[str, object]] = header["inputs"]
        self.place = place or partial(name_line, self.names)

    def __iter__(self) -> Iterator[tuple[Record, Pair | None]]:
        if not self._statuses:
            for source, line, problem, fields in self._reader.rejected():
                yield Record(line, fields, problem, source), None
        for row in self._reader.rows(*self._statuses):
            kept = row.pair
            record = Record(row.line, restore_cells(kept), None, row.source)
            ends = (kept.from_type, kept.from_id, kept.to_type, kept.to_id)
            make = RejectedPair if isinstance(kept, RejectedPair) else Pair
            with read_errors(self._reader.folder):  # what a run has read passes its checks again
                pair = make(*ends, tag=record)
            yield record, pair

    def cells(self, pair: Pair) -> list[str] | dict[str, object]:
        return get_record(pair).fields

    def count_rows(self) -> int | None:
        """Return how many pairs and rejected rows there are; None: the folder is gone."""
        try:
            # A second reader: this runs in another thread, and the first may be closed meanwhile.
            with Reader(self._reader.folder) as reader:
                counts = reader.counts()
                if self._statuses:
                    return sum(counts[status] for status in self._statuses)
                return sum(counts.values()) + reader.rejected_count()
        except JournalError:
            return None

    def fingerprints(self) -> list[dict[str, object]]:
        return self._inputs


RowTable: TypeAlias = PairTable | FolderTable
"""Where the rows of a run come from."""


class _TablePlaces:
    """Places of a table's rows, and their cells; *are_stable*: they are so in every run."""

    def __init__(self, table: RowTable, *, are_stable: bool) -> None:
        self.are_stable = are_stable
        self._table = table

    def place(self, index: int, pair: Pair) -> Place:
        del index
        record = get_record(pair)
        return make_place(record.source, record.line)

    def describe(self, place: Place) -> str:
        return self._table.place(*split_place(place))

    def tag(self, pair: Pair) -> str | None:
        """Return the cells as JSON; None where they are just the two ids, in their order."""
        cells = self._table.cells(pair)
        return None if cells == [pair.from_id, pair.to_id] else json.dumps(cells)


def describe_portal(base_url: str) -> str:
    """Return where pairs go, as a report says it: its host, with http:// if need be."""
    if base_url == SIMULATED_PORTAL:
        return SIMULATED
    return base_url.removeprefix("https://").rstrip("/")


def check_folder(folder: str) -> None:
    """Raise OptionsError for a path that is, or is in, a file, and for a folder of other files."""
    if not Journal(folder).is_there and (other := _find_other(Path(folder))) is not None:
        raise OptionsError(
            f"{folder} is no run folder and has other files, such as {other}: name a new folder, "
            f"such as --run {Path(folder) / 'runs' / 'first'}"
        )
    for path in (Path(folder), *Path(folder).absolute().parents):
        with contextlib.suppress(OSError):  # what may not be looked at is not known to be a file
            if path.is_dir():
                return
            if path.exists():
                raise OptionsError(
                    f"{path} is a file, not a run folder: name a folder, which a run makes if it "
                    "is not there"
                )


def _find_other(folder: Path) -> str | None:
    """Return the name of a file that no run has made; None: there is none, or no folder."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:
        return None
    # Those of a run that was killed at once, those that are hidden, and what disks begin with.
    return next((name for name in names if not name.startswith(_NOT_OTHER)), None)


def open_folder(folder: str, kind: type[Reader] = Reader) -> Reader:
    """Return a *kind* of reader of a run folder, which is open; or OptionsError, JournalError."""
    if not Journal(folder).is_there:
        inside = ", ".join(
            f"{file.parent}" for file in sorted(Path(folder).glob(f"*/{DATABASE}"))[-3:]
        )
        hint = f". Run folders in it: {inside}" if inside else ""
        raise OptionsError(f"{folder} is not a run folder: it has no {DATABASE}{hint}")
    return kind(folder)


def get_record(pair: Pair) -> Record:
    """Return the row that a pair of a table stands in."""
    record = pair.tag
    assert isinstance(record, Record)  # noqa: S101 -- the table tags each pair with its row
    return record


def restore_cells(pair: Pair) -> list[str] | dict[str, object]:
    """Return the cells that were kept of a pair from a run folder."""
    kept = pair.tag
    return kept if isinstance(kept, list | dict) else [pair.from_id, pair.to_id]


def open_journal(stack: ExitStack, call: LinkCall, table: RowTable, base_url: str) -> Journal:
    """Return the run folder for a table; without ``--run`` one that ends with *stack*."""
    command, how = call.command, call.folder
    folder, are_stable, job = how.run, False, {}
    about: dict[str, object] = {"columns": table.header, "inputs": [], "names": table.names}
    about[HAS_OBJECTS] = table.has_objects
    if folder is None:
        try:
            made = tempfile.TemporaryDirectory(prefix="aiohubassoc-", ignore_cleanup_errors=True)
        except OSError as error:
            raise StorageError(f"a temporary folder: {error.strerror}") from None
        folder = stack.enter_context(made)
    else:
        fingerprints = table.fingerprints()
        about |= {"command": command.to_header(), "inputs": fingerprints}
        if isinstance(table, FolderTable):
            job, are_stable = table.job, True
        else:
            job = {f"input {number}": _identify(one) for number, one in enumerate(fingerprints, 1)}
            given = options.to_options(command.input).items()
            job |= {option: value for option, value in given if value is not None}
            is_sure = not how.force
            are_stable = is_sure and all(one["size_bytes"] is not None for one in fingerprints)
        job = {**job, "portal": SIMULATED_PORTAL if command.portal.simulate else base_url}
    places = _TablePlaces(table, are_stable=are_stable)
    journal = Journal.of_input(folder, job=job, about=about, places=places, force=how.force)
    journal.notes.is_of_folder = isinstance(table, FolderTable)
    return journal


def find_refusal(call: LinkCall, table: PairTable) -> str | None:
    """Return why ``link`` would refuse the run folder, which is there; None: it would not."""
    assert call.folder.run is not None  # noqa: S101 -- it is there
    with open_folder(call.folder.run) as reader:
        job = reader.header().get("job")
    kept = job.get("portal") if isinstance(job, dict) else None  # the portal may be another one
    try:
        open_journal(contextlib.ExitStack(), call, table, str(kept)).check()
    except JournalInUseError:  # until that run ends
        return None
    except JournalMismatchError as error:
        return str(error)
    return None


def read_command(header: Mapping[str, Any]) -> Command | None:
    """Return the command that a run folder keeps; None: a program's, or another version's."""
    try:
        return Command.from_header(header)
    except OptionsError:
        return None


def is_complete(reader: Reader) -> bool:
    """Return whether every row of a run folder's input was read, and every pair has a result."""
    return reader.is_read_to_its_end() and not reader.counts()[Status.UNPROCESSED]


def is_from_pipe(header: Mapping[str, Any]) -> bool:
    """Return whether an input of a run folder cannot be opened again."""
    return any(one["size_bytes"] is None for one in header["inputs"])


def find_input_problem(command: Command) -> str | None:
    """
    Return why the plain files of a run folder's command cannot be read again; None: they can.

    What is a pipe by now is not opened: that would wait for somebody who writes to it.
    """
    for path in command.files:
        if not Path(path).exists():
            return f"cannot open {path}: No such file or directory"
        if not Path(path).is_file():
            return f"cannot read {path} again: it is no longer a plain file"
    return None


def estimate_rows(header: dict[str, Any]) -> int | None:
    """Return about how many rows the input has; None if that is not known any more."""
    try:
        command = Command.from_header(header)
        if is_from_pipe(header) or find_input_problem(command) is not None:
            return None
        with PairTable(command.files, command.input) as table:
            return table.count_rows()
    except (AioHubAssocError, OSError):  # gone, changed, or of a program
        return None


def _identify(fingerprint: dict[str, object]) -> str:
    """Return what identifies an input, independent of its place and name."""
    size, columns = fingerprint["size_bytes"], fingerprint["columns"]
    length = "a pipe" if size is None else f"{size:,} bytes"
    assert isinstance(columns, list)  # noqa: S101 -- the table says so
    return f"{length} with the columns {', '.join(columns)} ({str(fingerprint['digest'])[:12]})"
