"""``aiohubassoc simulate``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from aiohubassoc import simulator
from aiohubassoc.cli.options import parse_quota
from aiohubassoc.cli.terminal import stderr
from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    from aiohubassoc.options import Quota

# 40 ms each way, log-normal: about what a client in another region of the same continent sees.
_LATENCY: Final = simulator.Latency(
    before_median=0.04, before_sigma=0.3, after_median=0.04, after_sigma=0.3
)

_MOST_LATENCY: Final = 3600.0  # seconds
_LAST_PORT: Final = 65_535


def simulate(
    *,
    port: int = 8080,
    quota: str = "professional",
    latency: float = 0.08,
    records_up_to: int | None = None,
    missing_share: float = 0.0,
    fault: Annotated[list[str] | None, Parameter(negative="")] = None,
    token: str = "simulated-token",  # noqa: S107 -- it opens a simulation
    seed: int = 1,
) -> int:
    """
    Run a simulated HubSpot portal on this machine until Ctrl-C.

    Args:
        port: Where to listen, on 127.0.0.1 only; 0 for any free port.
        quota: A tier's name, or as 190/10s.
        latency: Seconds that a call takes, on average.
        records_up_to: The highest id that exists in every object type; without it every id does.
        missing_share: The share of records that do not exist, 0 to 1.
        fault: A fault and its share of the calls, such as server_error_500=0.02; may be repeated.
        token: The access token that it takes.
        seed: Seed of all random numbers: a portal with the same seed and the same calls behaves
            in the same way.
    """
    if not 0 <= port <= _LAST_PORT:
        raise OptionsError(f"--port must be 0 to {_LAST_PORT}, not {port}")
    limit = parse_quota("--quota", quota)
    if not 0 <= latency <= _MOST_LATENCY:
        raise OptionsError(f"--latency must be 0 to {_MOST_LATENCY:g} seconds, not {latency:g}")
    if records_up_to is not None and records_up_to < 0:
        raise OptionsError(f"--records-up-to must be 0 or more, not {records_up_to}")
    if not 0 <= missing_share <= 1:
        raise OptionsError(f"--missing-share must be 0 to 1, not {missing_share:g}")
    shares: dict[str, Any] = dict(map(_fault, fault or ()))
    way = latency / 2
    try:
        settings = simulator.PortalSettings(
            seed=seed,
            tokens=(token,),
            quota_limit=limit.limit,
            quota_window=limit.window,
            latency=simulator.Latency(
                before_median=way, before_sigma=0.3, after_median=way, after_sigma=0.3
            ),
            records_up_to=records_up_to,
            missing_share=missing_share,
            faults=simulator.FaultPlan(**shares),
            keep_arrivals=False,
        )
    except ValueError as error:
        raise OptionsError(str(error)) from None
    console = stderr()

    def ready(base_url: str) -> None:
        console.print(
            f"A simulated HubSpot portal: {base_url}, quota {limit}. Its counts: "
            f"{base_url}/_portal/ledger"
        )
        console.print(
            f"  HUBSPOT_ACCESS_TOKEN={shlex.quote(token)} aiohubassoc link pairs.csv "
            f"--from contacts --to companies --base-url {base_url}",
            markup=False,
        )

    try:
        simulator.serve_forever(settings, port=port, on_ready=ready)
    except OSError as error:
        raise OptionsError(f"cannot listen on port {port}: {error.strerror}") from None
    return 0


def _fault(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    try:
        number = float(share)
    except ValueError:
        number = -1.0  # refused below
    if name in set(simulator.Fault) and not 0 <= number <= 1:
        raise OptionsError(f"--fault {text!r}: the share must be a number from 0 to 1")
    if name not in set(simulator.Fault):
        known = ", ".join(simulator.Fault)
        raise OptionsError(f"--fault {text!r} is not NAME=SHARE with one of these names: {known}")
    return name, number


def usual_portal(quota: Quota) -> simulator.PortalSettings:
    return simulator.PortalSettings(
        quota_limit=quota.limit, quota_window=quota.window, latency=_LATENCY, keep_arrivals=False
    )


def demo_portal(quota: Quota) -> simulator.PortalSettings:
    """Return a portal with the troubles of real life: `aiohubassoc demo`."""
    return simulator.PortalSettings(
        seed=7,
        quota_limit=quota.limit,
        quota_window=quota.window,
        latency=_LATENCY,
        missing_share=0.005,
        faults=simulator.FaultPlan(server_error_500=0.02, reset_after=0.005),
        neighbours=(simulator.Neighbour(start=3.5, length=1.0, per_second=100.0),),
    )
