"""Pairs, outcomes, reports."""

from __future__ import annotations

import pickle
from enum import Enum
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import (
    ApiError,
    BulkLinkError,
    LinkState,
    NotFoundError,
    Outcome,
    Pair,
    PairError,
    Report,
    Status,
    TransportError,
    Verification,
    VerificationReport,
)
from aiohubassoc._protocol.requests import create_default
from aiohubassoc.pair import RejectedPair

PAIR = Pair("contacts", 101, "companies", "202")


class Unlike:
    """An array as numpy has them."""

    def __index__(self) -> int:
        raise TypeError("only integer scalar arrays can be converted to a scalar index")

    def __repr__(self) -> str:
        return "array([1, 2])"


class Like:
    """An int as numpy has them."""

    def __index__(self) -> int:
        return 7


def test_ids_are_kept_as_strings() -> None:
    """Strings, ints, and objects that behave as ints, of any size."""
    ids = ("101", 101, Like(), 2**64 + 1, -1)
    assert ["101", "101", "7", "18446744073709551617", "-1"] == [
        Pair("contacts", record_id, "companies", 1).from_id for record_id in ids
    ]


class Named(str, Enum):  # noqa: UP042 -- as callers have them: a StrEnum writes its value
    """Names of object types, and an id."""

    CONTACTS = "contacts"
    DEALS = "2-1234567"
    FIRST = "101"


def test_names_from_an_enum_are_kept_as_their_values() -> None:
    """They become plain strings: an f-string of the member would contain its name."""
    named = Pair(Named.CONTACTS, Named.FIRST, Named.DEALS, 5)
    kept = (named.from_type, named.from_id, named.to_type, named.to_id)
    assert ("contacts", "101", "2-1234567", "5") == kept
    assert {str} == {*map(type, kept)}
    assert str(named) == "contacts:101 -> 2-1234567:5"
    assert create_default("v4", named).path == create_default("v4", Pair(*kept)).path


@pytest.mark.parametrize(
    ("record_id", "reported"),
    [
        (None, "from_id must be a string or an int, not None"),
        (True, "not True"),
        (1.0, "not 1.0"),
        (float("nan"), "not nan"),
        (b"1", "not b'1'"),
        ([1], r"not \[1\]"),
        (Unlike(), r"from_id must be a string or an int, not array\(\[1, 2\]\)"),
        ("", "from_id is empty"),
        ("  ", "from_id is empty"),
        (".", "from_id cannot be '.'"),
        ("..", r"from_id cannot be '\.\.'"),
        (" 1", "blank or a control character"),
        ("1 2", "blank or a control character"),
        ("1\t", "blank or a control character"),
        ("1\0", "blank or a control character"),
        ("1\n", "blank or a control character"),
        ("\ufeff1", "blank or a control character"),
        ("\u200b1", "blank or a control character"),
        ("1\u00a0", "blank or a control character"),
        ("\ud800", "blank or a control character"),
        ("202.0", "from_id is '202.0', a float written as text: keep ids as integers"),
        ("1.2e+16", "a float written as text"),
        ("1E16", "a float written as text"),
        (".5", "a float written as text"),
        ("-3.", "a float written as text"),
        ("nan", "a float written as text"),
        ("-inf", "a float written as text"),
    ],
)
def test_ids_that_cannot_be_sent(record_id: Any, reported: str) -> None:
    """They are refused before anything is sent; the error names the pair and is a ValueError."""
    with pytest.raises(PairError, match=reported) as caught:
        Pair("contacts", record_id, "companies", 202)
    assert "companies:202" in str(caught.value)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(PairError, match=reported.replace("from", "to")):
        Pair("contacts", 101, "companies", record_id)


