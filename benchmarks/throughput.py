"""
Measures the CPU per pair of aiohubassoc and of other clients.

All link pairs against one lean server, each in a separate process, by turns, so that other load on
the machine affects all of them. Each series starts new processes, because the memory layout of a
process makes it faster or slower for its whole life. The ratio is that of two adjacent rounds, ours
to bare aiohttp: a pool of workers, PUT, ``read()``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import peers
from lean_server import cores, lean_server
from report import conclude, print_table

if TYPE_CHECKING:
    from contenders import Round
    from peers import Peer

_OURS = (peers.BARE, peers.OURS, peers.OURS_ONE, peers.BARE_UVLOOP, peers.OURS_UVLOOP)
_OTHERS = (
    peers.NAIVE,
    peers.THREADS,
    peers.SDK_AIOHTTP,
    peers.NODE,
    peers.SDK_HTTPX,
    peers.HTTPX,
)
_OFFICIAL = (peers.THREADS, peers.SDK_AIOHTTP, peers.SDK_HTTPX)
# At most this many times bare aiohttp; where that costs under 80 us, at most 16 us more.
_MOST_RATIO = {peers.OURS: 1.20, peers.OURS_ONE: 1.35, peers.OURS_UVLOOP: 1.30}
_CHEAP_US, _MOST_EXTRA_US = 80.0, 16.0
_LEAST_OF_OFFICIAL = 3.3


def measure(
    contenders: list[Peer], *, series: int, rounds: int, pairs: int, concurrency: int
) -> tuple[dict[Peer, list[Round]], int, int]:
    """Return every round of each, the pairs sent, and how many the server answered."""
    seen: dict[Peer, list[Round]] = {peer: [] for peer in contenders}
    sent = 0
    with lean_server() as server:
        for _ in range(series):
            with ExitStack() as stack:
                running = {peer: stack.enter_context(peer.contender()) for peer in contenders}
                for process in running.values():  # imports, connections, Node's compiler
                    process.run(server.base_url, pairs, concurrency)
                    sent += pairs
                for _ in range(rounds):
                    for peer, process in running.items():
                        # The slow ones would take most of the time.
                        seen[peer].append(process.run(server.base_url, pairs, concurrency))
                        sent += pairs
        answered = server.count()
    return seen, sent, answered


def row(peer: Peer, seen: dict[Peer, list[Round]]) -> dict[str, Any]:
    """Return the peer's row of the table."""
    base = peers.BARE_UVLOOP if "uvloop" in peer.arguments else peers.BARE
    own, bare = ([each.cpu_us for each in seen[one]] for one in (peer, base))
    ratios = [one / other for one, other in zip(own, bare, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {
        "client": peer.name,
        "CPU us a pair": round(statistics.median(own), 1),
        "pairs per CPU s": round(1e6 / statistics.median(own)),
        "times bare": round(middle, 2),
        "from": round(low, 2),
        "to": round(high, 2),
        "us more": round(statistics.median([a - b for a, b in zip(own, bare, strict=True)]), 1),
        "rounds": len(own),
    }


def checks_of(rows: dict[Peer, dict[str, Any]]) -> dict[str, bool]:
    """Return what users were promised, and whether it holds."""
    checks = {}
    for peer, most in _MOST_RATIO.items():
        base = rows[peers.BARE_UVLOOP if "uvloop" in peer.arguments else peers.BARE]
        mine = rows[peer]
        cheap = base["CPU us a pair"] < _CHEAP_US and mine["us more"] <= _MOST_EXTRA_US
        checks[f"{peer.name}: at most {most} times bare, or little more where that is cheap"] = (
            mine["times bare"] <= most or cheap
        )
    rates = {peer: one["pairs per CPU s"] for peer, one in rows.items()}
    if official := [rates[peer] for peer in _OFFICIAL if peer in rates]:
        checks[f"{_LEAST_OF_OFFICIAL} times the fastest official Python client"] = rates[
            peers.OURS
        ] >= _LEAST_OF_OFFICIAL * max(official)
    if peers.NODE in rates:
        checks["more than the Node client"] = rates[peers.OURS] > rates[peers.NODE]
    return checks


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5, help="of each series")
    parser.add_argument("--pairs", type=int, default=2000, help="of each round")
    parser.add_argument("--peer-pairs", type=int, default=500, help="of each round with others")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--without-peers", action="store_true", help="only ours and bare aiohttp")
    parser.add_argument("--untimed", action="store_true", help="judge nothing that times decide")
    options = parser.parse_args()
    size = {"series": options.series, "rounds": options.rounds, "concurrency": options.concurrency}
    seen, sent, answered = measure(list(_OURS), pairs=options.pairs, **size)
    rows = {peer: row(peer, seen) for peer in seen}
    all_rounds = [each for rounds in seen.values() for each in rounds]
    if not options.without_peers:
        # Apart: they take most of the time, and ours are compared with each other more closely.
        others = [peers.BARE, *peers.available(_OTHERS)]
        size |= {"series": max(1, options.series // 4)}
        beside, more_sent, more_answered = measure(others, pairs=options.peer_pairs, **size)
        sent, answered = sent + more_sent, answered + more_answered
        rows |= {peer: row(peer, beside) for peer in others[1:]}
        all_rounds += [each for rounds in beside.values() for each in rounds]
    print_table(list(rows.values()))
    print(f"servers and clients on cores of their own: {'yes' if cores() else 'no'}")
    checks = {
        "every pair was linked": all(each.failed == 0 for each in all_rounds),
        "the server answered as many as were sent": sent == answered,
    }
    if not options.untimed:
        checks |= checks_of(rows)
    return conclude("throughput", list(rows.values()), checks)


if __name__ == "__main__":
    sys.exit(main())
