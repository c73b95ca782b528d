"""What the command keeps in a run folder of itself and its input, and how it goes on from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from aiohubassoc.cli.folder_table import FolderTable
from aiohubassoc.cli.form import FormOptions
from aiohubassoc.cli.options import (
    CheckOptions,
    InputOptions,
    PaceOptions,
    PortalOptions,
    option_of,
    plain,
)
from aiohubassoc.cli.places import TablePlaces
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.byte_source import STDIN, name_of
from aiohubassoc.journal.journal import Journal

if TYPE_CHECKING:
    import os

    from aiohubassoc.files.pairs import PairTable


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
        form: One by one or in batches, and whether links are read.
    """

    files: tuple[str, ...]
    input: InputOptions
    portal: PortalOptions
    pace: PaceOptions
    check: CheckOptions
    form: FormOptions = attrs.Factory(FormOptions)

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
            FormOptions(**kept.get("form", {})),  # one of before batches has none
        )

    def plain(self) -> dict[str, Any]:
        """Return it as it is kept."""
        files = [path if path == STDIN else str(Path(path).absolute()) for path in self.files]
        groups = ("input", "portal", "pace", "check", "form")
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
            option_of(name): value
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


def passing_journal_of(folder: str, table: PairTable | FolderTable) -> Journal:
    """Return a run folder that lasts no longer than one run, for a table."""
    return Journal.of_input(
        folder,
        job={},
        about={"columns": table.header, "inputs": [], "names": table.names},
        places=TablePlaces(table, are_stable=False),
        force=False,
    )


def _told(fingerprint: dict[str, object]) -> str:
    """Return what an input is known by, wherever it lies and whatever its name."""
    size, columns = fingerprint["size_bytes"], fingerprint["columns"]
    told = "a pipe" if size is None else f"{size:,} bytes"
    assert isinstance(columns, list)  # noqa: S101 -- the table says so
    return f"{told} with the columns {', '.join(columns)} ({str(fingerprint['digest'])[:12]})"


def is_of_pipe(header: dict[str, Any]) -> bool:
    """Return whether an input of a run folder cannot be opened again."""
    return any(one["size_bytes"] is None for one in header["inputs"])


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
