"""
Measures the calls of a nightly sync in which most pairs are linked already.

A simulated portal has all links but a few. The same pairs are linked with ``skip_linked``, once by
single calls and once by batches. Then all of them are read back from a portal that confirmed some
links without making them: the missing links are compared with its ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from report import conclude, print_table

from aiohubassoc import AssociationClient, LinkState, Pair, Quota
from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohubassoc.simulator import PortalProcess

    Via: TypeAlias = Literal["put", "batch"]

_FAR_AWAY: Final = Quota(1_000_000, 1.0)
_SETTINGS: Final = PortalSettings(quota_limit=None, keep_arrivals=False)
_RECORDS_A_CALL: Final = 1000  # HubSpot, Associations v4; so the next
_PAIRS_A_BATCH: Final = 2000
_MORE_READS: Final = 1.1
_UNMADE_SHARE: Final = 0.01


def pairs_of(count: int) -> Iterator[Pair]:
    """Yield *count* pairs with different first records."""
    return (Pair("contacts", n, "companies", n + 10_000_000) for n in range(1, count + 1))


def client_of(portal: PortalProcess) -> AssociationClient:
    """Return a client that no quota slows down: what counts is how many calls it makes."""
    return AssociationClient(
        _SETTINGS.tokens[0], base_url=portal.base_url, quota=_FAR_AWAY, batch_quota=_FAR_AWAY
    )


def ends(pair: Pair) -> tuple[str, str, str, str]:
    """Return a pair as the portal's records have it."""
    return pair.from_type, pair.from_id, pair.to_type, pair.to_id


async def _sync(portal: PortalProcess, count: int, via: Via) -> tuple[int, int]:
    async with client_of(portal) as client:
        report = await client.link_all(pairs_of(count), via=via, skip_linked=True)
    return report.linked, report.skipped


def sync(count: int, new: set[int], via: Via) -> dict[str, Any]:
    """Link pairs of which only *new* ones are not linked; return the counts of the portal."""
    with portal_process(_SETTINGS) as portal:
        portal.add_links(
            ends(pair) for number, pair in enumerate(pairs_of(count)) if number not in new
        )
        linked, skipped = asyncio.run(_sync(portal, count, via))
        ledger = portal.ledger()
    calls = ledger["calls"]
    return {
        "pairs": count,
        "new": len(new),
        "via": via,
        "linked": linked,
        "skipped": skipped,
        "reads": calls.get("read", 0),
        "PUTs": calls.get("put", 0),
        "batches": calls.get("batch", 0),
        "links made": ledger["links"]["pairs"],
    }


async def _verify(portal: PortalProcess, count: int) -> tuple[int, Sequence[Pair], int]:
    async with client_of(portal) as client:
        report = await client.link_all(pairs_of(count), via="batch")
        async with client.verify(pairs_of(count)) as found:
            missing = [one.pair async for one in found if one.state is not LinkState.LINKED]
    return report.linked, missing, found.report.unknown


def verify(count: int) -> tuple[dict[str, Any], bool]:
    """Link, read back, and return the result, and whether the portal's ledger agrees."""
    settings = PortalSettings(quota_limit=None, keep_arrivals=False, unmade_share=_UNMADE_SHARE)
    with portal_process(settings) as portal:
        linked, missing, unknown = asyncio.run(_verify(portal, count))
        ledger = portal.ledger()
        made = {tuple(row[:4]) for row in portal.links()["links"]}
    unmade = {ends(pair) for pair in pairs_of(count)} - made
    reported = {
        "pairs": count,
        "reported as linked": linked,
        "found missing": len(missing),
        "unknown": unknown,
        "not in the records": len(unmade),
        "reads": ledger["calls"]["read"],
    }
    return reported, set(map(ends, missing)) == unmade


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--new-share", type=float, default=0.01)
    options = parser.parse_args()
    count = options.pairs
    new = set(random.Random(1).sample(range(count), int(count * options.new_share)))
    rows = [sync(count, new, "put"), sync(count, new, "batch")]
    print_table(rows)
    found, agrees = verify(count)
    print_table([found])
    least_reads = -(-count // _RECORDS_A_CALL)
    by_puts, by_batches = rows
    checks = {
        "only what is new was sent, and linked": all(
            row["linked"] == row["links made"] == len(new) for row in rows
        ),
        "and all else skipped": all(row["skipped"] == count - len(new) for row in rows),
        f"about {least_reads} reads": all(
            row["reads"] <= least_reads * _MORE_READS + 1 for row in rows
        ),
        "a PUT for each new pair": by_puts["PUTs"] == len(new),
        "or a batch for 2,000 of them": (
            by_batches["PUTs"] == 0 and by_batches["batches"] <= -(-len(new) // _PAIRS_A_BATCH) + 1
        ),
        "what was reported as linked and not made is found, and nothing else": (
            agrees and found["found missing"] > 0 and found["unknown"] == 0
        ),
    }
    return conclude("nightly", [*rows, found], checks)


if __name__ == "__main__":
    sys.exit(main())
