"""The events of an observer for every method, and that its errors end nothing."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import pytest
from multidict import CIMultiDict

from aiohubassoc import (
    AssociationClient,
    AuthenticationError,
    CallKind,
    ConnectionLostError,
    Journal,
    LinkState,
    Observer,
    OptionsError,
    Outcome,
    OutcomeStream,
    Pair,
    Quota,
    Report,
    ResponseEvent,
    RetryEvent,
    RetryPolicy,
    RunFinishedEvent,
    RunStartedEvent,
    Status,
    ThrottleEvent,
    UnconfirmedError,
    ValidationError,
    Verification,
    VerificationReport,
)
from aiohubassoc._http.events import parse_portal
from aiohubassoc._http.failures import NoResponse
from aiohubassoc.testing import FakeClock
from tests.conftest import settle
from tests.fakes.portal import FakePortal, client_of, pairs_of
from tests.fakes.recorder import FakeJournal, FakeRecorder
from tests.fakes.transport import error
from tests.http.raw_server import Exchange, http, raw_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohubassoc._protocol.verdicts import Response

PAIR = Pair("contacts", 1, "companies", 1_000_001)
LOST = NoResponse(ConnectionLostError("it broke"))
UNAVAILABLE = error(503, headers={"X-HubSpot-Correlation-Id": "c-503"})
THROTTLED = error(429, headers={"Retry-After": "2"}, policyName="TEN_SECONDLY_ROLLING")


class Everything(Observer):
    """Keeps what it is given, with the name of the method."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def run_started(self, event: RunStartedEvent) -> None:
        """Keep it."""
        self.seen.append(("run_started", event))

    def run_finished(self, event: RunFinishedEvent) -> None:
        """Keep it."""
        self.seen.append(("run_finished", event))

    def response(self, event: ResponseEvent) -> None:
        """Keep it."""
        self.seen.append(("response", event))

    def retry(self, event: RetryEvent) -> None:
        """Keep it."""
        self.seen.append(("retry", event))

    def throttled(self, event: ThrottleEvent) -> None:
        """Keep it."""
        self.seen.append(("throttled", event))

    def outcome(self, outcome: Outcome | Verification) -> None:
        """Keep it."""
        self.seen.append(("outcome", outcome))

    @property
    def names(self) -> list[str]:
        """The methods in the order in which they were called."""
        return [name for name, _ in self.seen]

    def all(self, name: str) -> list[Any]:
        """Return what a method was given."""
        return [event for one, event in self.seen if one == name]


class Broken(Everything):
    """Raises for every event."""

    def __getattribute__(self, name: str) -> Any:
        if name not in {"run_started", "run_finished", "response", "retry", "outcome"}:
            return super().__getattribute__(name)

        def fail(_: object) -> None:
            raise RuntimeError(f"no {name}")

        return fail


# --- what is given ------------------------------------------------------------------------------


async def test_a_run_has_one_start_and_one_end_event() -> None:
    """Events have their order in time, and all have the run's id."""
    observer = Everything()
    async with client_of(FakePortal(), observer=observer, quota=Quota(50, 1.0)) as client:
        report = await client.link_all([PAIR])
    assert observer.names == ["run_started", "response", "outcome", "run_finished"]
    (_, started), (_, response), _, (_, finished) = observer.seen
    assert (started.portal, started.mode, started.skip_linked) == ("api.hubapi.com", "put", False)
    assert (started.total, started.quota) == (1, Quota(50, 1.0))
    assert (len(started.run), started.run, started.run) == (16, response.run, finished.run)
    assert finished.report is report
    assert pytest.approx(0.1) == finished.seconds


async def test_a_response_event_describes_its_call() -> None:
    """The pair, the attempt, the status, the seconds and the correlation id."""
    observer = Everything()
    headers = CIMultiDict({"X-HubSpot-Correlation-Id": "c-200"})

    def linked(portal: FakePortal, endpoint: Any) -> Response:
        answer = portal.usual(endpoint)
        answer.headers = headers
        return answer

    portal = FakePortal(script={"put": [LOST, UNAVAILABLE, linked]})
    async with client_of(portal, observer=observer) as client:
        await client.create_default(PAIR)
    lost, failed, last = observer.all("response")
    assert (None, "ConnectionLostError", None) == (lost.status, lost.error, lost.correlation_id)
    assert (503, None, "c-503") == (failed.status, failed.error, failed.correlation_id)
    assert (200, None, "c-200") == (last.status, last.error, last.correlation_id)
    assert [1, 2, 3] == [one.attempt for one in observer.all("response")]
    assert (None, "api.hubapi.com", "PUT") == (last.run, last.portal, last.method)
    assert (CallKind.PUT, PAIR, 1, False) == (last.kind, last.pair, last.pairs, last.by_batch)
    assert pytest.approx(0.1) == last.seconds


