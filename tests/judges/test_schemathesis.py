"""Schemathesis sends what the simulator's OpenAPI document allows, and what it does not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from aiohubassoc.simulator import PortalSettings, portal_process
from tests.judges.found import ROOT, python_or_skip

pytestmark = pytest.mark.looptime(False)

DOCUMENT = ROOT / "docs" / "reference" / "simulator.openapi.yaml"
AT_LIMIT, NEAR_LIMIT = (
    ("contacts", "1", "companies", 50_000),
    ("contacts", "2", "companies", 49_000),
)


@pytest.mark.timeout(600)  # about two thousand requests
@pytest.mark.parametrize(
    ("settings", "left_out"),
    [
        pytest.param(
            PortalSettings(
                quota_limit=None,
                daily_limit=10_000_000,
                limited_records=(AT_LIMIT, NEAR_LIMIT),
            ),
            [],
            id="everything exists",
        ),
        pytest.param(
            PortalSettings(
                quota_limit=3,
                quota_window=0.05,
                quota_retry_after=True,
                secondly_limit=100,
                headers="some",
                records_up_to=1_000,
                missing_share=0.5,
                missing_response="404",
                batch_errors="ends",
                read_unlinked="empty",
            ),
            # Records that do not exist, and a quota, refuse what the document allows.
            ["--exclude-checks", "positive_data_acceptance"],
            id="half is missing",
        ),
    ],
)
def test_the_portal_is_what_its_document_says(
    settings: PortalSettings, left_out: list[str], tmp_path: Path
) -> None:
    """Statuses, headers, bodies; wrong methods, bodies, tokens are refused; no 500."""
    python = python_or_skip("schemathesis")
    with portal_process(settings) as portal:
        done = subprocess.run(
            [
                python,
                *("-m", "schemathesis.cli"),
                *("--config-file", Path(__file__).with_name("schemathesis.toml")),
                *("run", DOCUMENT, "--url", portal.base_url, "--no-color", "--seed", "1"),
                *("--header", f"Authorization: Bearer {settings.tokens[0]}"),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", "10"),
                *("--generation-database", "none"),
                *left_out,
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": "", "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=580,
            check=False,
        )
        responses = portal.ledger()["responses"]
    assert done.returncode == 0, done.stdout
    assert {"200", "207", "400", "401", "405"} <= set(responses)
