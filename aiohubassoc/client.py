"""The client: it holds the connections and the quota, and starts runs."""

from __future__ import annotations

import asyncio
import os
import random  # noqa: TID251 -- it is injected here
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NoReturn, Self, Unpack

from aiohubassoc._batching.batch import MOST_PAIRS
from aiohubassoc._http.auth import TokenProvider, TokenSource
from aiohubassoc._http.call_outcome import make_outcome, to_error
from aiohubassoc._http.clock import Clock, SystemClock
from aiohubassoc._http.events import Events, parse_portal
from aiohubassoc._http.limiter import LimiterOptions, QuotaLimiter
from aiohubassoc._http.network_options import checked_base_url, checked_proxy
from aiohubassoc._http.retry_loop import Dependencies
from aiohubassoc._http.sender import Call
from aiohubassoc._http.senders import Senders, make_senders
from aiohubassoc._http.transport import Transport
from aiohubassoc._protocol.verdicts import Accepted, Replied
from aiohubassoc._run.batched import Batched, send_one_batch
from aiohubassoc._run.failure_limits import FailureLimits
from aiohubassoc._run.put import Put
from aiohubassoc._run.run import Run
from aiohubassoc._run.source import MOST_READ, Pairs, Source, count_items
from aiohubassoc._run.strategy import SkipLinked, Verify
from aiohubassoc._run.stream import OTHER_LOOP, OutcomeStream, VerificationStream
from aiohubassoc.arguments import (
    ClientOptions,
    LinkOptions,
    check_batches,
    check_journal,
    check_limits,
    check_linger,
    check_link_options,
    check_observer,
    check_run,
    check_shared,
    check_shared_quota,
    check_version,
    checked_concurrency,
)
from aiohubassoc.errors import ClientClosedError, OptionsError
from aiohubassoc.models import Report, VerificationReport
from aiohubassoc.observer import RunStartedEvent
from aiohubassoc.options import Quota, RetryPolicy, Timeouts
from aiohubassoc.pair import Pair, RecordId, RejectedPair

if TYPE_CHECKING:
    import ssl as _ssl
    from collections.abc import Callable, Iterable

    import aiohttp

    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc._run.strategy import Strategy
    from aiohubassoc.account import AccountCheck
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.models import Outcome
    from aiohubassoc.observer import Observer
    from aiohubassoc.planning import Plan
    from aiohubassoc.replies import DefaultAssociations
    from aiohubassoc.shared_quota.quota import SharedQuota
    from aiohubassoc.shared_quota.session import StoreSession

BASE_URL: Final = "https://api.hubapi.com"  # HubSpot, Associations v4
# The first is what most public code reads, the second what HubSpot's own tools set.
TOKEN_VARIABLES: Final = ("HUBSPOT_ACCESS_TOKEN", "PRIVATE_APP_ACCESS_TOKEN")
BASE_URL_VARIABLE: Final = "HUBSPOT_BASE_URL"


