"""The log of a client: few lines, each with the keys of its run and pair."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal

import pytest

from aiohubassoc import AuthenticationError, ConnectionLostError, Journal, Pair, Quota
from aiohubassoc._http.event_log import KEYS
from aiohubassoc._http.failures import NoResponse
from tests.fakes.portal import FakePortal, client_of, pairs_of
from tests.fakes.transport import error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohubassoc._protocol.verdicts import Response

UNAVAILABLE = error(503, headers={"X-HubSpot-Correlation-Id": "c-503"})


def throttle(seconds: int = 1) -> Response:
    """Return a 429."""
    headers = {"Retry-After": str(seconds)}
    return error(429, headers=headers, policyName="TEN_SECONDLY_ROLLING")


def extras_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the keys that have a value."""
    found = {key: getattr(record, key) for key in KEYS}
    return {key: value for key, value in found.items() if value is not None}


async def test_a_run_logs_its_begin_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, with the run's id."""
    caplog.set_level("INFO", "aiohubassoc")
    async with client_of(FakePortal(bad=[2]), quota=Quota(50, 1.0)) as client:
        await client.link_all(pairs_of(3), skip_linked=True)
    begin, end = caplog.records
    run = extras_of(begin)["run"]
    assert {"run": run} == extras_of(begin) == extras_of(end)
    assert ("INFO", "INFO") == (begin.levelname, end.levelname)
    assert f"run {run} started: 3 pairs, single calls to api.hubapi.com" in begin.getMessage()
    assert "after a lookup of existing links, quota 50/1s" in begin.getMessage()
    assert f"run {run} finished in 0.2 s: 2 linked, 1 failed" == end.getMessage()


async def test_verifying_logs_what_was_found(caplog: pytest.LogCaptureFixture) -> None:
    """Verify logs a first and a last line too."""
    caplog.set_level("INFO", "aiohubassoc")
    portal = FakePortal(linked=[("1", "1000001")])
    async with client_of(portal) as client, client.verify(iter(pairs_of(2))) as found:
        _ = [one async for one in found]
    begin, end = caplog.records
    assert "started: links read back from" in begin.getMessage()
    assert "1 linked, 1 missing" in end.getMessage()


