"""The simulated portals that commands start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.simulator import FaultPlan, Latency, Neighbour, PortalSettings

if TYPE_CHECKING:
    from aiohubassoc.options import Quota

# 40 ms each way, log-normal: about what a client in another region of the same continent sees.
_LATENCY = Latency(before_median=0.04, before_sigma=0.3, after_median=0.04, after_sigma=0.3)


def usual_portal(quota: Quota) -> PortalSettings:
    """Return a portal without any trouble."""
    return PortalSettings(
        quota_limit=quota.limit, quota_window=quota.window, latency=_LATENCY, keep_arrivals=False
    )


def demo_portal(quota: Quota) -> PortalSettings:
    """Return a portal with the troubles of real life: `aiohubassoc demo`."""
    return PortalSettings(
        seed=7,
        quota_limit=quota.limit,
        quota_window=quota.window,
        latency=_LATENCY,
        missing_share=0.005,
        faults=FaultPlan(server_error_500=0.02, reset_after=0.005),
        neighbours=(Neighbour(start=3.5, length=1.0, per_second=100.0),),
    )
