"""Runs that ask first what is linked, and runs that only ask. In virtual time."""

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
    ConnectionLostError,
    InvalidResponseError,
    LinkState,
    MissingScopesError,
    OptionsError,
    Outcome,
    Pair,
    PairError,
    RateLimitedError,
    ResponseTimeoutError,
    RetryPolicy,
    RunStoppedError,
    ServerError,
    Status,
    UnconfirmedError,
    Verification,
)
from aiohubassoc._http.failures import NoResponse
from tests.conftest import pass_time, settle
from tests.fakes.portal import (
    FakePortal,
    answer,
    asked_of,
    client_of,
    ends_of,
    no_links,
    pairs_of,
    to_end,
)
from tests.fakes.transport import error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohubassoc import VerificationReport, VerificationStream
    from aiohubassoc._protocol.verdicts import Response

LOST = NoResponse(ConnectionLostError("lost"))
SCOPES = error(403, category="MISSING_SCOPES")


async def link(
    portal: FakePortal, pairs: Any, *, client: dict[str, Any] | None = None, **options: Any
) -> list[Outcome]:
    """Link what is not linked, and return all outcomes in the input's order."""
    async with (
        client_of(portal, **(client or {})) as opened,
        opened.link_each(pairs, skip_linked=True, **options) as outcomes,
    ):
        reported = [outcome async for outcome in outcomes]
    return sorted(reported, key=lambda outcome: outcome.index)


