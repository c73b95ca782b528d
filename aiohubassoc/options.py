"""The options of a client, checked when they are created."""

from __future__ import annotations

import re
from enum import StrEnum
from math import inf, isfinite
from typing import Any, ClassVar, NoReturn, TypeGuard

import attrs

from aiohubassoc.errors import OptionsError

_QUOTA_TEXT = re.compile(r"(\d+)\s*/\s*(\d*\.?\d*)\s*s", re.ASCII)


def _refuse(name: str, value: object, needs: str) -> NoReturn:
    raise OptionsError(f"{name} must be {needs}, not {value!r}")


def check_count(name: str, value: object, least: int, more: str = "", most: float = inf) -> None:
    """Raise OptionsError unless *value* is an int from *least* to *most*; *more*: for messages."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        _refuse(name, value, f"an int of {least} or more{more}")


def check_wait(name: str, value: object) -> None:
    """Raise OptionsError unless *value* is a number of seconds, 0 or more."""
    if not _is_seconds(value) or value < 0:
        _refuse(name, value, "a number of seconds, 0 or more")


def _is_seconds(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _count(_: object, field: attrs.Attribute[int], value: object) -> None:
    check_count(field.name, value, 1)


def _seconds(_: object, field: attrs.Attribute[float], value: float) -> None:
    if not _is_seconds(value) or value <= 0:
        _refuse(field.name, value, "a number of seconds above 0")


def _wait(_: object, field: attrs.Attribute[float], value: float) -> None:
    check_wait(field.name, value)


_count_or_none: Any = attrs.validators.optional(_count)
_seconds_or_none: Any = attrs.validators.optional(_seconds)


class ApiVersion(StrEnum):
    """
    The versions of HubSpot's API that are known to have Create Default.

    The client also accepts later ones. Support for v4 ends on 2027-03-30 (HubSpot, Associations
    v4).
    """

    V4 = "v4"
    V2026_03 = "2026-03"
    V2026_09 = "2026-09"


@attrs.frozen
class Quota:
    """
    How many calls HubSpot accepts in any window of time.

    The named tiers are HubSpot's ten-second limits: HubSpot, API usage guidelines, "Limits".

    Args:
        limit: Calls per window; 1 or more.
        window: The length of the window in seconds.

    Raises:
        OptionsError: a value that is not positive.
    """

    STARTER: ClassVar[Quota]
    PROFESSIONAL: ClassVar[Quota]
    ENTERPRISE: ClassVar[Quota]
    LIMIT_INCREASE: ClassVar[Quota]
    OAUTH: ClassVar[Quota]

    limit: int = attrs.field(validator=_count)
    window: float = attrs.field(default=10.0, validator=_seconds)

    @classmethod
    def parse(cls, text: str) -> Quota:
        """
        Return the quota from a tier's name or a text such as ``190/10s``.

        Raises:
            OptionsError: the text is neither.
        """
        given: object = text
        if not isinstance(given, str):
            _refuse("quota", given, "a text such as '190/10s'")
        name = text.strip().upper().replace("-", "_")
        if name in TIERS:
            return TIERS[name]
        if match := _QUOTA_TEXT.fullmatch(text.strip()):
            limit, window = match.groups()
            try:
                return cls(int(limit), float(window or "1"))
            except (ValueError, OptionsError):
                pass  # 0/10s, 5/.s: reported below with the text as given
        names = ", ".join(tier.lower().replace("_", "-") for tier in TIERS)
        raise OptionsError(f"{text!r} is neither a quota such as 190/10s nor one of {names}")

    @property
    def rate_per_second(self) -> float:
        """The average number of calls per second."""
        return self.limit / self.window

    def __str__(self) -> str:
        return f"{self.limit}/{self.window:g}s"


# HubSpot, API usage guidelines, "Limits".
TIERS = {
    "STARTER": Quota(100),
    "PROFESSIONAL": Quota(190),
    "ENTERPRISE": Quota(190),
    "LIMIT_INCREASE": Quota(250),
    "OAUTH": Quota(110),
}
for _name, _tier in TIERS.items():
    setattr(Quota, _name, _tier)


@attrs.frozen
class RetryPolicy:
    """
    How often and for how long a call is retried, for single and batch calls.

    Args:
        attempts: Maximum number of attempts of a call, including the first. A 429 does not count,
            nor in a run an attempt that made no connection. None: no limit.
        budget: No new attempt starts this many seconds after the first one. Time in the wait queue
            of the quota does not count; pauses after a 429 do. None: no limit. A run stops when a
            call has made no connection for so long: its pairs are ``unprocessed``.
        wait_initial: The first wait is a random number of seconds between 0 and this value. The
            upper bound doubles with each further wait.
        wait_max: Maximum of that upper bound, in seconds.
        retry_after_max: Maximum number of seconds to wait for a ``Retry-After`` of HubSpot's. A
            longer one is cut to this, except during a migration (477), where it ends the run.
            None: no limit.

    Raises:
        OptionsError: a value out of range.
    """

    attempts: int | None = attrs.field(default=5, validator=_count_or_none)
    budget: float | None = attrs.field(default=120.0, validator=_seconds_or_none)
    wait_initial: float = attrs.field(default=0.5, validator=_wait)
    wait_max: float = attrs.field(default=20.0, validator=_wait)
    retry_after_max: float | None = attrs.field(default=60.0, validator=_seconds_or_none)


@attrs.frozen
class Timeouts:
    """
    How long one attempt may take, in seconds. None: no limit.

    Args:
        connect: To open a connection: DNS, TCP and TLS.
        response: From sending the request to the last byte of the response. With a session passed
            as ``session=``: to the first byte, and between any two parts of the response.
        total: From connecting to the last byte of the response.

    Raises:
        OptionsError: a value that is not positive.
    """

    connect: float | None = attrs.field(default=5.0, validator=_seconds_or_none)
    response: float | None = attrs.field(default=30.0, validator=_seconds_or_none)
    total: float | None = attrs.field(default=60.0, validator=_seconds_or_none)
