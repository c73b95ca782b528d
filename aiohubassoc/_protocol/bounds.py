"""
How much is kept of what a server says.

An outcome keeps its error and its reply, a report a thousand outcomes: whatever comes from outside
has a largest size here, for texts as for lists, so that no response can fill the memory.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_T = TypeVar("_T")

# Characters. HubSpot's own messages have some hundreds.
MOST_TEXT: Final = 2_000
# Record ids are integers in every object seen; no documented type is longer either.
MOST_ID: Final = 64
# Bytes of the body of an error that are read: HubSpot's own have some kilobytes.
MOST_ERROR_BYTES: Final = 64 * 1024
_MOST_NAME: Final = 200
_MOST_HEADERS: Final = 50
# Deeper than anything that HubSpot documents. What lies below has no meaning to us.
_MOST_LEVELS: Final = 20


def short(text: str, most: int = MOST_TEXT) -> str:
    """Return *text*, or its first *most* characters and how many it has."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers to keep with an error: the first 50, without cookies, each of them short."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if name.lower() == "set-cookie":
            continue
        if len(kept) == _MOST_HEADERS:
            break
        kept[short(name, _MOST_NAME)] = short(value)
    return kept


def bounded(value: object, most_entries: int) -> object:
    """
    Return a JSON value whose texts are short and whose lists and objects have few entries.

    Args:
        value: As it was loaded.
        most_entries: How many entries all lists and objects in it may have together; those beyond
            are left out, and so is what is nested too deeply. Long texts may have 64 times as many
            characters together.
    """
    left = most_entries
    letters = most_entries * MOST_ID

    def taken(entries: Collection[_T]) -> list[_T]:
        nonlocal left
        count = min(left, len(entries))
        left -= count
        return list(islice(entries, count))  # before what is inside of the first takes all

    def walk(one: object, levels: int) -> object:
        nonlocal letters
        if isinstance(one, str):
            if len(one) <= MOST_ID:
                return one
            text = short(one, max(MOST_ID, min(MOST_TEXT, letters)))
            letters -= len(text)
            return text
        if not isinstance(one, list | dict):
            return one
        if levels == 0:
            return "..."
        if isinstance(one, list):
            return [walk(entry, levels - 1) for entry in taken(one)]
        return {
            short(name, _MOST_NAME): walk(entry, levels - 1) for name, entry in taken(one.items())
        }

    return walk(value, _MOST_LEVELS)
