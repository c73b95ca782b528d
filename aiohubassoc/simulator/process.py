"""
A portal in a separate process, so that it does not use the caller's event loop.

Here are both ends of the portal's own paths, which the ledger does not count. They read the ledger,
accept and revoke tokens, and add links.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from http import HTTPStatus
from http.client import HTTPConnection
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs

from aiohubassoc.simulator import error_bodies
from aiohubassoc.simulator.responses import PortalResponse
from aiohubassoc.simulator.settings import PortalSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiohubassoc.simulator.fault_plan import ScriptedPair
    from aiohubassoc.simulator.portal import Portal

OWN_PATHS = "/_portal/"
_OWN_METHODS = {
    "ledger": ("GET",),
    "links": ("GET", "POST"),
    "arrivals": ("GET",),
    "accept": ("POST",),
    "revoke": ("POST",),
}
_TIMEOUT = 10.0  # seconds; a portal usually needs milliseconds
_CHUNK = 5_000  # pairs in one body: aiohttp's server takes no more than 1 MiB


@attrs.frozen
class PortalProcess:
    """
    A portal in another process. Every method blocks for a moment.

    Args:
        base_url: Its URL, without a slash at the end.
        pid: Of the process.
    """

    base_url: str
    pid: int

    def ledger(self) -> dict[str, Any]:
        """Return the counts."""
        ledger: dict[str, Any] = self._get("ledger")
        return ledger

    def links(self) -> dict[str, Any]:
        """Return every linked and every refused pair with its count."""
        links: dict[str, Any] = self._get("links")
        return links

    def arrivals(self) -> list[tuple[float, int | str]]:
        """Return the time, and the status or fault, of every request."""
        return [(instant, what) for instant, what in self._get("arrivals")]

    def add_links(self, pairs: Iterable[ScriptedPair]) -> None:
        """Link *pairs* without a call, or raise ValueError: as `Portal.add_links` does."""
        rest = iter(pairs)
        while chunk := list(islice(rest, _CHUNK)):
            self._request("POST", "links", json.dumps({"links": chunk}))

    def _get(self, page: str) -> Any:  # noqa: ANN401 -- JSON of any shape
        return json.loads(self._request("GET", page))

    def _request(self, method: str, page: str, body: str | None = None) -> bytes:
        # Not urllib.request: it would use the environment's proxy for 127.0.0.1.
        connection = HTTPConnection(urlsplit(self.base_url).netloc, timeout=_TIMEOUT)
        with contextlib.closing(connection):
            connection.request(method, f"{OWN_PATHS}{page}", body)
            response = connection.getresponse()
            content = response.read()
        if response.status == HTTPStatus.BAD_REQUEST:
            raise ValueError(json.loads(content)["message"])
        return content


@contextlib.contextmanager
def portal_process(
    settings: PortalSettings | None = None, *, port: int = 0, grace: float = 5.0
) -> Iterator[PortalProcess]:
    """
    Run a portal in a separate process while the context lasts; it is ready when this returns.

    The process outlives neither the context nor this process, however that ends.

    Args:
        settings: How the portal behaves. None: every default.
        port: 0 for any free one.
        grace: Seconds that it gets to end by itself before it is killed.

    Raises:
        RuntimeError: it did not start; standard error has the reason.
    """
    command = [sys.executable, "-m", "aiohubassoc.simulator", "--child", "--port", str(port)]
    # A separate session: Ctrl-C must not end the portal while calls are in flight.
    with subprocess.Popen(  # noqa: S603 -- our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        try:
            ready = _start(child, PortalSettings() if settings is None else settings)
            yield PortalProcess(ready["base_url"], ready["pid"])
        finally:
            child.terminate()
            try:
                child.wait(grace)
            except subprocess.TimeoutExpired:
                child.kill()


def _start(child: subprocess.Popen[bytes], settings: PortalSettings) -> dict[str, Any]:
    """Send the settings to the child and return what it reports when it is ready."""
    assert child.stdin is not None  # noqa: S101 -- it is a pipe
    assert child.stdout is not None  # noqa: S101 -- as above
    # If the child hangs, it is killed, so that readline() below returns.
    watchdog = threading.Timer(_TIMEOUT, child.kill)
    watchdog.start()
    try:
        child.stdin.write(settings.to_json().encode() + b"\n")
        child.stdin.flush()
        line = child.stdout.readline()
    except BrokenPipeError:
        line = b""
    finally:
        watchdog.cancel()
    if not line:
        raise RuntimeError(f"the simulated portal did not start: exit code {child.wait()}")
    ready: dict[str, Any] = json.loads(line)
    return ready


# --- in that process ---------------------------------------------------------------------------


def respond_about(portal: Portal, method: str, path: str, body: bytes) -> PortalResponse:
    """Return the response to a request for one of the portal's own paths."""
    name = path.removeprefix(OWN_PATHS)
    allowed = _OWN_METHODS.get(name)
    if allowed is None:
        return error_bodies.not_found()
    if method not in allowed:
        return error_bodies.method_not_allowed(",".join(allowed))
    ledger = portal.ledger
    if method == "GET":
        read = {"ledger": ledger.to_dict, "links": ledger.links_to_dict}
        return _json(read[name]() if name in read else ledger.arrivals)
    try:
        _change(portal, name, body)
    except ValueError as error:
        return _json({"message": str(error)}, status=400)
    return PortalResponse(204, from_hubspot=False, has_rate_headers=False)


def _change(portal: Portal, name: str, body: bytes) -> None:
    """Add links, or accept or revoke a token; ValueError: the body has none."""
    try:
        given = json.loads(body)["links" if name == "links" else "token"]
    except (KeyError, TypeError, ValueError):
        given = None
    if name == "links":
        if not isinstance(given, list) or not all(isinstance(pair, list) for pair in given):
            raise ValueError(
                'the body must be {"links": [["contacts", "1", "companies", "2"], ...]}'
            )
        portal.add_links(map(tuple, given))
    elif not isinstance(given, str):
        raise ValueError('the body must be {"token": "..."}')
    else:
        (portal.accept if name == "accept" else portal.revoke)(given)


def _json(content: Any, status: int = 200) -> PortalResponse:  # noqa: ANN401 -- any JSON
    text = json.dumps(content)
    return PortalResponse(status, text=text, from_hubspot=False, has_rate_headers=False)
