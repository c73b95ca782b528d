"""
How many modules of the package one PUT and one row of ``link --run FOLDER`` enter in mid-run.

And how many the whole command enters, from its options to its summary. A module is entered when one
of its functions is called; what runs while modules are imported does not count, so each way is gone
once before it is watched. The fewer there are, the fewer a reader must open to follow a pair. The
portal is a separate process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from report import conclude, print_table

from aiohubassoc import AssociationClient, Pair, Quota
from aiohubassoc._run.run import Run
from aiohubassoc.cli.app import run
from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_PACKAGE = "aiohubassoc"
_QUOTA = Quota(100_000, 1.0)
_ROWS = (
    3000  # more than are read ahead, so that rows are read, sent and written while it is watched
)


@contextlib.contextmanager
def _watched(made: range | None = None) -> Iterator[set[str]]:
    """
    Give the modules of the package that are entered in the block, by every thread.

    With *made* only while so many outcomes were made.
    """
    entered: set[str] = set()
    outcomes = 0

    def on_event(frame: FrameType, event: str, _: object) -> None:
        nonlocal outcomes
        if event == "call":
            name = frame.f_globals.get("__name__", "")
            if name.partition(".")[0] == _PACKAGE:
                outcomes += frame.f_code is Run.put.__code__
                if made is None or outcomes in made:
                    entered.add(name)

    threading.setprofile(on_event)
    sys.setprofile(on_event)
    try:
        yield entered
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


async def _put(base_url: str, token: str) -> set[str]:
    """Return what 50 PUTs of a run enter, when 50 have gone before them and 100 follow."""
    pairs = [Pair("contacts", number, "companies", number) for number in range(1, 201)]
    async with (
        AssociationClient(token, base_url=base_url, quota=_QUOTA) as client,
        client.link_each(pairs) as outcomes,
    ):
        for _ in range(50):
            await anext(outcomes)
        with _watched() as entered:
            for _ in range(50):
                await anext(outcomes)
        async for _ in outcomes:
            pass
    assert outcomes.report.linked == len(pairs)
    return entered


def _link(base_url: str, token: str, rows: int, made: range | None = None) -> set[str]:
    """Return what the command enters to link the rows of a file, with a run folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = "".join(f"{number},{number}\n" for number in range(1, rows + 1))
        (folder / "pairs.csv").write_text(f"from_id,to_id\n{lines}", encoding="utf-8")
        (folder / "token").write_text(token, encoding="utf-8")
        (folder / "token").chmod(0o600)
        command = [
            *("link", f"{folder}/pairs.csv", "--from", "contacts", "--to", "companies"),
            # What is asked about the account before the first pair is not the way of a row.
            *("--base-url", base_url, "--token-file", f"{folder}/token", "--no-check"),
            *("--quota", "100000/1s"),
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            assert run([*command, "--run", f"{folder}/first"]) == 0
            with _watched(made) as entered:
                assert run([*command, "--run", f"{folder}/second"]) == 0
    return entered


def main() -> int:
    """Count, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most-put", type=int, default=16)
    parser.add_argument("--most-row", type=int, default=60)
    parser.add_argument("--most-command", type=int, default=80)
    options = parser.parse_args()
    settings = PortalSettings(quota_limit=None)
    with portal_process(settings) as portal:
        token = settings.tokens[0]
        asyncio.run(_put(portal.base_url, token))
        found = {
            "one PUT in mid-run": asyncio.run(_put(portal.base_url, token)),
            "a row of link --run FOLDER in mid-run": _link(
                portal.base_url, token, _ROWS, range(_ROWS // 2, _ROWS - 500)
            ),
            "link --run FOLDER as a whole": _link(portal.base_url, token, 1),
        }
    for what, modules in found.items():
        print(f"{what}:")
        for module in sorted(modules):
            print(f"  {module}")
        print()
    rows = [{"what": what, "modules": len(modules)} for what, modules in found.items()]
    print_table(rows)
    checks = {
        f"{what}: at most {most} modules": len(modules) <= most
        for (what, modules), most in zip(
            found.items(),
            (options.most_put, options.most_row, options.most_command),
            strict=True,
        )
    }
    return conclude("modules", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
