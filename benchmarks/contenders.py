"""Contenders as processes that are asked for one round after the other."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any, Self

import attrs
from lean_server import cores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType


@attrs.frozen
class Round:
    """What one round came to, by the contender's own words."""

    linked: int
    failed: int
    cpu_seconds: float
    wall_seconds: float

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU a pair."""
        return self.cpu_seconds / (self.linked + self.failed) * 1e6


class Contender:
    """
    A process that links pairs when asked to; on the machine's first core where that can be chosen.

    Args:
        command: What to run. It answers as `peers/runner.py` describes.
        folder: Where it runs. None: here.
    """

    def __init__(self, command: Sequence[str | Path], folder: Path | None = None) -> None:
        self._command = command
        self._folder = folder
        self._next_id = 1

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Otherwise warnings of the peer would hide the table.
            env={**os.environ, "PYTHONWARNINGS": "ignore", "NODE_NO_WARNINGS": "1"},
        )
        if (pair := cores()) is not None:
            os.sched_setaffinity(self._process.pid, {pair[0]})
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def run(self, base_url: str, count: int, concurrency: int) -> Round:
        """
        Link the next *count* pairs.

        Raises:
            RuntimeError: the process ended instead.
        """
        return Round(**self.ask(base_url, count, concurrency))

    def ask(self, base_url: str, count: int, concurrency: int) -> dict[str, Any]:
        """
        Send a job of *count* pairs to the process and return its result.

        Raises:
            RuntimeError: the process ended instead.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {
            "base_url": base_url,
            "first_id": self._next_id,
            "count": count,
            "concurrency": concurrency,
        }
        self._next_id += count
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command} ended in the middle of a round")
        reported: dict[str, Any] = json.loads(line)
        return reported
