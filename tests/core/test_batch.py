"""Pairs in a batch, its body, and how a batch that was refused is split."""

from __future__ import annotations

from random import Random  # noqa: TID251 -- seeded
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import example, given, settings, strategies as st

from aiohubassoc import Pair
from aiohubassoc._core.batch import MOST_PAIRS, Batch, Splitting, encode_pairs
from aiohubassoc._core.ids import canonical
from tests.core.strategies import ids

if TYPE_CHECKING:
    from collections.abc import Collection

TYPES = ("contacts", "companies")
few_ids = st.sampled_from(["1", "2", "3", "01", "002", "0", "00", "x", "0x"])


def _pair(from_id: int | str, to_id: int | str) -> Pair:
    return Pair(TYPES[0], from_id, TYPES[1], to_id)


def _ends(pair: Pair) -> tuple[str, str]:
    return canonical(pair.from_id), canonical(pair.to_id)


@given(st.lists(st.tuples(few_ids, few_ids)), st.integers(1, 6))
def test_a_batch_keeps_every_pair_that_it_takes_once(
    ends: list[tuple[str, str]], most: int
) -> None:
    """No ids stand in it twice, nor turned round; a repeat shares its input; the order is kept."""
    batch = Batch(TYPES, most, 2.5)
    taken = {}
    for index, both in enumerate(ends):
        if batch.is_full:
            break
        if batch.add(index, _pair(*both)):
            taken[index] = both
    assert (TYPES, 2.5) == (batch.types, batch.began_at)
    assert taken == {index: (pair.from_id, pair.to_id) for index, pair in batch.items()}
    assert len(taken) == len(list(batch.items()))
    assert batch.indexes == sorted(batch.indexes)
    assert len(batch.indexes) == len(batch.pairs) <= most
    different = {frozenset(_ends(pair)) for pair in batch.pairs}
    assert len(different) == len(batch.pairs)
    for position, repeats in batch.repeats.items():
        assert {_ends(batch.pairs[position])} == {_ends(pair) for _, pair in repeats}


def test_what_is_not_taken_is_the_mirror_image_only() -> None:
    """A record with itself is none, and a repeat of what is there always finds its place."""
    batch = Batch(TYPES, 10, 0.0)
    ends: list[tuple[int | str, int | str]]
    ends = [(1, 2), (2, 1), ("01", 2), (2, "001"), (3, 3), ("03", 3), (2, 3), (3, 1)]
    taken = [batch.add(index, _pair(*both)) for index, both in enumerate(ends)]
    assert [True, False, True, False, True, True, True, True] == taken
    assert [0, 4, 6, 7] == batch.indexes
    assert {0: [(2, _pair("01", 2))], 1: [(5, _pair("03", 3))]} == batch.repeats


def test_full_at_what_one_call_takes() -> None:
    """Repeats take no room."""
    batch = Batch(TYPES, MOST_PAIRS, 0.0)
    fills = []
    for index in range(MOST_PAIRS):
        batch.add(index, _pair(index, index + 5000))
        batch.add(index + 5000, _pair(index, index + 5000))
        fills.append(batch.is_full)
    assert [False] * 1999 + [True] == fills
    assert 4000 == len(list(batch.items()))


@given(st.lists(st.tuples(ids, ids)))
@example([('a"b', "\\"), ("ä", "/"), ("007", "1" * 30)])
@example([])
def test_the_body_holds_each_pair_in_its_order(ends: list[tuple[str, str]]) -> None:
    """As JSON that any reader understands, with ids as they were written."""
    body = encode_pairs([_pair(*both) for both in ends])
    expected = [{"from": {"id": one}, "to": {"id": other}} for one, other in ends]
    assert {"inputs": expected} == orjson.loads(body)


# --- splitting ---------------------------------------------------------------------------------


