"""Makes text from outside (HubSpot, files, names) safe to show: invisible characters as escapes."""

from __future__ import annotations

import unicodedata
from typing import Final

MOST_LETTERS: Final = 600
# Invisible characters: controls, formats (which can reverse the order of text), surrogates, private
# use, unassigned, line and paragraph ends. The two joiners are part of words and of emoji.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")
_MARKS: Final = frozenset({"Mn", "Me"})
# No script stacks more marks on a letter; more of them would cover the lines above and below.
_MOST_MARKS: Final = 4
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BMP: Final = 0xFFFF
_MOST_ESCAPE: Final = 10  # letters


def make_visible(text: str, most: int | None = MOST_LETTERS) -> str:
    """
    Return *text* with invisible characters as escapes.

    Args:
        text: The text from outside.
        most: Maximum number of characters. A longer text is cut off, followed by its length.
            None: no maximum.
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
        is_hidden = category in _INVISIBLE and letter not in _JOINERS
        piece = _escape(letter) if is_hidden or marks > _MOST_MARKS else letter
        length += len(piece)
        if length > most:
            return "".join(shown), True
        shown.append(piece)
    return "".join(shown), False


def _escape(letter: str) -> str:
    code = ord(letter)
    return _SHORT.get(letter) or (f"\\u{code:04x}" if code <= _BMP else f"\\U{code:08x}")
