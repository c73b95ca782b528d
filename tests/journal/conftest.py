"""Runs over a run folder without a network: every pair is linked unless a script says else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from aiohubassoc import Journal, Outcome, Report
from aiohubassoc._http.clock import SystemClock
from tests.fakes.transport import FakeTransport, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


# What reading links back may find.
FOUND: dict[str, object] = {
    "linked": 1,
    "missing": 0,
    "unknown": 0,
    "input_complete": True,
    "first_missing": [],
    "first_unknown": [],
}


@attrs.define
class Ran:
    """What a run left."""

    outcomes: list[Outcome]
    report: Report
    sent: list[str]

    @property
    def reported(self) -> list[tuple[str, str, str | None]]:
        """From-id, status and category of each outcome, in the input's order."""
        by_index = sorted(self.outcomes, key=lambda outcome: outcome.index)
        return [(one.pair.from_id, one.status.value, one.category) for one in by_index]


def run(
    journal: Journal,
    pairs: Iterable[Any],
    script: dict[str, Any] | None = None,
    *,
    retry_failed: bool = False,
    workers: int = 16,
    **options: Any,
) -> Ran:
    """Link *pairs* in a separate loop: its thread has its own time."""

    async def go() -> Ran:
        transport = FakeTransport(script, latency=0.0)
        recorder = journal.recording({"portal": "x"}, SystemClock(), retry_failed=retry_failed)
        stream = stream_of(pairs, transport, recorder=recorder, workers=workers, **options)
        async with stream as outcomes:
            reported = [outcome async for outcome in outcomes]
        return Ran(reported, stream.report, [from_id for _, from_id in transport.sent])

    return asyncio.run(go())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where a run folder may be made."""
    return tmp_path / "runs" / "one"
