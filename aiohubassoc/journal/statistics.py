"""How the runs of a folder went, in bounded memory: what a report shows besides outcomes."""

from __future__ import annotations

import heapq
import itertools
import json
import math
from operator import attrgetter
from typing import Any, Final

import attrs

_FORMAT: Final = 1
_MOST_SLOWEST: Final = 10
_MOST_NAMES: Final = 40
_MOST_RUNS: Final = 60
_MOST_LETTERS: Final = 200
OTHER: Final = "OTHER"  # names beyond the first `_MOST_NAMES` are counted under this one
# Response times are counted in steps of a twelfth of a factor of ten, from 1 ms on.
_STEPS: Final = 12
_MOST_STEPS: Final = _STEPS * 6
# Seconds of HubSpot's window.
_SLOT: Final = 10.0
_TOO_MANY: Final = 429
_SECONDS: Final = attrgetter("seconds")
_NAMED: Final = ("responses", "retries", "throttles")
_SECONDS_OF_RUNS: Final = ("active_seconds", "end", "window", "paused_seconds")
_MOST: Final = 1e14  # of any number, such as ms since 1970: Python knows no dates far behind it
_ERROR: Final = 400
MOST_BUCKETS: Final = 160
# HubSpot's windows have ten seconds, and only a multiple of a window can be held to its quota: from
# the third doubling on, each bucket is one.
FIRST_WIDTH: Final = 1.25
COUNTED: Final = ("linked", "not_linked", "responses", "errors", "throttled", "paused_ms")
"""What is counted. ``responses`` stand where their request was sent; ``errors`` are those
of 400 or more that are not 429."""


def _number(value: Any) -> float:  # noqa: ANN401 -- JSON
    number = float(value)
    if not 0 <= number < _MOST:
        raise ValueError("no seconds, and no time")
    return number


def _count(value: Any) -> int:  # noqa: ANN401 -- JSON
    return int(_number(value))


@attrs.frozen
class SlowResponse:
    """One of the slowest responses."""

    seconds: float  # from the request to the end of the response
    at_ms: int  # when it came, in Unix time
    status: int
    about: str  # what was asked for: a pair, or a number of pairs
    correlation_id: str | None = None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> SlowResponse:
        """Return one from its attributes; an error of any kind if they are not of one."""
        identity = value["correlation_id"]
        return cls(
            _number(value["seconds"]),
            _count(value["at_ms"]),
            _count(value["status"]),
            str(value["about"]),
            None if identity is None else str(identity),
        )


@attrs.define
class Counts:
    """How often each of at most `_MOST_NAMES` names was met."""

    by_name: dict[str, int] = attrs.Factory(dict)

    def add(self, name: str, count: int = 1) -> None:
        name = name[:_MOST_LETTERS]
        if name not in self.by_name and len(self.by_name) >= _MOST_NAMES:
            name = OTHER
        self.by_name[name] = self.by_name.get(name, 0) + count

    @property
    def total(self) -> int:
        return sum(self.by_name.values())

    def largest(self, most: int) -> list[tuple[str, int]]:
        """Return the *most* frequent names and their counts, and all others as `OTHER`."""
        named = [item for item in self.by_name.items() if item[0] != OTHER]
        found = sorted(named, key=lambda item: (-item[1], item[0]))[:most]
        rest = self.total - sum(count for _, count in found)
        return [*found, (OTHER, rest)] if rest else found


