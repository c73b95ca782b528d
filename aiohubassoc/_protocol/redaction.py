"""Secrets that a server repeats: replaced where text from outside becomes ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_INSTEAD: Final = b"[secret]"
# The credentials of a URL in a message of somebody else's.
_CREDENTIALS: Final = re.compile(r"(?<=://)[^\s'\"<>]*@")
# JSON and URLs begin with these what they do not write as it is.
_BACKSLASH, _PERCENT = b"\\%"
_ESCAPED_IN_JSON: Final = b'"\\/'


class Redaction:
    """
    Replaces secrets in texts, in whatever way JSON and URLs write them.

    Args:
        secrets: None of them so short that it may stand in a text by chance.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._plain = tuple(secret.encode() for secret in secrets if secret)
        self._pattern: re.Pattern[bytes] | None = None  # compiled when needed: it costs a call

    def in_bytes(self, body: bytes) -> bytes:
        """Return the bytes of a text without the secrets."""
        if not self._plain:
            return body
        is_escaped = _BACKSLASH in body or _PERCENT in body
        if not (is_escaped or any(secret in body for secret in self._plain)):
            return body
        if self._pattern is None:
            self._pattern = re.compile(b"|".join(map(_spelled, self._plain)))
        return self._pattern.sub(_INSTEAD, body)

    def in_text(self, text: str) -> str:
        """Return a text without the secrets, and without the credentials of URLs."""
        body = text.encode("utf-8", "surrogatepass")
        return _CREDENTIALS.sub("", self.in_bytes(body).decode("utf-8", "replace"))

    def in_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers without the secrets; of several with one name the first."""
        found: dict[str, str] = {}
        for name, value in headers.items():
            found.setdefault(self.in_text(name), self.in_text(value))
        return found


def _spelled(secret: bytes) -> bytes:
    """Return a pattern of *secret* however its letters are written."""
    letters = []
    for code in secret:
        letter = re.escape(bytes([code]))
        number = b"".join(b"[%b%b]" % (one, one.upper()) for one in _digits(code))
        ways = [letter, b"%" + number, rb"\\+u00" + number]
        if code in _ESCAPED_IN_JSON:
            ways.append(rb"\\+" + letter)
        letters.append(b"(?:%b)" % b"|".join(ways))
    return b"".join(letters)


def _digits(code: int) -> tuple[bytes, bytes]:
    return b"%x" % (code >> 4), b"%x" % (code & 15)


NO_SECRETS: Final = Redaction()
