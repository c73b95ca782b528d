"""Runs by batches: one outcome a pair, each error with its pair, few calls. In virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random  # noqa: TID251 -- seeded
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import looptime
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import (
    ApiError,
    ConnectError,
    ConnectionLostError,
    DailyLimitError,
    JournalStorageError,
    NotFoundError,
    OptionsError,
    Outcome,
    Pair,
    PartialFailureError,
    Quota,
    RateLimitedError,
    Report,
    ResponseTimeoutError,
    RetryPolicy,
    RunStoppedError,
    ServerError,
    Status,
    UnconfirmedError,
    ValidationError,
)
from aiohubassoc._http.failures import NoResponse
from aiohubassoc._protocol.verdicts import Response
from tests.conftest import pass_time, settle
from tests.fakes.portal import FakePortal, client_of, ends_of, inputs_of, pairs_of
from tests.fakes.recorder import FakeJournal, FakeRecorder
from tests.fakes.transport import error, reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiohubassoc import OutcomeStream

LOST = NoResponse(ConnectionLostError("lost"))


@asynccontextmanager
async def running(
    portal: FakePortal, pairs: Any, *, client: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[OutcomeStream]:
    """Run batches."""
    async with (
        client_of(portal, **(client or {})) as opened,
        opened.link_each(pairs, via="batch", **options) as outcomes,
    ):
        yield outcomes


async def link(
    portal: FakePortal, pairs: Any, *, client: dict[str, Any] | None = None, **options: Any
) -> list[Outcome]:
    """Link pairs by batches, and return their outcomes in the input's order."""
    async with running(portal, pairs, client=client, **options) as outcomes:
        reported = [outcome async for outcome in outcomes]
    assert outcomes.report.total == len(reported)
    return sorted(reported, key=lambda outcome: outcome.index)


def counts(outcomes: list[Outcome]) -> dict[str, int]:
    """Return how many outcomes there are of each status."""
    return dict(Counter(outcome.status.value for outcome in outcomes))


# --- cutting -----------------------------------------------------------------------------------


async def test_two_thousand_pairs_a_call() -> None:
    """A batch holds as many as HubSpot takes; the rest goes when the input has ended."""
    portal = FakePortal()
    outcomes = await link(portal, pairs_of(4500))
    assert [2000, 2000, 500] == [len(batch) for batch in portal.batches]
    assert {"linked": 4500} == counts(outcomes)
    assert ends_of(pairs_of(4500)) == [ends for batch in portal.batches for ends in batch]
    assert {1} == {outcome.attempts for outcome in outcomes}
    assert {"batch": 3} == portal.calls


async def test_the_size_is_an_option() -> None:
    """Smaller batches, as asked for."""
    portal = FakePortal()
    await link(portal, pairs_of(10), batch_size=4)
    assert [4, 4, 2] == [len(batch) for batch in portal.batches]


async def test_a_batch_has_one_pair_of_types() -> None:
    """Types do not mix, whatever order they come in, and each pair goes to its own."""
    portal = FakePortal()
    deals = [Pair("deals", n, "contacts", n + 50) for n in range(1, 8)]
    mixed = [pair for both in zip(pairs_of(7), deals, strict=True) for pair in both]
    outcomes = await link(portal, mixed, batch_size=5)
    assert {"linked": 14} == counts(outcomes)
    by_types: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for types, batch in zip(portal.types, portal.batches, strict=True):
        by_types.setdefault(types, []).extend(batch)
    assert {
        ("contacts", "companies"): ends_of(pairs_of(7)),
        ("deals", "contacts"): ends_of(deals),
    } == by_types


@pytest.mark.parametrize(
    ("then", "status", "maybe"),
    [
        (error(400, category="VALIDATION_ERROR"), "failed", False),
        (error(403, category="MISSING_SCOPES"), "unprocessed", True),
        (error(423, category="LOCKED"), "failed", True),
        (None, "linked", False),
    ],
)
async def test_a_pair_that_a_reply_left_open_may_be_linked(
    then: Response | None, status: str, maybe: bool
) -> None:
    """Until its own call is refused or linked; also if the run ends before, or while it waits."""
    retry = {"retry": RetryPolicy(attempts=1)}
    portal = FakePortal(silent=ends_of(pairs_of(1)), script={"put": [then]})
    sent, _ = await link(portal, pairs_of(2), client=retry)
    assert (status, maybe) == (sent.status, sent.maybe_applied)
    waits = FakePortal(silent=ends_of(pairs_of(3)), latency=1.0)
    async with running(waits, pairs_of(4), client={"concurrency": 2}) as outcomes:
        await pass_time(1.5)  # two are in flight by themselves, and one waits
        outcomes.stop(RunStoppedError("enough"))
        reported = sorted([one async for one in outcomes], key=lambda one: one.index)
    assert ["linked", "linked", "unprocessed", "linked"] == [one.status for one in reported]
    assert [False, False, True, False] == [one.maybe_applied for one in reported]


