"""The charts: nothing is lost, nothing is drawn outside, and columns are held to the quota."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc.html_report.charts import HEIGHT, draw_calls, draw_pairs, nice_ceiling
from tests.html_report.conftest import statistics


@given(
    times=st.lists(st.floats(0, 1e6), min_size=1, max_size=200),
    window=st.sampled_from([0.5, 1.0, 10.0, 60.0]),
)
@settings(max_examples=50, deadline=None)
def test_every_pair_is_in_a_column(times: list[float], window: float) -> None:
    """Whatever the width of the columns."""
    made = statistics(max(times), window=window)
    for at in times:
        made.timeline.add("linked", at)
    chart = draw_pairs(made)
    assert chart is not None
    assert sum(column.counts["linked"] for column in chart.columns) == len(times)
    width = chart.columns[0].end - chart.columns[0].begin
    assert chart.highest == pytest.approx(
        max(column.counts["linked"] for column in chart.columns) * window / width
    )
    assert chart.highest <= chart.ticks[0]
    for _, path in chart.areas:
        for y in re.findall(r"V([\d.]+)", path):
            assert 0 <= float(y) <= HEIGHT


@pytest.mark.parametrize("seconds", [95, 700, 5_000, 60_000])
def test_a_full_window_touches_the_quota_and_is_never_above(seconds: int) -> None:
    """A quota is used up at once at the begin of each window: so are columns whole windows."""
    made = statistics(seconds)
    for at in range(0, seconds, 10):
        made.timeline.add("responses", at + 0.1, 190)
        made.timeline.note_quota(at + 0.1, 19.0)
    chart = draw_calls(made)
    assert chart is not None
    assert chart.highest == pytest.approx(190)
    assert chart.quota == pytest.approx(190)


def test_the_quota_is_drawn_on_where_nothing_was_sent() -> None:
    """As calls were paused, or there were none; before the first it is not known."""
    made = statistics()
    made.timeline.add("linked", 15.0)
    made.timeline.note_quota(15.0, 19.0)
    made.timeline.add("linked", 55.0)
    chart = draw_pairs(made)
    assert chart is not None
    assert [round(column.quota) for column in chart.columns] == [0, 190, 190, 190, 190, 190]
    assert chart.quota_line.count("M") == 1


def test_pauses_and_runs_are_at_their_times() -> None:
    """In columns."""
    made = statistics(40.0)
    made.timeline.add("linked", 39.0)
    made.timeline.add_pause(12.0, 13.0)
    made.end = 35.0
    made.runs = [(0.0, 0), (20.0, 0)]
    chart = draw_pairs(made)
    assert chart is not None
    assert [place for place, _ in chart.pauses] == [1, 2]
    assert [share for _, share in chart.pauses] == pytest.approx([0.8, 0.5])
    assert list(chart.runs) == pytest.approx([2.0])


def test_without_calls_there_is_no_chart() -> None:
    """Nor an empty one."""
    assert draw_pairs(statistics()) is None
    assert draw_calls(statistics()) is None


@pytest.mark.parametrize(
    ("value", "ceiling"), [(0, 1), (0.3, 0.5), (1, 1), (190, 200), (200.1, 250), (9_000, 10_000)]
)
def test_axes_end_at_round_numbers(value: float, ceiling: float) -> None:
    """None below the value."""
    assert nice_ceiling(value) == pytest.approx(ceiling)
