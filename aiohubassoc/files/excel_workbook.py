"""A workbook's parts: its sheets, its texts, and which numbers are dates."""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from contextlib import contextmanager
from enum import Enum
from typing import IO, TYPE_CHECKING, Final
from xml.parsers import expat

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files.limits import XML_RATIO, most_bytes, most_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

# More than any program writes; Excel keeps 32,767 characters in a cell.
CELL_CHARS: Final = 1 << 20
_SHEETS: Final = 10_000
_STYLES: Final = 65_490  # Microsoft, "Excel specifications and limits": unique cell formats
_PIECE_BYTES: Final = 1 << 16
# A tag with its attributes; the parser keeps it whole.
_TAG_BYTES: Final = 1 << 20
_DEPTH: Final = 200
# Control characters and the underscore: ECMA-376, part 1, 22.9.2.19.
_ESCAPED: Final = re.compile(r"_x00((?!00)[01][0-9A-F]|5F)_", re.IGNORECASE)
_CONTENT_TYPES: Final = "[content_types].xml"


class XmlError(Exception):
    """The XML is damaged, or unlike any part of a workbook."""


_DAMAGE: Final = (
    XmlError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,  # of a part with a password
    OSError,
    ValueError,
    LookupError,
)


@attrs.frozen
class Sheet:
    """A sheet with cells: its name, the part with its cells, and whether Excel does not show it."""

    name: str
    part: str
    is_hidden: bool


class Workbook:
    """
    An Excel workbook; its file stays open.

    Raises:
        InputError: It is no workbook, damaged, or unpacks to far more than one of its size.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._name = name
        self._size_bytes = file.seek(0, 2)
        self._opened_bytes = 0
        self._archive, self._parts = _open(file, name)
        self.is_from_1904 = False  # whether its dates count from 1904
        with self.damage():
            workbook = _one(self._relations("_rels/.rels", ""), "officeDocument")
            workbook = workbook or "xl/workbook.xml"
            listed = list(self._list_sheets(workbook))
            folder, _, file_name = workbook.rpartition("/")
            relations = self._relations(f"{folder}/_rels/{file_name}.rels", folder)
            self._shared = _one(relations, "sharedStrings")
            self._styles = _one(relations, "styles")
            targets = {key: target for key, kind, target in relations if kind == "worksheet"}
            # Its sheets with cells, in their order.
            self.sheets = [
                Sheet(title, targets[key], is_hidden)
                for title, key, is_hidden in listed
                if key in targets
            ]

    @contextmanager
    def damage(self) -> Iterator[None]:
        """Turn what a damaged part raises inside of the block into an InputError."""
        try:
            yield
        except InputError:
            raise
        except _DAMAGE as error:
            message = str(error) or type(error).__name__
            raise InputError(
                f"{self._name} cannot be read as an Excel workbook: {message[:200]}"
            ) from None

    def open(self, part: str) -> IO[bytes]:
        """
        Open a part, inside of `damage`.

        If it unpacks, with those before it, to more than a workbook of this size, it is an
        InputError.
        """
        info = self._parts.get(part.casefold())
        if info is None:
            raise XmlError(f"its part {part} is missing")
        self._opened_bytes += info.file_size
        if self._opened_bytes > most_bytes(self._size_bytes, XML_RATIO):
            raise InputError(
                f"{self._name} unpacks to far more than a workbook of its size: save it as CSV, if "
                "you know what is in it"
            )
        return self._archive.open(info)

    def texts(self) -> list[str]:
        """Return the texts that cells name by number."""
        shared = _SharedTexts(most_rows(self._size_bytes))
        if self._shared:
            with self.open(self._shared) as file:
                for _ in parse_pieces(file, shared):
                    pass
        return shared.found

    def time_styles(self) -> dict[int, Shows]:
        """Return the styles of cells whose numbers are dates, times or durations."""
        formats: dict[int, Shows | None] = {}
        used: list[int] = []
        is_of_cells = False
        for name, attributes in self._starts(self._styles) if self._styles else ():
            if name == "numFmt":
                number = int(attributes.get("numFmtId", 0))
                formats[number] = _shows(attributes.get("formatCode", "")[:_FORMAT_CHARS])
            elif name == "xf" and is_of_cells:
                if len(used) >= _STYLES:
                    raise XmlError(f"it has more than {_STYLES:,} styles of cells")
                used.append(int(attributes.get("numFmtId", 0)))
            elif name in _STYLE_GROUPS:
                is_of_cells = name == "cellXfs"
        shown = enumerate(map((formats | _FORMATS).get, used))
        return {style: shows for style, shows in shown if shows is not None}

    def close(self) -> None:
        """Close the workbook, and not its file."""
        self._archive.close()

    def _starts(self, part: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the name and the attributes of each element of a part."""
        starts = _Starts()
        with self.open(part) as file:
            for _ in parse_pieces(file, starts):
                yield from starts.found
                starts.found.clear()

    def _list_sheets(self, part: str) -> Iterator[tuple[str, str, bool]]:
        """Yield the name and the key of each sheet, and whether it is hidden."""
        count = 0
        for name, attributes in self._starts(part):
            if name == "workbookPr":
                self.is_from_1904 = is_true(attributes.get("date1904"))
            elif name == "sheet":
                count += 1
                if count > _SHEETS:
                    raise XmlError(f"it has more than {_SHEETS:,} sheets")
                key = next((one for at, one in attributes.items() if at.endswith(":id")), "")
                is_hidden = attributes.get("state", "visible") != "visible"
                yield attributes.get("name", ""), key, is_hidden

    def _relations(self, part: str, folder: str) -> list[tuple[str, str, str]]:
        """Return the key, the kind and the part of each relation."""
        if part.casefold() not in self._parts:
            return []
        return [
            (
                attributes.get("Id", ""),
                attributes.get("Type", "").rpartition("/")[2],
                posixpath.normpath(
                    posixpath.join("/", folder, attributes.get("Target", ""))
                ).lstrip("/"),
            )
            for name, attributes in self._starts(part)
            if name == "Relationship" and attributes.get("TargetMode") != "External"
        ]


