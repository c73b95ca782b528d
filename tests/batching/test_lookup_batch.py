"""Pairs whose links are read together."""

from __future__ import annotations

from hypothesis import given, strategies as st

from aiohubassoc import Pair
from aiohubassoc._batching.batch import MOST_PAIRS, MOST_RECORDS, LookupBatch

TYPES = ("contacts", "companies")


def _window(*ends: tuple[int | str, int | str]) -> LookupBatch:
    window = LookupBatch(TYPES, 1.5)
    for index, (from_id, to_id) in enumerate(ends):
        assert window.add(index, Pair(TYPES[0], from_id, TYPES[1], to_id))
    return window


def _is_full_with(window: LookupBatch, from_id: int) -> bool:
    assert window.add(5000, Pair(TYPES[0], from_id, TYPES[1], 1))
    return window.is_full


def test_full_with_a_thousand_records() -> None:
    """HubSpot takes no more in one call; a record that comes again takes no room."""
    window = _window(*((n, 1) for n in range(MOST_RECORDS - 1)))
    assert [False, True] == [_is_full_with(window, 7), _is_full_with(window, MOST_RECORDS)]
    assert 1000 == len(window.wanted)


def test_full_with_two_thousand_pairs() -> None:
    """However few records they belong to, and though they repeat one another."""
    window = _window(*((1, n % 7 + 1) for n in range(MOST_PAIRS - 2)))
    assert [False, True] == [_is_full_with(window, 1), _is_full_with(window, 1)]
    assert 2000 == len(list(window.items()))


def test_records_are_known_as_hubspot_writes_them() -> None:
    """Whoever wrote 007 wants the links of 7, and each record is asked for once."""
    window = _window(("007", "01"), ("7", "2"), ("x", "00"))
    assert (TYPES, 1.5) == (window.types, window.began_at)
    assert {"7": {"1", "2"}, "x": {"0"}} == window.to_ids()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_every_pair_is_there_once(ends: list[tuple[int, int]]) -> None:
    """Each comes back with its place, and those of one record in their order."""
    window = _window(*ends)
    items = list(window.items())
    assert list(enumerate(ends)) == sorted(
        (index, (int(pair.from_id), int(pair.to_id))) for index, pair in items
    )
    for pairs in window.wanted.values():
        assert pairs == sorted(pairs, key=lambda item: item[0])