async def test_no_pair_is_in_a_batch_twice() -> None:
    """A repeated pair is sent once, and each of both has the outcome."""
    portal = FakePortal(bad=[2])
    pairs = [*pairs_of(3), *pairs_of(3), Pair("contacts", "0001", "companies", 1_000_001)]
    outcomes = await link(portal, pairs)
    assert [ends_of(pairs_of(3))] == portal.batches
    assert ["linked", "failed", "linked"] * 2 + ["linked"] == [o.status for o in outcomes]
    assert all(outcome.pair is pairs[outcome.index] for outcome in outcomes)


async def test_a_pair_and_its_mirror_image_do_not_meet() -> None:
    """Contact 1 to company 2, and contact 2 to company 1: in one reply they would look alike."""
    portal = FakePortal()
    pairs = [Pair("contacts", 1, "companies", 2), Pair("contacts", 2, "companies", 1)]
    outcomes = await link(portal, [*pairs, *pairs_of(1, first=5)])
    assert {"linked": 3} == counts(outcomes)
    assert [[("1", "2"), ("5", "1000005")], [("2", "1")]] == portal.batches


async def test_a_slow_input_is_not_waited_for() -> None:
    """A batch goes a second after its first pair came."""
    portal = FakePortal()
    loop = asyncio.get_running_loop()
    told_at = {}

    async def slowly() -> AsyncIterator[Pair]:
        for pair in pairs_of(6):
            await pass_time(0.4)
            yield pair

    async with client_of(portal) as client, client.link_each(slowly(), via="batch") as outcomes:
        async for outcome in outcomes:
            told_at[outcome.index] = round(loop.time(), 1)
    assert [3, 3] == [len(batch) for batch in portal.batches]
    assert {0: 1.5, 1: 1.5, 2: 1.5, 3: 2.5, 4: 2.5, 5: 2.5} == told_at


async def test_slow_taking_makes_no_small_batches() -> None:
    """Where outcomes are taken slowly, a batch waits until it is full all the same."""
    portal = FakePortal()
    async with running(portal, pairs_of(600), batch_size=100) as outcomes:
        async for _ in outcomes:
            await pass_time(0.05)
    assert [100] * 6 == [len(batch) for batch in portal.batches]


@pytest.mark.parametrize("taken", [0, 1, 2500])
async def test_the_input_is_read_two_batches_ahead_at_most(taken: int) -> None:
    """Memory does not grow with the input: what nobody takes is not read."""
    portal = FakePortal()
    read = 0

    def counted() -> Iterator[Pair]:
        nonlocal read
        for pair in pairs_of(50_000):
            read += 1
            yield pair

    async with running(portal, counted(), drain_timeout=0.0) as outcomes:
        for _ in range(taken):
            await anext(outcomes)
        await pass_time(60.0)
        assert read <= taken + 4000
    assert portal.most_on_wire <= 2


async def test_types_that_never_fill_a_batch_do_not_hold_up_the_run() -> None:
    """More kinds than there is room for full batches: they go half full, none is forgotten."""
    pairs = [Pair(f"p{n % 40}", n, "companies", n) for n in range(1, 2001)]
    outcomes = await link(FakePortal(), pairs, batch_size=100, ordered=True)
    assert {"linked": 2000} == counts(outcomes)


async def test_batches_are_built_while_others_are_on_the_wire() -> None:
    """Two are in flight at once."""
    portal = FakePortal(latency=5.0)
    await link(portal, pairs_of(8000))
    assert 2 == portal.most_on_wire
    assert 10.0 == round(portal.sent[-1][0] + 5.0, 3)


# --- blame -------------------------------------------------------------------------------------


async def test_a_stop_while_many_errors_are_read_loses_nothing() -> None:
    """Other tasks run meanwhile; one stops the run, and what the reply says is still reported."""
    pairs = pairs_of(2000)
    began = asyncio.Event()

    def begin(portal: FakePortal, endpoint: Any) -> Response:
        began.set()
        return portal.usual(endpoint)

    portal = FakePortal(bad=range(1, 1001), script={"batch": [begin]})
    async with (
        client_of(portal) as client,
        client.link_each(pairs, via="batch", stop_after_alike=None) as outcomes,
    ):
        await began.wait()
        await settle()  # twenty of the forty steps
        assert 0 == outcomes.report.total
        outcomes.stop(RunStoppedError("enough"))
        reported = [outcome async for outcome in outcomes]
    assert {"linked": 1000, "failed": 1000} == Counter(one.status.value for one in reported)
    assert str(outcomes.report.stopped) == "enough"


