"""An observer that reports spans and metrics through OpenTelemetry's API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import install_command
from aiohubassoc.models import Outcome
from aiohubassoc.observer import Observer

try:
    from opentelemetry import metrics, trace
except ImportError:
    raise ImportError(f"aiohubassoc.otel needs an extra: {install_command('otel')}") from None

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from aiohubassoc.models import Verification
    from aiohubassoc.observer import (
        ResponseEvent,
        RetryEvent,
        RunFinishedEvent,
        RunStartedEvent,
        ThrottleEvent,
    )

_FIRST_ERROR: Final = 400
_NANOSECONDS: Final = 1_000_000_000
# OpenTelemetry, semantic conventions for HTTP metrics, http.client.request.duration.
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_RUN_SECONDS: Final = (1, 10, 60, 300, 900, 3_600, 14_400, 43_200, 86_400)
_COUNTS: Final = ("linked", "partial", "failed", "unprocessed", "skipped", "missing", "unknown")


class OpenTelemetryObserver(Observer):
    """
    Reports a span for each run, and metrics of requests, pairs, retries, throttles and runs.

    Use it as ``AssociationClient(..., observer=OpenTelemetryObserver())``. Nothing is exported
    unless the program sets up an SDK. The span of a run is a child of the span that is current
    where the run is entered. No attribute contains a record id or a message of HubSpot's.

    Args:
        trace_calls: Whether each request has a span too, as a child of the run's span.
        tracer_provider: None: the global one.
        meter_provider: None: the global one.

    Raises:
        ImportError: the extra is not installed; raised when this module is imported.
    """

    def __init__(
        self,
        *,
        trace_calls: bool = False,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("aiohubassoc", tracer_provider=tracer_provider)
        self._trace_calls = trace_calls
        self._runs: dict[str, tuple[trace.Span, RunStartedEvent]] = {}
        meter = metrics.get_meter("aiohubassoc", meter_provider=meter_provider)
        self._request_seconds = meter.create_histogram(
            "http.client.request.duration",
            unit="s",
            description="Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._run_seconds = meter.create_histogram(
            "aiohubassoc.run.duration",
            unit="s",
            description="Duration of runs.",
            explicit_bucket_boundaries_advisory=_RUN_SECONDS,
        )
        self._pairs = meter.create_counter(
            "aiohubassoc.pairs", unit="{pair}", description="Pairs by status."
        )
        self._retries = meter.create_counter(
            "aiohubassoc.retries", unit="{retry}", description="Calls that were sent again."
        )
        self._throttles = meter.create_counter(
            "aiohubassoc.throttles", unit="{call}", description="Calls that HubSpot throttled."
        )

    def run_started(self, event: RunStartedEvent) -> None:
        """Start the run's span."""
        attributes: dict[str, AttributeValue] = {
            **_server(event.portal),
            "aiohubassoc.run.id": event.run,
            "aiohubassoc.run.mode": event.mode,
            "aiohubassoc.run.skip_linked": event.skip_linked,
            "aiohubassoc.run.quota": str(event.quota),
        }
        if event.total is not None:
            attributes["aiohubassoc.run.total"] = event.total
        span = self._tracer.start_span("aiohubassoc.run", attributes=attributes)
        self._runs[event.run] = span, event

    def run_finished(self, event: RunFinishedEvent) -> None:
        """End the run's span: an error if the run was stopped."""
        span, started = self._runs.pop(event.run)
        report, stopped = event.report, event.report.stopped
        for name in _COUNTS:
            if (count := getattr(report, name, None)) is not None:
                span.set_attribute(f"aiohubassoc.pairs.{name}", count)
        attributes: dict[str, AttributeValue] = {"aiohubassoc.run.mode": started.mode}
        if stopped is not None:
            attributes["error.type"] = type(stopped).__name__
            span.set_attribute("error.type", type(stopped).__name__)
            span.set_status(trace.StatusCode.ERROR, stopped.label)
        self._run_seconds.record(event.seconds, attributes)
        span.end()

    def response(self, event: ResponseEvent) -> None:
        """Record the request's seconds, and its span if it has one."""
        attributes: dict[str, AttributeValue] = {
            **_server(event.portal),
            "http.request.method": event.method,
        }
        if event.status is not None:
            attributes["http.response.status_code"] = event.status
        is_error = event.status is None or event.status >= _FIRST_ERROR
        if is_error:
            attributes["error.type"] = event.error or str(event.status)
        self._request_seconds.record(event.seconds, attributes)
        if not self._trace_calls:
            return
        end = time.time_ns()
        span = self._tracer.start_span(
            event.method,
            context=self._context(event.run),
            kind=trace.SpanKind.CLIENT,
            attributes={**attributes, **_call(event)},
            start_time=end - int(event.seconds * _NANOSECONDS),
        )
        if is_error:
            span.set_status(trace.StatusCode.ERROR)
        span.end(end)

    def retry(self, event: RetryEvent) -> None:
        """Count the retry."""
        attributes = {
            "aiohubassoc.call.kind": event.kind.value,
            "error.type": type(event.error).__name__,
        }
        self._retries.add(1, attributes)

    def throttled(self, event: ThrottleEvent) -> None:
        """Count the throttle."""
        attributes = {"aiohubassoc.call.kind": event.kind.value}
        if event.policy is not None:
            attributes["aiohubassoc.throttle.policy"] = event.policy
        self._throttles.add(1, attributes)

    def outcome(self, outcome: Outcome | Verification) -> None:
        """Count the pair."""
        status = outcome.status if isinstance(outcome, Outcome) else outcome.state
        attributes = {"aiohubassoc.pair.status": status.value}
        if outcome.error is not None:
            attributes["error.type"] = type(outcome.error).__name__
        self._pairs.add(1, attributes)

    def _context(self, run: str | None) -> Context | None:
        """Return the context of a run; None: the current one."""
        if run is None or run not in self._runs:
            return None
        return trace.set_span_in_context(self._runs[run][0])


def _server(portal: str) -> dict[str, AttributeValue]:
    host, colon, port = portal.rpartition(":")
    if not colon or not port.isdigit():
        host, port = portal, "443"
    return {"server.address": host.strip("[]"), "server.port": int(port)}


def _call(event: ResponseEvent) -> dict[str, AttributeValue]:
    """Return the attributes of a span that a metric must not have: they have many values."""
    attributes: dict[str, AttributeValue] = {
        "aiohubassoc.call.kind": event.kind.value,
        "aiohubassoc.call.pairs": event.pairs,
    }
    if event.attempt > 1:
        attributes["http.request.resend_count"] = event.attempt - 1
    if event.run is not None:
        attributes["aiohubassoc.run.id"] = event.run
    if event.correlation_id is not None:
        attributes["aiohubassoc.correlation_id"] = event.correlation_id
    return attributes
