"""Secrets that are repeated to us."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from aiohubassoc._protocol import bounds
from aiohubassoc._protocol.bounds import NO_SECRETS, Redaction
from aiohubassoc._protocol.verdicts import Response

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = 'pat-na1-1a2b3c4d/"\\aaaa'
SECRETS = st.text(
    st.characters(min_codepoint=33, max_codepoint=300, codec="utf-8"), min_size=6
).filter(lambda secret: not secret.isdecimal())


@pytest.mark.parametrize(
    "written",
    [
        TOKEN,
        json.dumps(TOKEN)[1:-1],
        json.dumps(json.dumps(TOKEN))[3:-3],
        json.dumps(TOKEN)[1:-1].replace("/", "\\/"),
        "".join(f"\\u{ord(letter):04x}" for letter in TOKEN),
        "".join(f"\\u{ord(letter):04X}" for letter in TOKEN),
        quote(TOKEN, safe=""),
        "".join(f"%{ord(letter):02x}" for letter in TOKEN),
        TOKEN.replace("-", "%2D").replace("a", "\\u0061"),
    ],
)
def test_however_it_is_written(written: str) -> None:
    """As it is, as JSON or URLs have it, or in a mixture of these."""
    redaction = Redaction([TOKEN, "another-secret"])
    assert "bad token [secret]!" == redaction.in_text(f"bad token {written}!")
    assert b"[secret]" == redaction.in_bytes(written.encode())
    assert {"x-[secret]": "a [secret] b"} == redaction.in_headers(
        {f"x-{written}": f"a {written} b"}
    )


def test_a_body_of_backslashes_is_read_once() -> None:
    """Each may begin an escape. Time that grows with the square would be hours here."""
    body = b'{"message":"' + b"\\" * 2_000_000 + b'u0070at"}'
    redaction = Redaction([TOKEN])
    assert body == redaction.in_bytes(body)
    assert len(body) < len(redaction.in_bytes(body + TOKEN.encode())) == len(body) + 8


def test_of_many_secrets_only_those_that_are_there_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern of each of hundreds takes seconds, while nothing else runs."""
    spelled: list[bytes] = []

    def spy(secret: bytes, spell: Callable[[bytes], bytes] = bounds._spelled) -> bytes:
        spelled.append(secret)
        return spell(secret)

    monkeypatch.setattr(bounds, "_spelled", spy)
    redaction = Redaction([f"c{number:03d}/-{'x' * 200}{number:03d}" for number in range(256)])
    body = b'{"message": "a \\"name\\" %41 c007/-xx"}' * 100
    assert body == redaction.in_bytes(body)
    assert [] == spelled
    written = b"c%30\\u00307\\/-" + b"x" * 200 + b"007"
    for _ in range(3):
        assert body + b"[secret]" == redaction.in_bytes(body + written)
    assert [b"c007/-" + b"x" * 200 + b"007"] == spelled


def test_an_id_that_contains_a_password_of_digits_is_left() -> None:
    """Else its pair would never be confirmed. The password itself is replaced."""
    redaction = Redaction(["123456", "user:123456"])
    reply = b'{"from": {"id": "9123456"}, "to": {"id": 1234567}}'
    assert reply == redaction.in_bytes(reply)
    said = b"pw=123456, user:123456, \\u003123456"
    assert b"pw=[secret], [secret], [secret]" == redaction.in_bytes(said)


@pytest.mark.parametrize("before", ["%", "\\", "\\\\", "%5", "%25", "\\u00", "\\u0041"])
@pytest.mark.parametrize("secret", ["41a-b/c", "u0041a-b/c", "u41/abc", "/abcdef", "0041a-b/c"])
@pytest.mark.parametrize("escape", ["\\/", "%2f", "\\u002F", "/"])
def test_behind_what_looks_like_an_escape(before: str, secret: str, escape: str) -> None:
    """The beginning of a secret may look like its digits."""
    text = before + secret.replace("/", escape)
    redacted = Redaction([secret, "another-secret"]).in_text(text)
    assert redacted.endswith("[secret]")
    assert text.startswith(redacted.removesuffix("[secret]"))


