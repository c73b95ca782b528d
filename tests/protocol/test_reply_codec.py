"""The quick way to read the usual reply gives what the general one gives."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import DefaultAssociations
from aiohubassoc._protocol import codec, reply_codec
from aiohubassoc._protocol.bounds import short
from aiohubassoc._protocol.reply_codec import usual_reply
from tests.protocol.judging import decode_reply
from tests.protocol.strategies import json_values
from tests.simulator.portal_calls import make_portal, put

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL: dict[str, Any] = {
    "status": "COMPLETE",
    "results": [
        {
            "from": {"id": here},
            "to": {"id": there},
            "associationSpec": {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": type_id,
            },
        }
        for here, there, type_id in (("101", "202", 279), ("202", "101", 280))
    ],
    "startedAt": "2026-11-23T10:00:00.125Z",
    "completedAt": "2026-11-23T10:00:00.250Z",
    "requestedAt": "2026-11-23T10:00:00Z",
    "numErrors": 0,
    "errors": [],
    "links": {},
}


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in *value* with each key that it has."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


_PLACES = len(list(_places(USUAL)))
_ODD: st.SearchStrategy[Any] = json_values | st.sampled_from(
    [None, "", 0, False, [], {}, [None], "2026-11-23", "2026-11-23T10:00", 7, "7"]
)


@given(st.lists(st.tuples(st.integers(0, _PLACES - 1), _ODD | st.just(...)), max_size=3))
def test_either_way_gives_the_same(changes: list[tuple[int, Any]]) -> None:
    """Whatever is changed in a reply or missing from it, errors and their words included."""
    document = copy.deepcopy(USUAL)
    for number, value in changes:
        places = list(_places(document))
        container, key = places[number % len(places)]
        if value is ...:
            del container[key]
        else:
            container[key] = copy.deepcopy(value)  # one value may be drawn for two places
        if not document:
            return
    body = json.dumps(document).encode()
    quick = _told(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reply_codec, "usual_reply", lambda _: None)
        assert quick == _told(body)


def _told(body: bytes) -> object:
    try:
        return decode_reply(body)
    except codec.UndecodableError as error:
        return error.problems


@pytest.mark.parametrize(
    ("from_id", "to_id"),
    [
        ("x" * 63, "1"),
        ("x" * 64, "1"),
        ("x" * 65, "1"),
        ("1", "x" * 65),
        ("x" * 65, "y" * 65),
        ("x" * 32, "y" * 32),
    ],
)
@pytest.mark.parametrize("category", ["WORK", "x" * 2_000, "x" * 2_001])
def test_either_way_cuts_at_the_same_length(from_id: str, to_id: str, category: str) -> None:
    """Ids after 64 characters, a category after 2,000."""
    spec = {"associationCategory": category, "associationTypeId": 1}
    ends = {"from": {"id": from_id}, "to": {"id": to_id}}
    document = USUAL | {"results": [{**ends, "associationSpec": spec}]}
    quick = _told(json.dumps(document).encode())
    assert isinstance(quick, DefaultAssociations)
    (result,) = quick.results
    assert (short(from_id, 64), short(to_id, 64)) == (result.from_id, result.to_id)
    assert short(category, 2_000) == result.association_spec.association_category
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reply_codec, "usual_reply", lambda _: None)
        assert quick == _told(json.dumps(document).encode())


@pytest.mark.parametrize("name", ["startedAt", "completedAt", "requestedAt"])
def test_a_date_without_a_zone(name: str) -> None:
    """Is unusual, and UTC."""
    document = USUAL | {name: "2026-11-23T10:00:00"}
    assert usual_reply(document) is None
    assert decode_reply(json.dumps(document).encode()).results


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"errors": [{"message": "m"}]},
        {"numErrors": 1},
        {"links": {"a": "b"}},
        {"requestedAt": "2026-11-23T14:28:16.083Z"},
        {"unknown": 1},
    ],
)
def test_one_field_besides_the_required_ones_is_not_overlooked(more: dict[str, Any]) -> None:
    """Either way gives the same, here with exactly so many fields."""
    date = "2026-11-23T14:28:16.083Z"
    reply = {"status": "COMPLETE", "results": [], "startedAt": date, "completedAt": date, **more}
    quick = _told(json.dumps(reply).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reply_codec, "usual_reply", lambda _: None)
        assert quick == _told(json.dumps(reply).encode())


def test_every_reply_of_the_portal_is_usual() -> None:
    """With its optional fields in every form: or the quick way would be of no use."""
    portal = make_portal(quota_limit=None)
    for number in range(1, 200):
        assert usual_reply(put(portal, number, number).document) is not None


@pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"results": [], "status": None}])
def test_what_is_no_reply(value: object) -> None:
    """Is left to the general way."""
    assert usual_reply(value) is None
