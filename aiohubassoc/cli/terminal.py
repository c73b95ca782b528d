"""Standard output and standard error, which may be closed, broken off or lack a letter."""

from __future__ import annotations

import io
import os
import sys

from rich.console import Console


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on in silence: whoever stopped reading does not end the work."""
        self.quiet = True
        # Or Python would try to write what is left when it ends, and say so.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


def output() -> Console:
    """Return where results go."""
    return _on(sys.stdout, is_error=False)


def messages() -> Console:
    """Return where progress and errors go."""
    return _on(sys.stderr, is_error=True)


def _on(stream: object, *, is_error: bool) -> Console:
    if isinstance(stream, io.TextIOWrapper):
        # A letter that the terminal's encoding lacks must not end the work either.
        stream.reconfigure(errors="backslashreplace")
    return _Console(stderr=is_error, highlight=False)
