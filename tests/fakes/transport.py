"""A transport without a network, with scripted responses, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from multidict import CIMultiDict

from aiohubassoc import Outcome, Pair, Quota, QuotaLimiter, Report, RetryPolicy
from aiohubassoc._http.auth import TokenProvider, TokenSource
from aiohubassoc._http.clock import SystemClock
from aiohubassoc._http.events import Events
from aiohubassoc._http.failures import NoResponse
from aiohubassoc._http.retry_loop import Dependencies
from aiohubassoc._http.sender import Sender
from aiohubassoc._protocol.classify import EndpointProof
from aiohubassoc._protocol.requests import Endpoint, create_default
from aiohubassoc._protocol.verdicts import Response
from aiohubassoc._run.failure_limits import FailureLimits
from aiohubassoc._run.put import Put
from aiohubassoc._run.run import Run
from aiohubassoc._run.source import Source
from aiohubassoc._run.stream import OutcomeStream
from aiohubassoc.observer import RunStartedEvent
from aiohubassoc.options import ApiVersion
from tests.protocol.judging import judge

if TYPE_CHECKING:
    from datetime import datetime

    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc._protocol.verdicts import Verdict
    from aiohubassoc._run.strategy import Strategy

Scripted = Response | NoResponse | Callable[[Endpoint], Response]


def error(status: int, *, headers: dict[str, str] | None = None, **body: Any) -> Response:
    """Return an error of HubSpot's."""
    whole = {"status": "error", "message": f"reported {status}", **body}
    return Response(status, CIMultiDict(headers or {}), orjson.dumps(whole))


def reply(*results: tuple[str, str], status: int = 200, **more: Any) -> Response:
    """Return a 2xx with these results."""
    found = [{"from": {"id": a}, "to": {"id": b}} for a, b in results]
    return Response(
        status, CIMultiDict(), orjson.dumps({"status": "COMPLETE", "results": found, **more})
    )


def linked(endpoint: Endpoint) -> Response:
    """Return the usual success for the pair that was asked for."""
    parts = endpoint.path.split("/")
    return reply((parts[5], parts[9]), (parts[9], parts[5]))


class FakeTransport:
    """
    Responses from a script.

    Args:
        script: Answers for the calls of one pair in turn, by its from-id; "*" for all pairs. When
            a script is used up, the pair is linked.
        latency: Seconds for each call.

    Attributes:
        refused_tokens: Tokens that a call is refused with.
        headers: Of every response, in place of its own; empty: its own.
    """

    def __init__(
        self, script: dict[str, Iterable[Scripted]] | None = None, *, latency: float = 0.1
    ) -> None:
        self._script = {key: iter(answers) for key, answers in (script or {}).items()}
        self.latency = latency
        self.sent: list[tuple[float, str]] = []
        self.tokens: list[str] = []
        self.calls: Counter[str] = Counter()
        self.on_wire = self.most_on_wire = 0
        self.refused_tokens: set[str] = set()
        self.headers: dict[str, str] = {}

    async def send(
        self, endpoint: Endpoint, token: str
    ) -> tuple[Response | NoResponse, float | None]:
        """Return the response after the latency."""
        loop = asyncio.get_running_loop()
        from_id = endpoint.path.split("/")[5]
        self.sent.append((round(loop.time(), 6), from_id))
        self.calls[from_id] += 1
        self.tokens.append(token)
        self.on_wire += 1
        self.most_on_wire = max(self.most_on_wire, self.on_wire)
        try:
            await SystemClock().sleep(self.latency)
        finally:
            self.on_wire -= 1
        if token in self.refused_tokens:
            return error(401, category="EXPIRED_AUTHENTICATION"), 0.0
        scripted: Scripted = linked
        for key in (from_id, "*"):
            if (next_one := next(self._script.get(key, iter(())), None)) is not None:
                scripted = next_one
                break
        answer = scripted if not callable(scripted) else scripted(endpoint)
        if self.headers and isinstance(answer, Response):
            answer.headers = CIMultiDict(self.headers)
        return answer, 0.0


def sender_of(
    transport: FakeTransport,
    *,
    token: str | TokenProvider = "token-1",
    quota: Quota | None = None,
    limiter: Limiter | None = None,
    policy: RetryPolicy | None = None,
    concurrency: int = 64,
    jitter: float = 0.5,
    judge: Callable[[Response, Pair, Callable[[], datetime]], Verdict] = judge,
    proof: EndpointProof | None = None,
    events: Events | None = None,
) -> Sender[Pair]:
    """Return a sender over the fake, in the running loop's time."""
    shared = Dependencies(
        transport,  # type: ignore[arg-type]  # it has what a sender uses
        TokenSource(token),
        asyncio.Semaphore(concurrency),
        policy or RetryPolicy(),
        SystemClock(),
        lambda: jitter,
        events or Events(None, portal="api.hubapi.com", clock=SystemClock()),
        proof or EndpointProof(),
    )
    return Sender(
        shared,
        limiter or QuotaLimiter(quota or Quota(1000, 1.0)),
        endpoint=partial(create_default, ApiVersion.V4),
        judge_reply=lambda response, one: judge(response, one, SystemClock().utc_now),
        judge_refusal=lambda response, one, now: judge(response, one, lambda: now),
    )


def pair(number: int) -> Pair:
    """Return the pair of that number."""
    return Pair("contacts", number, "companies", number + 1_000_000)


def stream_of(
    pairs: Any,
    transport: FakeTransport | None = None,
    *,
    sender: Sender[Pair] | None = None,
    types: tuple[str, str] | tuple[None, None] = (None, None),
    workers: int = 8,
    **options: Any,
) -> OutcomeStream:
    """Return a run over the fake."""
    sender = sender or sender_of(transport or FakeTransport())
    return stream_over(Source(pairs, *types), Put(sender.send, workers=workers), **options)


def stream_over(
    source: Source,
    strategy: Strategy[Outcome],
    *,
    recorder: Any = None,
    stop_after_failures: int | None = None,
    stop_after_alike: int | None = None,
    max_failures_kept: int = 1000,
    **options: Any,
) -> OutcomeStream:
    """Return a run of a strategy over a source."""
    report = Report(max_failures_kept=max_failures_kept)
    run = Run(
        source,
        strategy,
        report,
        clock=SystemClock(),
        events=Events(None, portal="api.hubapi.com", clock=SystemClock()),
        started=RunStartedEvent(
            "0123456789abcdef",
            "api.hubapi.com",
            "put",
            skip_linked=False,
            total=None,
            quota=Quota(1000, 1.0),
        ),
        **{"stall_timeout": None, **options},
        limits=FailureLimits(stop_after_failures, stop_after_alike),
        recorder=recorder,
    )
    return OutcomeStream(run, report, asyncio.get_running_loop(), "link_each")
