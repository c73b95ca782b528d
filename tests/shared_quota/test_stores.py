"""Stores: one visitor at a time, kept, and clear about what is wrong with them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from postgres import PASSWORD, PostgresServer

from aiohubassoc.shared_quota.postgres_store import PostgresStore
from aiohubassoc.shared_quota.sqlite_store import SqliteStore
from aiohubassoc.shared_quota.store import PermanentStoreError, TransientStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aiohubassoc.shared_quota.store import RowTransaction, Store

pytestmark = pytest.mark.looptime(False)

MakeStore = "Callable[[], Store]"


@pytest.fixture(params=["sqlite", "postgresql"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Return what opens the same store again and again; each kind of store."""
    made: list[Store] = []
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").url()

    def make() -> Store:
        store: Store
        if request.param == "sqlite":
            store = SqliteStore(str(tmp_path / "quota.db"))
        else:
            store = PostgresStore(url)
        store.open()
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


def add_one(transaction: RowTransaction) -> bytes:
    """Count updates in the state."""
    return str(1 + int(transaction.row.state if transaction.row else 0)).encode()


def read(store: Store, name: str, kind: str = "single") -> int:
    """Return the count."""
    found = b""

    def look(transaction: RowTransaction) -> bytes:
        nonlocal found
        found = transaction.row.state if transaction.row else b"0"
        return found

    store.update(name, kind, look)
    return int(found)


def test_states_are_kept_by_name_and_kind(
    make_store: Callable[[], Store], request: pytest.FixtureRequest
) -> None:
    """And another connection finds them."""
    name = request.node.name
    first = make_store()
    first.update(name, "single", add_one)
    first.update(name, "single", add_one)
    first.update(name, "batch", add_one)
    second = make_store()
    assert read(second, name) == 2
    assert read(second, name, "batch") == 1
    assert read(second, f"{name}'s \N{SNOWMAN}") == 0


def test_no_visit_is_lost_when_many_come_at_once(
    make_store: Callable[[], Store], request: pytest.FixtureRequest
) -> None:
    """Each sees what the one before it left, and time continues from one to the next."""
    name = request.node.name
    times: list[tuple[int, float]] = []
    stores = [make_store() for _ in range(4)]

    def visit_often(store: Store) -> None:
        seen = (0, 0.0)

        def note(transaction: RowTransaction) -> bytes:
            nonlocal seen
            assert transaction.arrived_at <= transaction.now
            state = add_one(transaction)
            seen = (int(state), transaction.now)
            return state

        for _ in range(50):
            store.update(name, "single", note)
            times.append(seen)

    threads = [threading.Thread(target=visit_often, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for number, _ in times) == list(range(1, 201))
    assert read(stores[0], name) == 200


def test_a_visit_that_fails_changes_nothing(
    make_store: Callable[[], Store], request: pytest.FixtureRequest
) -> None:
    """And the next one finds the store free."""
    name = request.node.name
    store = make_store()
    store.update(name, "single", add_one)

    def fail(_: RowTransaction) -> bytes:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.update(name, "single", fail)
    store.update(name, "single", add_one)
    assert read(make_store(), name) == 2


# --- files ----------------------------------------------------------------------------------------


def test_a_file_is_private(tmp_path: Path) -> None:
    """And its folder is not made, as its path may be wrong."""
    path = tmp_path / "quota.db"
    store = SqliteStore(str(path))
    store.open()
    store.close()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(PermanentStoreError, match=r"no folder .*/none\. An absolute path has four"):
        SqliteStore(str(tmp_path / "none" / "quota.db")).open()
    SqliteStore(str(tmp_path / "none" / "quota.db"), makes_folder=True).open()


@pytest.mark.parametrize("content", [b"just text, and some more of it " * 40, b"\0" * 5000])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """It is left as it is."""
    path = tmp_path / "quota.db"
    path.write_bytes(content)
    with pytest.raises(PermanentStoreError, match=r"no store of aiohubassoc|no SQLite database"):
        SqliteStore(str(path)).open()
    assert path.read_bytes() == content


def test_a_corrupt_file_is_an_error(tmp_path: Path) -> None:
    """When it is opened or visited, and not a state."""
    path = tmp_path / "quota.db"
    store = SqliteStore(str(path))
    store.open()
    store.update("a", "single", lambda _: b"x" * 5000)
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:100] + os.urandom(len(content) - 100))
    store = SqliteStore(str(path))
    with pytest.raises(
        PermanentStoreError, match=r"malformed|corrupt|not a database|not ours|no store"
    ):
        store.open()
        store.update("a", "single", add_one)
    store.close()


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    """No table is made in it."""
    path = tmp_path / "places.sqlite"
    db = sqlite3.connect(path)
    db.execute("create table moz_places (id integer)")
    db.commit()
    with pytest.raises(PermanentStoreError, match=r"no store of aiohubassoc: .* moz_places"):
        SqliteStore(str(path)).open()
    assert len(db.execute("select * from sqlite_schema").fetchall()) == 1
    db.close()


