"""The command as a process: started, waited for, and always ended."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import FAST, TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohubassoc.simulator import ServedPortal

# v4 is warned of from a date on, which the tests are to outlive.
PYTHON = [sys.executable, "-W", "error", "-W", "ignore:HubSpot supports its v4:FutureWarning"]
COMMAND = [*PYTHON, "-m", "aiohubassoc"]
LINK = [*COMMAND, "link", "--no-check", "-", *TYPES, *FAST]


def run(*command: object, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a process to its end."""
    return subprocess.run(
        [str(part) for part in command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


@contextmanager
def started(
    *command: object, stdin: str | None = None, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """Start a process; its standard input stays open when *stdin* has been written."""
    with subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    ) as process:
        try:
            if stdin is not None:
                assert process.stdin is not None
                process.stdin.write(stdin)
                process.stdin.flush()
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until *condition* holds."""
    while not condition():
        # The portal's thread has its turn meanwhile; and a process that has ended is no use.
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the command ended with {process.wait(0.005)}")


def until_requests(portal: ServedPortal, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until the portal has had so many requests."""
    until(lambda: portal.portal.ledger.requests >= count, process)


def kill_run(portal: ServedPortal, *command: object, after: int) -> int:
    """Start a run, kill it once the portal has had so many requests, and return its process id."""
    with started(*command) as process:
        until_requests(portal, after, process)
        process.kill()
        process.communicate(timeout=300)
    return process.pid
