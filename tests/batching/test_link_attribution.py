"""What a reply about links says of each record: nothing is missing that HubSpot did not say."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, strategies as st

from aiohubassoc._batching.link_attribution import LinksRead, read_links
from aiohubassoc._protocol.codec import finish
from aiohubassoc._protocol.links import LinksReply, RecordLinks, decode_links
from aiohubassoc.replies import StandardError

NO_LINKS = "crm.associations.NO_ASSOCIATIONS_FOUND"


def _read(*asked: str, **reply: Any) -> LinksRead:
    body = {"status": "COMPLETE", "results": [], **reply}
    decoded = finish(decode_links(orjson.dumps(body)))
    return finish(read_links(asked, "contacts", decoded))


def _page(record_id: object, *ends: int) -> dict[str, Any]:
    return {"from": {"id": record_id}, "to": [{"toObjectId": end} for end in ends]}


def _messages(read: LinksRead) -> list[str | None]:
    return [error.message for error in read.nameless]


def test_each_record_once() -> None:
    """It has a page, or an error names it, or nothing was said."""
    error = {"subCategory": NO_LINKS, "message": "m", "context": {"fromObjectId": ["2"]}}
    read = _read("1", "2", "3", results=[_page("01", 7)], errors=[error], numErrors=1)
    assert {"1": RecordLinks({"7"})} == read.pages
    assert ["2"] == list(read.failed)
    assert (("3",), (), None) == (read.unmentioned, read.nameless, read.doubt)


@pytest.mark.parametrize(
    "context",
    [
        None,
        {"toObjectId": ["1"]},
        {"objectId": ["1"], "objectType": ["COMPANY"]},
        {"id": ["9"]},
    ],
)
def test_an_error_that_names_no_record_that_was_asked_for(context: object) -> None:
    """Nobody knows which it is about; company 1 is not contact 1."""
    read = _read("1", "2", errors=[{"message": "m", "context": context}])
    assert (["m"], ("1", "2")) == (_messages(read), read.unmentioned)


@pytest.mark.parametrize(
    ("counted", "described", "expected"),
    [
        (None, 0, 0),
        (0, 0, 0),
        (2, 0, 2),
        ("2", 0, 2),
        (1, 1, 1),
        (3, 1, 3),
        (0, 1, 1),
        (-1, 0, 3),
        (-1, 1, 3),
        (10**18, 0, 3),
    ],
)
def test_errors_that_are_only_counted(counted: object, described: int, expected: int) -> None:
    """Each is one without a name: at most as many as were asked for."""
    errors = [{"message": "m"}] * described
    read = _read("1", "2", "3", errors=errors, numErrors=counted)
    assert expected == len(read.nameless)
    assert all("HubSpot counts" in (one or "") for one in _messages(read)[described:])


def test_what_a_count_says_of_named_errors() -> None:
    """Nothing, where it is theirs."""
    errors = [{"message": "m", "context": {"id": [one]}} for one in ("1", "2")]
    read = _read("1", "2", "3", errors=errors, numErrors=2)
    assert ((), ("3",)) == (read.nameless, read.unmentioned)


def test_a_record_that_was_not_asked_for() -> None:
    """That into which another was merged, perhaps: its id is reported, cut."""
    read = _read("101", results=[_page(999, 202)])
    assert ({}, ("101",)) == (read.pages, read.unmentioned)
    (message,) = _messages(read)
    assert "record 999" in (message or "")
    (message,) = _messages(_read("101", results=[_page("9" * 5000, 202)]))
    assert f"record {'9' * 64}, which" in (message or "")


@pytest.mark.parametrize(
    ("results", "counted", "is_doubtful"),
    [
        ([_page(1)], 1, False),  # of record 2, of which nothing is said
        ([_page(1), _page(2)], 1, True),
        ([_page(1)], 2, True),
        ([_page(1), _page(2)], 0, False),
        ([_page(1), _page(2), _page(9)], 0, True),
    ],
)
def test_more_errors_than_records_without_a_word(
    results: list[object], counted: int, *, is_doubtful: bool
) -> None:
    """Then a page may lack links: one that it does not have is not known to be missing."""
    read = _read("1", "2", results=results, numErrors=counted)
    assert is_doubtful == (read.doubt is not None)


@given(
    asked=st.lists(st.sampled_from("12345"), unique=True, min_size=1),
    reported=st.lists(st.sampled_from("1234567")),
    named=st.lists(st.sampled_from("1234567")),
    bare=st.integers(0, 3),
    counted=st.none() | st.integers(-2, 12),
)
def test_every_record_is_told_of_in_one_way(
    asked: list[str], reported: list[str], named: list[str], bare: int, counted: int | None
) -> None:
    """And no error is lost: each names a record, or is kept without a name, up to the asked."""
    errors: list[Any] = [{"message": one, "context": {"id": [one]}} for one in named]
    errors += [{"message": "bare"}] * bare
    results = [_page(one, 9) for one in reported]
    read = _read(*asked, results=results, errors=errors, numErrors=counted)
    assert sorted(asked) == sorted([*read.pages, *read.failed, *read.unmentioned])
    assert read.pages.keys() == {*reported} & {*asked}
    assert read.failed.keys() == ({*named} & {*asked}) - {*reported}
    undescribed = len(asked) if (counted or 0) < 0 else max((counted or 0) - len(errors), 0)
    strange = len({*reported} - {*asked})
    nameless = bare + sum(one not in asked for one in named) + undescribed + strange
    assert min(nameless, len(asked)) == len(read.nameless)


def test_many_records_are_read_a_part_at_a_time() -> None:
    """Of a thousand no step decodes or assigns more than fifty errors, or twenty pages."""
    asked = [str(n) for n in range(1, 1001)]
    errors = [{"message": "m", "context": {"fromObjectId": [one]}} for one in asked]
    refused = orjson.dumps({"status": "COMPLETE", "results": [], "errors": errors})
    assert 1000 // 50 == len(list(decode_links(refused)))
    reply = finish(decode_links(refused))
    assert 1000 // 50 == len(list(read_links(asked, "contacts", reply)))
    assert asked == list(finish(read_links(asked, "contacts", reply)).failed)
    of_all = LinksReply({}, (StandardError(context={"ids": tuple(asked)}),) * 20)
    assert 20 * 1000 // 500 == len(list(read_links(asked, "contacts", of_all)))
    pages = orjson.dumps({"status": "COMPLETE", "results": [_page(one, 7) for one in asked]})
    assert 1000 // 20 == len(list(decode_links(pages)))
