"""Pairs in a batch, its body, and how a batch that was refused is split."""

from __future__ import annotations

import orjson
from hypothesis import example, given, strategies as st

from aiohubassoc import Pair
from aiohubassoc._batching.batch import MOST_PAIRS, Batch, encode_pairs
from aiohubassoc.pair import canonical_id
from tests.protocol.strategies import ids

TYPES = ("contacts", "companies")
few_ids = st.sampled_from(["1", "2", "3", "01", "002", "0", "00", "x", "0x"])


def _pair(from_id: int | str, to_id: int | str) -> Pair:
    return Pair(TYPES[0], from_id, TYPES[1], to_id)


def _ends(pair: Pair) -> tuple[str, str]:
    return canonical_id(pair.from_id), canonical_id(pair.to_id)


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
    items = [*zip(batch.indexes, batch.pairs, strict=True)]
    items += [item for repeats in batch.repeats.values() for item in repeats]
    assert taken == {index: (pair.from_id, pair.to_id) for index, pair in items}
    assert len(taken) == len(items)
    assert batch.indexes == sorted(batch.indexes)
    assert len(batch.indexes) == len(batch.pairs) <= most
    different = {frozenset(_ends(pair)) for pair in batch.pairs}
    assert len(different) == len(batch.pairs)
    for first, repeats in batch.repeats.items():
        pair = batch.pairs[batch.indexes.index(first)]
        assert {_ends(pair)} == {_ends(repeat) for _, repeat in repeats}


def test_what_is_not_taken_is_the_mirror_image_only() -> None:
    """A record with itself is none, and a repeat of what is there always finds its place."""
    batch = Batch(TYPES, 10, 0.0)
    ends: list[tuple[int | str, int | str]]
    ends = [(1, 2), (2, 1), ("01", 2), (2, "001"), (3, 3), ("03", 3), (2, 3), (3, 1)]
    taken = [batch.add(index, _pair(*both)) for index, both in enumerate(ends)]
    assert [True, False, True, False, True, True, True, True] == taken
    assert [0, 4, 6, 7] == batch.indexes
    assert {0: [(2, _pair("01", 2))], 4: [(5, _pair("03", 3))]} == batch.repeats


def test_full_at_what_one_call_takes() -> None:
    """Repeats take no room."""
    batch = Batch(TYPES, MOST_PAIRS, 0.0)
    fills = []
    for index in range(MOST_PAIRS):
        batch.add(index, _pair(index, index + 5000))
        batch.add(index + 5000, _pair(index, index + 5000))
        fills.append(batch.is_full)
    assert [False] * 1999 + [True] == fills
    assert 4000 == len(batch.pairs) + sum(map(len, batch.repeats.values()))


@given(st.lists(st.tuples(ids, ids)))
@example([('a"b', "\\"), ("ä", "/"), ("007", "1" * 30)])
@example([('a"b', "1")])
@example([("ä", "1")])
@example([])
def test_the_body_holds_each_pair_in_its_order(ends: list[tuple[str, str]]) -> None:
    """As JSON that any reader understands, with ids as they were written."""
    body = encode_pairs([_pair(*both) for both in ends])
    expected = [{"from": {"id": one}, "to": {"id": other}} for one, other in ends]
    assert {"inputs": expected} == orjson.loads(body)
