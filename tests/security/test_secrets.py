"""No output of a run contains the token or the proxy's password, for any error."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import gc
import json
import logging
import os
import pickle
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs
import pytest
from aiohttp import web

from aiohubassoc import (
    AioHubAssocError,
    AssociationClient,
    Journal,
    Pair,
    Quota,
    RetryPolicy,
    Timeouts,
)
from aiohubassoc.simulator import Fault, FaultPlan, PortalSettings
from aiohubassoc.testing import simulated_portal
from tests.cli.processes import COMMAND
from tests.conftest import pass_time
from tests.http.test_proxy import proxy_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

TOKEN = "pat-na1-canary/of\\nobody"
PASSWORD = "canary-password-of-nobody"
BASIC = base64.b64encode(f"user:{PASSWORD}".encode()).decode()
# As they are, and as JSON, a URL, or a header has them.
SECRETS = {
    written
    for secret in (TOKEN, PASSWORD, BASIC)
    for written in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""))
}
MANY = Quota(10**6, 1.0)
PAIRS = [Pair("contacts", n, "companies", n + 1000) for n in range(1, 16)]
# A simulator's token is one that a shell can pass on.
SETTINGS = PortalSettings(tokens=(TOKEN,), quota_limit=None, missing_share=0.05)


def _has_no_secret(left: bytes | str, where: str) -> None:
    data = left.encode("utf-8", "backslashreplace") if isinstance(left, str) else left
    for secret in SECRETS:
        assert secret.encode() not in data, (where, secret)
        assert secret.encode("utf-16-le") not in data, (where, secret)


def _all_files_have_none(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            _has_no_secret(path.read_bytes(), path.name)


def _own_objects() -> Iterable[object]:
    """Return what the package holds in memory now."""
    for each in gc.get_objects():
        module = str(type(each).__module__)
        if module.startswith("aiohubassoc") and not module.startswith("aiohubassoc.simulator"):
            yield each


def _in_memory() -> str:
    """Return how all objects of the package show themselves."""
    shown = []
    for each in _own_objects():
        with contextlib.suppress(Exception):  # of a half-made one
            shown += [repr(each), str(each)]
    return "\n".join(shown)


async def _everything(
    client: AssociationClient, folder: Path | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Make every kind of call, and look at all that it leaves."""
    kept: list[object] = []
    errors: list[BaseException] = []

    async def trying(call: Any) -> None:
        try:
            kept.append(await call)
        except AioHubAssocError as error:
            errors.append(error)

    async with client:
        await trying(client.create_default(PAIRS[0]))
        await trying(client.create_default_batch("contacts", "companies", PAIRS[:5]))
        await trying(client.check("contacts", "companies"))
        for options in ({"via": "put"}, {"via": "batch", "batch_size": 8}, {"skip_linked": True}):
            journal = None if folder is None else Journal(folder / str(len(kept)))
            chosen: dict[str, Any] = {**options, "journal": journal}
            async with client.link_each(PAIRS, **chosen) as outcomes:
                kept += [outcome async for outcome in outcomes]
            kept.append(outcomes.report)
        async with client.verify(PAIRS) as found:
            kept += [one async for one in found]
        kept += [found.report, client.limiter, client.batch_limiter]
        _has_no_secret(_in_memory(), "an open client's objects")
    with pytest.raises(TypeError):
        pickle.dumps(client)
    with pytest.raises(TypeError):
        copy.deepcopy(client)
    errors += [error for one in kept if (error := getattr(one, "error", None)) is not None]
    for error in errors:
        whole = "".join(traceback.format_exception(error))
        _has_no_secret(f"{error}\n{error!r}\n{whole}\n{vars(error)}", "an error")
        _has_no_secret(pickle.dumps(error), "a pickle")
    for one in kept:
        _has_no_secret(f"{one}\n{one!r}", "a result")
        if attrs.has(type(one)):
            _has_no_secret(pickle.dumps(one), "a pickle")
    for record in caplog.records:
        _has_no_secret(f"{record.getMessage()}\n{vars(record)}", "a log record")


def _client(base_url: str, **options: Any) -> AssociationClient:
    return AssociationClient(
        TOKEN,
        base_url=base_url,
        quota=MANY,
        batch_quota=MANY,
        retry=RetryPolicy(attempts=3, wait_initial=0.1),
        timeouts=Timeouts(response=5.0),
        **options,
    )


@pytest.mark.parametrize("fault", Fault)
async def test_a_fault_of_the_portal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    """Each fault of the simulator hits a third of all calls."""
    caplog.set_level(logging.DEBUG)
    script = (fault, None, None) * 200
    faults = FaultPlan(script_all=script, slow_seconds=7.0, problem_retry_after=1)
    async with simulated_portal(attrs.evolve(SETTINGS, faults=faults)) as served:
        await _everything(_client(served.base_url), tmp_path, caplog)
    _all_files_have_none(tmp_path)


