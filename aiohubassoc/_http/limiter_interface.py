"""What the sender needs of a limiter: the public `Limiter`, and one whose permits expire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohubassoc.options import Quota

NO_HEADERS: Mapping[str, str] = {}


class Limiter(Protocol):
    """
    Grants permits for calls, so that their number stays within the quota.

    Every `acquire` that returns, and every `try_acquire` that returns True, is followed by exactly
    one `record_response`, `record_no_response` or `release_unused`. A throttle is reported by
    `record_throttle` before its `record_response`. Times are those of the event loop, in seconds.
    """

    @property
    def quota(self) -> Quota:
        """The quota that is kept now."""
        ...

    def try_acquire(self) -> bool:
        """Acquire a permit if one is surely free; return whether it did. False: one may be free."""
        ...

    async def acquire(self) -> None:
        """
        Acquire a permit. A cancelled caller uses none.

        Raises:
            DailyReserveError: no call may be sent any more today.
        """
        ...

    def release_unused(self) -> None:
        """Record that the call was not sent."""
        ...

    def record_response(
        self,
        sent_at: float,
        responded_at: float,
        *,
        exact: bool = True,
        accepted: bool = True,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """
        Record that the call ended with a response.

        Args:
            sent_at: When it was sent.
            responded_at: When its response was there.
            exact: Whether its request was handed to a connection at *sent_at*. False: at some time
                between the two, because it had to wait for a connection.
            accepted: Whether no limit refused it.
            headers: Of the response, ignoring case: HubSpot reports its limits in them.
        """
        ...

    def record_no_response(self, sent_at: float) -> None:
        """
        Record that the call ended now without a response: cancelled, timed out or lost.

        Args:
            sent_at: When it was sent.
        """
        ...

    def record_throttle(
        self,
        sent_at: float,
        retry_after: float | None,
        *,
        by_quota: bool = True,
        by_second: bool = False,
    ) -> float:
        """
        Pause all calls, because HubSpot throttled one.

        Args:
            sent_at: When the call that was throttled was sent.
            retry_after: Seconds that HubSpot asks for; None where it did not say.
            by_quota: Whether the reason was the quota.
            by_second: Whether it was a limit of calls a second that the account has besides.

        Returns:
            Seconds until calls may be sent again.
        """
        ...


@runtime_checkable
class ExpiringLimiter(Protocol):
    """A `Limiter` whose permits expire when they are not used."""

    generation: int  # the generation of the permits that are acquired now

    def is_usable(self, generation: int) -> bool:
        """Return whether a permit of *generation* may be used now."""
        ...

    async def renew(self) -> None:
        """Exchange a permit for a usable one, or keep it and raise as `Limiter.acquire` does."""
        ...
