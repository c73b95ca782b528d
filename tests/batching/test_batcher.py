"""Pairs sorted into groups: nothing is lost, and nothing waits for ever."""

from __future__ import annotations

import math
from functools import partial

import attrs
import pytest
from hypothesis import given, strategies as st

from aiohubassoc import Pair
from aiohubassoc._batching.batch import Batch, Batcher, Window
from aiohubassoc.pair import canonical_id

types_of = st.sampled_from(["companies", "contacts"])
few_ids = st.sampled_from(["1", "2", "3", "03"])
inputs = st.lists(st.builds(Pair, st.just("contacts"), few_ids, types_of, few_ids), max_size=60)
Items = list[tuple[int, Pair]]


def _cutter(most: int, wait: float = 5.0) -> Batcher[Batch]:
    return Batcher(lambda types, now: Batch(types, most, now), wait)


def _pairs(*ends: tuple[int, int]) -> list[Pair]:
    return [Pair("contacts", one, "companies", other) for one, other in ends]


@attrs.frozen
class Cut:
    """Groups in the order in which they went, and what was abandoned in the end."""

    groups: list[Batch]
    abandoned: Items

    def items(self) -> Items:
        """Return every pair with its place."""
        return [item for group in self.groups for item in group.items()] + self.abandoned


def _run(pairs: list[Pair], cutter: Batcher[Batch], gaps: list[float], *, is_over: bool) -> Cut:
    """Add pairs as time passes, take what is due, and the rest or nothing at the end."""
    now = 0.0
    groups = []
    for index, pair in enumerate(pairs):
        now += gaps[index % len(gaps)]
        while (due := cutter.due(now)) is not None:
            assert not due.began_at + 5.0 > now
            groups.append(due)
        full = cutter.add([(index, pair)], now)
        assert all(group.is_full for group in full)
        groups += full
        assert cutter.due_at >= now or gaps == [0.0]
    groups += cutter.rest(now) if is_over else []
    return Cut(groups, list(cutter.abandon()))


@given(inputs, st.integers(1, 5), st.lists(st.floats(0, 3), min_size=1, max_size=4), st.booleans())
def test_nothing_is_lost_or_doubled(
    pairs: list[Pair], most: int, gaps: list[float], is_over: bool
) -> None:
    """Whether it goes to its end or is given up: every pair is there once, and then none is."""
    cutter = _cutter(most)
    cut = _run(pairs, cutter, gaps, is_over=is_over)
    assert list(enumerate(pairs)) == sorted(cut.items(), key=lambda item: item[0])
    assert (True, math.inf) == (cutter.is_empty, cutter.due_at)
    assert not (is_over and cut.abandoned)
    assert [] == [*cutter.abandon(), *cutter.rest(100.0)]


@given(inputs, st.integers(1, 5), st.lists(st.floats(0, 3), min_size=1, max_size=4))
def test_what_goes_together(pairs: list[Pair], most: int, gaps: list[float]) -> None:
    """One pair of types, at most so many, no ids twice or turned round, in their order."""
    for group in _run(pairs, _cutter(most), gaps, is_over=True).groups:
        assert {group.types} == {(p.from_type, p.to_type) for _, p in group.items()}
        assert 1 <= len(group.pairs) <= most
        assert group.indexes == sorted(group.indexes)
        ends = [(canonical_id(p.from_id), canonical_id(p.to_id)) for p in group.pairs]
        assert len(ends) == len({frozenset(both) for both in ends})


@given(inputs, st.integers(1, 5))
def test_without_mirror_images_the_order_is_that_of_the_input(pairs: list[Pair], most: int) -> None:
    """The groups of two types, one after the other, are the input of these types."""
    pairs = [p for p in pairs if canonical_id(p.from_id) <= canonical_id(p.to_id)]
    groups = _run(pairs, _cutter(most), [0.0], is_over=True).groups
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
    cut_together += together.rest(0.0)
    cut_single += single.rest(0.0)
    assert [list(g.items()) for g in cut_single] == [list(g.items()) for g in cut_together]


def test_each_group_is_full_but_the_last() -> None:
    """Seven pairs in twos: three groups as soon as they are full, and one at the end."""
    cutter = _cutter(2)
    items = list(enumerate(_pairs(*((n, 9) for n in range(7)))))
    told = [cutter.add(some, 0.0) for some in (items[:1], items[1:2], [], items[2:])]
    assert [[], [[0, 1]], [], [[2, 3], [4, 5]]] == [[g.indexes for g in groups] for groups in told]
    assert [[6]] == [group.indexes for group in cutter.rest(0.0)]


@pytest.mark.parametrize("most", [2, 3, 100])
def test_a_mirror_image_goes_with_the_next_group(most: int) -> None:
    """However many there are, at the head of it, and before those that came later."""
    ends = [(n, n + 50) for n in range(1, most)]
    pairs = _pairs(*ends, *((b, a) for a, b in ends), *ends, (98, 99), (97, 99))
    cut = _run(pairs, _cutter(most), [0.0], is_over=True)
    count = len(ends)
    assert [*range(count), 3 * count] == cut.groups[0].indexes
    assert [*range(count, 2 * count), 3 * count + 1] == cut.groups[1].indexes
    assert 2 == len(cut.groups)


def test_due_by_time() -> None:
    """A group goes so many seconds after it was begun; the oldest first, and none before."""
    cutter = _cutter(100, 5.0)
    one, other = Pair("a", 1, "b", 2), Pair("c", 1, "d", 2)
    assert (True, math.inf, None) == (cutter.is_empty, cutter.due_at, cutter.oldest(0.0))
    assert [] == cutter.add([(0, one)], 1.0) + cutter.add([(1, other)], 3.0)
    assert [] == cutter.add([(2, one)], 4.0)
    assert (False, 6.0, None) == (cutter.is_empty, cutter.due_at, cutter.due(5.9))
    first = cutter.due(6.0)
    assert first is not None
    assert ("a", [0, 2]) == (first.types[0], [index for index, _ in first.items()])
    assert (8.0, None) == (cutter.due_at, cutter.due(7.9))
    second = cutter.due(8.0)
    assert second is not None
    assert ("c", None) == (second.types[0], cutter.due(100.0))


def test_a_held_pair_begins_to_wait_anew() -> None:
    """Its group is begun when the one that it could not be in goes."""
    cutter = _cutter(100, 5.0)
    assert [] == cutter.add(enumerate(_pairs((1, 2), (2, 1))), 0.0)
    assert [[0]] == [group.indexes for group in [cutter.due(6.0)] if group]
    assert (11.0, None) == (cutter.due_at, cutter.due(10.9))
    assert [[1]] == [group.indexes for group in [cutter.due(11.0)] if group]


def test_what_is_held_is_given_up_as_well() -> None:
    """A pair that waits for the next group is not forgotten when there is none."""
    cutter = _cutter(100)
    assert [] == cutter.add(enumerate(_pairs((1, 2), (2, 1), (1, 2), (2, 1))), 0.0)
    assert [0, 2, 1, 3] == [index for index, _ in cutter.abandon()]
    assert cutter.is_empty


def test_groups_of_another_kind() -> None:
    """A window of records is cut by the same rules, and holds nothing back."""
    cutter = Batcher(partial(Window), 5.0)
    assert [] == cutter.add(enumerate(_pairs((1, 2), (2, 1), (1, 2))), 0.0)
    (window,) = cutter.rest(0.0)
    assert [0, 2, 1] == [index for index, _ in window.items()]