class AssociationClient:
    """
    Links pairs of HubSpot records by their default association.

    Use it as ``async with AssociationClient(token) as client``. Any number of tasks may share one
    client, and any number of runs may run in parallel: they share one quota and one bound of
    requests in flight. A client holds the token, so it can be neither pickled nor copied.

    Args:
        token: An access token (service key, private app or OAuth), or
            ``async def token(refused: str | None) -> str``, awaited for each call with None. After
            a 401 it gets the refused token, once for all calls that were refused, and one more
            attempt is made with the token it returns. A call waits for it for *timeouts*' ``total``
            at most, then raises `RunStoppedError`; a run raises it once its pairs are reported.
        base_url: Where HubSpot's API is. Must be https unless it is this machine.
        api_version: ``"v4"``, or a dated version such as ``"2026-09"`` or ``"2027-03-beta"``. One
            that is not an `ApiVersion` is used with a warning.
        quota: Upper limit; a limit that HubSpot reports can only lower it. None: start at 100
            calls in 10 s and adopt the limit HubSpot reports.
        share: The part of that quota to use, above 0 and up to 1.
        reserve_daily: How many of the account's daily calls to leave to other clients, where
            HubSpot reports how many are left: calls as an int, or a share of the daily limit as a
            float from 0 to 1. A run stops there; a call raises `DailyReserveError`. None: none.
        strict_quota: Whether no window may exceed the quota by a single call, even on a network
            that delays calls: 98 % of the speed at a round trip of 100 ms instead of 99 %.
        concurrency: The most requests in flight at once, 1 to 1,000. None: 64. The quota, not
            this, sets the pace; 16 go at first, until HubSpot took some.
        batch_quota: Upper limit of batch calls: HubSpot declares them exempt from the quota of
            single calls (HubSpot, API usage guidelines) and publishes no other. None: start at 10
            in 10 s and rise by one for each window that was too short, until HubSpot refuses a
            call. Two are in flight at first, at most four.
        batch_limiter: As *limiter*, for batch calls; for example another client's
            `batch_limiter`. None: a new one.
        shared_quota: Where the quota is kept that many processes share, that of single calls and
            that of batch calls: *quota*, *share*, *reserve_daily* and *batch_quota* then hold for
            all of them together. `SharedQuotaError` is raised when the client is entered and it
            cannot be used; a run stops when it no longer can. None: the quota is this client's.
        retry: When to retry a call.
        timeouts: How long one attempt may take.
        session: An aiohttp session to send through. Only its connections are used; it is not
            closed here, and no cookie is left in it. Less is known of its idle connections than of
            the client's own: see "Connections that are used again" in the documentation. None: a
            new session.
        limiter: A limiter to share with other clients of the same token; it has its own quota,
            share and reserve. None: a new one.
        allow_http: Whether the token may travel unencrypted to another machine.
        ssl: For a private certificate authority: a context that verifies. None: the system's
            certificates.
        proxy: The URL of a proxy, such as ``"http://user:password@proxy:3128"``. None: see
            *trust_env*.
        trust_env: Whether to use the proxy that the environment names: ``HTTPS_PROXY``, unless
            ``NO_PROXY`` has the host, or it is this machine.
        observer: What receives runs, requests, retries, throttles and outcomes: see `Observer`.
            None: nothing is; what is logged does not depend on it.
        clock: For tests. None: the running event loop's.
        jitter: For tests: draws evenly from 0 to 1. None: the system's.

    Raises:
        OptionsError: an argument that cannot work.
    """

    def __init__(
        self,
        token: str | TokenProvider,
        *,
        base_url: str = BASE_URL,
        api_version: str = "v4",
        quota: Quota | None = None,
        share: float = 1.0,
        reserve_daily: float | None = None,
        strict_quota: bool = False,
        concurrency: int | None = None,
        batch_quota: Quota | None = None,
        batch_limiter: Limiter | None = None,
        shared_quota: SharedQuota | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 -- frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008 -- frozen
        session: aiohttp.ClientSession | None = None,
        limiter: Limiter | None = None,
        allow_http: bool = False,
        ssl: _ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        observer: Observer | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        quotas = LimiterOptions(quota, share, reserve_daily, strict_quota, batch_quota)
        if limiter is not None and quotas != LimiterOptions(batch_quota=batch_quota):
            raise OptionsError("give a limiter or a quota: a limiter has its own quota")
        if batch_limiter is not None and batch_quota is not None:
            raise OptionsError("give a batch_limiter or a batch_quota: a limiter has its own")
        if session is not None and (ssl or proxy or trust_env):
            raise OptionsError("ssl, proxy and trust_env are for a session that the client makes")
        for value, needed in (
            (quota or Quota.STARTER, Quota),
            (batch_quota or Quota.STARTER, Quota),
            (retry, RetryPolicy),
            (timeouts, Timeouts),
        ):
            if not isinstance(value, needed):
                usage = ": give Quota.PROFESSIONAL or Quota(190, 10.0)" if needed is Quota else ""
                raise OptionsError(f"{value!r} is not a {needed.__name__}{usage}")
        limiters = {"limiter": limiter, "batch_limiter": batch_limiter}
        check_shared(session, limiters, ssl, clock, jitter)
        check_observer(observer)
        self._clock = clock or SystemClock()
        self._version = check_version(api_version, self._clock)
        self._concurrency = checked_concurrency(concurrency)
        self._base_url = checked_base_url(base_url, allow_http=allow_http)
        self._events = Events(observer, portal=parse_portal(self._base_url), clock=self._clock)
        self._tokens = TokenSource(token, timeouts.total)
        check_shared_quota(shared_quota, limiter, batch_limiter)
        self._shared: StoreSession | None = None
        self._batch_quota = batch_quota
        if shared_quota is not None:
            self._shared = shared_quota.open_session(quotas, self._clock)
            limiter, batch_limiter = self._shared.limiter, self._shared.batch_limiter
        own: QuotaLimiter | None = None
        if limiter is None:
            limiter = own = quotas.make_limiter(QuotaLimiter, self._clock)
        if batch_limiter is None:
            batch_limiter = own_batches = quotas.make_batch_limiter(QuotaLimiter, self._clock)
            if own is not None:
                own_batches.share_daily(own)
        self._limiter: Limiter = limiter
        self._batch_limiter: Limiter = batch_limiter
        self._retry = retry
        self._jitter = jitter or random.random
        self._transport = Transport(
            self._base_url,
            timeouts=timeouts,
            connections=self._concurrency,
            session=session,
            ssl=ssl,
            proxy=None if proxy is None else checked_proxy(proxy),
            trust_env=trust_env,
        )
        self._senders: Senders | None = None
        self._closed = False

    @classmethod
    def from_env(cls, **options: Unpack[ClientOptions]) -> Self:
        """
        Return a client whose token, and base URL where it is set, come from the environment.

        ``HUBSPOT_ACCESS_TOKEN``, then ``PRIVATE_APP_ACCESS_TOKEN``; ``HUBSPOT_BASE_URL``.

        Args:
            **options: The keyword arguments of the class; they win over the environment.

        Raises:
            OptionsError: no token is there, or as for the class.
        """
        if "token" in options:
            raise OptionsError("from_env() reads the token itself: give it to AssociationClient()")
        for variable in TOKEN_VARIABLES:
            if token := os.environ.get(variable, "").strip():
                break
        else:
            raise OptionsError(f"set {' or '.join(TOKEN_VARIABLES)} to an access token")
        if base_url := os.environ.get(BASE_URL_VARIABLE, "").strip():
            options.setdefault("base_url", base_url)
            try:
                return cls(token, **options)
            except OptionsError as error:
                name, space, rest = str(error).partition(" ")
                if name != "base_url" or options["base_url"] != base_url:
                    raise
                raise OptionsError(f"{BASE_URL_VARIABLE}{space}{rest}") from None
        return cls(token, **options)

    @property
    def limiter(self) -> Limiter:
        """The limiter, to share with another client or to read its quota."""
        return self._limiter

    @property
    def batch_limiter(self) -> Limiter:
        """The limiter of batch calls."""
        return self._batch_limiter

    async def __aenter__(self) -> Self:
        if self._closed or self._senders is not None:
            raise ClientClosedError("a client can be entered once: make a new one")
        if self._shared is not None:
            await self._shared.open()
        await self._transport.open()
        self._senders = make_senders(
            self._version,
            Dependencies(
                self._transport,
                self._tokens,
                asyncio.Semaphore(self._transport.connections),
                self._retry,
                self._clock,
                self._jitter,
                self._events,
            ),
            limiter=self._limiter,
            batch_limiter=self._batch_limiter,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """
        Close the connections; every call from now on raises ClientClosedError.

        Raises:
            ClientClosedError: the client was opened in another event loop, which is not closed.
        """
        if self._senders is not None and not self._senders.loop.is_closed():
            self._senders_in_loop()
        self._closed = True
        self._senders = None
        try:
            await self._transport.close()
        finally:  # cancelled or not
            if self._shared is not None:
                await self._shared.close()

    async def create_default(self, pair: Pair) -> DefaultAssociations:
        """
        Link one pair and return HubSpot's reply, which confirms the link.

        Waits for the quota, and retries as the retry policy says.

        Raises:
            PartialFailureError: 2xx with errors inside.
            UnconfirmedError: 2xx, each time without confirming the link.
            ApiError: HubSpot refused the pair, or the attempts are used up.
            TransportError: no valid response came; ``maybe_applied`` says what that leaves open.
            DailyReserveError: the calls left of the day are reserved; nothing was sent.
            ClientClosedError: outside ``async with``.
            OptionsError: it is not a pair.
            PairError: it is that of an outcome that failed with a PairError.
        """
        if not isinstance(pair, Pair):
            raise OptionsError(f"{pair!r} is not a Pair: give Pair(from_type, 101, to_type, 202)")
        if isinstance(pair, RejectedPair):
            raise pair.to_error()
        call = Call(pair)
        verdict = await self._senders_in_loop().single.send(call)
        assert not isinstance(verdict, Replied)  # noqa: S101 -- that is of many
        if self._events.on_outcome is not None:
            self._events.on_outcome(make_outcome(0, pair, call, verdict))
        if isinstance(verdict, Accepted):
            return verdict.reply
        raise to_error(verdict)

    async def create_default_batch(
        self,
        from_type: str,
        to_type: str,
        pairs: Iterable[Pair | tuple[RecordId, RecordId]],
    ) -> list[Outcome]:
        """
        Link up to 2,000 pairs in one call, and return the outcome of each, in their order.

        Waits for the batch quota, and retries as the retry policy says. The pairs are sent
        together only. `link_each` with ``via="batch"`` takes any number of pairs, and sends those
        singly that the reply does not mention, or that are refused together with others.

        Args:
            from_type: The object type of the first records.
            to_type: The object type of the second records.
            pairs: `Pair` of these types, or ``(from_id, to_id)``; 1 to 2,000 different ones
                (HubSpot, Associations v4). A repeated one is sent once and has an outcome each
                time; at most 10,000 items are read. None may be the reverse of another.

        Returns:
            Outcomes that are ``linked``, ``partial`` or ``failed``; a pair that the reply does not
            mention has failed with `UnconfirmedError`.

        Raises:
            UnconfirmedError: 2xx, each time without mentioning a pair.
            ApiError: HubSpot refused the call, or the attempts are used up.
            TransportError: no valid response came; ``maybe_applied`` says what that leaves open.
            DailyReserveError: the calls left of the day are reserved; nothing was sent.
            ClientClosedError: outside ``async with``.
            OptionsError: they are too many, none, of other types, or reversed.
            PairError: a type or an id that cannot be sent.
        """
        sender = self._senders_in_loop().batch
        on_outcome = self._events.on_outcome
        return await send_one_batch(sender.send, (from_type, to_type), pairs, on_outcome)

    async def check(self, from_type: str, to_type: str, *, quick: bool = False) -> AccountCheck:
        """
        Return whether a run for these object types would work: the token, its scopes, the limits.

        Nothing is written to HubSpot. It takes up to five calls, which wait for the quota and are
        retried as the retry policy says. What HubSpot does not report is unknown; no error is
        raised for it.

        Args:
            from_type: The object type of the first records.
            to_type: The object type of the second records.
            quick: Make three calls only: a batch read, which HubSpot's ten-second limit does not
                count, one for the token's scopes, and meanwhile one for the account's time zone,
                which is not waited for. What they do not say is unknown.

        Raises:
            ClientClosedError: outside ``async with``.
            PairError: a type that cannot be sent.
        """
        from aiohubassoc.account_check import check_account  # noqa: PLC0415 -- only when asked for

        senders = self._senders_in_loop()
        pair = Pair(from_type, 1, to_type, 1)
        types = (pair.from_type, pair.to_type)
        send = senders.account.send
        base_url, version = self._base_url, self._version
        return await check_account(send, base_url, version, types, self._token, quick=quick)

    def link_each(
        self,
        pairs: Pairs,
        *,
        from_type: str | None = None,
        to_type: str | None = None,
        via: Literal["put", "batch"] = "put",
        skip_linked: bool = False,
        batch_size: int = MOST_PAIRS,
        batch_linger: float = 1.0,
        ordered: bool = False,
        stop_after_failures: int | None = None,
        stop_after_alike: int | None = 50,
        stall_timeout: float | None = 300.0,
        drain_timeout: float = 5.0,
        max_failures_kept: int = 1000,
        journal: Journal | None = None,
        retry_failed: bool = False,
    ) -> OutcomeStream:
        """
        Link pairs and yield an outcome for each, as they finish.

        Use it as ``async with client.link_each(pairs) as outcomes`` and iterate over ``outcomes``.
        Nothing is raised for a pair. The input is read only as fast as outcomes are taken: at most
        1,000 pairs beyond the last one, or two batches, or as many batches as are in flight; with
        ``skip_linked`` 4,000 pairs more.

        The run stops by itself when the token or its scopes are refused, at the daily limit, at
        what ``reserve_daily`` leaves of it, when
        the base URL is not HubSpot's, and as the arguments say; every pair from then on is
        ``unprocessed``, and ``outcomes.report.stopped`` says why.

        Args:
            pairs: Any sync or async iterable of `Pair`, or of ``(from_id, to_id)`` where the types
                are given, or a data frame: see `Pairs`. A sync one is asked on the event loop and
                should return items without waiting.
            from_type: The object type of all ``from_id``; None if the items are pairs.
            to_type: The object type of all ``to_id``; None: see *from_type*.
            via: ``"put"``: a call for each pair. ``"batch"``: a call for up to 2,000 pairs of the
                same two types, which counts against ``batch_quota``. A pair that a batch's reply
                does not mention is sent alone, and so is each that may be the cause where HubSpot
                refused a batch; ``attempts`` of an outcome counts all calls that the pair was in.
            skip_linked: Whether HubSpot is asked first which pairs are linked already, a thousand
                records a call: these are ``skipped`` without a call. Reading needs scopes to read.
            batch_size: The most pairs of a batch, 1 to 2,000 (HubSpot, Associations v4).
            batch_linger: Seconds after which a batch is sent even if it is not full, because the
                input is slow; a lookup of links too.
            ordered: Whether outcomes come in the input's order.
            stop_after_failures: Stop once this many pairs failed, partially or wholly. None: never.
            stop_after_alike: Stop with `RefusedAlikeError` once HubSpot refused this many pairs in
                a row for the same reason and linked none between them; ten times as many where each
                refusal names a record of the pair refused, as deleted records come in rows. Those
                refused are ``failed``. None: never.
            stall_timeout: Stop when no pair has completed for this many seconds since an attempt
                failed; a slow input does not count. None: never.
            drain_timeout: Seconds that calls in flight may take to end when the block is left
                early.
            max_failures_kept: How many outcomes the report keeps of those not linked or skipped.
            journal: A run folder. Each outcome is in it before it is reported, at most 0.2 s later;
                pairs that it knows as linked are ``skipped`` without a call, and so are repeated
                ones. It is locked when the block is entered, which may raise a `JournalError`; if
                it can no longer be written the run stops, and what could not be written is
                ``unprocessed``. None: nothing is kept.
            retry_failed: Whether pairs that failed in an earlier run of that folder are resent.
                False: their earlier failure is reported.

        Raises:
            OptionsError: an argument that cannot work.
            PairError: a type that cannot be sent.
            ClientClosedError: outside ``async with``.
        """
        check_run(stall_timeout, drain_timeout, max_failures_kept)
        check_limits(stop_after_failures, stop_after_alike)
        check_journal(journal, retry_failed=retry_failed)
        senders = self._open_senders()
        strategy = self._make_strategy(
            via, senders, batch_size, batch_linger, skip_linked=skip_linked
        )
        started = self._make_started(via, pairs, skip_linked=skip_linked)
        recorder = None
        if journal is not None:
            portal = {"portal": self._base_url}
            recorder = journal.recording(portal, self._clock, retry_failed=retry_failed)
            recorder.run_id = started.run
        report = Report(max_failures_kept=max_failures_kept)
        run = Run(
            Source(pairs, from_type, to_type),
            strategy,
            report,
            clock=self._clock,
            events=self._events,
            started=started,
            ordered=ordered,
            stall_timeout=stall_timeout,
            drain_timeout=drain_timeout,
            limits=FailureLimits(stop_after_failures, stop_after_alike),
            recorder=recorder,
        )
        return OutcomeStream(run, report, senders.loop, "link_each")

    def _make_started(
        self, mode: str, pairs: object, *, skip_linked: bool = False
    ) -> RunStartedEvent:
        """Return what is reported when a run begins, with a new id for the run."""
        run_id, total = os.urandom(8).hex(), count_items(pairs)
        quota = (self._limiter if mode == "put" else self._batch_limiter).quota
        return RunStartedEvent(run_id, self._events.portal, mode, skip_linked, total, quota)

    def _make_strategy(
        self, via: str, senders: Senders, batch_size: int, batch_linger: float, *, skip_linked: bool
    ) -> Strategy[Outcome]:
        check_batches(via, batch_size, batch_linger)
        skip = None
        if skip_linked:
            skip = SkipLinked(senders.links.send, linger=batch_linger, clock=self._clock)
        if via == "put":
            return Put(senders.single.send, workers=self._concurrency, skip=skip)
        return Batched(
            senders.batch.send,
            senders.single.send,
            size=batch_size,
            linger=batch_linger,
            max_in_flight=lambda: getattr(self._batch_limiter, "max_in_flight", None) or 2,
            concurrency=self._concurrency,
            clock=self._clock,
            skip=skip,
        )

    def verify(
        self,
        pairs: Pairs,
        *,
        from_type: str | None = None,
        to_type: str | None = None,
        ordered: bool = False,
        stall_timeout: float | None = 300.0,
        drain_timeout: float = 5.0,
        max_failures_kept: int = 1000,
        wait: float = 1.0,
    ) -> VerificationStream:
        """
        Read back which pairs are linked, and yield a verification of each.

        Use it as ``async with client.verify(pairs) as found`` and iterate over ``found``. Nothing
        is written; nothing is raised for a pair. It finds what no other check does: a response that
        reported success although nothing was linked. Up to 1,000 records are asked for in a call,
        which counts against ``batch_quota`` and needs scopes to read. It stops by itself as
        `link_each` does; every pair from then on is ``unknown``.

        Args:
            pairs: As for `link_each`. Of records with many links all pages are read until every
                pair is found: let the first records be those with fewer links.
            from_type: As for `link_each`.
            to_type: As for `link_each`.
            ordered: Whether they come in the input's order.
            stall_timeout: As for `link_each`.
            drain_timeout: As for `link_each`.
            max_failures_kept: How many pairs the report keeps that are not linked.
            wait: Seconds after which pairs are looked up even if others could be looked up with
                them, because the input is slow.

        Raises:
            OptionsError: an argument that cannot work.
            PairError: a type that cannot be sent.
            ClientClosedError: outside ``async with``.
        """
        check_run(stall_timeout, drain_timeout, max_failures_kept)
        check_linger("wait", wait)
        senders = self._open_senders()
        report = VerificationReport(max_failures_kept=max_failures_kept)
        run = Run(
            Source(pairs, from_type, to_type),
            Verify(senders.links.send, linger=wait, clock=self._clock),
            report,
            clock=self._clock,
            events=self._events,
            started=self._make_started("verify", pairs),
            ordered=ordered,
            stall_timeout=stall_timeout,
            drain_timeout=drain_timeout,
        )
        return VerificationStream(run, report, senders.loop, "verify")

    async def link_all(self, pairs: Pairs, **options: Unpack[LinkOptions]) -> Report:
        """
        Link all pairs and return the report.

        Nothing is raised for a pair: see ``Report.raise_for_failures()``.

        Args:
            pairs: As for `link_each`.
            **options: The keyword arguments of `link_each`, but for ``ordered``.
        """
        check_link_options(options)
        async with self.link_each(pairs, **options) as outcomes:
            async for _ in outcomes:
                pass
        return outcomes.report

    async def plan(
        self,
        pairs: Pairs,
        *,
        from_type: str | None = None,
        to_type: str | None = None,
        journal: Journal | None = None,
        retry_failed: bool = False,
        daily_calls: int | None = None,
    ) -> Plan:
        """
        Read all pairs and return what a run of `link_all` would do and how long it would take.

        Nothing is sent, nothing is written, and the client need not be entered.

        Args:
            pairs: As for `link_each`; an iterator is used up by it.
            from_type: As for `link_each`.
            to_type: As for `link_each`.
            journal: The run folder that would be used, there or not; it may be in use. None: none.
            retry_failed: As for `link_each`.
            daily_calls: Calls that the account has a day, such as 625,000 (HubSpot, API usage
                guidelines, "Limits"). None: not known.

        Raises:
            OptionsError: an argument that cannot work.
            PairError: an item that is neither a pair nor two ids, or a type that cannot be sent.
            JournalError: the folder cannot be read.
            OSError, sqlite3.Error: the temporary file that finds duplicates cannot be written.
        """
        from aiohubassoc.planning import Planner, used_in_thread  # noqa: PLC0415 -- when asked for

        check_journal(journal, retry_failed=retry_failed)
        source = Source(pairs, from_type, to_type)
        planner = Planner(journal, retry_failed=retry_failed)
        async with used_in_thread(planner) as thread:
            try:
                while items := await source.read(MOST_READ):
                    read = [(source.pair(index, item), index) for index, item in items]
                    valid = [(pair, at) for pair, at in read if not isinstance(pair, tuple)]
                    planner.invalid += len(read) - len(valid)
                    await thread.run(partial(planner.add_all, valid))
            finally:
                await source.close()
            plan = partial(
                planner.plan,
                self._limiter.quota,
                concurrency=self._concurrency,
                daily_calls=daily_calls,
                now=self._clock.utc_now(),
                batch_quota=self._batch_quota,
            )
            return await thread.run(plan)

    async def _token(self) -> str:
        return self._tokens.fixed or await self._tokens.current()

    def _open_senders(self) -> Senders:
        if self._senders is None:
            raise ClientClosedError
        return self._senders

    def _senders_in_loop(self) -> Senders:
        senders = self._open_senders()
        if asyncio.get_running_loop() is not senders.loop:
            raise ClientClosedError(OTHER_LOOP)
        return senders

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied: it holds the token and connections")

    def __repr__(self) -> str:
        state = "closed" if self._closed else "new" if self._senders is None else "open"
        return f"<AssociationClient {self._base_url} {self._version} {state}>"