async def test_no_correlation_id_has_the_token() -> None:
    """A server that repeats the token in that header of a success does not get it into events."""

    async def respond(exchange: Exchange) -> None:
        exchange.say(
            http(
                b'{"status": "COMPLETE", "results": []}',
                "200 OK",
                f"X-HubSpot-Correlation-Id: {'x' * 197}canary-token",
            )
        )

    observer = Everything()
    async with raw_server(respond) as server:
        options: Any = {"base_url": server.base_url, "retry": RetryPolicy(attempts=1)}
        async with AssociationClient("canary-token", observer=observer, **options) as client:
            with pytest.raises(UnconfirmedError):
                await client.create_default(PAIR)
    (event,) = observer.all("response")
    assert "can" not in event.correlation_id

    """The reason is a status and a category, or the name of what went wrong on the way."""
    observer = Everything()
    portal = FakePortal(script={"put": [LOST, UNAVAILABLE]})
    async with client_of(portal, observer=observer) as client:
        await client.create_default(PAIR)
    lost, failed = observer.all("retry")
    assert ("CONNECTION_LOST", None, None) == (lost.reason, lost.status, lost.correlation_id)
    assert ("503 HTTP_503", 503, "c-503") == (failed.reason, failed.status, failed.correlation_id)
    assert [(1, 0.1), (2, 0.2)] == [(one.attempt, one.delay) for one in (lost, failed)]
    assert (PAIR, CallKind.PUT, 1) == (lost.pair, lost.kind, lost.pairs)


async def test_a_throttle_event_has_pause_and_policy() -> None:
    """A throttle is not an attempt, so the next attempt has the same number."""
    observer = Everything()
    async with client_of(FakePortal(script={"put": [THROTTLED]}), observer=observer) as client:
        await client.create_default(PAIR)
    (throttle,) = observer.all("throttled")
    assert ("TEN_SECONDLY_ROLLING", 429) == (throttle.policy, throttle.status)
    assert pytest.approx(2.0) == throttle.pause
    (retry,) = observer.all("retry")
    assert ("429 RATE_LIMIT_TEN_SECONDLY_ROLLING", 1) == (retry.reason, retry.attempt)
    assert throttle.pause == retry.delay
    assert [1, 1] == [one.attempt for one in observer.all("response")]


async def test_a_renewed_token_is_a_retry_of_the_same_attempt() -> None:
    """A 401 after which another token is accepted."""

    async def token(refused: str | None) -> str:
        return "token-2" if refused else "token-1"

    observer = Everything()
    portal = FakePortal(script={"put": [error(401, category="EXPIRED_AUTHENTICATION")]})
    async with client_of(portal, observer=observer, token=token) as client:
        await client.create_default(PAIR)
    (retry,) = observer.all("retry")
    assert ("401 EXPIRED_AUTHENTICATION", 1, 0.0) == (retry.reason, retry.attempt, retry.delay)
    assert [1, 1] == [one.attempt for one in observer.all("response")]


async def test_a_call_that_is_resent_over_a_new_connection_is_a_retry() -> None:
    """It is still the same attempt."""
    observer = Everything()
    spoilt = NoResponse(ConnectionLostError("it was closed"), was_reuse=True)

    class Portal(FakePortal):
        async def send(self, endpoint: Any, token: str, *, needs_new: bool = False) -> Any:
            return await super().send(endpoint, token)

    async with client_of(Portal(script={"put": [spoilt]}), observer=observer) as client:
        await client.create_default(PAIR)
    (retry,) = observer.all("retry")
    assert (1, 0.0) == (retry.attempt, retry.delay)
    assert [1, 1] == [one.attempt for one in observer.all("response")]


# --- every verb ---------------------------------------------------------------------------------