def test_tables_of_a_newer_version_are_refused(tmp_path: Path) -> None:
    """The message says what to do."""
    path = tmp_path / "quota.db"
    store = SqliteStore(str(path))
    store.open()
    store.close()
    db = sqlite3.connect(path)
    db.execute("update aiohubassoc_quota_schema set version = 2")
    db.commit()
    db.close()
    with pytest.raises(PermanentStoreError, match=r"newer version of aiohubassoc.*: upgrade"):
        SqliteStore(str(path)).open()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("update aiohubassoc_quota set state = 'text'", "its row 'a' holds other values"),
        ("update aiohubassoc_quota set state = 1000000000000", "its row 'a' holds other values"),
        ("update aiohubassoc_quota set revision = 'x'", "its row 'a' holds other values"),
        ("update aiohubassoc_quota_schema set version = 'x'", "its tables have no version"),
        ("delete from aiohubassoc_quota_schema", "its tables have no version"),
        ("drop table aiohubassoc_quota", "no such table"),
    ],
)
def test_tables_that_somebody_changed_are_refused(
    tmp_path: Path, statement: str, message: str
) -> None:
    """SQLite keeps any value in any column."""
    path = tmp_path / "quota.db"
    store = SqliteStore(str(path))
    store.open()
    store.update("a", "single", add_one)
    store.close()
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()
    with pytest.raises(PermanentStoreError, match=message):
        store.update("a", "single", add_one)
    store.close()


def test_a_file_that_is_locked_may_be_free_later(tmp_path: Path) -> None:
    """That passes; it is not waited for in the dark."""
    path = tmp_path / "quota.db"
    store = SqliteStore(str(path))
    store.open()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("begin immediate")
    with pytest.raises(TransientStoreError, match="locked"):
        store.update("a", "single", add_one)
    db.execute("commit")
    db.close()
    store.update("a", "single", add_one)
    store.close()


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_that_is_removed_in_use_is_an_error(tmp_path: Path, *, replace: bool) -> None:
    """Else two groups of processes would each keep a quota of their own."""
    path = tmp_path / "quota.db"
    store = SqliteStore(str(path))
    store.open()
    path.unlink()
    if replace:
        SqliteStore(str(path)).open()
    with pytest.raises(PermanentStoreError, match="removed or replaced"):
        store.update("a", "single", add_one)
    store.close()


def test_clients_of_one_process_keep_sharing_when_another_process_ends(tmp_path: Path) -> None:
    """It would remove SQLite's log if a second client of this process had dropped the locks."""
    first, second = (SqliteStore(str(tmp_path / "quota.db")) for _ in range(2))
    for store in (first, second):
        store.open()
        store.update("a", "single", add_one)
    script = """
import sys
from aiohubassoc.shared_quota.sqlite_store import SqliteStore
store = SqliteStore(sys.argv[1])
store.open()
store.update("a", "single", lambda transaction: str(1 + int(transaction.row.state)).encode())
store.close()
"""
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / "quota.db")], check=True)
        first.update("a", "single", add_one)
    assert read(second, "a") == 6
    for store in (first, second):
        store.close()


