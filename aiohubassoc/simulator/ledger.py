"""
What happened at a portal.

The portal records it, not its clients: the ledger shows whether a client kept the quota.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohubassoc.simulator.rate_limits import RollingWindow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohubassoc.simulator.records import LinkedPair
    from aiohubassoc.simulator.routing import OperationKind
    from aiohubassoc.simulator.settings import PortalSettings

_FIRST_ERROR = 400  # RFC 9110, 15.5: client errors; those of servers lie above


class PortalLedger:
    """
    The counts of one portal, and the lists that its settings ask for.

    Attributes:
        requests: Requests that arrived.
        responses: How many responses had each status; those never sent have none.
        faults: How many calls each fault hit.
        throttled: How many requests each policy of the rate limits refused; without faults.
        arrivals: The instant, and the fault's name or the status, of each request, in order.
        calls: How many requests the rate limits let through of each kind: ``put``, ``batch``,
            which creates links, ``read``, and ``account``.
        batch_inputs: Pairs in those of kind ``batch``; an unreadable body has none.
        read_inputs: Records in those of kind ``read``; an unreadable body has none.
        links: How many times each pair was linked by a call. Empty unless the settings keep links.
        links_total: How many times any pair was linked.
        refused: How many times each pair was refused for its types, ids or records. Empty unless
            the settings keep links.
        refused_total: The same for all pairs.
        type_names: How many times calls used each name of an object type.
        first_counted: The instant of the first request that the rate limits let through, None
            before it.
        last_counted: The instant of the last one.
        windows: How many single calls the rate limits let through in each window of the quota's
            length, from the first one on.
        max_batch_in_flight: The most batch calls, creating and reading, that were in flight at
            once, refused ones included.
        open_connections: Connections that are open now.
        open_connections_peak: The most that were open at once.
        open_requests: Requests that are in flight now.
        open_requests_peak: The most that were in flight at once.
    """

    def __init__(self, settings: PortalSettings) -> None:
        self._keep_links = settings.keep_links
        self._keep_arrivals = settings.keep_arrivals
        self._window = settings.quota_window
        self._seen = RollingWindow(settings.quota_window)
        self._accepted = RollingWindow(settings.quota_window)
        self._batches = RollingWindow(settings.batch_window)
        self._windows_start: float | None = None
        self._open_batches = 0
        self.requests = 0
        self.responses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.arrivals: list[tuple[float, int | str]] = []
        self.calls: Counter[OperationKind] = Counter()
        self.batch_inputs = 0
        self.read_inputs = 0
        self.links: Counter[LinkedPair] = Counter()
        self.links_total = 0
        self.refused: Counter[LinkedPair] = Counter()
        self.refused_total = 0
        self.type_names: Counter[str] = Counter()
        self.first_counted: float | None = None
        self.last_counted: float | None = None
        self.windows: list[int] = []
        self.max_batch_in_flight = 0
        self.open_connections = 0
        self.open_connections_peak = 0
        self.open_requests = 0
        self.open_requests_peak = 0

    @property
    def max_seen_in_window(self) -> int:
        """The most single calls with a valid token in any window of the quota's length."""
        return self._seen.peak

    @property
    def max_accepted_in_window(self) -> int:
        """The most single calls that the rate limits let through in any window of its length."""
        return self._accepted.peak

    @property
    def max_batch_in_window(self) -> int:
        """The most batch calls with a valid token in any window of `batch_window`."""
        return self._batches.peak

    @property
    def error_share(self) -> float:
        """Responses of 400 and above as a share of all responses, from 0 to 1."""
        total = self.responses.total()
        errors = sum(count for status, count in self.responses.items() if status >= _FIRST_ERROR)
        return errors / total if total else 0.0

    def open_request(self, *, is_batch: bool = False) -> None:
        self.requests += 1
        self.open_requests += 1
        self.open_requests_peak = max(self.open_requests_peak, self.open_requests)
        if is_batch:
            self._open_batches += 1
            self.max_batch_in_flight = max(self.max_batch_in_flight, self._open_batches)

    def close_request(self, *, is_batch: bool = False) -> None:
        """Record that the response to a request was sent, or never will be."""
        self.open_requests -= 1
        if is_batch:
            self._open_batches -= 1

    def record_connections(self, count: int) -> None:
        self.open_connections = count
        self.open_connections_peak = max(self.open_connections_peak, count)

    def record_seen(self, now: float, *, is_batch: bool) -> None:
        (self._batches if is_batch else self._seen).add(now)

    def record_counted(self, now: float, kind: OperationKind, inputs: int) -> None:
        """Record a request that the rate limits let through, and its number of inputs."""
        self.calls[kind] += 1
        if self.first_counted is None:
            self.first_counted = now
        self.last_counted = now
        if kind == "batch":
            self.batch_inputs += inputs
        elif kind == "read":
            self.read_inputs += inputs
        else:
            self._accepted.add(now)
            if self._windows_start is None:
                self._windows_start = now
            window = int((now - self._windows_start) // self._window)
            self.windows.extend([0] * (window + 1 - len(self.windows)))
            self.windows[window] += 1

    def record_response(self, now: float, status: int, fault: str | None) -> None:
        """Record the response to a request; *status* 0: none is sent. *fault* is what hit it."""
        if status:
            self.responses[status] += 1
        if fault is not None:
            self.faults[fault] += 1
        if self._keep_arrivals:
            self.arrivals.append((now, fault or status))

    def record_linked(self, pairs: Sequence[LinkedPair]) -> None:
        self.links_total += len(pairs)
        if self._keep_links:
            self.links.update(pairs)

    def record_refused(self, pairs: Sequence[LinkedPair]) -> None:
        self.refused_total += len(pairs)
        if self._keep_links:
            self.refused.update(pairs)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values; None where the settings keep no links."""
        kept = self._keep_links
        links, refused = self.links, self.refused
        return {
            **{name: getattr(self, name) for name in _NUMBERS},
            **{name: dict(sorted(getattr(self, name).items())) for name in _COUNTERS},
            "responses": {str(status): count for status, count in sorted(self.responses.items())},
            "links": {
                "total": self.links_total,
                "pairs": len(links) if kept else None,
                "max_per_pair": max(links.values(), default=0) if kept else None,
            },
            "refused": {"total": self.refused_total, "pairs": len(refused) if kept else None},
            "windows": self.windows,
        }

    def links_to_dict(self) -> dict[str, Any]:
        """Return every linked and every refused pair with its count."""
        return {
            "links": [[*pair, count] for pair, count in self.links.items()],
            "refused": [[*pair, count] for pair, count in self.refused.items()],
        }


_COUNTERS = ("calls", "faults", "throttled", "type_names")
_NUMBERS = (
    "requests",
    "error_share",
    "batch_inputs",
    "read_inputs",
    "max_seen_in_window",
    "max_accepted_in_window",
    "max_batch_in_window",
    "max_batch_in_flight",
    "first_counted",
    "last_counted",
    "open_connections",
    "open_connections_peak",
    "open_requests",
    "open_requests_peak",
)
