"""Text from outside (HubSpot's, a file's, a name) as a page may show it."""

from __future__ import annotations

import unicodedata
from typing import Final

MOST_LETTERS: Final = 600
# What has no visible shape: controls, formats (which turn the order of text around), surrogates,
# private use, unassigned, line and paragraph ends. Two formats are part of words and of emoji.
_SHAPELESS: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")
_MARKS: Final = frozenset({"Mn", "Me"})
# No script stacks more marks on a letter; more of them paint over the lines above and below.
_MOST_MARKS: Final = 4
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BMP: Final = 0xFFFF
_MOST_ESCAPE: Final = 10  # letters


def make_visible(text: str, most: int | None = MOST_LETTERS) -> str:
    """
    Return *text* with what cannot be seen written as escapes.

    Args:
        text: From outside.
        most: The most letters to return; of a longer text the rest is cut off, and its length is
            given. None: all of it is returned.
    """
    most = len(text) * _MOST_ESCAPE if most is None else most
    if text.isascii() and text.isprintable():
        shown, is_cut = text[:most], len(text) > most
    else:
        shown, is_cut = _escape_all(text, most)
    return f"{shown} … ({len(text):,} letters)" if is_cut else shown


def _escape_all(text: str, most: int) -> tuple[str, bool]:
    """Return the beginning of *text*, escaped, and whether that is not all of it."""
    shown: list[str] = []
    length = marks = 0
    for letter in text:
        category = unicodedata.category(letter)
        marks = marks + 1 if category in _MARKS else 0
        is_hidden = category in _SHAPELESS and letter not in _JOINERS
        piece = _escape(letter) if is_hidden or marks > _MOST_MARKS else letter
        length += len(piece)
        if length > most:
            return "".join(shown), True
        shown.append(piece)
    return "".join(shown), False


def _escape(letter: str) -> str:
    code = ord(letter)
    return _SHORT.get(letter) or (f"\\u{code:04x}" if code <= _BMP else f"\\U{code:08x}")
