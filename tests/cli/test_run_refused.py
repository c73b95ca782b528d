"""What a run folder is not used for, unless it is forced; and what may differ."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import FAST, TOKEN, TYPES, sent_to, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, Result, StartPortal

_CONTENT = "from_id,to_id,other\n1,11,21\n2,12,22\n"


@pytest.fixture
def portal(start_portal: StartPortal) -> Any:
    """Return a portal."""
    return start_portal()


@pytest.fixture
def run_once(
    link: Command, portal: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return the working directory, with pairs.csv, and a folder that has linked its two pairs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text(_CONTENT, encoding="utf-8")
    assert link("pairs.csv", "--run", folder).code == 0
    assert portal.portal.ledger.requests == 2
    return tmp_path


def _sessions(folder: Path) -> int:
    with sqlite3.connect(folder / "journal.db") as db:
        (count,) = db.execute("select count(*) from sessions").fetchone()
    db.close()
    return int(count)


# --- another job -------------------------------------------------------------------------------

_OTHERS = [
    (("--from", "deals"), "--from was 'contacts' and is 'deals'", 2),
    (("--to", "tickets"), "--to was 'companies' and is 'tickets'", 2),
    (("--to-column", "other"), "--to-column was None and is 'other'", 2),
    (("--from-column", "other"), "--from-column was None and is 'other'", 2),
    (("--encoding", "cp1252"), "--encoding was 'utf-8' and is 'cp1252'", 0),
    (("--format", "csv"), "--format was None and is 'csv'", 0),
]


def _link(command: Command, folder: Path, *options: object, files: tuple[str, ...]) -> Result:
    return command("link", "--no-check", *files, "--run", folder, *options, *FAST)


@pytest.mark.parametrize(
    ("options", "reported", "sent"), _OTHERS, ids=[reported for _, reported, _ in _OTHERS]
)
def test_other_options_are_another_job(
    command: Command,
    portal: Any,
    run_once: Path,
    folder: Path,
    *,
    options: tuple[str, str],
    reported: str,
    sent: int,
) -> None:
    """Exit code 2 and what differs; nothing is sent or written, unless it is forced."""
    given = dict(zip(TYPES[::2], TYPES[1::2], strict=True)) | dict([options])
    flat = [part for option in given.items() for part in option]
    refused = _link(command, folder, *flat, files=("pairs.csv",))
    assert refused.code == 2
    assert (
        f"the run folder {folder} holds another run of pairs.csv: {reported}. For another input or "
        "another portal use a new folder, such as --run runs/NAME" in refused.err
    )
    assert portal.portal.ledger.requests == 2
    assert _sessions(folder) == 1
    forced = _link(command, folder, *flat, "--force", "--json", files=("pairs.csv",))
    assert (forced.code, forced.reported["linked"], forced.reported["skipped"]) == (
        0,
        sent,
        2 - sent,
    )


@pytest.mark.parametrize(
    ("more", "reported"),
    [
        ("3,13,23\n", "input 1 is another file, or has changed"),
        (None, "input 2 was not given then"),
    ],
    ids=["changed", "one more"],
)
def test_another_input_is_another_job(
    link: Command, portal: Any, run_once: Path, folder: Path, *, more: str | None, reported: str
) -> None:
    """A changed file, or one more; forced, what is new is sent, and nothing twice."""
    files = ["pairs.csv"]
    if more is None:
        (run_once / "more.csv").write_text("from_id,to_id\n1,11\n3,13\n", encoding="utf-8")
        files.append("more.csv")
    else:
        (run_once / "pairs.csv").write_text(_CONTENT + more, encoding="utf-8")
    refused = link(*files, "--run", folder)
    assert refused.code == 2
    assert reported in refused.err
    assert refused.err.endswith("; for the same input with changed rows: --force\n")
    assert portal.portal.ledger.requests == 2
    assert link(*files, "--run", folder, "--force", "--json").reported["linked"] == 1
    assert set(sent_to(portal).items()) == {((str(n), str(n + 10)), 1) for n in (1, 2, 3)}
    assert link(*files, "--run", folder).code == 0  # what was forced is the job from now on


def _rows(*numbers: int) -> str:
    return "from_id,to_id,other\n" + "".join(f"{n},{n + 10},0\n" for n in numbers)


@pytest.mark.parametrize("is_known", [True, False], ids=["forced", "changed in its middle"])
def test_a_pair_that_moved_in_the_input_is_no_duplicate(
    link: Command,
    portal: Any,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_known: bool,
) -> None:
    """An earlier run did not send it; what was linked is said to be just that."""
    monkeypatch.chdir(tmp_path)
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(_rows(1, 2, 3, 4), encoding="utf-8")
    assert link(pairs, "--run", folder, "--limit", 2).code == 0
    with sqlite3.connect(folder / "journal.db") as db:  # as if stopped before the second was sent
        db.execute("update pairs set status = 4 where from_id = '2'")
    db.close()
    size = pairs.stat().st_size
    pairs.write_text(_rows(4, 3, 2, 1), encoding="utf-8")
    assert size == pairs.stat().st_size
    if is_known:
        assert link(pairs, "--run", folder, "--force", "--limit", 1).code == 0
    else:
        monkeypatch.setattr("aiohubassoc.cli.run_folder._identify", lambda _: {"size_bytes": 1})
        with sqlite3.connect(folder / "journal.db") as db:
            job = json.dumps({**_job(db), "input 1": {"size_bytes": 1}})
            db.execute("update header set value = ? where name = 'job'", (job,))
        db.close()
    ended = link(pairs, "--run", folder, "--json").reported
    assert ended["linked"] + ended["skipped"] == 4
    assert sent_to(portal) == {(str(n), str(n + 10)): 1 + (n == 2) for n in (1, 2, 3, 4)}
    assert not is_known or "DUPLICATE" not in str(ended)


def _job(db: sqlite3.Connection) -> Any:
    (value,) = db.execute("select value from header where name = 'job'").fetchone()
    return json.loads(value)


def test_the_order_of_files_is_part_of_the_job(
    link: Command, portal: Any, run_once: Path, tmp_path: Path
) -> None:
    """Lines are known by it."""
    write_pairs(run_once / "more.csv", 3)
    folder = tmp_path / "another"
    assert link("pairs.csv", "more.csv", "--run", folder).code == 0
    result = link("more.csv", "pairs.csv", "--run", folder)
    assert result.code == 2
    assert "input 1 is another file, or has changed; " in result.err
    assert "input 2 is another file" in result.err


def test_another_portal_is_another_job(
    link: Command, portal: Any, start_portal: StartPortal, run_once: Path, folder: Path
) -> None:
    """What is linked in one is not in the other; the environment's address counts as given."""
    other = start_portal()
    for options in ((), ("--base-url", other.base_url)):
        result = link("pairs.csv", "--run", folder, *options)
        assert result.code == 2
        assert f"portal was '{portal.base_url}' and is '{other.base_url}'" in result.err
        assert "--force" not in result.err  # what is linked in one would be skipped in the other
    assert other.portal.ledger.requests == 0
    assert link("pairs.csv", "--run", folder, "--base-url", portal.base_url).code == 0


