"""Reports made of plain values, and a parser that reads them as a browser would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from aiohubassoc.html_report.contents import (
    Contents,
    Outcomes,
    RunDescription,
    VerificationResult,
)
from aiohubassoc.html_report.page import render
from aiohubassoc.journal.reader import Session
from aiohubassoc.journal.report_reader import FailedPair, FailureGroup, RowWithoutPair
from aiohubassoc.journal.statistics import SlowResponse, Statistics
from aiohubassoc.models import Status

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
_VOID = frozenset({"meta"})


class Page(HTMLParser):
    """
    What a report has.

    Attributes:
        tags: The name and the attributes of each element.
        text: All text, without that of the style sheet.
        style: The style sheet.
        open: Elements that were not closed.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = self.style = ""
        self.texts: dict[str, list[str]] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it; it is of an SVG."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be this one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep it with the element that it stands in."""
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data)


def statistics(seconds: float = 60.0, *, is_batch: bool = False, **values: Any) -> Statistics:
    """Return what a run of that length may have left."""
    made = Statistics(active_seconds=seconds, end=seconds, is_batch=is_batch, **values)
    made.begin_run(int(NOON.timestamp() * 1000))
    made.runs = [(0.0, int(NOON.timestamp() * 1000))]
    return made


def contents(text: str = "words", **values: Any) -> Contents:
    """Return the contents of a report with *text* in every place of outside text."""
    example = FailedPair(text, 0, 7, 3, True, text, text)
    numbers = statistics()
    numbers.responses.add("200", 90)
    numbers.retries.add(text, 3)
    numbers.throttles.add(text, 2)
    numbers.slowest = [SlowResponse(1.5, int(NOON.timestamp() * 1000), 200, text, text)]
    for second in range(50):
        numbers.timeline.add("linked", second)
        numbers.timeline.add("responses", second)
        numbers.timeline.note_quota(second, 19.0)
    numbers.timeline.add_pause(20.0, 15.0)
    whole: dict[str, Any] = {
        "folder": text,
        "state": "unfinished",
        "is_read": False,
        "run": RunDescription(
            portal=text,
            inputs=(text, text),
            settings=(("Quota", text),),
            input_rows=1_000,
        ),
        "types": [(text, text)],
        "outcomes": Outcomes(50, 1, 2, 3, 4, 5),
        "failures": [
            FailureGroup(status, text, 3, (example, example))
            for status in (Status.PARTIAL, Status.FAILED, Status.UNPROCESSED)
        ],
        "other_groups": 2,
        "statistics": numbers,
        "rejected": [RowWithoutPair(0, 8, text, text)],
        "verifications": [
            VerificationResult(
                NOON,
                40,
                2,
                1,
                False,
                ({"pair": text, "place": text, "message": text},),
            )
        ],
        "sessions": [
            Session(1, 11, text, NOON, None, False, None, None),
            Session(2, 12, text, NOON, NOON + timedelta(minutes=1), False, True, text),
        ],
        "session_count": 2,
        "steps": [(text, text), (text, "")],
        "version": "1.2.3",
        "made_at": NOON,
    }
    return Contents(**{**whole, **values})


def page(text: str = "words", **values: Any) -> Page:
    """Return a report as a browser reads it."""
    return Page(render(contents(text, **values)))