async def test_errors_go_to_the_pairs_they_name() -> None:
    """A 207 that names three of 2,000 costs one call, and nobody else is blamed."""
    portal = FakePortal(bad=[7, 900, 1_000_033])
    outcomes = await link(portal, pairs_of(2000))
    assert {"batch": 1} == portal.calls
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    assert ["7", "33", "900"] == [outcome.pair.from_id for outcome in failed]
    for outcome in failed:
        assert isinstance(outcome.error, PartialFailureError)
        assert outcome.reply is outcome.error.reply
        ((reported,), count) = outcome.reply.errors, outcome.reply.num_errors
        assert ((outcome.pair.from_id,), 1) == (reported.context["fromObjectId"], count)
        assert ("OBJECT_NOT_FOUND", False) == (outcome.category, outcome.maybe_applied)


async def test_a_linked_pair_has_its_own_results() -> None:
    """Both directions, and not those of 1,999 others."""
    outcomes = await link(FakePortal(), pairs_of(50))
    for outcome in outcomes:
        assert outcome.reply is not None
        ends = {(one.from_id, one.to_id) for one in outcome.reply.results}
        there = (outcome.pair.from_id, outcome.pair.to_id)
        assert {there, there[::-1]} == ends


async def test_a_pair_that_is_not_mentioned_is_sent_alone() -> None:
    """And only that one."""
    silent = ends_of(pairs_of(2, first=10))
    portal = FakePortal(silent=silent)
    outcomes = await link(portal, pairs_of(100))
    assert {"batch": 1, "put": 2} == portal.calls
    assert {"linked": 100} == counts(outcomes)
    assert {2: 2, 1: 98} == Counter(outcome.attempts for outcome in outcomes)


async def test_errors_without_names_are_settled_alone() -> None:
    """What nobody can tell from the reply, each pair's own call tells."""
    portal = FakePortal(bad=[5, 6], names=False)
    outcomes = await link(portal, pairs_of(20))
    assert {"batch": 1, "put": 2} == portal.calls
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    assert ["5", "6"] == [outcome.pair.from_id for outcome in failed]
    assert all(isinstance(outcome.error, ValidationError) for outcome in failed)


@pytest.mark.parametrize("more", [{"errors": []}, {"errors": [{"message": "m"}]}, {}])
async def test_a_pair_with_half_of_its_results_is_sent_alone(more: dict[str, Any]) -> None:
    """An error that names nobody may be about its way back; the others are linked as they are."""

    def half(_: FakePortal, endpoint: Any) -> Any:
        first, second, third = inputs_of(endpoint)
        ways = (first, first[::-1], second, third, third[::-1])
        return reply(*ways, status=207, numErrors=1, **more)

    portal = FakePortal(script={"batch": [half]})
    outcomes = await link(portal, pairs_of(3))
    assert {"linked": 3} == counts(outcomes)
    assert [1, 2, 1] == [outcome.attempts for outcome in outcomes]
    assert {"batch": 1, "put": 1} == portal.calls
    assert {("2", "1000002"): 1} == portal.links


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("bad", "most"), [(1, 25), (3, 62), (40, 480)], ids=["one", "three", "forty"]
)
async def test_a_refusal_of_the_whole_is_split(bad: int, most: int) -> None:
    """With few rejected pairs of 2,000, few calls find them; the mean of ten."""
    calls = 0
    for seed in range(10):
        chosen = random.Random(seed).sample(range(1, 2001), bad)
        portal = FakePortal(bad=chosen, whole=True, names=False, latency=0.001)
        outcomes = await link(portal, pairs_of(2000))
        wrong = {int(o.pair.from_id) for o in outcomes if o.status is Status.FAILED}
        assert set(chosen) == wrong
        assert 2000 - bad == len(portal.links)
        calls += portal.calls.total()
    assert calls / 10 <= most


async def test_all_at_fault_cost_little_more_than_each_alone() -> None:
    """Where splitting does not pay, it stops."""
    portal = FakePortal(bad=range(1, 2001), whole=True, names=False, latency=0.001)
    outcomes = await link(portal, pairs_of(2000), stop_after_alike=None)
    assert {"failed": 2000} == counts(outcomes)
    assert portal.calls.total() <= 2020


async def test_a_refusal_that_names_records_needs_no_splitting() -> None:
    """Forty of 2,000: the batch, and once more without them. Each has an error of its own."""
    bad = range(1, 2001, 50)
    portal = FakePortal(bad=bad, whole=True)
    outcomes = await link(portal, pairs_of(2000))
    assert {"batch": 2} == portal.calls
    failed = [outcome for outcome in outcomes if outcome.status is Status.FAILED]
    assert [str(one) for one in bad] == [outcome.pair.from_id for outcome in failed]
    for outcome in failed:
        assert isinstance(outcome.error, ValidationError)
        reported = {"INVALID_OBJECT_IDS": (f"{outcome.pair.from_id} is not valid",)}
        assert reported == outcome.error.context
    assert {1: 40, 2: 1960} == Counter(outcome.attempts for outcome in outcomes)


