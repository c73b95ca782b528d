"""
A long reply, cut into pieces of JSON that can be read one after the other.

The reply to a batch is thousands of small objects. Read as a whole they all live at once, and the
garbage collector looks at each of them, again and again: a third of what a batch would cost.
"""

from __future__ import annotations

from typing import Final

# About sixty results.
_PIECE_BYTES: Final = 8 * 1024
_NAME: Final = b'"results"'
_BEGIN: Final = _NAME + b":["
_OTHER_LETTERS: Final = b"\\u"
_BETWEEN: Final = b"},{"


def cut_results(body: bytes) -> tuple[bytes, list[bytes]] | None:
    """
    Return *body* with an empty list of results, and its results in pieces: lists of them.

    None: it does not look as HubSpot writes it. Nothing is decided here: where a cut fell into the
    midst of something, a piece or the rest is no JSON.
    """
    begin = body.find(_BEGIN)
    if begin < 0:
        return None
    begin += len(_BEGIN)
    end = body.find(b"]", begin)
    if end < 0 or body.count(b"{", 0, begin) != body.count(b"}", 0, begin) + 1:
        return None
    # If the name stands behind them too, or may be in other letters, these may be of an object
    # inside. If it stands there only, it is missing where it is due.
    if body.find(_NAME, end) >= 0 or (b"\\" in body and _OTHER_LETTERS in body):
        return None
    pieces = []
    start = begin
    while end - start > _PIECE_BYTES:
        between = body.find(_BETWEEN, start + _PIECE_BYTES, end)
        if between < 0:
            break
        pieces.append(b"[%b}]" % body[start:between])
        start = between + 2
    pieces.append(b"[%b]" % body[start:end])
    return body[:begin] + body[end:], pieces
