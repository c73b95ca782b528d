"""Finds calls that block the event loop: files, SQLite, sleep, blocking sockets, processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sqlite3
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_connect: Final = sqlite3.connect
# Events of the interpreter (Python, "Audit events table") that are about files, or that wait.
_WAITING: Final = ("open", "os.", "sqlite3.", "socket.", "subprocess.", "shutil.")
# Of those, what does no I/O.
_HARMLESS: Final = {"socket.__new__", "socket.bind", "os.putenv", "os.unsetenv"}
_UNAUDITED: Final = (
    *((os, name) for name in ("stat", "lstat", "access", "fsync", "fdatasync", "replace")),
    (time, "sleep"),  # audited from Python 3.13 on
)
# A module is read when it is first imported, and a line of source when a traceback is shown.
_ONCE: Final = {"_find_and_load", "updatecache", "checkcache"}


class BlockingCalls:
    """
    Notes calls that block, made in a thread whose event loop is running.

    Args:
        allowed: Names of functions; what they call is not noted.

    Attributes:
        found: Each as the call, and the functions that it came through, the innermost first.
    """

    def __init__(self, allowed: set[str]) -> None:
        self.found: list[tuple[str, list[str]]] = []
        self._allowed = allowed | _ONCE

    def note(self, call: str) -> None:
        """Note *call*, unless no loop is running in this thread or it is allowed."""
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            frame, names = sys._getframe(1), []
            while (frame := frame.f_back) is not None:  # type: ignore[assignment]
                if frame.f_globals.get("__name__", "").startswith("coverage."):
                    return  # coverage looks up a module that it first meets
                names.append(frame.f_code.co_name)
            if not self._allowed.intersection(names):
                self.found.append((call, names[:12]))


_active: BlockingCalls | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _active is None or event in _HARMLESS or not event.startswith(_WAITING):
        return
    first = arguments[0] if arguments else None
    if isinstance(first, socket.socket) and first.gettimeout() == 0.0:
        return  # it does not wait
    _active.note(event)


class _Connection(sqlite3.Connection):
    """Notes what it executes."""

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """Execute."""
        if _active is not None:
            _active.note("sqlite3 execute")
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        """Execute with many rows."""
        if _active is not None:
            _active.note("sqlite3 executemany")
        return super().executemany(*arguments)

    def commit(self) -> None:
        """Commit."""
        if _active is not None:
            _active.note("sqlite3 commit")
        super().commit()


def _noting(module: ModuleType, name: str) -> Callable[..., Any]:
    original = getattr(module, name)

    def call(*arguments: Any, **options: Any) -> Any:
        if _active is not None:
            _active.note(f"{module.__name__}.{name}")
        return original(*arguments, **options)

    return call


_is_hooked = False


@contextlib.contextmanager
def blocking_calls(allowed: set[str]) -> Iterator[BlockingCalls]:
    """Note the blocking calls while the context lasts; *allowed* as for `BlockingCalls`."""
    global _active, _is_hooked  # noqa: PLW0603 -- a hook of the interpreter stays for good
    if not _is_hooked:
        sys.addaudithook(_hear)
        _is_hooked = True
    with contextlib.ExitStack() as stack:
        for module, name in _UNAUDITED:
            if hasattr(module, name):
                stack.enter_context(patch.object(module, name, _noting(module, name)))

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return _connect(*arguments, factory=_Connection, **options)

        stack.enter_context(patch.object(sqlite3, "connect", connect))
        _active = found = BlockingCalls(allowed)
        try:
            yield found
        finally:
            _active = None
