"""
The calls of HubSpot's API: the only place that knows paths.

HubSpot, Associations v4 and the dated versions (``YYYY-MM``, ``YYYY-MM-beta``): "Create Default",
for one pair and as a batch, and "Read" of a batch.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from functools import cache
from typing import Final
from urllib.parse import quote, urlsplit

import attrs

from aiohubassoc.errors import OptionsError, plural
from aiohubassoc.options import ApiVersion
from aiohubassoc.pair import Pair

_MOST_LETTERS: Final = 1_000
_MOST_SHOWN: Final = 100
# Labels as DNS has them, and underscores, which names inside of companies have.
_NAME: Final = re.compile(r"(?!.{254})(?:(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.|$))+", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\[[^\[\]]*\](?::\d+)?", re.ASCII)
# Segments that would climb, and percent signs that encode nothing.
_ODD_PATH: Final = re.compile(
    r"(?:/|^)(?:\.|%2e){1,2}(?:/|$)|%(?![0-9a-f]{2})", re.IGNORECASE | re.ASCII
)


@cache
def _root(version: str, area: str) -> str:
    """Return the beginning of each path in *area*: the only place that knows how versions stand."""
    return f"/crm/v4/{area}" if version == ApiVersion.V4 else f"/crm/{area}/{version}"


@attrs.define
class Endpoint:
    """A call to make."""

    method: str
    path: str  # the path below the base URL, percent-encoded
    body: bytes = attrs.field(default=b"", repr=False)  # JSON, or empty; one holds the token


@attrs.frozen
class BatchRequest:
    """Different pairs of the same two object types, to be linked by one call."""

    types: tuple[str, str]
    pairs: Sequence[Pair]

    def __str__(self) -> str:
        return f"{plural(len(self.pairs), 'pair')} from {self.types[0]} to {self.types[1]}"


@attrs.frozen
class LookupRequest:
    """Records whose links are read by one call."""

    types: tuple[str, str]  # the object types of the records, and of those they are linked to
    # The id of each record, and where the page of its links begins; None: the first.
    records: Sequence[tuple[str, str | None]]

    def __str__(self) -> str:
        return f"the links of {plural(len(self.records), 'record')} from {' to '.join(self.types)}"


@attrs.frozen
class AccountRequest:
    """A call about the account of a token."""

    endpoint: Endpoint
    types: tuple[str, str] = ("", "")  # the object types that it names, or two empty strings

    def __str__(self) -> str:
        return f"{self.endpoint.method} {self.endpoint.path}"


def create_default(version: str, pair: Pair) -> Endpoint:
    """
    Return the call that links *pair* by its default association. It has no body.

    Each id and type is one segment of the path, with any characters.
    """
    from_type, from_id, to_type, to_id = pair.from_type, pair.from_id, pair.to_type, pair.to_id
    together = from_type + from_id + to_type + to_id
    if not (together.isalnum() and together.isascii()):  # nearly every one is; quote() is slow
        from_type, from_id, to_type, to_id = (
            quote(text, safe="") for text in (from_type, from_id, to_type, to_id)
        )
    path = (
        f"{_root(version, 'objects')}/{from_type}/{from_id}/associations/default/{to_type}/{to_id}"
    )
    return Endpoint("PUT", path)


def create_default_batch(version: str, types: tuple[str, str], body: bytes) -> Endpoint:
    """Return the call that links the pairs in *body*, all of them from and to these types."""
    return _batch(version, types, "associate/default", body)


def read_links(version: str, types: tuple[str, str], body: bytes) -> Endpoint:
    """Return the call that reads to which records of the second type those in *body* are linked."""
    return _batch(version, types, "read", body)


def account_details(version: str) -> Endpoint:
    """Return the call that reads the id and the time zone of the account."""
    return Endpoint("GET", f"/account-info/{_dated(version)}/details")


def daily_usage(version: str) -> Endpoint:
    """Return the call that reads what is used of the day's calls."""
    return Endpoint("GET", f"/account-info/{_dated(version)}/api-usage/daily/private-apps")


def token_info(body: bytes) -> Endpoint:
    """Return the call that reads the scopes of the token in *body*."""
    return Endpoint("POST", "/oauth/v2/private-apps/get/access-token-info", body)


def association_limits(version: str, types: tuple[str, str]) -> Endpoint:
    """Return the call that reads which records of the first type are at their limit of links."""
    from_type, to_type = (quote(text, safe="") for text in types)
    path = f"/crm/limits/{_dated(version)}/associations/records/{from_type}/{to_type}"
    return Endpoint("GET", path)


