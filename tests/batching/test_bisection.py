"""The cost laws of bisection: few calls find what HubSpot refuses, whatever its share and place."""

from __future__ import annotations

from random import Random  # noqa: TID251 -- seeded
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from aiohubassoc._batching.batch import MOST_PAIRS
from aiohubassoc._batching.bisection import Bisection, RefusalRate

if TYPE_CHECKING:
    from collections.abc import Collection


def _calls(bad: Collection[int]) -> int:
    """Return the calls to a portal that refuses any call with a bad item in it and names none."""
    bad = frozenset(bad)
    bisection = Bisection(range(MOST_PAIRS))
    calls = 0
    found: list[int] = []
    while (part := bisection.next()) is not None:
        if part.is_singly:
            calls += len(part.items)
            refused = [item for item in part.items if item in bad]
            found += refused
            bisection.completed_singly(len(refused))
            continue
        calls += 1
        if bad.isdisjoint(part.items):
            bisection.accepted(len(part.items))
        else:
            bisection.refused(())
    assert sorted(bad) == found
    return calls


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
    rate = RefusalRate()
    assert [True, False, False] == [rate.favours_single_calls(n) for n in (1, 2, 2000)]


def test_the_share_of_those_just_before_decides() -> None:
    """From three in twenty on, and for no more pairs than were completed; twice if all were bad."""
    rate = RefusalRate()
    rate.add(8, 1)
    rate.add(0, 0)
    before = [rate.favours_single_calls(n) for n in (2, 8)]
    rate.add(12, 2)
    after = [rate.favours_single_calls(n) for n in (2, 20, 21)]
    assert ([False, False], [True, True, False]) == (before, after)


def test_what_lies_far_back_does_not_count() -> None:
    """Nor does it tell anything of a large part, which is tried as a whole."""
    rate = RefusalRate()
    rate.add(1000, 1000)
    before = [rate.favours_single_calls(n) for n in (256, 257)]
    rate.add(120, 0)
    after = [rate.favours_single_calls(n) for n in (2, 128)]
    assert ([True, False], [False, False]) == (before, after)


def test_the_items_that_are_not_named_go_again() -> None:
    """All of them together, in their order; those that are named do not."""
    bisection = Bisection(range(40))
    assert bisection.next() is not None
    bisection.refused({1, 30})
    part = bisection.next()
    assert part is not None
    left = [number for number in range(40) if number not in {1, 30}]
    assert (list(part.items), part.is_singly) == (left, False)
    bisection.accepted(len(left))
    assert bisection.next() is None


def test_a_part_of_which_nothing_is_known_goes_singly() -> None:
    """Once, whole and in its order."""
    bisection = Bisection("abc")
    assert bisection.next() is not None
    bisection.send_singly()
    part = bisection.next()
    assert part is not None
    assert (list(part.items), part.is_singly) == (["a", "b", "c"], True)
    bisection.completed_singly(0)
    assert bisection.next() is None


def _steps(size: int, bad: Collection[int], *, named: bool = False) -> str:
    """Return the parts that go, as their first and last item; with a mark where they go singly."""
    bisection = Bisection(range(size))
    steps = []
    while (part := bisection.next()) is not None:
        items = [*part.items]
        steps.append(f"{items[0]}-{items[-1]}" + "!" * part.is_singly)
        refused = {position for position, item in enumerate(items) if item in bad}
        if part.is_singly:
            bisection.completed_singly(len(refused))
        elif refused:
            bisection.refused(refused if named else ())
        else:
            bisection.accepted(len(items))
    return " ".join(steps)


@pytest.mark.parametrize(
    ("size", "bad", "steps"),
    [
        (8, (), "0-7"),
        # 4-7 and 6-7 need no call: the other half was accepted.
        (8, (6,), "0-7 0-3 4-5 6-6! 7-7!"),
        (9, (0,), "0-8 0-4 0-2 0-1 0-0! 1-1! 2-2! 3-4! 5-8!"),
        # As 0-3 was refused, 4-7 may be accepted.
        (8, (1, 5), "0-7 0-3 0-1 0-0! 1-1! 2-3! 4-7!"),
        (16, (0, 15), "0-15 0-7 0-3 0-1 0-0! 1-1! 2-3! 4-7! 8-15 8-11 12-13 14-14! 15-15!"),
    ],
)
def test_each_step(size: int, bad: tuple[int, ...], steps: str) -> None:
    """Halves in their order; singly what is one, or what many were refused of just before."""
    assert _steps(size, bad) == steps


def test_a_batch_of_one_goes_as_a_batch() -> None:
    """At first: nothing of it was refused."""
    assert _steps(1, ()) == "0-0"


def test_what_is_left_of_many_that_were_named_goes_singly() -> None:
    """Five of ten were refused: what is left of such a batch is likely to be refused too."""
    assert _steps(10, range(5), named=True) == "0-9 5-9!"
    assert _steps(40, (1, 30), named=True) == "0-39 0-39"


def test_what_a_reply_does_not_mention_goes_singly() -> None:
    """And is in the place of its part."""
    bisection = Bisection(range(6))
    assert bisection.next() is not None
    bisection.accepted(4, singly=[4, 5])
    part = bisection.next()
    assert part is not None
    assert ([*part.items], part.is_singly) == ([4, 5], True)
    bisection.completed_singly(0)
    assert bisection.next() is None


def test_the_half_of_a_part_that_was_too_large_need_not_be_refused() -> None:
    """It is sent, though the first half was accepted."""
    bisection = Bisection(range(40))
    assert bisection.next() is not None
    bisection.failed()
    for items in (range(20), range(20, 40)):
        part = bisection.next()
        assert part is not None
        assert ([*part.items], part.is_singly) == ([*items], False)
        bisection.accepted(20)
    assert bisection.next() is None


def test_a_half_with_a_refused_item_in_a_reply_explains_the_refusal() -> None:
    """So the other half is sent, and not halved unsent."""
    bisection = Bisection(range(40))
    assert bisection.next() is not None
    bisection.refused(())
    assert bisection.next() is not None
    bisection.accepted(20, refused=1)
    part = bisection.next()
    assert part is not None
    assert [*part.items] == [*range(20, 40)]
