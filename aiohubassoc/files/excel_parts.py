"""What the small parts of a workbook say."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from aiohubassoc.files.xml_stream import XmlError

# More than any program writes; Excel keeps 32,767 characters in a cell.
CELL_CHARS: Final = 1 << 20
_SHEETS: Final = 10_000


class Shows(Enum):
    """What a number is shown as."""

    DATE = "date"
    DURATION = "duration"


class _Quiet:
    """A handler that looks at nothing."""

    def start(self, name: str, attributes: dict[str, str], /) -> None:
        """Do nothing."""

    def end(self, name: str) -> None:
        """Do nothing."""

    def text(self, text: str) -> None:
        """Do nothing."""


class Relations(_Quiet):
    """
    The relations of a part.

    Attributes:
        found: The key, the kind and the target of each.
    """

    def __init__(self) -> None:
        self.found: list[tuple[str, str, str]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take what an element begins with."""
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            self.found.append((attributes.get("Id", ""), kind, attributes.get("Target", "")))


class SheetList(_Quiet):
    """
    The sheets of a workbook.

    Attributes:
        found: The name and the key of each, and whether it is hidden.
        is_from_1904: Whether dates count from 1904.
    """

    def __init__(self) -> None:
        self.found: list[tuple[str, str, bool]] = []
        self.is_from_1904 = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take what an element begins with."""
        if name == "workbookPr":
            self.is_from_1904 = is_true(attributes.get("date1904"))
        elif name == "sheet":
            key = next((one for at, one in attributes.items() if at.endswith(":id")), "")
            if len(self.found) >= _SHEETS:
                raise XmlError(f"it has more than {_SHEETS:,} sheets")
            is_hidden = attributes.get("state", "visible") != "visible"
            self.found.append((attributes.get("name", ""), key, is_hidden))


class SharedTexts(_Quiet):
    """
    The texts that cells name by number.

    Attributes:
        found: Each text; of one in several fonts all its parts, and not how to read it aloud.
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        self._parts: list[str] = []
        self._chars = 0
        self._is_text = self._is_phonetic = False

    def start(self, name: str, _: dict[str, str]) -> None:
        """Take what an element begins with."""
        if name == "t":
            self._is_text = not self._is_phonetic
        elif name == "si":
            self._parts.clear()
            self._chars = 0
        elif name == "rPh":
            self._is_phonetic = True

    def text(self, text: str) -> None:
        """Take some of a text."""
        if self._is_text:
            self._chars += len(text)
            if self._chars > CELL_CHARS:
                raise XmlError(f"a cell has more than {CELL_CHARS:,} characters")
            self._parts.append(text)

    def end(self, name: str) -> None:
        """Take that an element ends."""
        if name == "t":
            self._is_text = False
        elif name == "si":
            self.found.append("".join(self._parts))
        elif name == "rPh":
            self._is_phonetic = False


# Excel's own numbers of formats for dates and times, some of them in East Asia only, and for
# durations: ECMA-376, part 1, 18.8.30.
_FORMATS: Final = {
    **dict.fromkeys((*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)), Shows.DATE),
    46: Shows.DURATION,
}
_NO_CODE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!(h+|m+|s+)\])[^\]]*\]', re.IGNORECASE)
_FORMAT_CHARS: Final = 255


class Styles(_Quiet):
    """The styles of cells."""

    def __init__(self) -> None:
        self._codes: dict[int, str] = {}
        self._used: list[int] = []
        self._is_of_cells = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take what an element begins with."""
        if name == "numFmt":
            code = attributes.get("formatCode", "")[:_FORMAT_CHARS]
            self._codes[int(attributes.get("numFmtId", 0))] = code
        elif name == "cellXfs":
            self._is_of_cells = True
        elif name == "xf" and self._is_of_cells:
            self._used.append(int(attributes.get("numFmtId", 0)))

    def end(self, name: str) -> None:
        """Take that an element ends."""
        if name == "cellXfs":
            self._is_of_cells = False

    def of_times(self) -> dict[int, Shows]:
        """Return what numbers in the styles of times are shown as."""
        formats = {code: _shows(text) for code, text in self._codes.items()} | _FORMATS
        shown = enumerate(map(formats.get, self._used))
        return {style: shows for style, shows in shown if shows is not None}


def _shows(code: str) -> Shows | None:
    bare = _NO_CODE.sub("", code.partition(";")[0]).casefold()
    if "general" in bare or not any(letter in bare for letter in "dmyhs"):
        return None
    return Shows.DURATION if "[" in bare else Shows.DATE


def is_true(text: str | None) -> bool:
    """Return whether an attribute says yes."""
    return text in {"1", "true", "on"}
