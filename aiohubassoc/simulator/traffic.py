"""What came to a portal: connections, requests, and how many of which kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohubassoc.simulator.rolling_window import RollingWindow

if TYPE_CHECKING:
    from aiohubassoc.simulator.routing import Kind
    from aiohubassoc.simulator.settings import PortalSettings


class Traffic:
    """
    The counts of what came, whatever became of it.

    Args:
        settings: Say over which window batch calls are counted.

    Attributes:
        requests: Requests that arrived.
        calls: How many requests the quota let through of each kind: ``put``, ``batch``, which
            creates links, and ``read``.
        batch_inputs: Pairs in those of kind ``batch``; a body that cannot be read has none.
        read_inputs: Records in those of kind ``read``, likewise.
        max_batch_in_flight: The most batch calls, creating and reading, that were being answered at
            once, those that were refused among them.
        open_connections: Connections that are open now.
        open_connections_peak: The most that were open at once.
        open_requests: Requests that are being answered now.
        open_requests_peak: The most that were being answered at once.
    """

    def __init__(self, settings: PortalSettings) -> None:
        self._batches = RollingWindow(settings.batch_window)
        self._open_batches = 0
        self.requests = 0
        self.calls: Counter[Kind] = Counter()
        self.batch_inputs = 0
        self.read_inputs = 0
        self.max_batch_in_flight = 0
        self.open_connections = 0
        self.open_connections_peak = 0
        self.open_requests = 0
        self.open_requests_peak = 0

    @property
    def max_batch_in_window(self) -> int:
        """The most batch calls with a good token that any window of `batch_window` has seen."""
        return self._batches.peak

    def request_opened(self, *, is_batch: bool = False) -> None:
        """Note that a request has begun to be answered."""
        self.requests += 1
        self.open_requests += 1
        self.open_requests_peak = max(self.open_requests_peak, self.open_requests)
        if is_batch:
            self._open_batches += 1
            self.max_batch_in_flight = max(self.max_batch_in_flight, self._open_batches)

    def request_closed(self, *, is_batch: bool = False) -> None:
        """Note that the answer to a request is out, or that it has none."""
        self.open_requests -= 1
        if is_batch:
            self._open_batches -= 1

    def connections(self, count: int) -> None:
        """Note that *count* connections are open."""
        self.open_connections = count
        self.open_connections_peak = max(self.open_connections_peak, count)

    def seen_batch(self, now: float) -> None:
        """Note a batch call with a good token, whatever becomes of it."""
        self._batches.add(now)

    def came(self, kind: Kind, inputs: int) -> None:
        """Note a request that the quota let through, and with how many inputs."""
        self.calls[kind] += 1
        if kind == "batch":
            self.batch_inputs += inputs
        elif kind == "read":
            self.read_inputs += inputs

    def traffic_to_plain(self) -> dict[str, Any]:
        """Return the counts as JSON can hold them."""
        return {
            "requests": self.requests,
            "calls": dict(sorted(self.calls.items())),
            "batch_inputs": self.batch_inputs,
            "read_inputs": self.read_inputs,
            "max_batch_in_window": self.max_batch_in_window,
            "max_batch_in_flight": self.max_batch_in_flight,
            "open_connections": self.open_connections,
            "open_connections_peak": self.open_connections_peak,
            "open_requests": self.open_requests,
            "open_requests_peak": self.open_requests_peak,
        }