async def test_a_type_that_is_not_there_is_one_call() -> None:
    """The refusal is about the run, and says so."""
    refusal = error(400, message="Unable to infer object type from: compnies")
    portal = FakePortal(script={"batch": [refusal]})
    outcomes = await link(portal, [Pair("contacts", n, "compnies", n) for n in range(1, 500)])
    assert ({"unprocessed": 499}, {"batch": 1}) == (counts(outcomes), portal.calls)


async def test_a_batch_of_one_that_is_refused_is_not_sent_again() -> None:
    """The blame is clear."""
    portal = FakePortal(bad=[1], whole=True, names=False)
    (outcome,) = await link(portal, pairs_of(1))
    assert {"batch": 1} == portal.calls
    assert (Status.FAILED, 1) == (outcome.status, outcome.attempts)
    assert isinstance(outcome.error, ValidationError)


@pytest.mark.parametrize(
    "status", [403, 404, 409, 413, 414, 422], ids=lambda status: f"{status} of one record"
)
async def test_any_refusal_for_what_was_sent_is_split(status: int) -> None:
    """Not only a 400: the others must not pay for it."""
    refusal = error(status, category="OBJECT_NOT_FOUND" if status == 404 else "X")
    portal = FakePortal(script={"batch": [refusal]})
    outcomes = await link(portal, pairs_of(64))
    assert {"linked": 64} == counts(outcomes)


async def test_cancelled_by_hubspot_is_partial() -> None:
    """A link that was made by a job that was called off."""

    def cancelled(_: FakePortal, endpoint: Any) -> Any:
        reported = reply(*inputs_of(endpoint))
        return Response(200, reported.headers, reported.body.replace(b"COMPLETE", b"CANCELED"))

    portal = FakePortal(script={"batch": [cancelled]})
    assert {"partial": 3} == counts(await link(portal, pairs_of(3)))


# --- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        LOST,
        NoResponse(ResponseTimeoutError("late")),
        error(500),
        error(502),
        error(423),
        error(429),
        reply(),
        reply(("1", "1000001"), status=202).__class__(
            202, {}, b'{"status":"PENDING","results":[]}'
        ),
    ],
    ids=["lost", "late", "500", "502", "locked", "429", "empty", "pending"],
)
async def test_a_batch_is_sent_again(fault: Any) -> None:
    """Idempotent as it is: twice, whole, and every pair is linked."""
    portal = FakePortal(script={"batch": [fault]})
    outcomes = await link(portal, pairs_of(50))
    assert ({"linked": 50}, {"batch": 2}) == (counts(outcomes), portal.calls)
    assert all(not outcome.maybe_applied for outcome in outcomes)


async def test_a_batch_that_one_record_breaks_is_split() -> None:
    """A 500 each time this record is among them: the others are linked all the same."""

    def poisoned(portal: FakePortal, endpoint: Any) -> Any:
        if any("13" in ends for ends in inputs_of(endpoint)):
            return error(500)
        return portal.usual(endpoint)

    portal = FakePortal(script={"batch": [poisoned] * 1000, "put": [None] * 3})
    outcomes = await link(portal, pairs_of(64), client={"retry": RetryPolicy(attempts=2)})
    assert {"linked": 64} == counts(outcomes)


async def test_an_answer_too_large_is_split_at_once() -> None:
    """To ask the same again would bring the same."""
    too_large = NoResponse(ConnectionLostError("8 MiB"), is_too_large=True)
    portal = FakePortal(script={"batch": [too_large]})
    outcomes = await link(portal, pairs_of(10))
    assert ({"linked": 10}, [10, 5, 5]) == (counts(outcomes), [len(b) for b in portal.batches])


async def test_a_portal_that_never_confirms_is_asked_pair_by_pair() -> None:
    """Batches come to nothing: each pair's own call decides."""
    portal = FakePortal(script={"batch": [reply()] * 100})
    outcomes = await link(portal, pairs_of(30), client={"retry": RetryPolicy(attempts=3)})
    assert ({"linked": 30}, {"batch": 3, "put": 30}) == (counts(outcomes), portal.calls)


async def test_no_connection_is_no_reason_to_split() -> None:
    """Halves would find no connection either."""
    portal = FakePortal(script={"batch": [NoResponse(ConnectError("no"))] * 9})
    outcomes = await link(portal, pairs_of(10), client={"retry": RetryPolicy(attempts=3)})
    assert ({"linked": 10}, {"batch": 10}) == (counts(outcomes), portal.calls)
    assert {(1, False)} == {(o.attempts, o.maybe_applied) for o in outcomes}


async def test_an_unknown_past_is_not_forgotten() -> None:
    """A lost response, then a refusal: the rejected pair may be linked all the same."""
    portal = FakePortal(bad=[3], whole=True, names=False, script={"batch": [LOST]})
    outcomes = await link(portal, pairs_of(8))
    assert {False: 7, True: 1} == Counter(outcome.maybe_applied for outcome in outcomes)
    assert outcomes[2].maybe_applied


