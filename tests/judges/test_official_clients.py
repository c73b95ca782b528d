"""HubSpot's own clients link and read at the simulated portal: only the URL is changed."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import peers
import pytest

from aiohubassoc.simulator import PortalSettings, portal_process
from tests.judges.found import ROOT, python_or_skip

pytestmark = pytest.mark.looptime(False)


@pytest.mark.timeout(600)  # their imports take seconds
@pytest.mark.parametrize(
    ("module", "script"),
    [("hubspot", "official_client.py"), ("hubspot_sdk", "official_sdk.py")],
)
def test_an_official_client_understands_the_portal(module: str, script: str) -> None:
    """A pair, a batch, a read, a missing record, a wrong token; and the portal's ledger agrees."""
    python = python_or_skip(module)
    with portal_process(PortalSettings(records_up_to=1000)) as portal:
        done = subprocess.run(
            [python, Path(__file__).with_name(script), portal.base_url, "simulated-token"],
            env={**os.environ, "PYTHONPATH": "", "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        links, responses = portal.ledger()["links"], portal.ledger()["responses"]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "single": [["1", "2"], ["2", "1"]],
        "batch": [["10", "20"], ["11", "21"], ["20", "10"], ["21", "11"]],
        "read": [["1", "2"], ["10", "20"], ["11", "21"]],
        "missing": 400,
        "unauthorized": 401,
    }
    assert links == {"total": 3, "pairs": 3, "max_per_pair": 1}
    assert responses == {"200": 3, "400": 1, "401": 1}


def test_the_clients_are_those_of_the_benchmarks() -> None:
    """The tests use the same versions as the benchmarks."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    judges = groups["dependency-groups"]["judges"]
    clients = {name for name in judges if name.startswith("hubspot")}
    assert clients == {
        name.replace("[aiohttp]", "") for name in peers._PYTHON_PEERS if name.startswith("hubspot")
    }
