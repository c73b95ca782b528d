"""What OpenTelemetry's exporters get of a run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from aiohubassoc import ConnectionLostError, Pair, Quota
from aiohubassoc._http.failures import NoResponse
from aiohubassoc.otel import OpenTelemetryObserver, _server
from tests.fakes.portal import FakePortal, client_of, pairs_of
from tests.fakes.transport import error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

HUBSPOT = {"server.address": "api.hubapi.com", "server.port": 443}
LOST = NoResponse(ConnectionLostError("it broke"))
THROTTLED = error(429, headers={"Retry-After": "1"}, policyName="TEN_SECONDLY_ROLLING")


class Telemetry:
    """An SDK that keeps everything in memory."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    def observer(self, **options: Any) -> OpenTelemetryObserver:
        """Return an observer that reports here."""
        return OpenTelemetryObserver(
            tracer_provider=self.tracers, meter_provider=self.meters, **options
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that ended, in that order."""
        return list(self.exporter.get_finished_spans())

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return the attributes and the data points of a metric."""
        data: Any = self.reader.get_metrics_data()
        found = [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
        return [(dict(point.attributes), point) for point in found]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """An SDK for one test."""
    made = Telemetry()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


async def test_a_run_is_a_span(telemetry: Telemetry) -> None:
    """It is a child of the caller's span and has the counts of pairs."""
    tracer = telemetry.tracers.get_tracer("the caller's")
    portal = FakePortal(bad=[2])
    async with client_of(portal, observer=telemetry.observer(), quota=Quota(50, 1.0)) as client:
        with tracer.start_as_current_span("nightly") as parent:
            await client.link_all(pairs_of(3))
    run, nightly = telemetry.spans
    assert ("aiohubassoc.run", "nightly") == (run.name, nightly.name)
    assert run.parent == parent.get_span_context()
    attributes = dict(run.attributes or {})
    assert 16 == len(str(attributes.pop("aiohubassoc.run.id")))
    assert {
        **HUBSPOT,
        "aiohubassoc.run.mode": "put",
        "aiohubassoc.run.skip_linked": False,
        "aiohubassoc.run.quota": "50/1s",
        "aiohubassoc.run.total": 3,
        "aiohubassoc.pairs.linked": 2,
        "aiohubassoc.pairs.partial": 0,
        "aiohubassoc.pairs.failed": 1,
        "aiohubassoc.pairs.unprocessed": 0,
        "aiohubassoc.pairs.skipped": 0,
    } == attributes
    assert run.status.status_code is StatusCode.UNSET


async def test_a_run_that_stops_is_a_span_with_an_error(telemetry: Telemetry) -> None:
    """By its class and HubSpot's category; what HubSpot says is not exported."""
    refused = error(401, category="INVALID_AUTHENTICATION", message="of Ann's portal")
    portal = FakePortal(script={"put": [refused]})
    async with client_of(portal, observer=telemetry.observer()) as client:
        await client.link_all(iter(pairs_of(1)))
    (run,) = telemetry.spans
    assert run.status.status_code is StatusCode.ERROR
    assert "INVALID_AUTHENTICATION" == run.status.description
    assert "AuthenticationError" == (run.attributes or {})["error.type"]
    assert "aiohubassoc.run.total" not in (run.attributes or {})
    assert "Ann" not in run.to_json()


async def test_calls_are_spans_if_asked_for(telemetry: Telemetry) -> None:
    """One for each request, a child of the run's span, with the duration of the request."""
    unavailable = error(503, headers={"X-HubSpot-Correlation-Id": "c-503"})
    portal = FakePortal(script={"put": [LOST, unavailable]}, latency=0.25)
    async with client_of(portal, observer=telemetry.observer(trace_calls=True)) as client:
        await client.link_all(pairs_of(1))
    *requests, run = telemetry.spans
    context = run.get_span_context()
    assert [context] * 3 == [one.parent for one in requests]
    assert {"PUT"} == {one.name for one in requests}
    assert {SpanKind.CLIENT} == {one.kind for one in requests}
    seconds = [((one.end_time or 0) - (one.start_time or 0)) / 1e9 for one in requests]
    assert pytest.approx([0.25] * 3) == seconds
    lost, failed, linked = [dict(one.attributes or {}) for one in requests]
    assert "ConnectionLostError" == lost["error.type"]
    assert ("503", 503) == (failed["error.type"], failed["http.response.status_code"])
    assert "c-503" == failed["aiohubassoc.correlation_id"]
    assert ("PUT", "put", 1, 2) == (
        linked["http.request.method"],
        linked["aiohubassoc.call.kind"],
        linked["aiohubassoc.call.pairs"],
        linked["http.request.resend_count"],
    )
    errors = [one.status.status_code is StatusCode.ERROR for one in requests]
    assert [True, True, False] == errors


async def test_a_call_outside_a_run_is_a_span_of_the_current_one(telemetry: Telemetry) -> None:
    """As the spans of other clients."""
    async with client_of(FakePortal(), observer=telemetry.observer(trace_calls=True)) as client:
        with telemetry.tracers.get_tracer("t").start_as_current_span("request") as parent:
            await client.create_default(Pair("contacts", 1, "companies", 2))
    request, _ = telemetry.spans
    assert request.parent == parent.get_span_context()


async def test_calls_are_no_spans_by_default(telemetry: Telemetry) -> None:
    """A run of a million pairs would have a million spans."""
    async with client_of(FakePortal(), observer=telemetry.observer()) as client:
        await client.create_default(Pair("contacts", 1, "companies", 2))
    assert [] == telemetry.spans


async def test_requests_are_measured_as_the_conventions_say(telemetry: Telemetry) -> None:
    """By method, server, status and error; in seconds."""
    portal = FakePortal(script={"put": [LOST, error(503)]}, latency=0.25)
    async with client_of(portal, observer=telemetry.observer()) as client:
        await client.create_default(Pair("contacts", 1, "companies", 2))
    put = {**HUBSPOT, "http.request.method": "PUT"}
    points = telemetry.points("http.client.request.duration")
    assert [
        {**put, "error.type": "ConnectionLostError"},
        {**put, "http.response.status_code": 503, "error.type": "503"},
        {**put, "http.response.status_code": 200},
    ] == [attributes for attributes, _ in points]
    assert [(1, 0.25)] * 3 == [(point.count, round(point.sum, 6)) for _, point in points]
    assert (0.005, 10) == (points[0][1].explicit_bounds[0], points[0][1].explicit_bounds[-1])


async def test_pairs_retries_throttles_and_runs_are_counted(telemetry: Telemetry) -> None:
    """With few attributes, none of which is an id."""
    portal = FakePortal(bad=[2], script={"put": [THROTTLED, LOST]})
    async with client_of(portal, observer=telemetry.observer(), concurrency=1) as client:
        report = await client.link_all(pairs_of(3))
    assert (2, 1) == (report.linked, report.failed)

    def counts(name: str) -> list[tuple[dict[str, Any], int]]:
        return [(attributes, point.value) for attributes, point in telemetry.points(name)]

    assert [
        ({"aiohubassoc.pair.status": "linked"}, 2),
        ({"aiohubassoc.pair.status": "failed", "error.type": "ValidationError"}, 1),
    ] == sorted(counts("aiohubassoc.pairs"), key=lambda one: -one[1])
    put = {"aiohubassoc.call.kind": "put"}
    policy = {"aiohubassoc.throttle.policy": "TEN_SECONDLY_ROLLING"}
    assert [({**put, **policy}, 1)] == counts("aiohubassoc.throttles")
    assert [
        ({**put, "error.type": "RateLimitedError"}, 1),
        ({**put, "error.type": "ConnectionLostError"}, 1),
    ] == counts("aiohubassoc.retries")
    ((attributes, point),) = telemetry.points("aiohubassoc.run.duration")
    assert ({"aiohubassoc.run.mode": "put"}, 1) == (attributes, point.count)


async def test_verifying_counts_states(telemetry: Telemetry) -> None:
    """Linked, missing, unknown."""
    portal = FakePortal(linked=[("1", "1000001")])
    async with (
        client_of(portal, observer=telemetry.observer()) as client,
        client.verify(pairs_of(2)) as found,
    ):
        _ = [one async for one in found]
    states = {one["aiohubassoc.pair.status"] for one, _ in telemetry.points("aiohubassoc.pairs")}
    assert {"linked", "missing"} == states
    (run,) = telemetry.spans
    assert 1 == (run.attributes or {})["aiohubassoc.pairs.missing"]


async def test_without_an_sdk_nothing_is_exported() -> None:
    """The API alone exports nothing."""
    observer = OpenTelemetryObserver(trace_calls=True)
    async with client_of(FakePortal(), observer=observer) as client:
        assert 3 == (await client.link_all(pairs_of(3))).linked


@pytest.mark.parametrize(
    ("portal", "host", "port"),
    [
        ("api.hubapi.com", "api.hubapi.com", 443),
        ("localhost:8080", "localhost", 8080),
        ("[::1]:8080", "::1", 8080),
        ("[::1]", "::1", 443),
    ],
)
def test_the_server_is_an_address_and_a_port(portal: str, host: str, port: int) -> None:
    """As the conventions have them."""
    assert {"server.address": host, "server.port": port} == _server(portal)


def test_without_the_extra_the_error_says_what_to_install() -> None:
    """When the module is imported."""
    code = "import sys; sys.modules['opentelemetry'] = None; import aiohubassoc.otel"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'aiohubassoc[otel]'" in done.stderr
