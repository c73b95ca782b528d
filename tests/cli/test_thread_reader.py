"""Reading in a thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.cli.row_source import ThreadReader

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.looptime(False)  # a thread has its own time


async def test_everything_comes_in_its_order() -> None:
    """However many, and whoever is faster."""
    assert list(range(5000)) == [item async for item in ThreadReader(range(5000))]


async def test_what_is_there_comes_before_more_is_read() -> None:
    """A slow producer does not hold back what it has given."""
    go_on = threading.Event()

    def slowly() -> Iterator[int]:
        yield 1
        assert go_on.wait(300)
        yield 2

    taken = []
    async for item in ThreadReader(slowly()):
        taken.append(item)
        go_on.set()
    assert [1, 2] == taken


async def test_no_more_than_a_thousand_ahead() -> None:
    """Memory does not grow with the input."""
    given = 0

    def many() -> Iterator[int]:
        nonlocal given
        for number in range(5000):
            given = number + 1
            yield number

    taken = 0
    async for _ in ThreadReader(many()):
        taken += 1
        assert given <= taken + 1001
    assert 5000 == taken


async def test_what_fails_is_raised_where_it_is_taken() -> None:
    """After what came before it."""

    def broken() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    taken = []
    with pytest.raises(ZeroDivisionError):
        async for item in ThreadReader(broken()):
            taken.append(item)  # noqa: PERF401 -- what came before the error counts
    assert [1] == taken


@pytest.mark.parametrize("blocked", [True, False])
async def test_it_can_be_ended_whatever_it_waits_for(blocked: bool) -> None:
    """Waiting for a producer, or for its items to be taken."""
    forever = threading.Event()

    def endless() -> Iterator[int]:
        number = 0
        while True:
            number += 1
            if blocked and number > 10:
                assert forever.wait(300)
            yield number

    reader = ThreadReader(endless())
    taken = []
    async for item in reader:
        taken.append(item)
        if len(taken) == 10:
            reader.end()
    forever.set()
    assert list(range(1, 11)) == taken
