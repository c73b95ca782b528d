"""What cannot work: each case with its message and exit code, before anything is sent."""

from __future__ import annotations

import gzip
import os
import socket
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.cli import row_source
from aiohubassoc.cli.row_source import CHECKED_AHEAD
from aiohubassoc.files.pairs import PairTable
from aiohubassoc.journal.known_pairs import SeenPairs
from tests.cli.conftest import TOKEN, TYPES, write_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohubassoc import Pair
    from aiohubassoc.files.record import Record
    from tests.cli.conftest import Command, StartPortal


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"", "is empty: its first line must name the columns"),
        (b"\xef\xbb\xbf", "is empty: its first line must name the columns"),
        (b"\x00\x01\x02\xff" * 100, "is a binary file, not a table or JSON"),
        ("from_id,to_id\n1,2\n".encode("utf-16"), "is UTF-16: give --encoding utf-16"),
        ("from_id,to_id\n1,2\n".encode("utf-16-le"), "is UTF-16: give --encoding utf-16-le"),
        (
            gzip.compress(gzip.compress(b"from_id,to_id\n1,2\n", mtime=0), mtime=0),
            "is packed once more inside gzip: unpack it first",
        ),
        (
            gzip.compress(b"from_id,to_id\n1,2\n", mtime=0)[:-9],
            "its packed data ends in the middle",
        ),
        (b"BZh91AY&SY", "is compressed with bzip2: unpack it first"),
        (b"PK\x03\x04" + b"\0" * 30, "is damaged or cut off"),
        (b"PAR1" + b"\0" * 30, "cannot be read as a Parquet file"),
        (b"from_id;to_id\n1;2\n", "separates its columns by semicolons: give --delimiter ';'"),
        (b"from_id\tto_id\n1\t2\n", "separates its columns by tabs: give --format tsv"),
        (b'{"from": "contacts:1"}\n', "holds JSON, not a table: give --format jsonl"),
        (b"101,202\n103,204\n", "has no header: its first line is '101,202'"),
        (b"a,b\n1,2\n", "has no column 'from_id' and no column 'to_id'. Its columns: a, b."),
        (b"from_id,to_id,from_id\n1,2,3\n", "has more than one column 'from_id'"),
        (b"from_id,to_id\n1,2\nfrom_id,to_id\n", "line 3: repeats the header"),
        (b"from_id,to_id\n1,2\n3\n4,5,6\n", "line 3: has a missing column: 1 of 2 fields"),
        (b"from_id,to_id\n1,2\n3\n4,5,6\n", "line 4: has too many fields: 3, the header has 2"),
        (b'from_id,to_id\n1,"2\n3,4\n', "line 2: has a quote that is never closed"),
        (b"from_id,to_id\n1,2\x00\n", "line 2: holds a NUL character"),
        (b"from_id,to_id\n12.0,2\n", "line 2: from_id is '12.0', a float"),
        (b"from_id,to_id\n1,1.5E+11\n", "line 2: to_id is '1.5E+11', a number with an exponent"),
        (b"from_id,to_id\n1, \n", "line 2: to_id is empty"),
        (b"from_id,to_id\n\xe4,2\n", "line 2: is not UTF-8"),
    ],
)
def test_bad_files(
    command: Command, start_portal: StartPortal, tmp_path: Path, content: bytes, reported: str
) -> None:
    """Exit code 2, what is wrong and where, and nothing was sent."""
    portal = start_portal()
    (tmp_path / "pairs.csv").write_bytes(content)
    result = command("link", "--no-check", tmp_path / "pairs.csv", *TYPES)
    assert result.code == 2
    assert reported in result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    assert portal.portal.ledger.requests == 0


def test_a_directory(command: Command, start_portal: StartPortal, tmp_path: Path) -> None:
    """Is not a file."""
    start_portal()
    result = command("link", "--no-check", tmp_path, *TYPES)
    assert (result.code, "is a directory, not a file" in result.err) == (2, True)


def test_a_file_that_is_not_there(
    command: Command, start_portal: StartPortal, tmp_path: Path
) -> None:
    """Said in the system's words."""
    start_portal()
    result = command("link", "--no-check", tmp_path / "none.csv", *TYPES)
    assert result.code == 2
    assert "none.csv: No such file or directory" in result.err


