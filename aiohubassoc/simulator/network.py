"""What surrounds a portal: the way to it, and the others who use it."""

from __future__ import annotations

import attrs
from attrs import validators


@attrs.frozen
class Latency:
    """
    Two log-normal delays, each drawn on its own, around the moment a request is counted.

    Args:
        before_median: Seconds from a request's arrival to its being counted. 0: none.
        before_sigma: The standard deviation of its natural logarithm, 0 or more.
        after_median: Seconds from being counted to the answer. 0: none.
        after_sigma: The standard deviation of its natural logarithm, 0 or more.
        stray_share: The share of requests, from 0 to 1, that are late besides.
        stray_most: By up to so many seconds, evenly drawn, before they are counted.

    Raises:
        ValueError: a negative number, or a share above 1.
    """

    before_median: float = attrs.field(default=0.0, validator=validators.ge(0))
    before_sigma: float = attrs.field(default=0.0, validator=validators.ge(0))
    after_median: float = attrs.field(default=0.0, validator=validators.ge(0))
    after_sigma: float = attrs.field(default=0.0, validator=validators.ge(0))
    stray_share: float = attrs.field(default=0.0, validator=[validators.ge(0), validators.le(1)])
    stray_most: float = attrs.field(default=2.0, validator=validators.ge(0))


@attrs.frozen
class Neighbour:
    """
    Somebody else who uses the same quota, at an even pace or in even bursts.

    Args:
        start: Seconds from the first request that the portal counts to the neighbour's first.
        length: For how many seconds the neighbour keeps on.
        per_second: Requests per second; those that find the quota used up are lost.
        burst: So many come at once, 1 or more.

    Raises:
        ValueError: a negative number, or a burst below 1.
    """

    start: float = attrs.field(validator=validators.ge(0))
    length: float = attrs.field(validator=validators.ge(0))
    per_second: float = attrs.field(validator=validators.ge(0))
    burst: int = attrs.field(default=1, validator=validators.ge(1))
