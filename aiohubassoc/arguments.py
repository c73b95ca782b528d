"""The keyword arguments of the client's methods, and their checks."""

from __future__ import annotations

import re
import warnings
from datetime import date
from difflib import get_close_matches
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from aiohubassoc import __version__
from aiohubassoc._batching.batch import MOST_PAIRS
from aiohubassoc._http.events import METHODS
from aiohubassoc.errors import OptionsError
from aiohubassoc.options import ApiVersion, Quota, RetryPolicy, Timeouts, check_count
from aiohubassoc.pair import plain_text

if TYPE_CHECKING:
    import ssl as _ssl
    from collections.abc import Callable, Mapping

    import aiohttp

    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc.journal.journal import Journal
    from aiohubassoc.observer import Observer
    from aiohubassoc.shared_quota.quota import SharedQuota

# In flight = rate x latency: at 25 calls a second and half a second each, 13.
DEFAULT_CONCURRENCY: Final = 64
_MOST_CONCURRENCY: Final = 1000
# HubSpot, Associations v4: support ends on 2027-03-30. The warning starts 90 days before.
_V4_WARNED_FROM: Final = date(2026, 12, 30)
# HubSpot, API versioning: a year and a month; a beta of it before.
_VERSION: Final = re.compile(r"v4|[0-9]{4}-(0[1-9]|1[0-2])(-beta)?")


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
    shared_quota: SharedQuota | None
    retry: RetryPolicy
    timeouts: Timeouts
    session: aiohttp.ClientSession | None
    limiter: Limiter | None
    allow_http: bool
    ssl: _ssl.SSLContext | None
    proxy: str | None
    trust_env: bool
    observer: Observer | None
    clock: Clock | None
    jitter: Callable[[], float] | None


class LinkOptions(TypedDict, total=False):
    """The keyword arguments of `AssociationClient.link_all`."""

    from_type: str | None
    to_type: str | None
    via: Literal["put", "batch"]
    skip_linked: bool
    batch_size: int
    batch_linger: float
    stop_after_failures: int | None
    stop_after_alike: int | None
    stall_timeout: float | None
    drain_timeout: float
    max_failures_kept: int
    journal: Journal | None
    retry_failed: bool


def check_version(text: str, clock: Clock) -> str:
    """Return the API version. Warn if its support ends soon, or if it is unknown."""
    given: object = text
    if not isinstance(given, str) or _VERSION.fullmatch(given) is None:
        known = ", ".join(ApiVersion)
        raise OptionsError(
            f"api_version {text!r} is neither YYYY-MM, YYYY-MM-beta, nor one of {known}"
        )
    version = plain_text(text)
    if version not in list(ApiVersion):
        warnings.warn(
            f"api_version {version!r} is not known to aiohubassoc {__version__}: "
            f"the paths and replies of {ApiVersion.V2026_09.value} are expected",
            stacklevel=3,
        )
    if version == ApiVersion.V4 and clock.utc_now().date() >= _V4_WARNED_FROM:
        warnings.warn(
            "HubSpot supports its v4 associations until 2027-03-30: "
            f"set api_version to {ApiVersion.V2026_09.value!r}",
            FutureWarning,
            stacklevel=3,
        )
    return version


def check_shared_quota(shared_quota: object, *limiters: object) -> None:
    """Raise OptionsError unless it is a `SharedQuota` or None; it has its own limiters."""
    if shared_quota is None:
        return
    if not hasattr(shared_quota, "open_session"):
        raise OptionsError(
            "shared_quota must be a SharedQuota, such as SharedQuota('sqlite:///quota.db'), "
            f"not {type(shared_quota).__name__}"
        )
    if any(limiter is not None for limiter in limiters):
        raise OptionsError(
            "give a shared_quota or limiters, not both: a shared quota has its own limiters"
        )


def check_run(stall_timeout: float | None, drain_timeout: float, max_failures_kept: int) -> None:
    """Raise OptionsError for an invalid argument of a run."""
    if stall_timeout is not None:
        _check_seconds("stall_timeout", stall_timeout, "above 0, or None")
    if drain_timeout != 0 or isinstance(drain_timeout, bool):
        _check_seconds("drain_timeout", drain_timeout, "0 or more")
    check_count("max_failures_kept", max_failures_kept, 0)


