"""The keyword arguments of the client's verbs, and their checks."""

from __future__ import annotations

import warnings
from datetime import date
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from aiohubassoc.errors import OptionsError
from aiohubassoc.options import ApiVersion, Quota, RetryPolicy, Timeouts

if TYPE_CHECKING:
    import ssl as _ssl
    from collections.abc import Callable

    import aiohttp

    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.limiter import Limiter
    from aiohubassoc.journal.journal import Journal

# In flight = rate x latency: at 25 calls a second and half a second each, 13.
DEFAULT_CONCURRENCY: Final = 64
_MOST_CONCURRENCY: Final = 1000
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
    batch_quota: Quota | None
    batch_limiter: Limiter | None
    retry: RetryPolicy
    timeouts: Timeouts
    session: aiohttp.ClientSession | None
    limiter: Limiter | None
    allow_http: bool
    ssl: _ssl.SSLContext | None
    trust_env: bool
    clock: Clock | None
    jitter: Callable[[], float] | None


class LinkOptions(TypedDict, total=False):
    """The keyword arguments of `AssociationClient.link_all`."""

    from_type: str | None
    to_type: str | None
    via: Literal["put", "batch"]
    skip_linked: bool
    batch_size: int
    batch_wait: float
    stop_after_failures: int | None
    give_up_after: float | None
    drain: float
    keep_failures: int
    journal: Journal | None
    retry_failed: bool


def checked_version(text: str, clock: Clock) -> ApiVersion:
    """
    Return the API version; warn where its support is about to end.

    Raises:
        OptionsError: it is none.
    """
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


def check_run(
    stop_after_failures: int | None, give_up_after: float | None, drain: float, keep_failures: int
) -> None:
    """
    Raise OptionsError for an argument of a run that cannot work.

    Raises:
        OptionsError: it cannot.
    """
    if stop_after_failures is not None and stop_after_failures < 1:
        raise OptionsError("stop_after_failures must be 1 or more, or None")
    if give_up_after is not None and not give_up_after > 0:
        raise OptionsError("give_up_after must be a number of seconds above 0, or None")
    if not drain >= 0:
        raise OptionsError("drain must be a number of seconds, 0 or more")
    if keep_failures < 0:
        raise OptionsError("keep_failures must be 0 or more")


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
