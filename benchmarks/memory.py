"""
Memory does not grow with the number of pairs.

The peak memory of a process that links 1,000,000 pairs of a generator, and of one that links
10,000, each a process of its own against a portal in yet another, without a quota.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from report import conclude, print_table

from aiohubassoc import AssociationClient, Pair, Quota
from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_GROWTH_MB = 20.0
_UNLIMITED = Quota(1_000_000, 1.0)


def pairs(count: int) -> Iterator[Pair]:
    """Yield so many pairs."""
    for number in range(1, count + 1):
        yield Pair("contacts", number, "companies", number)


async def link(base_url: str, count: int) -> int:
    """Link so many pairs, dropping each outcome; return how many were linked."""
    token = PortalSettings().tokens[0]
    linked = 0
    client = AssociationClient(token, base_url=base_url, quota=_UNLIMITED)
    async with client, client.link_each(pairs(count)) as outcomes:
        async for outcome in outcomes:
            linked += outcome.ok
    return linked


def measure(count: int) -> dict[str, Any]:
    """Return the peak memory of a process that links so many pairs."""
    settings = PortalSettings(quota_limit=None, keep_links=False, keep_arrivals=False)
    with portal_process(settings) as portal:
        done = subprocess.run(  # noqa: S603 -- this script
            [sys.executable, __file__, "--child", portal.base_url, "--pairs", str(count)],
            stdout=subprocess.PIPE,
            check=True,
        )
        books = portal.books()
    told = json.loads(done.stdout)
    return {
        "pairs": count,
        "linked": told["linked"],
        "links made": books["links"]["total"],
        "peak memory, MB": told["peak_kib"] / 1024,
    }


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--child", metavar="BASE_URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        linked = asyncio.run(link(options.child, options.pairs))
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"linked": linked, "peak_kib": peak_kib}))
        return 0
    rows = [measure(options.few), measure(options.pairs)]
    growth = rows[1]["peak memory, MB"] - rows[0]["peak memory, MB"]
    print_table(rows)
    checks = {
        f"the peak grew by at most {_MOST_GROWTH_MB:g} MB: by {growth:.1f} MB": (
            growth <= _MOST_GROWTH_MB
        ),
        "every pair was linked": all(
            row["pairs"] == row["linked"] == row["links made"] for row in rows
        ),
    }
    return conclude("memory", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
