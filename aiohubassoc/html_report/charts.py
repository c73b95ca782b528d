"""The geometry of the charts, which a template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from aiohubassoc.journal.statistics import Statistics, Timeline

HEIGHT: Final = 100.0
_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_TICKS: Final = 4
_X_LABELS: Final = 5
# Up to this number of columns there are gaps between them.
_MOST_APART: Final = 60
_MOST_GAP: Final = 0.08


@attrs.frozen
class Column:
    """A column of a chart."""

    begin: float  # in seconds, as the end
    end: float
    values: dict[str, float]  # the heights of its parts, by name, in units of the chart
    counts: dict[str, int]  # by name
    paused: float  # the share of its time in which calls were paused, 0 to 1
    quota: float  # in units of the chart; 0: not known


@attrs.frozen
class Chart:
    """A chart of stacked columns over time, 1 wide each and `HEIGHT` high."""

    columns: Sequence[Column]  # from left to right
    areas: Sequence[tuple[str, str]]  # for each series its name and its path, from the bottom up
    quota_line: str  # the path of the quota; empty: not known
    pauses: Sequence[tuple[int, float]]  # the position of each column with a pause, and its share
    runs: Sequence[float]  # the positions at which runs after the first begin
    ticks: Sequence[float]  # the labels of the vertical axis, from the top down
    labels: Sequence[float]  # the labels of the horizontal axis, in seconds
    window: float  # the unit of the vertical axis is a count per this number of seconds
    highest: float  # the height of the highest column
    quota: float  # the highest quota of a column, in units of the chart; 0: not known


def draw_pairs(statistics: Statistics) -> Chart | None:
    """Return the chart of pairs over time; None: there is nothing to draw."""
    # With one pair per call, the quota of calls is also the quota of pairs.
    return _draw(statistics, ("linked", "not_linked"), has_quota=not statistics.is_batch)


def draw_calls(statistics: Statistics) -> Chart | None:
    """Return the chart of calls over time; None: there is nothing to draw."""
    return _draw(statistics, ("accepted", "errors", "throttled"), has_quota=True)


def nice_ceiling(value: float) -> float:
    """Return the least round number that is not below *value*."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _NICE if step * power >= value * (1 - 1e-9))


def _draw(statistics: Statistics, names: Sequence[str], *, has_quota: bool) -> Chart | None:
    window = statistics.window
    columns = _columns(statistics.timeline, names, window, has_quota=has_quota)
    if not any(sum(column.values.values()) for column in columns):
        return None
    highest = max(sum(column.values.values()) for column in columns)
    quota = max(column.quota for column in columns)
    top = nice_ceiling(max(highest, quota) * 1.05)
    end = columns[-1].end
    return Chart(
        columns,
        _areas(columns, names, top),
        _quota_line(columns, top),
        [(place, column.paused) for place, column in enumerate(columns) if column.paused > 0],
        [at / end * len(columns) for at, _ in statistics.runs if 0 < at < end],
        [top * step / _TICKS for step in range(_TICKS, -1, -1)],
        [end * step / (_X_LABELS - 1) for step in range(_X_LABELS)],
        window,
        highest,
        quota,
    )


def _columns(
    timeline: Timeline, names: Sequence[str], window: float, *, has_quota: bool
) -> list[Column]:
    merged = _buckets_of_column(timeline.width, window)
    width = merged * timeline.width
    columns: list[Column] = []
    quota = 0.0
    for first in range(0, timeline.length, merged):
        part = slice(first, min(first + merged, timeline.length))
        counts = {name: sum(one[part]) for name, one in timeline.counts.items()}
        accepted = counts["responses"] - counts["errors"] - counts["throttled"]
        counts["accepted"] = max(0, accepted)
        if has_quota:  # nothing was sent where it is unknown: keep the last one
            quota = max(timeline.quota[part]) * window or quota
        columns.append(
            Column(
                first * timeline.width,
                first * timeline.width + width,
                {name: counts[name] * window / width for name in names},
                counts,
                min(1.0, counts["paused_ms"] / 1000 / width),
                quota,
            )
        )
    return columns


def _buckets_of_column(width: float, window: float) -> int:
    """Return how many buckets form a column; a whole number of windows if possible."""
    least = max(1, math.ceil(window / width - 1e-9))
    for merged in range(least, 4 * least + 4):
        windows = merged * width / window
        if abs(windows - round(windows)) < 1e-6:  # noqa: PLR2004 -- whole, but for rounding
            return merged
    return least


def _areas(columns: Sequence[Column], names: Sequence[str], top: float) -> list[tuple[str, str]]:
    below = [0.0] * len(columns)
    count = len(columns)
    width = "1" if count > _MOST_APART else f"{1 - min(_MOST_GAP, count / 250):g}"
    areas = []
    for name in names:
        path = []
        for place, column in enumerate(columns):
            low, high = below[place], below[place] + column.values[name]
            below[place] = high
            if high > low:
                path.append(f"M{place} {_y(low, top)}V{_y(high, top)}h{width}V{_y(low, top)}z")
        areas.append((name, "".join(path)))
    return areas


def _quota_line(columns: Sequence[Column], top: float) -> str:
    path, is_drawn = [], False
    for place, column in enumerate(columns):
        if not column.quota:
            is_drawn = False
            continue
        path.append(f"{'L' if is_drawn else 'M'}{place} {_y(column.quota, top)}h1")
        is_drawn = True
    return "".join(path)


def _y(value: float, top: float) -> str:
    return f"{HEIGHT - value / top * HEIGHT:.2f}".rstrip("0").rstrip(".")