async def test_a_run_that_stops_warns_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    """One warning when the run stops, with HubSpot's message."""
    caplog.set_level("INFO", "aiohubassoc")
    refused = error(401, category="INVALID_AUTHENTICATION", correlationId="c-401")
    async with client_of(FakePortal(script={"put": [refused] * 5})) as client:
        report = await client.link_all(pairs_of(5))
    assert isinstance(report.stopped, AuthenticationError)
    (warning,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    begin, _, end = caplog.records
    run = extras_of(begin)["run"]
    assert f"run {run} stopped: {report.stopped}" == warning.getMessage()
    category = {"category": "INVALID_AUTHENTICATION"}
    assert {"run": run, "status": 401, "correlation_id": "c-401", **category} == extras_of(warning)
    assert "5 unprocessed" in end.getMessage()


async def test_a_run_that_is_left_early_warns(caplog: pytest.LogCaptureFixture) -> None:
    """The rest of the input was not read."""
    async with (
        client_of(FakePortal()) as client,
        client.link_each(pairs_of(5000)) as outcomes,
    ):
        await anext(outcomes)
    (warning,) = caplog.records
    assert "stopped: the run was left early" in warning.getMessage()


async def test_a_retry_is_logged_at_debug_with_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The run, the pair, the attempt, the status, the category and the correlation id."""
    caplog.set_level("DEBUG", "aiohubassoc")
    lost = NoResponse(ConnectionLostError("it broke"))
    async with client_of(FakePortal(script={"put": [UNAVAILABLE, lost]})) as client:
        await client.link_all(pairs_of(1))
    first, second = [one for one in caplog.records if one.levelno == logging.DEBUG]
    run = extras_of(caplog.records[0])["run"]
    who = {"run": run, "pair": "contacts:1 -> companies:1000001"}
    status = {"status": 503, "category": "HTTP_503", "correlation_id": "c-503"}
    assert {**who, "attempt": 1, **status} == extras_of(first)
    assert {**who, "attempt": 2, "category": "CONNECTION_LOST"} == extras_of(second)
    assert "attempt 1 failed, retrying in 0.10 s: 503" in first.getMessage()


async def test_a_call_outside_a_run_has_no_run(caplog: pytest.LogCaptureFixture) -> None:
    """Its lines have the key too, because a format may use it."""
    caplog.set_level("DEBUG", "aiohubassoc")
    async with client_of(FakePortal(script={"put": [UNAVAILABLE]})) as client:
        await client.create_default(Pair("contacts", 1, "companies", 2))
    (record,) = caplog.records
    assert record.run is None  # type: ignore[attr-defined]  # extra
    formatter = logging.Formatter("%(run)s %(pair)s %(status)s")
    assert "None contacts:1 -> companies:2 503" == formatter.format(record)


async def test_throttles_are_logged_as_summaries(caplog: pytest.LogCaptureFixture) -> None:
    """The first is logged immediately, then one line per ten seconds, the rest at the end."""
    caplog.set_level("INFO", "aiohubassoc")
    portal = FakePortal(script={"put": [throttle()] * 30})
    async with client_of(portal, concurrency=1) as client:
        report = await client.link_all(pairs_of(3))
    assert (3, 30) == (report.linked, report.throttled)
    begin, first, *sums, end = caplog.records
    run = extras_of(begin)["run"]
    assert f"HubSpot throttles: all calls pause 1.00 s: {_error()}" == first.getMessage()
    assert all(run == extras_of(one)["run"] for one in (first, *sums, end))
    assert 429 == extras_of(first)["status"]
    counts = [int(one.getMessage().split()[2]) for one in sums]
    assert 29 == sum(counts)
    assert all("more calls in" in one.getMessage() for one in sums)
    at = [one.created for one in sums]
    assert sorted(at) == at
    assert 2 <= len(sums) <= 4


def _error() -> str:
    return "429 RateLimitedError: reported 429"


@pytest.mark.parametrize(("count", "text"), [(16, "15 more calls"), (2, "1 more call")])
async def test_many_throttles_at_once_are_one_line(
    caplog: pytest.LogCaptureFixture, count: int, text: str
) -> None:
    """All calls in flight may be throttled together."""
    caplog.set_level("INFO", "aiohubassoc")
    portal = FakePortal(script={"put": [throttle()] * count})
    async with client_of(portal) as client:
        await client.link_all(pairs_of(count))
    _, first, *sums, _ = caplog.records
    assert "HubSpot throttles" in first.getMessage()
    assert 1 == len(sums)
    assert f"HubSpot throttled {text} in" in sums[0].getMessage()


async def test_throttles_of_two_runs_are_kept_apart(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is left of a run that ended: the next one logs its first throttle at once."""
    caplog.set_level("INFO", "aiohubassoc")
    portal = FakePortal(script={"put": [throttle(), throttle()]})
    async with client_of(portal) as client:
        await client.link_all(pairs_of(1))
        portal._script["put"] = iter([throttle()])
        await client.link_all(pairs_of(1))
        assert not client._events._log._throttles
    firsts = [one for one in caplog.records if "HubSpot throttles" in one.getMessage()]
    assert 2 == len({extras_of(one)["run"] for one in firsts})


async def test_log_lines_of_a_run_folder_name_the_run(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """For example that an earlier process did not close the folder."""
    caplog.set_level("INFO", "aiohubassoc")
    journal = Journal(tmp_path / "run")
    async with client_of(FakePortal()) as client:
        killed = journal.recording(
            {"portal": "https://api.hubapi.com"}, client._clock, retry_failed=False
        )
        await killed.open()
        await killed._close()
        await client.link_all(pairs_of(1), journal=journal)
    unclosed, begin, _ = caplog.records
    assert "ended without closing it" in unclosed.getMessage()
    assert extras_of(unclosed) == extras_of(begin)


@pytest.mark.parametrize("via", ["put", "batch"])
@pytest.mark.parametrize("raised", [RuntimeError("no room"), pytest.fail.Exception("unexpected")])
async def test_what_a_handler_raises_ends_nothing(
    via: Literal["put", "batch"], raised: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program's own handlers and filters may fail, also while a run stops."""

    class Broken(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise raised

    async def breaking() -> AsyncIterator[Pair]:
        for pair in pairs_of(5):
            yield pair
        raise KeyError("the input broke")

    logger, handler = logging.getLogger("aiohubassoc"), Broken()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        async with client_of(FakePortal(script={via: [UNAVAILABLE, throttle()]})) as client:
            stream = client.link_each(breaking(), via=via, batch_linger=0.1)
            with pytest.raises(KeyError, match="the input broke"):
                async with stream as outcomes:
                    async for _ in outcomes:
                        pass
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    assert 5 == stream.report.total
    assert str(raised) in capsys.readouterr().err


def test_a_program_without_logging_prints_nothing() -> None:
    """Like every library it prints no warnings."""
    code = (
        "import aiohubassoc._http.event_log as log; from aiohubassoc import RunStoppedError; "
        "log.EventLog().run_stopped('run', RunStoppedError('why'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("", "") == (done.stdout, done.stderr)


async def test_no_text_is_built_when_the_level_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is built for a retry if DEBUG is off."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a line was made")

    logging.getLogger("aiohubassoc").setLevel(logging.ERROR)
    monkeypatch.setattr(logging.Logger, "makeRecord", fail)
    try:
        portal = FakePortal(script={"put": [UNAVAILABLE, throttle()]})
        async with client_of(portal) as client:
            assert 5 == (await client.link_all(pairs_of(5))).linked
    finally:
        logging.getLogger("aiohubassoc").setLevel(logging.NOTSET)
