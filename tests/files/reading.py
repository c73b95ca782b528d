"""What the tests of tables do all the time: write a file, read it back as pairs."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import IO, TYPE_CHECKING, Any

import pytest

from aiohubassoc import InputError
from aiohubassoc.files.layout import Layout
from aiohubassoc.files.pairs import PairTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohubassoc import Pair
    from aiohubassoc.files.record import InputCounts, Record

TYPES = {"from_type": "contacts", "to_type": "companies"}


def layout(**options: Any) -> Layout:
    """Contacts to companies, and what else is said."""
    return Layout(**{**TYPES, **options})


def file_of(folder: Path, content: str | bytes, name: str = "pairs.csv") -> str:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def rows_of(path: str, **options: Any) -> list[tuple[Record, Pair | None]]:
    """Each record with its pair."""
    with PairTable(path, layout(**options)) as table:
        return list(table)


def ids_of(path: str, **options: Any) -> list[tuple[str, str]]:
    """The ids of all pairs of a file without problems."""
    pairs = [pair for _, pair in rows_of(path, **options)]
    assert None not in pairs
    return [(pair.from_id, pair.to_id) for pair in pairs if pair is not None]


def problems_of(path: str, **options: Any) -> dict[int, str]:
    """The problem of each line that has one."""
    rows = rows_of(path, **options)
    assert all((record.problem is None) == (pair is not None) for record, pair in rows)
    return {record.line: record.problem for record, _ in rows if record.problem is not None}


def counts_of(path: str, **options: Any) -> InputCounts:
    """What reading a file to its end came to."""
    with PairTable(path, layout(**options)) as table:
        for _ in table:
            pass
        return table.counts


def broken_at(path: str, **options: Any) -> tuple[list[str], str]:
    """The pairs of a file that breaks, and what is said of where it does."""
    read: list[str] = []
    with pytest.raises(InputError) as caught, PairTable(path, layout(**options)) as table:
        read.extend(str(pair) for _, pair in table if pair is not None)
    return read, str(caught.value)


def refusal_of(path: str, **options: Any) -> str:
    """What is said of a file that cannot be opened as pairs."""
    with pytest.raises(InputError) as caught:
        PairTable(path, layout(**options))
    return str(caught.value)


@contextlib.contextmanager
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[bytes]]:
    """Make standard input a pipe, and give the end to write to."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stdin, os.fdopen(write, "wb", buffering=0) as writer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stdin))
        yield writer