def test_a_changed_input_is_refused_by_resume_too(
    command: Command, portal: Any, run_once: Path, folder: Path
) -> None:
    """Or one that is gone; forced, it takes what is there."""
    pairs = run_once / "pairs.csv"
    pairs.write_text(_CONTENT + "3,13,23\n", encoding="utf-8")
    result = command("resume", "--no-check", folder)
    assert (result.code, "input 1 is another" in result.err) == (2, True)
    assert portal.portal.ledger.requests == 2
    assert command("resume", "--no-check", folder, "--force", "--json").reported["linked"] == 1
    pairs.unlink()
    result = command("resume", "--no-check", folder)
    assert (result.code, f"{pairs}: No such file" in result.err) == (2, True)


def test_a_refused_folder_leaves_the_failures_file(
    link: Command, portal: Any, run_once: Path, folder: Path
) -> None:
    """Of an earlier run: nothing is begun, so nothing is overwritten."""
    failures = write_pairs(run_once / "failures.csv", 1)
    before = failures.read_text(encoding="utf-8")
    (run_once / "pairs.csv").write_text(_CONTENT + "3,13,23\n", encoding="utf-8")
    assert link("pairs.csv", "--run", folder, "--failures", failures).code == 2
    assert failures.read_text(encoding="utf-8") == before


