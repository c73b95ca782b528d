"""
Bounds the texts and lists that a server sends, and replaces secrets in them.

An outcome keeps its error and its reply, and a report keeps a thousand outcomes. So everything from
outside has a largest size, and secrets that a server repeats are replaced.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_T = TypeVar("_T")

# Characters. HubSpot's own messages have some hundreds.
MOST_TEXT: Final = 2_000
# Record ids are integers in every object seen; no documented type is longer either.
MOST_ID: Final = 64
# Bytes of the body of an error that are read: HubSpot's own have some kilobytes.
MOST_ERROR_BYTES: Final = 64 * 1024
_MOST_NAME: Final = 200
_MOST_HEADERS: Final = 50
# Levels of nesting: more than anything that HubSpot documents. What is below is left out.
_MOST_LEVELS: Final = 20


# What was cut ends with it.
CUT: Final = "..."
_CUT_END: Final = re.compile(r"\.\.\.(?: \([\d,]+ characters\))?\Z")


def short(text: str, most: int = MOST_TEXT) -> str:
    """Return *text*, or its first *most* characters and how many it has."""
    return text if len(text) <= most else f"{text[:most]}{CUT} ({len(text):,} characters)"


def is_cut(text: str) -> bool:
    """Return whether *text* may be only the first characters of what a server sent."""
    return _CUT_END.search(text) is not None


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
    """Return a JSON value with short texts, and at most *most_entries* entries altogether."""
    # Long texts may have 64 times as many characters together.
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
            return CUT
        if isinstance(one, list):
            return [walk(entry, levels - 1) for entry in taken(one)]
        return {
            short(name, _MOST_NAME): walk(entry, levels - 1) for name, entry in taken(one.items())
        }

    return walk(value, _MOST_LEVELS)


def count_entries(value: object, most: int) -> int:
    """Return how many entries all lists and objects in a JSON value have; above *most*: some."""
    count, left = 0, [value]
    while left and count <= most:
        one = left.pop()
        if isinstance(one, list | dict):
            count += len(one)
            left += one.values() if isinstance(one, dict) else one
    return count


_INSTEAD: Final = b"[secret]"
# A URL in a message of another library, and what follows it without a blank: each is read once.
_URLS: Final = re.compile(r"://[^\s'\"<>]*")
# JSON and URLs begin with these what they do not write as it is.
_BACKSLASH, _PERCENT = b"\\%"
_ESCAPED_IN_JSON: Final = b'"\\/'
# An escape of either; each text that holds JSON as a text adds backslashes. Backslashes before
# anything else match too: so each is looked at once.
_ESCAPE: Final = re.compile(rb'%([0-9a-fA-F]{2})|\\\\*+(?:u00([0-9a-fA-F]{2})|(["/]))?')
# A secret may begin in the midst of what looks like an escape, but not further in than this.
_LONGEST_ESCAPE: Final = 5
_BEGINNING: Final = 8  # letters: hardly any text has those of a secret
_PART_BYTES: Final = 16 * 1024
# Between two values of JSON, and in no escape.
_BETWEEN: Final = b",:{} "


class Redaction:
    """Replaces secrets, none of them short, in each way that JSON and URLs write them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._plain = tuple(secret.encode() for secret in secrets if secret)
        # Compiled when needed, as that takes long: how any secret begins, and those found last.
        self._begins: re.Pattern[bytes] | None = None
        self._last: tuple[list[bytes], re.Pattern[bytes]] | None = None

    def in_bytes(self, body: bytes) -> bytes:
        if not self._plain:
            return body
        is_escaped = _BACKSLASH in body or _PERCENT in body
        found = self._find_escaped(body) if is_escaped else self._find_plain(body)
        if not found:
            return body
        if self._last is None or self._last[0] != found:
            self._last = found, re.compile(b"|".join(map(_spelled, found)))
        return self._last[1].sub(_INSTEAD, body)

    def in_parts(self, body: bytes) -> Iterator[bytes]:
        """Yield in parts what `in_bytes` returns, each of them about a millisecond's work."""
        # A secret may be left, wholly or in part, in a text with none of `_BETWEEN` for longer than
        # a part. Of such a text only the beginning is kept.
        is_escaped = _BACKSLASH in body or _PERCENT in body
        if not (is_escaped or any(one in body for one in self._plain)):
            yield body  # nearly always
            return
        secrets = b"".join(self._plain)
        between = re.compile(rb"[\n%b]" % bytes(one for one in _BETWEEN if one not in secrets))
        begin = 0
        while begin < len(body):
            most = begin + 2 * _PART_BYTES
            found = between.search(body, begin + _PART_BYTES, most)
            end = most if found is None else found.start()
            yield self.in_bytes(body[begin:end])
            begin = end

    def _find_plain(self, body: bytes) -> list[bytes]:
        if self._begins is None:
            self._begins = re.compile(b"|".join(re.escape(one[:_BEGINNING]) for one in self._plain))
        if self._begins.search(body) is None:  # nearly always
            return []
        return [secret for secret in self._plain if secret in body]

    def _find_escaped(self, body: bytes) -> list[bytes]:
        """Return the secrets that *body* may have: all that it has, and few others."""
        text = _ESCAPE.sub(_letter, body)
        return [
            secret
            for secret in self._plain
            if secret[_LONGEST_ESCAPE:] in text or _BACKSLASH in secret or _PERCENT in secret
        ]

    def in_text(self, text: str) -> str:
        """Return a text without the secrets, and without the credentials of URLs."""
        body = text.encode("utf-8", "surrogatepass")
        return _URLS.sub(_hide_credentials, self.in_bytes(body).decode("utf-8", "replace"))

    def in_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return headers without the secrets; of several with one name the first."""
        found: dict[str, str] = {}
        for name, value in headers.items():
            found.setdefault(self.in_text(name), self.in_text(value))
        return found


def _hide_credentials(urls: re.Match[str]) -> str:
    return "://" + urls[0].rpartition("@")[2] if "@" in urls[0] else urls[0]


def _letter(escape: re.Match[bytes]) -> bytes:
    number = escape[1] or escape[2]
    return bytes([int(number, 16)]) if number else escape[3] or escape[0]


def _spelled(secret: bytes) -> bytes:
    """Return a pattern of *secret* however its letters are written."""
    letters: list[bytes] = []
    for code in secret:
        letter = re.escape(bytes([code]))
        number = b"".join(
            b"[%b%b]" % (one, one.upper()) for one in (b"%x" % (code >> 4), b"%x" % (code & 15))
        )
        # The first letter is looked for everywhere: each row of backslashes is read only once.
        backslashes = rb"\\+" if letters else rb"(?<!\\)\\+"
        ways = [letter, b"%" + number, backslashes + b"u00" + number]
        if code in _ESCAPED_IN_JSON:
            ways.append(backslashes + letter)
        letters.append(b"(?:%b)" % b"|".join(ways))
    spelled = b"".join(letters)
    # Digits in the midst of a number are no secret: a record's id may contain a proxy's password.
    return rb"(?<!\d)%b(?!\d)" % spelled if secret.isdigit() else spelled


NO_SECRETS: Final = Redaction()
