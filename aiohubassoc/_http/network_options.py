"""Where the calls of a client go: the base URL, the proxy and the TLS context, checked."""

from __future__ import annotations

import ipaddress
import re
import ssl as _ssl
from base64 import b64encode
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    import yarl

_MOST_LETTERS: Final = 1_000
_MOST_SHOWN: Final = 100
# Labels as DNS has them, and underscores, which names inside of companies have.
_NAME: Final = re.compile(r"(?!.{254})(?:(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.|$))+", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\[[^\[\]]*\](?::\d+)?", re.ASCII)
# Segments that would climb, and percent signs that encode nothing.
_ODD_PATH: Final = re.compile(
    r"(?:/|^)(?:\.|%2e){1,2}(?:/|$)|%(?![0-9a-f]{2})", re.IGNORECASE | re.ASCII
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


def find_proxy(base: yarl.URL) -> str | None:
    """Return the proxy that the environment names for calls to *base*; None: no proxy."""
    # Read once: aiohttp's own trust_env reads it for each request, and credentials of .netrc too.
    # A server on this machine, such as a simulated portal, is reached without a proxy.
    if base.host is None or is_loopback(base.host) or proxy_bypass(base.host):
        return None
    found = getproxies().get(base.scheme)
    return checked_proxy(found) if found else None


def list_credentials(proxy: str | None) -> set[str]:
    """Return the credentials of a proxy in each form that a message may contain."""
    written = (proxy or "").partition("://")[2].rpartition("@")[0]
    plain = unquote(written)
    return {written, plain, plain.partition(":")[2], b64encode(plain.encode()).decode()}


def refuse_unverified(
    base: yarl.URL, ssl: _ssl.SSLContext | None, session: aiohttp.ClientSession | None
) -> None:
    """Raise OptionsError if certificates would not be verified."""
    if base.scheme != "https":
        return
    used: object = ssl
    if session is not None and isinstance(session.connector, aiohttp.TCPConnector):
        used = session.connector._ssl  # noqa: SLF001 -- aiohttp shows it nowhere else
    if used is False or (
        isinstance(used, _ssl.SSLContext)
        and not (used.verify_mode == _ssl.CERT_REQUIRED and used.check_hostname)
    ):
        raise OptionsError("TLS must be verified: use an SSL context that checks certificates")