class Rude:
    """An object whose repr raises."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("record_id", "reported"),
    [
        (10**5000, "from_id has more than 64 digits"),
        (-(10**5000), "from_id has more than 64 digits"),
        (10**64, "from_id has 65 characters, more than 64"),
        ("9" * 65, "from_id has 65 characters, more than 64"),
        ("ä" * 200_000, "from_id has 200,000 characters, more than 64"),
        (" " * 200_000, "from_id has 200,000 characters, more than 64"),
        (b"1" * 200_000, "from_id must be a string or an int, not b'111"),
        ([1] * 200_000, r"from_id must be a string or an int, not \[1, 1, 1"),
        (Rude(), r"from_id must be a string or an int, not \(Rude\)"),
        ({"a": 10**5000}, r"from_id must be a string or an int, not \(dict\)"),
    ],
    ids=[str(number) for number in range(10)],  # pytest cannot show them
)
def test_ids_that_are_too_long(record_id: Any, reported: str) -> None:
    """They are refused, and neither messages nor stored values contain them in full."""
    with pytest.raises(PairError, match=reported) as caught:
        Pair("contacts", record_id, "companies", 202)
    bad: Pair = RejectedPair("contacts", record_id, "companies", 202, tag=None)
    assert len(str(caught.value)) < 400
    assert len(str(bad)) < 200
    with pytest.raises(PairError, match=reported.replace("from", "to")):
        Pair("contacts", 1, "companies", record_id)


def test_the_longest_ids_and_types_are_accepted() -> None:
    """64 digits or letters of an id, 128 letters of a type."""
    pair = Pair("t" * 128, 10**64 - 1, "companies", "x" * 64)
    assert ("9" * 64, f"{'t' * 128}:{'9' * 64} -> companies:{'x' * 64}") == (
        pair.from_id,
        str(pair),
    )
    with pytest.raises(PairError, match="to_type has 129 characters, more than 128"):
        Pair("contacts", 1, "t" * 129, 2)
    with pytest.raises(PairError, match="is not written as") as caught:
        Pair.of("x" * 10_000, "companies:1")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("kind", [None, 1, "", "a b", ".."])
def test_types_that_cannot_be_sent(kind: Any) -> None:
    """Types are strings, checked as ids are."""
    for types in ((kind, "companies"), ("contacts", kind)):
        with pytest.raises(PairError, match=r"(from|to)_type"):
            Pair(types[0], 1, types[1], 2)


def test_pairs_are_values() -> None:
    """Types and ids decide equality and hash; the tag is ignored."""
    tagged = Pair("contacts", "101", "companies", 202, tag={"row": 1})
    assert PAIR == tagged
    assert {PAIR} == {tagged}
    assert Pair("companies", 202, "contacts", 101) != PAIR
    assert {"row": 1} == tagged.tag
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        tagged.from_id = "1"  # type: ignore[misc]  # that is the point


def test_a_pair_reads_as_it_is_written() -> None:
    """Str and repr name it; `of` reads the short form."""
    assert "contacts:101 -> companies:202" == str(PAIR)
    assert "from_id='101'" in repr(PAIR)
    assert PAIR == Pair.of("contacts:101", "companies:202", tag=1)
    assert Pair("2-1", "a:b", "c", "d") == Pair.of("2-1:a:b", "c:d")


@pytest.mark.parametrize(("one", "other"), [("contacts", "companies:1"), ("contacts:", "a:1")])
def test_invalid_short_forms(one: str, other: str) -> None:
    """A colon or an id that is missing is an error."""
    with pytest.raises(PairError):
        Pair.of(one, other)


@given(st.text(), st.text())
def test_any_text_is_a_pair_or_a_pair_error(record_id: str, kind: str) -> None:
    """No text raises another error, and an accepted text is not changed."""
    try:
        pair = Pair(kind, record_id, kind, record_id)
    except PairError:
        return
    assert (kind, record_id) == (pair.from_type, pair.from_id)


def _outcome(index: int, status: Status, **more: Any) -> Outcome:
    return Outcome(index, PAIR, status, **more)


def test_an_outcome_is_ok_if_linked_or_skipped() -> None:
    """Linked and skipped are; category and correlation id come from the error."""
    assert [True, False, False, False, True] == [
        _outcome(0, status).ok
        for status in (
            Status.LINKED,
            Status.PARTIAL,
            Status.FAILED,
            Status.UNPROCESSED,
            Status.SKIPPED,
        )
    ]
    refused = _outcome(0, Status.FAILED, error=NotFoundError(404, "OBJECT_NOT_FOUND", "m", "c"))
    assert ("OBJECT_NOT_FOUND", "c") == (refused.category, refused.correlation_id)
    plain = _outcome(0, Status.FAILED, error=ApiError(409, None, "m", None))
    assert ("HTTP_409", None) == (plain.category, plain.correlation_id)
    lost = _outcome(0, Status.FAILED, error=TransportError("lost"))
    assert ("TRANSPORT", None) == (lost.category, lost.correlation_id)
    assert _outcome(0, Status.LINKED).category is None
    assert "failed" == f"{Status.FAILED}"


@given(st.lists(st.sampled_from(Status)), st.integers(0, 5))
def test_a_report_adds_up(statuses: list[Status], keep: int) -> None:
    """Counts add up to the total; failures are the first that are not ok."""
    report = Report(max_failures_kept=keep, input_complete=True)
    outcomes = [_outcome(index, status) for index, status in enumerate(statuses)]
    for outcome in outcomes:
        report.add(outcome)
    assert {status: statuses.count(status) for status in Status} == {
        status: getattr(report, status.value) for status in Status
    }
    bad = [outcome for outcome in outcomes if not outcome.ok]
    assert (len(statuses), len(bad), bad[:keep]) == (
        report.total,
        report.not_linked,
        report.failures,
    )
    if bad:
        with pytest.raises(BulkLinkError, match=f"{len(bad)} of {len(statuses)} pair") as caught:
            report.raise_for_failures()
        assert tuple(bad[:keep]) == caught.value.failures
    else:
        report.raise_for_failures()


def test_outcomes_and_reports_pickle() -> None:
    """They can be sent to another process."""
    report = Report()
    report.add(_outcome(1, Status.FAILED, error=NotFoundError(404, None, "m", None)))
    copy = pickle.loads(pickle.dumps(report))  # noqa: S301 -- our own
    assert (1, "m") == (copy.failed, copy.failures[0].error.message)
    assert PAIR == copy.failures[0].pair


def test_a_report_is_short_when_it_is_printed() -> None:
    """It says how many results it kept, and does not print each."""
    report, found = Report(), VerificationReport()
    report.add_all([Outcome(0, PAIR, Status.FAILED)] * 1000)
    found.add_all([Verification(0, PAIR, LinkState.MISSING)] * 1000)
    with pytest.raises(BulkLinkError) as caught:
        report.raise_for_failures()
    assert "failures=<1,000 kept>" in repr(report)
    assert max(map(len, (repr(report), repr(found), repr(caught.value)))) < 400
