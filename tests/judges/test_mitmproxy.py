"""mitmproxy loses, cuts and doubles requests and responses between the client and the portal."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from aiohubassoc import (
    AssociationClient,
    LinkState,
    Outcome,
    Pair,
    Quota,
    RetryPolicy,
    Status,
    Timeouts,
)
from aiohubassoc.simulator import PortalSettings, serve
from tests.judges.found import ROOT

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

pytestmark = pytest.mark.looptime(False)

MITMDUMP = ROOT / ".venv-proxy" / "bin" / "mitmdump"
MANY = Quota(10**6, 1.0)
SETTINGS = PortalSettings(quota_limit=None, batch_limit=None, missing_share=0.02)
PAIRS = [Pair("contacts", n, "companies", n) for n in range(1, 131)]


@attrs.define
class Proxy:
    """The address of the proxy and, after its end, the counts of its actions."""

    base_url: str
    damages: dict[str, int] = attrs.Factory(dict)


@contextmanager
def damaging_proxy(portal: str, home: Path) -> Iterator[Proxy]:
    """Run it before a portal, with its files in *home*."""
    command: list[str | Path] = [MITMDUMP, "--mode", f"reverse:{portal}"]
    command += ["--listen-host", "127.0.0.1", "--listen-port", "0"]
    command += ["--quiet", "--set", f"confdir={home}", "--set", "connection_strategy=lazy"]
    command += ["-s", Path(__file__).with_name("damaging_proxy.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        word, _, port = process.stdout.readline().partition(" ")
        assert word == "PORT"
        proxy = Proxy(f"http://127.0.0.1:{port.strip()}")
        yield proxy
        process.send_signal(signal.SIGTERM)
        [done] = [line for line in process.stdout if line.startswith("DONE ")]
        proxy.damages = json.loads(done.removeprefix("DONE "))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def contradictions(outcomes: list[Outcome], links: Counter[Any]) -> list[Outcome]:
    """Return the outcomes that a portal's records contradict."""
    wrong = []
    for outcome in outcomes:
        pair = outcome.pair
        is_there = (pair.from_type, pair.from_id, pair.to_type, pair.to_id) in links
        if outcome.status is Status.LINKED:
            is_wrong = not is_there
        else:
            is_wrong = is_there and not outcome.maybe_applied
        if is_wrong:
            wrong.append(outcome)
    return wrong


@pytest.mark.timeout(600)
@pytest.mark.skipif(not MITMDUMP.exists(), reason="mitmproxy is not installed: make judges")
@pytest.mark.parametrize("via", ["put", "batch"])
async def test_the_truth_about_every_pair_behind_a_damaging_proxy(tmp_path: Path, via: str) -> None:
    """The portal's records agree with every outcome, and with what is read back through it."""
    async with serve(SETTINGS) as served:
        with damaging_proxy(served.base_url, tmp_path) as proxy:
            async with AssociationClient(
                SETTINGS.tokens[0],
                base_url=proxy.base_url,
                quota=MANY,
                batch_quota=MANY,
                concurrency=4,
                retry=RetryPolicy(attempts=8, wait_initial=0.01, wait_max=0.1),
                timeouts=Timeouts(response=2.0),
            ) as client:
                options: dict[str, Any] = {"via": via, "batch_size": 5}
                async with client.link_each(PAIRS, **options) as stream:
                    outcomes = [outcome async for outcome in stream]
                async with client.verify(PAIRS) as found:
                    read = [one async for one in found]
        ledger = served.portal.ledger
    assert set(range(len(PAIRS))) == {outcome.index for outcome in outcomes}
    assert len(PAIRS) == len(outcomes) == len(read)
    assert [] == contradictions(outcomes, ledger.links)
    assert len(PAIRS) / 2 < sum(outcome.status is Status.LINKED for outcome in outcomes)
    for one in read:
        pair = one.pair
        is_there = (pair.from_type, pair.from_id, pair.to_type, pair.to_id) in ledger.links
        assert one.state is not (LinkState.MISSING if is_there else LinkState.LINKED)
    assert {
        "lost request",
        "lost response",
        "cut response",
        "doubled request",
        "doubled response",
    } == proxy.damages.keys()


@pytest.mark.parametrize(
    ("status", "maybe_applied", "is_there", "is_wrong"),
    [
        (Status.LINKED, False, True, False),
        (Status.LINKED, False, False, True),
        (Status.UNPROCESSED, False, True, True),
        (Status.UNPROCESSED, True, True, False),
        (Status.UNPROCESSED, True, False, False),
    ],
)
def test_the_check_itself_fails_on_a_violation(
    status: Status, maybe_applied: bool, is_there: bool, is_wrong: bool
) -> None:
    """A reported link that does not exist, and a link that was not reported."""
    links: Any = {("contacts", "1", "companies", "1"): 1} if is_there else {}
    outcome = Outcome(0, PAIRS[0], status, maybe_applied=maybe_applied)
    assert is_wrong == bool(contradictions([outcome], links))
