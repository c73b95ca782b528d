"""Messages for an input that does not consist of pairs, with advice what to pass instead."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Mapping
from pathlib import PurePath
from typing import Final

from aiohubassoc._run.dataframes import is_frame
from aiohubassoc.errors import OptionsError
from aiohubassoc.pair import Pair

_SHOWN_CHARACTERS: Final = 200
_ENDS: Final = 4


def not_iterable(given: object) -> OptionsError:
    kind = given.__name__ if isinstance(given, type) else type(given).__name__
    message = f"pairs must be an iterable of Pair, not {kind}"
    if advice := _advise_input(given):
        message += f": {advice}"
    return OptionsError(message)


def not_a_pair(index: int, item: object, *, has_types: bool) -> str:
    """Return the message for an item that is no pair; *has_types*: two ids would be enough."""
    needed = "(from_id, to_id)" if has_types else "a Pair"
    message = f"item {index} of the input is not {needed} but {_shown(item)}"
    if advice := _advise_item(item):
        return f"{message}: {advice}"
    return message if has_types else f"{message}: for pairs of ids give from_type and to_type"


def _advise_input(given: object) -> str:
    advice = ""
    if type(given).__name__ == "LazyFrame":
        advice = "give its .collect()"
    elif isinstance(given, Pair):
        advice = "put it in a list, or use create_default()"
    elif isinstance(given, Mapping) or is_frame(given):
        advice = "give its rows as a list of (from_id, to_id), or a data frame to link_each()"
    elif isinstance(given, str | bytes | PurePath):
        advice = "for a file use the command aiohubassoc link, or read its rows with csv"
    elif isinstance(given, AsyncIterable):
        advice = "link_each() takes it; a batch needs a list"
    elif inspect.iscoroutine(given):
        advice = "await it"
    elif callable(given) and not isinstance(given, type):
        advice = "call it"
    return advice


def _advise_item(item: object) -> str:
    if is_frame(item):
        return "start one run for each data frame, or give its rows as (from_id, to_id)"
    if isinstance(item, Mapping):
        if {"from_id", "to_id"} <= item.keys():
            return "give (row['from_id'], row['to_id']) for each row, or the data frame itself"
        return "give two of its values for each row, as (from_id, to_id)"
    if isinstance(item, tuple) and hasattr(item, "Index"):  # what pandas makes
        return "give the data frame itself, or .itertuples(index=False) of the two columns"
    if isinstance(item, tuple) and len(item) == _ENDS:
        return "give Pair(from_type, from_id, to_type, to_id)"
    return "give its .pair" if isinstance(getattr(item, "pair", None), Pair) else ""


def _shown(item: object) -> str:
    if is_frame(item):
        return f"a {type(item).__name__}"
    text = text_of(item, repr)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def text_of(value: object, show: Callable[[object], str] = str) -> str:
    """Return the text of *value*, or the name of its class if its own code raises."""
    try:
        return show(value)
    except Exception:  # noqa: BLE001 -- it is the caller's code; an int may be too long to write
        return f"a {type(value).__name__}"
