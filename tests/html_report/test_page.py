"""The page: it loads nothing, runs nothing, and shows text from outside as text."""

from __future__ import annotations

import base64
import builtins
import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc.errors import OptionsError
from aiohubassoc.html_report.contents import Outcomes, RunDescription
from aiohubassoc.html_report.page import advise, check_installed
from aiohubassoc.journal.reader import Session
from aiohubassoc.models import Status
from tests.html_report.conftest import NOON, Page, contents, page, statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

HOSTILE = {
    "a script": "<script>alert(1)</script>",
    "an end of the style": "</style><script>alert(1)</script>",
    "an image": '"><img src=http://evil.example/x onerror=alert(1)>',
    "an attribute": "' onmouseover='alert(1)' x='",
    "an end of the element": "</bdi></li></ul></section></body></html><p>after",
    "an end of the drawing": "</title></svg><foreignObject><iframe src=//evil.example>",
    "a comment": "<!-- <![CDATA[ ]]> --!>",
    "an entity": "&lt;script&gt; &amp;#60; &nbsp",
    "a template": "{{ 7 * 7 }} {% raw %} {# x #} ${7*7}",
    "an address": "javascript:alert(1) data:text/html,x //evil.example",
}
UNSEEN = {
    "a right-to-left override": "\u202egnp.exe",
    "isolates": "\u2066\u2067\u2068\u2069",
    "marks of direction": "\u200e\u200f\u061c",
    "controls": "\x00\x01\x07\x08\x0b\x0c\x1b[31m\x7f\x85\x9b",
    "line ends": "one\r\ntwo\u2028three\u2029four",
    "a lone surrogate": "\ud800",
    "a byte order mark": "\ufeff",
    "tags": "\U000e0041\U000e0042",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "zero width": "pay\u200bpal",
}


def _bare() -> Page:
    return page("words")


def _structure(one: Page) -> list[tuple[str, Mapping[str, str | None]]]:
    """Return elements and attributes, without the values that hold text."""
    return [
        (tag, {name: value for name, value in attributes.items() if name != "aria-label"})
        for tag, attributes in one.tags
    ]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_markup_from_outside_is_text(text: str) -> None:
    """It changes no element and no attribute, and can be read as it was written."""
    found = page(text)
    assert _structure(found) == _structure(_bare())
    assert found.open == []
    assert text in found.text


@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_invisible_characters_are_escaped(text: str) -> None:
    """The page contains escapes instead of such characters."""
    found = page(text)
    assert {"\n"} >= {one for one in found.html if unicodedata.category(one)[0] == "C"}
    assert not re.search("[\u2028\u2029]", found.html)
    found.html.encode("utf-8")
    hidden = next(one for one in text if unicodedata.category(one) in {"Cf", "Cc", "Cs", "Cn"})
    assert f"{ord(hidden):04x}" in found.text or repr(hidden)[1:-1] in found.text
    assert _structure(found) == _structure(_bare())


@given(st.text(max_size=60))
@settings(max_examples=25, deadline=None)
def test_no_text_changes_the_page(text: str) -> None:
    """Nor breaks it."""
    found = page(text or "x")
    assert _structure(found) == _structure(_bare())
    assert {"\n", "\u200c", "\u200d"} >= {
        one for one in found.html if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    }


def test_text_from_outside_is_set_apart() -> None:
    """What is written from right to left does not turn the words around it."""
    found = page("שלום")
    for tag, texts in found.texts.items():
        if tag != "bdi":
            assert not [text for text in texts if "שלום" in text]
    assert len(found.texts["bdi"]) > 20


