"""Standard output and standard error, which may be closed, broken off or lack a letter."""

from __future__ import annotations

import io
import os
import sys

from rich.console import Console
from rich.markup import escape


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on in silence: whoever stopped reading does not end the work."""
        self.quiet = True
        _discard(self.file.fileno())


def stdout() -> Console:
    """Return where results go."""
    return _on(sys.stdout, is_error=False)


def stderr() -> Console:
    """Return where progress and errors go."""
    return _on(sys.stderr, is_error=True)


def warn_cannot_write(what: str) -> None:
    """Say that a file of ours cannot be written: *what*, and why."""
    stderr().print(f"[bold red]Cannot write[/] {escape(what)}", soft_wrap=True)


def discard_output() -> None:
    """Drop what Python would still write to standard output, which nobody reads any more."""
    _discard(sys.stdout.fileno())


def _discard(descriptor: int) -> None:
    # Or Python would try to write what is left when it ends, and say so.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _on(stream: object, *, is_error: bool) -> Console:
    if isinstance(stream, io.TextIOWrapper):
        # A letter that the terminal's encoding lacks must not end the work either.
        stream.reconfigure(errors="backslashreplace")
    return _Console(stderr=is_error, highlight=False)
