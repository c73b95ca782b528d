"""By what two rows match: the text of a cell, or the domain in it."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from aiohubassoc.files.cells import CellList, Float, Formula, LongNumber, constant_text
from aiohubassoc.files.limits import shown
from aiohubassoc.files.not_ids import Kind, kind_of_nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    ToKey: TypeAlias = Callable[[str], str]

# The longest address of a mail has 254 characters (RFC 5321); a name may be longer.
_KEY_CHARS: Final = 1000
# Above it a float no longer holds every whole number.
_LARGEST_FLOAT: Final = 2**53
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_BEHIND_HOST = re.compile(r"[/?#\\].*", re.DOTALL)
_PORT = re.compile(r":\d*$")
_NOT_IN_HOST = re.compile(r"[\s,;|@<>:\"'()]")


class UnusableKeyError(ValueError):
    """A cell by which nothing can match; the message says what it holds."""


def exact_key(text: str) -> str:
    """
    Return a cell trimmed and case-folded.

    Raises:
        UnusableKeyError: It holds nothing, a placeholder for nothing, or several values.
    """
    # Letters with accents are written in two ways that look the same.
    return unicodedata.normalize("NFC", _bare(text).casefold())


def email_domain(text: str) -> str:
    """
    Return the domain of an e-mail address, without ``www.``.

    Raises:
        UnusableKeyError: The cell is not one e-mail address.
    """
    bare = _bare(text)
    _, at, domain = bare.partition("@")
    if not at:
        raise UnusableKeyError(f"is {shown(bare)}, not an e-mail address")
    return _host(domain.removesuffix(">"), bare, "one e-mail address")


def site_domain(text: str) -> str:
    """
    Return the domain of a company: what is left without scheme, ``www.``, port and path.

    Raises:
        UnusableKeyError: The cell is not one domain or URL.
    """
    bare = _bare(text)
    host = _BEHIND_HOST.sub("", _SCHEME.sub("", bare, count=1))
    return _host(_PORT.sub("", host), bare, "one domain")


def _bare(text: str) -> str:
    """Return the text of a cell that holds one value."""
    if isinstance(text, Formula):
        raise UnusableKeyError(f"is {Kind.FORMULA.one}")
    if isinstance(text, LongNumber):
        raise UnusableKeyError(f"is {shown(text)}, {Kind.LONG.one}")
    if isinstance(text, CellList):
        items = [item for item in text.items if item.strip()]
        if len(items) > 1:
            raise UnusableKeyError("holds several values")
        return _bare(items[0] if items else "")
    bare = _whole(text) if isinstance(text, Float) else text.strip()
    inside = constant_text(bare)
    bare = bare if inside is None else inside
    if not bare:
        raise UnusableKeyError("is empty")
    if len(bare) > _KEY_CHARS:
        raise UnusableKeyError(f"has more than {_KEY_CHARS:,} characters")
    if (kind := kind_of_nothing(bare)) is not None:
        raise UnusableKeyError(f"is {shown(bare)}, {kind.one}")
    try:
        bare.encode()
    except UnicodeEncodeError:
        raise UnusableKeyError(f"is {shown(bare)}, which holds half of a character") from None
    return bare


def _whole(text: str) -> str:
    """Return a whole number of a column of floats as another file writes it: 5 for 5.0."""
    value = Decimal(text)
    if value.is_finite() and abs(value) < _LARGEST_FLOAT and value == int(value):
        return str(int(value))
    return str(text)


def _host(host: str, cell: str, what: str) -> str:
    bare = host.casefold().rstrip(".").removeprefix("www.")
    if not bare or _NOT_IN_HOST.search(bare):
        raise UnusableKeyError(f"is {shown(cell)}, not {what}")
    if bare.isascii():
        return bare
    try:
        # Some programs write the letters of a domain, others its name in the DNS (xn--...).
        return bare.encode("idna").decode()
    except UnicodeError:
        return bare
