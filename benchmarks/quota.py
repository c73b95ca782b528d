"""
How near to the quota, and never above: 1,800 pairs at 190 calls a second and at 190 in 10 s.

Each way takes a log-normal time of its own, median 40 ms, sigma 0.3, before and after the portal
counts a call. The least possible time is that of a client that knows everything: ``floor((n - 1) /
limit)`` windows, no time on the wire at all. What was sent is judged by the portal's books.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from naive import burst, paced
from report import conclude, print_table

from aiohubassoc import AssociationClient, Pair, Quota
from aiohubassoc.simulator import Latency, PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

_LATENCY = Latency(before_median=0.04, before_sigma=0.3, after_median=0.04, after_sigma=0.3)
_CONCURRENCY = 64
_MOST_RATIO = {1.0: 1.10, 10.0: 1.02}


async def ours(base_url: str, token: str, pairs: Sequence[Pair], quota: Quota) -> tuple[int, float]:
    """Link *pairs* with aiohubassoc; return the linked and the seconds."""
    begun = perf_counter()
    client = AssociationClient(
        token, base_url=base_url, api_version="2026-09", quota=quota, concurrency=_CONCURRENCY
    )
    async with client:
        report = await client.link_all(pairs)
    return report.linked, perf_counter() - begun


def measure(
    name: str,
    way: Callable[[str, str, Sequence[Pair], Quota], Awaitable[tuple[int, float]]],
    count: int,
    quota: Quota,
    seed: int,
) -> dict[str, Any]:
    """Return what *way* does with so many pairs, by the portal's books."""
    settings = PortalSettings(
        seed=seed, quota_limit=quota.limit, quota_window=quota.window, latency=_LATENCY
    )
    pairs = [Pair("contacts", number, "companies", number) for number in range(1, count + 1)]

    async def run() -> tuple[int, float]:
        return await way(portal.base_url, settings.tokens[0], pairs, quota)

    with portal_process(settings) as portal:
        told, seconds = asyncio.run(run())
        books = portal.books()
    least = (count - 1) // quota.limit * quota.window
    return {
        "client": name,
        "quota": str(quota),
        "pairs": count,
        "lost": count - books["links"]["pairs"],
        "told wrongly": abs(told - books["links"]["pairs"]),
        "429s": sum(books["throttled"].values()),
        "most in a window": books["max_seen_in_window"],
        "seconds": seconds,
        "times the least": seconds / least if least else float("nan"),
    }


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1800)
    parser.add_argument("--limit", type=int, default=190)
    parser.add_argument("--windows", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    # On a machine that is busy with something else a call may take any time.
    parser.add_argument("--untimed", action="store_true", help="judge nothing that times decide")
    parser.add_argument("--only-ours", action="store_true", help="nothing to compare with")
    options = parser.parse_args()
    rows, checks = [], {}
    for window in options.windows:
        quota = Quota(options.limit, window)
        for seed in options.seeds:
            row = measure("aiohubassoc", ours, options.pairs, quota, seed)
            rows.append(row)
            where = f"at {quota}, seed {seed}"
            checks[f"every pair linked {where}"] = row["lost"] == row["told wrongly"] == 0
            if options.untimed:
                continue
            most = _MOST_RATIO.get(window, 1.10)
            checks |= {
                f"no 429 {where}": row["429s"] == 0,
                f"no window above the quota {where}": row["most in a window"] <= quota.limit,
                f"at most {most} times the least time {where}": row["times the least"] <= most,
            }
        if not options.only_ours and window == min(options.windows):
            rows.append(measure("burst, then sleep", burst, options.pairs, quota, 1))
            rows.append(measure("paced at the quota", _paced(1.0), options.pairs, quota, 1))
            rows.append(measure("paced at 40 %", _paced(0.4), options.pairs, quota, 1))
    print_table(rows)
    return conclude("quota", rows, checks)


def _paced(
    share: float,
) -> Callable[[str, str, Sequence[Pair], Quota], Awaitable[tuple[int, float]]]:
    return lambda base_url, token, pairs, quota: paced(base_url, token, pairs, quota, share)


if __name__ == "__main__":
    sys.exit(main())
