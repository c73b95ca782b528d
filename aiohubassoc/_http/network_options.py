"""The proxy and the TLS context of a client: which proxy is used, and that TLS is verified."""

from __future__ import annotations

import ssl as _ssl
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import aiohttp

from aiohubassoc._protocol.requests import checked_proxy, is_loopback
from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    import yarl


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