def test_a_failures_file_that_cannot_be_made_leaves_the_folder_usable(
    link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Exit code 5 before anything is sent; the next run has all to do."""
    portal = start_portal()
    result = link(pairs_file, "--run", folder, "--failures", "/nowhere/failures.csv", "--json")
    assert (result.code, result.reported["total"]) == (5, 0)
    assert "/nowhere/failures.csv: No such file or directory" in result.err
    assert portal.portal.ledger.requests == 0
    assert link(pairs_file, "--run", folder, "--json").reported["linked"] == 10


# --- what may differ ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ("--quota", "190/10s"),
        ("--share", "0.5"),
        ("--reserve-daily", "10%"),
        ("--strict-quota",),
        ("--concurrency", "3"),
        ("--api-version", "2026-09"),
        ("--skip-invalid",),
        ("--strict",),
        ("--stop-after-failures", "7"),
        ("--failures", "failures.csv"),
        ("--token-file", "token"),
        ("--stream", "--ordered"),
        ("--uvloop",),
    ],
    ids=lambda options: options[0],
)
def test_how_fast_and_what_is_told_may_differ(
    command: Command, portal: Any, run_once: Path, folder: Path, options: tuple[str, ...]
) -> None:
    """It is the same job."""
    if "--uvloop" in options:
        pytest.importorskip("uvloop")
    (run_once / "token").write_text(TOKEN, encoding="utf-8")
    result = command("link", "--no-check", "pairs.csv", "--run", folder, *TYPES, *options)
    assert result.code == 0, result
    assert portal.portal.ledger.requests == 2


# --- what is no run folder of ours -------------------------------------------------------------

_READERS = ("resume", "status", "export")


def _call(command: Command, name: str, folder: Path) -> Result:
    if name in _READERS:
        return command(name, folder)
    return command(name, "pairs.csv", "--run", folder, *TYPES)


@pytest.mark.parametrize("name", ["link", "plan", *_READERS])
def test_a_folder_of_a_newer_version(
    command: Command, portal: Any, run_once: Path, folder: Path, name: str
) -> None:
    """Exit code 2: update; the folder stays as it is."""
    database = folder / "journal.db"
    with sqlite3.connect(database) as db:
        db.execute("pragma user_version = 99")
    db.close()
    before = database.read_bytes()
    result = _call(command, name, folder)
    assert result.code == 2
    assert f"{folder} was written by a newer aiohubassoc (its schema is 99" in result.err
    assert result.err.endswith("update aiohubassoc\n")
    assert database.read_bytes() == before
    assert portal.portal.ledger.requests == 2


@pytest.mark.parametrize("name", ["link", "plan", *_READERS])
def test_somebody_elses_database(
    command: Command, portal: Any, run_once: Path, tmp_path: Path, name: str
) -> None:
    """Exit code 2; it is left alone."""
    database = tmp_path / "journal.db"
    with sqlite3.connect(database) as db:
        db.execute("create table diary (page text)")
    db.close()
    before = database.read_bytes()
    result = _call(command, name, tmp_path)
    assert result.code == 2
    assert f"{database} is not a journal of aiohubassoc" in result.err
    assert database.read_bytes() == before
    assert portal.portal.ledger.requests == 2


@pytest.mark.parametrize("name", ["link", "plan", *_READERS])
def test_a_file_that_is_no_database(
    command: Command, portal: Any, run_once: Path, tmp_path: Path, name: str
) -> None:
    """Exit code 5: it cannot be read, and is not overwritten."""
    (tmp_path / "journal.db").write_bytes(b"Dear diary, " * 100)
    result = _call(command, name, tmp_path)
    assert result.code == 5
    assert f"the run folder {tmp_path}: journal.db is not a database" in result.err
    assert (tmp_path / "journal.db").read_bytes() == b"Dear diary, " * 100
    assert portal.portal.ledger.requests == 2


@pytest.mark.parametrize("name", _READERS)
def test_a_folder_that_is_none(command: Command, tmp_path: Path, name: str) -> None:
    """It says so, whether it is there or not, or is a file."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        result = command(name, path)
        assert result.code == 2
        assert f"{path} is not a run folder: it has no journal.db" in result.err
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "journal.db").touch()
    says = f"it has no journal.db. Run folders in it: {tmp_path / 'first'}\n"
    assert command(name, tmp_path).err.endswith(says)
