"""``aiohubassoc fleet``, as people and programs type it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiohubassoc.simulator import PortalProcess

pytestmark = [pytest.mark.looptime(False), pytest.mark.timeout(180)]

TYPES = ("--from", "contacts", "--to", "companies")


@pytest.fixture
def portal() -> Iterator[PortalProcess]:
    """Return a portal that knows the records 1 to 1,000."""
    with portal_process(PortalSettings(records_up_to=1000)) as portal:
        yield portal


@pytest.fixture
def run(database: str, portal: PortalProcess, tmp_path: Path) -> Command:
    """Return what runs the command."""
    portals = tmp_path / "portals.toml"
    (tmp_path / "token").write_text("simulated-token\n", encoding="utf-8")
    (tmp_path / "token").chmod(0o600)
    portals.write_text(
        f'[portals.acme]\nbase_url = "{portal.base_url}"\ntoken_file = "token"\nquota = "190/1s"\n',
        encoding="utf-8",
    )
    command = Command(database, portals)
    assert command("init").returncode == 0
    return command


class Command:
    """Runs ``aiohubassoc fleet`` with the database and the portals of a test."""

    def __init__(self, database: str, portals: Path) -> None:
        self.environment = {
            **os.environ,
            "AIOHUBASSOC_DATABASE": database,
            "AIOHUBASSOC_PORTALS": str(portals),
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [sys.executable, "-m", "aiohubassoc", "fleet", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """Return what it prints."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def state(self, run: int) -> dict[str, Any]:
        """Return how a run stands."""
        (one,) = self.json("status", str(run))["runs"]
        return dict(one)

    def until_ended(self, run: int) -> dict[str, Any]:
        """Return how a run stands once it has ended."""
        for _ in range(100):
            if (one := self.state(run))["state"] in {"done", "failed", "cancelled"}:
                return one
            threading.Event().wait(0.1)
        raise AssertionError(self.state(run))


def test_a_file_is_submitted_linked_and_exported(run: Command, tmp_path: Path) -> None:
    """A file is submitted, linked and exported."""
    source = tmp_path / "pairs.csv"
    source.write_text("from_id,to_id,note\n1,2,a\n3,4,b\n5000,6,c\n1,2,d\n", encoding="utf-8")
    number = run.json("submit", "acme", str(source), *TYPES)["run"]
    queued = run.state(number)
    assert (queued["portal"], queued["state"], queued["unprocessed"]) == ("acme", "queued", 3)
    worker = subprocess.Popen(
        [sys.executable, "-m", "aiohubassoc", "fleet", "worker", "--poll", "0.1"],
        env=run.environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        ended = run.until_ended(number)
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 143
    names = ("state", "linked", "partial", "failed", "unprocessed", "skipped")
    assert [ended[name] for name in names] == ["done", 2, 0, 1, 0, 1]
    linked = run("export", str(number), "--linked", "--format", "csv").stdout.splitlines()
    assert linked[0] == "from_id,to_id,note,status,category,message,correlation_id"
    assert linked[1:] == ["1,2,a,linked,,,", "3,4,b,linked,,,"]
    failed = tmp_path / "failed.jsonl"
    assert run("export", str(number), "--failed", "--output", str(failed)).returncode == 0
    (row,) = map(json.loads, failed.read_text(encoding="utf-8").splitlines())
    assert (row["note"], row["status"], row["category"]) == ("c", "failed", "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("submit", "acne", "x.csv", *TYPES), "no portal 'acne'"),
        (("status", "999"), "no run 999"),
        (("cancel", "999"), "no run 999"),
        (("export", "999"), "no run 999"),
        (("submit", "acme", "no-such-file.csv", *TYPES), "no-such-file.csv"),
        (("submit", "acme", "x.csv", *TYPES, "--start-at", "soon"), "--start-at"),
        (("status", "--database", "postgresql://u:secret@127.0.0.1:1/x"), "cannot connect"),
        (("worker", "--portals", "no-such.toml"), "no-such.toml"),
    ],
)
def test_what_cannot_work_ends_with_2_and_says_why(
    run: Command, arguments: tuple[str, ...], message: str
) -> None:
    """What cannot work ends with 2 and says why."""
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_row_without_a_pair_stores_nothing_unless_it_is_skipped(
    run: Command, tmp_path: Path
) -> None:
    """A row without a pair stores nothing unless it is skipped."""
    source = tmp_path / "pairs.csv"
    source.write_text("from_id,to_id\n1,2\nx,4\n", encoding="utf-8")
    refused = run("submit", "acme", str(source), *TYPES)
    assert refused.returncode == 2
    assert "line 3" in refused.stderr
    assert "--skip-invalid" in refused.stderr
    assert run.json("status") == {"runs": []}
    number = run.json("submit", "acme", str(source), *TYPES, "--skip-invalid")["run"]
    assert (run.state(number)["total"], run.state(number)["rejected"]) == (1, 1)
    assert "x,4,invalid" in run("export", str(number), "--failed").stdout


def test_portals_say_whether_their_token_can_be_read(run: Command, tmp_path: Path) -> None:
    """Portals say whether their token can be read."""
    assert run.json("portals")["portals"][0]["problem"] is None
    (tmp_path / "token").unlink()
    done = run("portals")
    assert done.returncode == 1
    assert "cannot read the token" in done.stdout
