"""The public face, and what a client makes of it."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import (
    AssociationClient,
    Journal,
    OptionsError,
    Pair,
    Quota,
    QuotaLimiter,
    SharedQuota,
)
from aiohubassoc.cli.connection import FolderQuota
from aiohubassoc.errors import SharedQuotaError
from aiohubassoc.shared_quota.quota import hide_password, to_kept_url
from aiohubassoc.shared_quota.store import is_gone, make_identity
from aiohubassoc.simulator import PortalSettings, serve
from tests.conftest import pass_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from postgres import PostgresServer

    from aiohubassoc.simulator import ServedPortal


@pytest.mark.parametrize(
    "url",
    [
        *("", "quota.db", "sqlite://quota.db", "sqlite:///", "sqlite:///:memory:", "redis://x"),
        *("postgresql:/x", "mysql://root:secret@x/y", None, 5, b"sqlite:///x"),
        *("sqlite:///a\0b", "postgresql://host/a\0b"),
    ],
)
def test_a_url_that_is_none_is_refused(url: Any) -> None:
    """With what it may be, and no password."""
    with pytest.raises(OptionsError, match="url must be sqlite:///FILE") as caught:
        SharedQuota(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["", None, 3, "a\0b", "\udcff"])
def test_a_key_that_is_none_is_refused(key: Any) -> None:
    """A quota has a name."""
    with pytest.raises(OptionsError, match="key must be a text"):
        SharedQuota("sqlite:///quota.db", key)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is made, not when it is used."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(OptionsError, match=r"pip install 'aiohubassoc\[postgres\]'"):
        SharedQuota("postgresql://host/db")


@pytest.mark.parametrize(
    ("url", "shown", "kept"),
    [
        (
            "postgresql://me:secret@host:5432/db",
            "postgresql://me:***@host:5432/db",
            "postgresql://me@host:5432/db",
        ),
        (
            "postgresql:///db?host=/run&password=secret&user=me",
            "postgresql:///db?host=/run&password=***&user=me",
            "postgresql:///db?host=/run&password=&user=me",
        ),
        ("postgres://host/db", "postgres://host/db", "postgres://host/db"),
        (
            "postgresql://me:se@cret@host/db",
            "postgresql://me:***@host/db",
            "postgresql://me@host/db",
        ),
    ],
)
def test_a_password_is_neither_shown_nor_kept(url: str, shown: str, kept: str) -> None:
    """Wherever it stands."""
    assert hide_password(url) == shown
    assert to_kept_url(url) == kept
    quota = SharedQuota(url)
    assert repr(quota) == f"SharedQuota({shown!r}, key='default')"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret%21@host/db",
        "postgresql:///db?host=/run&password=s3cret%21&user=me",
        "postgresql://me:other@host/db?sslpassword=s3cret%21",
    ],
)
def test_what_a_library_says_of_a_password_is_not_repeated(url: str) -> None:
    """As it stands in the URL, and as it is."""
    quota = SharedQuota(url)
    why = quota.explain(Exception(f'could not parse "{url}", nor s3cret%21, nor s3cret!'))
    assert "s3cret" not in str(why)
    assert "could not parse" in str(why)


def test_it_is_a_value() -> None:
    """Equal, copied and pickled as one."""
    quota = SharedQuota("sqlite:///quota.db", "portal 1")
    assert quota == SharedQuota("sqlite:///quota.db", "portal 1") == copy.copy(quota)
    assert pickle.loads(pickle.dumps(quota)) == quota  # noqa: S301 -- our own
    error = SharedQuotaError("why")
    assert str(pickle.loads(pickle.dumps(error))) == "why"  # noqa: S301 -- our own


def test_a_path_is_kept_from_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run may continue from another folder."""
    monkeypatch.chdir(tmp_path)
    assert to_kept_url("sqlite:///x/quota.db") == f"sqlite:///{tmp_path}/x/quota.db"


@pytest.mark.parametrize(
    "options",
    [
        {"shared_quota": "sqlite:///quota.db"},
        {"shared_quota": SharedQuota("sqlite:///x"), "limiter": QuotaLimiter()},
        {"shared_quota": SharedQuota("sqlite:///x"), "batch_limiter": QuotaLimiter.for_batches()},
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any]) -> None:
    """When the client is made."""
    with pytest.raises(OptionsError, match="shared"):
        AssociationClient("token", **options)


# --- clients --------------------------------------------------------------------------------------

SETTINGS = PortalSettings(quota_limit=20, quota_window=1.0)


@pytest.fixture
async def portal() -> AsyncIterator[ServedPortal]:
    """A portal that takes 20 calls a second."""
    async with serve(SETTINGS) as portal:
        yield portal


def make_client(portal: ServedPortal, shared: SharedQuota, **options: Any) -> AssociationClient:
    """Return a client of it."""
    return AssociationClient(
        SETTINGS.tokens[0],
        base_url=portal.base_url,
        api_version="2026-09",
        shared_quota=shared,
        **{"quota": Quota(20, 1.0), **options},
    )


def pairs(count: int, begin: int = 1) -> list[Pair]:
    """Return this many pairs."""
    return [Pair("contacts", one, "companies", one) for one in range(begin, begin + count)]


@pytest.mark.looptime(False)
async def test_two_clients_one_after_the_other_keep_the_window(
    portal: ServedPortal, tmp_path: Path
) -> None:
    """The second knows what the first sent; single and batch calls each have a quota."""
    shared = SharedQuota(f"sqlite:///{tmp_path}/quota.db")
    for begin in (1, 21):
        async with make_client(portal, shared) as client:
            report = await client.link_all(pairs(20, begin))
            assert report.linked == 20
            assert report.throttled == 0
    async with make_client(portal, shared) as client:
        assert (await client.link_all(pairs(10, 100), via="batch")).linked == 10
    assert portal.portal.ledger.max_seen_in_window <= 20


