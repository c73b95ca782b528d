"""Which records an error speaks of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import ErrorDetail
from aiohubassoc._batching.error_ids import Excerpts, Mention, find_ids, ids_in, parse_kind
from aiohubassoc._protocol.codec import finish
from aiohubassoc._protocol.json_values import context as read_context
from tests.protocol.strategies import json_values, near_bodies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohubassoc._batching.error_ids import Context

KNOWN = {"1", "2"}
ENDS = (("contact", "1"), ("company", "2"))


def _find(
    context: Context,
    details: Iterable[ErrorDetail],
    sub_category: str | None,
    known: set[str] | None = None,
) -> list[Mention]:
    found = finish(find_ids(context, details, sub_category))
    return [one for one in found if known is None or one.record_id in known]


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("contacts", "contact"),
        ("contact", "contact"),
        ("CONTACT", "contact"),
        ("Contacts", "contact"),
        ("0-1", "contact"),
        ("0-2", "company"),
        ("companies", "company"),
        ("COMPANY", "company"),
        (" deals ", "deal"),
        ("line_items", "line_item"),
        ("LINE_ITEM", "line_item"),
        ("line-items", "line_item"),
        ("0-8", "line_item"),
        ("MEETING_EVENT", "meeting"),
        ("p12345_cars", "p12345_car"),
        ("P12345_CARS", "p12345_car"),
        ("2-1234567", "2_1234567"),
    ],
)
def test_a_type_has_one_name(written: str, kind: str) -> None:
    """Plural, singular, capitals and numbers mean the same type."""
    assert kind == parse_kind(written)


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (
            {"fromObjectId": ("1",), "toObjectId": ("2",)},
            [Mention("1", "from"), Mention("2", "to")],
        ),
        ({"from": ("1",), "toId": ("2",)}, [Mention("1", "from"), Mention("2", "to")]),
        ({"objectId": ("2",), "objectType": ("COMPANY",)}, [Mention("2", kind="company")]),
        ({"objectId": ("2",), "objectType": ("COMPANY", "0-2")}, [Mention("2", kind="company")]),
        ({"objectId": ("2",), "objectType": ("COMPANY", "DEAL")}, [Mention("2")]),
        (
            {"fromObjectId": ("1",), "fromObjectType": ("contact",), "toObjectId": ("2",)},
            [Mention("1", "from", "contact"), Mention("2", "to")],
        ),
        ({"id": ("1", "1", "01")}, [Mention("1")]),
        ({"ids": ("1", "2", "3")}, [Mention("1"), Mention("2")]),
        ({"ids": ('["1", "2"]',)}, [Mention("1"), Mention("2")]),
        ({"ids": ("1;2",)}, [Mention("1"), Mention("2")]),
        (
            {"INVALID_OBJECT_IDS": ("CONTACT=1 is not valid",)},
            [Mention("1", kind="contact", is_sure=True)],
        ),
        ({"INVALID_OBJECT_IDS": ("1 is not valid",)}, [Mention("1", is_sure=True)]),
        (
            {"INVALID_OBJECT_IDS": ("1", "02")},
            [Mention("1", is_sure=True), Mention("2", is_sure=True)],
        ),
        (
            {"why": ("CONTACT=1 cannot have COMPANY=2",)},
            [Mention("1", kind="contact"), Mention("2", kind="company")],
        ),
        ({"id": ("no record has the id 1",)}, [Mention("1")]),
        ({"id": ("1 and 2 clash",)}, []),
        ({"id": ("1.2",)}, []),
        ({"id": ("",)}, []),
        ({"id": ()}, []),
        ({"limit": ("1",), "hubId": ("2",), "objectTypeId": ("1",), "": ("1",)}, []),
        ({}, []),
    ],
)
def test_what_a_context_names(context: dict[str, tuple[str, ...]], expected: list[Mention]) -> None:
    """Ids under the names that records have, with whatever is reported of them; each once."""
    assert expected == _find(context, (), None, KNOWN)
    assert expected == _find({}, [ErrorDetail(context=context)], None, KNOWN)


def test_all_that_is_named() -> None:
    """Whoever looks for the other end of a pair needs ids that were not sent as well."""
    assert [Mention("1"), Mention("9")] == _find({"ids": ("1", "9")}, (), None)


def test_context_and_details_are_put_together() -> None:
    """One may name one end and one the other; what is named in both is named once."""
    details = [ErrorDetail(context={"toObjectId": ("2",)}), ErrorDetail(context={"id": ("1",)})]
    reported = _find({"fromObjectId": ("1",)}, details, None, KNOWN)
    assert [Mention("1", "from"), Mention("2", "to"), Mention("1")] == reported


@pytest.mark.parametrize(
    ("sub_category", "expected"),
    [
        (None, Mention("1")),
        ("crm.associations.FROM_OBJECT_NOT_FOUND", Mention("1", "from")),
        ("crm.associations.TO_OBJECT_NOT_FOUND", Mention("1", "to")),
        ("FROM_OBJECT_TO_OBJECT_CLASH", Mention("1")),
        ("OTHER", Mention("1")),
    ],
)
def test_the_sub_category_may_tell_the_end(sub_category: str | None, expected: Mention) -> None:
    """Where the context does not, and where it names one end only."""
    assert [expected] == _find({"id": ("1",)}, (), sub_category, KNOWN)


def test_the_end_that_is_named_need_not_be_the_one_at_fault() -> None:
    """The context names both, the sub-category says which is missing."""
    context = {"fromObjectId": ("1",), "toObjectId": ("2",)}
    reported = _find(context, (), "crm.associations.TO_OBJECT_NOT_FOUND", KNOWN)
    assert [Mention("1", "from", is_other_end=True), Mention("2", "to")] == reported


def test_an_excerpt_of_what_names_nobody_else_is_the_whole() -> None:
    """Nothing is copied where nothing is left out."""
    context = {"fromObjectId": ("1",), "toObjectId": ("2",), "limit": ("9",), "none": ()}
    details = (ErrorDetail(message="d", context=context), ErrorDetail(message="e"))
    excerpt, kept = Excerpts(context, details, KNOWN).of(ENDS)
    assert excerpt is context
    assert details == kept


def test_an_excerpt_leaves_the_others_out() -> None:
    """Values and details that name records, and not one of the pair's."""
    context = {
        "ids": ("3", "1"),
        "why": ("DEAL=1 is odd", "as reported"),
        "x": ("3", "7"),
        "none": (),
    }
    known = {"1", "2", "3"}
    excerpt, kept = Excerpts(context, [ErrorDetail(context={"id": ("3",)})], known).of(ENDS)
    assert {"ids": ("1",), "why": ("as reported",), "x": ("7",), "none": ()} == excerpt
    assert () == kept