async def test_one_pair_outside_a_run_has_an_outcome_however_it_ends() -> None:
    """Linked or raised."""
    observer = Everything()
    async with client_of(FakePortal(bad=[2]), observer=observer) as client:
        await client.create_default(PAIR)
        with pytest.raises(ValidationError) as raised:
            await client.create_default(Pair("contacts", 2, "companies", 3))
    linked, failed = observer.all("outcome")
    assert (Status.LINKED, 0, 1) == (linked.status, linked.index, linked.attempts)
    assert (Status.FAILED, raised.value) == (failed.status, failed.error)
    assert "run_started" not in observer.names


async def test_a_batch_outside_a_run_has_an_outcome_for_each_pair() -> None:
    """Repeated pairs too."""
    observer = Everything()
    async with client_of(FakePortal(bad=[2]), observer=observer) as client:
        outcomes = await client.create_default_batch(
            "contacts", "companies", [(1, 11), (2, 12), (1, 11)]
        )
    assert observer.all("outcome") == outcomes
    (response,) = observer.all("response")
    assert (CallKind.BATCH, True, "POST") == (response.kind, response.by_batch, response.method)
    assert (None, 2) == (response.pair, response.pairs)


async def test_a_batch_that_raises_has_an_outcome_for_each_pair() -> None:
    """Each pair has the result of the call."""
    observer = Everything()
    portal = FakePortal(script={"batch": [error(401)]})
    async with client_of(portal, observer=observer) as client:
        with pytest.raises(AuthenticationError):
            await client.create_default_batch("contacts", "companies", [(1, 11), (2, 12)])
    assert [Status.UNPROCESSED] * 2 == [one.status for one in observer.all("outcome")]