def test_a_folder_instead_of_a_file_is_an_error(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(PermanentStoreError, match="directory"):
        SqliteStore(str(tmp_path)).open()


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    """Here a limit of the size of files; the disk is full the same way."""
    script = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from aiohubassoc.shared_quota.sqlite_store import SqliteStore
from aiohubassoc.shared_quota.store import PermanentStoreError
store = SqliteStore(sys.argv[1])
store.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    for number in range(100):
        store.update("a", "single", lambda _: bytes(5000))
except PermanentStoreError as error:
    print("unusable:", error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "quota.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("unusable: "), done.stdout + done.stderr


# --- PostgreSQL -----------------------------------------------------------------------------------


def test_a_wrong_password_is_an_error(postgres: PostgresServer) -> None:
    """At once: it does not pass."""
    with pytest.raises(PermanentStoreError, match="authentication failed"):
        PostgresStore(postgres.url("guarded", "wrong")).open()
    with pytest.raises(PermanentStoreError, match="no password"):
        PostgresStore(postgres.url("guarded")).open()


def test_a_user_who_may_not_create_tables_uses_those_that_are_there(
    postgres: PostgresServer,
) -> None:
    """If it may read and write them; else it is an error."""
    owner = PostgresStore(postgres.url())
    owner.open()
    owner.close()
    guarded = PostgresStore(postgres.url("guarded", PASSWORD))
    with pytest.raises(PermanentStoreError, match="permission denied"):
        guarded.open()
    tables = "aiohubassoc_quota, aiohubassoc_quota_schema"
    postgres.run(f"grant select, insert, update on {tables} to guarded")
    guarded.open()
    guarded.update("guarded", "single", add_one)
    guarded.close()


def test_a_database_that_is_not_there_is_an_error(postgres: PostgresServer) -> None:
    """It does not pass."""
    with pytest.raises(PermanentStoreError, match="does not exist"):
        PostgresStore(postgres.url(database="none")).open()


def test_tables_of_a_newer_version_are_refused_in_postgresql(postgres: PostgresServer) -> None:
    """As in a file."""
    postgres.run("create database newer")
    store = PostgresStore(postgres.url(database="newer"))
    store.open()
    assert store._connection is not None
    store._connection.execute("update aiohubassoc_quota_schema set version = 2")
    store.close()
    with pytest.raises(PermanentStoreError, match=r"newer version of aiohubassoc.*: upgrade"):
        PostgresStore(postgres.url(database="newer")).open()


def test_clients_that_make_the_tables_at_once_all_succeed(postgres: PostgresServer) -> None:
    """None fails as another was first."""
    postgres.run("create database together")
    failed: list[Exception] = []

    def open_one() -> None:
        store = PostgresStore(postgres.url(database="together"))
        try:
            store.open()
            store.update("a", "single", add_one)
        except Exception as error:  # noqa: BLE001 -- of a thread
            failed.append(error)
        store.close()

    threads = [threading.Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    store = PostgresStore(postgres.url(database="together"))
    assert read(store, "a") == 6
    store.close()


def test_a_client_that_is_stopped_in_a_transaction_is_thrown_out(postgres: PostgresServer) -> None:
    """The others wait for a second, not for as long as it is stopped."""
    first, second = PostgresStore(postgres.url()), PostgresStore(postgres.url())
    go_on = threading.Event()
    entered = threading.Event()
    first.update("stopped", "single", add_one)

    def stop(transaction: RowTransaction) -> bytes:
        entered.set()
        go_on.wait(20)
        return add_one(transaction)

    failed: list[Exception] = []

    def visit_and_stop() -> None:
        try:
            first.update("stopped", "single", stop)
        except TransientStoreError as error:
            failed.append(error)

    thread = threading.Thread(target=visit_and_stop)
    thread.start()
    entered.wait(20)
    second.update("stopped", "single", add_one)
    go_on.set()
    thread.join()
    assert failed
    first.update("stopped", "single", add_one)
    assert read(second, "stopped") == 3
    first.close()
    second.close()


@pytest.mark.parametrize(
    "options",
    [
        "-c timezone=Asia/Tokyo",
        "-c datestyle=German",
        "-c extra_float_digits=-15",
        "-c bytea_output=escape",
        "-c standard_conforming_strings=off",
    ],
)
def test_settings_of_a_session_change_nothing(postgres: PostgresServer, options: str) -> None:
    """One machine's time zone is not another's: both are of one epoch, and see the same state."""
    plain = PostgresStore(postgres.url())
    other = PostgresStore(f"{postgres.url()}&options={quote(options)}")
    seen: list[tuple[object, ...]] = []

    def note(transaction: RowTransaction) -> bytes:
        row = transaction.row
        seen.append((row and row.state, row and row.epoch, transaction.epoch))
        return b"\x00\\'\xff"

    for store in (plain, other, plain, other):
        store.update(options, "single", note)
    assert len(set(seen[1:])) == 1
    assert seen[1][0] == b"\x00\\'\xff"
    plain.close()
    other.close()


def test_a_strict_default_isolation_lets_nobody_fail(postgres: PostgresServer) -> None:
    """A database may be set to serializable: one after the other, each sees what was committed."""
    url = f"{postgres.url()}&options={quote('-c default_transaction_isolation=serializable')}"
    stores = [PostgresStore(url) for _ in range(3)]
    stores[0].update("strict", "single", add_one)
    failed: list[Exception] = []

    def visit_often(store: PostgresStore) -> None:
        try:
            for _ in range(20):
                store.update("strict", "single", add_one)
        except TransientStoreError as error:
            failed.append(error)

    threads = [threading.Thread(target=visit_often, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert read(stores[0], "strict") == 61
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("setting", "passes"), [("default_transaction_read_only=on", True), ("search_path=none", False)]
)
def test_a_server_that_takes_no_writes_may_take_them_later(
    postgres: PostgresServer, setting: str, *, passes: bool
) -> None:
    """As during a failover; tables that are gone do not come back."""
    owner = PostgresStore(postgres.url())
    owner.update("failover", "single", add_one)
    owner.close()
    store = PostgresStore(f"{postgres.url()}&options={quote('-c ' + setting)}")
    with pytest.raises(TransientStoreError if passes else PermanentStoreError):
        store.update("failover", "single", add_one)
    store.close()


def test_tables_that_are_dropped_in_mid_run_are_an_error(postgres: PostgresServer) -> None:
    """It does not pass."""
    postgres.run("create database dropped")
    store = PostgresStore(postgres.url(database="dropped"))
    store.update("a", "single", add_one)
    other = PostgresStore(postgres.url(database="dropped"))
    other.open()
    assert other._connection is not None
    other._connection.execute("drop table aiohubassoc_quota")
    with pytest.raises(PermanentStoreError, match="does not exist"):
        store.update("a", "single", add_one)
    store.close()
    other.close()


def test_too_many_connections_may_pass(postgres: PostgresServer) -> None:
    """Another client may leave."""
    postgres.run("create role crowded login connection limit 1", "create database crowd")
    first = PostgresStore(postgres.url("crowded", database="crowd"))
    postgres.run("alter database crowd owner to crowded")
    first.update("a", "single", add_one)
    second = PostgresStore(postgres.url("crowded", database="crowd"))
    with pytest.raises(TransientStoreError, match="too many connections"):
        second.update("a", "single", add_one)
    first.close()
    while True:
        try:
            second.update("a", "single", add_one)
        except TransientStoreError:  # the server has not noticed yet
            continue
        break
    assert read(second, "a") == 2
    second.close()


def test_a_server_that_is_restarted_is_another_epoch(postgres: PostgresServer) -> None:
    """The first update after it fails, and passes; nothing that was committed is lost."""
    store = PostgresStore(postgres.url())
    epochs: list[str] = []

    def note(transaction: RowTransaction) -> bytes:
        epochs.append(transaction.epoch)
        return add_one(transaction)

    store.update("restart", "single", note)
    postgres.stop()
    with pytest.raises(TransientStoreError):
        store.update("restart", "single", note)
    postgres.start()
    store.update("restart", "single", note)
    assert len(set(epochs)) == 2
    assert read(store, "restart") == 2
    store.close()