@pytest.mark.parametrize("stdin", [None, "no descriptor"])
def test_standard_input_that_is_closed(
    command: Command, start_portal: StartPortal, monkeypatch: pytest.MonkeyPatch, stdin: str | None
) -> None:
    """Python has None in its place; an embedding program may have anything."""
    start_portal()
    monkeypatch.setattr(sys, "stdin", None if stdin is None else object())
    result = command("link", "--no-check", "-", *TYPES)
    assert (result.code, "standard input is closed" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("--quota", "fast"), "quota"),
        (("--quota", "0/10s"), "quota"),
        (("--concurrency", "0"), "concurrency"),
        (("--share", "0"), "share"),
        (("--reserve-daily", "some"), "--reserve-daily"),
        (("--reserve-daily", "120%"), "--reserve-daily must be"),
        (("--api-version", "v3"), "v3"),
        (("--base-url", "http://api.example.com"), "https"),
        (("--stop-after-failures", "0"), "--stop-after-failures"),
        (("--concurrency", "many"), "--concurrency"),
        (("--unknown",), "--unknown"),
        (("--from", " "), "is not an object type. Use a name such as contacts"),
        (("-x",), "-x"),
        (("--token-file", "/nowhere/token"), "cannot read the token in /nowhere/token"),
        (("--failures", "pairs.csv"), "would overwrite the input"),
        (("--format", "xml"), "--format 'xml' is none of csv, tsv, jsonl, parquet, excel"),
        (("--format", "parquet"), "is not a Parquet file, though --format parquet says so"),
        (("--delimiter", ";;"), "--delimiter ';;' must be one character"),
        (("--encoding", "klingon"), "--encoding 'klingon' is no encoding"),
        (("--sheet", "Pairs", "--format", "csv"), "--sheet is for Excel workbooks"),
        (("--to-column", "none"), "has no column 'none'"),
        (("--stream", "--json"), "give --stream or --json"),
        (("--ordered",), "--ordered is for --stream"),
        (("--retry-failed",), "--retry-failed is for a run folder: give --run"),
        (("--force",), "--force is for a run folder: give --run"),
    ],
)
def test_options_that_cannot_work(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    arguments: tuple[str, ...],
    reported: str,
) -> None:
    """Exit code 2 and the option's name."""
    portal = start_portal()
    monkeypatch.chdir(pairs_file.parent)
    options = (*TYPES[2:], *arguments) if "--from" in arguments else (*TYPES, *arguments)
    result = command("link", "--no-check", pairs_file.name, *options)
    assert result.code == 2
    assert reported in result.err
    assert "Traceback" not in result.err
    assert portal.portal.ledger.requests == 0


def test_types_must_come_from_somewhere(
    command: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """An option or a column."""
    start_portal()
    result = command("link", "--no-check", pairs_file, "--from", "contacts")
    assert result.code == 2
    assert "has no column 'to_type': give --to" in result.err


# --- the token ---------------------------------------------------------------------------------


def test_no_token(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Says where it may come from."""
    start_portal()
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", " ")
    result = command("link", "--no-check", pairs_file, *TYPES)
    assert result.code == 2
    assert (
        "set HUBSPOT_ACCESS_TOKEN, or give --token-file, --token-command or --token-stdin"
        in result.err
    )


def test_token_sources(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other variable, a file with a line end, and standard input."""
    start_portal()
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    monkeypatch.setenv("PRIVATE_APP_ACCESS_TOKEN", TOKEN)
    assert command("link", "--no-check", pairs_file, *TYPES).code == 0
    monkeypatch.delenv("PRIVATE_APP_ACCESS_TOKEN")
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    assert (
        command("link", "--no-check", pairs_file, *TYPES, "--token-file", tmp_path / "token").code
        == 0
    )
    stdin = f"{TOKEN}\nmore\n".encode()
    assert command("link", "--no-check", pairs_file, *TYPES, "--token-stdin", stdin=stdin).code == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "reported"),
    [
        (("pairs.csv", "--token-stdin"), b"\n", "no access token on its first line"),
        (("-", "--token-stdin"), b"x", "either the pairs or the token"),
        (("pairs.csv", "--token-stdin", "--token-file", "empty"), b"x", "not both"),
        (("pairs.csv", "--token-file", "empty"), b"", "empty is empty"),
        (("pairs.csv", "--token-file", "bytes"), b"", "it is not text"),
    ],
)
def test_token_sources_that_cannot_work(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    arguments: tuple[str, ...],
    stdin: bytes,
    reported: str,
) -> None:
    """Exit code 2, and what is wrong with the source."""
    start_portal()
    monkeypatch.chdir(pairs_file.parent)
    (pairs_file.parent / "empty").write_bytes(b"\n")
    (pairs_file.parent / "bytes").write_bytes(b"\xff\xfe\x00")
    result = command("link", "--no-check", *arguments, *TYPES, stdin=stdin)
    assert result.code == 2
    assert reported in result.err


