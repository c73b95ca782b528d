"""
A long reply, cut into pieces of JSON that can be read one after the other.

The reply to a batch is thousands of small objects. Read as a whole they all live at once, and the
garbage collector looks at each of them, again and again: a third of what a batch would cost.
"""

from __future__ import annotations

import re
from typing import Final

# About sixty results.
_PIECE_BYTES: Final = 8 * 1024
# A piece is longer only where a result is longer than any that HubSpot documents.
_LONGEST_PIECE: Final = 2 * _PIECE_BYTES
_NAME: Final = b'"results"'
# The beginning of a reply, down to its own list of results: before it there are only names with
# a number, a word, an empty list or object, or a text without quotes and escapes.
_BEGIN: Final = re.compile(
    rb'\{(?:"\w{1,40}":(?:"[^"\\]{0,200}"|-?\d{1,20}|null|true|false|\[\]|\{\}),){0,20}'
    rb'"results":\[',
    re.ASCII,
)
_BETWEEN: Final = b"},{"


def cut_results(body: bytes) -> tuple[bytes, list[bytes]] | None:
    """
    Return *body* with an empty list of results, and its results in pieces: lists of them.

    None: there is any doubt that the list is the reply's own. Nothing is decided here: where a cut
    fell into the midst of something, a piece or the rest is no JSON.
    """
    match = _BEGIN.match(body)
    if match is None:
        return None
    begin = match.end()
    end = body.find(b"]", begin)
    # Of two fields of one name the last one holds: the name must not stand behind them, not even
    # in other letters.
    if end < 0 or body.find(_NAME, end) >= 0 or body.find(b"\\", end) >= 0:
        return None
    pieces = []
    start = begin
    while end - start > _PIECE_BYTES:
        between = body.find(_BETWEEN, start + _PIECE_BYTES, end)
        if between < 0:
            break
        if between - start > _LONGEST_PIECE:
            return None
        pieces.append(b"[%b}]" % body[start:between])
        start = between + 2
    if end - start > _LONGEST_PIECE:
        return None
    pieces.append(b"[%b]" % body[start:end])
    return body[:begin] + body[end:], pieces