@contextlib.asynccontextmanager
async def _echo(status: int, kind: str) -> AsyncIterator[str]:
    """Serve what repeats the token that it is sent wherever it can."""

    async def respond(request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization", "")
        token = sent.removeprefix("Bearer ")
        body: dict[str, Any] = {
            "status": "error",
            "category": sent,
            "subCategory": f"crm.{token}",
            "message": f"no good: {sent} {quote(sent, safe='')}",
            "correlationId": token,
            "context": {token: [token], "ids": [sent]},
            "links": {"x": token},
            "errors": [{"message": token, "category": token, "context": {"fromObjectId": [token]}}],
            "numErrors": 1,
            "results": [{"from": {"id": token}, "to": {"id": token}, token: token}],
        }
        headers = {"X-HubSpot-Correlation-Id": token, "X-Echo": sent, "CF-Ray": token}
        if 300 <= status < 400:
            headers["Location"] = f"/elsewhere?token={token}"
        if kind == "html":
            return web.Response(
                status=status, text=f"<h1>{sent}</h1>", content_type="text/html", headers=headers
            )
        return web.json_response(body, status=status, headers=headers)

    runner = web.ServerRunner(web.Server(respond))  # type: ignore[arg-type]  # for requests of one
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "json") for status in (200, 207, 302, 400, 401, 403, 404, 409, 429, 500)),
        *((status, "html") for status in (200, 404, 502)),
    ],
)
async def test_a_server_that_repeats_the_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int, kind: str
) -> None:
    """In its message, ids, context, headers and redirects."""
    caplog.set_level(logging.DEBUG)
    async with _echo(status, kind) as base_url:
        await _everything(_client(base_url), tmp_path, caplog)
    _all_files_have_none(tmp_path)


@pytest.mark.parametrize("status", ["", "407 No", "502 Bad", "nonsense"])
async def test_a_proxy_with_a_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    """That lets calls through, refuses them, or is no proxy."""
    caplog.set_level(logging.DEBUG)
    async with simulated_portal(SETTINGS) as served, proxy_to(served.base_url, status) as proxy:
        url = proxy.url.replace("://", f"://user:{PASSWORD}@")
        client = _client("http://hub.example", allow_http=True, proxy=url)
        await _everything(client, tmp_path, caplog)
    _all_files_have_none(tmp_path)


def test_the_check_itself_fails_on_a_violation(tmp_path: Path) -> None:
    """A secret is found in every form."""
    for secret in SECRETS:
        with pytest.raises(AssertionError):
            _has_no_secret(f"<{secret}>", "here")
    (tmp_path / "log").write_text(TOKEN, encoding="utf-8")
    with pytest.raises(AssertionError):
        _all_files_have_none(tmp_path)


# --- the command ------------------------------------------------------------------------------

# Of the others some last as long as a timeout of the command, some end the run.
PASSING = set(Fault) - {
    *(Fault.NEVER_BEFORE, Fault.NEVER_AFTER, Fault.SLOW, Fault.MIGRATING_477),
    *(Fault.NOT_FOUND_HTML_404, Fault.REDIRECT_302),
}


@pytest.mark.looptime(False)
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("via", ["put", "batch"])
async def test_files_and_outputs_of_the_command(tmp_path: Path, via: str) -> None:
    """Streams, logs, folder, report, failures, and the list of processes while it runs."""
    token_file = tmp_path / "secret" / "token"
    token_file.parent.mkdir()
    token_file.write_text(TOKEN, encoding="utf-8")
    token_file.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir()
    rows = "".join(f"{n},{n + 1000}\n" for n in range(1, 61))
    (home / "pairs.csv").write_text(f"from_id,to_id\n{rows}", encoding="utf-8")
    faults = FaultPlan.from_dict(
        {
            **{fault.value: 0.8 / len(PASSING) for fault in PASSING},
            "first_arrivals_only": 1,
            "problem_retry_after": 0,
            "throttled_retry_after": 0,
        }
    )
    settings = attrs.evolve(SETTINGS, faults=faults)
    async with simulated_portal(settings) as served, proxy_to(served.base_url) as proxy:
        arguments: list[str] = [
            *("link", "pairs.csv", "--from", "contacts", "--to", "companies", "--via", via),
            *("--base-url", "http://hub.example", "--allow-http", "--token-file", str(token_file)),
            *("--run", "run", "--report", "report.html", "--failures", "failures.csv", "--stream"),
            *("--log-level", "debug", "--log-format", "json", "--log-file", "log.jsonl"),
            *("--quota", "100000/1s", "--stop-after-alike", "0", "--verify"),
            *(("--batch-size", "20", "--batch-quota", "100000/1s") if via == "batch" else ()),
        ]
        environment = {**os.environ, "PYTHONASYNCIODEBUG": "1", "PYTHONPATH": str(Path.cwd())}
        environment["HTTP_PROXY"] = proxy.url.replace("://", f"://user:{PASSWORD}@")
        command = [COMMAND[0], "-X", "faulthandler", "-m", "aiohubassoc", *arguments]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=home,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        while "aiohubassoc" not in (listed := _listed(process.pid)):
            await pass_time(0.01)  # it is not there at once
        out, err = await process.communicate()
        assert process.returncode == 1, err.decode()
    assert 60 == len(out.splitlines())
    _has_no_secret(listed, "the list of processes")
    _has_no_secret(out, "standard output")
    _has_no_secret(err, "standard error")
    assert {"run", "report.html", "log.jsonl"} <= {path.name for path in home.iterdir()}
    assert "DEBUG" in (home / "log.jsonl").read_text(encoding="utf-8").upper()
    _all_files_have_none(home)


def _listed(process_id: int) -> str:
    """Return what anybody on this machine can see of a process."""
    proc = Path("/proc") / str(process_id)
    return "\n".join((proc / name).read_text("utf-8", "replace") for name in ("cmdline", "comm"))
