"""The code of README and documentation runs, and their options exist."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiohubassoc._protocol.classify import TABLE
from aiohubassoc.cli.app import run
from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.looptime(False)

ROOT = Path(__file__).parents[2]
# v4 is warned of from a date on, which the tests are to outlive.
PYTHON = [sys.executable, "-W", "error", "-W", "ignore:HubSpot supports its v4:FutureWarning"]
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts),
]
FENCE = re.compile(r"^```(\w+|\{code-block\} \w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPT = "python"
CELL = "{code-block} python"
# Runs the cells of a notebook as one: in a namespace and an event loop that they share.
NOTEBOOK = """
import ast, asyncio, inspect, json, sys

async def main():
    names = {"__name__": "__main__"}
    for cell in json.load(sys.stdin):
        done = eval(compile(cell, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.isawaitable(done):
            await done

asyncio.run(main())
"""


def blocks(language: str) -> dict[str, dict[int, str]]:
    """Return the code in this language, by page and line."""
    found: dict[str, dict[int, str]] = {}
    for page in PAGES:
        if page.name in {"design.md", "fleet.md"}:  # fragments; a fleet's are run in tests/fleet
            continue
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 2
                found.setdefault(str(page.relative_to(ROOT)), {})[line] = match[2]
    return found


EXAMPLES = [
    pytest.param(code, id=f"{page}:{line}")
    for page, codes in blocks(SCRIPT).items()
    for line, code in codes.items()
]
NOTEBOOKS = [pytest.param(list(codes.values()), id=page) for page, codes in blocks(CELL).items()]
COMMANDS = [
    line.removeprefix("$ ")
    for page in PAGES
    if page.name != "troubleshooting.md"  # it shows what is wrong
    for match in FENCE.finditer(page.read_text(encoding="utf-8"))
    for line in match[2].splitlines()
    if re.search(r"^\$ .*aiohubassoc \w+ .*--", line)
]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Run a portal for all examples, with a quota that lets them be quick."""
    settings = PortalSettings(quota_limit=1000, quota_window=0.1, records_up_to=1000)
    with portal_process(settings) as process:
        yield process.base_url


def run_python(code: str, base_url: str, folder: Path, reported: str = "") -> None:
    """Run a script in a separate folder, against a portal instead of HubSpot."""
    done = subprocess.run(
        [*PYTHON, "-c", code],
        env={
            "HUBSPOT_BASE_URL": base_url,
            "HUBSPOT_ACCESS_TOKEN": "simulated-token",
            "PYTHONPATH": str(ROOT),
        },
        cwd=folder,
        input=reported,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("code", EXAMPLES)
def test_examples_run(code: str, base_url: str, tmp_path: Path) -> None:
    """Each as a separate script."""
    code = code.replace("http://127.0.0.1:8080", base_url)
    # Ten seconds for the second window are HubSpot's, and nothing to wait for here.
    code = code.replace("Quota.PROFESSIONAL", "Quota(1000, 0.1)")
    if "Quota(" in code:
        code = f"from aiohubassoc import Quota\n{code}"
    run_python(code, base_url, tmp_path)


@pytest.mark.parametrize("cells", NOTEBOOKS)
def test_notebooks_run(cells: list[str], base_url: str, tmp_path: Path) -> None:
    """The cells of a page in their order, which may await at the top level."""
    run_python(NOTEBOOK, base_url, tmp_path, json.dumps(cells))


def test_there_are_examples() -> None:
    """Otherwise the test above would prove nothing."""
    assert len(EXAMPLES) >= 12
    assert len(NOTEBOOKS) == 1
    assert len(COMMANDS) >= 16


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_options_exist(command: str) -> None:
    """Every option that a page shows is one of the command's."""
    words = command.partition("aiohubassoc ")[2]
    names = words.split()[: 2 if words.startswith("fleet ") else 1]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run([*names, "--help"])
    known = set(re.findall(r"--[\w-]+", out.getvalue()))
    assert set(re.findall(r" (--[\w-]+)", words.partition(" # ")[0])) <= known


@pytest.mark.parametrize(
    "name",
    [
        "link",
        "check",
        "resume",
        "verify",
        "status",
        "export",
        "report",
        "plan",
        "pairs",
        "simulate",
    ],
)
def test_the_reference_has_every_option(name: str) -> None:
    """No option is missing, and each exists."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run([name, "--help"])
    panel = out.getvalue().partition("Parameters")[2].partition("Examples")[0]
    shown = set(re.findall(r"│ [* ]*(--[\w-]+)", panel))
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    section = page.partition(f"## aiohubassoc {name}")[2].partition("\n## ")[0]
    written = {
        o
        for row in re.findall(r"^\| (`--.*?) \|", section, re.MULTILINE)
        for o in row.split("`")
        if o[:1] == "-"
    }
    assert written == shown


@pytest.mark.parametrize("why", sorted({row.why for row in TABLE}))
def test_the_reference_has_every_row_of_the_status_table(why: str) -> None:
    """The texts are those of the table in the code."""
    page = (ROOT / "docs" / "reference" / "statuses.md").read_text(encoding="utf-8")
    assert f"| {why} |" in page