def test_the_policy_lets_the_page_load_nothing() -> None:
    """But its own style sheet, by its hash."""
    found = _bare()
    ((policy,),) = [
        [attributes["content"]]
        for tag, attributes in found.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(found.style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    names = [tag for tag, _ in found.tags]
    first = names.index("meta")
    assert found.tags[first][1] == {"charset": "utf-8"}
    assert names.count("style") == 1
    assert names.index("style") > first + 1


def test_nothing_is_loaded_and_nothing_runs() -> None:
    """No element or attribute that could, no address in the style sheet, no inline style."""
    found = page("https://evil.example/")
    assert not {tag for tag, _ in found.tags} & {
        *("script", "link", "img", "iframe", "object", "embed", "base", "form", "use", "image"),
        *("audio", "video", "source", "foreignobject", "animate", "set"),
    }
    for _, attributes in found.tags:
        assert not {"src", "srcset", "style", "action", "xlink:href", "background", "id"} & {
            name for name in attributes if name != "id"
        }
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|expression|//", found.style)


def test_long_text_is_cut() -> None:
    """A long text of HubSpot or of a file is cut, and its length is shown."""
    found = page("x" * 1_000_000)
    assert len(found.html) < 100_000
    assert "(1,000,000 letters)" in found.text


def test_the_largest_page_is_small() -> None:
    """All lists full, all names long, and the longest chart."""
    numbers = statistics(1e7)
    whole = contents("\u202e" * 10_000)
    for at in range(160):
        for name in ("linked", "not_linked", "responses", "errors", "throttled"):
            numbers.timeline.add(name, at * 1.25, at * 7_919 % 100_003)
        numbers.timeline.note_quota(at * 1.25, at % 7 + 0.123456)
        numbers.timeline.add_pause(at * 1.25, 0.37)
    for number in range(100):
        for names in (numbers.responses, numbers.retries, numbers.throttles):
            names.add(f"{number}" + "\u202e" * 10_000)
    numbers.slowest = list((whole.statistics or numbers).slowest) * 10
    found = page(
        "\u202e" * 10_000,
        statistics=numbers,
        failures=list(whole.failures)[:1] * 20,
        rejected=list(whole.rejected) * 20,
        sessions=list(whole.sessions) * 10,
        run=RunDescription(inputs=("\u202e" * 10_000,) * 1_000, portal="\u202e" * 10_000),
    )
    assert len(found.html.encode()) < 300_000


def test_the_page_names_the_portal() -> None:
    """The portal's host; a simulated one is named first of all."""
    assert "api.hubapi.com" in page(run=RunDescription(portal="api.hubapi.com")).text
    simulated = page(run=RunDescription(is_simulated=True)).text
    assert "Simulated portal: nothing was sent to HubSpot." in simulated
    assert "Simulated portal" not in _bare().text


@pytest.mark.parametrize(
    ("outcomes", "headline"),
    [
        (Outcomes(0, 0, 0, 0, 0, 0), "No pairs were read"),
        (Outcomes(0, 0, 0, 0, 0, 3), "No pairs were read"),
        (Outcomes(1, 0, 0, 0, 0, 0), "The pair is linked"),
        (Outcomes(900, 334, 0, 0, 0, 1), "All 1,234 pairs are linked"),
        (Outcomes(900, 100, 1, 2, 3, 4), "1,000 of 1,006 pairs linked"),
        (Outcomes(0, 0, 0, 1, 0, 0), "0 of 1 pair linked"),
    ],
)
def test_the_headline_is_the_result(outcomes: Outcomes, headline: str) -> None:
    """Of pairs, not of rows."""
    assert page(outcomes=outcomes).texts["h1"] == [headline]


def test_every_part_of_the_bar_can_be_seen() -> None:
    """Parts keep their order, fill the bar, and none is too narrow to see."""
    found = page(outcomes=Outcomes(1_000_000, 1, 1, 1, 1, 1))
    start = next(
        place for place, (_, one) in enumerate(found.tags) if one.get("class") == "outcomes"
    )
    parts = [one for tag, one in found.tags[start + 1 :] if tag == "rect"][:6]
    assert [part["class"] for part in parts] == [
        *("linked", "already", "partial", "failed", "unprocessed", "rejected")
    ]
    widths = [float(part["width"] or 0) for part in parts]
    assert min(widths) > 4
    assert sum(widths) == pytest.approx(1000, abs=0.1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"state": "running"}, "Running: the figures are those of"),
        ({"state": "unfinished"}, "Unfinished"),
        ({"state": "complete"}, "Complete"),
        ({}, "The last run stopped early."),
        ({"failures": []}, "Every pair that was sent is linked."),
        ({"verifications": []}, "The links were not read back."),
        ({"statistics": None}, "Not collected: the run folder was made by an earlier version"),
        ({"statistics": None}, "How many rows repeat an earlier one was not collected."),
        ({"statistics": statistics()}, "No call was made."),
        ({"other_groups": 7}, "7 rarer reasons are left out here"),
        ({}, "2 missing when read back"),
        ({}, "rejected rows of the input"),
        ({}, "0 rows repeat an earlier one. 5 rows hold no pair"),
        ({}, "935 rows of the input are not read yet"),
        ({"run": RunDescription()}, "pairs of a program"),
    ],
)
def test_known_values_are_shown(values: dict[str, Any], said: str) -> None:
    """Unknown values are named as unknown."""
    assert said in page(**values).text


def test_a_killed_run_is_named() -> None:
    """The last run has no end, and no process uses the folder."""
    killed = [Session(1, 11, "1.0", NOON, None, False, None, None)]
    named = "The last run was killed, or its disk was full"
    assert named in page(sessions=killed, state="unfinished").text
    assert named not in page(sessions=killed, state="running").text


def test_batches_have_the_quota_of_calls_only() -> None:
    """A batch call contains many pairs."""
    single = statistics()
    single.timeline.add("linked", 1.0, 5)
    single.timeline.add("responses", 1.0, 5)
    single.timeline.note_quota(1.0, 19.0)
    assert page(statistics=single).html.count('class="quota"') == 2
    single.is_batch = True
    found = page(statistics=single)
    assert found.html.count('class="quota"') == 1
    assert "Batch calls over time" in found.text


def test_without_jinja2_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent."""
    imported = builtins.__import__

    def refuse(name: str, *more: Any) -> Any:
        if name == "jinja2":
            raise ImportError(name)
        return imported(name, *more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(OptionsError, match=r"'aiohubassoc\[report\]' \(in a clone: pip"):
        check_installed()


@pytest.mark.parametrize(
    ("status", "category", "beginning"),
    [
        (Status.FAILED, "CONFLICT", "Another change was made"),
        (Status.FAILED, "HTTP_503", "HubSpot failed with an internal error"),
        (Status.FAILED, "A_NEW_ONE", "Read HubSpot's message"),
        (Status.PARTIAL, "A_NEW_ONE", "HubSpot made the link"),
        (Status.UNPROCESSED, "", "These pairs are still to be sent"),
    ],
)
def test_what_to_do(status: Status, category: str, beginning: str) -> None:
    """By the category, else by how it begins, else by the status."""
    assert advise(status, category).startswith(beginning)
