"""Reports what happens in a client to the log, and to its observer."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiohubassoc._http.event_log import EventLog, calls, make_extra, write
from aiohubassoc._protocol.headers import correlation_id
from aiohubassoc._protocol.requests import BatchRequest, LookupRequest
from aiohubassoc._protocol.verdicts import Accepted, Partial, Replied, Response
from aiohubassoc.observer import (
    CallKind,
    Observer,
    ResponseEvent,
    RetryEvent,
    RunFinishedEvent,
    RunStartedEvent,
    ThrottleEvent,
    error_correlation_id,
    error_policy,
    error_status,
)
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.failures import NoResponse
    from aiohubassoc._http.sender import Call
    from aiohubassoc._protocol.requests import Endpoint
    from aiohubassoc._protocol.verdicts import Verdict
    from aiohubassoc.errors import AioHubAssocError
    from aiohubassoc.models import RunReport

METHODS: Final = ("run_started", "run_finished", "response", "retry", "throttled", "outcome")
"""The methods that an observer may have."""


class Events:
    """Reports what happens in one client to its *observer*, if it has one, and to the log."""

    def __init__(self, observer: Observer | None, *, portal: str, clock: Clock) -> None:
        self.portal = portal
        self._clock = clock
        self._log = EventLog()
        self._has_raised = False
        self._observer = {name: self._bind(observer, name) for name in METHODS}
        # Reports the outcome of a pair; None: the observer has no such method.
        self.on_outcome = self._observer["outcome"]
        # Reports a response; None: the observer has no such method.
        self.on_response: (
            Callable[[Call[Any], Endpoint, Response | NoResponse, Verdict, float], None] | None
        ) = None
        if self._observer["response"] is not None:
            self.on_response = self._report_response

    def run_started(self, event: RunStartedEvent) -> None:
        self._log.run_started(event)
        self._give("run_started", event)

    def run_stopped(self, run: str, cause: AioHubAssocError) -> None:
        """Report that a run sends nothing more. The observer sees it in the report."""
        self._log.run_stopped(run, cause)

    def run_finished(self, run: str, report: RunReport, started_at: float) -> None:
        now = self._clock.now()
        self._log.run_finished(run, report, now - started_at, now)
        self._give("run_finished", RunFinishedEvent(run, report, now - started_at))

    def retry(self, call: Call[Any], error: AioHubAssocError, attempt: int, delay: float) -> None:
        """Report that attempt number *attempt* failed, and another follows in *delay* seconds."""
        event = RetryEvent(call.observer.run_id, *_describe(call), attempt, delay, error)
        self._log.retry(event, call.subject)
        self._give("retry", event)

    def given_up(self, call: Call[Any], error: AioHubAssocError, why: object) -> None:
        run, attempt = call.observer.run_id, call.total_attempts
        _, pair, _ = _describe(call)
        extra = make_extra(run, pair=pair, attempt=attempt, error=error)
        text = "%s: given up, %s: %s"
        write(calls, logging.DEBUG, text, call.subject, why, error, extra=extra)

    def throttled(self, call: Call[Any], error: AioHubAssocError, pause: float) -> None:
        run = call.observer.run_id
        self._log.throttled(run, error, pause, self._clock.now())
        kind, _, _ = _describe(call)
        event = ThrottleEvent(run, kind, pause, error_policy(error), error_status(error))
        self._give("throttled", event)

    def token_renewed(self, call: Call[Any], error: AioHubAssocError) -> None:
        extra = make_extra(call.observer.run_id, error=error)
        write(calls, logging.INFO, "the access token was refused and renewed", extra=extra)

    def _report_response(
        self,
        call: Call[Any],
        endpoint: Endpoint,
        received: Response | NoResponse,
        verdict: Verdict,
        seconds: float,
    ) -> None:
        kind, pair, pairs = _describe(call)
        response = received if isinstance(received, Response) else None
        error = None if isinstance(received, Response) else received.error
        event = ResponseEvent(
            call.observer.run_id,
            self.portal,
            kind,
            endpoint.method,
            pair,
            pairs,
            call.total_attempts,
            status=None if response is None else response.status,
            error=None if error is None else type(error).__name__,
            seconds=seconds,
            correlation_id=None if response is None else _correlation_id(response, verdict),
        )
        self._give("response", event)

    def _give(self, name: str, event: object) -> None:
        if (method := self._observer[name]) is not None:
            method(event)

    def _bind(self, observer: Observer | None, name: str) -> Callable[[Any], None] | None:
        """Return a function that calls a method of *observer*; None: it does not define one."""
        inherited = getattr(Observer, name)
        method = getattr(observer, name, None)
        if method is None or getattr(type(observer), name, None) is inherited:
            return None

        def call(event: object) -> None:
            try:
                method(event)
            except (KeyboardInterrupt, SystemExit) as error:
                # Raised here, it would cut off what is being reported, and lose outcomes.
                asyncio.get_running_loop().call_soon(_raise, error)
            except BaseException:  # noqa: BLE001 -- code of the caller: no outcome is lost by it
                self._log_raised(observer, name)

        return call

    def _log_raised(self, observer: object, name: str) -> None:
        if self._has_raised:
            return
        self._has_raised = True
        write(
            calls,
            logging.ERROR,
            "%s of the observer %s raised; the run continues. What it raises from now on is not "
            "logged",
            *(name, type(observer).__name__),
            extra=make_extra(None),
            exc_info=True,
        )


def _raise(error: BaseException) -> None:
    raise error


def _correlation_id(response: Response, verdict: Verdict) -> str | None:
    error = None if isinstance(verdict, Accepted | Replied | Partial) else verdict.error
    in_body = None if error is None else error_correlation_id(error)
    return in_body or correlation_id(response.headers, response.redaction)


def _describe(call: Call[Any]) -> tuple[CallKind, Pair | None, int]:
    """Return what a call is for, its pair, and how many pairs or records it has."""
    subject: object = call.subject
    if isinstance(subject, Pair):
        return CallKind.PUT, subject, 1
    if isinstance(subject, BatchRequest):
        return CallKind.BATCH, None, len(subject.pairs)
    if isinstance(subject, LookupRequest):
        return CallKind.LOOKUP, None, len(subject.records)
    return CallKind.ACCOUNT, None, 0


def parse_portal(base_url: str) -> str:
    """Return the host of a URL, with its port where that is not 443."""
    scheme, _, rest = base_url.partition("://")
    host = rest.partition("/")[0].removesuffix(":443" if scheme == "https" else "")
    has_port = host.rpartition(":")[2].isdigit() and not host.endswith("]")
    return host if has_port or scheme == "https" else f"{host}:80"