async def test_refusals_that_outlast_the_budget_end_a_batch() -> None:
    """As they end a pair."""
    portal = FakePortal(script={"batch": [error(429)] * 1000})
    policy = RetryPolicy(budget=1.0)
    outcomes = await link(portal, pairs_of(10), client={"retry": policy})
    assert {"failed": 10} == counts(outcomes)
    assert all(isinstance(outcome.error, RateLimitedError) for outcome in outcomes)
    assert {0} == {outcome.attempts for outcome in outcomes}


# --- the laws of every run -----------------------------------------------------------------------


def _faults(seed: int) -> dict[str, list[Any]]:
    chance = random.Random(seed)
    kinds = [None, None, None, LOST, error(500), error(429), reply(), error(400), error(404)]
    return {
        "batch": [chance.choice(kinds) for _ in range(60)],
        "put": [chance.choice(kinds[:6]) for _ in range(60)],
    }


@attrs.frozen
class Case:
    """A run, and what it meets."""

    seed: int
    count: int
    size: int
    stop: int | None
    leave_after: int | None
    ordered: bool
    recorded: bool
    whole: bool
    names: bool


cases = st.builds(
    Case,
    seed=st.integers(0, 10_000),
    count=st.integers(1, 120),
    size=st.integers(1, 40),
    stop=st.none() | st.integers(1, 5),
    leave_after=st.none() | st.integers(0, 60),
    ordered=st.booleans(),
    recorded=st.booleans(),
    whole=st.booleans(),
    names=st.booleans(),
)


@given(cases)
def test_one_outcome_a_pair_whatever_happens(case: Case) -> None:
    """Faults, bad records, stops, leaving early: none lost, none doubled, none wrong."""
    chance = random.Random(case.seed)
    pairs = pairs_of(case.count)
    # Some stand there twice, or thrice.
    pairs = [chance.choice(pairs) if chance.random() < 0.2 else pair for pair in pairs]
    bad = [n for n in range(1, case.count + 1) if chance.random() < 0.1]
    silent = [ends for ends in ends_of(pairs) if chance.random() < 0.1]
    script = _faults(case.seed)
    portal = FakePortal(bad=bad, silent=silent, whole=case.whole, names=case.names, script=script)
    recorder = FakeRecorder(seconds=0.01) if case.recorded else None
    unread = iter(pairs)
    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        reported, report = runner.run(_run(case, unread, portal, recorder))
    read = case.count - len(list(unread))
    indexes = [outcome.index for outcome in reported]
    assert list(range(read)) == (indexes if case.ordered else sorted(indexes))
    assert read == report.total
    assert read == case.count or case.leave_after is not None
    linked = {one.pair for one in reported if one.status is Status.LINKED or one.maybe_applied}
    for outcome in reported:
        if outcome.pair not in linked or outcome.status is Status.LINKED:
            _check_truth(outcome, portal)  # else it may stand there twice: the other was linked
        if outcome.status is Status.UNPROCESSED:
            assert report.stopped is not None
        elif recorder is not None:
            assert recorder.written[outcome.index] is outcome


async def _run(
    case: Case, pairs: Iterator[Pair], portal: FakePortal, recorder: FakeRecorder | None
) -> tuple[list[Outcome], Report]:
    reported = []
    async with client_of(portal, retry=RetryPolicy(attempts=3, wait_initial=0.1)) as client:
        stream = client.link_each(
            pairs,
            via="batch",
            batch_size=case.size,
            ordered=case.ordered,
            stop_after_failures=case.stop,
            drain_timeout=0.05,
            journal=None if recorder is None else FakeJournal(recorder),  # type: ignore[arg-type]
        )
        async with stream as outcomes:
            async for outcome in outcomes:
                reported.append(outcome)
                if case.leave_after is not None and len(reported) >= case.leave_after:
                    break
        reported += [outcome async for outcome in stream]
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return reported, stream.report


def _check_truth(outcome: Outcome, portal: FakePortal) -> None:
    is_there = (outcome.pair.from_id, outcome.pair.to_id) in portal.links
    if outcome.status is Status.LINKED:
        assert is_there
    else:
        assert outcome.error is not None
        assert outcome.maybe_applied or not is_there


async def test_the_daily_limit_ends_the_run() -> None:
    """In good order: what is completed is reported, the rest is unprocessed, nothing is sent."""
    portal = FakePortal(script={"batch": [None, error(429, policyName="DAILY")]})
    async with running(portal, pairs_of(100), batch_size=10) as outcomes:
        reported = [outcome async for outcome in outcomes]
    assert {"linked": 10, "unprocessed": 90} == counts(reported)
    assert isinstance(outcomes.report.stopped, DailyLimitError)
    assert portal.calls["batch"] <= 3


