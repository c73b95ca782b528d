"""Which pairs were seen before."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given, strategies as st

from aiohubassoc import Pair
from aiohubassoc.journal.known_pairs import SeenPairs
from aiohubassoc.journal.row_codec import make_place

ids = st.sampled_from(["1", "2", "12", "01"])
kinds = st.sampled_from(["contacts", "contact", "0-1"])


@given(st.lists(st.builds(Pair, kinds, ids, kinds, ids), max_size=40))
def test_the_first_place_of_each_pair_as_written(pairs: list[Pair]) -> None:
    """A pair is a duplicate of the first that has the same types and ids, letter for letter."""
    first: dict[Pair, int] = {}
    with SeenPairs() as seen:
        for line, pair in enumerate(pairs):
            place = make_place(line % 2, line)
            assert first.get(pair) == seen.first_place(pair, place)
            first.setdefault(pair, place)


@given(st.lists(st.builds(Pair, kinds, ids, kinds, ids), max_size=40))
def test_the_largest_fan_out_is_of_different_pairs(pairs: list[Pair]) -> None:
    """A record has a pair at either end; it is counted for each type that it is paired with."""
    counts: Counter[tuple[str, str]] = Counter()
    for pair in dict.fromkeys(pairs):
        counts[f"{pair.from_type}:{pair.from_id}", pair.to_type] += 1
        counts[f"{pair.to_type}:{pair.to_id}", pair.from_type] += 1
    with SeenPairs() as seen:
        for line, pair in enumerate(pairs):
            seen.first_place(pair, line)
        found = seen.largest_fan_out()
    if found is None:
        assert not pairs
    else:
        assert found.pairs == max(counts.values()) == counts[found.record, found.other_type]


def test_nothing_is_left_behind() -> None:
    """The temporary file is gone afterwards."""
    with SeenPairs() as seen:
        folder = Path(seen._folder.name)
        seen.first_place(Pair("a", 1, "b", 2), 1)
        assert folder.exists()
    assert not folder.exists()
