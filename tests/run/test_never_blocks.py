"""
Nothing that waits is called on the event loop: no file, no SQLite, no sleep, no socket that blocks.

One function is allowed to, ``_met``: it reads the row of a pair that the Bloom filter thinks it has
seen, by its index, which SQLite has in memory or finds in one page. A thread for each would cost
more than the read, for every pair of a run that is resumed.

The modules that are first needed in a run are read then, once a process.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import AssociationClient, Journal, Pair, Quota, RetryPolicy
from aiohubassoc.simulator import FaultPlan, PortalSettings
from aiohubassoc.testing import simulated_portal
from tests.fakes.blocking_calls import blocking_calls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALLOWED = {"_met"}
MANY = Quota(10**6, 1.0)
FAULTS = FaultPlan(server_error_500=0.1, reset_after=0.05, garbled_body=0.05, throttled_429=0.02)
SETTINGS = PortalSettings(quota_limit=None, missing_share=0.02, faults=FAULTS)
PAIRS = [Pair("contacts", n, "companies", n % 37 + 1) for n in range(1, 400)]


def _client(base_url: str) -> AssociationClient:
    return AssociationClient(
        SETTINGS.tokens[0],
        base_url=base_url,
        quota=MANY,
        batch_quota=MANY,
        retry=RetryPolicy(attempts=8, wait_initial=0.01),
    )


@pytest.mark.parametrize(
    "options",
    [{"via": "put"}, {"via": "batch", "batch_size": 50}, {"skip_linked": True}],
    ids=["put", "batch", "skip_linked"],
)
async def test_a_run_with_a_folder_and_its_resumption(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """From opening the client and the folder to closing both, twice."""
    rows: list[Any] = [(pair.from_id, pair.to_id) for pair in PAIRS]
    first = [*rows[:300], *rows[:20], ("no id", "1 ")]
    with blocking_calls(ALLOWED) as blocking:
        async with simulated_portal(SETTINGS) as served:
            for ids in (first, [*first, *rows[300:]]):
                journal = Journal(tmp_path / "run")
                async with _client(served.base_url) as client:
                    report = await client.link_all(
                        ids,
                        from_type="contacts",
                        to_type="companies",
                        journal=journal,
                        retry_failed=True,
                        **options,
                    )
                assert len(ids) == report.total
    assert [] == blocking.found


async def test_all_else_that_a_client_does() -> None:
    """Single calls, a batch, a check of the account, reading back."""
    with blocking_calls(ALLOWED) as blocking:
        async with simulated_portal(SETTINGS) as served, _client(served.base_url) as client:
            await client.create_default_batch("contacts", "companies", [(5, 6)])
            await client.check("contacts", "companies")
            async with client.verify(PAIRS) as found:
                assert len(PAIRS) == len([one async for one in found])
    assert [] == blocking.found


async def test_a_plan(tmp_path: Path) -> None:
    """Duplicates are found in a temporary file, and a run folder is read."""
    journal = Journal(tmp_path / "run")
    async with simulated_portal(SETTINGS) as served, _client(served.base_url) as client:
        await client.link_all(PAIRS[:50], journal=journal)
        with blocking_calls(ALLOWED) as blocking:
            plan = await client.plan([*PAIRS, *PAIRS], journal=journal)
    assert len(PAIRS) == plan.pairs == plan.duplicates
    assert [] == blocking.found


@pytest.mark.parametrize(
    "block",
    [
        lambda path: path.read_bytes(),
        lambda path: path.stat(),
        lambda path: os.fsync(0),
        lambda path: sqlite3.connect(":memory:").close(),
        lambda path: time.sleep(0),  # noqa: TID251 -- what is looked for
        lambda path: os.listdir(path.parent),  # noqa: PTH208 -- likewise
    ],
)
async def test_the_judge_can_say_no(tmp_path: Path, block: Callable[[Path], object]) -> None:
    """Each of these is found."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    with blocking_calls(ALLOWED) as blocking, contextlib.suppress(OSError):
        block(path)  # not everything can be synced
    assert blocking.found
