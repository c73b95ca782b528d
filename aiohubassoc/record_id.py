"""What the text of a record id can be, wherever it comes from."""

from __future__ import annotations

import re
from typing import Final

# As Python, pandas, polars and databases write a float: 202.0, .5, 1e16, 1.2e+16, nan.
_FLOAT: Final = re.compile(
    r"[+-]?((\d+\.\d*|\.\d+|\d+(?=e))(e[+-]?\d+)?|nan|inf(inity)?)", re.ASCII | re.IGNORECASE
)


def path_text(text: str, what: str, most: int) -> str:
    """
    Return *text*, which can stand in the path of a request.

    Args:
        text: A record id or an object type.
        what: Its name in the message.
        most: Characters that it may have.

    Raises:
        ValueError: It cannot.
    """
    if len(text) > most:
        raise ValueError(f"{what} has {len(text):,} characters, more than {most}")
    if not text or text.isspace():
        raise ValueError(f"{what} is empty")
    if text in {".", ".."}:  # a path segment that would climb
        raise ValueError(f"{what} cannot be {text!r}")
    if " " in text or not text.isprintable():  # also keeps out lone surrogates and BOMs
        raise ValueError(f"{what} holds a blank or a control character: {text!r}")
    return text


def is_float(text: str) -> bool:
    """Return whether *text* is a float written as text, which HubSpot would refuse or misread."""
    return _FLOAT.fullmatch(text) is not None
