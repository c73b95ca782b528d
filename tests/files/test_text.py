"""Encodings, right and wrong, and files that are no text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import InputError
from aiohubassoc.files.pairs import PairTable
from tests.files.reading import file_of, ids_of, layout, problems_of, refusal_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path

LINES = "note,from_id,to_id\nä€,1,2\nß,3,4\n"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "UTF8"),
        ("utf-8-sig", "utf-8-sig"),
        ("cp1252", "cp1252"),
        ("iso8859-15", "latin9"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-32", "utf-32"),
        ("gb18030", "gb18030"),
    ],
)
def test_an_encoding_that_is_said(tmp_path: Path, line_end: str, written: str, said: str) -> None:
    """The text comes as it was written, with or without a byte order mark, the lines right."""
    path = file_of(tmp_path, LINES.replace("\n", line_end).encode(written))
    rows = [(record.line, record.fields) for record, _ in rows_of(path, encoding=said)]
    assert [(2, ["ä€", "1", "2"]), (3, ["ß", "3", "4"])] == rows


@pytest.mark.parametrize(
    ("content", "said", "reported"),
    [
        (b"from_id,to_id,note\n1,2,ok\n3,4,\xe4\n5,6,\xc3\xa4\n", "utf-8", "is not UTF-8"),
        (b"from_id,to_id,note\n1,2,ok\n3,4,\x81\n5,6,\xe4\n", "cp1252", "is not cp1252"),
        (b"from_id,to_id,note\n1,2,ok\n3,4,\x81\x20\n5,6,\xe4\xf6\n", "gbk", "is not gbk"),
        (
            b"\xff\xfe"
            + "from_id,to_id,note\n1,2,ok\n3,4,".encode("utf-16-le")
            + b"\x00\xd8"
            + "\n5,6,ä\n".encode("utf-16-le"),
            "utf-16",
            "is not UTF-16",
        ),
    ],
)
def test_a_line_that_cannot_be_decoded(
    tmp_path: Path, content: bytes, said: str, reported: str
) -> None:
    """Only that line is given up, and it is said what to do."""
    problems = problems_of(file_of(tmp_path, content), encoding=said)
    assert [3] == list(problems)
    assert problems[3].startswith(f"{reported}: save the ")


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_marked_file_with_a_line_of_another_encoding(tmp_path: Path, mark: str) -> None:
    """No other encoding is proposed, which the mark would contradict."""
    content = "from_id,to_id,note\n1,2,ok\n3,4,".encode(mark)
    broken = {
        "utf-8-sig": b"\xe4\n",
        "utf-16": b"\x00\xd8\n\0",
        "utf-32": b"\0\0\xff\0\n\0\0\0",
    }
    path = file_of(tmp_path, content + broken[mark])
    said = "utf-8" if mark == "utf-8-sig" else mark
    title = said.upper()
    ((_, problem),) = problems_of(path, encoding=said).items()
    assert problem == (
        f"is not {title}: save the whole file as UTF-8 (its first bytes say that it is {title})"
    )
    other = refusal_of(path, encoding="cp1252")
    assert f"is {title}, not cp1252: give --encoding {said}" in other


def test_what_to_do_about_umlauts(tmp_path: Path) -> None:
    """Of the encodings that people have, one is named."""
    path = file_of(tmp_path, LINES.encode("cp1252"))
    reported = "is not UTF-8: save the file as UTF-8, or give --encoding cp1252"
    assert {2: reported, 3: reported} == problems_of(path)
    assert [("1", "2"), ("3", "4")] == ids_of(path, encoding="cp1252")


@given(st.binary(max_size=80), st.sampled_from(["utf-8", "cp1252", "utf-16", "shift_jis", "utf-7"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: Any, content: bytes, said: str) -> None:
    """Whatever a file holds, it is refused by an InputError or each row is a pair or a problem."""
    path = file_of(tmp_path_factory.getbasetemp(), b"from_id,to_id\n1,2\n" + content, "any.csv")
    try:
        with PairTable(path, layout(encoding=said)) as table:
            rows = list(table)
    except InputError as error:
        assert path in str(error)
    else:
        assert all((record.problem is None) == (pair is not None) for record, pair in rows)


def _refused(content: str | bytes, reported: str, **options: Any) -> Any:
    return pytest.param(content, reported, options, id=reported[:50])


@pytest.mark.parametrize(
    ("content", "reported", "options"),
    [
        _refused("from_id,to_id".encode("utf-16"), "is UTF-16: give --encoding utf-16"),
        _refused("from_id,to_id".encode("utf-32"), "is UTF-32: give --encoding utf-32"),
        _refused("from_id,to_id\n".encode("utf-16-be"), "is UTF-16: give --encoding utf-16-be"),
        _refused("from_id,to_id\n".encode("utf-16-le"), "is UTF-16: give --encoding utf-16-le"),
        _refused(
            "from_id,to_id".encode("utf-16"), "is UTF-16, not cp1252: give", encoding="cp1252"
        ),
        _refused(b"\xef\xbb\xbfa,b\n", "is UTF-8, not cp1252: give", encoding="cp1252"),
        _refused(b"from_id,to_id\n1,2\n", "cannot be read as utf-16: ", encoding="utf-16"),
        _refused(
            "from_id,to_id\n".encode("utf-16-be"),
            "does not start with BOM. Give utf-16-le or utf-16-be as --encoding",
            encoding="utf-16",
        ),
        _refused(b"from_id,to_id\n1,2\n", "cannot be read as idna: Unsupp", encoding="idna"),
        _refused(
            "from_id,tö_id\n1,2\n".encode("latin-1"),
            "is not text in UTF-8, line 1: save the file as UTF-8, or give --encoding cp1252",
        ),
        _refused("\n\r\n\rfrom_id,tö\n".encode("latin-1"), "is not text in UTF-8, line 4: save"),
        _refused(
            b"from_id,\x81\n", "is not text in cp1252, line 1: save the file", encoding="cp1252"
        ),
        _refused('from_id,"t\nö"\n'.encode("latin-1"), "line 1: is not UTF-8: save the file"),
        _refused("ö".encode("latin-1") * 5000, "is not text in UTF-8"),
        _refused(bytes(range(256)) * 20, "is a binary file, not a table or JSON"),
        _refused(b"\0", "is a binary file"),
        _refused(b"\x89PNG\r\n\x1a\n\0\0", "is a binary file"),
        _refused(b"\x04\x22\x4d\x18d\x40\xa7from_id", "is a binary file"),
        _refused(b"\x1f\x9d\x90f\xe4\xbc", "is a binary file"),
        _refused(b"\xd0\xcf\x11\xe0abc", "is an old Excel workbook, or one with a password: save"),
        _refused(b"%PDF-1.7", "is a PDF"),
        _refused(b"ARROW1\0\0abc", "is an Arrow file: save it as Parquet or CSV"),
        _refused(b"Obj\x01\x04\x14avro.codec", "is an Avro file: save it as Parquet or CSV"),
        _refused(b"BZh11AY&SY", "is compressed with bzip2"),
        _refused(b"BZh91AY&SY", "is compressed with bzip2: unpack it first, or use gzip or zstd"),
        _refused(b"\xfd7zXZ\0", "is compressed with xz"),
        _refused(b"SQLite format 3\0", "is an SQLite database"),
        _refused("\n<!DOCTYPE html>\n<table>", "is a web page or XML, not a table"),
        _refused("<?xml version='1.0'?>", "is a web page or XML"),
        _refused("\ufeff<html><table>", "is a web page or XML"),
        _refused("<!-- x --><div>", "is a web page or XML"),
        _refused("<Error><Code>AccessDenied</Code></Error>", "is a web page or XML"),
    ],
)
def test_a_file_that_is_no_text(
    tmp_path: Path, content: str | bytes, reported: str, options: dict[str, Any]
) -> None:
    """The message says what it is, and what to do, before anything is read."""
    path = file_of(tmp_path, content)
    message = refusal_of(path, **options)
    assert message.startswith(path)
    assert reported in message


@pytest.mark.parametrize(
    "content", ["from_id,to_id\n1,2\n".encode("utf-16-le"), b"\xe4\n", b"%PDF-1.7", b"\0\1\2"]
)
def test_it_makes_no_difference_what_the_name_says(tmp_path: Path, content: bytes) -> None:
    """JSON Lines are refused for the same reasons as CSV."""
    reported = refusal_of(file_of(tmp_path, content, "x.csv"))
    assert reported == refusal_of(file_of(tmp_path, content, "x.jsonl")).replace(".jsonl", ".csv")
