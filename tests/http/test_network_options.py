"""Base URLs and proxies, checked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st
from yarl import URL

from aiohubassoc import OptionsError
from aiohubassoc._http.network_options import checked_base_url, checked_proxy, is_loopback


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://api.hubapi.com", "https://api.hubapi.com"),
        ("https://api.hubapi.com/", "https://api.hubapi.com"),
        ("https://gateway.example/hubspot/", "https://gateway.example/hubspot"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:1", "http://[::1]:1"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://portal.localhost", "http://portal.localhost"),
        ("HTTPS://api.hubapi.com:443", "HTTPS://api.hubapi.com:443"),
        ("https://gate_way.example./a%20b/...", "https://gate_way.example./a%20b/..."),
        ("https://\u00e4.example", "https://\u00e4.example"),
        ("https://xn--4ca.example", "https://xn--4ca.example"),
        ("https://[fe80::1]:8", "https://[fe80::1]:8"),
        ("https://192.0.2.1", "https://192.0.2.1"),
        (f"https://a/{'a' * 990}", f"https://a/{'a' * 990}"),
    ],
)
def test_usable_base_urls(text: str, expected: str) -> None:
    """HTTPS everywhere and HTTP on this machine are taken, without a slash at the end."""
    assert expected == checked_base_url(text)


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("http://api.hubapi.com", "not https"),
        ("http://127.0.0.1.example.com", "not https"),
        ("http://10.0.0.1", "not https"),
        ("api.hubapi.com", "must begin with https://"),
        ("ftp://api.hubapi.com", "must begin with https://"),
        ("https://", "name a host"),
        ("https://user:secret@api.hubapi.com", "credentials"),
        ("https://secret@api.hubapi.com", "credentials"),
        ("https://:secret@api.hubapi.com", "credentials"),
        ("https://@api.hubapi.com", "credentials"),
        ("https://api.hubapi.com?a=b", "query"),
        ("https://api.hubapi.com#a", "fragment"),
        ("https://api.hubapi.com:port", "not a URL"),
        ("https://[::1", "not a URL: Invalid IPv6 URL"),
        ("https://user@api.hubapi.com:secret", "not a URL$"),
        ("ftp://user:secret@api.hubapi.com", "must begin with https://"),
        ("https://user:secret@api.hubapi.com:port", "not a URL"),
        ("user:secret@api.hubapi.com", "must begin with https://"),
        ("https://user:se cret@api.hubapi.com", "blank"),
        (None, "must be a string, not a NoneType"),
        (5, "must be a string, not a int"),
        (b"https://api.hubapi.com", "must be a string, not a bytes"),
        (["https://api.hubapi.com"], "must be a string, not a list"),
        ("", "must begin with https://"),
        ("https:api.hubapi.com", "must begin with https://"),
        ("https:///crm", "name a host"),
        ("https://exa mple.com", "blank"),
        ("https://api.hubapi.com ", "blank"),
        (" https://api.hubapi.com", "blank"),
        ("https://api.hubapi.com\n", "control character"),
        ("https://api.hubapi.com\t/x", "control character"),
        ("https://api.hubapi.com/\u00a0", "blank"),
        ("https://api.hubapi.com/\u200b", "control character"),
        ("https://api.hubapi.com/\ud800", "control character"),
        ("http://evil\\.localhost", "backslash"),
        ("https://api.hubapi.com/x\\y", "backslash"),
        ("https://xn--", "host that can be"),
        ("https://xn--a.com", "host that can be"),
        ("https://api..hubapi.com", "host that can be"),
        ("https://.com", "host that can be"),
        (f"https://{'a' * 64}.com", "host that can be"),
        (f"https://{'a.' * 130}com", "host that can be"),
        ("https://-a.com", "host that can be"),
        ("https://a,b", "host that can be"),
        ("https://*.hubapi.com", "host that can be"),
        ("https://api%2ehubapi.com", "host that can be"),
        ("https://1.2.3.4.5", "host that can be"),
        ("https://127.1", "host that can be"),
        ("https://[v1.x]", "host that can be"),
        ("https://a][::1", "host that can be"),
        ("https://1:[::1]", "host that can be"),
        ("https://api.hubapi.com:", "port"),
        ("https://api.hubapi.com:0", "port"),
        ("https://api.hubapi.com:70000", "not a URL"),
        ("https://api.hubapi.com?", "query"),
        ("https://api.hubapi.com#", "fragment"),
        ("https://api.hubapi.com/..", "path"),
        ("https://api.hubapi.com/a/./b", "path"),
        ("https://api.hubapi.com/a/%2E%2e/b", "path"),
        ("https://api.hubapi.com/%zz", "path"),
        ("https://api.hubapi.com/%2", "path"),
        (f"https://api.hubapi.com/{'a' * 1000}", "longer than 1,000"),
    ],
)
def test_unusable_base_urls(text: Any, reported: str) -> None:
    """Everything else is refused, with the reason, and without showing a password."""
    with pytest.raises(OptionsError, match=reported) as caught:
        checked_base_url(text)
    assert "secret" not in str(caught.value)


def test_a_long_url_is_shown_by_its_start() -> None:
    """A hundred characters of it; of one with a name or password nothing."""
    url = f"https://a/{'x' * 1000}"
    with pytest.raises(OptionsError) as caught:
        checked_base_url(url)
    assert str(caught.value) == f"base_url '{url[:100]}'... is longer than 1,000 characters"


_PARTS = ["://", "[", "]", "::1", ":", "1", "a", "-", ".", "xn--", "%2f", "é", "。", "İ", "/", "@"]


@given(
    st.lists(st.sampled_from(_PARTS), max_size=8).map("".join) | st.text(max_size=30), st.booleans()
)
def test_what_is_taken_is_a_url(text: str, whole: bool) -> None:
    """Any text is refused with an OptionsError, or is a URL to which requests can be sent."""
    given_text = text if whole else f"https://{text}"
    try:
        url = URL(checked_base_url(given_text))
    except OptionsError:
        return
    assert url.raw_host
    assert url.host
    assert url.port
    assert (None, "", "") == (url.user, url.query_string, url.fragment)


def test_http_elsewhere_can_be_meant() -> None:
    """The caller may say that the token shall travel unencrypted."""
    assert "http://10.0.0.1" == checked_base_url("http://10.0.0.1", allow_http=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("//proxy", "http://proxy"),
        ("proxy.example", "http://proxy.example"),
        (" https://user:secret@proxy:3128 ", "https://user:secret@proxy:3128"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_usable_proxies(text: str, expected: str) -> None:
    """A proxy is a URL; where it has no scheme it is http, as curl reads it."""
    assert expected == checked_proxy(text)


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (None, "must be a URL such as http://proxy:3128, not None"),
        (3128, "not 3128"),
        ("", "names no host"),
        ("nan", "not 'nan'"),
        (" None ", "not 'None'"),
        ("http://", "names no host"),
        ("http://:3128", "names no host"),
        ("http://user:secret@", "names no host"),
        ("http://pro xy:3128", "names no host"),
        ("http://pro\u200bxy:3128", "names no host"),
        ("http://a..b", "names no host"),
        (f"http://{'a' * 64}", "names no host"),
        ("http://proxy:port", "names no host"),
        ("http://user:secret@[::1", "names no host"),
        ("socks5://user:secret@proxy", "does not speak 'socks5'"),
    ],
)
def test_unusable_proxies(text: Any, reported: str) -> None:
    """Refused with the reason, and without showing a password."""
    with pytest.raises(OptionsError, match=reported) as caught:
        checked_proxy(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("portal.localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("mylocalhost", False),
        ("", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, *, expected: bool) -> None:
    """Names and addresses of the loopback, as RFC 6761 and RFC 1122 have them."""
    assert is_loopback(host) is expected
