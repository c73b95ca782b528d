"""What the user may say about the input."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import OptionsError
from aiohubassoc.files.layout import FORMATS, Layout


def test_nothing_needs_to_be_said() -> None:
    """Then everything is found out, and the text is UTF-8."""
    assert {
        "from_type": None,
        "to_type": None,
        "from_column": None,
        "to_column": None,
        "format": None,
        "delimiter": None,
        "encoding": "utf-8",
        "sheet": None,
        "any_id": False,
        "include_hidden": False,
    } == attrs.asdict(Layout())


@given(
    st.builds(
        Layout,
        *[st.none() | st.text(max_size=5)] * 4,
        st.none() | st.sampled_from(["csv", "tsv"]),
        st.none() | st.characters(exclude_characters='"\r\n\0', exclude_categories=["Cs"]),
        st.sampled_from(["utf-8", "CP1252", "utf_16"]),
    )
)
def test_a_layout_can_be_kept_as_json(layout: Layout) -> None:
    """It is the same layout when it is read back."""
    assert layout == Layout(**json.loads(json.dumps(attrs.asdict(layout))))


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        ({"format": "xml"}, "--format 'xml' is none of csv, tsv, jsonl, parquet, excel"),
        ({"format": "CSV"}, "--format 'CSV' is none of"),
        ({"delimiter": ""}, "--delimiter '' must be one character, such as ';'"),
        ({"delimiter": ";;"}, "--delimiter ';;' must be one character"),
        ({"delimiter": '"'}, "--delimiter '\"' must be one character"),
        ({"delimiter": "\n"}, r"--delimiter '\n' must be one character"),
        ({"encoding": "utf-9"}, "--encoding 'utf-9' is no encoding that Python knows"),
        ({"encoding": ""}, "--encoding '' is no encoding"),
        ({"encoding": "a\0"}, r"--encoding 'a\x00' is no encoding"),
        ({"encoding": "base64"}, "--encoding 'base64' is no encoding"),
        ({"encoding": "undefined"}, "--encoding 'undefined' is no encoding"),
        ({"format": "jsonl", "delimiter": ";"}, "--delimiter is for csv and tsv, not for --format"),
        ({"format": "excel", "delimiter": ";"}, "--delimiter is for csv and tsv, not for --format"),
        ({"format": "csv", "sheet": "x"}, "--sheet is for Excel workbooks, not for --format csv"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], reported: str) -> None:
    """It is refused by the name of its option."""
    with pytest.raises(OptionsError) as caught:
        Layout(**options)
    assert str(caught.value).startswith(reported)


def test_what_is_between_columns() -> None:
    """What is said, or what the format has; a tab may be written as backslash and t."""
    assert [",", "\t"] == [Layout().get_delimiter(name) for name in ("csv", "tsv")]
    assert {";"} == {Layout(delimiter=";").get_delimiter(name) for name in ("csv", "tsv")}
    assert "\t" == Layout(delimiter=r"\t").delimiter


def test_every_format_can_be_said() -> None:
    """With what belongs to it."""
    assert list(FORMATS) == [Layout(format=name).format for name in FORMATS]
    assert "x" == Layout(format="excel", sheet="x").sheet
