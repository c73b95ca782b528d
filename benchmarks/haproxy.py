"""
The quota, judged by HAProxy: what it lets through, and when each request came by its log.

HAProxy stands before a simulated portal without a quota and keeps an exact rolling window: what is
above the limit gets HubSpot's 429. Not by a stick table: ``http_req_rate`` estimates a rolling
window from two fixed ones and refused 11 of 211 requests of which no window had more than the
limit of 40. Afterwards its log is audited: of the instants in it, in microseconds, no window of
the quota's length has more requests than the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

from report import conclude, print_table

from aiohubassoc import AssociationClient, Pair, Quota
from aiohubassoc.simulator import Latency, PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LATENCY: Final = Latency(before_median=0.02, before_sigma=0.3, after_median=0.02, after_sigma=0.3)
_CONCURRENCY: Final = 64
_MOST_RATIO: Final = 1.10
_CONFIGURATION: Final = """
global
    log stdout format raw local0
    nbthread 1
    lua-load {script}
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend judge
    bind 127.0.0.1:{port}
    log global
    log-format "%[var(txn.arrived)] %ST"
    http-request lua.count
    http-request return status 429 content-type application/json string "{body}" if {above}
    default_backend portal
backend portal
    server portal {portal}
"""
_SCRIPT: Final = """
local limit, window = {limit}, {microseconds}
local accepted, first, last = {{}}, 1, 0
core.register_action("count", {{"http-req"}}, function(txn)
  local now = core.now()
  local instant = now.sec * 1000000 + now.usec
  while first <= last and accepted[first] <= instant - window do
    accepted[first] = nil
    first = first + 1
  end
  local above = last - first + 1 >= limit
  if not above then
    last = last + 1
    accepted[last] = instant
  end
  txn:set_var("txn.above", above)
  txn:set_var("txn.arrived", tostring(instant))
end)
"""
_REFUSAL: Final = (
    '{"status":"error","message":"You have reached your ten_secondly_rolling limit.",'
    '"errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}'
)


def command() -> str | None:
    """Return where HAProxy is, None where it is not installed."""
    return shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")


@contextlib.contextmanager
def judge(portal_url: str, quota: Quota, folder: Path) -> Iterator[tuple[str, Path]]:
    """
    Run HAProxy before a portal.

    Args:
        portal_url: Of the portal.
        quota: What HAProxy lets through.
        folder: For its configuration and its log.

    Yields:
        Its own URL, and its log: a line for each request, its instant in microseconds and its
        status.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration, log = folder / "haproxy.cfg", folder / "haproxy.log"
    script = folder / "window.lua"
    script.write_text(
        _SCRIPT.format(limit=quota.limit, microseconds=round(quota.window * 1e6)),
        encoding="utf-8",
    )
    configuration.write_text(
        _CONFIGURATION.format(
            port=port,
            script=script,
            body=_REFUSAL.replace('"', '\\"'),
            above="{ var(txn.above) -m bool }",
            portal=portal_url.removeprefix("http://"),
        ),
        encoding="utf-8",
    )
    with log.open("wb") as output:
        words = [command() or "haproxy", "-db", "-f", str(configuration)]
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or monotonic() > deadline:
            raise RuntimeError(f"HAProxy did not start: {log.read_text(encoding='utf-8')}")
        sleep(0.05)


def audit(log: Path) -> tuple[list[float], int]:
    """Return when each request came, in seconds and in order, and how many were refused."""
    instants, refused = [], 0
    for line in log.read_text(encoding="utf-8").splitlines():
        first, _, status = line.partition(" ")
        # Lines of HAProxy itself, and of a connection that was opened to see whether it is there.
        if first.isdigit() and status.isdigit():
            instants.append(int(first) / 1e6)
            refused += status == "429"
    return sorted(instants), refused


def most_in_a_window(instants: Iterable[float], window: float) -> int:
    """Return the most of the sorted *instants* that any half-open window of that length has."""
    inside: deque[float] = deque()
    most = 0
    for instant in instants:
        while inside and inside[0] <= instant - window:
            inside.popleft()
        inside.append(instant)
        most = max(most, len(inside))
    return most


async def _link(base_url: str, count: int, quota: Quota | None) -> int:
    pairs = [Pair("contacts", number, "companies", number) for number in range(1, count + 1)]
    client = AssociationClient(
        PortalSettings().tokens[0],
        base_url=base_url,
        api_version="2026-09",
        quota=quota,
        concurrency=_CONCURRENCY,
    )
    async with client:
        return (await client.link_all(pairs)).linked


def measure(count: int, quota: Quota, given: Quota | None) -> dict[str, Any]:
    """
    Return the counts of the log and of the portal for a run.

    Args:
        count: Of pairs.
        quota: What HAProxy lets through.
        given: The quota that the client is given. None: it finds it out.
    """
    settings = PortalSettings(quota_limit=None, headers="none", latency=_LATENCY)
    with (
        tempfile.TemporaryDirectory() as folder,
        portal_process(settings) as portal,
        judge(portal.base_url, quota, Path(folder)) as (base_url, log),
    ):
        begun = monotonic()
        linked = asyncio.run(_link(base_url, count, given))
        seconds = monotonic() - begun
        made = portal.ledger()["links"]["pairs"]
        instants, refused = audit(log)
    least = (count - 1) // quota.limit * quota.window
    return {
        "quota": str(quota),
        "given": str(given or "none"),
        "pairs": count,
        "reported as linked": linked,
        "linked": made,
        "requests": len(instants),
        "429s": refused,
        "most in a window": most_in_a_window(instants, quota.window),
        "seconds": seconds,
        "times the least": seconds / least if least else float("nan"),
    }


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=190)
    parser.add_argument("--windows", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--seconds", type=float, default=30.0, help="the least time of each run")
    parser.add_argument("--untimed", action="store_true", help="judge nothing that times decide")
    options = parser.parse_args()
    if command() is None:
        print("haproxy is not installed: apt-get install haproxy", file=sys.stderr)
        return 2
    rows: list[dict[str, Any]] = []
    checks: dict[str, bool] = {}
    for window in options.windows:
        quota = Quota(options.limit, window)
        count = options.limit * (1 + round(options.seconds / window))
        row = measure(count, quota, quota)
        rows.append(row)
        checks |= {
            f"every pair linked at {quota}": row["linked"] == row["pairs"],
            f"reported as linked what is linked at {quota}": row["reported as linked"]
            == row["linked"],
        }
        if not options.untimed:
            close = row["times the least"] <= _MOST_RATIO
            checks |= {
                f"no window above the limit at {quota}": row["most in a window"] <= options.limit,
                f"no 429 at {quota}": row["429s"] == 0,
                f"at most {_MOST_RATIO} times the least time at {quota}": close,
            }
    above = measure(options.limit * 2, Quota(options.limit, 1.0), Quota(options.limit * 2, 1.0))
    rows.append(above)
    checks["every pair linked where the quota is half of what is given"] = (
        above["linked"] == above["reported as linked"] == above["pairs"]
    )
    checks["HAProxy refuses there: it does judge"] = above["429s"] > 0
    print_table(rows)
    return conclude("haproxy", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
