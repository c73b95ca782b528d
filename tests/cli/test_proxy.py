"""The command behind a proxy."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import FAST, TYPES
from tests.http.test_proxy import Proxy, proxy_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal


@contextmanager
def _proxy(target: str, status: str = "") -> Iterator[Proxy]:
    """Serve a proxy beside the command."""
    ready = threading.Event()
    shared: list[tuple[Proxy, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def served() -> None:
        async with proxy_to(target, status) as proxy:
            over = asyncio.Event()
            shared.append((proxy, asyncio.get_running_loop(), over))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(served()))
    thread.start()
    assert ready.wait(300)
    proxy, loop, over = shared[0]
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(300)


def test_a_proxy_of_the_environment_that_cannot_work(
    command: Command, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is named as what it is."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "none")
    monkeypatch.setenv("HTTPS_PROXY", "nan")
    result = command("link", pairs_file, *TYPES)
    assert (result.code, "HTTPS_PROXY must be a URL such as" in result.err) == (2, True)


@pytest.mark.parametrize("how", ["option", "HTTP_PROXY", "http_proxy"])
def test_a_run_goes_through_the_proxy(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    how: str,
) -> None:
    """As an option, or as the environment of other commands has it."""
    portal = start_portal()
    arguments = ["--base-url", "http://hub.example", "--allow-http", *TYPES, *FAST]
    with _proxy(portal.base_url) as proxy:
        if how == "option":
            arguments += ["--proxy", proxy.url]
        else:
            monkeypatch.setenv(how, proxy.url)
        result = command("link", "--no-check", pairs_file, *arguments, "--json")
    assert (result.code, result.reported["linked"]) == (0, 10)
    assert all(" http://hub.example/" in line for line in proxy.asked)


def test_hosts_that_are_left_out(
    link: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine always is: the simulated portal is found."""
    start_portal()
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert link(pairs_file).code == 0


def test_the_password_is_never_shown_nor_kept(
    command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """The next command says where to put it; the run folder has none."""
    start_portal()
    options = ("--base-url", "http://hub.example", "--allow-http", *TYPES)
    with _proxy("", "407 Proxy Authentication Required") as proxy:
        url = proxy.url.replace("://", "://user:canary-password@")
        kept = command("link", "--no-check", pairs_file, *options, "--proxy", url, "--run", folder)
        result = command("link", "--no-check", pairs_file, *options, "--proxy", url)
    assert (kept.code, result.code) == (3, 3)
    assert "canary" not in kept.out + kept.err + result.out + result.err
    assert "--proxy http://USER:PASSWORD@127.0.0.1:" in result.out
    for path in folder.iterdir():
        assert b"canary" not in path.read_bytes()


def test_a_proxy_that_cannot_work(
    command: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """In the command's own words, exit code 2."""
    start_portal()
    for arguments, said in (
        (("--proxy", "nan"), "--proxy must be a URL such as http://proxy:3128, not 'nan'"),
        (("--proxy", " "), "--proxy must be a URL such as http://proxy:3128: it names no host"),
        (("--proxy", "socks5://u:canary@p:1"), "--proxy must be an http or https URL"),
        (("--proxy", "http://p:1", "--simulate"), "--proxy is for HubSpot"),
    ):
        result = command("link", "--no-check", pairs_file, *TYPES, *arguments)
        assert (result.code, said in result.err, "canary" in result.err) == (2, True, False)
