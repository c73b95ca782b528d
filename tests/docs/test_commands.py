"""
Every command of the first pages works as typed, in a fresh copy, in an empty folder.

What is replaced: lines that install (the tests' Python runs the copy instead, by an ``aiohubassoc``
on the PATH), HubSpot (by a simulated portal at ``HUBSPOT_BASE_URL``), the access token, the port
8080, the user's own files, and what the user does by hand in between.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.looptime(False), pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
COPIED = ("aiohubassoc", "examples", "README.md", "docs", "pyproject.toml")
TOKEN = PortalSettings().tokens[0]
INSTALLS = re.compile(
    r"make demo|pip install|uvx --from|pipx run|python3 -m venv \.venv|\. \.venv/bin/activate"
)
BLOCK = re.compile(r"^```(console|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What people bring along: two exports of HubSpot's.
EXPORTS = {
    "contacts.csv": "Record ID,Email,Company Name\n"
    "101,ann@a.example,A\n102,bob@b.example,B\n103,cy@none.example,\n",
    "companies.csv": "Record ID,Company name,Company Domain Name\n"
    "201,A,a.example\n202,B,b.example\n",
}


class Shell:
    """
    Types commands in an empty folder, beside a fresh copy of the repository.

    Args:
        tmp_path: Where both are made.
        stack: Ends the processes that are left in the background.
    """

    def __init__(self, tmp_path: Path, stack: ExitStack) -> None:
        copy, programs = tmp_path / "copy", tmp_path / "bin"
        for name in COPIED:
            source = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__", "_build")
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=ignored)
            else:
                shutil.copy(source, copy / name)
        programs.mkdir()
        program = programs / "aiohubassoc"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aiohubassoc "$@"\n')
        program.chmod(0o755)
        self.folder = tmp_path / "empty"
        self.folder.mkdir()
        self._stack = stack
        self._environment = {
            **{name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(copy),
        }

    def export(self, assignment: str) -> None:
        """Set a variable."""
        name, _, value = shlex.split(assignment)[0].partition("=")
        self._environment[name] = TOKEN if "TOKEN" in name else value

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Type a command and wait for its end."""
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self, command: str, port: int) -> None:
        """Type a command in a second terminal, and wait until it listens."""
        process = subprocess.Popen(
            shlex.split(command),
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        assert process.stderr is not None
        self._stack.callback(process.stderr.close)
        assert str(port) in process.stderr.readline()


def _typed(page: str, port: int) -> Iterator[tuple[str, str]]:
    """Yield what a page shows: ``type`` and a command, or the name of a file and its text."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("8080", str(port))
    for match in BLOCK.finditer(text):
        name = re.search(r"Save this as `([\w.]+)`[^\n]*\n*\Z", text[: match.start()])
        if match[1] == "text" and name is not None:
            yield name[1], match[2]
        elif match[1] == "console":
            for line in match[2].splitlines():
                if line.startswith("$ "):
                    yield "type", line.removeprefix("$ ")


def _find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("page", "needs_hubspot", "codes"),
    [
        ("README.md", True, {}),
        # The page says so: one company does not exist.
        ("docs/tutorial.md", False, {"--failures failures.csv": 1}),
        ("docs/how-to/first-run.md", True, {}),
    ],
)
def test_commands_work_as_typed(
    page: str, tmp_path: Path, *, needs_hubspot: bool, codes: dict[str, int]
) -> None:
    """In the order of the page; each ends with 0, or with the exit code on the page."""
    typed = 0
    with ExitStack() as stack:
        shell, port = Shell(tmp_path, stack), _find_free_port()
        if needs_hubspot:
            settings = PortalSettings(daily_limit=625_000)
            shell.export(
                f"HUBSPOT_BASE_URL={stack.enter_context(portal_process(settings)).base_url}"
            )
            shell.export("HUBSPOT_ACCESS_TOKEN=that")
        if page.endswith("first-run.md"):
            for name, content in EXPORTS.items():
                (shell.folder / name).write_text(content, encoding="utf-8")
        for kind, text in _typed(page, port):
            if kind != "type":
                (shell.folder / kind).write_text(text, encoding="utf-8")
            elif text.startswith("export "):
                shell.export(text.removeprefix("export "))
            elif text.startswith("aiohubassoc simulate"):
                shell.start(text, port)
            elif not INSTALLS.match(text):
                done = shell.run(text)
                code = next((codes[end] for end in codes if text.endswith(end)), 0)
                assert done.returncode == code, (text, done)
                typed += 1
                _correct_by_hand(shell.folder / "failures.csv")
    assert typed >= 2


def _correct_by_hand(failures: Path) -> None:
    """Do what the tutorial asks for: correct the row that failed."""
    if failures.exists():
        text = failures.read_text(encoding="utf-8")
        failures.write_text(text.replace("99999", "202"), encoding="utf-8")