def test_a_token_on_a_closed_standard_input(
    command: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none."""
    start_portal()
    monkeypatch.setattr(sys, "stdin", None)
    result = command("link", "--no-check", pairs_file, *TYPES, "--token-stdin")
    assert (result.code, "no access token" in result.err) == (2, True)


# --- our own files -----------------------------------------------------------------------------


def test_a_failures_file_that_cannot_be_made(
    command: Command, start_portal: StartPortal, pairs_file: Path
) -> None:
    """Exit code 5, before anything is sent."""
    portal = start_portal()
    result = command(
        "link", "--no-check", pairs_file, *TYPES, "--failures", "/nowhere/failures.csv"
    )
    assert result.code == 5
    assert "/nowhere/failures.csv: No such file or directory" in result.err
    assert portal.portal.ledger.requests == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")  # noqa: PTH110
@pytest.mark.parametrize("count", [3, 900])
def test_a_full_disk(
    command: Command, start_portal: StartPortal, tmp_path: Path, count: int
) -> None:
    """Stops the run, or is seen at its end; the exit code says so either way."""
    start_portal(records_up_to=0)
    pairs = write_pairs(tmp_path / "pairs.csv", count)
    options = ("--failures", "/dev/full", "--quota", "100000/1s")
    result = command("link", "--no-check", pairs, *TYPES, *options)
    assert result.code == 5
    assert "No space left on device" in result.err + result.out


def test_no_room_for_temporary_files(
    command: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5: nothing was sent."""
    start_portal()
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    result = command("link", "--no-check", pairs_file, *TYPES)
    assert result.code == 5
    assert "the temporary file of duplicates" in result.err


def test_the_temporary_file_fails_in_the_midst(
    command: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5: duplicates can no longer be reported, so the run stops."""
    start_portal()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(SeenPairs, "first_place", full)
    result = command("link", "--no-check", pairs_file, *TYPES)
    assert result.code == 5
    assert "Cannot write the temporary file of duplicates: database or disk is full" in result.err
    assert "Stopped early" in result.out


def test_the_input_fails_in_the_midst(
    command: Command, start_portal: StartPortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that goes away: what was read is completed; the exit code says that more was there."""
    start_portal()

    def failing(table: PairTable) -> Iterator[tuple[Record, Pair | None]]:
        for number, row in enumerate(rows(table)):
            if number >= CHECKED_AHEAD:
                raise OSError(5, "Input/output error")
            yield row

    rows = PairTable.__iter__
    monkeypatch.setattr(PairTable, "__iter__", failing)
    pairs = write_pairs(tmp_path / "pairs.csv", 1500)
    reported = command(
        "link", "--no-check", pairs, *TYPES, "--quota", "100000/1s", "--json"
    ).reported
    assert reported["exit_code"] == 3
    assert reported["stopped"] == "the input can no longer be read: Input/output error"
    assert not reported["input_complete"]


def test_the_input_fails_before_anything_was_sent(
    command: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among the rows that are checked ahead: exit code 2."""
    portal = start_portal()

    def failing(table: PairTable) -> Iterator[tuple[Record, Pair | None]]:
        for row in rows(table):
            yield row
            raise OSError(5, "Input/output error")

    rows = PairTable.__iter__
    monkeypatch.setattr(PairTable, "__iter__", failing)
    result = command("link", "--no-check", pairs_file, *TYPES)
    assert result.code == 2
    assert "the input can no longer be read: Input/output error" in result.err
    assert portal.portal.ledger.requests == 0


def test_a_file_that_goes_away(
    command: Command, start_portal: StartPortal, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is open can still be read; only how long it is nobody knows any more."""
    start_portal()
    check_ahead = row_source.RowSource.check_ahead

    async def check_and_unlink(self: row_source.RowSource) -> list[Record]:
        unusable = await check_ahead(self)
        pairs_file.unlink()  # noqa: ASYNC240 -- nothing else runs meanwhile
        return unusable

    monkeypatch.setattr(row_source.RowSource, "check_ahead", check_and_unlink)
    assert command("link", "--no-check", pairs_file, *TYPES, "--json").reported["linked"] == 10


def test_an_option_that_cannot_work_leaves_the_failures_file(
    command: Command, start_portal: StartPortal, pairs_file: Path, tmp_path: Path
) -> None:
    """Of an earlier run: nothing is begun, so nothing is overwritten."""
    start_portal()
    failures = tmp_path / "failures.csv"
    failures.write_text("from_id,to_id\n5,6\n", encoding="utf-8")
    options = ("--failures", failures, "--stop-after-failures", "0")
    result = command("link", "--no-check", pairs_file, *TYPES, *options)
    assert result.code == 2
    assert "--stop-after-failures must be 1 or more" in result.err
    assert failures.read_text(encoding="utf-8") == "from_id,to_id\n5,6\n"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="this system has no /proc")
def test_a_file_that_cannot_be_read(command: Command, start_portal: StartPortal) -> None:
    """Though it can be opened."""
    start_portal()
    result = command("link", "--no-check", "/proc/self/mem", *TYPES)
    assert result.code == 2
    assert "cannot read /proc/self/mem: Input/output error" in result.err


@pytest.mark.parametrize("name", ["link", "check", "verify"])
@pytest.mark.parametrize(
    ("url", "reported"),
    [
        ("http://elsewhere.example", "HUBSPOT_BASE_URL 'http://elsewhere.example' is not https"),
        ("ftp://elsewhere.example", "HUBSPOT_BASE_URL 'ftp://elsewhere.example' must begin with"),
        ("https://x.example/?a=1", "HUBSPOT_BASE_URL 'https://x.example/?a=1' must not hold a"),
    ],
)
def test_an_address_of_the_environment_is_named(
    command: Command,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    url: str,
    reported: str,
) -> None:
    """Not an option that was not given; an option that was given is."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "simulated-token")
    monkeypatch.setenv("HUBSPOT_BASE_URL", url)
    files = () if name == "check" else (pairs_file,)
    result = command(name, *files, *TYPES)
    assert (result.code, reported in result.err, "--base-url" in result.err) == (2, True, False)
    option = command(name, *files, *TYPES, "--base-url", "ftp://other.example")
    assert "--base-url 'ftp://other.example' must begin with" in option.err


# --- the other commands --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("--fault", "nonsense=0.1"), "is not NAME=SHARE"),
        (("--fault", "no_body"), "--fault 'no_body': the share must be a number from 0 to 1"),
        (("--fault", "no_body=nan"), "the share must be a number from 0 to 1"),
        (("--fault", "no_body=0.6", "--fault", "pending=0.6"), "more than 1"),
        (("--missing-share", "2"), "--missing-share must be 0 to 1, not 2"),
        (("--missing-share", "nan"), "--missing-share must be 0 to 1, not nan"),
        (("--records-up-to", "-1"), "--records-up-to must be 0 or more, not -1"),
        (("--latency", "inf"), "--latency must be 0 to 3600 seconds, not inf"),
        (("--quota", "fast"), "is neither a quota"),
    ],
)
def test_simulations_that_cannot_work(
    command: Command, arguments: tuple[str, ...], reported: str
) -> None:
    """Exit code 2 and the reason."""
    result = command("simulate", "--port", "0", *arguments)
    assert (result.code, reported in result.err) == (2, True)


@pytest.mark.parametrize("port", ["99999", "-1", "65536"])
def test_a_port_that_cannot_be(command: Command, port: str) -> None:
    """Is refused before anything listens."""
    result = command("simulate", "--port", port)
    assert (result.code, result.out) == (2, "")
    assert f"--port must be 0 to 65535, not {port}" in result.err


def test_a_port_that_is_taken(command: Command) -> None:
    """Is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command("simulate", "--port", port)
    assert result.code == 2
    assert f"cannot listen on port {port}" in result.err


def test_an_option_where_the_file_should_be(command: Command) -> None:
    """Is not taken for a file."""
    result = command("link", "--no-check", "-x", *TYPES)
    assert (result.code, "there is no option -x" in result.err) == (2, True)


def test_ctrl_c_before_a_run(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """While something is loaded, say."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aiohubassoc.cli.simulate._find_example", interrupted)
    assert command("demo").code == 130


def test_uvloop_that_is_not_installed(
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message says what to install."""
    start_portal()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    result = command("link", "--no-check", pairs_file, *TYPES, "--uvloop")
    assert 2 == result.code
    assert "pip install 'aiohubassoc[speed]'" in result.err


@pytest.mark.parametrize("option", ["--run", "--failures", "--report", "--log-file", "--from"])
@pytest.mark.parametrize("is_joined", [False, True])
def test_an_empty_value(
    link: Command, start_portal: StartPortal, pairs_file: Path, option: str, *, is_joined: bool
) -> None:
    """A variable that is not set; as a path it would be the folder that one is in."""
    portal = start_portal()
    result = link(pairs_file, *([f"{option}="] if is_joined else [option, ""]))
    assert (result.code, f"{option} is empty" in result.err) == (2, True)
    assert not portal.portal.ledger.calls


def test_an_empty_argument(command: Command) -> None:
    """So is a file or a run folder."""
    assert (command("status", "").code, command("link", "", *TYPES).code) == (2, 2)
    assert "an argument is empty" in command("resume", "").err


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("verify", "With --output: write only missing rows."),
        ("verify", "Also read back pairs that failed or were not sent; for a run folder only."),
        ("verify", "or a run folder: its linked and partial pairs are read back."),
        ("export", "Write only pairs that failed or are partial, and rejected rows."),
        ("simulate", "Seed of all random numbers"),
        ("link", "Text encoding of the file"),
        ("pairs", "Text encoding of the files"),
        ("pairs", '--right-on "Company Domain Name"'),
    ],
)
def test_the_help_says_what_an_option_does(command: Command, name: str, expected: str) -> None:
    """In a sentence that stands by itself."""
    assert expected in " ".join(command(name, "--help").out.replace("│", " ").split())


@pytest.mark.parametrize("value", ["1.9", "2.0", "1e3", "many"])
@pytest.mark.parametrize(
    "arguments",
    [
        *(
            ("link", "pairs.csv", option)
            for option in (
                *("--limit", "--concurrency", "--batch-size", "--daily-limit"),
                *("--stop-after-failures", "--stop-after-alike"),
            )
        ),
        ("plan", "pairs.csv", "--daily-limit"),
        ("resume", "folder", "--stop-after-alike"),
        *(("simulate", option) for option in ("--port", "--records-up-to", "--seed")),
        ("fleet", "submit", "acme", "pairs.csv", "--priority"),
        ("fleet", "worker", "--max-runs"),
    ],
    ids=" ".join,
)
def test_a_whole_number_is_not_rounded(
    command: Command, arguments: tuple[str, ...], value: str
) -> None:
    """A fraction is refused, in every command, with the option's name."""
    result = command(*arguments, value)
    assert result.code == 2
    assert f"{arguments[-1]} must be a whole number, not '{value}'" in result.err


@pytest.mark.parametrize("verb", ["status", "cancel", "resume", "export", "report"])
def test_a_run_of_the_fleet_is_a_whole_number(command: Command, verb: str) -> None:
    """A fraction is not rounded to the number of another run."""
    result = command("fleet", verb, "0.6")
    assert result.code == 2
    assert "RUN must be a whole number, not '0.6'" in result.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("fleet", "status", "--database", "   "), "no database"),
        (("fleet", "portals", "--portals", " \t"), "no portals"),
    ],
)
def test_blanks_alone_name_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], what: str
) -> None:
    """A variable of the shell may hold them; libpq would take its own default database."""
    for name in ("AIOHUBASSOC_DATABASE", "AIOHUBASSOC_PORTALS"):
        monkeypatch.delenv(name, raising=False)
    result = command(*arguments)
    assert result.code == 2
    assert what in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("link", "pairs.csv", *TYPES, "--quota"),
        ("plan", "pairs.csv", *TYPES, "--quota"),
        ("link", "pairs.csv", *TYPES, "--via", "batch", "--batch-quota"),
        ("verify", "pairs.csv", *TYPES, "--batch-quota"),
        ("simulate", "--quota"),
    ],
    ids=" ".join,
)
def test_what_is_no_quota_is_named_with_its_option(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """A command may have two of them."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs.csv", 1)
    result = command(*arguments, "190")
    assert result.code == 2
    assert f"{arguments[-1]}: '190' is neither a quota such as 190/10s nor one of" in result.err