@given(
    st.dictionaries(
        st.text(max_size=4) | st.sampled_from(["id", "ids", "fromObjectId", "to", "objectType"]),
        json_values | near_bodies,
    ),
    st.none() | st.text(max_size=8),
)
def test_no_context_is_too_odd(context: object, sub_category: str | None) -> None:
    """Whatever JSON holds: ids that were sent come out, and an excerpt holds no new words."""
    read = read_context(context)
    known = {"1", "2", "true", "a"}
    reported = _find(read, [ErrorDetail(context=read)], sub_category, known)
    assert {one.record_id for one in reported} <= known
    excerpt, _ = Excerpts(read, (), known).of(ENDS)
    assert all(set(values) <= set(read[name]) for name, values in excerpt.items())


@pytest.mark.parametrize("name", ["objecttype", "fromobjecttype", "associationtypeid"])
def test_a_type_names_no_record(name: str) -> None:
    """Even if it looks like one."""
    assert [] == list(ids_in(name, "CONTACT=12"))
    assert [("12", "contact", True)] == list(ids_in("why", "CONTACT=12"))


def test_a_long_word_is_read_once() -> None:
    """It may be a type anywhere. Time that grows with the square would be hours here."""
    word = "a-" * 1_000_000
    assert [] == list(ids_in("why", word))
    assert [("1", "deal", True)] == list(ids_in("why", f"{word} DEAL=1=2"))


def test_twenty_values_that_name_no_record_are_kept() -> None:
    """The first ones, in their order."""
    why = tuple(f"reason {chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(150))
    excerpt, _ = Excerpts({"why": why}, (), KNOWN).of(ENDS)
    assert {"why": why[:20]} == excerpt
    details = [ErrorDetail(message=one) for one in why]
    assert tuple(details[:20]) == Excerpts({}, details, KNOWN).of(ENDS)[1]