def _dated(version: str) -> str:
    # These calls have no v4.
    return ApiVersion.V2026_03.value if version == ApiVersion.V4 else version


def _batch(version: str, types: tuple[str, str], what: str, body: bytes) -> Endpoint:
    from_type, to_type = (quote(text, safe="") for text in types)
    return Endpoint(
        "POST", f"{_root(version, 'associations')}/{from_type}/{to_type}/batch/{what}", body
    )


def checked_base_url(text: str, *, allow_http: bool = False) -> str:  # noqa: C901 -- each is one
    """
    Return *text* without a slash at its end.

    Args:
        text: Such as ``https://api.hubapi.com``; a path is kept, for gateways.
        allow_http: Whether the token may travel unencrypted to a host that is not this one.

    Raises:
        OptionsError: not an http or https URL with a host; http to another host; or it holds
            credentials, a query, a fragment, blanks, or anything else that no such URL has.
    """
    value: object = text
    if not isinstance(value, str):
        raise OptionsError(f"base_url must be a string, not a {type(value).__name__}")
    # It may hold credentials: no message shows them.
    shown = repr(text[:_MOST_SHOWN]) if "@" not in text else "(with an @)"
    if len(text) > _MOST_LETTERS:
        raise OptionsError(f"base_url {shown}... is longer than {_MOST_LETTERS:,} characters")
    if not text.isprintable() or " " in text or "\\" in text:
        raise OptionsError(f"base_url {shown} holds a blank, a backslash or a control character")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        why = "" if "@" in text else f": {error}"
        raise OptionsError(f"base_url {shown} is not a URL{why}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise OptionsError(f"base_url {shown} must begin with https:// and name a host")
    if parts.username is not None:  # empty where only a password stands
        raise OptionsError("base_url must not hold credentials")
    if "?" in text or "#" in text:
        raise OptionsError(f"base_url {shown} must not hold a query or fragment")
    if port == 0 or parts.netloc.endswith(":"):
        raise OptionsError(f"base_url {shown} has a port that is none")
    is_bracketed = _BRACKETED.fullmatch(parts.netloc)
    if not (_parse_address(host) if is_bracketed else _is_name(host)):
        raise OptionsError(f"base_url {shown} does not name a host that can be")
    if _ODD_PATH.search(parts.path):
        raise OptionsError(f"base_url {shown} has a path with '.', '..' or a '%' of no letter")
    if parts.scheme == "http" and not (allow_http or is_loopback(host)):
        raise OptionsError(
            f"base_url {shown} is not https: the token would travel unencrypted "
            "(allow_http sends it anyway)"
        )
    return text.rstrip("/")


def _is_name(host: str) -> bool:
    """Return whether *host* is a name as DNS has them, or an address without colons."""
    try:
        name = host.encode("idna").decode("ascii")
        name.encode("ascii").decode("idna")  # xn-- and what is no such label
    except UnicodeError:
        name = ""
    is_number = name.rstrip(".").rpartition(".")[2].isdigit()
    return bool(_parse_address(name)) if is_number else _NAME.fullmatch(name) is not None


def _parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def checked_proxy(text: str) -> str:
    """
    Return the URL of a proxy, with ``http://`` before it where no scheme is.

    Raises:
        OptionsError: it is not one that aiohttp can use. The message does not show a password.
    """
    given: object = text
    if not isinstance(given, str):
        raise OptionsError(f"proxy must be a URL such as http://proxy:3128, not {given!r}")
    written = given.strip()
    url = written.removeprefix("//")
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
        (host or "").encode("idna")  # of a name with an empty or long part aiohttp can make nothing
    except ValueError:  # of which UnicodeError is one
        scheme, host, port = "", None, None
    if (
        written.lower() == host and port is None and "." not in host
    ):  # "nan", "None": a value gone wrong
        raise OptionsError(f"proxy must be a URL such as http://proxy:3128, not {written!r}")
    if not host or " " in url or not url.isprintable():
        raise OptionsError("proxy must be a URL such as http://proxy:3128: it names no host")
    if scheme not in {"http", "https"}:
        raise OptionsError(f"proxy must be an http or https URL: aiohttp does not speak {scheme!r}")
    return url


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _parse_address(host)
    return address is not None and address.is_loopback
