"""
An addon of mitmproxy, run by its own Python: it loses, cuts and doubles what goes through it.

Every request is damaged in one way, or in none, by turns. It prints its port once it listens, and
at its end how often it did what.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any, Final

from mitmproxy import ctx

# A prime number of turns: with batches of any size no pair is in the same place again.
TURNS: Final = (
    *("whole", "lost request", "whole", "lost response", "whole", "cut response"),
    *("whole", "doubled response", "whole", "doubled request", "whole", "whole", "whole"),
)


class Damage:
    """What is done to each request, and how often it was done."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.requests = 0

    def running(self) -> None:
        """Print where it listens."""
        [(_, port, *_)] = ctx.master.addons.get("proxyserver").listen_addrs()
        sys.stdout.write(f"PORT {port}\n")
        sys.stdout.flush()

    def request(self, flow: Any) -> None:
        """Lose it, or send it a second time besides; what comes back then is dropped."""
        if flow.is_replay:
            return
        flow.metadata["turn"] = TURNS[self.requests % len(TURNS)]
        self.requests += 1
        if flow.metadata["turn"] == "lost request":
            self._note(flow)
            flow.kill()
        elif flow.metadata["turn"] == "doubled request":
            self._note(flow)
            ctx.master.commands.call("replay.client", [flow.copy()])

    def responseheaders(self, flow: Any) -> None:
        """Cut the body in the middle, or send the whole response again behind it."""
        turn = flow.metadata.get("turn")
        if turn not in {"cut response", "doubled response"} or flow.is_replay:
            return
        self._note(flow)
        head = [f"HTTP/1.1 {flow.response.status_code} {flow.response.reason}".encode()]
        head += [name + b": " + value for name, value in flow.response.headers.fields]
        raw = b"\r\n".join(head) + b"\r\n\r\n"

        def changed(data: bytes) -> bytes:
            # With a content-length both go out as they are. An empty piece is the end.
            if not data:
                return data
            return data[: len(data) // 2] if turn == "cut response" else data + raw + data

        flow.response.stream = changed

    def response(self, flow: Any) -> None:
        """Lose it: the connection ends without a response."""
        if flow.metadata.get("turn") == "lost response" and not flow.is_replay:
            self._note(flow)
            flow.kill()

    def done(self) -> None:
        """Print how often it did what."""
        sys.stdout.write(f"DONE {json.dumps(self.counts)}\n")
        sys.stdout.flush()

    def _note(self, flow: Any) -> None:
        self.counts[flow.metadata["turn"]] += 1


addons = [Damage()]
