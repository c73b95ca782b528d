"""How runs went, as a run folder keeps it: bounded, added up, and right after each doubling."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc import (
    ApiError,
    AssociationClient,
    Journal,
    Outcome,
    Pair,
    PreviousFailureError,
    Quota,
    Status,
)
from aiohubassoc.journal.collector import StatisticsObserver
from aiohubassoc.journal.report_reader import ReportReader
from aiohubassoc.journal.statistics import (
    COUNTED,
    MOST_BUCKETS,
    OTHER,
    Counts,
    SlowResponse,
    Statistics,
    Timeline,
)
from aiohubassoc.models import Report
from aiohubassoc.observer import (
    CallKind,
    ResponseEvent,
    RetryEvent,
    RunFinishedEvent,
    RunStartedEvent,
    ThrottleEvent,
)
from aiohubassoc.simulator import PortalSettings, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAIR = Pair("contacts", 1, "companies", 2)


class Clock:
    """Time that a test sets."""

    seconds = 1_000.0

    def now(self) -> float:
        """Return it."""
        return self.seconds

    def utc_now(self) -> datetime:
        """Return it as a date."""
        return datetime(2026, 11, 28, tzinfo=UTC) + timedelta(seconds=self.seconds)

    async def sleep(self, seconds: float) -> None:
        """Nobody does."""
        raise NotImplementedError

    def call_at(self, when: float, callback: Callable[[], object]) -> Any:
        """Nobody does."""
        raise NotImplementedError


def started(mode: str = "put", *, run: str = "a", quota: Quota = Quota.PROFESSIONAL) -> Any:
    """Return the event of a begin."""
    return RunStartedEvent(run, "x", mode, skip_linked=False, total=None, quota=quota)


def response(status: int | None = 200, *, run: str | None = "a", **values: Any) -> ResponseEvent:
    """Return the event of a response."""
    whole: dict[str, Any] = {"seconds": 0.1, "kind": CallKind.PUT, "pair": PAIR, **values}
    return ResponseEvent(
        run=run,
        portal="x",
        method="PUT",
        pairs=1,
        attempt=1,
        status=status,
        error=None,
        correlation_id="c-1",
        **whole,
    )


def throttle(pause: float, policy: str | None = "SECONDLY") -> ThrottleEvent:
    """Return the event of a throttle."""
    return ThrottleEvent("a", CallKind.PUT, pause, policy, 429)


def observing(
    clock: Clock, kept: str | None = None, event: RunStartedEvent | None = None
) -> StatisticsObserver:
    """Return an observer whose run has begun."""
    observer = StatisticsObserver()
    event = event or started()
    observer.begin(kept, clock, event.run)
    observer.run_started(event)
    return observer


def kept_of(observer: StatisticsObserver) -> Statistics:
    """Return what is kept."""
    text = observer.to_json()
    assert text is not None
    found = Statistics.from_json(text)
    assert found is not None
    return found


# --- the timeline ------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(COUNTED), st.floats(0, 1e7)), max_size=300))
@settings(max_examples=50, deadline=None)
def test_the_timeline_is_bounded_and_loses_nothing(events: list[tuple[str, float]]) -> None:
    """However long a run is, and in whatever order events come; also when it was kept."""
    timeline = Timeline()
    for name, at in events:
        timeline.add(name, at)
    again = Timeline.from_json(timeline.to_json())
    assert again == timeline
    assert timeline.length <= MOST_BUCKETS
    for name, counts in timeline.counts.items():
        assert sum(counts) == len([one for one, _ in events if one == name])
        assert not any(counts[timeline.length :])
        for bucket, count in enumerate(counts):
            begin, end = bucket * timeline.width, (bucket + 1) * timeline.width
            assert count == len([at for one, at in events if one == name and begin <= at < end])


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e4)), max_size=20))
@settings(max_examples=50, deadline=None)
def test_pauses_keep_their_length(pauses: list[tuple[float, float]]) -> None:
    """Over as many buckets as they reach into, also while these double."""
    timeline = Timeline()
    for at, seconds in pauses:
        timeline.add_pause(at, seconds)
    expected = sum(seconds for _, seconds in pauses)
    cuts = MOST_BUCKETS * len(pauses)  # each rounded to a millisecond
    assert sum(timeline.counts["paused_ms"]) / 1000 == pytest.approx(expected, abs=cuts / 1000)


def test_the_highest_quota_of_a_bucket_is_kept() -> None:
    """Also when two become one."""
    timeline = Timeline()
    timeline.note_quota(0.0, 10.0)
    timeline.note_quota(1.3, 19.0)
    timeline.add("linked", MOST_BUCKETS * 1.25)
    assert timeline.quota[0] == pytest.approx(19.0)


# --- what else is kept -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "{}", '{"format": 2}'),
        '{"format": 1}',
        Statistics().to_json().replace('"width":1.25', '"width":"x"'),
        Statistics().to_json().replace('"quota":[]', '"quota":[1]'),
        Statistics().to_json().replace('"runs":[]', '"runs":[1]'),
        Statistics().to_json().replace('"retries":{}', '"retries":[]'),
        Statistics().to_json().replace('"end"', '"begin"'),
    ],
)
def test_what_cannot_be_read_is_none(text: str) -> None:
    """A report then lacks those sections."""
    assert Statistics.from_json(text) is None


def _forgeries(value: Any) -> Iterator[Any]:
    """Yield JSON in which one value is of another type, or absurd."""
    yield from ("x", None, [], {}, [[1]], {"a": "b"}, -1, 1e300, float("nan"), float("inf"))
    parts = value.items() if isinstance(value, dict) else ()
    for at, part in enumerate(value) if isinstance(value, list) else parts:
        for forged in _forgeries(part):
            copy = value.copy()
            copy[at] = forged
            yield copy


def test_forged_statistics_are_none_or_can_be_used() -> None:
    """By the next run, which writes them with its outcomes, and by a report."""
    statistics = Statistics(runs=[(0.0, 1)], retries=Counts({"x": 1}))
    statistics.add_response(1.0, 200, 0.1, is_main=True)
    statistics.timeline.note_quota(1.0, 19.0)
    statistics.add_slow(SlowResponse(0.1, 1, 200, "a pair", "x"))
    usable = 0
    for forged in _forgeries(json.loads(statistics.to_json())):
        found = Statistics.from_json(json.dumps(forged))
        if found is None:
            continue
        usable += 1
        observer = observing(Clock(), json.dumps(forged))
        observer.response(response())
        again = kept_of(observer)
        assert again.quota_share is not None
        assert again.response_time(0.5) is not None
        assert again.error_responses >= again.throttled
        for _, at_ms in again.runs:
            datetime.fromtimestamp(at_ms / 1000, UTC)
    assert usable


def test_names_are_few_and_short() -> None:
    """A server that makes up new ones fills neither memory nor the folder."""
    counts = Counts()
    for number in range(10_000):
        counts.add(f"{number}" + "x" * 10_000)
    assert counts.total == 10_000
    assert len(counts.by_name) == 41
    assert max(map(len, counts.by_name)) <= 200
    assert counts.by_name[OTHER] == 9_960
    assert [count for _, count in counts.largest(2)] == [1, 1, 9_998]
    assert counts.largest(2)[-1][0] == OTHER


def test_it_stays_small() -> None:
    """Whatever happens."""
    clock = Clock()
    observer = observing(clock)
    for number in range(20_000):
        clock.seconds += 37.0
        observer.response(response(200 + number % 400, seconds=number * 1.0))
        error = ApiError(500, f"{number}" + "y" * 500, "words", None)
        observer.retry(RetryEvent("a", CallKind.PUT, PAIR, 1, 1, 0.1, error))
        observer.throttled(throttle(1.0, f"{number}" + "z" * 500))
        observer.count([Outcome(number, PAIR, Status.LINKED, 1)])
    assert len(observer.to_json() or "") < 60_000


def test_the_slowest_responses_are_kept() -> None:
    """Ten, the slowest first."""
    clock = Clock()
    observer = observing(clock)
    for number in range(50):
        observer.response(response(seconds=(number * 37 % 50) / 10))
    slowest = kept_of(observer).slowest
    assert [one.seconds for one in slowest] == [number / 10 for number in range(49, 39, -1)]
    assert slowest[0].about == str(PAIR)
    assert slowest[0].correlation_id == "c-1"


def test_a_long_correlation_id_is_cut() -> None:
    """A server may send anything."""
    made = Statistics()
    made.add_slow(SlowResponse(1.0, 0, 200, "x" * 10_000, "y" * 10_000))
    assert len(made.to_json()) < 5_000


def test_response_times_are_right_to_a_fifth() -> None:
    """Of half of them, and of nearly all."""
    clock = Clock()
    observer = observing(clock)
    for number in range(1, 101):
        observer.response(response(seconds=number / 100))
    found = kept_of(observer)
    assert found.response_time(0.5) == pytest.approx(0.5, rel=0.25)
    assert found.response_time(0.95) == pytest.approx(0.95, rel=0.25)
    assert Statistics().response_time(0.5) is None


# --- from events -------------------------------------------------------------------------------


def test_events_are_counted_where_they_belong() -> None:
    """Responses where their request was sent, pairs where their outcome came."""
    clock = Clock()
    observer = observing(clock)
    clock.seconds += 30.0
    observer.response(response(200, seconds=20.0))
    observer.response(response(400))
    observer.response(response(429))
    observer.response(response(None))
    observer.count([Outcome(0, PAIR, Status.LINKED, 1)])
    error = ApiError(400, "BAD", "bad", None)
    observer.count([Outcome(1, PAIR, Status.FAILED, 1, error=error)])
    found = kept_of(observer)
    timeline = found.timeline
    sent = [at for at, count in enumerate(timeline.counts["responses"]) if count]
    assert [bucket * timeline.width for bucket in sent] == [10.0, 28.75]
    assert sum(timeline.counts["errors"]) == sum(timeline.counts["throttled"]) == 1
    assert timeline.counts["linked"][24] == timeline.counts["not_linked"][24] == 1
    assert (found.responses.total, found.error_responses, found.throttled) == (3, 2, 1)
    assert found.active_seconds == pytest.approx(30.0)


def test_overlapping_pauses_count_once() -> None:
    """And one that the end of the run cuts short counts only till then."""
    clock = Clock()
    observer = observing(clock)
    observer.throttled(throttle(10.0))
    clock.seconds += 5.0
    observer.throttled(throttle(2.0))
    observer.throttled(throttle(10.0, None))
    clock.seconds += 4.0
    found = kept_of(observer)
    assert found.paused_seconds == pytest.approx(9.0)
    assert found.throttles.by_name == {"SECONDLY": 2, "HTTP 429": 1}
    clock.seconds += 20.0
    assert kept_of(observer).paused_seconds == pytest.approx(15.0)


def test_a_second_run_adds_up_in_buckets_of_its_own() -> None:
    """Each may fill a window at once: no bucket shows both."""
    clock, kept = Clock(), None
    for _ in range(3):
        observer = observing(clock, kept)
        for _ in range(190):
            observer.response(response())
        clock.seconds += 3.0
        kept = observer.to_json()
        clock.seconds += 5_000.0
    found = Statistics.from_json(kept or "")
    assert found is not None
    assert found.responses.total == 570
    assert [at for at, _ in found.runs] == [0.0, 10.0, 20.0]
    assert [count for count in found.timeline.counts["responses"] if count] == [190] * 3
    assert found.active_seconds == pytest.approx(9.0)
    assert found.quota_share == pytest.approx(570 / (19.0 * 39.0))


def test_only_the_run_itself_is_counted() -> None:
    """Not what the client does besides: other runs of it, before and meanwhile."""
    clock = Clock()
    observer = observing(clock)
    for other in (started("verify", run="v"), started("batch", run="b"), started(run="c")):
        observer.run_started(other)
        observer.response(response(run=other.run))
    observer.response(response(run=None))
    observer.run_finished(RunFinishedEvent("b", Report(), 1.0))
    found = kept_of(observer)
    assert (found.responses.total, found.is_batch) == (0, False)
    observer.response(response())
    observer.run_finished(RunFinishedEvent("a", Report(), 1.0))
    observer.response(response())
    assert kept_of(observer).responses.total == 1


@pytest.mark.looptime(False)
async def test_a_journal_counts_its_own_run_alone(folder: Path) -> None:
    """Though its client does more at the same time, before and after."""
    journal = Journal(folder)
    types: dict[str, Any] = {"from_type": "contacts", "to_type": "companies"}
    portal_settings = PortalSettings(quota_limit=None)
    async with (
        serve(portal_settings) as portal,
        AssociationClient(
            portal_settings.tokens[0], base_url=portal.base_url, observer=journal.observer
        ) as client,
    ):
        await client.link_all([(n, n) for n in range(1, 31)], **types)
        async with asyncio.TaskGroup() as tasks:
            own = [(n, n) for n in range(101, 151)]
            tasks.create_task(client.link_all(own, **types, journal=journal))
            tasks.create_task(client.link_all([(n, n) for n in range(201, 301)], **types))
            tasks.create_task(client.create_default(Pair("contacts", 1, "companies", 2)))
        await client.link_all([(n, n) for n in range(401, 411)], **types)
    with ReportReader(folder) as reader:
        found = reader.statistics()
    assert found is not None
    assert found.responses.total == 50
    assert sum(found.timeline.counts["linked"]) == 50


def test_a_run_that_does_not_report_keeps_nothing() -> None:
    """Though an earlier one of the same observer did."""
    clock = Clock()
    observer = observing(clock)
    assert observer.to_json() is not None
    observer.begin(None, clock, "z")
    assert observer.to_json() is None


def test_calls_of_another_kind_are_not_held_to_the_quota() -> None:
    """Reads of ``skip_linked``: their limit is another."""
    clock = Clock()
    observer = observing(clock)
    observer.response(response(kind=CallKind.LOOKUP, pair=None))
    found = kept_of(observer)
    assert found.responses.total == 1
    assert sum(found.timeline.counts["responses"]) == 0
    assert found.slowest[0].about == "the links of 1 record"


def test_what_failed_before_is_not_counted_again() -> None:
    """A run that resumes reports it again."""
    clock = Clock()
    observer = observing(clock)
    error = PreviousFailureError("BAD", "bad", None)
    observer.count([Outcome(0, PAIR, Status.FAILED, 3, error=error)])
    assert sum(kept_of(observer).timeline.counts["not_linked"]) == 0


def test_duplicates_are_those_of_the_last_run_that_met_any() -> None:
    """Each run that reads the input meets them anew."""
    clock, kept = Clock(), None
    for count in (3, 5, 0):
        observer = observing(clock, kept)
        observer.duplicates = count
        kept = observer.to_json()
    assert (Statistics.from_json(kept or "") or Statistics()).duplicates == 5


def test_the_quota_is_that_which_is_kept_now() -> None:
    """It may fall and rise during a run."""
    clock = Clock()
    observer = observing(clock)
    observer.response(response())
    quota = Quota(50, 10.0)
    observer.find_quota = lambda: quota
    clock.seconds += 10.0
    observer.response(response())
    timeline = kept_of(observer).timeline
    assert [quota for quota in timeline.quota if quota] == [19.0, 5.0]


def test_without_events_nothing_is_kept() -> None:
    """The client does not report to it: the report says so."""
    observer = StatisticsObserver()
    observer.begin(None, Clock(), "a")
    assert observer.to_json() is None
