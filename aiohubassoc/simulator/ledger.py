"""
What happened at a portal.

The books are kept by the portal, not by its clients: whether a client kept the quota is read here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohubassoc.simulator.rolling_window import RollingWindow
from aiohubassoc.simulator.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc.simulator.put_operation import LinkedPair
    from aiohubassoc.simulator.routing import Kind
    from aiohubassoc.simulator.settings import PortalSettings

_FIRST_ERROR = 400  # RFC 9110, 15.5: client errors; those of servers lie above


class PortalLedger(Traffic):
    """
    The counts of one portal, those of its `Traffic` too, and the lists that its settings ask for.

    Args:
        settings: Say what is kept besides counts.

    Attributes:
        answers: How many answers were given with each status; those that never came have none.
        faults: How many arrivals each fault hit.
        throttled: How many requests each policy of the quota refused; faults are not among them.
        arrivals: The instant and the fault's name or the status of each request, in order.
        links: How many times each pair was linked by a call. Empty unless the settings keep links.
        links_total: How many times any pair was linked.
        refused: How many times each pair was refused for its types, ids or records. Empty unless
            the settings keep links.
        refused_total: The same for all pairs.
        type_names: How many times object types were called by each name.
        first_counted: The instant of the first request the quota let through, None before it.
        last_counted: The instant of the last one.
        windows: How many single PUTs the quota let through in each window of the quota's length,
            one after the other from the first one.
    """

    def __init__(self, settings: PortalSettings) -> None:
        super().__init__(settings)
        self._keep_links = settings.keep_links
        self._keep_arrivals = settings.keep_arrivals
        self._window = settings.quota_window
        self._seen = RollingWindow(settings.quota_window)
        self._accepted = RollingWindow(settings.quota_window)
        self._windows_begin: float | None = None
        self.responses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.arrivals: list[tuple[float, int | str]] = []
        self.links: Counter[LinkedPair] = Counter()
        self.links_total = 0
        self.refused: Counter[LinkedPair] = Counter()
        self.refused_total = 0
        self.type_names: Counter[str] = Counter()
        self.first_counted: float | None = None
        self.last_counted: float | None = None
        self.windows: list[int] = []

    @property
    def max_seen_in_window(self) -> int:
        """The most single PUTs with a good token that any window of the quota's length has seen."""
        return self._seen.peak

    @property
    def max_accepted_in_window(self) -> int:
        """The most single PUTs that the quota has let through in any window of its length."""
        return self._accepted.peak

    @property
    def error_share(self) -> float:
        """Answers of 400 and above as a share of all answers, from 0 to 1."""
        total = self.responses.total()
        errors = sum(count for status, count in self.responses.items() if status >= _FIRST_ERROR)
        return errors / total if total else 0.0

    def called(self, from_type: str, to_type: str) -> None:
        """Note the names that a call has for its object types."""
        self.type_names[from_type] += 1
        self.type_names[to_type] += 1

    def seen(self, now: float, *, is_single: bool) -> None:
        """Note a request with a good token, whatever becomes of it."""
        if is_single:
            self._seen.add(now)
        else:
            self.seen_batch(now)

    def counted(self, now: float, kind: Kind, inputs: int) -> None:
        """Note a request that the quota let through, and with how many inputs."""
        self.came(kind, inputs)
        if self.first_counted is None:
            self.first_counted = now
        self.last_counted = now
        if kind != "put":
            return
        self._accepted.add(now)
        if self._windows_begin is None:
            self._windows_begin = now
        window = int((now - self._windows_begin) // self._window)
        self.windows.extend([0] * (window + 1 - len(self.windows)))
        self.windows[window] += 1

    def refused_by(self, policy: str) -> None:
        """Note a request that the quota refused."""
        self.throttled[policy] += 1

    def answered(self, now: float, status: int, fault: str | None) -> None:
        """
        Note what became of a request.

        Args:
            now: When it was counted, or would have been.
            status: Of the answer. 0: it has none.
            fault: What hit it.
        """
        if status:
            self.responses[status] += 1
        if fault is not None:
            self.faults[fault] += 1
        if self._keep_arrivals:
            self.arrivals.append((now, fault or status))

    def linked(self, pairs: Iterable[LinkedPair]) -> None:
        """Note pairs that were linked, again or for the first time."""
        for pair in pairs:
            self.links_total += 1
            if self._keep_links:
                self.links[pair] += 1

    def was_refused(self, pairs: Iterable[LinkedPair]) -> None:
        """Note pairs that were refused for their types, ids or records."""
        for pair in pairs:
            self.refused_total += 1
            if self._keep_links:
                self.refused[pair] += 1

    def to_plain(self) -> dict[str, Any]:
        """Return the counts as JSON can hold them; None where the settings keep no links."""
        kept = self._keep_links
        return self.traffic_to_plain() | {
            "responses": {str(status): count for status, count in sorted(self.responses.items())},
            "error_share": self.error_share,
            "faults": dict(sorted(self.faults.items())),
            "throttled": dict(sorted(self.throttled.items())),
            "links": {
                "total": self.links_total,
                "pairs": len(self.links) if kept else None,
                "max_per_pair": max(self.links.values(), default=0) if kept else None,
            },
            "refused": {
                "total": self.refused_total,
                "pairs": len(self.refused) if kept else None,
            },
            "type_names": dict(sorted(self.type_names.items())),
            "max_seen_in_window": self.max_seen_in_window,
            "max_accepted_in_window": self.max_accepted_in_window,
            "first_counted": self.first_counted,
            "last_counted": self.last_counted,
            "windows": self.windows,
        }

    def links_to_plain(self) -> dict[str, Any]:
        """Return every pair with its count: linked and refused."""
        return {
            "links": [[*pair, count] for pair, count in self.links.items()],
            "refused": [[*pair, count] for pair, count in self.refused.items()],
        }