class _Refusing:
    """A portal that refuses a call with a bad pair in it and names none, and who splits it."""

    def __init__(self, bad: Collection[int]) -> None:
        self._bad = frozenset(bad)
        self._splitting = Splitting()
        self.calls = 0
        self.found: list[int] = []

    def settle(self, part: range, *, is_refused: bool = False) -> bool:
        if len(part) < MOST_PAIRS and self._splitting.is_cheaper_alone(len(part)):
            return self._settle_alone(part)
        if is_refused:
            return self._split(part)
        self.calls += 1
        if self._bad.isdisjoint(part):
            self._splitting.settled(len(part), 0)
            return False
        return self._split(part)

    def _split(self, part: range) -> bool:
        middle = (len(part) + 1) // 2
        was_refused = self.settle(part[:middle])
        return self.settle(part[middle:], is_refused=not was_refused) or was_refused

    def _settle_alone(self, part: range) -> bool:
        self.calls += len(part)
        refused = [place for place in part if place in self._bad]
        self.found += refused
        self._splitting.settled(len(part), len(refused))
        return bool(refused)


def _calls(bad: Collection[int]) -> int:
    refusing = _Refusing(bad)
    refusing.settle(range(MOST_PAIRS))
    assert sorted(bad) == refusing.found
    return refusing.calls


@pytest.mark.parametrize(("bad", "most"), [(1, 25), (3, 62), (40, 480)])
def test_a_few_bad_ones_are_found_with_few_calls(bad: int, most: int) -> None:
    """Of 2,000, at random places, on average of 200 draws."""
    chance = Random(1)
    calls = [_calls(chance.sample(range(MOST_PAIRS), bad)) for _ in range(200)]
    assert sum(calls) / len(calls) <= most


@pytest.mark.parametrize(
    "bad", [0, 1, 50, 100, 200, 300, 400, 500, 600, 800, 1000, 1500, 1999, 2000]
)
def test_many_bad_ones_cost_no_more_than_each_alone(bad: int) -> None:
    """Whatever their share: 2 % more calls than pairs at most, and thirty."""
    chance = Random(bad)
    for _ in range(20):
        assert _calls(chance.sample(range(MOST_PAIRS), bad)) <= 1.02 * MOST_PAIRS + 30


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_uneven_shares_cost_no_more_than_each_alone(seed: int, shares: list[float]) -> None:
    """Parts of the batch that are bad to a different degree, in any order."""
    chance = Random(seed)
    size = -(-MOST_PAIRS // len(shares))
    bad = [n for n in range(MOST_PAIRS) if chance.random() < shares[n // size]]
    assert _calls(bad) <= 1.04 * MOST_PAIRS + 30


@pytest.mark.parametrize("size", [10, 50, 100, 250, 500, 1000])
@pytest.mark.parametrize("begin", [0, 0.35, 1.0])
def test_a_cluster_costs_little_more_than_its_own_pairs(size: int, begin: float) -> None:
    """At the front, in the midst or at the end: the rest is not sent one by one."""
    first = int(begin * (MOST_PAIRS - size))
    assert _calls(range(first, first + size)) <= 1.1 * size + 250


def test_nothing_is_known_at_first() -> None:
    """One pair is one call either way; for more something must have been settled."""
    splitting = Splitting()
    assert [True, False, False] == [splitting.is_cheaper_alone(n) for n in (1, 2, 2000)]


def test_the_share_of_those_just_before_decides() -> None:
    """From three in twenty on, and for no more pairs than were settled; twice if all were bad."""
    splitting = Splitting()
    splitting.settled(8, 1)
    splitting.settled(0, 0)
    before = [splitting.is_cheaper_alone(n) for n in (2, 8)]
    splitting.settled(12, 2)
    after = [splitting.is_cheaper_alone(n) for n in (2, 20, 21)]
    assert ([False, False], [True, True, False]) == (before, after)


def test_what_lies_far_back_does_not_count() -> None:
    """Nor does it tell anything of a large part, which is tried as a whole."""
    splitting = Splitting()
    splitting.settled(1000, 1000)
    before = [splitting.is_cheaper_alone(n) for n in (256, 257)]
    splitting.settled(120, 0)
    after = [splitting.is_cheaper_alone(n) for n in (2, 128)]
    assert ([True, False], [False, False]) == (before, after)