async def test_stop_after_failures() -> None:
    """No batch begins once this many pairs failed."""
    portal = FakePortal(bad=range(1, 1000))
    async with (
        client_of(portal) as client,
        client.link_each(
            pairs_of(1000), via="batch", batch_size=10, stop_after_failures=15
        ) as outcomes,
    ):
        reported = [outcome async for outcome in outcomes]
    assert 1000 == len(reported)
    assert isinstance(outcomes.report.stopped, RunStoppedError)
    assert portal.calls["batch"] <= 4


async def test_a_stop_in_the_midst_of_splitting_blames_nobody() -> None:
    """Pairs of a batch that was refused as a whole have not failed: they were not distinguished."""
    portal = FakePortal(bad=[9], whole=True, names=False, latency=1.0)
    async with running(portal, pairs_of(16)) as outcomes:
        await pass_time(0.5)
        outcomes.stop(RunStoppedError("enough"))
        reported = [outcome async for outcome in outcomes]
    assert {"unprocessed": 16} == counts(reported)
    assert {1} == {outcome.attempts for outcome in reported}


async def test_a_batch_cut_off_on_the_wire_leaves_its_pairs_open() -> None:
    """Nobody knows whether HubSpot made those links."""
    portal = FakePortal(latency=60.0)
    async with running(portal, pairs_of(20), batch_size=10, drain_timeout=1.0) as run:
        await pass_time(5.0)
    reported = [outcome async for outcome in run]
    assert {(Status.UNPROCESSED, True, 1)} == {
        (o.status, o.maybe_applied, o.attempts) for o in reported
    }
    assert 20 == len(reported)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.15, 0.25, 1.0])
async def test_cancelled_anywhere_nothing_is_left(after: float) -> None:
    """No task is left, and no call is in flight in the limiter."""
    portal = FakePortal(bad=[5], whole=True, names=False)
    client = client_of(portal)

    async def run() -> None:
        async with client:
            await client.link_all(pairs_of(300), via="batch", batch_size=50)

    task = asyncio.create_task(run())
    await pass_time(after)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() or after == 1.0
    assert 0 == client.batch_limiter.in_flight  # type: ignore[attr-defined]


async def test_a_recorder_that_breaks_claims_nothing() -> None:
    """What could not be written is unprocessed, though it may be linked; the run stops."""
    recorder = FakeRecorder(breaks_at=2)
    async with client_of(FakePortal()) as client:
        stream = client.link_each(
            pairs_of(3000),
            via="batch",
            batch_size=300,
            journal=FakeJournal(recorder),  # type: ignore[arg-type]  # it has what a run uses
        )
        async with stream as outcomes:
            reported = [outcome async for outcome in outcomes]
    linked = {o.index for o in reported if o.status is Status.LINKED}
    assert set(recorder.written) == linked
    assert isinstance(stream.report.stopped, JournalStorageError)
    assert any(o.maybe_applied for o in reported if o.status is Status.UNPROCESSED)


async def test_an_input_that_fails_ends_the_run() -> None:
    """Its error is raised once all is reported; pairs that wait for their batch are unprocessed."""

    def broken() -> Iterator[Pair]:
        yield from pairs_of(25)
        raise LookupError("the cursor is gone")

    reported = []
    with pytest.raises(LookupError):
        async with running(FakePortal(), broken(), batch_size=10) as outcomes:
            async for outcome in outcomes:
                reported.append(outcome)  # noqa: PERF401 -- those before the error count
    assert 25 == len(reported)
    assert {"linked", "unprocessed"} >= set(counts(reported))
    assert 5 <= counts(reported)["unprocessed"]


async def test_an_input_that_fails_at_once() -> None:
    """Nothing was read, so nothing is reported."""
    broken = (pairs_of(1)[number] for number in (7,))
    with pytest.raises(IndexError):
        await link(FakePortal(), broken)


async def test_an_input_that_fails_behind_pairs_that_need_no_call() -> None:
    """Nothing was to be sent of what came before: the error is raised all the same."""
    recorder = FakeRecorder(known={str(n): Status.SKIPPED for n in range(1, 10)})

    def broken() -> Iterator[Pair]:
        yield from pairs_of(5)
        raise LookupError("the cursor is gone")

    reported = []
    with pytest.raises(LookupError):
        async with client_of(FakePortal()) as client:
            stream = client.link_each(
                broken(),
                via="batch",
                journal=FakeJournal(recorder),  # type: ignore[arg-type]  # it has what a run uses
            )
            async with stream as outcomes:
                async for outcome in outcomes:
                    reported.append(outcome)  # noqa: PERF401 -- those before the error count
    assert {"skipped": 5} == counts(reported)
    assert [False] == [complete for _, complete in recorder.closed]


