"""The command, called as from a shell, and a portal for it that runs beside it."""

from __future__ import annotations

import asyncio
import copy
import csv
import json
import queue
import sys
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import cyclopts
import pytest

from aiohubassoc.cli.app import run
from aiohubassoc.simulator import PortalSettings, serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from aiohubassoc.simulator import ServedPortal

TOKEN = PortalSettings().tokens[0]
TYPES = ("--from", "contacts", "--to", "companies")
FAST = ("--quota", "100000/1s")


@attrs.frozen
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def reported(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        reported: dict[str, Any] = json.loads(self.out)
        return reported

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON object on each line of standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


class Command(Protocol):
    """Calls the command."""

    def __call__(self, *arguments: object, stdin: bytes | None = None) -> Result:
        """Return what it left."""


class StartPortal(Protocol):
    """Starts a portal in a thread; it ends with the test."""

    def __call__(self, *, instead_of: ServedPortal | None = None, **settings: Any) -> ServedPortal:
        """Return it, live; *instead_of* ends, and its address is taken over."""


@pytest.fixture(scope="session", autouse=True)
def _arguments_collected_once() -> Iterator[None]:
    """
    Have cyclopts collect the arguments of each command once.

    It would for each call, for longer than most calls take. Each gets copies, nothing parsed yet.
    """
    collect = cyclopts.App.assemble_argument_collection
    collected: dict[object, cyclopts.ArgumentCollection] = {}

    def collect_once(app: cyclopts.App, **options: Any) -> cyclopts.ArgumentCollection:
        key = (app.default_command, *options.items())
        if key not in collected:
            collected[key] = collect(app, **options)
        copies = {id(one): copy.copy(one) for one in collected[key]}
        for one in copies.values():
            one.tokens = []
            one.children = type(one.children)(copies[id(child)] for child in one.children)
        return type(collected[key])(copies.values())

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cyclopts.App, "assemble_argument_collection", collect_once)
        yield


@pytest.fixture(autouse=True)
def _shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables of this machine that the command reads."""
    for name in (
        "HUBSPOT_ACCESS_TOKEN",
        "PRIVATE_APP_ACCESS_TOKEN",
        "HUBSPOT_BASE_URL",
        "NO_COLOR",
        "FORCE_COLOR",
        "PY_COLORS",
        *("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"),
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
def link(command: Command) -> Command:
    """Link with types, a quota that does not slow a test, and no call but those for pairs."""

    def call(*arguments: object, stdin: bytes | None = None) -> Result:
        return command("link", *arguments, *TYPES, *FAST, "--no-check", stdin=stdin)

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the path of a run folder that does not exist yet."""
    return tmp_path / "runs" / "one"


@pytest.fixture
def start_portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartPortal]:
    """Start portals that the command finds by its environment."""
    with ExitStack() as stack:
        ends: dict[str, ExitStack] = {}

        def start(*, instead_of: ServedPortal | None = None, **settings: Any) -> ServedPortal:
            port = 0
            if instead_of is not None:
                ends.pop(instead_of.base_url).close()
                port = int(instead_of.base_url.rpartition(":")[2])
            own = stack.enter_context(ExitStack())
            made = PortalSettings(**{"quota_limit": None, **settings})
            running = own.enter_context(_in_thread(made, port))
            ends[running.base_url] = own
            monkeypatch.setenv("HUBSPOT_BASE_URL", running.base_url)
            monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
            return running

        yield start


@contextmanager
def _in_thread(settings: PortalSettings, port: int) -> Iterator[ServedPortal]:
    ready: queue.Queue[tuple[ServedPortal, asyncio.AbstractEventLoop, asyncio.Event]] = (
        queue.Queue()
    )

    async def served() -> None:
        over = asyncio.Event()
        async with serve(settings, port=port) as running:
            ready.put((running, asyncio.get_running_loop(), over))
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(served()))
    thread.start()
    running, loop, over = ready.get(timeout=300)
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(300)


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    """Return a file of ten good pairs."""
    return write_pairs(tmp_path / "pairs.csv", 10)


def write_pairs(path: Path, count: int, more: str = "") -> Path:
    """Write this many pairs, then *more*."""
    rows = "".join(f"{number},{number + 100_000}\n" for number in range(1, count + 1))
    path.write_text(f"from_id,to_id\n{rows}{more}", encoding="utf-8")
    return path


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file by their columns."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sent_to(portal: ServedPortal) -> Counter[tuple[str, str]]:
    """Return how many requests to link each pair of ids the portal received."""
    ledger = portal.portal.ledger
    return Counter(
        {
            (pair.from_id, pair.to_id): ledger.links[pair] + ledger.refused[pair]
            for pair in {*ledger.links, *ledger.refused}
        }
    )


def calls(portal: ServedPortal) -> dict[str, int]:
    """Return how many requests of each kind the portal received."""
    return {str(kind): count for kind, count in portal.portal.ledger.calls.items()}


def make(portal: ServedPortal, numbers: Iterable[int]) -> None:
    """Link these pairs of `write_pairs` before the run."""
    portal.portal.add_links(("contacts", str(n), "companies", str(n + 100_000)) for n in numbers)
