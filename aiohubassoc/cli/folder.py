"""What the command keeps in a run folder of itself and its input, and how it goes on from it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from aiohubassoc.cli.options import CheckOptions, InputOptions, PaceOptions, PortalOptions, plain
from aiohubassoc.cli.places import TablePlaces, cells_of
from aiohubassoc.errors import OptionsError
from aiohubassoc.journal.journal import Journal
from aiohubassoc.pair import Pair, unchecked_pair
from aiohubassoc.tables.opening import STDIN, name_of
from aiohubassoc.tables.records import Record

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from aiohubassoc.journal.reader import Reader
    from aiohubassoc.tables.pairs import PairTable


@attrs.frozen
class Command:
    """
    The command ``link`` as a run folder keeps it: what it takes to go on.

    Attributes:
        files: The inputs; plain files by their whole path.
        input: What they are like.
        portal: Where to.
        pace: How fast.
        check: What to do about bad rows and failures.
    """

    files: tuple[str, ...]
    input: InputOptions
    portal: PortalOptions
    pace: PaceOptions
    check: CheckOptions

    @classmethod
    def kept(cls, header: dict[str, Any]) -> Command:
        """
        Return the command that a run folder keeps.

        Raises:
            OptionsError: it was not made by the command.
        """
        kept = header.get("command")
        if not isinstance(kept, dict):
            raise OptionsError("the run folder was made by a program: go on with that program")
        return cls(
            tuple(kept["files"]),
            InputOptions(**kept["input"]),
            PortalOptions(**kept["portal"]),
            PaceOptions(**kept["pace"]),
            CheckOptions(**kept["check"]),
        )

    def plain(self) -> dict[str, Any]:
        """Return it as it is kept."""
        files = [path if path == STDIN else str(Path(path).absolute()) for path in self.files]
        groups = ("input", "portal", "pace", "check")
        return {"files": files, **{name: plain(getattr(self, name)) for name in groups}}


def journal_of(
    folder: str | os.PathLike[str],
    command: Command,
    table: PairTable | FolderTable,
    *,
    base_url: str,
    force: bool,
) -> Journal:
    """
    Return the run folder for a table.

    Args:
        folder: The folder.
        command: What was called.
        table: The input, open.
        base_url: Where the pairs are sent, told apart from other portals.
        force: Whether to go on though the folder belongs to another job.
    """
    is_of_folder = isinstance(table, FolderTable)
    if isinstance(table, FolderTable):
        job, are_stable = table.job, True
        fingerprints: list[dict[str, object]] = table.fingerprints()
    else:
        fingerprints = table.fingerprints()
        are_stable = not force and all(one["size_bytes"] is not None for one in fingerprints)
        job = {f"input {number}": _told(one) for number, one in enumerate(fingerprints, 1)}
        job |= {
            f"--{name.rstrip('_').replace('_', '-')}": value
            for name, value in plain(command.input).items()
            if value is not None
        }
    journal = Journal.of_input(
        folder,
        job={**job, "portal": base_url},
        about={
            "command": command.plain(),
            "columns": table.header,
            "inputs": fingerprints,
            "names": table.names,
        },
        places=TablePlaces(table, are_stable=are_stable),
        force=force,
    )
    journal.notes.is_of_folder = is_of_folder
    return journal


def _told(fingerprint: dict[str, object]) -> str:
    """Return what an input is known by, wherever it lies and whatever its name."""
    size, columns = fingerprint["size_bytes"], fingerprint["columns"]
    told = "a pipe" if size is None else f"{size:,} bytes"
    assert isinstance(columns, list)  # noqa: S101 -- the table says so
    return f"{told} with the columns {', '.join(columns)} ({str(fingerprint['digest'])[:12]})"


class FolderTable:
    """
    The pairs of a run folder whose input can no longer be read, as the table that they came from.

    Args:
        reader: The folder. Its last run has read the input to its end.

    Raises:
        JournalError: it cannot be read; so for every method.
    """

    may_block = False

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        header = reader.header()
        self.header: list[str] = header["columns"]
        self.names: list[str] = header["names"]
        self.name = self.names[0]
        self.job: dict[str, object] = header["job"]
        self._inputs: list[dict[str, object]] = header["inputs"]

    def __iter__(self) -> Iterator[tuple[Record, Pair | None]]:
        for source, line, problem, fields in self._reader.unusable():
            yield Record(line, fields, problem, source), None
        for row in self._reader.rows():
            kept = row.pair
            record = Record(row.line, cells_of(kept), None, row.source)
            ends = (kept.from_type, kept.from_id, kept.to_type, kept.to_id)
            yield record, unchecked_pair(*ends, tag=record)

    def cells(self, pair: Pair) -> list[str] | dict[str, object]:
        """Return the row of *pair*."""
        record = pair.tag
        assert isinstance(record, Record)  # noqa: S101 -- set above
        return record.fields

    def place(self, source: int, line: int) -> str:
        """Return how messages call a place."""
        return place_told(self.names, source, line)

    def count_rows(self) -> int | None:
        """Return how many pairs and unusable rows there are."""
        return sum(self._reader.counts().values()) + self._reader.unusable_count()

    def fingerprints(self) -> list[dict[str, object]]:
        """Return those of the input."""
        return self._inputs


def place_told(names: Sequence[str], source: int, line: int) -> str:
    """Return how messages call a place in inputs of these names."""
    return f"line {line}" + (f" of {names[source]}" if len(names) > 1 else "")


def is_of_pipe(header: dict[str, Any]) -> bool:
    """Return whether an input of a run folder cannot be opened again."""
    return any(one["size_bytes"] is None for one in header["inputs"])


def how_to_go_on(folder: str, *, needs_input: bool) -> str:
    """
    Return what to do about a run that is not at its end.

    Args:
        folder: The run folder.
        needs_input: Whether its input must be given again.
    """
    named = shlex.quote(folder)
    if needs_input:
        return f"To go on, give the input again, with the same command and --run {named}"
    return f"To go on: aiohubassoc resume {named}"


def check_files(command: Command) -> None:
    """
    Raise OptionsError for an input that looks like an option.

    Raises:
        OptionsError: it does.
    """
    for path in command.files:
        if path.startswith("-") and path != STDIN:
            raise OptionsError(f"there is no option {path}")


def names_of(command: Command) -> str:
    """Return how messages call the inputs."""
    return ", ".join(name_of(path) for path in command.files)
