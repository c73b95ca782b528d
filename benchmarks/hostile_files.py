"""
A file of up to 1 MB takes at most 300 MB, and a minute to read, however much it unpacks to.

Each of these files is made to cost more than it should: a line, a cell or an id without end, rows
and values that compress to nothing, one text that stands for many. ``aiohubassoc plan``, ``link``
and ``pairs`` read each of them. Measured are the peak memory of the process and of those that it
starts, together, the time of the processor, and how much it printed. ``link`` sends the pairs of a
file to a simulated portal without a quota. A file may have two million valid pairs, so ``link`` and
``pairs`` are stopped after a while and their time is not judged: it is that of the pairs.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from report import conclude, print_table

from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MB: Final = 1 << 20
_MOST_MB: Final = 300
_MOST_SECONDS: Final = 60
_SOME_SECONDS: Final = 30
_BUSY: Final = 10  # a machine with other work gives a tenth of its time
_MOST_PRINTED_KB: Final = 8
_MOST_FILE_BYTES: Final = MB
_HEAD: Final = b"from_id,to_id\n"
_TYPES: Final = ("--from", "contacts", "--to", "companies")
_SEVERAL: Final = ("--from-column", "from IDs", "--to-column", "to IDs")


def _gz(pieces: Iterable[bytes]) -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9, mtime=0) as packed:
        for piece in pieces:
            packed.write(piece)
    return file.getvalue()


def _times(piece: bytes, size: int, head: bytes = _HEAD) -> Iterable[bytes]:
    """*head*, and *piece* until it is *size* bytes long, a megabyte at a time."""
    yield head
    block = piece * max(1, MB // len(piece))
    for _ in range(size // len(block)):
        yield block


def _zst(pieces: Iterable[bytes]) -> bytes:
    packer = zstd.ZstdCompressor(level=9)
    return b"".join([*(packer.compress(piece) for piece in pieces), packer.flush()])


def _noise(size: int) -> bytes:
    """Letters that hardly compress."""
    return random.Random(7).randbytes(size // 2).hex().encode()


# --- text ---------------------------------------------------------------------------------------


def _many_rows() -> bytes:
    # Noise in comments makes room for rows that compress to nothing.
    rows = [b"from_id,to_id,note\n", *_times(b"1,2,\n", 85 * MB, b""), b"3,4," + _noise(MB) + b"\n"]
    return _gz(rows)


def _emoji(quote: bytes = b"") -> bytes:
    row = b"1,2," + quote + b"a" * (16 * MB - 100) + "😀".encode() + quote + b"\n"
    return _gz([b"from_id,to_id,note\n", *[row] * 5, b"3,4," + _noise(MB) + b"\n"])


def _wide() -> bytes:
    head = b"from_id,to_id" + b",c" * 16_000 + b"\n"
    return _gz([head, *[b"1,2" + b",ab" * 16_000 + b"\n"] * 1900, b"1" + _noise(MB)])


def _short_cells(cell: str = "ab") -> bytes:
    cells = f",{cell}" * 680 + "\n"
    head = "from_id,to_id" + ",c" * 680 + "\n"
    return _gz([head.encode(), *(f"{n},{n}{cells}".encode() for n in range(1, 24_000))])


def _ids_by_ids() -> bytes:
    row = ",".join([";".join(map(str, range(1, 280)))] * 2) + "\n"
    return b"from IDs,to IDs\n" + row.encode() * 480


def _two_long_cells() -> bytes:
    return b"from IDs,to IDs\n" + b",".join([b"1;" * 250_000] * 2)


TEXTS: Final[dict[str, tuple[Callable[[], bytes], tuple[str, ...]]]] = {
    "line-without-end.csv": (lambda: _HEAD + b"a" * 1_000_000, ()),
    "line-of-800-mb.csv.gz": (lambda: _gz(_times(b"a", 800 * MB)), ()),
    "line-of-3-gb.csv.zst": (lambda: _zst(_times(b"a", 3000 * MB)), ()),
    "cell-of-800-mb.csv.gz": (lambda: _gz(_times(b"a\n", 800 * MB, _HEAD + b'1,"')), ()),
    "blank-lines-of-300-mb.csv.gz": (lambda: _gz(_times(b"\n", 300 * MB, _HEAD + b"1,2\n")), ()),
    "one-pair-100-million-times.csv.gz": (lambda: _gz(_times(b"1,2\n", 400 * MB)), ()),
    "rows-just-below-the-limit.csv.gz": (_many_rows, ()),
    "rows-that-are-rejected.csv.gz": (lambda: _gz(_times(b"x,y\n", 30 * MB)), ()),
    "cells-of-four-byte-characters.csv.gz": (_emoji, ()),
    "commas-of-90-mb.csv.gz": (lambda: _gz(_times(b",", 90 * MB)), ()),
    "commas-of-16-mb.csv.gz": (lambda: _gz([_HEAD, *[b"," * 16 * MB + b"x\n"] * 3]), ()),
    "rows-of-16000-cells.csv.gz": (_wide, ()),
    "rows-of-680-short-cells.csv.gz": (_short_cells, ()),
    "quoted-cells-of-four-byte-characters.csv.gz": (lambda: _emoji(b'"'), ()),
    "rows-of-680-quoted-cells.csv.gz": (lambda: _short_cells('"ab"'), ()),
    "header-of-500000-columns.csv": (lambda: b"c," * 500_000 + b"\n1,2\n", ()),
    "header-of-one-long-name.csv": (lambda: b"c" * 1_000_000 + b"\n1\n", ()),
    "id-of-900000-digits.csv": (lambda: _HEAD + b"9" * 900_000 + b",2\n", ()),
    "type-of-900000-letters.csv": (lambda: b"from_id,to_id,to_type\n1,2," + b"x" * 900_000, ()),
    "ids-by-ids-in-each-row.csv": (_ids_by_ids, _SEVERAL),
    "ids-by-ids-in-one-row.csv": (_two_long_cells, _SEVERAL),
    "semicolons-of-1-mb.csv": (lambda: b"from IDs,to IDs\n1," + b";" * 1_000_000, _SEVERAL),
    "quotes-of-1-mb.csv": (lambda: _HEAD + b'"' * 1_000_000, ()),
    "nuls-of-1-mb.csv": (lambda: _HEAD + b"1,\0\n" * 250_000, ()),
    "lone-returns.csv": (lambda: _HEAD + b"1,2\r" * 250_000, ()),
    "empty-members.csv.gz": (lambda: _gz([_HEAD]) + gzip.compress(b"", mtime=0) * 50_000, ()),
    "line-of-900-mb.jsonl.gz": (lambda: _gz(_times(b"a", 900 * MB, b'{"from": "')), ()),
    "nested-500000-deep.jsonl": (lambda: b'{"from": ' + b"[" * 500_000 + b"]" * 500_000, ()),
    "values-in-long-lines.jsonl.gz": (
        lambda: _gz(
            [*[b'{"from": 1, "to": 2, "x": [' + b"[]," * 150_000 + b"0]}\n"] * 150, _noise(MB)]
        ),
        (),
    ),
    "values-in-short-lines.jsonl.gz": (
        lambda: _gz(
            [*[b'{"from": 1, "to": 2, "x": [' + b"[]," * 600 + b"0]}\n"] * 40_000, _noise(MB)]
        ),
        (),
    ),
    "keys-of-one-name.jsonl": (lambda: b'{"a": 1' + b', "a": 1' * 120_000 + b"}\n", ()),
    "keys-of-100000-names.jsonl": (
        lambda: b"{" + b", ".join(b'"%d": 1' % n for n in range(80_000)) + b"}\n",
        (),
    ),
    "ids-by-ids.jsonl": (
        lambda: b'{"from": %b, "to": %b}\n' % tuple([b"[" + b"1," * 250_000 + b"1]"] * 2),
        (),
    ),
    "number-of-900000-digits.jsonl": (lambda: b'{"from": ' + b"9" * 900_000 + b', "to": 1}', ()),
}

# --- workbooks ----------------------------------------------------------------------------------

_SPACE: Final = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TEXT_HEAD: Final = "".join(
    f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("from_id", "to_id")
)


def _book(
    sheet: Iterable[bytes] = (), *, shared: Iterable[bytes] = (), **more: Iterable[bytes]
) -> bytes:
    """A workbook with these cells; *more*: the styles, or all of the sheet or of the workbook."""
    file = io.BytesIO()
    kinds = [("worksheet", "a.xml"), ("sharedStrings", "s.xml"), ("styles", "y.xml")]
    relations = "".join(
        f'<Relationship Id="r{n}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(kinds, 1)
    )
    book = f'<workbook {_SPACE} xmlns:r="{_RELATIONS}"><sheets>'.encode()
    book += b'<sheet name="A" sheetId="1" r:id="r1"/>'
    head = f"<row>{_TEXT_HEAD}</row>".encode()
    parts: dict[str, Iterable[bytes]] = {
        "[Content_Types].xml": [b"<Types/>"],
        "xl/_rels/workbook.xml.rels": [f"<Relationships>{relations}</Relationships>".encode()],
        "xl/workbook.xml": [book, *more.get("sheets", ()), b"</sheets></workbook>"],
        "xl/y.xml": [b"<styleSheet>", *more.get("styles", ()), b"</styleSheet>"],
        "xl/s.xml": [b"<sst>", *shared, b"</sst>"],
        "xl/a.xml": more.get(
            "whole", [b"<worksheet><sheetData>", head, *sheet, b"</sheetData></worksheet>"]
        ),
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, pieces in parts.items():
            with archive.open(name, "w", force_zip64=True) as part:
                for piece in pieces:
                    part.write(piece)
    return file.getvalue()


def _repeated(piece: bytes, size: int, head: bytes = b"", tail: bytes = b"") -> list[bytes]:
    return [head, *_times(piece, size, b""), tail]


def _laughs() -> list[bytes]:
    entities = b"".join(
        b'<!ENTITY l%d "%b">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"ha") for n in range(12)
    )
    return [b"<!DOCTYPE x [", entities, b"]><worksheet>&l11;</worksheet>"]


_CELL: Final = b'<row><c t="str"><v>'
_CELL_END: Final = b"</v></c></row>"
BOOKS: Final[dict[str, Callable[[], bytes]]] = {
    "cell-of-800-mb.xlsx": lambda: _book(_repeated(b"a", 800 * MB, _CELL, _CELL_END)),
    "cell-of-45-mb.xlsx": lambda: _book(_repeated(b"a", 45 * MB, _CELL, _CELL_END)),
    "shared-text-of-45-mb.xlsx": lambda: _book(
        [b'<row><c t="s"><v>0</v></c></row>'],
        shared=_repeated(b"a", 45 * MB, b"<si><t>", b"</t></si>"),
    ),
    "shared-texts-of-four-byte-characters.xlsx": lambda: _book(
        shared=_repeated(b"<si><t>" + b"a" * 900_000 + "😀</t></si>".encode(), 49 * MB)
    ),
    "empty-shared-texts.xlsx": lambda: _book(shared=_repeated(b"<si/>", 49 * MB)),
    "entities.xlsx": lambda: _book(whole=_laughs()),
    "empty-rows.xlsx": lambda: _book(_repeated(b"<row/>", 49 * MB)),
    "empty-cells.xlsx": lambda: _book(_repeated(b"<c/>", 49 * MB, b"<row>", b"</row>")),
    "cells-of-short-texts.xlsx": lambda: _book(
        _repeated(b"<row>" + b'<c t="str"><v>ab</v></c>' * 1000 + b"</row>", 49 * MB)
    ),
    "one-pair-in-every-row.xlsx": lambda: _book(
        _repeated(b"<row><c><v>1</v></c><c><v>2</v></c></row>", 49 * MB)
    ),
    "sheets.xlsx": lambda: _book(
        sheets=_repeated(b'<sheet name="B" sheetId="2" r:id="r1"/>', 49 * MB)
    ),
    "styles.xlsx": lambda: _book(styles=_repeated(b"<xf/>", 49 * MB, b"<cellXfs>", b"</cellXfs>")),
    "attribute-of-45-mb.xlsx": lambda: _book(_repeated(b"a", 45 * MB, b'<row r="', b'"/>')),
    "cdata-of-45-mb.xlsx": lambda: _book(
        _repeated(b"<", 45 * MB, _CELL + b"<![CDATA[", b"]]>" + _CELL_END)
    ),
    "nested-elements.xlsx": lambda: _book(_repeated(b"<a>", 49 * MB)),
}

# --- Parquet ------------------------------------------------------------------------------------


def _parquet(columns: Callable[[ModuleType], dict[str, Any]]) -> Callable[[], bytes]:
    def make() -> bytes:
        import pyarrow as pa  # noqa: PLC0415 -- in the process that makes the file
        import pyarrow.parquet as pq  # noqa: PLC0415

        file = io.BytesIO()
        pq.write_table(pa.table(columns(pa)), file, compression="zstd")
        return file.getvalue()

    return make


def _texts(pa: ModuleType, size: int, rows: int) -> Any:  # noqa: ANN401 -- an array
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["7" * size]))


def _ones(pa: ModuleType, count: int) -> Any:  # noqa: ANN401 -- an array
    return pa.array(bytes([1]) * count, pa.uint8())


def _list(pa: ModuleType, values: Any, length: int) -> Any:  # noqa: ANN401 -- arrays
    offsets = pa.array(range(0, len(values) + 1, length), pa.int32())
    return pa.ListArray.from_arrays(offsets, values)


_IDS: Final = list(range(1, 1001))
PARQUETS: Final[dict[str, Callable[[], bytes]]] = {
    "id-of-200-million-digits.parquet": _parquet(
        lambda _: {"from_id": ["7" * 200_000_000], "to_id": [1]}
    ),
    "text-of-30-mb.parquet": _parquet(lambda _: {"from_id": ["7" * 30_000_000], "to_id": [1]}),
    "text-of-1-mb-in-a-million-rows.parquet": _parquet(
        lambda pa: {"from_id": _texts(pa, 1_000_000, 1_000_000), "to_id": pa.nulls(1_000_000)}
    ),
    "lists-of-texts-of-1-mb.parquet": _parquet(
        lambda pa: {
            "from_id": _IDS,
            "to_id": _IDS,
            "x": _list(pa, _texts(pa, 1_000_000, 20_000), 20),
        }
    ),
    "objects-with-texts-of-1-mb.parquet": _parquet(
        lambda pa: {
            "from_id": _IDS,
            "to_id": _IDS,
            "x": pa.StructArray.from_arrays([_texts(pa, 1_000_000, 1000)], ["a"]),
        }
    ),
    "one-pair-in-20-million-rows.parquet": _parquet(
        lambda pa: dict.fromkeys(("from_id", "to_id"), _ones(pa, 20_000_000))
    ),
    "one-pair-in-1900000-rows.parquet": _parquet(
        lambda pa: dict.fromkeys(("from_id", "to_id"), _ones(pa, 1_900_000))
    ),
    "list-of-20-million-ids.parquet": _parquet(
        lambda pa: {
            "from_id": [1],
            "to_id": _list(pa, _ones(pa, 20_000_000), 20_000_000),
        }
    ),
    "list-of-1900000-ids.parquet": _parquet(
        lambda pa: {
            "from_id": [1],
            "to_id": _list(pa, _ones(pa, 1_900_000), 1_900_000),
        }
    ),
    "ids-by-ids.parquet": _parquet(
        lambda _: dict.fromkeys(("from_id", "to_id"), [list(range(1, 90_001))] * 2)
    ),
    "columns.parquet": _parquet(lambda pa: {f"{n}": pa.nulls(0) for n in range(3000)}),
}

ALL: Final[dict[str, tuple[Callable[[], bytes], tuple[str, ...]]]] = {
    **TEXTS,
    **{name: (make, ()) for name, make in {**BOOKS, **PARQUETS}.items()},
}


def _command(name: str, path: Path, columns: tuple[str, ...], base_url: str) -> list[str]:
    """Return the arguments of *name* for a file whose ids stand in *columns* if it names them."""
    files = [str(path)]
    if name == "plan":
        return ["plan", *files, *_TYPES, *columns]
    if name == "link":
        sent = ("--base-url", base_url, "--quota", "100000/1s", "--via", "batch")
        kept = ("--batch-quota", "100000/1s", "--skip-invalid", "--stop-after-alike", "0")
        failures = f"{path}.failures{'.jsonl' if '.jsonl' in path.suffixes else ''}"
        return ["link", *files, *_TYPES, *columns, *sent, *kept, "--failures", failures]
    first, second = columns[1::2] or ("from_id", "to_id")
    sides = ("--on", second, "--left-id", first, "--right-id", first, "--all-matches")
    # A link is another name of one file, which cannot be given twice.
    again = path.with_name(f"again-{path.name}")
    again.hardlink_to(path)
    written = ("--output", f"{path}.pairs", "--unmatched", f"{path}.unmatched")
    return ["pairs", *files, str(again), *sides, *written]


def _peak_kb(pid: int) -> int:
    """Return the peaks of a process and of those that it started, together, if it still runs."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return 0
    peak = status.partition("VmHWM:")[2].split(maxsplit=1)[:1] or ["0"]
    return int(peak[0]) + sum(map(_peak_kb, map(int, " ".join(children).split())))