@asynccontextmanager
async def verifying(
    portal: FakePortal, pairs: Any, *, client: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[VerificationStream]:
    """Read links back."""
    async with (
        client_of(portal, **(client or {})) as opened,
        opened.verify(pairs, **options) as found,
    ):
        yield found


async def verify(
    portal: FakePortal, pairs: Any, **options: Any
) -> tuple[list[Verification], VerificationReport]:
    """Read links back, and return what was found in the input's order, and the report."""
    async with verifying(portal, pairs, **options) as found:
        reported = [one async for one in found]
    assert found.report.total == len(reported)
    return sorted(reported, key=lambda one: one.index), found.report


def counts(outcomes: list[Outcome]) -> dict[str, int]:
    """Return how many outcomes there are of each status."""
    return dict(Counter(outcome.status.value for outcome in outcomes))


def states(reported: list[Verification]) -> list[str]:
    """Return what was found of each."""
    return [one.state.value for one in reported]


# --- skip what is linked -------------------------------------------------------------------------


@pytest.mark.no_cover
@pytest.mark.parametrize(("via", "kind", "calls"), [("put", "put", 1000), ("batch", "batch", 1)])
async def test_a_nightly_sync_costs_what_is_new(via: str, kind: str, calls: int) -> None:
    """Of 100,000 pairs 1 % are new: a hundred questions, and a call for each new one, or one."""
    pairs = pairs_of(100_000)
    new = set(random.Random(1).sample(range(100_000), 1000))
    old = [pair for number, pair in enumerate(pairs) if number not in new]
    portal = FakePortal(linked=ends_of(old), latency=0.05)
    outcomes = await link(portal, pairs, via=via)
    assert {"skipped": 99_000, "linked": 1000} == counts(outcomes)
    assert {"read": 100, kind: calls} == portal.calls
    assert new == {outcome.index for outcome in outcomes if outcome.status is Status.LINKED}
    skipped = next(outcome for outcome in outcomes if outcome.status is Status.SKIPPED)
    assert ("LINKED_ALREADY", 0, True) == (skipped.category, skipped.attempts, skipped.ok)


async def test_a_question_has_a_thousand_records() -> None:
    """Records, not pairs: those of one record are asked for together, but at a question's end."""
    pairs = [Pair("deals", n // 2 + 1, "contacts", n + 1) for n in range(3000)]
    portal = FakePortal()
    await link(portal, pairs)
    assert [1000, 501] == [len(question) for question in portal.questions]
    assert {("deals", "contacts")} == set(portal.types)


async def test_all_pages_are_read() -> None:
    """A record with many links: page by page, all such records together."""
    mine = [Pair("companies", n % 3 + 1, "contacts", n + 10) for n in range(30)]
    portal = FakePortal(linked=ends_of(mine), page=4)
    outcomes = await link(portal, [*mine, Pair("companies", 1, "contacts", 7)])
    assert {"skipped": 30, "linked": 1} == counts(outcomes)
    assert [["1", "2", "3"], ["1", "2", "3"], ["1", "2", "3"]] == [
        sorted(record_id for record_id, _ in question) for question in portal.questions
    ]
    assert [{None}, {"4"}, {"8"}] == [
        {after for _, after in question} for question in portal.questions
    ]


async def test_no_page_is_read_that_cannot_matter() -> None:
    """Once every pair of a record is found, what else it has is of no interest."""
    others = [("1", str(n)) for n in range(100, 2000)]
    portal = FakePortal(linked=[("1", "7"), *others], page=100)
    outcomes = await link(portal, [Pair("companies", 1, "contacts", 7)])
    assert ({"skipped": 1}, {"read": 1}) == (counts(outcomes), portal.calls)


async def test_a_labelled_link_is_not_the_default_one() -> None:
    """HubSpot keeps labelled links beside it: the default link is still to be made."""

    def labelled(_: FakePortal, endpoint: Any) -> Any:
        results = [
            {"from": {"id": "1"}, "to": [to_end("1000001", "Billing contact")]},
            {"from": {"id": "2"}, "to": [to_end("1000002", "Primary", None)]},
        ]
        return answer({"status": "COMPLETE", "results": results})

    portal = FakePortal(script={"read": [labelled]})
    outcomes = await link(portal, pairs_of(2))
    assert ["linked", "skipped"] == [outcome.status for outcome in outcomes]


@pytest.mark.parametrize(
    "fault", [LOST, error(500), error(423), answer({"status": "PENDING", "results": []})]
)
async def test_a_question_is_asked_again(fault: Any) -> None:
    """Faults that pass cost nothing but the time."""
    pairs = pairs_of(10)
    portal = FakePortal(linked=ends_of(pairs[:9]), script={"read": [fault]})
    outcomes = await link(portal, pairs)
    assert {"skipped": 9, "linked": 1} == counts(outcomes)
    assert {"read": 2, "put": 1} == portal.calls


@pytest.mark.parametrize("fault", [error(500), LOST, error(405)])
async def test_what_cannot_be_read_is_sent(fault: Any) -> None:
    """Sending is safe: a link that is there stays as it is."""
    pairs = pairs_of(10)
    portal = FakePortal(linked=ends_of(pairs), script={"read": [fault] * 100})
    outcomes = await link(portal, pairs, client={"retry": RetryPolicy(attempts=2)})
    assert {"linked": 10} == counts(outcomes)
    assert 10 == portal.calls["put"]


@pytest.mark.parametrize("names", [True, False])
async def test_records_that_are_not_there_spoil_no_question(names: bool) -> None:
    """One bad id refuses a whole question: the others are read all the same."""
    pairs = pairs_of(100)
    portal = FakePortal(linked=ends_of(pairs[:50]), bad=[60, 77], whole=True, names=names)
    outcomes = await link(portal, pairs)
    assert {"skipped": 50, "linked": 48, "failed": 2} == counts(outcomes)
    assert portal.calls["read"] <= (2 if names else 40)


async def test_refusals_that_name_one_record_each_time() -> None:
    """Hundreds of them, one after the other."""

    def first_only(portal: FakePortal, endpoint: Any) -> Any:
        bad = next((one for one, _ in asked_of(endpoint) if one in portal.bad), None)
        if bad is None:
            return portal.usual(endpoint)
        return error(400, context={"INVALID_OBJECT_IDS": [f"{bad} is not valid"]})

    pairs = pairs_of(1000)
    portal = FakePortal(
        bad=range(1, 701),
        linked=ends_of(pairs[700:]),
        latency=0.001,
        script={"read": itertools.repeat(first_only)},
    )
    reported, _ = await verify(portal, pairs)
    assert {"missing": 700, "linked": 300} == Counter(states(reported))


async def test_without_the_scope_to_read_the_run_stops() -> None:
    """No other question would fare better, and nothing was asked for that is not wanted."""
    portal = FakePortal(script={"read": [SCOPES] * 9})
    async with (
        client_of(portal) as client,
        client.link_each(pairs_of(50), skip_linked=True) as outcomes,
    ):
        reported = [outcome async for outcome in outcomes]
    assert {"unprocessed": 50} == counts(reported)
    assert isinstance(outcomes.report.stopped, MissingScopesError)
    assert {"read": 1} == portal.calls


async def test_a_slow_input_is_asked_about_all_the_same() -> None:
    """A second after the first pair of a question came."""
    portal = FakePortal()

    async def slowly() -> AsyncIterator[Pair]:
        for pair in pairs_of(6):
            await pass_time(0.4)
            yield pair

    await link(portal, slowly())
    assert [3, 3] == [len(question) for question in portal.questions]


# --- verify ------------------------------------------------------------------------------------


async def test_a_lookup_that_ends_holds_up_no_batch_that_waits() -> None:
    """Pairs are looked up a second after they were read, whatever ended in that second."""
    pairs = pairs_of(3)
    loop = asyncio.get_running_loop()

    async def slowly() -> AsyncIterator[Pair]:
        for pair, seconds in zip(pairs, (0.0, 1.5, 600.0), strict=True):
            await pass_time(seconds)
            yield pair

    seen = []
    async with client_of(FakePortal(latency=1.0)) as client, client.verify(slowly()) as found:
        async for _ in found:
            seen.append(round(loop.time()))  # noqa: PERF401 -- when each comes
    assert [2, 4] == [moment - seen[0] + 2 for moment in seen[:2]]


async def test_success_with_nothing_made_is_found() -> None:
    """What no response shows: HubSpot said linked, and did not."""
    pairs = pairs_of(1500)
    unmade = ends_of([pairs[3], pairs[1100]])
    portal = FakePortal(unmade=unmade)
    async with client_of(portal) as client:
        report = await client.link_all(pairs, via="batch")
        assert 1500 == report.linked
        async with client.verify(pairs) as found:
            reported = [one async for one in found]
    missing = [one for one in reported if one.state is LinkState.MISSING]
    assert set(unmade) == set(ends_of(one.pair for one in missing))
    assert 2 == len(missing)
    assert missing == found.report.not_linked
    assert (1498, 2, 0) == (found.report.linked, found.report.missing, found.report.unknown)
    assert {None} == {one.error for one in reported}


async def test_each_pair_is_told_with_its_place() -> None:
    """The caller's own pair, in the input's order where asked for."""
    pairs = [Pair("contacts", n, "companies", n + 1_000_000, tag=n) for n in range(1, 2500)]
    portal = FakePortal(linked=ends_of(pairs[::2]))
    async with verifying(portal, pairs, ordered=True) as found:
        reported = [one async for one in found]
    assert [(n, pair) for n, pair in enumerate(pairs)] == [
        (one.index, one.pair) for one in reported
    ]
    assert all(one.pair is pairs[one.index] for one in reported)
    assert ["linked", "missing"] * 1249 + ["linked"] == states(reported)


async def test_a_record_that_is_not_there_has_no_link() -> None:
    """The pair is missing, and HubSpot's reason is reported with it."""
    gone = answer(
        {
            "status": "COMPLETE",
            "results": [],
            "errors": [
                no_links("1"),
                {
                    "category": "OBJECT_NOT_FOUND",
                    "message": "No contact with ID 2 exists",
                    "context": {"id": ["2"]},
                },
            ],
        },
        207,
    )
    reported, _ = await verify(FakePortal(script={"read": [gone]}), pairs_of(2))
    assert ["missing", "missing"] == states(reported)
    assert reported[0].error is None
    assert isinstance(reported[1].error, ApiError)
    assert "OBJECT_NOT_FOUND" == reported[1].error.label


async def test_an_error_about_the_other_end_blames_no_record() -> None:
    """Contact 5 is asked for, and an error names company 5."""
    portal = FakePortal(
        linked=[("5", "1000005")],
        script={
            "read": [
                answer(
                    {
                        "results": [],
                        "errors": [
                            {"category": "X", "message": "m", "context": {"toObjectId": ["5"]}}
                        ],
                    }
                )
            ]
        },
    )
    reported, _ = await verify(portal, pairs_of(1, first=5))
    assert ["linked"] == states(reported)


async def test_a_record_of_the_other_type_is_not_the_one_asked_for() -> None:
    """Company 5 is gone, as its type says; contact 5 is linked."""

    def reported(portal: FakePortal, endpoint: Any) -> Any:
        there = [{"from": {"id": "6"}, "to": [to_end("1000006")]}]
        context = {"objectId": ["5"], "objectType": ["COMPANY"]}
        errors = [{"category": "OBJECT_NOT_FOUND", "message": "gone", "context": context}]
        return answer({"status": "COMPLETE", "results": there, "errors": errors}, 207)

    portal = FakePortal(linked=[("5", "1000005")], script={"read": [reported]})
    found, _ = await verify(portal, pairs_of(2, first=5))
    assert ["linked", "linked"] == states(found)


async def test_a_custom_type_may_be_told_by_another_name() -> None:
    """The error says whose record it is: no further question is needed."""

    def reported(portal: FakePortal, endpoint: Any) -> Any:
        errors = [no_links(one) for one, _ in asked_of(endpoint)]
        for each in errors:
            each["context"]["fromObjectType"] = ["2-1234567"]
        return answer({"status": "COMPLETE", "results": [], "errors": errors}, 207)

    portal = FakePortal(script={"read": [reported]})
    found, _ = await verify(portal, [Pair("p12345_cars", n, "contacts", n) for n in range(1, 4)])
    assert (["missing"] * 3, {"read": 1}) == (states(found), portal.calls)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (error(500), ServerError),
        (LOST, ConnectionLostError),
        (NoResponse(ResponseTimeoutError("late")), ResponseTimeoutError),
        (error(429), RateLimitedError),
        (answer([1, 2]), InvalidResponseError),
        (answer({"status": "PENDING", "results": []}), UnconfirmedError),
    ],
)
async def test_no_answer_is_unknown(fault: Any, kind: type[Exception]) -> None:
    """Neither linked nor missing, and it says why."""
    portal = FakePortal(script={"read": [fault] * 1000})
    policy = RetryPolicy(attempts=2, budget=5.0)
    reported, report = await verify(portal, pairs_of(3), client={"retry": policy})
    assert ["unknown"] * 3 == states(reported)
    assert all(isinstance(one.error, kind) for one in reported)
    assert (3, None) == (report.unknown, report.stopped)


async def test_a_record_left_out_of_every_answer_has_no_links() -> None:
    """It is asked for twice: a response may be cut short, but not in the same place."""
    nothing = answer({"status": "COMPLETE", "results": []})
    portal = FakePortal(script={"read": [nothing] * 2})
    reported, _ = await verify(portal, pairs_of(2))
    assert (["missing"] * 2, 2) == (states(reported), portal.calls["read"])


async def test_errors_without_names_are_told_apart_alone() -> None:
    """Of five records two have an error that names none: each of the unmentioned is asked for."""

    def unnamed(_: FakePortal, endpoint: Any) -> Any:
        asked = [record_id for record_id, _ in asked_of(endpoint)]
        there = [
            {"from": {"id": one}, "to": [to_end(str(int(one) + 1_000_000))]}
            for one in asked
            if one not in {"2", "4"}
        ]
        errors = [
            {"category": "OBJECT_NOT_FOUND", "message": "some record", "context": {}}
            for one in asked
            if one in {"2", "4"}
        ]
        return answer({"status": "COMPLETE", "results": there, "errors": errors}, 207)

    portal = FakePortal(script={"read": [unnamed] * 10})
    reported, _ = await verify(portal, pairs_of(5))
    assert ["linked", "missing", "linked", "missing", "linked"] == states(reported)
    assert [5, 2, 1, 1] == [len(question) for question in portal.questions]


async def test_more_are_left_out_than_there_are_errors_without_names() -> None:
    """One of two has an error, and nobody can say which: to ask for each would settle nothing."""
    unnamed = {"category": "INTERNAL_ERROR", "message": "some record", "context": {}}
    told_twice = answer({"status": "COMPLETE", "results": [], "errors": [unnamed]}, 207)
    portal = FakePortal(script={"read": [told_twice] * 2})
    reported, _ = await verify(portal, pairs_of(2))
    assert (["unknown"] * 2, {"read": 2}) == (states(reported), portal.calls)
    assert {"INTERNAL_ERROR"} == {one.error.label for one in reported if one.error is not None}


@pytest.mark.parametrize(
    ("options", "named"), [({"wait": 0.0}, "wait"), ({"drain_timeout": -1}, "drain_timeout")]
)
async def test_options_that_cannot_work(options: dict[str, Any], named: str) -> None:
    """They are refused before anything is read."""
    async with client_of(FakePortal()) as client:
        with pytest.raises(OptionsError, match=named):
            client.verify([], **options)


@pytest.mark.parametrize("circle", [1, 2, 3, 7])
async def test_pages_that_go_round_in_a_circle_are_unknown(circle: int) -> None:
    """The same pages again and again are no proof of anything; at most four rounds are read."""
    cursors = itertools.cycle(range(circle))
    portal = FakePortal(script={"read": [lambda *_: _page(next(cursors))] * 100})
    reported, _ = await verify(portal, pairs_of(1))
    assert ["unknown"] == states(reported)
    assert isinstance(reported[0].error, InvalidResponseError)
    assert "record 1 do not end" in str(reported[0].error)
    assert portal.calls["read"] <= 4 * circle


async def test_pages_that_never_end_are_unknown() -> None:
    """Each names another one: a thousand are read."""
    cursors = itertools.count()
    portal = FakePortal(script={"read": [lambda *_: _page(next(cursors))] * 2000})
    reported, _ = await verify(portal, pairs_of(1))
    assert (["unknown"], 1001) == (states(reported), portal.calls["read"])


def _page(after: int) -> Response:
    paging = {"next": {"after": f"cursor-{after}"}}
    return answer({"results": [{"from": {"id": "1"}, "to": [], "paging": paging}]})


async def test_an_answer_too_large_is_asked_for_in_halves() -> None:
    """A thousand records with many links each may be more than is read."""
    pairs = pairs_of(8)
    too_large = NoResponse(InvalidResponseError("8 MiB"), is_too_large=True)
    portal = FakePortal(linked=ends_of(pairs), script={"read": [too_large]})
    reported, _ = await verify(portal, pairs)
    assert ["linked"] * 8 == states(reported)
    assert [8, 4, 4] == [len(question) for question in portal.questions]


async def test_an_item_that_is_no_pair_is_unknown() -> None:
    """It cannot be asked for; the others can."""
    reported, _ = await verify(
        FakePortal(), [("1", "2"), (None, "3")], from_type="contacts", to_type="companies"
    )
    assert ["missing", "unknown"] == states(reported)
    assert isinstance(reported[1].error, PairError)


async def test_without_the_scope_nothing_is_known() -> None:
    """It stops, and says so once for all."""
    portal = FakePortal(script={"read": [SCOPES] * 9})
    reported, report = await verify(portal, pairs_of(5000))
    assert {"unknown"} == set(states(reported))
    assert 5000 == len(reported)
    assert isinstance(report.stopped, MissingScopesError)
    assert portal.calls["read"] <= 2


async def test_leaving_early_ends_in_good_order() -> None:
    """What was read is reported, no task is left."""
    portal = FakePortal(latency=5.0)
    async with verifying(portal, pairs_of(50_000), drain_timeout=0.1) as found:
        await pass_time(1.0)
        assert 2 == found.in_flight
        found.stop(RunStoppedError("enough"), drain_timeout=0.1)
        await pass_time(1.0)
    reported = [one async for one in found]
    assert {"unknown"} == set(states(reported))
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize(("drain_timeout", "count", "ends_at"), [(None, 3, 30.0), (1.0, 1, 16.0)])
async def test_a_stop_while_the_input_is_waited_for(
    via: Any, drain_timeout: float | None, count: int, ends_at: float
) -> None:
    """It ends with the input or at the cut-off: no task waits for lookups that do not come."""

    async def slowly() -> AsyncIterator[Pair]:
        for pair in pairs_of(3):
            await pass_time(10.0)
            yield pair

    async with (
        client_of(FakePortal()) as client,
        client.link_each(slowly(), via=via, skip_linked=True) as outcomes,
    ):
        await pass_time(15.0)
        outcomes.stop(RunStoppedError("enough"), drain_timeout=drain_timeout)
        reported = [outcome async for outcome in outcomes]
        assert ends_at == round(asyncio.get_running_loop().time(), 1)
    assert count == len(reported)
    assert ["linked"] + ["unprocessed"] * (count - 1) == [one.status.value for one in reported]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_answer_that_came_is_told_though_the_run_stops() -> None:
    """Stopped while it was in flight: what it says is true all the same."""
    pairs = pairs_of(10)
    portal = FakePortal(linked=ends_of(pairs[:6]), latency=1.0)
    async with verifying(portal, pairs, ordered=True) as found:
        await pass_time(0.5)
        found.stop(RunStoppedError("enough"))
        reported = [one async for one in found]
    assert ["linked"] * 6 + ["missing"] * 4 == states(reported)


# --- the laws of every run -----------------------------------------------------------------------


@attrs.frozen
class Case:
    """A run, and what it meets."""

    seed: int
    count: int
    via: str
    stop: int | None
    leave_after: int | None
    ordered: bool
    whole: bool
    names: bool
    page: int


cases = st.builds(
    Case,
    seed=st.integers(0, 10_000),
    count=st.integers(1, 150),
    via=st.sampled_from(["put", "batch"]),
    stop=st.none() | st.integers(1, 5),
    leave_after=st.none() | st.integers(0, 60),
    ordered=st.booleans(),
    whole=st.booleans(),
    names=st.booleans(),
    page=st.integers(1, 5),
)


def _portal(case: Case, pairs: list[Pair]) -> FakePortal:
    chance = random.Random(case.seed)
    kinds = [None, None, None, LOST, error(500), error(429), error(400)]
    linked = [ends for ends in ends_of(pairs) if chance.random() < 0.5]
    more = [(pair.from_id, str(n)) for pair in pairs for n in range(5000, 5004)]
    return FakePortal(
        bad=[n for n in range(1, 60) if chance.random() < 0.05 and str(n) not in dict(linked)],
        linked=[*more, *linked],
        whole=case.whole,
        names=case.names,
        page=case.page,
        script={
            kind: [chance.choice(kinds[:size]) for _ in range(40)]
            for kind, size in (("read", 7), ("put", 6), ("batch", 7))
        },
    )


def _pairs(case: Case) -> list[Pair]:
    """Return pairs many of which share their first record."""
    chance = random.Random(case.seed)
    return [
        Pair("contacts", chance.randint(1, 40), "companies", number + 1_000_000)
        for number in range(case.count)
    ]


@given(cases)
def test_one_outcome_a_pair_whatever_happens(case: Case) -> None:
    """Skipped only what is linked, sent what is not, and nothing lost on the way."""
    pairs = _pairs(case)
    portal = _portal(case, pairs)
    before = set(portal.links)
    unread = iter(pairs)

    async def run() -> list[Outcome]:
        reported = []
        async with client_of(portal, retry=RetryPolicy(attempts=3, wait_initial=0.1)) as client:
            stream = client.link_each(
                unread,
                via=case.via,  # type: ignore[arg-type]  # drawn
                skip_linked=True,
                batch_size=20,
                ordered=case.ordered,
                stop_after_failures=case.stop,
                drain_timeout=0.05,
            )
            async with stream as outcomes:
                async for outcome in outcomes:
                    reported.append(outcome)
                    if case.leave_after is not None and len(reported) >= case.leave_after:
                        break
            reported += [outcome async for outcome in stream]
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return reported

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        reported = runner.run(run())
    read = case.count - len(list(unread))
    indexes = [outcome.index for outcome in reported]
    assert list(range(read)) == (indexes if case.ordered else sorted(indexes))
    assert read == case.count or case.leave_after is not None
    for outcome in reported:
        ends = (outcome.pair.from_id, outcome.pair.to_id)
        if outcome.status is Status.SKIPPED:
            assert ends in before
        elif outcome.status is Status.LINKED:
            assert ends in portal.links
        else:
            assert outcome.error is not None
            assert outcome.maybe_applied or ends not in portal.links or ends in before


@given(cases)
def test_what_is_verified_is_true(case: Case) -> None:
    """Whatever goes wrong: linked is linked, missing is missing, all else is unknown."""
    pairs = _pairs(case)
    portal = _portal(case, pairs)
    unread = iter(pairs)

    async def run() -> tuple[list[Verification], VerificationStream]:
        reported = []
        async with client_of(portal, retry=RetryPolicy(attempts=2, wait_initial=0.1)) as client:
            stream = client.verify(unread, ordered=case.ordered, drain_timeout=0.05)
            async with stream as found:
                async for one in found:
                    reported.append(one)
                    if case.leave_after is not None and len(reported) >= case.leave_after:
                        break
            reported += [one async for one in stream]
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return reported, stream

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        reported, stream = runner.run(run())
    assert case.count - len(list(unread)) == len(reported) == stream.report.total
    for one in reported:
        is_there = (one.pair.from_id, one.pair.to_id) in portal.links
        if one.state is not LinkState.UNKNOWN:
            is_bad = bool({one.pair.from_id, one.pair.to_id} & portal.bad)
            assert (one.state is LinkState.LINKED) == is_there or is_bad or _was_refused(one)


def _was_refused(one: Verification) -> bool:
    """Return whether HubSpot itself said of this record that it is not there (by the script)."""
    return isinstance(one.error, ApiError) and one.error.status == 400
