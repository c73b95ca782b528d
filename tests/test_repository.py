"""The files for contributors, CI, packages and nightly runs."""

from __future__ import annotations

import configparser
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tomllib
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder

from aiohubassoc.cli.app import make_app
from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.looptime(False)

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OPERATIONS = (ROOT / "docs" / "how-to" / "operations.md").read_text(encoding="utf-8")
# A retry cannot succeed after these: docs/how-to/operations.md.
FINAL = {1, 2, 4, 5}


def blocks(language: str) -> list[str]:
    """Return the blocks of the page on operations in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", OPERATIONS, re.MULTILINE | re.DOTALL)


def options_of(command: str) -> set[str]:
    """Return the names of a command's options."""
    arguments = make_app()[command].assemble_argument_collection()
    return {name for argument in arguments for name in argument.names}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder with the command in it, as an installation has it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "aiohubassoc"
    ignored = "ignore:HubSpot supports its v4:FutureWarning"
    command.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -W "{ignored}" -m aiohubassoc "$@"\n',
        encoding="utf-8",
    )
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Run a portal with a high quota."""
    settings = PortalSettings(quota_limit=1000, quota_window=0.1, records_up_to=1000)
    with portal_process(settings) as process:
        yield process.base_url


class Night:
    """A machine that runs the script: a file of pairs, a token, and where the portal is."""

    def __init__(self, folder: Path, programs: Path, base_url: str) -> None:
        self.pairs, token = folder / "pairs.csv", folder / "token"
        token.write_text("simulated-token\n", encoding="utf-8")
        token.chmod(0o600)
        self.command = [str(ROOT / "examples" / "nightly.sh"), str(self.pairs), str(folder / "s")]
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HUBSPOT_BASE_URL": base_url,
            "HUBSPOT_TOKEN_FILE": str(token),
        }

    def start(self, pairs: int) -> subprocess.Popen[str]:
        """Start the script for this many pairs."""
        rows = (f"{number},1" for number in range(1, pairs + 1))
        self.pairs.write_text("\n".join(["from_id,to_id", *rows, ""]), encoding="utf-8")
        return subprocess.Popen(
            self.command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, pairs: int) -> tuple[int, str]:
        """Run the script; return its exit code and what it printed."""
        process = self.start(pairs)
        printed, _ = process.communicate(timeout=300)
        return process.returncode, printed


def test_the_nightly_script_links_resumes_and_verifies(
    programs: Path, base_url: str, tmp_path: Path
) -> None:
    """A second start on the same day sends nothing again."""
    night = Night(tmp_path, programs, base_url)
    for expected in ("2  linked", "2  skipped"):
        code, printed = night.run(2)
        assert code == 0, printed
        assert expected in printed
        assert "2 pairs of the run read back" in printed


def test_the_nightly_script_returns_the_exit_code(
    programs: Path, base_url: str, tmp_path: Path
) -> None:
    """An empty export is an error."""
    assert Night(tmp_path, programs, base_url).run(0)[0] == 1


# Before the first pair, HubSpot is asked about the token and the types.
_OF_THE_CHECK = 2


def test_the_nightly_script_ends_after_a_signal(programs: Path, tmp_path: Path) -> None:
    """The shell passes the signal to the command."""
    with portal_process(PortalSettings(quota_limit=5, quota_window=60.0)) as portal:
        process = Night(tmp_path, programs, portal.base_url).start(50)
        while portal.ledger()["requests"] < _OF_THE_CHECK + 1:
            assert process.poll() is None
        process.terminate()
        printed, _ = process.communicate(timeout=300)
    assert process.returncode == 143, printed
    assert "To continue: " in printed


class _FailError(Exception):
    """Airflow's "do not try again"."""


