"""What an input is known by, and how many rows it has."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aiohubassoc import InputError
from aiohubassoc.files import byte_source
from aiohubassoc.files.pairs import PairTable
from tests.files.reading import file_of, layout, standard_input

if TYPE_CHECKING:
    from collections.abc import Iterator

CSV = "from_id,to_id\n1,2\n3,4\n"
MIB = 1 << 20


def _prints(*paths: str) -> list[dict[str, object]]:
    with PairTable(paths, layout()) as table:
        return table.fingerprints()


@contextlib.contextmanager
def _piped(monkeypatch: Any, content: bytes) -> Iterator[PairTable]:
    """The table of standard input with this content."""
    with standard_input(monkeypatch) as writer:
        writer.write(content)
        writer.close()
        with PairTable("-", layout()) as table:
            yield table


# --- fingerprints --------------------------------------------------------------------------------


def test_what_a_file_is_known_by(tmp_path: Path) -> None:
    """Its path as given, its columns as written, its length, and a digest of its bytes."""
    path = file_of(tmp_path, gzip.compress(b"\xef\xbb\xbf From_ID,to_id\n1,2\n", mtime=0))
    data = Path(path).read_bytes()
    (found,) = _prints(path)
    assert {
        "name": path,
        "columns": [" From_ID", "to_id"],
        "size_bytes": len(data),
        "digest": hashlib.blake2b(data, digest_size=16).hexdigest(),
    } == found
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("changed", "is_another"),
    [
        (lambda data: data, False),
        (lambda data: data[:500] + b"9" + data[501:], True),
        (lambda data: data[: MIB - 1] + b"9" + data[MIB:], True),
        (lambda data: data[:-1] + b"9", True),
        (lambda data: data[:-MIB] + b"9" + data[-MIB + 1 :], True),
        (lambda data: data + b"9", True),
        (lambda data: data[:-1], True),
        # It is not all read: this is what a quick look cannot see.
        (lambda data: data[: MIB + 500] + b"9" + data[MIB + 501 :], False),
    ],
)
def test_a_change_that_is_seen(tmp_path: Path, changed: Any, is_another: bool) -> None:
    """Any change of length, and any in the first or the last MiB."""
    data = b"from_id,to_id\n" + b"1,2\n" * (3 * MIB // 4)
    before = _prints(file_of(tmp_path, data))
    assert is_another == (before != _prints(file_of(tmp_path, changed(data))))


def test_each_of_several_inputs(tmp_path: Path) -> None:
    """In the order in which they are given, each with its own columns."""
    paths = [
        file_of(tmp_path, CSV, "a.csv"),
        file_of(tmp_path, '{"from": 1, "to": 2, "x": 3}\n', "b.jsonl"),
    ]
    found = _prints(*paths)
    assert paths == [one["name"] for one in found]
    assert [["from_id", "to_id"], ["from", "to", "x"]] == [one["columns"] for one in found]
    assert _prints(*reversed(paths)) == found[::-1]


def test_it_takes_no_row_away(tmp_path: Path, monkeypatch: Any) -> None:
    """Neither of a file nor of standard input, however often and whenever it is asked for."""
    with PairTable(file_of(tmp_path, CSV), layout()) as table:
        known = table.fingerprints()
        assert [2, 3] == [record.line for record, _ in table]
        assert known == table.fingerprints()
    with _piped(monkeypatch, CSV.encode()) as table:
        known = table.fingerprints()
        assert known == table.fingerprints()
        assert [2, 3] == [record.line for record, _ in table]
        assert known == table.fingerprints()


@pytest.mark.parametrize(
    ("first", "other", "is_another"),
    [
        (CSV, CSV, False),
        (CSV, CSV + "9,9\n", False),  # all that is known of a pipe is its beginning
        (CSV, CSV.replace("1,2", "1,9"), True),
        (CSV, CSV.replace("to_id", "to_id,x"), True),
        (CSV, "from_id,to_id\n", True),
        (CSV, 'from_id,to_id\n"1",2\n', False),  # the cells count, not how they are written
        ('from_id,to_id\n"1",2\n3,4\n', 'from_id,to_id\n"1",2\n5,6\n', False),
        ('{"from": 1, "to": 2}\n', '{"from": 1, "to": 2}\n{}\n', False),
        ('{"from": 1, "to": 2}\n', '{"from": 1, "to": 3}\n', True),
        ('{"from": 1, "to": 2}\n', '{"from":1,"to":2}\n', False),
    ],
)
def test_what_comes_by_a_pipe(monkeypatch: Any, first: str, other: str, is_another: bool) -> None:
    """The same query piped again is known by its header and its first row."""
    found = []
    for content in (first, other):
        with _piped(monkeypatch, content.encode()) as table:
            found += table.fingerprints()
            list(table)
    assert is_another == (found[0] != found[1])
    assert [("-", None)] * 2 == [(one["name"], one["size_bytes"]) for one in found]


def test_a_row_that_is_no_utf8_by_a_pipe(monkeypatch: Any) -> None:
    """It can be digested all the same."""
    with _piped(monkeypatch, b"from_id,to_id\n\xe4,1\n") as table:
        ((one),) = table.fingerprints()
        assert 32 == len(str(one["digest"]))
        assert [2] == [record.line for record, _ in table]


def test_a_pipe_is_read_in_a_thread_and_asked_before(tmp_path: Path) -> None:
    """As by a run: the fingerprint first, then the rows elsewhere."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(CSV,))
    writer.start()
    lines: list[int] = []
    with PairTable(str(pipe), layout()) as table:
        known = table.fingerprints()
        reader = threading.Thread(target=lambda: lines.extend(r.line for r, _ in table))
        reader.start()
        reader.join()
        assert known == table.fingerprints()
    writer.join()
    assert [2, 3] == lines


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """It has no fingerprint any more, and that is reported."""
    path = file_of(tmp_path, CSV)
    with PairTable(path, layout()) as table:
        Path(path).unlink()
        with pytest.raises(InputError, match=r"cannot open .*: No such file"):
            table.fingerprints()
        Path(path).symlink_to(tmp_path)
        with pytest.raises(InputError, match="is a directory, not a file"):
            table.fingerprints()


