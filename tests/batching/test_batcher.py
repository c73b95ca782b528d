"""Pairs sorted into groups: nothing is lost, and nothing waits for ever."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import given, strategies as st

from aiohubassoc import Pair
from aiohubassoc._batching.batch import Batch, Batcher, LookupBatch
from aiohubassoc.pair import canonical_id

types_of = st.sampled_from(["companies", "contacts"])
few_ids = st.sampled_from(["1", "2", "3", "03"])
inputs = st.lists(st.builds(Pair, st.just("contacts"), few_ids, types_of, few_ids), max_size=60)
Items = list[tuple[int, Pair]]


def _cutter(most: int, wait: float = 5.0) -> Batcher[Batch]:
    return Batcher(lambda types, now: Batch(types, most, now), wait)


def _pairs(*ends: tuple[int, int]) -> list[Pair]:
    return [Pair("contacts", one, "companies", other) for one, other in ends]


def _items(group: Batch) -> Items:
    """Return every pair of a group with its index, the repeats after the others."""
    return [
        *zip(group.indexes, group.pairs, strict=True),
        *(item for repeats in group.repeats.values() for item in repeats),
    ]


def _run(pairs: list[Pair], cutter: Batcher[Batch], gaps: list[float]) -> list[Batch]:
    """Add pairs as time passes, take what is due, and the rest at the end."""
    now = 0.0
    groups = []
    for index, pair in enumerate(pairs):
        now += gaps[index % len(gaps)]
        for due in cutter.take(now, by=now):
            assert not due.began_at + 5.0 > now
            groups.append(due)
        full = cutter.add([(index, pair)], now)
        assert all(group.is_full for group in full)
        groups += full
        assert cutter.due_at >= now or gaps == [0.0]
    return [*groups, *cutter.take(now)]


@given(inputs, st.integers(1, 5), st.lists(st.floats(0, 3), min_size=1, max_size=4))
def test_nothing_is_lost_or_doubled(pairs: list[Pair], most: int, gaps: list[float]) -> None:
    """Every pair is in one group, and then none is left."""
    cutter = _cutter(most)
    items = [item for group in _run(pairs, cutter, gaps) for item in _items(group)]
    assert list(enumerate(pairs)) == sorted(items, key=lambda item: item[0])
    assert math.inf == cutter.due_at
    assert [] == list(cutter.take(100.0))


@given(inputs, st.integers(1, 5), st.lists(st.floats(0, 3), min_size=1, max_size=4))
def test_what_goes_together(pairs: list[Pair], most: int, gaps: list[float]) -> None:
    """One pair of types, at most so many, no ids twice or turned round, in their order."""
    for group in _run(pairs, _cutter(most), gaps):
        assert {group.types} == {(p.from_type, p.to_type) for _, p in _items(group)}
        assert 1 <= len(group.pairs) <= most
        assert group.indexes == sorted(group.indexes)
        ends = [(canonical_id(p.from_id), canonical_id(p.to_id)) for p in group.pairs]
        assert len(ends) == len({frozenset(both) for both in ends})


@given(inputs, st.integers(1, 5))
def test_without_mirror_images_the_order_is_that_of_the_input(pairs: list[Pair], most: int) -> None:
    """The groups of two types, one after the other, are the input of these types."""
    pairs = [p for p in pairs if canonical_id(p.from_id) <= canonical_id(p.to_id)]
    groups = _run(pairs, _cutter(most), [0.0])
    for types in {group.types for group in groups}:
        own = [index for group in groups if group.types == types for index in group.indexes]
        assert own == sorted(own)


@given(inputs, st.integers(1, 5), st.data())
def test_many_at_a_time_or_one_by_one(pairs: list[Pair], most: int, data: st.DataObject) -> None:
    """Pairs are cut alike, however many are added together."""
    items = list(enumerate(pairs))
    together, single = _cutter(most), _cutter(most)
    cut_together: list[Batch] = []
    left = items
    while left:
        count = data.draw(st.integers(1, len(left)))
        cut_together += together.add(left[:count], 0.0)
        left = left[count:]
    cut_single = [group for item in items for group in single.add([item], 0.0)]
    cut_together += together.take(0.0)
    cut_single += single.take(0.0)
    assert [_items(g) for g in cut_single] == [_items(g) for g in cut_together]


def test_each_group_is_full_but_the_last() -> None:
    """Seven pairs in twos: three groups as soon as they are full, and one at the end."""
    cutter = _cutter(2)
    items = list(enumerate(_pairs(*((n, 9) for n in range(7)))))
    reported = [cutter.add(some, 0.0) for some in (items[:1], items[1:2], [], items[2:])]
    assert [[], [[0, 1]], [], [[2, 3], [4, 5]]] == [
        [g.indexes for g in groups] for groups in reported
    ]
    assert [[6]] == [group.indexes for group in cutter.take(0.0)]


@pytest.mark.parametrize("most", [2, 3, 100])
def test_a_mirror_image_goes_with_the_next_group(most: int) -> None:
    """However many there are, at the head of it, and before those that came later."""
    ends = [(n, n + 50) for n in range(1, most)]
    pairs = _pairs(*ends, *((b, a) for a, b in ends), *ends, (98, 99), (97, 99))
    groups = _run(pairs, _cutter(most), [0.0])
    count = len(ends)
    assert [*range(count), 3 * count] == groups[0].indexes
    assert [*range(count, 2 * count), 3 * count + 1] == groups[1].indexes
    assert 2 == len(groups)


def _due(cutter: Batcher[Batch], now: float) -> list[list[int]]:
    """Return the indexes of each group that is due."""
    return [[index for index, _ in _items(group)] for group in cutter.take(now, by=now)]


def test_due_by_time() -> None:
    """A group goes this many seconds after it was begun; the oldest first, and none before."""
    cutter = _cutter(100, 5.0)
    one, other = Pair("a", 1, "b", 2), Pair("c", 1, "d", 2)
    assert (math.inf, []) == (cutter.due_at, list(cutter.take(0.0)))
    assert [] == cutter.add([(0, one)], 1.0) + cutter.add([(1, other)], 3.0)
    assert [] == cutter.add([(2, one)], 4.0)
    assert (6.0, []) == (cutter.due_at, _due(cutter, 5.9))
    assert [[0, 2]] == _due(cutter, 6.0)
    assert (8.0, []) == (cutter.due_at, _due(cutter, 7.9))
    assert [[1]] == _due(cutter, 8.0)
    assert (math.inf, []) == (cutter.due_at, _due(cutter, 100.0))


def test_all_that_is_due_goes_the_oldest_first() -> None:
    """Whichever types came first."""
    cutter = _cutter(100, 5.0)
    pairs = [Pair(*both) for both in (("a", 1, "b", 2), ("c", 1, "d", 2), ("e", 1, "f", 2))]
    for index, now in ((0, 3.0), (1, 1.0), (2, 2.0)):
        assert [] == cutter.add([(index, pairs[index])], now)
    assert [[1], [2]] == _due(cutter, 7.0)
    assert [[0]] == [group.indexes for group in cutter.take(7.0)]


def test_a_held_pair_begins_to_wait_anew() -> None:
    """Its group is begun when the one that it could not be in goes."""
    cutter = _cutter(100, 5.0)
    assert [] == cutter.add(enumerate(_pairs((1, 2), (2, 1))), 0.0)
    assert [[0]] == _due(cutter, 6.0)
    assert (11.0, []) == (cutter.due_at, _due(cutter, 10.9))
    assert [[1]] == _due(cutter, 11.0)


def test_groups_of_another_kind() -> None:
    """A window of records is cut by the same rules, and holds nothing back."""
    cutter = Batcher(partial(LookupBatch), 5.0)
    assert [] == cutter.add(enumerate(_pairs((1, 2), (2, 1), (1, 2))), 0.0)
    (window,) = cutter.take(0.0)
    assert [0, 2, 1] == [index for index, _ in window.items()]


def test_types_that_differ_in_one_end_do_not_go_together() -> None:
    """Whichever end it is."""
    for types in (("deals", "companies"), ("contacts", "deals")):
        pairs = [Pair("contacts", 1, "companies", 2), Pair(types[0], 3, types[1], 4)]
        cutter = _cutter(5)
        assert [] == cutter.add(enumerate(pairs), 0.0)
        assert [[pair] for pair in pairs] == [group.pairs for group in cutter.take(1.0)]
