"""Requests before they are counted, and how often each pair was sent."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING

import attrs

from aiohubassoc.simulator.records import LinkedPair
from aiohubassoc.simulator.routing import BatchCall, Call, Kind, PutCall, ReadCall, parse_path

if TYPE_CHECKING:
    from aiohubassoc.simulator.records import ObjectTypes
    from aiohubassoc.simulator.seeded_random import SeededRandom
    from aiohubassoc.simulator.settings import Latency


@attrs.frozen(eq=False)
class PortalRequest:
    """
    A request before it is counted; equal to none but itself.

    Args:
        call: What its path means. None: the portal has no such path.
        is_allowed: Whether its method is the one of that path.
        pair: The pair of a call for one pair, as the ledger knows it. None: another call.
        body: Of a call that has inputs.
        key: The key of random draws: the pair, or the path and the body.
        number: Counts the requests with this key, from 1.
        delay: Seconds from the arrival to the moment at which it is counted.
    """

    call: Call | None
    is_allowed: bool
    pair: LinkedPair | None
    body: bytes
    key: str
    number: int
    delay: float

    @property
    def is_batch(self) -> bool:
        """Whether the limits of batch calls hold for it: those that create and those that read."""
        return self.is_allowed and isinstance(self.call, BatchCall | ReadCall)


@attrs.frozen
class Position:
    """
    Which one a call is among those that the portal let through, from 1.

    Args:
        of_key: Among those of its key.
        of_kind: Among those of its kind.
        overall: Among all, without the calls about the account.
    """

    of_key: int
    of_kind: int
    overall: int


@attrs.define
class _KeyCounts:
    arrived: int = 0
    passed: int = 0


class RequestTracker:
    """
    Parses requests and counts them by key.

    A request that the rate limits refuse has arrived but not passed. A fault is drawn by how often
    its key has passed, so that it does not depend on how often the limits refused it.

    Args:
        latency: When a request is counted.
        rng: Draws that.
        types: Give a pair one key under every name of its types.
    """

    def __init__(self, latency: Latency, rng: SeededRandom, types: ObjectTypes) -> None:
        self._latency = latency
        self._rng = rng
        self._types = types
        self._by_key: dict[str, _KeyCounts] = {}
        self._passed: Counter[Kind] = Counter()

    def track(self, method: str, raw_path: str, body: bytes) -> PortalRequest:
        """Return the parsed request."""
        call = parse_path(raw_path)
        if call is None:
            return PortalRequest(call, False, None, body, raw_path, 1, 0.0)
        pair = None
        if isinstance(call, PutCall):
            pair = self._types.to_pair(call.from_type, call.from_id, call.to_type, call.to_id)
            key = "|".join(pair)
        else:
            key = f"{raw_path}|{blake2b(body, digest_size=16).hexdigest()}"
        counts = self._by_key.setdefault(key, _KeyCounts())
        counts.arrived += 1
        delay = self._delay(key, counts.arrived)
        is_allowed = method == call.method
        return PortalRequest(call, is_allowed, pair, body, key, counts.arrived, delay)

    def next_position(self, key: str, call: Call) -> Position:
        """Return the position of *call* if it passes now."""
        counts = self._by_key.get(key)
        return Position(
            counts.passed + 1 if counts else 1,
            self._passed[call.kind] + 1,
            sum(count for kind, count in self._passed.items() if kind != "account") + 1,
        )

    def record_pass(self, key: str, call: Call) -> None:
        """Record that *call* has passed."""
        self._by_key.setdefault(key, _KeyCounts()).passed += 1
        self._passed[call.kind] += 1

    def forget(self, key: str) -> None:
        """Count *key* from the start when it comes again."""
        self._by_key.pop(key, None)

    def _delay(self, key: str, number: int) -> float:
        latency, rng = self._latency, self._rng
        delay = rng.lognormal(latency.before_median, latency.before_sigma, "before", key, number)
        if latency.stray_share and rng.uniform("stray", key, number) < latency.stray_share:
            delay += latency.stray_max * rng.uniform("stray by", key, number)
        return delay
