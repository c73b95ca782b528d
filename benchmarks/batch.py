"""
Measures batches: CPU per pair, the pairs identified after a 207, calls of bisection, and memory.

CPU per pair as a ratio to bare aiohttp with a PUT per pair, measured as in `throughput.py`, of
aiohubassoc, of aiohttp and orjson alone (a lower bound), and of the batch calls of the official
clients. Each sends 2,000 pairs per call. Then, against a simulated portal: the pairs that the
caller can identify after a 207 with three failures whose errors name both records; the calls that
aiohubassoc needs to find the rejected pairs if the portal refuses whole batches without naming a
record; and the peak memory of many pairs and of few.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections import Counter
from contextlib import ExitStack
from random import Random
from typing import TYPE_CHECKING, Any, Final

import peers
from lean_server import cores, lean_server
from report import conclude, print_table

from aiohubassoc import AssociationClient, Pair, Quota, Status
from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contenders import Round
    from peers import Peer

_MOST_RATIO: Final = 0.10
_MOST_GROWTH_MB: Final = 8.0
_ONE_CALL, _FAILING = 2000, 3
_NO_RECORD: Final = 10_000_000
_MOST_CALLS: Final = {1: 25, 3: 62, 40: 480}


def measure(
    pairs: Mapping[Peer, int], *, series: int, rounds: int, concurrency: int
) -> tuple[dict[Peer, list[Round]], bool]:
    """
    Return every round of each, and whether each pair was linked and answered once.

    Args:
        pairs: Of each round of whom.
        series: With processes started anew.
        rounds: Of each series.
        concurrency: The most calls at once.
    """
    seen: dict[Peer, list[Round]] = {peer: [] for peer in pairs}
    sent = linked = 0
    with lean_server() as server:
        for _ in range(series):
            with ExitStack() as stack:
                running = {peer: stack.enter_context(peer.contender()) for peer in pairs}
                for number in range(rounds + 1):
                    for peer, process in running.items():
                        each = process.run(server.base_url, pairs[peer], concurrency)
                        sent, linked = sent + pairs[peer], linked + each.linked
                        if number:  # the first one warms up
                            seen[peer].append(each)
        answered = server.count()
    return seen, sent == linked == answered


def row(peer: Peer, seen: Mapping[Peer, Sequence[Round]]) -> dict[str, Any]:
    """Return the peer's row of the table."""
    own, bare = ([each.cpu_us for each in seen[one]] for one in (peer, peers.BARE))
    ratios = [one / other for one, other in zip(own, bare, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {
        "client": peer.name,
        "CPU us a pair": round(statistics.median(own), 2),
        "pairs per CPU s": round(1e6 / statistics.median(own)),
        "times bare": round(middle, 3),
        "from": round(low, 3),
        "to": round(high, 3),
        "rounds": len(own),
    }


def told_of_a_207(peer: Peer) -> dict[str, Any]:
    """Return how many pairs of one call its caller can name, and how many the portal linked."""
    settings = PortalSettings(quota_limit=None, records_up_to=_ONE_CALL - _FAILING)
    with portal_process(settings) as portal, peer.contender() as process:
        reported = process.ask(portal.base_url, _ONE_CALL, 1)
        made = portal.ledger()["links"]["pairs"]
    return {
        "client": peer.name,
        "the call comes to": reported["what"],
        "pairs linked": made,
        "reported as linked": reported["linked"],
        "reported as failed": reported["failed"],
        "not reported": _ONE_CALL - reported["linked"] - reported["failed"],
    }


async def _split(base_url: str, bad: set[int]) -> Counter[Status]:
    far_away = Quota(1_000_000, 1.0)
    token = PortalSettings().tokens[0]
    pairs = (
        Pair("contacts", number + _NO_RECORD * (number in bad), "companies", number)
        for number in range(1, _ONE_CALL + 1)
    )
    async with (
        AssociationClient(token, base_url=base_url, quota=far_away, batch_quota=far_away) as client,
        client.link_each(pairs, via="batch") as outcomes,
    ):
        return Counter([outcome.status async for outcome in outcomes])


def splitting(bad: int, batches: int) -> dict[str, Any]:
    """Return the calls that one batch takes, on average, of which this many pairs are wrong."""
    calls: Counter[str] = Counter()
    right = 0
    for seed in range(batches):
        settings = PortalSettings(
            quota_limit=None,
            records_up_to=_ONE_CALL,
            batch_missing="400",
            batch_errors="unnamed",
            seed=seed,
        )
        chosen = set(Random(seed).sample(range(1, _ONE_CALL + 1), bad))
        with portal_process(settings) as portal:
            reported = asyncio.run(_split(portal.base_url, chosen))
            calls.update(portal.ledger()["calls"])
        right += reported[Status.FAILED] == bad and reported[Status.LINKED] == _ONE_CALL - bad
    return {
        "pairs": _ONE_CALL,
        "at fault": bad,
        "batches reported rightly": f"{right} of {batches}",
        "calls, the mean": calls.total() / batches,
        "of these PUTs": calls["put"] / batches,
    }


def peak(count: int, concurrency: int) -> dict[str, Any]:
    """Return the peak memory of a process that links this many pairs."""
    with lean_server() as server, peers.OURS_BATCH_PEAK.contender() as process:
        reported = process.ask(server.base_url, count, concurrency)
        answered = server.count()
    return {
        "pairs": count,
        "linked": reported["linked"],
        "answered": answered,
        "peak memory, MB": reported["peak_kib"] / 1024,
    }


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--series", type=int, default=8)
    add("--rounds", type=int, default=5, help="of each series")
    add("--pairs", type=int, default=40_000, help="of each round, by batches")
    add("--bare-pairs", type=int, default=2000, help="of each round, by PUTs")
    add("--peer-pairs", type=int, default=4000, help="of each round with the official clients")
    add("--memory-pairs", type=int, nargs=2, default=[10_000, 1_000_000])
    add("--split-batches", type=int, default=10, help="for each number of pairs at fault")
    add("--concurrency", type=int, default=32, help="calls at once")
    add("--without-peers", action="store_true", help="only ours and bare aiohttp")
    add("--untimed", action="store_true", help="judge nothing that times decide")
    options = parser.parse_args()
    size = {"rounds": options.rounds, "concurrency": options.concurrency}
    pairs = {
        peers.BARE: options.bare_pairs,
        peers.BARE_BATCH: options.pairs,
        peers.OURS_BATCH: options.pairs,
    }
    seen, whole = measure(pairs, series=options.series, **size)
    rows = {peer: row(peer, seen) for peer in seen}
    asked = [peers.OURS_BATCH_IDENTIFY]
    if not options.without_peers:
        # Apart, and fewer: they take most of the time.
        pairs = dict.fromkeys((peers.THREADS_BATCH, peers.SDK_BATCH), options.peer_pairs)
        beside, all_whole = measure(
            {peers.BARE: options.bare_pairs} | pairs, series=max(1, options.series // 4), **size
        )
        whole = whole and all_whole
        rows |= {peer: row(peer, beside) for peer in pairs}
        asked += [peers.THREADS_BATCH_IDENTIFY, peers.SDK_BATCH_IDENTIFY]
    print_table(list(rows.values()))
    print(f"servers and clients on cores of their own: {'yes' if cores() else 'no'}\n")
    reported = [told_of_a_207(peer) for peer in asked]
    print_table(reported)
    split = [splitting(bad, options.split_batches) for bad in _MOST_CALLS]
    print_table(split)
    few, many = (peak(count, options.concurrency) for count in sorted(options.memory_pairs))
    print_table([few, many])
    mine, growth = reported[0], many["peak memory, MB"] - few["peak memory, MB"]
    checks = {
        "every pair was linked, and reported once": whole,
        f"of a 207: {mine['reported as linked']:,} reported as linked, "
        f"{mine['reported as failed']} as failed, "
        "as the portal's records": (
            mine["reported as linked"] == mine["pairs linked"] == _ONE_CALL - _FAILING
            and mine["not reported"] == 0
        ),
        "whole batches refused: exactly the rejected pairs are found": all(
            each["batches reported rightly"]
            == f"{options.split_batches} of {options.split_batches}"
            for each in split
        ),
        f"with {', '.join(map(str, _MOST_CALLS))} at fault at most "
        f"{', '.join(map(str, _MOST_CALLS.values()))} calls": all(
            each["calls, the mean"] <= _MOST_CALLS[each["at fault"]] for each in split
        ),
        f"{growth:.1f} MB more for {many['pairs']:,} pairs than for {few['pairs']:,}, at most "
        f"{_MOST_GROWTH_MB:g}": growth <= _MOST_GROWTH_MB,
        "every pair of these too": all(
            each["pairs"] == each["linked"] == each["answered"] for each in (few, many)
        ),
    }
    if not options.untimed:
        claim = f"{peers.OURS_BATCH.name}: at most {_MOST_RATIO:g} of a bare PUT"
        checks[claim] = rows[peers.OURS_BATCH]["times bare"] <= _MOST_RATIO
    return conclude("batch", [*rows.values(), *reported, *split, few, many], checks)


if __name__ == "__main__":
    sys.exit(main())
