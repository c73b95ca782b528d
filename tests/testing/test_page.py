"""The page about testing, in a bare project: no settings, no files of ours."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docs.test_examples import FENCE

pytestmark = pytest.mark.looptime(False)

ROOT = Path(__file__).parents[2]
_PAGE = (ROOT / "docs" / "how-to" / "testing.md").read_text(encoding="utf-8")
_TESTS = [match[2] for match in FENCE.finditer(_PAGE) if "\nasync def test_" in match[2]]
_SYNC = """
def test_without_a_loop(hubspot_portal, mocked_hubspot):
    assert hubspot_portal.base_url.startswith("http://127.0.0.1:")
    assert mocked_hubspot.calls == 0
"""


def _install(folder: Path) -> None:
    """Have pytest find the plug-in as it does once the package is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = project["entry-points"]["pytest11"].items()
    about = folder / "installed" / "aiohubassoc_plugin-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: aiohubassoc-plugin\nVersion: 0\n")
    lines = "\n".join(f"{name} = {module}" for name, module in points)
    (about / "entry_points.txt").write_text(f"[pytest11]\n{lines}\n")


def _run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        env={"PYTHONPATH": f"{folder / 'installed'}:{ROOT}", "PATH": ""},
        cwd=folder / "project",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_its_code_runs_in_a_bare_project(tmp_path: Path, mode: str) -> None:
    """As it stands on the page, in both modes of pytest-asyncio."""
    assert len(_TESTS) >= 2
    _install(tmp_path)
    (tmp_path / "project").mkdir()
    for number, code in enumerate([*_TESTS, _SYNC]):
        (tmp_path / "project" / f"test_{number}.py").write_text(code, encoding="utf-8")
    done = _run(tmp_path, f"--asyncio-mode={mode}")
    tests = sum(code.count("def test_") for code in [*_TESTS, _SYNC])
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests} passed" in done.stdout


def test_pytest_starts_without_loading_the_client(tmp_path: Path) -> None:
    """The plug-in is loaded by each pytest of a project, also where no test uses it."""
    _install(tmp_path)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "test_loaded.py").write_text(
        "import sys\ndef test_loaded():\n"
        "    assert 'aiohubassoc._pytest_plugin' in sys.modules\n"
        "    assert not {'aiohttp', 'aioresponses', 'aiohubassoc.simulator'} & {*sys.modules}\n",
        encoding="utf-8",
    )
    done = _run(tmp_path, "-p", "no:asyncio", "-p", "no:looptime")
    assert done.returncode == 0, done.stdout