@attrs.define
class Timeline:
    """Counts over time, in at most `MOST_BUCKETS` buckets of equal width."""

    width: float = FIRST_WIDTH  # seconds of a bucket: 1.25, 2.5, 5, 10, 20, ...
    length: int = 0  # how many buckets are in use
    # For each name of `COUNTED` a number a bucket.
    counts: dict[str, list[int]] = attrs.field(
        factory=lambda: {name: [0] * MOST_BUCKETS for name in COUNTED}
    )
    # For each bucket the highest quota in it, in calls a second; 0: not known.
    quota: list[float] = attrs.field(factory=lambda: [0.0] * MOST_BUCKETS)

    def add(self, name: str, at: float, count: int = 1) -> None:
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
        bucket = self._bucket(at)
        self.quota[bucket] = max(self.quota[bucket], calls_per_second)

    def to_json(self) -> dict[str, Any]:
        return {
            "width": self.width,
            "counts": {name: counts[: self.length] for name, counts in self.counts.items()},
            "quota": [round(quota, 3) for quota in self.quota[: self.length]],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Timeline:
        """Return what `to_json` made of one; an error of any kind if it is not of ours."""
        quota = [_number(one) for one in value["quota"]]
        length = len(quota)
        timeline = cls(width=_number(value["width"]), length=length)
        if length > MOST_BUCKETS or timeline.width < FIRST_WIDTH:
            raise ValueError("not a timeline")
        timeline.quota[:length] = quota
        for name, counts in timeline.counts.items():
            counts[:length] = list(map(_count, value["counts"][name]))
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


@attrs.define
class Statistics:
    """What a run folder keeps of how its runs went; it adds up over all of them."""

    # Instants are seconds of the timeline: the runs stand in it one behind the other, without the
    # time between them.

    active_seconds: float = 0.0  # how long all runs took so far
    end: float = 0.0  # where the latest run ended in the timeline, or has come to
    window: float = 10.0  # seconds of the window of the quota
    # Of the latest runs: when each began, in the timeline and in Unix time (ms).
    runs: list[tuple[float, int]] = attrs.Factory(list)
    timeline: Timeline = attrs.Factory(Timeline)
    responses: Counts = attrs.Factory(Counts)  # how many there were, by HTTP status
    retries: Counts = attrs.Factory(Counts)  # how many there were, by reason
    # How many responses paused all calls, by the limit that HubSpot named.
    throttles: Counts = attrs.Factory(Counts)
    paused_seconds: float = 0.0  # for how long calls were paused
    slowest: list[SlowResponse] = attrs.Factory(list)  # the slowest responses, the slowest first
    # How many responses took how long, in steps.
    response_times: list[int] = attrs.field(factory=lambda: [0] * _MOST_STEPS)
    # Rows that repeat an earlier one, as the last run that met any counted them.
    duplicates: int = 0
    is_batch: bool = False  # whether a call of the last run held many pairs

    @property
    def error_responses(self) -> int:
        return sum(
            count
            for status, count in self.responses.by_name.items()
            if not status.isdigit() or int(status) >= _ERROR
        )

    @property
    def throttled(self) -> int:
        return self.responses.by_name.get(str(_TOO_MANY), 0)

    @property
    def quota_share(self) -> float | None:
        """The calls as a share of those that the quota allowed, 0 to 1; None: not known."""
        quotas = [quota for quota in self.timeline.quota if quota]
        if not quotas:
            return None
        # In a run, one window more than it was long may hold calls: the first is not waited for.
        seconds = self.active_seconds + self.window * len(self.runs)
        allowed = sum(quotas) / len(quotas) * seconds
        return min(1.0, sum(self.timeline.counts["responses"]) / allowed)

    def response_time(self, share: float) -> float | None:
        """Return within how many seconds that share of responses came, to about a tenth."""
        total = sum(self.response_times)
        if not total:
            return None
        met = itertools.accumulate(self.response_times)
        step = next(step for step, count in enumerate(met, 1) if count >= share * total)
        return float(10 ** (step / _STEPS) / 1000)

    def add_response(self, at: float, status: int, seconds: float, *, is_main: bool) -> None:
        """Count a response to a request that was sent *at* that moment."""
        # *is_main*: its call counts for the quota whose line the report draws. The timeline has
        # only such.
        self.responses.add(str(status))
        if is_main:
            self.timeline.add("responses", at)
            if status == _TOO_MANY:
                self.timeline.add("throttled", at)
            elif status >= _ERROR:
                self.timeline.add("errors", at)
        step = int(math.log10(max(seconds * 1000, 1.0)) * _STEPS)
        self.response_times[min(step, _MOST_STEPS - 1)] += 1

    def is_slow(self, seconds: float) -> bool:
        """Return whether a response that took so long is among the slowest so far."""
        return len(self.slowest) < _MOST_SLOWEST or seconds > self.slowest[-1].seconds

    def add_slow(self, response: SlowResponse) -> None:
        identity = response.correlation_id
        response = attrs.evolve(
            response,
            about=response.about[:_MOST_LETTERS],
            correlation_id=None if identity is None else identity[:_MOST_LETTERS],
        )
        self.slowest = heapq.nlargest(_MOST_SLOWEST, [*self.slowest, response], key=_SECONDS)

    def begin_run(self, at_ms: int) -> float:
        """Note that a run begins, and return where it does."""
        # Each run has its own buckets: two runs may fill one window, which lies in both.
        at = math.ceil(self.end / _SLOT) * _SLOT
        self.runs = [*self.runs, (at, at_ms)][-_MOST_RUNS:]
        return at

    def to_json(self) -> str:
        value = attrs.asdict(self) | {name: getattr(self, name).by_name for name in _NAMED}
        value |= {
            name: round(value[name], 3) for name in ("active_seconds", "end", "paused_seconds")
        }
        value |= {"format": _FORMAT, "timeline": self.timeline.to_json()}
        return json.dumps(value, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Statistics | None:
        """Return what `to_json` made of one; None: another version's, or damaged."""
        try:
            value: dict[str, Any] = json.loads(text)
            if value.pop("format") != _FORMAT:
                return None
            value["timeline"] = Timeline.from_json(value["timeline"])
            value["slowest"] = [SlowResponse.from_json(one) for one in value["slowest"]]
            value["runs"] = [(_number(at), _count(at_ms)) for at, at_ms in value["runs"]]
            for name in _NAMED:
                value[name] = Counts({str(key): _count(n) for key, n in value[name].items()})
            for name in _SECONDS_OF_RUNS:
                value[name] = _number(value[name])
            value["response_times"] = list(map(_count, value["response_times"]))
            value["duplicates"] = _count(value["duplicates"])
            if len(value["response_times"]) != _MOST_STEPS or not value["window"]:
                return None
            return cls(**value)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return None