def _open(file: IO[bytes], name: str) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{name} is damaged or cut off: {error}") from None
    parts = {one.filename.replace("\\", "/").casefold(): one for one in archive.infolist()}
    if _CONTENT_TYPES not in parts:
        if "content.xml" in parts:
            raise InputError(f"{name} is an OpenDocument file: save it as .xlsx or CSV")
        if any(part.endswith((".iwa", "index.zip")) for part in parts):
            raise InputError(f"{name} is a Numbers document: export it as .xlsx or CSV")
        raise InputError(f"{name} is a zip archive, but no Excel workbook: unpack it first")
    if "xl/workbook.bin" in parts:
        raise InputError(f"{name} is a binary Excel workbook: save it as .xlsx or CSV")
    return archive, parts


def _one(relations: list[tuple[str, str, str]], kind: str) -> str:
    return next((target for _, own, target in relations if own == kind), "")


# --- XML ----------------------------------------------------------------------------------------


class Handler:
    """
    Receives the elements of a part, by their names without a prefix, and collects a text.

    Of a text in several fonts it collects all parts, and not how to read it aloud.
    """

    place = ""  # where it is, in messages

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._chars = 0
        self._is_text = self._is_phonetic = False

    def start(self, name: str, _: dict[str, str], /) -> None:
        if name in {"v", "t"}:
            self._is_text = not self._is_phonetic
        elif name == "rPh":
            self._is_phonetic = True

    def text(self, text: str, /) -> None:
        if self._is_text:
            self._chars += len(text)
            if self._chars > CELL_CHARS:
                raise XmlError(f"{self.place}a cell has more than {CELL_CHARS:,} characters")
            self._parts.append(text)

    def end(self, name: str, /) -> None:
        if name in {"v", "t"}:
            self._is_text = False
        elif name == "rPh":
            self._is_phonetic = False

    def begin_text(self) -> None:
        """Drop what was collected."""
        self._parts.clear()
        self._chars = 0

    def joined_text(self) -> str:
        """Return what was collected, without the escapes of its control characters."""
        text = "".join(self._parts)
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def parse_pieces(file: IO[bytes], handler: Handler) -> Iterator[None]:
    """
    Yield after each piece of *file* that was read, so that memory does not grow.

    What is not well-formed, has a document type, or a tag without end, is an XmlError.
    """
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise XmlError("it is nested too deeply")
        handler.start(name[name.find(":") + 1 :], attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        handler.end(name[name.find(":") + 1 :])

    def refuse_doctype(*_: object) -> None:
        raise XmlError("it has a document type, which could unpack to any size")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = handler.text
    parser.StartDoctypeDeclHandler = refuse_doctype
    fed = 0
    try:
        while piece := file.read(_PIECE_BYTES):
            parser.Parse(piece)
            fed += len(piece)
            if fed - parser.CurrentByteIndex > _TAG_BYTES:
                raise XmlError(f"a tag has more than {_TAG_BYTES:,} bytes")
            yield
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        yield  # what came before the damage
        raise XmlError(str(error)) from None
    yield


def is_true(text: str | None) -> bool:
    return text in {"1", "true", "on"}


# --- the small parts ----------------------------------------------------------------------------


class _Starts(Handler):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.found.append((name, attributes))


class _SharedTexts(Handler):
    def __init__(self, most: int) -> None:
        super().__init__()
        self.found: list[str] = []
        self._most = most

    def start(self, name: str, attributes: dict[str, str]) -> None:
        super().start(name, attributes)
        if name == "si":
            self.begin_text()

    def end(self, name: str) -> None:
        super().end(name)
        if name == "si":
            if len(self.found) >= self._most:
                raise XmlError(f"it has more than {self._most:,} texts")
            self.found.append(self.joined_text())


# --- styles -------------------------------------------------------------------------------------

# The groups of styles, one after the other; those of cells are the ones that cells name.
_STYLE_GROUPS: Final = frozenset(("cellStyleXfs", "cellXfs", "cellStyles", "dxfs"))


class Shows(Enum):
    """What a number is shown as."""

    DATE = "date"
    DURATION = "duration"


# Excel's own numbers of formats for dates and times, some of them in East Asia only, and for
# durations: ECMA-376, part 1, 18.8.30.
_FORMATS: Final = {
    **dict.fromkeys((*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)), Shows.DATE),
    46: Shows.DURATION,
}
_NO_CODE: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!(h+|m+|s+)\])[^\]]*\]', re.IGNORECASE)
_FORMAT_CHARS: Final = 255


def _shows(code: str) -> Shows | None:
    bare = _NO_CODE.sub("", code.partition(";")[0]).casefold()
    if "general" in bare or not any(letter in bare for letter in "dmyhs"):
        return None
    return Shows.DURATION if "[" in bare else Shows.DATE
