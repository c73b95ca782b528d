"""Exit codes, and which of them wins."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from aiohubassoc.errors import AuthenticationError, JournalStorageError, MissingScopesError

if TYPE_CHECKING:
    from aiohubassoc.cli.findings import Findings
    from aiohubassoc.cli.report import RowCounts
    from aiohubassoc.cli.tally import Tally


class ExitCode(IntEnum):
    """What the command tells its caller."""

    ALL_LINKED = 0
    """Every pair is linked or skipped; of ``verify``: linked."""
    SOME_FAILED = 1
    """Some failed, partially or wholly, or were not usable; of ``verify``: some are missing."""
    USAGE = 2
    """The command line or the input: nothing was sent."""
    STOPPED = 3
    """The run ended early, with pairs unprocessed; of ``verify``: some are unknown."""
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
    return _of_any(tally, signal=signal, storage_failed=storage_failed) or (
        ExitCode.STOPPED
        if tally.unprocessed or not tally.input_complete
        else ExitCode.SOME_FAILED
        if tally.failed or tally.partial or tally.invalid
        else ExitCode.ALL_LINKED
    )


def verify_exit_code(findings: Findings, *, signal: int | None, storage_failed: bool) -> int:
    """
    Return the exit code of reading links back: a signal's, or the highest that applies.

    What is unknown outranks what is missing, whether the run ended early or HubSpot did not say:
    the answer is not complete, and to ask again may find more that is missing.

    Args:
        findings: What was found.
        signal: The number of the signal that ended the run; None if none did.
        storage_failed: Whether a file of ours could not be written.
    """
    return _of_any(findings, signal=signal, storage_failed=storage_failed) or (
        ExitCode.STOPPED
        if findings.unknown or not findings.input_complete
        else ExitCode.SOME_FAILED
        if findings.missing or findings.invalid
        else ExitCode.ALL_LINKED
    )


def _of_any(counts: RowCounts, *, signal: int | None, storage_failed: bool) -> int:
    """Return the exit code of a run that could not do its work; 0 if it could."""
    if signal is not None:
        return 128 + signal
    if storage_failed or isinstance(counts.stopped, JournalStorageError):
        return ExitCode.STORAGE
    if isinstance(counts.stopped, AuthenticationError | MissingScopesError):
        return ExitCode.UNAUTHORIZED
    return 0
