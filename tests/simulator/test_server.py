"""A portal on a socket, in this process and in a separate one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from aiohubassoc.simulator import FaultPlan, PortalSettings, portal_process, serve
from aiohubassoc.simulator.__main__ import main
from tests.conftest import settle
from tests.simulator.portal_calls import GOOD, READ_PATH, linked_ids, put_path, read

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = {"Authorization": GOOD}
MODULE = [sys.executable, "-W", "error", "-m", "aiohubassoc.simulator"]


async def test_a_request_and_the_ledger_over_http() -> None:
    """The ledger does not count the portal's own paths."""
    async with serve() as served, aiohttp.ClientSession(served.base_url) as session:
        async with session.put(put_path(), headers=HEADERS, data=b"ignored") as response:
            assert response.status == 200
            assert response.headers["Server"] == "cloudflare"
            assert response.headers["Content-Type"] == "application/json;charset=utf-8"
        for page, expected in (
            ("links", {"links": [["contacts", "1", "companies", "2", 1]], "refused": []}),
            ("ledger", served.portal.ledger.to_dict()),
            ("arrivals", [list(each) for each in served.portal.ledger.arrivals]),
        ):
            async with session.get(f"/_portal/{page}") as response:
                assert await response.json() == expected
        assert served.portal.ledger.requests == 1
        assert served.open_connections == 1
        async with session.get("/_portal/nonsense") as response:
            assert response.status == 404


@pytest.mark.parametrize(
    ("page", "allowed"),
    [
        ("ledger", "GET"),
        ("arrivals", "GET"),
        ("links", "GET,POST"),
        ("accept", "POST"),
        ("revoke", "POST"),
    ],
)
async def test_the_portals_own_paths_name_their_methods(page: str, allowed: str) -> None:
    """As HubSpot's do."""
    async with (
        serve() as served,
        aiohttp.ClientSession(served.base_url) as session,
        session.put(f"/_portal/{page}") as response,
    ):
        assert response.status == 405
        assert response.headers["Allow"] == f"{allowed},OPTIONS"


async def test_a_batch_and_a_read_over_http() -> None:
    """Their bodies are read."""
    async with serve() as served, aiohttp.ClientSession(served.base_url) as session:
        path = "/crm/v4/associations/contacts/companies/batch/associate/default"
        body = {"inputs": [{"from": {"id": "1"}, "to": {"id": "2"}}]}
        async with session.post(path, json=body, headers=HEADERS) as response:
            assert (response.status, len((await response.json())["results"])) == (200, 2)
        path = READ_PATH.format(types="contacts/companies")
        async with session.post(path, json={"inputs": [{"id": "1"}]}, headers=HEADERS) as response:
            assert (response.status, len((await response.json())["results"])) == (200, 1)


async def test_tokens_are_changed_over_http() -> None:
    """Revoked and accepted; a body without a token gets 400."""
    async with serve() as served, aiohttp.ClientSession(served.base_url) as session:
        statuses = []
        for change, token in (("revoke", "simulated-token"), ("accept", "simulated-token")):
            async with session.post(f"/_portal/{change}", json={"token": token}) as response:
                assert response.status == 204
            async with session.put(put_path(), headers=HEADERS) as response:
                statuses.append(response.status)
        assert statuses == [401, 200]
        for body in (b"", b"[]", b'{"token": 5}'):
            async with session.post("/_portal/accept", data=body) as response:
                assert response.status == 400


async def test_links_are_added_over_http() -> None:
    """The ledger does not count them; anything but a list of pairs gets 400 with the reason."""
    async with serve() as served, aiohttp.ClientSession(served.base_url) as session:
        links = {"links": [["contacts", "1", "companies", "2"]]}
        async with session.post("/_portal/links", json=links) as response:
            assert response.status == 204
        assert (served.portal.ledger.requests, served.portal.ledger.links_total) == (0, 0)
        assert linked_ids(read(served.portal, 1)) == {"1": ["2"]}
        for body, message in (
            (b"", "the body must be"),
            (b'{"links": 5}', "the body must be"),
            (b'{"links": {}}', "the body must be"),
            (b'{"links": [5]}', "the body must be"),
            (b'{"links": [["contacts", "1"]]}', "four strings"),
            (b'{"links": [["contacts", 1, null, []]]}', "four strings"),
            (b'{"links": [["kontakte", "1", "companies", "2"]]}', "'kontakte' is no object type"),
        ):
            async with session.post("/_portal/links", data=body) as response:
                assert response.status == 400
                assert message in (await response.json())["message"]


async def test_an_encoded_slash_stays_in_its_segment() -> None:
    """Over a real socket too, where libraries may decode it."""
    from yarl import URL  # noqa: PLC0415 -- aiohttp's own; nothing else here needs it

    async with serve() as served, aiohttp.ClientSession() as session:
        for written in ("1%2F2", "%2E%2E"):
            url = URL(served.base_url + put_path(written), encoded=True)
            async with session.put(url, headers=HEADERS) as response:
                assert (await response.json())["category"] == "OBJECT_NOT_FOUND"
        assert [pair.from_id for pair in served.portal.ledger.refused] == ["1/2", ".."]