# --- counts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "count"),
    [
        ("a.csv", CSV, 2),
        ("a.csv", "from_id,to_id\r1,2\r3,4\r", 2),
        ("a.csv", "from_id,to_id\r\n1,2\r\n3,4\r\n", 2),
        ("a.csv", "from_id,to_id\n", 0),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0), 2),
        ("a.jsonl", '{"from": 1, "to": 2}\n' * 3, 3),
        ("a.jsonl", '{"from": 1, "to": 2}', 1),
    ],
)
def test_the_rows_of_a_file(tmp_path: Path, name: str, content: str | bytes, count: int) -> None:
    """Its lines without the header."""
    with PairTable(file_of(tmp_path, content, name), layout()) as table:
        assert count == table.count_rows()
        list(table)
        assert count == table.count_rows()


def test_the_rows_that_a_file_knows(tmp_path: Path) -> None:
    """Parquet and Excel say it themselves; a sheet may not, and then nobody knows."""
    pq.write_table(pa.table({"from_id": [1] * 7, "to_id": [2] * 7}), tmp_path / "a.parquet")
    for name, is_streamed in (("b.xlsx", False), ("c.xlsx", True)):
        book = openpyxl.Workbook(write_only=is_streamed)
        sheet = book.create_sheet("x", 0)
        for row in [(), ("from_id", "to_id"), (1, 2), (3, 4), (5, 6)]:
            sheet.append(row)
        book.save(tmp_path / name)
    paths = [str(tmp_path / name) for name in ("a.parquet", "b.xlsx", "c.xlsx")]
    for path, count in zip(paths, [7, 3, None], strict=True):
        with PairTable(path, layout()) as table:
            assert count == table.count_rows()
    with PairTable(paths, layout()) as table:
        assert table.count_rows() is None
    with PairTable(paths[:2], layout()) as table:
        assert 10 == table.count_rows()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_large_file_is_counted_by_its_beginning(
    tmp_path: Path, monkeypatch: Any, pack: Any
) -> None:
    """The rest is taken to be like it: near enough to show how far a run is."""
    monkeypatch.setattr(byte_source, "_COUNTED_BYTES", MIB)
    monkeypatch.setattr(byte_source, "_COUNTED_UNPACKED_BYTES", MIB)
    rows = b"".join(b"%d,%d\n" % (n, n**5 % 10**15) for n in range(300_000))
    with PairTable(file_of(tmp_path, pack(b"from_id,to_id\n" + rows)), layout()) as table:
        count = table.count_rows()
    assert count is not None
    assert 270_000 < count < 330_000
    assert 300_000 != count


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("from_id,to_id", 0),
        ("from_id,to_id\n", 0),
        ("from_id,to_id\r\n1,2", 1),
        ("from_id,to_id\n1,2\n", 1),
        ("from_id,to_id\r1,2\r3,4", 2),
    ],
)
def test_a_small_file_is_counted_exactly(
    tmp_path: Path, encoding: str, text: str, count: int
) -> None:
    """Without rows it has none; the last line may lack its end."""
    with PairTable(file_of(tmp_path, text.encode(encoding)), layout(encoding=encoding)) as table:
        assert table.count_rows() == count


def test_nobody_knows_of_what_is_gone_or_damaged(tmp_path: Path) -> None:
    """What is open can still be read; how much it is cannot be said."""
    packed = gzip.compress(CSV.encode() * 50_000)
    path = file_of(tmp_path, packed)
    with PairTable(path, layout()) as table:
        Path(path).write_bytes(packed[:-9])
        assert table.count_rows() is None
        Path(path).unlink()
        assert table.count_rows() is None
        Path(path).symlink_to(os.devnull)
        assert table.count_rows() is None
