"""What the sender needs of a limiter: the public `Limiter`, and one whose permits expire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohubassoc.options import Quota

NO_HEADERS: Mapping[str, str] = {}


class Limiter(Protocol):
    """
    Lets calls go, so that their number stays within the quota.

    Every `acquire` that returns, and every `try_acquire` that returns True, is followed by exactly
    one `record_response`, `record_no_response` or `release_unused`; a throttle is reported by
    `record_throttle` before its `record_response`. Instants are those of the event loop's clock,
    in seconds.
    """

    @property
    def quota(self) -> Quota:
        """The quota that is kept now."""
        ...

    def try_acquire(self) -> bool:
        """Acquire if no waiting is needed, and return whether it did; False may be a guess."""
        ...

    async def acquire(self) -> None:
        """
        Return when one call may be sent. Cancelled, it costs nothing.

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
            exact: Whether its request was handed to a connection at *sent_at*; False: at some time
                between the two, as it had to wait for a connection.
            accepted: Whether HubSpot accepted it: no limit refused it.
            headers: Of the response, ignoring case: what HubSpot says of its limits.
        """
        ...

    def record_no_response(self, sent_at: float) -> None:
        """
        Record that the call ended now without a response: cancelled, timed out or cut off.

        Args:
            sent_at: When it was sent.
        """
        ...

    def record_throttle(
        self, sent_at: float, retry_after: float | None, *, by_quota: bool = True
    ) -> float:
        """
        Hold all calls back, as HubSpot accepts none.

        Args:
            sent_at: When the call that was throttled was sent.
            retry_after: Seconds that HubSpot asks for; None where it did not say.
            by_quota: Whether the reason was the quota.

        Returns:
            Seconds until calls may go again.
        """
        ...


@runtime_checkable
class ExpiringLimiter(Protocol):
    """A `Limiter` whose permits cannot be used any more when they were not used for long."""

    generation: int
    """Of the permits that are acquired now."""

    def is_usable(self, generation: int) -> bool:
        """Return whether a permit of *generation* may still be used, at this moment."""
        ...

    async def renew(self) -> None:
        """Trade a permit for one that may be used, or raise as `Limiter.acquire` and keep it."""
        ...