@pytest.mark.parametrize("fault", ["never_before", "never_after", "slow"])
async def test_serving_ends_with_requests_in_flight(fault: str) -> None:
    """Connections are dropped at once; no task is left (a fixture sees to it)."""
    plan = FaultPlan(script_all=(fault,) * 20, slow_seconds=1000.0)
    async with aiohttp.ClientSession(headers=HEADERS) as session:

        async def call(url: str) -> None:
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.put(url)

        async with serve(PortalSettings(faults=plan)) as served:
            calls = [
                asyncio.create_task(call(served.base_url + put_path(number)))
                for number in range(1, 6)
            ]
            while served.portal.ledger.requests < 5:
                await settle()
        await asyncio.wait(calls)
        for each in calls:
            each.result()
    assert served.open_connections == 0
    assert served.portal.ledger.open_requests == 0
    assert served.portal.ledger.open_requests_peak == 5
    assert served.portal.ledger.open_connections_peak == 5


async def test_a_port_that_is_taken() -> None:
    """It raises the system's OSError."""
    async with serve() as served:
        port = urlsplit(served.base_url).port
        assert port
        with pytest.raises(OSError, match="in use"):
            async with serve(port=port):
                pytest.fail("it listens")


# --- a separate process -----------------------------------------------------------------------


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A dead child of a dead parent may wait until the system collects it.
    stat = Path(f"/proc/{pid}/stat")
    return (
        not stat.exists() or stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    )


def _request(base_url: str, method: str, path: str, body: bytes) -> bytes:
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=300)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers=HEADERS)
        return connection.getresponse().read()


def _put(base_url: str, path: str) -> int:
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=300)
    with contextlib.closing(connection):
        connection.request("PUT", path, headers=HEADERS)
        return connection.getresponse().status


def test_a_process_responds_keeps_a_ledger_and_ends() -> None:
    """With its settings."""
    with portal_process(PortalSettings(records_up_to=50)) as process:
        assert _is_alive(process.pid)
        assert (_put(process.base_url, put_path()), _put(process.base_url, put_path(99))) == (
            200,
            400,
        )
        assert process.ledger()["responses"] == {"200": 1, "400": 1}
        assert process.links()["links"] == [["contacts", "1", "companies", "2", 1]]
        assert [what for _, what in process.arrivals()] == [200, 400]
    assert not _is_alive(process.pid)


def test_links_are_added_in_a_process() -> None:
    """In chunks; impossible links raise ValueError here."""
    with portal_process() as process:
        process.add_links(("contacts", str(number), "companies", "7") for number in range(1, 12001))
        after = b'{"inputs": [{"id": "7", "after": "11990"}]}'
        response = _request(
            process.base_url, "POST", READ_PATH.format(types="companies/contacts"), after
        )
        (result,) = json.loads(response)["results"]
        assert [str(link["toObjectId"]) for link in result["to"]] == [
            str(number) for number in range(11991, 12001)
        ]
        with pytest.raises(ValueError, match="'firmen' is no object type"):
            process.add_links([("contacts", "1", "firmen", "2")])
        assert process.links() == {"links": [], "refused": []}


def test_ctrl_c_at_the_terminal_is_not_for_the_process() -> None:
    """It has a separate session, so that its parent can drain first."""
    with portal_process() as process:
        assert os.getpgid(process.pid) != os.getpgid(0)


def test_a_process_that_cannot_start() -> None:
    """It raises RuntimeError instead of hanging."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match="did not start"), portal_process(port=port):
            pytest.fail("it listens")


def test_a_process_does_not_outlive_its_parent() -> None:
    """Also when the parent is killed."""
    script = (
        "import os, sys\n"
        "from aiohubassoc.simulator import portal_process\n"
        "with portal_process() as process:\n"
        "    print(process.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert _is_alive(pid)
        parent.kill()
        parent.wait()
        while _is_alive(pid):  # the test's time limit bounds it
            pass


@pytest.fixture
def module_process() -> Iterator[subprocess.Popen[str]]:
    """Yield a portal that was started as a module."""
    with subprocess.Popen([*MODULE, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_module_by_itself(
    module_process: subprocess.Popen[str], number: signal.Signals
) -> None:
    """It prints one line of JSON when it is ready; a signal ends it with exit code 0."""
    assert module_process.stdout is not None
    ready = json.loads(module_process.stdout.readline())
    assert ready["pid"] == module_process.pid
    assert _put(ready["base_url"], put_path()) == 200
    module_process.send_signal(number)
    assert module_process.wait(300) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (None, "No such file"),
        ("{", "Expecting property name"),
        ('{"nonsense": 1}', "nonsense"),
        ('{"missing_share": 2}', "missing_share"),
        ('{"headers": "few"}', "headers"),
        ('{"faults": {"nonsense": 1}}', "nonsense"),
    ],
)
def test_invalid_settings(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, settings: str | None, message: str
) -> None:
    """Exit code 2 and the reason."""
    file = tmp_path / "settings.json"
    if settings is not None:
        file.write_text(settings, encoding="utf-8")
    with pytest.raises(SystemExit) as exited:
        main(["--settings", str(file)])
    assert exited.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("source", ["file", "-"])
def test_settings_as_json(source: str, tmp_path: Path) -> None:
    """From a file or from the standard input."""
    text = PortalSettings(tokens=("another",)).to_json()
    (tmp_path / "settings").write_text(text, encoding="utf-8")
    where = "-" if source == "-" else str(tmp_path / "settings")
    given: Any = subprocess.PIPE if source == "-" else None
    with subprocess.Popen(
        [*MODULE, "--settings", where], stdin=given, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        if process.stdin is not None:
            process.stdin.write(text)
            process.stdin.close()
        ready = json.loads(process.stdout.readline())
        assert _put(ready["base_url"], put_path()) == 401
        process.terminate()
        assert process.wait(300) == 0
