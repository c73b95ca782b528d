"""The code and the commands of the page about fleets run as they stand."""

from __future__ import annotations

import asyncio
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc.cli.app import run
from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from aiohubassoc.fleet import Fleet
    from aiohubassoc.simulator import ServedPortal

pytestmark = [pytest.mark.looptime(False), pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "fleet.md"


async def test_the_code_of_the_page(
    fleet: Fleet, database: str, served: ServedPortal, tmp_path: Path, monkeypatch: Any
) -> None:
    """It submits a run and links it."""
    (code,) = re.findall(r"```\{code-block\} python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "portals.toml").write_text(
        f'[portals.acme]\nbase_url = "{served.base_url}"\ntoken_env = "AHAS_TEST_TOKEN"\n',
        encoding="utf-8",
    )
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 -- the page's own
    run = await names["nightly"](database)
    task = asyncio.create_task(names["work"](database))
    while (await fleet.runs(run))[0].state != "done":
        await asyncio.wait({task}, timeout=0.05)
        assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    assert (await fleet.runs(run))[0].linked == 2


def test_commands_print_what_the_page_shows(
    database: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    """In their order, with one worker; times and ids of requests differ."""
    monkeypatch.syspath_prepend(str(PAGE.parents[1]))
    show = importlib.import_module("show_output")
    show.make_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in (("DATABASE", database), ("PORTALS", "portals.toml")):
        monkeypatch.setenv(f"AIOHUBASSOC_{name}", value)
    monkeypatch.setenv("ACME_TOKEN", "simulated-token")
    blocks = re.findall(r"```\{code-block\} console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    parts = [
        part for block in blocks[1:4] for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    ]
    compared = 0
    with portal_process(PortalSettings(records_up_to=1000)) as portal:
        (tmp_path / "portals.toml").write_text(
            f'[portals.acme]\nbase_url = "{portal.base_url}"\ntoken_env = "ACME_TOKEN"\n'
            'quota = "190/10s"\n',
            encoding="utf-8",
        )
        for part in parts:
            command, *shown = part.splitlines()
            name, *arguments = shlex.split(command, comments=True)
            if name != "aiohubassoc":
                continue
            if arguments[1:] == ["worker"]:
                printed = _work()
            else:
                run(arguments)
                printed = "".join(capsys.readouterr())
            assert show._is_shown(show._clean(printed, tmp_path), shown), printed
            compared += 1
    assert compared == 9


def _work() -> str:
    """Return what a worker prints until the run is done."""
    command = (sys.executable, "-m", "aiohubassoc", "fleet", "worker", "--poll", "0.1")
    printed = ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") as worker:
        assert worker.stderr is not None
        for line in worker.stderr:
            printed += line
            if "is done" in line:
                break
        worker.terminate()
    return printed
