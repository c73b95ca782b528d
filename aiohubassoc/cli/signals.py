"""Ctrl-C and SIGTERM: the first ends the run in good order, the second at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Interruption:
    """
    Whether and by what the run was interrupted.

    Attributes:
        signal: The signal's number; None while there was none.
    """

    signal: int | None = None


@contextlib.contextmanager
def interruptible(on_first: Callable[[], None]) -> Iterator[Interruption]:
    """Call *on_first* at the first signal inside the block; a second one ends the process."""
    interruption = Interruption()
    loop = asyncio.get_running_loop()

    def heard(number: int) -> None:
        if interruption.signal is not None:
            os._exit(128 + number)  # at once: no draining, no summary
        interruption.signal = number
        on_first()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        try:
            loop.add_signal_handler(number, heard, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda got, _: loop.call_soon_threadsafe(heard, got))
    try:
        yield interruption
    finally:
        for number in numbers:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, before[number])
