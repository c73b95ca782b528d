"""What happened when, in a fixed number of buckets: their width doubles when they are full."""

from __future__ import annotations

from typing import Any, Final

import attrs

MOST_BUCKETS: Final = 160
# HubSpot's windows have ten seconds, and only a multiple of a window can be held to its quota: from
# the third doubling on, each bucket is one.
FIRST_WIDTH: Final = 1.25
COUNTED: Final = ("linked", "not_linked", "responses", "errors", "throttled", "paused_ms")
"""What is counted. ``responses`` stand where their request was sent; ``errors`` are those
of 400 or more that are not 429."""


@attrs.define
class Timeline:
    """
    Counts over time, in at most `MOST_BUCKETS` buckets of equal width.

    Attributes:
        width: Seconds of a bucket: 1.25, 2.5, 5, 10, 20, ...
        length: How many buckets are in use.
        counts: For each name of `COUNTED` a number a bucket.
        quota: For each bucket the highest quota in it, in calls a second; 0: not known.
    """

    width: float = FIRST_WIDTH
    length: int = 0
    counts: dict[str, list[int]] = attrs.field(
        factory=lambda: {name: [0] * MOST_BUCKETS for name in COUNTED}
    )
    quota: list[float] = attrs.field(factory=lambda: [0.0] * MOST_BUCKETS)

    def add(self, name: str, at: float, count: int = 1) -> None:
        """Count *count* of *name* at *at* seconds from the beginning."""
        self.counts[name][self._bucket(at)] += count

    def add_pause(self, at: float, seconds: float) -> None:
        """Count *seconds* from *at* on as a pause, in each bucket that it reaches into."""
        end = at + seconds
        while end - at > 1e-6:  # noqa: PLR2004 -- less than it can count
            bucket = self._bucket(at)
            until = min(end, (bucket + 1) * self.width)
            self.counts["paused_ms"][bucket] += round((until - at) * 1000)
            at = until

    def note_quota(self, at: float, calls_per_second: float) -> None:
        """Keep the quota of that moment."""
        bucket = self._bucket(at)
        self.quota[bucket] = max(self.quota[bucket], calls_per_second)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "width": self.width,
            "counts": {name: counts[: self.length] for name, counts in self.counts.items()},
            "quota": [round(quota, 3) for quota in self.quota[: self.length]],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Timeline:
        """
        Return what `to_json` made of one.

        Raises:
            KeyError, TypeError, ValueError: it is not of ours.
        """
        quota = [float(one) for one in value["quota"]]
        length = len(quota)
        timeline = cls(width=float(value["width"]), length=length)
        if length > MOST_BUCKETS or timeline.width < FIRST_WIDTH:
            raise ValueError("not a timeline")
        timeline.quota[:length] = quota
        for name, counts in timeline.counts.items():
            counts[:length] = [int(one) for one in value["counts"][name]]
            if len(counts) != MOST_BUCKETS:
                raise ValueError("not a timeline")
        return timeline

    def _bucket(self, at: float) -> int:
        bucket = int(at / self.width)
        while bucket >= MOST_BUCKETS:
            self._widen()
            bucket = int(at / self.width)
        if bucket >= self.length:
            self.length = bucket + 1
        return bucket

    def _widen(self) -> None:
        self.width *= 2
        self.length = (self.length + 1) // 2
        rest = MOST_BUCKETS // 2
        for counts in self.counts.values():
            pairs = zip(counts[::2], counts[1::2], strict=True)
            counts[:] = [one + other for one, other in pairs] + [0] * rest
        highest = map(max, self.quota[::2], self.quota[1::2])
        self.quota[:] = [*highest, *[0.0] * rest]