async def test_an_input_that_fails_while_the_run_stops_was_not_read_to_its_end() -> None:
    """One failure too many, and the input's own behind it: neither hides the other."""
    recorder = FakeRecorder()

    def broken() -> Iterator[tuple[int | None, int]]:
        yield from [(1, 2), (None, 3), (4, 5)]
        raise LookupError("the cursor is gone")

    with pytest.raises(LookupError):
        async with client_of(FakePortal()) as client:
            stream = client.link_each(
                broken(),  # type: ignore[arg-type]  # None is no id, that is the point
                from_type="contacts",
                to_type="companies",
                via="batch",
                stop_after_failures=1,
                journal=FakeJournal(recorder),  # type: ignore[arg-type]  # it has what a run uses
            )
            async with stream as outcomes:
                assert [outcome async for outcome in outcomes]
    assert 3 == stream.report.total
    assert [False] == [complete for _, complete in recorder.closed]


async def test_a_pair_cut_off_alone_is_told_as_often_as_it_came() -> None:
    """Its repetitions too."""
    portal = FakePortal(silent=ends_of(pairs_of(1)), latency=1.0)
    pairs = [*pairs_of(2), *pairs_of(1), *pairs_of(1)]
    async with running(portal, pairs, drain_timeout=0.1) as run:
        await pass_time(1.5)  # the batch is back, and the silent one in flight by itself
        assert {"batch": 1, "put": 1} == portal.calls
    reported = [outcome async for outcome in run]
    assert [0, 1, 2, 3] == sorted(outcome.index for outcome in reported)
    assert {"linked": 1, "unprocessed": 3} == counts(reported)
    assert {True} == {o.maybe_applied for o in reported if o.status is Status.UNPROCESSED}


@pytest.mark.no_cover
async def test_refusals_that_name_one_record_each_time() -> None:
    """More than a thousand of them, one after the other."""

    def first_only(portal: FakePortal, endpoint: Any) -> Any:
        bad = next((one for ends in inputs_of(endpoint) for one in ends if one in portal.bad), None)
        if bad is None:
            return portal.usual(endpoint)
        return error(400, context={"INVALID_OBJECT_IDS": [f"{bad} is not valid"]})

    portal = FakePortal(
        bad=range(1, 1201), latency=0.001, script={"batch": itertools.repeat(first_only)}
    )
    outcomes = await link(portal, pairs_of(1300), stop_after_alike=None)
    assert {"failed": 1200, "linked": 100} == counts(outcomes)
    assert portal.calls.total() <= 1360


async def test_a_stop_in_the_midst_of_reading_tells_what_was_read() -> None:
    """An item that is no pair is one failure too many: those before and after it are not sent."""
    ids = [*((n, n + 100) for n in range(1, 5)), (None, 7), *((n, n + 100) for n in range(5, 9))]
    portal = FakePortal()
    outcomes = await link(
        portal, ids, from_type="contacts", to_type="companies", stop_after_failures=1
    )
    assert {"failed": 1, "unprocessed": 8} == counts(outcomes)
    assert not portal.calls


async def test_a_pair_that_comes_after_the_stop_is_not_sent() -> None:
    """It was waited for when the run stopped."""
    portal = FakePortal()

    async def slowly() -> AsyncIterator[Pair]:
        for pair in pairs_of(3):
            await pass_time(10.0)
            yield pair

    async with running(portal, slowly()) as outcomes:
        await pass_time(15.0)
        outcomes.stop(RunStoppedError("enough"))
        reported = [outcome async for outcome in outcomes]
    assert {"linked": 1, "unprocessed": 2} == counts(reported)
    assert {"batch": 1} == portal.calls


@pytest.mark.parametrize("options", [{"via": "put"}, {"via": "batch"}, {"skip_linked": True}])
async def test_a_stop_before_the_beginning(options: dict[str, Any]) -> None:
    """Such as Ctrl-C while the run folder is opened: every pair is reported, none is sent."""
    portal = FakePortal()
    async with client_of(portal) as client:
        run = client.link_each(pairs_of(7), **options)
        run.stop(RunStoppedError("not today"))
        async with run:
            reported = [outcome async for outcome in run]
    assert {"unprocessed": 7} == counts(reported)
    assert not portal.calls


async def test_what_a_token_provider_raises_is_the_callers() -> None:
    """All pairs that were read are reported, then it is raised."""

    async def token(refused: str | None) -> str:
        raise LookupError("the vault is closed")

    reported = []
    with pytest.raises(LookupError):
        options = {"token": token}
        async with running(FakePortal(), pairs_of(30), client=options, batch_size=10) as outcomes:
            async for outcome in outcomes:
                reported.append(outcome)  # noqa: PERF401 -- those before the error count
    assert {"unprocessed": 20} == counts(reported)