@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize("skip_linked", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
async def test_each_pair_of_a_run_has_one_outcome(
    via: Any, skip_linked: bool, ordered: bool
) -> None:
    """Linked, failed, skipped or rejected: the observer gets the outcomes that the caller gets."""
    observer = Everything()
    portal = FakePortal(bad=[7], linked=[("3", "1000003")])
    pairs: list[Any] = [(n, n + 1_000_000) for n in range(1, 40)]
    options: dict[str, Any] = {"via": via, "skip_linked": skip_linked, "ordered": ordered}
    options |= {"from_type": "contacts", "to_type": "companies", "batch_size": 9}
    async with (
        client_of(portal, observer=observer) as client,
        client.link_each([*pairs, ("x y", 5)], **options) as outcomes,
    ):
        taken = [outcome async for outcome in outcomes]
    assert 40 == len(taken)
    assert Counter(map(id, taken)) == Counter(map(id, observer.all("outcome")))
    (started,) = observer.all("run_started")
    assert (via, skip_linked, 40) == (started.mode, started.skip_linked, started.total)
    (finished,) = observer.all("run_finished")
    assert 38 == finished.report.linked + finished.report.skipped
    kinds = {one.kind for one in observer.all("response")}
    assert (CallKind.LOOKUP in kinds) is skip_linked
    assert (CallKind.BATCH in kinds) is (via == "batch")
    assert {started.run} == {one.run for one in observer.all("response")}


async def test_verify_gives_verifications() -> None:
    """And its own report."""
    observer = Everything()
    portal = FakePortal(linked=[("1", "1000001")])
    async with (
        client_of(portal, observer=observer, batch_quota=Quota(7, 1.0)) as client,
        client.verify(iter(pairs_of(2))) as found,
    ):
        taken = [one async for one in found]
    assert taken == observer.all("outcome")
    assert {LinkState.LINKED, LinkState.MISSING} == {one.state for one in taken}
    (started,) = observer.all("run_started")
    assert ("verify", None, Quota(7, 1.0)) == (started.mode, started.total, started.quota)
    (finished,) = observer.all("run_finished")
    assert isinstance(finished.report, VerificationReport)
    (response, *_) = observer.all("response")
    assert (CallKind.LOOKUP, 2, "POST") == (response.kind, response.pairs, response.method)


async def test_pairs_that_a_run_folder_knows_have_outcomes(tmp_path: Path) -> None:
    """They are skipped without a response."""
    journal, observer = Journal(tmp_path / "run"), Everything()
    async with client_of(FakePortal()) as client:
        await client.link_all(pairs_of(3), journal=journal)
    async with client_of(FakePortal(), observer=observer) as client:
        await client.link_all(pairs_of(3), journal=journal)
    assert [Status.SKIPPED] * 3 == [one.status for one in observer.all("outcome")]
    assert [] == observer.all("response")


async def test_events_of_concurrent_runs_have_their_run_id() -> None:
    """By their ids."""
    observer = Everything()
    async with client_of(FakePortal(), observer=observer) as client, asyncio.TaskGroup() as group:
        group.create_task(client.link_all(pairs_of(3)))
        group.create_task(client.link_all(pairs_of(5, first=100)))
    sizes = Counter(one.run for one in observer.all("response"))
    assert {3, 5} == set(sizes.values())
    assert set(sizes) == {one.run for one in observer.all("run_finished")}


async def test_calls_about_the_account_have_responses() -> None:
    """Their events have no pair."""
    observer = Everything()
    async with client_of(FakePortal(script={"read": [error(401)]}), observer=observer) as client:
        await client.check("contacts", "companies", quick=True)
    (response, *_) = observer.all("response")
    assert (CallKind.ACCOUNT, None, 0, 401) == (
        response.kind,
        response.pair,
        response.pairs,
        response.status,
    )


async def test_an_input_whose_len_raises() -> None:
    """The total is None, and the run continues."""

    class Odd(list[Pair]):
        def __len__(self) -> int:
            raise OverflowError("too many")

    observer = Everything()
    async with client_of(FakePortal(), observer=observer) as client:
        assert 1 == (await client.link_all(Odd([PAIR]))).linked
    assert None is observer.all("run_started")[0].total


# --- the end of a run ---------------------------------------------------------------------------


async def test_a_run_that_stops_is_finished_with_its_cause() -> None:
    """All its pairs have outcomes before the event."""
    observer = Everything()
    portal = FakePortal(script={"put": [error(401)] * 10})
    async with client_of(portal, observer=observer) as client:
        report = await client.link_all(pairs_of(10))
    assert "run_finished" == observer.names[-1]
    assert isinstance(report.stopped, AuthenticationError)
    assert report.stopped is observer.all("run_finished")[0].report.stopped
    assert 10 == len(observer.all("outcome"))


async def test_a_run_that_is_cancelled_is_finished() -> None:
    """Once, after its last outcome."""
    observer = Everything()
    async with client_of(FakePortal(latency=60.0), observer=observer) as client:
        task = asyncio.create_task(client.link_all(pairs_of(3)))
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ["run_started", "outcome", "outcome", "outcome", "run_finished"] == observer.names


async def test_a_run_whose_input_breaks_is_finished() -> None:
    """The error is the caller's own."""

    async def broken() -> AsyncIterator[Pair]:
        yield PAIR
        raise ValueError("the database is gone")

    observer = Everything()
    async with client_of(FakePortal(), observer=observer) as client:
        with pytest.raises(ValueError, match="database"):
            await client.link_all(broken())
    assert ["run_started", "run_finished"] == [one for one in observer.names if "run" in one]


async def test_a_run_whose_folder_is_refused_is_not_started(tmp_path: Path) -> None:
    """There is no start event and no end event."""
    (tmp_path / "run").write_text("a file")
    observer = Everything()
    async with client_of(FakePortal(), observer=observer) as client:
        with pytest.raises(Exception, match="run"):
            await client.link_all([PAIR], journal=Journal(tmp_path / "run"))
    assert [] == observer.seen


# --- what an observer may be and do -------------------------------------------------------------


async def test_an_exception_of_an_observer_does_not_end_the_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged once, with its traceback."""
    portal = FakePortal(script={"put": [UNAVAILABLE, THROTTLED]})
    async with client_of(portal, observer=Broken()) as client:
        report = await client.link_all(pairs_of(5))
        assert "COMPLETE" == (await client.create_default(PAIR)).status
    assert (5, None) == (report.linked, report.stopped)
    (record,) = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert "run_started of the observer Broken raised" in record.getMessage()
    assert record.exc_info is not None


@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize("raised", [asyncio.CancelledError, pytest.fail.Exception, GeneratorExit])
async def test_what_is_no_exception_ends_nothing_either(
    via: Literal["put", "batch"], raised: type[BaseException]
) -> None:
    """An observer that reads a cancelled future, say, or that calls `pytest.fail`."""

    class Raising:
        def outcome(self, outcome: object) -> None:
            raise raised

    observer: Any = Raising()
    async with client_of(FakePortal(), observer=observer) as client:
        report = await client.link_all([*pairs_of(3), *pairs_of(3)], via=via)
    assert (6, 6, None) == (report.total, report.linked, report.stopped)


@pytest.mark.parametrize("is_recorded", [False, True])
@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_an_observer_that_ends_the_program_loses_no_outcome(
    raised: type[BaseException], via: Literal["put", "batch"], is_recorded: bool
) -> None:
    """The event loop ends at its next turn; what was read has an outcome by then."""
    seen = []

    class Exiting:
        def outcome(self, outcome: object) -> None:
            seen.append(outcome)
            if len(seen) == 5:
                raise raised

    observer: Any = Exiting()
    journal: Any = FakeJournal(FakeRecorder()) if is_recorded else None
    outcomes: list[Outcome] = []
    reports: list[Report] = []

    async def take(stream: OutcomeStream) -> None:
        async for one in stream:
            outcomes.append(one)  # noqa: PERF401 -- until it is cancelled

    async def run() -> None:
        async with client_of(FakePortal(), clock=FakeClock(), observer=observer) as client:
            stream = client.link_each(pairs_of(40), via=via, journal=journal, drain_timeout=0.0)
            reports.append(stream.report)
            try:
                async with stream:
                    await take(stream)
            finally:
                await take(stream)

    with pytest.raises(raised):
        asyncio.run(run())
    assert reports[0].total == len(seen) == len(outcomes) >= 5
    assert {one.index for one in outcomes} == set(range(len(outcomes)))


@pytest.mark.parametrize("name", ["run_started", "run_finished", "response", "outcome"])
async def test_any_method_may_be_missing(name: str) -> None:
    """An object with one of them is enough."""
    seen: list[object] = []
    observer: Any = type("One", (), {name: lambda _, event: seen.append(event)})()
    async with client_of(FakePortal(), observer=observer) as client:
        await client.link_all([PAIR])
    assert 1 == len(seen)


async def test_methods_that_a_subclass_does_not_define_are_not_called() -> None:
    """Missing methods cost nothing."""

    class One(Observer):
        def retry(self, event: RetryEvent) -> None:
            """Take note."""

    one: Any = One()
    client = client_of(FakePortal(), observer=one)
    for name in ("run_started", "run_finished", "response", "throttled", "outcome"):
        getattr(one, name)(None)  # they are there, and do nothing
    assert (None, None) == (client._events.on_response, client._events.on_outcome)


async def test_an_observer_may_stop_the_run() -> None:
    """Every method may call `stop`."""

    class Stopping:
        def __init__(self) -> None:
            self.stream: Any = None

        def outcome(self, outcome: Outcome) -> None:
            self.stream.stop(OptionsError("enough"))

    observer: Any = Stopping()
    async with (
        client_of(FakePortal(), observer=observer, concurrency=2) as client,
        client.link_each(pairs_of(20)) as outcomes,
    ):
        observer.stream = outcomes
        taken = [outcome async for outcome in outcomes]
    assert 20 == len(taken)
    assert "enough" == str(outcomes.report.stopped)


async def _awaits(event: object) -> None:
    """Await nothing."""


@pytest.mark.parametrize(
    ("observer", "message"),
    [
        (Everything, "not the class Everything"),
        (object(), "has none of run_started"),
        ("log", "has none of"),
        (type("O", (), {"outcome": 5})(), "outcome must be a plain function"),
        (type("O", (), {"retry": staticmethod(_awaits)})(), "retry must be a plain function"),
    ],
)
def test_invalid_observers_are_refused(observer: Any, message: str) -> None:
    """When the client is made."""
    with pytest.raises(OptionsError, match=message):
        AssociationClient("token-1", observer=observer)


@pytest.mark.parametrize(
    ("base_url", "portal"),
    [
        ("https://api.hubapi.com", "api.hubapi.com"),
        ("https://api.hubapi.com:443", "api.hubapi.com"),
        ("https://proxy.example:8443/hubspot", "proxy.example:8443"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost", "localhost:80"),
        ("http://[::1]", "[::1]:80"),
        ("https://[::1]:8443", "[::1]:8443"),
    ],
)
def test_the_portal_is_a_host_and_a_port_that_is_not_443(base_url: str, portal: str) -> None:
    """The form of `portal` in events."""
    assert parse_portal(base_url) == portal


def test_events_are_frozen() -> None:
    """Events cannot be changed."""
    event = RunFinishedEvent("run", Report(), 1.0)
    with pytest.raises(AttributeError):
        event.seconds = 2.0  # type: ignore[misc]
