"""The event loop of a command, the signals that end its run, and what is logged meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from typing import TYPE_CHECKING

from rich.markup import escape

from aiohubassoc.cli.terminal import stderr
from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def loop_factory(*, uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """
    Return what makes the event loop; None: asyncio's own.

    Raises:
        OptionsError: uvloop is asked for and not installed.
    """
    if not uvloop:
        return None
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 -- an extra
    except ImportError:
        raise OptionsError("--uvloop: pip install 'aiohubassoc[speed]'") from None
    return new_event_loop


class _MessageHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Print a message."""
        stderr().print(f"[yellow]aiohubassoc:[/] {escape(record.getMessage())}")


@contextlib.contextmanager
def printed_warnings() -> Iterator[None]:
    """Print in the block what the library warns of."""
    logger, handler = logging.getLogger("aiohubassoc"), _MessageHandler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class Interruption:
    """
    Whether and by what the run was interrupted.

    Attributes:
        signal: The signal's number; None while there was none.
    """

    signal: int | None = None


@contextlib.contextmanager
def interruptible(on_first: Callable[[], None]) -> Iterator[Interruption]:
    """
    Call *on_first* at the first Ctrl-C or SIGTERM inside the block.

    A second signal ends the process at once.
    """
    interruption = Interruption()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if interruption.signal is not None:
            os._exit(128 + number)  # at once: no draining, no summary
        interruption.signal = number
        on_first()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        try:
            loop.add_signal_handler(number, on_signal, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda got, _: loop.call_soon_threadsafe(on_signal, got))
    try:
        yield interruption
    finally:
        for number in numbers:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, before[number])
