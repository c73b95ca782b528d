"""``python -m aiohubassoc.simulator``: a portal in the foreground, its settings as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aiohubassoc.simulator.server import serve_forever
from aiohubassoc.simulator.settings import PortalSettings

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a portal until SIGINT or SIGTERM; first print its ``base_url`` and ``pid`` as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m aiohubassoc.simulator",
        description="A simulated HubSpot portal on 127.0.0.1.",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 for any free one")
    add("--settings", metavar="FILE", help="PortalSettings as JSON; - reads the standard input")
    add(
        "--child",
        action="store_true",
        help="read the settings from the first line of the standard input and end with it",
    )
    options = parser.parse_args(arguments)
    try:
        settings = _read_settings(options)
        serve_forever(
            settings, port=options.port, on_ready=_report_ready, while_stdin=options.child
        )
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 0


def _read_settings(options: argparse.Namespace) -> PortalSettings:
    if options.child:
        return PortalSettings.from_json(sys.stdin.buffer.readline())
    if options.settings == "-":
        return PortalSettings.from_json(sys.stdin.buffer.read())
    if options.settings is not None:
        return PortalSettings.from_json(Path(options.settings).read_bytes())
    return PortalSettings()


def _report_ready(base_url: str) -> None:
    sys.stdout.write(json.dumps({"base_url": base_url, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
