"""Requests on their way to being counted, and how often each pair has come."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING

import attrs

from aiohubassoc.simulator.put_operation import LinkedPair, pair_of
from aiohubassoc.simulator.routing import Call, Kind, PutCall, kind_of, method_of, parse

if TYPE_CHECKING:
    from aiohubassoc.simulator.network import Latency
    from aiohubassoc.simulator.object_types import ObjectTypes
    from aiohubassoc.simulator.seeded_random import SeededRandom


@attrs.frozen(eq=False)
class PortalRequest:
    """
    A request before it is counted; equal to none but itself.

    Args:
        call: What its path means. None: the portal has no such path.
        is_allowed: Whether its method is the one of that path.
        pair: The pair of a single call, as the books know it. None: another call.
        body: Of a batch call or a read.
        key: For whom chance is drawn: the pair, or the call with all its inputs.
        number: The how-manieth arrival of this key, from 1.
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
        """Whether the limits of batch calls are about it: those of creating and of reading."""
        return self.is_allowed and self.pair is None


@attrs.frozen
class Ordinals:
    """
    Which one a call is among those that pass, from 1.

    Args:
        of_key: Among those of its key.
        of_kind: Among those of its kind.
        overall: Among all.
    """

    of_key: int
    of_kind: int
    overall: int


@attrs.define
class _KeyCounts:
    arrivals: int = 0
    passed: int = 0


class RequestTracker:
    """
    Turns requests into arrivals and counts them by key.

    A request that is refused by the quota has arrived but not passed: what hits a pair is drawn
    by how often it passed, so that it does not depend on how often the quota turned it away.

    Args:
        latency: Says when an arrival is counted.
        chance: Draws it.
        types: Make a pair the same whatever name a type is called by.
    """

    def __init__(self, latency: Latency, chance: SeededRandom, types: ObjectTypes) -> None:
        self._latency = latency
        self._chance = chance
        self._types = types
        self._visits: dict[str, _KeyCounts] = {}
        self._passed: Counter[Kind] = Counter()

    def note(self, method: str, raw_path: str, body: bytes) -> PortalRequest:
        """Return the arrival that a request is."""
        call = parse(raw_path)
        if call is None:
            return PortalRequest(call, False, None, body, raw_path, 1, 0.0)
        if isinstance(call, PutCall):
            pair = pair_of(self._types, call)
            key = "|".join(pair)
        else:
            pair = None
            key = f"{raw_path}|{blake2b(body, digest_size=16).hexdigest()}"
        visits = self._visits.setdefault(key, _KeyCounts())
        visits.arrivals += 1
        number = visits.arrivals
        delay = self._delay(key, number)
        return PortalRequest(call, method == method_of(call), pair, body, key, number, delay)

    def _delay(self, key: str, number: int) -> float:
        latency, chance = self._latency, self._chance
        delay = chance.delay(latency.before_median, latency.before_sigma, "before", key, number)
        if latency.stray_share and chance.share("stray", key, number) < latency.stray_share:
            delay += latency.stray_most * chance.share("stray by", key, number)
        return delay

    def next_place(self, key: str, call: Call) -> Ordinals:
        """Return which one *call* is if it passes now."""
        visits = self._visits.get(key)
        return Ordinals(
            visits.passed + 1 if visits else 1,
            self._passed[kind_of(call)] + 1,
            self._passed.total() + 1,
        )

    def note_pass(self, key: str, call: Call) -> None:
        """Note that *call* has passed."""
        self._visits.setdefault(key, _KeyCounts()).passed += 1
        self._passed[kind_of(call)] += 1

    def forget(self, key: str) -> None:
        """Count *key* from the beginning when it comes again."""
        self._visits.pop(key, None)