async def test_the_log_says_what_a_call_was_about(caplog: pytest.LogCaptureFixture) -> None:
    """Many pairs, or the links of many records; and no token."""
    caplog.set_level("DEBUG", "aiohubassoc")
    portal = FakePortal(script={"batch": [LOST], "read": [LOST]})
    await link(portal, pairs_of(3), skip_linked=True)
    assert "3 pairs from contacts to companies: attempt 1 failed, retrying in" in caplog.text
    assert (
        "the links of 3 records from contacts to companies: attempt 1 failed, retrying in"
        in caplog.text
    )
    assert "token-1" not in caplog.text


async def test_the_batch_quota_is_kept() -> None:
    """Ten calls in ten seconds, two at once, where nothing else is said."""
    portal = FakePortal(latency=0.5)
    await link(portal, pairs_of(1500), batch_size=100, client={"batch_quota": None})
    times = [when for when, _ in portal.sent]
    assert 2 == portal.most_on_wire
    assert 10 == sum(when < 10.0 for when in times)


async def test_a_set_batch_quota_is_never_exceeded() -> None:
    """Whatever HubSpot would take."""
    portal, quota = FakePortal(latency=0.01), Quota(3, 10.0)
    await link(portal, pairs_of(1200), batch_size=100, client={"batch_quota": quota})
    times = [when for when, _ in portal.sent]
    assert all(after - before >= 10.0 for before, after in zip(times, times[3:], strict=False))


async def test_single_calls_do_not_wait_for_the_batch_quota() -> None:
    """Pairs that are sent alone have the quota of single calls."""
    pairs = pairs_of(200)
    portal = FakePortal(silent=ends_of(pairs[1:]), latency=0.01)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await link(portal, pairs, client={"batch_quota": Quota(1, 100.0)})
    assert {"batch": 1, "put": 199} == portal.calls
    assert loop.time() - began < 10.0


# --- one call ------------------------------------------------------------------------------------


async def test_one_batch_call() -> None:
    """What HubSpot said of each pair, in their order, and nothing is sent alone."""
    portal = FakePortal(bad=[2], silent=[("3", "1000003")])
    pairs = [*pairs_of(4), pairs_of(1)[0]]
    async with client_of(portal) as client:
        reported = await client.create_default_batch("contacts", "companies", pairs)
    assert ["linked", "failed", "failed", "linked", "linked"] == [one.status for one in reported]
    assert [0, 1, 2, 3, 4] == [one.index for one in reported]
    assert isinstance(reported[1].error, PartialFailureError)
    assert isinstance(reported[2].error, UnconfirmedError)
    assert (False, True) == (reported[1].maybe_applied, reported[2].maybe_applied)
    assert {"batch": 1} == portal.calls


async def test_one_batch_call_of_ids() -> None:
    """Two ids a pair are enough."""
    portal = FakePortal()
    async with client_of(portal) as client:
        reported = await client.create_default_batch("deals", "contacts", [(1, "2"), ("3", 4)])
    assert [[("1", "2"), ("3", "4")]] == portal.batches
    assert [("deals", "contacts")] == portal.types
    assert all(one.ok for one in reported)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([error(400)], ValidationError),
        ([error(404, category="OBJECT_NOT_FOUND")], NotFoundError),
        ([error(500)] * 9, ServerError),
        ([LOST] * 9, ConnectionLostError),
        ([reply()] * 9, UnconfirmedError),
        ([error(403)], ApiError),
    ],
)
async def test_one_batch_call_that_comes_to_nothing(answers: Any, kind: type[Exception]) -> None:
    """Nothing is said of any pair: it raises what a single call would."""
    async with client_of(FakePortal(script={"batch": answers})) as client:
        with pytest.raises(kind):
            await client.create_default_batch("contacts", "companies", pairs_of(3))


@pytest.mark.parametrize("count", [9_999, 10_000])
async def test_a_repeated_pair_has_an_outcome_each_time(count: int) -> None:
    """It is sent once."""
    portal = FakePortal(bad=[2])
    pairs = [*pairs_of(2), *itertools.repeat(pairs_of(1)[0], count - 3), *pairs_of(1, first=2)]
    async with client_of(portal) as client:
        reported = await client.create_default_batch("contacts", "companies", iter(pairs))
    assert [ends_of(pairs_of(2))] == portal.batches
    assert {"linked": count - 2, "failed": 2} == counts(reported)
    assert list(enumerate(pairs)) == [(one.index, one.pair) for one in reported]


async def test_an_input_that_repeats_a_pair_for_ever_is_refused() -> None:
    """Nothing is sent, and no more than 10,000 items are kept."""
    portal, count = FakePortal(), itertools.count(1)
    endless = (pair for pair, _ in zip(itertools.repeat((1, 2)), count, strict=False))
    async with client_of(portal) as client:
        with pytest.raises(OptionsError, match="10,000 items at most, repeats included"):
            await client.create_default_batch("contacts", "companies", endless)
    assert (10_002, 0) == (next(count), portal.calls.total())
