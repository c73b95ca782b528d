"""The code of the page about fleets runs as it stands."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

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
