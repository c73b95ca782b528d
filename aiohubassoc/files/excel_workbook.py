"""A workbook's parts: its sheets, its texts, and which numbers are dates."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

import attrs

from aiohubassoc.errors import InputError
from aiohubassoc.files.excel_parts import Relations, SharedTexts, SheetList, Styles
from aiohubassoc.files.limits import XML_RATIO, most_bytes
from aiohubassoc.files.xml_stream import XmlError, parse_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohubassoc.files.excel_parts import Shows
    from aiohubassoc.files.xml_stream import Handler

_CONTENT_TYPES: Final = "[content_types].xml"
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
    """
    A sheet with cells.

    Attributes:
        name: Its name.
        part: Where its cells are.
        is_hidden: Whether Excel does not show it.
    """

    name: str
    part: str
    is_hidden: bool


class Workbook:
    """
    An Excel workbook.

    Args:
        file: At its beginning; closed by `close`.
        name: How messages call it.

    Attributes:
        sheets: Its sheets with cells, in their order.
        is_from_1904: Whether its dates count from 1904.

    Raises:
        InputError: It is no workbook, damaged, or unpacks to far more than one of its size.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._name = name
        self._size_bytes = file.seek(0, 2)
        self._opened_bytes = 0
        self._archive, self._parts = _open(file, name)
        self._texts: list[str] | None = None
        self._time_styles: dict[int, Shows] | None = None
        self._shared = self._styles = ""
        with self.damage():
            workbook = self._target("_rels/.rels", "officeDocument") or "xl/workbook.xml"
            listed = SheetList()
            self._parse(workbook, listed)
            self.is_from_1904 = listed.is_from_1904
            folder, _, file_name = workbook.rpartition("/")
            rels = self._relations(f"{folder}/_rels/{file_name}.rels", folder)
            self._shared = _one(rels, "sharedStrings")
            self._styles = _one(rels, "styles")
            targets = {key: target for key, kind, target in rels if kind == "worksheet"}
            self.sheets = [
                Sheet(title, targets[key], is_hidden)
                for title, key, is_hidden in listed.found
                if key in targets
            ]

    @contextmanager
    def damage(self) -> Iterator[None]:
        """
        Turn what a damaged part raises inside of the block into an InputError.

        Raises:
            InputError: A part is damaged.
        """
        try:
            yield
        except InputError:
            raise
        except _DAMAGE as error:
            told = str(error) or type(error).__name__
            raise InputError(
                f"{self._name} cannot be read as an Excel workbook: {told[:200]}"
            ) from None

    def open(self, part: str) -> IO[bytes]:
        """
        Open a part.

        Raises:
            InputError: With those before it, it unpacks to far more than a workbook of this size.
            LookupError: It is not there; and what else `damage` knows.
        """
        info = self._parts[part.casefold()]
        self._opened_bytes += info.file_size
        if self._opened_bytes > most_bytes(self._size_bytes, XML_RATIO):
            raise InputError(
                f"{self._name} unpacks to far more than a workbook of its size: save it as CSV, if "
                "you know what is in it"
            )
        return self._archive.open(info)

    def texts(self) -> list[str]:
        """Return the texts that cells name by number; read once."""
        if self._texts is None:
            shared = SharedTexts()
            if self._shared:
                self._parse(self._shared, shared)
            self._texts = shared.found
        return self._texts

    def time_styles(self) -> dict[int, Shows]:
        """Return the styles of cells whose numbers are dates, times or durations; read once."""
        if self._time_styles is None:
            styles = Styles()
            if self._styles:
                self._parse(self._styles, styles)
            self._time_styles = styles.of_times()
        return self._time_styles

    def close(self) -> None:
        """Close the workbook, and not its file."""
        self._archive.close()

    def _parse(self, part: str, handler: Handler) -> None:
        with self.open(part) as file:
            for _ in parse_pieces(file, handler):
                pass

    def _relations(self, part: str, folder: str) -> list[tuple[str, str, str]]:
        """Return the key, the kind and the part of each relation."""
        relations = Relations()
        if part.casefold() in self._parts:
            self._parse(part, relations)
        return [
            (key, kind, posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/"))
            for key, kind, target in relations.found
        ]

    def _target(self, part: str, kind: str) -> str:
        return _one(self._relations(part, ""), kind)


def _open(file: IO[bytes], name: str) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{name} is damaged or cut off: {error}") from None
    parts = {one.filename.replace("\\", "/").casefold(): one for one in archive.infolist()}
    if _CONTENT_TYPES not in parts:
        if "content.xml" in parts:
            raise InputError(f"{name} is an OpenDocument file: save it as .xlsx or CSV")
        raise InputError(f"{name} is a zip archive, but no Excel workbook: unpack it first")
    if "xl/workbook.bin" in parts:
        raise InputError(f"{name} is a binary Excel workbook: save it as .xlsx or CSV")
    return archive, parts


def _one(relations: list[tuple[str, str, str]], kind: str) -> str:
    return next((target for _, own, target in relations if own == kind), "")
