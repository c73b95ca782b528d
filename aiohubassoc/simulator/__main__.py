"""``python -m aiohubassoc.simulator``: a portal in the foreground."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aiohubassoc.simulator.fault_plan import Fault, FaultPlan
from aiohubassoc.simulator.foreground import run
from aiohubassoc.simulator.settings import Latency, PortalSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULTS = PortalSettings()
_LATENCY_SIGMA = 0.3  # about the spread of an ordinary connection's delays


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Serve a portal until SIGINT or SIGTERM; return 0.

    When it is ready, one line of JSON on the standard output tells ``base_url`` and ``pid``.

    Args:
        arguments: Of the command line. None: those of this process.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        settings = _settings(options)
        run(settings, port=options.port, on_ready=_say_ready, while_stdin=options.child)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m aiohubassoc.simulator",
        description="A simulated HubSpot portal on 127.0.0.1.",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 for any free one")
    add("--settings", metavar="FILE", help="all settings as JSON; - reads the standard input")
    add(
        "--child",
        action="store_true",
        help="read the settings from the first line of the standard input and end with it",
    )
    add("--seed", type=int, default=_DEFAULTS.seed)
    add("--token", action="append", help="one that is accepted; may be repeated")
    add("--quota-limit", type=int, default=_DEFAULTS.quota_limit, help="0 for no quota")
    add("--quota-window", type=float, default=_DEFAULTS.quota_window, metavar="SECONDS")
    add("--daily-limit", type=int)
    add("--headers", choices=("all", "some", "none"), default=_DEFAULTS.headers)
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="the median, there and back")
    add("--records-up-to", type=int, metavar="ID")
    add("--missing-share", type=float, default=0.0, metavar="SHARE")
    add(
        "--fault",
        action="append",
        type=_fault,
        metavar="NAME=SHARE",
        help=f"may be repeated; the names: {', '.join(Fault)}",
    )
    return parser


def _settings(options: argparse.Namespace) -> PortalSettings:
    if options.child:
        return PortalSettings.from_json(sys.stdin.buffer.readline())
    if options.settings == "-":
        return PortalSettings.from_json(sys.stdin.buffer.read())
    if options.settings is not None:
        return PortalSettings.from_json(Path(options.settings).read_bytes())
    way = options.latency / 2
    return PortalSettings(
        seed=options.seed,
        tokens=tuple(options.token or _DEFAULTS.tokens),
        quota_limit=options.quota_limit or None,
        quota_window=options.quota_window,
        daily_limit=options.daily_limit,
        headers=options.headers,
        latency=Latency(way, _LATENCY_SIGMA, way, _LATENCY_SIGMA),
        records_up_to=options.records_up_to,
        missing_share=options.missing_share,
        faults=FaultPlan(**dict(options.fault or ())),
    )


def _fault(text: str) -> tuple[str, float]:
    name, _, share = text.partition("=")
    return Fault(name).value, float(share)


def _say_ready(base_url: str) -> None:
    sys.stdout.write(json.dumps({"base_url": base_url, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
