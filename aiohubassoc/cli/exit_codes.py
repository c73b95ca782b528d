"""Exit codes, and which of them wins."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import (
    AuthenticationError,
    JournalStorageError,
    MissingScopesError,
    PermissionDeniedError,
    UnknownObjectTypeError,
)

if TYPE_CHECKING:
    from aiohubassoc.cli.report import CommandReport


class ExitCode(IntEnum):
    """What the command returns to its caller."""

    ALL_LINKED = 0
    """Every pair is linked or skipped; of ``verify``: linked."""
    SOME_FAILED = 1
    """
    Some failed, partially or wholly, or were not usable; of ``verify``: some are missing. Or there
    were no rows, with ``--require-rows``.
    """
    USAGE = 2
    """The command line, the input, or no such run folder: nothing was linked."""
    STOPPED = 3
    """The run ended early, with pairs unprocessed; of ``verify``: some are unknown."""
    UNAUTHORIZED = 4
    """The token, its scopes, or what its user or app may do."""
    STORAGE = 5
    """A file of ours, or the run folder, could not be written."""
    IN_USE = 75
    """Another process uses the run folder: try again later (EX_TEMPFAIL of sysexits.h)."""
    INTERRUPTED = 130
    TERMINATED = 143


_BY_STOP: Final = (
    (JournalStorageError, ExitCode.STORAGE),
    (AuthenticationError, ExitCode.UNAUTHORIZED),
    (MissingScopesError, ExitCode.UNAUTHORIZED),
    (PermissionDeniedError, ExitCode.UNAUTHORIZED),
    (UnknownObjectTypeError, ExitCode.USAGE),
)


def exit_code(
    report: CommandReport, *, storage_failed: bool = False, require_rows: bool = False
) -> int:
    """
    Return the exit code of a run: a signal's, or the highest that applies.

    When links are read back, what is unknown outranks what is missing: the result is not complete,
    and to ask again may find more that is missing.

    Args:
        report: What became of the rows.
        storage_failed: Whether a file of ours could not be written.
        require_rows: Whether an input without rows is a failure.
    """
    if report.signal is not None:
        return 128 + report.signal
    if storage_failed:
        return ExitCode.STORAGE
    for errors, code in _BY_STOP:
        if isinstance(report.stopped, errors):
            return code
    if report.unsettled or not (report.input_complete or report.is_limited):
        return ExitCode.STOPPED
    if require_rows and not report.done:
        return ExitCode.SOME_FAILED
    return ExitCode.SOME_FAILED if report.not_linked or report.invalid else ExitCode.ALL_LINKED
