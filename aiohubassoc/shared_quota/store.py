"""
The interface of a store of shared states, its tables, and the identity of its clients.

All methods of a store are called from one thread, which is not the event loop's.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SCHEMA_VERSION: Final = 1  # of the tables; that of what stands in `state` is `snapshot.FORMAT`

# kind: single or batch calls. revision: counts changes. epoch: which start of the store's machine
# or server its instants are of.
_SCHEMA: Final = (
    "create table aiohubassoc_quota_schema (version integer not null)",
    """
    create table aiohubassoc_quota (
      name text not null, kind text not null, revision bigint not null, epoch text not null,
      state {bytes} not null, primary key (name, kind)
    )
    """,
    "insert into aiohubassoc_quota_schema (version) values ({version})",
)
VERSION: Final = "select version from aiohubassoc_quota_schema"
NOT_OURS: Final = "it is no store of aiohubassoc"
_NEWER: Final = (
    "a newer version of aiohubassoc made its tables: upgrade this one, or use another store"
)


def schema(bytes_type: str) -> list[str]:
    """Return the statements that make the tables in a database with that type of bytes."""
    return [text.format(bytes=bytes_type, version=SCHEMA_VERSION) for text in _SCHEMA]


def check_version(row: Sequence[object] | None) -> None:
    """Raise PermanentStoreError unless *row*, the response to `VERSION`, is of our tables."""
    version = None if row is None else row[0]
    if not isinstance(version, int):
        raise PermanentStoreError(f"{NOT_OURS}: its tables have no version")
    if version > SCHEMA_VERSION:
        raise PermanentStoreError(_NEWER)


class TransientStoreError(Exception):
    """A store is unavailable for now: it restarts, or others have locked it."""


class PermanentStoreError(Exception):
    """A store cannot be used, and waiting does not help."""


@attrs.frozen
class StoredState:
    """The row of one quota."""

    revision: int  # number of changes so far
    epoch: str  # `RowTransaction.epoch` when it was written
    state: bytes


@attrs.frozen
class RowTransaction:
    """A transaction of a store, in which no other process changes the row."""

    row: StoredState | None  # None: there is none
    epoch: str  # identifies the start of the machine or the server
    arrived_at: float  # the store's time at the request, in seconds
    now: float  # the store's time once no other process could change the row


class Store(Protocol):
    """Keeps common states. Methods may raise `TransientStoreError`, `PermanentStoreError`."""

    keeps_time: bool  # whether times of an earlier epoch are valid
    has_local_time: bool  # whether the store's clock is that of `local_time`

    def open(self) -> None:
        """Connect, and make the tables if there are none."""
        ...

    def local_time(self) -> float:
        """Return this machine's monotonic seconds, from any thread."""
        ...

    def update(self, name: str, kind: str, change: Callable[[RowTransaction], bytes]) -> None:
        """Replace the state of a row by what *change* returns, in one transaction."""
        # *change* is called again if the transaction is repeated.
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


# --- clients ------------------------------------------------------------------------------------


def make_identity() -> str:
    """Return a unique name for a client of this process."""
    process_id = os.getpid()
    return f"{_namespace()}/{process_id}/{_started_at(process_id)}/{secrets.token_hex(4)}"


def is_gone(identity: str) -> bool:
    """Return whether the process of *identity* has certainly ended; False if that is unknown."""
    # It is unknown on another machine, in another container, and where the system does not report
    # when processes started.
    namespace, process_id, started_at, _ = identity.split("/")
    if not started_at or not namespace or namespace != _namespace():
        return False
    return _started_at(int(process_id)) != started_at


def boot_id() -> str:
    """Return the identity of the machine's start; empty if the system does not report one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> str:
    """Return the name of the machine's start and the container: process ids are unique in it."""
    boot = boot_id()
    try:
        return f"{boot}:{Path('/proc/self/ns/pid').readlink().name}" if boot else ""
    except OSError:
        return ""


def _started_at(process_id: int) -> str:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    # After the name, which may hold anything, in parentheses; proc(5): 3 is the state, 22 this.
    state, *fields = status.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]
