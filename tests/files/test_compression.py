"""Text that gzip or zstd packed."""

from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc import InputError
from aiohubassoc.files.pairs import PairTable
from tests.files.reading import file_of, ids_of, layout, refusal_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohubassoc import Pair
    from aiohubassoc.files.record import Record

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"from_id,to_id\n1,2\n3,4\n"
PACKERS = {"gz": gzip.compress, "zst": zstd.compress}
# A frame of zstd that holds no data, as pzstd writes one first.
NO_DATA = b"\x50\x2a\x4d\x18\x04\x00\x00\x00size"

pack_each_way = pytest.mark.parametrize(
    ("suffix", "pack"), list(PACKERS.items()), ids=list(PACKERS)
)


@pack_each_way
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pairs.csv.", TEXT),
        ("pairs.", TEXT),
        ("pairs.tsv.", TEXT.replace(b",", b"\t")),
        ("pairs.jsonl.", b'{"from": 1, "to": 2}\n{"from": 3, "to": 4}\n'),
    ],
)
def test_packed_text(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], name: str, content: bytes
) -> None:
    """It is read as if it were not packed; the format shows in the name before the last dot."""
    assert [("1", "2"), ("3", "4")] == ids_of(file_of(tmp_path, pack(content), name + suffix))


@pack_each_way
def test_what_is_packed_is_told_by_its_bytes(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """Not by the name: a wrong one is no hindrance."""
    assert [("1", "2"), ("3", "4")] == ids_of(file_of(tmp_path, pack(TEXT), "pairs.csv"))
    assert [("1", "2"), ("3", "4")] == ids_of(file_of(tmp_path, TEXT, f"pairs.csv.{suffix}"))


@pack_each_way
def test_files_packed_one_behind_the_other(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """What "cat a.gz b.gz" makes is one file."""
    path = file_of(tmp_path, pack(TEXT) + pack(b"5,6\n"), f"pairs.csv.{suffix}")
    assert [("1", "2"), ("3", "4"), ("5", "6")] == ids_of(path)


def test_zstd_with_a_frame_without_data(tmp_path: Path) -> None:
    """What parallel writers put first is passed over."""
    assert [("1", "2"), ("3", "4")] == ids_of(file_of(tmp_path, NO_DATA + zstd.compress(TEXT)))


def _many_rows() -> bytes:
    """More than a buffer of anything, and hard to pack: the damage is far from the beginning."""
    return b"from_id,to_id\n" + b"".join(
        b"%d,%d\n" % (n, n**5 % 10**15 + 1) for n in range(1, 50_001)
    )


@pack_each_way
def test_data_that_is_cut_off(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    """Rows before the end were read, none is made up, and then the file is named."""
    packed = pack(_many_rows())
    path = file_of(tmp_path, packed[: len(packed) * 2 // 3], f"pairs.csv.{suffix}")
    reported, read = _read_to_the_damage(path)
    assert (
        reported == f"{path} is cut off: its packed data ends in the middle. Copy or make it again"
    )
    assert 10_000 < len(read) < 50_000
    assert list(range(1, len(read) + 1)) == read


@pack_each_way
def test_data_that_is_damaged(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    """What came before the damage was read, and then the file is named."""
    begun = pack(b"x")[: {"gz": 10, "zst": 4}[suffix]]
    path = file_of(tmp_path, pack(_many_rows()) + begun + b"\xff" * 99, f"pairs.csv.{suffix}")
    reported, read = _read_to_the_damage(path)
    assert reported.startswith(f"{path} is damaged and cannot be decompressed further: ")
    assert list(range(1, 50_001)) == read


def _read_to_the_damage(path: str) -> tuple[str, list[int]]:
    read: list[tuple[Record, Pair | None]] = []
    with PairTable(path, layout()) as table, pytest.raises(InputError) as caught:
        read.extend(table)
    return str(caught.value), [int(pair.from_id) for _, pair in read if pair is not None]


@pack_each_way
def test_damage_at_the_beginning(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """It is reported before anything is read."""
    path = file_of(tmp_path, pack(TEXT)[:9])
    assert refusal_of(path).startswith(f"{path} is cut off")


@pack_each_way
@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (b"", "is empty: its first line must name the columns"),
        (b"PAR1abc", "is a Parquet file inside {packing}: unpack it first"),
        (b"PK\x03\x04abc", "is an Excel workbook inside {packing}: unpack it first"),
        (gzip.compress(TEXT, mtime=0), "is packed once more inside {packing}: unpack it first"),
        (b"%PDF", "is a PDF"),
        ("tö\n".encode("latin-1"), "is not text in UTF-8, line 1"),
    ],
)
def test_what_else_may_be_packed(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes], content: bytes, reported: str
) -> None:
    """It is refused as if it were not packed, or by what it is inside."""
    path = file_of(tmp_path, pack(content))
    packing = {"gz": "gzip", "zst": "zstd"}[suffix]
    assert reported.format(packing=packing) in refusal_of(path)


def test_zstd_without_its_library(tmp_path: Path, monkeypatch: Any) -> None:
    """It is said how to get it; gzip needs none."""
    for name in ("backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    path = file_of(tmp_path, zstd.compress(TEXT), "pairs.csv.zst")
    assert "pip install 'aiohubassoc[zstd]'" in refusal_of(path)
    assert [("1", "2"), ("3", "4")] == ids_of(file_of(tmp_path, gzip.compress(TEXT)))
