"""Text from outside: what can be seen stays as it is, what cannot is escaped."""

from __future__ import annotations

import pytest

from aiohubassoc.html_report.page import make_visible


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "Zoë Åström, 日本語, שלום, العربية",
        "कि and กำ",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "👩\u200d🚀 and ❤️",
        "e\u0301\u0323",
    ],
)
def test_usual_text_is_not_changed(text: str) -> None:
    """In every script, with the joiners that are part of words and of emoji."""
    assert make_visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x00\x1b\x7f\x9b", "\\u0000\\u001b\\u007f\\u009b"),
        ("\u202ebidi\u2069", "\\u202ebidi\\u2069"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
    ],
)
def test_invisible_characters_are_escaped(text: str, shown: str) -> None:
    """As Python writes it."""
    assert make_visible(text) == shown


def test_more_than_four_marks_on_a_letter_are_escaped() -> None:
    """They would paint over the lines above."""
    assert make_visible("a" + "\u0301" * 6 + "b") == "a" + "\u0301" * 4 + "\\u0301" * 2 + "b"


def test_long_text_is_cut() -> None:
    """Its length is given."""
    assert make_visible("x" * 1_234, 10) == "xxxxxxxxxx … (1,234 letters)"
    assert make_visible("x" * 10, 10) == "x" * 10
    assert make_visible("x" * 5_000, None) == "x" * 5_000
    assert make_visible("\n" * 9, 5) == "\\n\\n … (9 letters)"
    assert make_visible("\U000e0041" * 9, None) == "\\U000e0041" * 9