@pytest.mark.looptime(False)
async def test_a_shared_quota_in_postgresql(portal: ServedPortal, postgres: PostgresServer) -> None:
    """Two clients at the same time."""
    shared = SharedQuota(postgres.url(), "two")
    first, second = make_client(portal, shared), make_client(portal, shared)
    async with first, second:
        report = await first.link_all(pairs(30))
        other = await second.link_all(pairs(30, 31))
    assert report.linked == other.linked == 30
    assert portal.portal.ledger.max_seen_in_window <= 20


@pytest.mark.looptime(False)
async def test_a_store_that_cannot_be_used_lets_nothing_go(
    portal: ServedPortal, tmp_path: Path
) -> None:
    """It is an error when the client is entered."""
    path = tmp_path / "quota.db"
    path.write_bytes(b"something else " * 100)
    with pytest.raises(SharedQuotaError, match=r"the shared quota sqlite:///.*quota\.db cannot be"):
        async with make_client(portal, SharedQuota(f"sqlite:///{path}")):
            pass
    assert portal.portal.ledger.requests == 0


@pytest.mark.looptime(False)
@pytest.mark.parametrize("is_database", [False, True])
async def test_a_damaged_file_of_a_run_folder_can_be_deleted(
    portal: ServedPortal, tmp_path: Path, *, is_database: bool
) -> None:
    """It is said how, since nothing of the run is in it."""
    folder = tmp_path / "run"
    async with make_client(portal, FolderQuota.of_folder(folder)) as client:
        await client.link_all(pairs(2), journal=Journal(folder))
    path = folder / "quota.db"
    if is_database:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("drop table aiohubassoc_quota")
    else:
        path.write_bytes(b"something else " * 100)
        for other in folder.glob("quota.db-*"):
            other.unlink()
    with pytest.raises(SharedQuotaError, match=r"no run uses the folder: rm .*quota\.db\*"):
        async with make_client(portal, FolderQuota.of_folder(folder)):
            pass
    path.unlink()
    async with make_client(portal, FolderQuota.of_folder(folder)) as client:
        report = await client.link_all(pairs(3), journal=Journal(folder))
    assert (report.linked, report.skipped) == (1, 2)


@pytest.mark.looptime(False)
async def test_a_store_that_goes_away_stops_the_run_in_good_order(
    portal: ServedPortal, tmp_path: Path
) -> None:
    """Every pair has one outcome; those that were not sent are unprocessed."""
    path = tmp_path / "quota.db"
    shared = SharedQuota(f"sqlite:///{path}")
    async with make_client(portal, shared) as client:
        outcomes = client.link_each(pairs(60))
        async with outcomes:
            seen = 0
            async for _ in outcomes:
                seen += 1
                if seen == 10:
                    path.unlink()
        report = outcomes.report
    assert isinstance(report.stopped, SharedQuotaError)
    assert report.total == seen == 60
    assert report.linked == portal.portal.ledger.links_total
    assert report.unprocessed == 60 - report.linked > 0


@pytest.mark.looptime(False)
async def test_a_run_folder_has_a_quota_of_its_own(portal: ServedPortal, tmp_path: Path) -> None:
    """In the folder, which is made for it, and is gone again if no run began."""
    folder = tmp_path / "runs" / "one"
    async with make_client(portal, FolderQuota.of_folder(folder)):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    async with make_client(portal, FolderQuota.of_folder(folder)) as client:
        await client.link_all(pairs(1), journal=Journal(folder))
    assert (folder / "quota.db").is_file()
    async with make_client(portal, FolderQuota.of_folder(folder)):
        pass
    assert (folder / "quota.db").is_file()


def test_a_client_that_is_never_entered_opens_nothing(tmp_path: Path) -> None:
    """Nor does it leave a thread."""
    path = tmp_path / "quota.db"
    client = AssociationClient("token", shared_quota=SharedQuota(f"sqlite:///{path}"))
    assert repr(client).endswith("new>")
    assert not path.exists()


async def test_the_modules_of_a_store_are_loaded_when_one_is_used() -> None:
    """Importing the client, or making one without, loads neither."""
    script = (
        "import sys, aiohubassoc; aiohubassoc.AssociationClient('t'); "
        "print(*{'sqlite3', 'psycopg', 'aiohubassoc.shared_quota.session'} & set(sys.modules))"
    )
    done = subprocess.run(  # noqa: ASYNC221 -- nothing else runs here
        [sys.executable, "-c", script],
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "\n"
    await pass_time(0)


# --- processes ------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("ends", ["kill", "itself", "zombie"])
def test_a_process_that_has_ended_is_known_to_be_gone(ends: str) -> None:
    """One that lives, or is stopped, or is of another machine, is not."""
    script = (
        "from aiohubassoc.shared_quota.store import make_identity; "
        "print(make_identity(), flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    identity = process.stdout.readline().strip()
    assert not is_gone(identity)
    process.send_signal(signal.SIGSTOP)
    assert not is_gone(identity)
    process.send_signal(signal.SIGCONT)
    if ends == "itself":
        process.stdin.write("\n")
        process.stdin.flush()
    else:
        process.kill()
    if ends == "zombie":
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(identity)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert is_gone(identity)


def test_a_process_of_another_machine_is_not_known_to_be_gone() -> None:
    """Nor one whose system does not say."""
    own = make_identity()
    assert not is_gone(own)
    assert make_identity() != own
    assert not is_gone(f"elsewhere{own}")
    assert not is_gone("/1//x")