@pytest.mark.parametrize("text", ["old-token", "a old-token b", "new-token", "old-token new-token"])
def test_each_of_several_secrets_is_replaced(text: str) -> None:
    """Also where the text has only one of them: a server may repeat a token that was renewed."""
    redacted = Redaction(["old-token", "new-token"]).in_text(text)
    assert redacted == text.replace("old-token", "[secret]").replace("new-token", "[secret]")


def test_a_response_does_not_show_how_it_is_redacted() -> None:
    """Its repr may be logged."""
    assert "edaction" not in repr(Response(200, {}, b"", redaction=Redaction(["secret"])))


@given(
    SECRETS, st.lists(st.sampled_from(["", "%41", "\\u0061", "a,", "},{"]), max_size=40), st.data()
)
def test_parts_are_redacted_as_the_whole_is(
    secret: str, texts: list[str], data: st.DataObject
) -> None:
    """Wherever the secrets are, with a bound at each few bytes."""
    redaction = Redaction([secret, *data.draw(st.lists(st.just("another-secret"), max_size=1))])
    written = data.draw(st.sampled_from([secret, json.dumps(secret)[1:-1], quote(secret, safe="")]))
    body = f", {written} ".join(texts).encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounds, "_PART_BYTES", 8 * len(secret.encode()) + 8)
        assert redaction.in_bytes(body) == b"".join(redaction.in_parts(body))


def test_an_escaped_secret_is_found_in_parts_too() -> None:
    """Only a body without any escape is taken as it is."""
    for escaped in (b"pat\\u002d12345678", b"pat%2d12345678"):
        parts = Redaction(["pat-12345678"]).in_parts(b'{"message":"%b"}' % escaped)
        assert b"12345678" not in b"".join(parts)


def test_a_text_without_an_end_is_redacted_in_parts() -> None:
    """So is one with every separator in a secret."""
    for secret in ("a-secret", "a :,{}secret"):
        parts = list(Redaction([secret, "another"]).in_parts(b"%41:,{} " * 20_000))
        assert b"%41:,{} " * 20_000 == b"".join(parts)
        assert max(map(len, parts)) <= 32_768


@given(SECRETS, st.text(max_size=20), st.text(max_size=20))
def test_no_secret_is_left(secret: str, before: str, after: str) -> None:
    """In any text, in the three ways that it is usually written."""
    redaction = Redaction([secret])
    for written in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
        if secret.isascii() or written != json.dumps(secret)[1:-1]:
            assert written not in redaction.in_text(f"{before} {written} {after}")


@given(st.binary())
def test_nothing_else_is_changed(body: bytes) -> None:
    """Bytes that are no secret stay as they are, also those that are no text."""
    assert body == Redaction(["a-secret-of-ours"]).in_bytes(body)
    assert body == NO_SECRETS.in_bytes(body)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("url='http://u:pw@127.0.0.1:1'", "url='http://127.0.0.1:1'"),
        ("https://u:p%40w@h:8/x?y", "https://h:8/x?y"),
        ("http://u:p/w@h", "http://h"),
        ("URL('http://u:p@w@h')", "URL('http://h')"),
        ("mail me@example.com // or @you", "mail me@example.com // or @you"),
        ("lone \ud800", "lone ???"),
    ],
)
def test_urls_lose_their_credentials(text: str, expected: str) -> None:
    """Whoever's they are."""
    assert expected == NO_SECRETS.in_text(text).replace("\ufffd", "?")


def test_a_text_of_urls_is_read_once() -> None:
    """In each its credentials may end. Time that grows with the square would be hours here."""
    text = "@" + "://" * 1_000_000
    assert text == NO_SECRETS.in_text(text)
    assert "@://h" == NO_SECRETS.in_text(f"{text}u:p@h")


def test_of_several_headers_with_one_name_the_first_counts() -> None:
    """As everywhere."""
    headers = CIMultiDict([("A", "1"), ("A", "2")])
    assert {"A": "1"} == NO_SECRETS.in_headers(headers)
