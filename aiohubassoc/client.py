"""The client: a session manager with a handful of verbs."""

from __future__ import annotations

import asyncio
import os
import random  # noqa: TID251 -- it is injected here
import warnings
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypedDict, Unpack

from aiohubassoc._core.endpoints import checked_base_url, create_default
from aiohubassoc._core.verdict import Accepted
from aiohubassoc._io.call import Call, settled_error
from aiohubassoc._io.clock import Clock, SystemClock
from aiohubassoc._io.limiter import Limiter, WindowLimiter
from aiohubassoc._io.sender import Sender
from aiohubassoc._io.source import Pairs, Source
from aiohubassoc._io.stream import OutcomeStream
from aiohubassoc._io.tokens import TokenProvider, TokenSource
from aiohubassoc._io.transport import Transport
from aiohubassoc.errors import ClientClosedError, OptionsError
from aiohubassoc.options import ApiVersion, Quota, RetryPolicy, Timeouts
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    import ssl as _ssl
    from collections.abc import Callable
    from types import TracebackType

    import aiohttp

    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.models import DefaultAssociations, Report
    from aiohubassoc.planning import Plan

BASE_URL: Final = "https://api.hubapi.com"  # HubSpot, Associations v4
# The first is what most public code reads, the second what HubSpot's own tools set.
TOKEN_VARIABLES: Final = ("HUBSPOT_ACCESS_TOKEN", "PRIVATE_APP_ACCESS_TOKEN")
BASE_URL_VARIABLE: Final = "HUBSPOT_BASE_URL"
# In flight = rate x latency: at 25 calls a second and half a second each, 13.
DEFAULT_CONCURRENCY: Final = 64
_MOST_CONCURRENCY: Final = 1000
_BREATHER: Final = 256
# HubSpot, Associations v4: support ends on 2027-03-30. Warned of 90 days before.
_V4_WARNED_FROM: Final = date(2026, 12, 30)


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of `AssociationClient`."""

    base_url: str
    api_version: str
    quota: Quota | None
    share: float
    reserve_daily: float | None
    strict_quota: bool
    concurrency: int | None
    retry: RetryPolicy
    timeouts: Timeouts
    session: aiohttp.ClientSession | None
    limiter: Limiter | None
    allow_http: bool
    ssl: _ssl.SSLContext | None
    trust_env: bool
    clock: Clock | None
    jitter: Callable[[], float] | None


class AssociationClient:
    """
    Links pairs of HubSpot records by their default association.

    Use it as ``async with AssociationClient(token) as client``. Any number of tasks may share one
    client, and any number of runs may go at once: one quota and one bound of requests on the wire
    hold for all of them.

    Args:
        token: An access token (service key, private app or OAuth), or
            ``async def token(refused: str | None) -> str``, awaited for each call with None; after
            a 401 it is told, once for all calls that were refused, which token it was, and one
            more try is made with what it returns.
        base_url: Where HubSpot's API is. Must be https unless it is this machine.
        api_version: ``"v4"``, ``"2026-03"`` or ``"2026-09"``.
        quota: Never exceeded; what HubSpot names in its answers can only lower it. None: begin
            with 100 calls in 10 s and take what HubSpot names.
        share: The part of that quota which is ours, above 0 and up to 1.
        reserve_daily: What to leave for others of the account's calls a day, where HubSpot says
            how many are left: calls as an int, or a share of the day's limit as a float from 0 to
            1. A run stops there; a call raises `DailyReserveError`. None: nothing.
        strict_quota: Whether no window may hold a call too many whatever the network does, for a
            speed of 98 % at a round trip of 100 ms instead of 99 %.
        concurrency: The most requests on the wire at once, 1 to 1,000. None: 64. The quota, not
            this, sets the pace; 16 go at first, until HubSpot took some.
        retry: When to try a pair again.
        timeouts: How long one try may take.
        session: An aiohttp session to send through. It lends its connections only and is not
            closed here. None: a session of its own.
        limiter: A limiter to share with other clients of the same token; it has a quota, a share
            and a reserve of its own. None: one of its own.
        allow_http: Whether the token may travel unencrypted to another machine.
        ssl: For a private certificate authority: a context that verifies. None: the system's
            certificates.
        trust_env: Whether to use the proxy that the environment names.
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
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 -- frozen
        timeouts: Timeouts = Timeouts(),  # noqa: B008 -- frozen
        session: aiohttp.ClientSession | None = None,
        limiter: Limiter | None = None,
        allow_http: bool = False,
        ssl: _ssl.SSLContext | None = None,
        trust_env: bool = False,
        clock: Clock | None = None,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        own = (quota, share, reserve_daily, strict_quota)
        if limiter is not None and own != (None, 1.0, None, False):
            raise OptionsError("give a limiter or a quota: a limiter has a quota of its own")
        if session is not None and (ssl is not None or trust_env):
            raise OptionsError("ssl and trust_env are for a session of the client's own")
        for value, needed in (
            (quota or Quota.STARTER, Quota),
            (retry, RetryPolicy),
            (timeouts, Timeouts),
        ):
            if not isinstance(value, needed):
                raise OptionsError(f"{value!r} is not a {needed.__name__}")
        self._clock = clock or SystemClock()
        self._version = _version(api_version, self._clock)
        self._concurrency = checked_concurrency(concurrency)
        self._base_url = checked_base_url(base_url, allow_http=allow_http)
        self._tokens = TokenSource(token)
        self._limiter = limiter or WindowLimiter(
            quota,
            share=share,
            reserve_daily=reserve_daily,
            strict=strict_quota,
            clock=self._clock,
        )
        self._retry = retry
        self._jitter = jitter or random.random
        self._transport = Transport(
            self._base_url,
            timeouts=timeouts,
            connections=self._concurrency,
            session=session,
            ssl=ssl,
            trust_env=trust_env,
        )
        self._sender: Sender | None = None
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
        for variable in TOKEN_VARIABLES:
            if token := os.environ.get(variable, "").strip():
                break
        else:
            raise OptionsError(f"set {' or '.join(TOKEN_VARIABLES)} to an access token")
        if base_url := os.environ.get(BASE_URL_VARIABLE, "").strip():
            options.setdefault("base_url", base_url)
        return cls(token, **options)

    @property
    def limiter(self) -> Limiter:
        """The limiter: to be shared with another client, or asked for the quota it keeps."""
        return self._limiter

    async def __aenter__(self) -> Self:
        if self._closed or self._sender is not None:
            raise ClientClosedError("a client can be entered once")
        await self._transport.open()
        self._sender = Sender(
            transport=self._transport,
            endpoint=partial(create_default, self._version),
            tokens=self._tokens,
            limiter=self._limiter,
            semaphore=asyncio.Semaphore(self._transport.connections),
            policy=self._retry,
            clock=self._clock,
            jitter=self._jitter,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; every call from now on raises ClientClosedError."""
        self._closed = True
        self._sender = None
        await self._transport.close()

    async def create_default(self, pair: Pair) -> DefaultAssociations:
        """
        Link one pair and return HubSpot's reply, which confirms the link.

        Waits for the quota, and tries again as the retry policy says.

        Raises:
            PartialFailureError: 2xx with errors inside.
            UnconfirmedError: 2xx, each time without confirming the link.
            ApiError: HubSpot refused the pair, or the tries are used up.
            TransportError: no usable answer came; ``maybe_applied`` says what that leaves open.
            DailyReserveError: the calls left of the day are reserved; nothing was sent.
            ClientClosedError: outside ``async with``.
            OptionsError: it is not a pair.
        """
        if not isinstance(pair, Pair):
            raise OptionsError(f"{pair!r} is not a Pair")
        settled = await self._open_sender().settle(Call(pair))
        if isinstance(settled, Accepted):
            return settled.reply
        raise settled_error(settled)

    def link_each(
        self,
        pairs: Pairs,
        *,
        from_type: str | None = None,
        to_type: str | None = None,
        ordered: bool = False,
        stop_after_failures: int | None = None,
        give_up_after: float | None = 300.0,
        drain: float = 5.0,
        keep_failures: int = 1000,
        journal: Journal | None = None,
        retry_failed: bool = False,
    ) -> OutcomeStream:
        """
        Link pairs and yield an outcome for each, as they finish.

        Use it as ``async with client.link_each(pairs) as outcomes`` and iterate over ``outcomes``.
        Nothing is raised for a pair. The input is read only as fast as outcomes are taken: at most
        1,000 pairs beyond the last one.

        The run stops by itself when the token or its scopes are refused, at the daily limit, at
        what ``reserve_daily`` leaves of it, when
        the base URL is not HubSpot's, and as the arguments say; every pair from then on is
        ``unprocessed``, and ``outcomes.report.stopped`` says why.

        Args:
            pairs: Any sync or async iterable of `Pair`, or of ``(from_id, to_id)`` where the types
                are given, or a data frame: see `Pairs`. A sync one is asked on the event loop and
                should answer at once.
            from_type: The object type of all ``from_id``; None if the items are pairs.
            to_type: The object type of all ``to_id``; None likewise.
            ordered: Whether outcomes come in the input's order.
            stop_after_failures: Stop once so many pairs failed, partially or wholly. None: never.
            give_up_after: Stop after so many seconds of nothing but trouble: no pair settled.
                None: never.
            drain: Seconds that requests on the wire may take to end when the block is left early.
            keep_failures: How many outcomes the report keeps of those not linked or skipped.
            journal: A run folder. Each outcome is in it before it is told, at most 0.2 s later;
                pairs that it knows as linked are ``skipped`` without a call, and so are repeated
                ones. It is locked when the block is entered, which may raise a `JournalError`; if
                it can no longer be written the run stops, and what could not be written is
                ``unprocessed``. None: nothing is kept.
            retry_failed: Whether pairs that failed in an earlier run of that folder are sent again.
                False: they are told again as they were.

        Raises:
            OptionsError: an argument that cannot work.
            PairError: a type that cannot be sent.
            ClientClosedError: outside ``async with``.
        """
        if stop_after_failures is not None and stop_after_failures < 1:
            raise OptionsError("stop_after_failures must be 1 or more, or None")
        if give_up_after is not None and not give_up_after > 0:
            raise OptionsError("give_up_after must be a number of seconds above 0, or None")
        if not drain >= 0:
            raise OptionsError("drain must be a number of seconds, 0 or more")
        if keep_failures < 0:
            raise OptionsError("keep_failures must be 0 or more")
        return OutcomeStream(
            Source(pairs, from_type, to_type),
            self._open_sender().settle,
            workers=self._concurrency,
            ordered=ordered,
            stop_after_failures=stop_after_failures,
            give_up_after=give_up_after,
            drain=drain,
            keep_failures=keep_failures,
            clock=self._clock,
            recorder=None
            if journal is None
            else journal.recording(
                {"portal": self._base_url}, self._clock, retry_failed=retry_failed
            ),
        )

    async def link_all(
        self,
        pairs: Pairs,
        *,
        from_type: str | None = None,
        to_type: str | None = None,
        stop_after_failures: int | None = None,
        give_up_after: float | None = 300.0,
        drain: float = 5.0,
        keep_failures: int = 1000,
        journal: Journal | None = None,
        retry_failed: bool = False,
    ) -> Report:
        """
        Link pairs to the end and return how many came to what.

        Nothing is raised for a pair: see ``Report.raise_for_failures()``. The arguments are those
        of `link_each`.
        """
        async with self.link_each(
            pairs,
            from_type=from_type,
            to_type=to_type,
            stop_after_failures=stop_after_failures,
            give_up_after=give_up_after,
            drain=drain,
            keep_failures=keep_failures,
            journal=journal,
            retry_failed=retry_failed,
        ) as outcomes:
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
        Read pairs to their end and return what a run of `link_all` would do and take.

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
        from aiohubassoc.planning import Planner  # noqa: PLC0415 -- only when asked for

        source = Source(pairs, from_type, to_type)
        with Planner(journal, retry_failed=retry_failed) as planner:
            try:
                while (read := await source.next()) is not None:
                    index, item = read
                    pair = source.pair(index, item)
                    if isinstance(pair, tuple):
                        planner.invalid += 1
                    else:
                        planner.add(pair, index)
                    if index % _BREATHER == 0:  # or other tasks would wait for all of it
                        await self._clock.sleep(0)
            finally:
                await source.close()
            return planner.plan(
                self._limiter.quota,
                concurrency=self._concurrency,
                daily_calls=daily_calls,
                now=self._clock.utc_now(),
            )

    def _open_sender(self) -> Sender:
        if self._sender is None:
            raise ClientClosedError
        return self._sender

    def __repr__(self) -> str:
        state = "closed" if self._closed else "new" if self._sender is None else "open"
        return f"<AssociationClient {self._base_url} {self._version} {state}>"


def _version(text: str, clock: Clock) -> ApiVersion:
    try:
        version = ApiVersion(text)
    except ValueError:
        known = ", ".join(ApiVersion)
        raise OptionsError(f"api_version {text!r} is not one of {known}") from None
    if version is ApiVersion.V4 and clock.utc_now().date() >= _V4_WARNED_FROM:
        warnings.warn(
            "HubSpot supports its v4 associations until 2027-03-30: "
            f"set api_version to {ApiVersion.V2026_09.value!r}",
            FutureWarning,
            stacklevel=3,
        )
    return version


def checked_concurrency(given: int | None) -> int:
    """
    Return the most requests on the wire at once.

    Raises:
        OptionsError: a number that cannot work.
    """
    if given is None:
        return DEFAULT_CONCURRENCY
    if isinstance(given, bool) or not isinstance(given, int):
        raise OptionsError(f"concurrency must be an int, not {given!r}")
    if not 1 <= given <= _MOST_CONCURRENCY:
        raise OptionsError(f"concurrency must be 1 to {_MOST_CONCURRENCY}, not {given}")
    return given
