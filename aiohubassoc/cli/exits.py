"""Exit codes, and which of them wins."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from aiohubassoc.errors import AuthenticationError, JournalStorageError, MissingScopesError

if TYPE_CHECKING:
    from aiohubassoc.cli.tally import Tally


class Exit(IntEnum):
    """What the command tells its caller."""

    ALL_LINKED = 0
    """Every pair is linked or skipped."""
    SOME_FAILED = 1
    """Some failed, partially or wholly, or were not usable."""
    USAGE = 2
    """The command line or the input: nothing was sent."""
    STOPPED = 3
    """The run ended early, with pairs unprocessed."""
    UNAUTHORIZED = 4
    """The token or its scopes."""
    STORAGE = 5
    """A file of ours, or the run folder, could not be written."""
    INTERRUPTED = 130
    TERMINATED = 143


def exit_code(tally: Tally, *, signal: int | None, storage_failed: bool) -> int:
    """
    Return the exit code of a run: a signal's, or the highest that applies.

    Args:
        tally: What became of the pairs.
        signal: The number of the signal that ended the run; None if none did.
        storage_failed: Whether a file of ours could not be written.
    """
    if signal is not None:
        return 128 + signal
    if storage_failed or isinstance(tally.stopped, JournalStorageError):
        return Exit.STORAGE
    if isinstance(tally.stopped, AuthenticationError | MissingScopesError):
        return Exit.UNAUTHORIZED
    if tally.unprocessed or not tally.input_complete:
        return Exit.STOPPED
    if tally.failed or tally.partial or tally.invalid:
        return Exit.SOME_FAILED
    return Exit.ALL_LINKED
