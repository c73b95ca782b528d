"""The command, called as from a shell, and a portal for it that runs beside it."""

from __future__ import annotations

import asyncio
import json
import queue
import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import pytest

from aiohubassoc.cli.app import run
from aiohubassoc.simulator import PortalSettings, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohubassoc.simulator import Running

TOKEN = PortalSettings().tokens[0]


@attrs.frozen
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        told: dict[str, Any] = json.loads(self.out)
        return told


class Command(Protocol):
    """Calls the command."""

    def __call__(self, *arguments: object, stdin: bytes | None = None) -> Result:
        """Return what it left."""


class StartPortal(Protocol):
    """Starts a portal in a thread; it ends with the test."""

    def __call__(self, **settings: Any) -> Running:
        """Return it, live."""


@pytest.fixture(autouse=True)
def _shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing of this machine's environment into a test."""
    for name in (
        "HUBSPOT_ACCESS_TOKEN",
        "PRIVATE_APP_ACCESS_TOKEN",
        "HUBSPOT_BASE_URL",
        "NO_COLOR",
        "FORCE_COLOR",
        "PY_COLORS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Call the command in this process."""

    def call(*arguments: object, stdin: bytes | None = None) -> Result:
        capsys.readouterr()
        if stdin is None:
            code = run([str(argument) for argument in arguments])
        else:
            given = tmp_path / "stdin"
            given.write_bytes(stdin)
            with given.open(encoding="utf-8") as file, monkeypatch.context() as patched:
                patched.setattr(sys, "stdin", file)
                code = run([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return call


@pytest.fixture
def start_portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartPortal]:
    """Start portals that the command finds by its environment."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Running:
            running = stack.enter_context(
                _in_thread(PortalSettings(**{"quota_limit": None, **settings}))
            )
            monkeypatch.setenv("HUBSPOT_BASE_URL", running.base_url)
            monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
            return running

        yield start


@contextmanager
def _in_thread(settings: PortalSettings) -> Iterator[Running]:
    ready: queue.Queue[tuple[Running, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def served() -> None:
        over = asyncio.Event()
        async with serve(settings) as running:
            ready.put((running, asyncio.get_running_loop(), over))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(served()))
    thread.start()
    running, loop, over = ready.get(timeout=30)
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    """Return a file of ten good pairs."""
    return write_pairs(tmp_path / "pairs.csv", 10)


def write_pairs(path: Path, count: int, more: str = "") -> Path:
    """Write so many pairs, and further lines."""
    rows = "".join(f"{number},{number + 100_000}\n" for number in range(1, count + 1))
    path.write_text(f"from_id,to_id\n{rows}{more}", encoding="utf-8")
    return path