@pytest.mark.parametrize(
    ("code", "raised"),
    [(0, None), *((code, _FailError) for code in FINAL)]
    + [(code, RuntimeError) for code in (3, 75, 130, 143)],
)
def test_the_airflow_task_retries_what_may_succeed_later(
    code: int, raised: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails immediately otherwise."""
    called: list[list[str]] = []
    bodies: list[Any] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        called.append(command)
        return subprocess.CompletedProcess(command, code, stdout="{}")

    def keep(function: Any) -> Any:
        bodies.append(function)
        return lambda: None

    sdk: Any = types.ModuleType("airflow.sdk")
    sdk.dag = lambda **_: lambda function: function
    sdk.task = keep
    exceptions: Any = types.ModuleType("airflow.exceptions")
    exceptions.AirflowFailException = _FailError
    monkeypatch.setitem(sys.modules, "airflow", types.ModuleType("airflow"))
    monkeypatch.setitem(sys.modules, "airflow.sdk", sdk)
    monkeypatch.setitem(sys.modules, "airflow.exceptions", exceptions)
    runpy.run_path(str(ROOT / "examples" / "airflow_dag.py"))
    (body,) = bodies
    monkeypatch.setattr(subprocess, "run", run)
    if raised is None:
        assert body(ds="2026-11-28") == "{}"
    else:
        with pytest.raises(raised, match=f"exit code {code}"):
            body(ds="2026-11-28")
    (words,) = called
    assert words[:3] == ["aiohubassoc", "link", "/srv/export/2026-11-28.csv"]
    assert {word for word in words if word.startswith("--")} <= options_of("link")


def test_the_units_of_systemd_retry_what_may_succeed_later() -> None:
    """By the exit codes of the page's table."""
    service = configparser.ConfigParser(interpolation=None, strict=False)
    service.optionxform = str  # type: ignore[assignment,method-assign]
    service.read_string(blocks("ini")[0])
    unit = service["Service"]
    assert {int(code) for code in unit["RestartPreventExitStatus"].split()} == FINAL
    assert unit["Environment"] == "HUBSPOT_TOKEN_FILE=%d/token"
    assert unit["ExecStart"].split()[0].endswith("/nightly.sh")


def test_the_job_of_kubernetes_retries_what_may_succeed_later() -> None:
    """Its paths are mounted."""
    (text,) = blocks("yaml")
    job = yaml.safe_load(text)["spec"]["jobTemplate"]["spec"]
    rule = job["podFailurePolicy"]["rules"][0]
    assert set(rule["onExitCodes"]["values"]) == FINAL
    (container,) = job["template"]["spec"]["containers"]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert container["command"][0] == "aiohubassoc-nightly"
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    paths = [*container["command"][1:], container["env"][0]["value"]]
    assert {f"/{path.split('/')[1]}" for path in paths} == mounted
    assert container["env"][0]["name"] == "HUBSPOT_TOKEN_FILE"


def test_the_table_says_which_exit_codes_are_final() -> None:
    """As units, job and task have it."""
    table = OPERATIONS.partition("| exit code | retry automatically? |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([\d, ]+) \| (\w+)", table, re.MULTILINE)
    final = {
        int(code)
        for codes, retried in rows
        for code in codes.split(",")
        if retried == "no" and int(code)
    }
    assert final == FINAL


def test_the_steps_of_the_image_install_the_command(tmp_path: Path) -> None:
    """In an empty folder; without a network, so what they need comes from this environment."""
    folder = tmp_path / "environment"
    done = subprocess.run(
        [ROOT / ".ci" / "install-into", folder, sys.executable],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if "site-packages" in path),
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # of pip's switches that say "no", 0 is to do so
            "PIP_IGNORE_INSTALLED": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", done.stdout.strip())
    for name in ("aiohubassoc", "aiohubassoc-nightly"):
        assert os.access(folder / "bin" / name, os.X_OK)


def test_the_image_has_these_steps() -> None:
    """It runs without privileges, until it gets a signal."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "RUN /source/.ci/install-into /opt/aiohubassoc" in text
    assert re.search(r"^USER \d+$", text, re.MULTILINE)
    assert 'ENTRYPOINT ["aiohubassoc"]' in text
    assert "ENV PATH=/opt/aiohubassoc/bin:$PATH" in text


def test_the_workflow_runs_the_make_targets() -> None:
    """On every Python version that the package declares."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    job = workflow["jobs"]["test"]
    named = [
        one.rpartition(" ")[2]
        for one in PYPROJECT["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", one)
    ]
    assert job["strategy"]["matrix"]["python"] == named
    assert job["steps"][-1] == {"run": ".ci/run"}


def test_issue_forms_are_yaml() -> None:
    """GitHub does not show invalid forms."""
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        (None, 0, "Audit left out: pip-audit is not installed. To install and run it: make audit"),
        ("echo 'No known vulnerabilities found' >&2", 0, "Audit: no known vulnerabilities"),
        ("echo 'a 1.0 CVE-1'; echo 'Found 1' >&2; exit 1", 2, "a 1.0 CVE-1"),
        ("echo 'no connection' >&2; exit 1", 0, "Audit left out: no connection"),
    ],
)
def test_an_audit_fails_a_check_only_if_it_finds_something(
    script: str | None, code: int, message: str, tmp_path: Path
) -> None:
    """What is left out is named; what was found is shown; an audit is not repeated on one day."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    requirements = tmp_path / "requirements-dev.txt"
    requirements.touch()
    os.utime(requirements, (0, 0))
    if script is not None:
        programs = tmp_path / ".venv-judges" / "bin"
        programs.mkdir(parents=True)
        for name in ("python", "pip-audit"):
            (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            (programs / name).chmod(0o755)

    def audit() -> tuple[int, str]:
        done = subprocess.run(
            ["make", "--silent", "audit-if-possible"],  # noqa: S607 -- wherever it is
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    assert audit() == (code, message)
    again = "Audit: done less than a day ago" if "no known" in message else message
    assert audit() == (code, again)
    os.utime(requirements, (2**32, 2**32))  # other versions since
    assert audit() == (code, message)


def test_git_hooks_use_no_network() -> None:
    """A commit downloads nothing; the hooks run the tools of `make check`."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for repo in hooks["repos"]:
        assert repo["repo"] == "local"
        for hook in repo["hooks"]:
            tool = hook["entry"].removeprefix(".venv/bin/").split()[0]
            assert f"$(BIN)/{tool}" in makefile


def test_the_source_distribution_has_every_file_of_the_repository(tmp_path: Path) -> None:
    """So that `make test` works in it; and nothing else."""
    (archive,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"Makefile", "requirements-dev.txt", ".ci/run", "docs/conf.py", "LICENSE"} <= names
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 -- wherever it is
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert names == {*listed.stdout.splitlines(), "PKG-INFO"}


def test_no_package_index_is_configured() -> None:
    """The user chooses the package index."""
    hosts = [f"{name}.org" for name in ("pypi", "pythonhosted", "npmjs")]
    listed = [*ROOT.glob("*.*"), *(ROOT / ".github").rglob("*.*"), *(ROOT / "docs").rglob("*.md")]
    for path in listed:
        if path.is_file() and "_build" not in path.parts and not path.name.startswith(".cov"):
            text = path.read_text(encoding="utf-8", errors="replace")
            assert [host for host in hosts if host in text] == [], path


def test_the_changelog_has_a_release_for_each_version() -> None:
    """The first section is for unreleased changes."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    for heading in headings:
        assert f"\n[{heading}]: " in text
    stream = io.StringIO(text)
    assert sum(line.startswith("## [") for line in stream) >= 2
