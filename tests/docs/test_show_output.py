"""The output below a command in the documentation is its real output."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

pytestmark = pytest.mark.looptime(False)

ROOT = Path(__file__).parents[2]
MARK = "% docs/show_output.py runs these commands\n"
PAGES = [
    "README.md",
    *(
        page.relative_to(ROOT).as_posix()
        for page in sorted((ROOT / "docs").rglob("*.md"))
        if "_build" not in page.parts and MARK in page.read_text(encoding="utf-8")
    ),
]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import docs/show_output.py."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    yield importlib.import_module("show_output")
    del sys.modules["show_output"]


@pytest.mark.parametrize("name", PAGES)
def test_what_commands_print_is_what_pages_show(name: str, script: ModuleType) -> None:
    """If it fails, run python docs/show_output.py."""
    ((_, text, shown),) = script.show_pages((ROOT / name,))
    assert script.normalize(text) == script.normalize(shown)


def test_there_are_pages_with_outputs(script: ModuleType) -> None:
    """Otherwise the test above would prove nothing."""
    assert len(PAGES) >= 13
    assert [page.relative_to(ROOT).as_posix() for page in script.PAGES] == PAGES


def test_the_output_of_a_command_is_replaced(script: ModuleType, tmp_path: Path) -> None:
    """Commands that are not run keep their output."""
    page = (
        "```console\n$ aiohubassoc --version\nold\n"
        "$ cat pairs.csv | aiohubassoc link -\nkept\n```\n"
        "\n% not run\n```console\n$ aiohubassoc --version\nkept too\n```\n"
    )
    shown = script.run_page(page, "http://127.0.0.1:9", tmp_path)
    assert "old" not in shown
    assert "$ aiohubassoc --version\n0." in shown
    assert "$ cat pairs.csv | aiohubassoc link -\nkept\n```" in shown
    assert "$ aiohubassoc --version\nkept too\n```" in shown


def test_dots_stand_for_lines_left_out(script: ModuleType, tmp_path: Path) -> None:
    """Every line that is shown is printed, in this order; else the whole output is written."""
    page = "```console\n$ aiohubassoc plan nothing.csv --from contacts --to companies\n{}\n```\n"
    folders = (tmp_path / name for name in "abcd")

    def show(output: str) -> str:
        folder = next(folders)
        folder.mkdir()
        shown: str = script.run_page(page.format(output), "http://127.0.0.1:9", folder)
        return shown.removesuffix("\n```\n").partition("companies\n")[2]

    whole = show("")
    assert whole.startswith("aiohubassoc: cannot open nothing.csv")
    assert show("...") == "..."
    assert show(f"...\n{whole}\n...") == f"...\n{whole}\n..."
    assert show("...\naiohubassoc: cannot open") == whole


def test_a_line_for_a_shell_is_run_if_its_programs_are_known(
    script: ModuleType, tmp_path: Path
) -> None:
    """Its output is that of both programs and of what they write to standard error."""
    page = (
        "```console\n$ printf 'from_id\\n1\\n' | "
        "aiohubassoc plan - --from contacts --to companies # all\nold\n```\n"
    )
    shown = script.run_page(page, "http://127.0.0.1:9", tmp_path)
    assert "old" not in shown
    assert "has no column 'to_id'" in shown


def test_the_example_of_the_page_for_agents_runs(tmp_path: Path) -> None:
    """What the page for agents shows of standard input and output."""
    page = (ROOT / "docs" / "how-to" / "agents.md").read_text(encoding="utf-8")
    ((command, shown),) = re.findall(r"^\$ (printf .*)\n(\{.*\})$", page, re.MULTILINE)
    program = tmp_path / "aiohubassoc"
    ignored = "ignore:HubSpot supports its v4:FutureWarning"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -W "{ignored}" -m aiohubassoc "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    with portal_process(PortalSettings()) as portal:
        done = subprocess.run(
            ["sh", "-c", command],  # noqa: S607 -- wherever it is
            env={
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "HUBSPOT_BASE_URL": portal.base_url,
                "HUBSPOT_ACCESS_TOKEN": "simulated-token",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, f"{shown}\n")