def _cpu_seconds(pid: int) -> float:
    """Return what a process took of a processor so far; 0 where the system does not say it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(command: list[str], most_seconds: float) -> dict[str, Any]:
    """Return what a command took."""
    began = time.perf_counter()
    peak_kb = 0
    with tempfile.TemporaryFile() as printed:
        called = [sys.executable, "-m", "aiohubassoc", *command]
        process = subprocess.Popen(called, stdout=printed, stderr=printed)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak_kb = max(peak_kb, _peak_kb(process.pid))
            elapsed = time.perf_counter() - began
            if _cpu_seconds(process.pid) > most_seconds or elapsed > _BUSY * most_seconds:
                process.kill()
                ended = os.wait4(process.pid, 0)
                break
            time.sleep(0.02)
        printed.seek(0)
        text = printed.read()
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    path = Path(command[1])
    return {
        "file": path.name,
        "command": command[0],
        "kB": round(path.stat().st_size / 1000),
        "exit": process.returncode,
        "CPU s": round(ended[2].ru_utime + ended[2].ru_stime, 1),
        "peak MB": round(max(ended[2].ru_maxrss, peak_kb) / 1024),
        "printed kB": round(len(text) / 1000, 1),
        "says": text.decode(errors="replace").replace(str(path), "")[:80].replace("\n", " "),
    }


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(ALL), metavar="FILE", help="of these")
    parser.add_argument("--commands", nargs="*", default=["plan", "link", "pairs"])
    parser.add_argument("--make", nargs=2, metavar=("FILE", "PATH"), help="only make this file")
    parser.add_argument("--untimed", action="store_true", help="judge nothing that times decide")
    options = parser.parse_args()
    if options.make:
        name, path = options.make
        Path(path).write_bytes(ALL[name][0]())
        return 0
    rows = []
    settings = PortalSettings(quota_limit=None)
    os.environ["HUBSPOT_ACCESS_TOKEN"] = settings.tokens[0]
    with portal_process(settings) as portal:
        for name in options.only:
            with tempfile.TemporaryDirectory() as home:
                path = Path(home) / name
                # Elsewhere: what a process has taken counts as its child's, too.
                subprocess.run([sys.executable, __file__, "--make", name, path], check=True)
                for command in options.commands:
                    called = _command(command, path, ALL[name][1], portal.base_url)
                    most = 3 * _MOST_SECONDS if command == "plan" else _SOME_SECONDS
                    rows.append(measure(called, most))
                    print(f"{name}: {rows[-1]}", file=sys.stderr)
    print_table(rows)
    small = [row for row in rows if row["kB"] * 1000 <= _MOST_FILE_BYTES]
    plans = [row for row in rows if row["command"] == "plan"]
    checks = {
        f"each of {len(small)} runs takes at most {_MOST_MB} MB": all(
            row["peak MB"] <= _MOST_MB for row in small
        ),
        f"each prints at most {_MOST_PRINTED_KB} kB": all(
            row["printed kB"] <= _MOST_PRINTED_KB for row in rows
        ),
        "plan ends with one of its exit codes": all(row["exit"] in {0, 1, 2} for row in plans),
    }
    if not options.untimed:
        claim = f"plan takes at most {_MOST_SECONDS} s of a processor"
        checks[claim] = all(row["CPU s"] <= _MOST_SECONDS for row in plans)
    return conclude("hostile_files", rows, checks)


if __name__ == "__main__":
    sys.exit(main())