def check_journal(journal: Journal | None, *, retry_failed: bool) -> None:
    """Raise OptionsError if the journal is not a `Journal`, for example a path, or is needed."""
    if retry_failed and journal is None:
        raise OptionsError(
            "retry_failed is for a run folder: give it too, such as journal=Journal('runs/1')"
        )
    if journal is not None and not hasattr(journal, "recording"):
        raise OptionsError(f"journal must be a Journal, such as Journal({str(journal)!r})")


def check_shared(
    session: object, limiters: Mapping[str, object], ssl: object, clock: object, jitter: object
) -> None:
    """Raise OptionsError for an object of a wrong type."""
    if session is not None and not hasattr(session, "connector"):
        raise OptionsError(f"session must be an aiohttp.ClientSession, not {session!r}")
    for name, limiter in limiters.items():
        if limiter is not None and not hasattr(limiter, "acquire"):
            quota = name.replace("limiter", "quota")
            raise OptionsError(
                f"{name} must be a Limiter, such as QuotaLimiter(...), not {limiter!r}: "
                f"a Quota is given as {quota}"
            )
    if not (ssl is None or isinstance(ssl, bool) or hasattr(ssl, "verify_mode")):
        raise OptionsError(f"ssl must be an ssl.SSLContext, not {ssl!r}")
    if clock is not None and not hasattr(clock, "utc_now"):
        raise OptionsError(f"clock must be a clock, such as FakeClock(), not {clock!r}")
    if jitter is not None and not callable(jitter):
        raise OptionsError(f"jitter must be a function that returns 0 to 1, not {jitter!r}")


def check_observer(observer: Observer | None) -> None:
    """Raise OptionsError for a class, or an object whose methods no client can call."""
    if observer is None:
        return
    if isinstance(observer, type):
        raise OptionsError(f"observer must be an object, not the class {observer.__name__}")
    methods = {name: getattr(observer, name, None) for name in METHODS}
    if not any(methods.values()):
        raise OptionsError(f"observer has none of {', '.join(METHODS)}: {observer!r}")
    for name, method in methods.items():
        if method is not None and (not callable(method) or iscoroutinefunction(method)):
            raise OptionsError(f"observer.{name} must be a plain function, not {method!r}")


def check_link_options(options: Mapping[str, object]) -> None:
    """Raise OptionsError for an unknown option of `AssociationClient.link_all`."""
    known = [*LinkOptions.__annotations__, "ordered"]
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            advice = f"; did you mean {near[0]}?" if near else ""
            if name in ClientOptions.__annotations__:
                advice = f"; {name} is an option of AssociationClient"
            raise OptionsError(f"link_all() has no option {name}{advice}")


def check_limits(stop_after_failures: int | None, stop_after_alike: int | None) -> None:
    """Raise OptionsError for an invalid number of failures."""
    limits = {"stop_after_failures": stop_after_failures, "stop_after_alike": stop_after_alike}
    for name, limit in limits.items():
        if limit is not None:
            check_count(name, limit, 1, " or None")


def check_batches(via: str, batch_size: int, batch_linger: float) -> None:
    """Raise OptionsError for an invalid argument of a run in batches."""
    given: object = via
    if not isinstance(given, str) or given not in {"put", "batch"}:
        raise OptionsError(f"via must be 'put' or 'batch', not {via!r}")
    check_count("batch_size", batch_size, 1, f" and at most {MOST_PAIRS:,}", MOST_PAIRS)
    check_linger("batch_linger", batch_linger)


def check_linger(name: str, value: float) -> None:
    """Raise OptionsError unless *value* is a number of seconds above 0."""
    _check_seconds(name, value, "above 0")


def _check_seconds(name: str, value: object, wanted: str) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not value > 0:  # type: ignore[operator]  # it is a number; nan is refused
        raise OptionsError(f"{name} must be a number of seconds, {wanted}, not {value!r}")


def checked_concurrency(given: int | None) -> int:
    """Return the maximum number of requests in flight."""
    if given is None:
        return DEFAULT_CONCURRENCY
    if isinstance(given, bool) or not isinstance(given, int):
        raise OptionsError(f"concurrency must be an int, not {given!r}")
    if not 1 <= given <= _MOST_CONCURRENCY:
        raise OptionsError(f"concurrency must be 1 to {_MOST_CONCURRENCY}, not {given}")
    return given
