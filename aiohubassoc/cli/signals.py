"""
Ctrl-C, SIGTERM and SIGHUP: a run ends in good order, anything else at once and quietly.

This is the first module that the command loads, and loads little itself, `typing` not among it: as
long as `install` was not called, a signal ends Python with a traceback.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from types import FrameType
    from typing import Any, NoReturn, TypeVar

    _T = TypeVar("_T")

# Windows has no SIGHUP.
_NUMBERS = tuple(
    signal.Signals[name]
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if name in signal.Signals.__members__
)
# What the parser takes as the value of a flag that is not set.
_FALSE = frozenset({"no", "n", "0", "false", "f"})
_raises = _has_ended = False
_received = 0


class Interrupted(KeyboardInterrupt):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def describe(number: int) -> str:
    """Return what a signal has done, for people."""
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    return f"Interrupted by {name}"


def asks_for_json(arguments: Sequence[str]) -> bool:
    options = (one.partition("=") for one in arguments)
    return any(name == "--json" and value.lower() not in _FALSE for name, _, value in options)


def install() -> None:
    """
    Have a signal end this process with a line and the exit code 128 plus its number.

    A signal that is ignored stays so: SIGHUP under ``nohup``.
    """
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


class raised:  # noqa: N801 -- a function for those who call it
    """Has the first signal raise `Interrupted` in the block, for what is to be cleaned up."""

    def __enter__(self) -> None:
        global _raises  # noqa: PLW0603 -- a process has one handler
        _raises = True

    def __exit__(self, *_: object) -> None:
        global _raises, _has_ended
        _raises, _has_ended = False, True


def _on_signal(number: int, _: FrameType | None) -> None:
    global _received  # noqa: PLW0603 -- as above
    _received += 1
    if _raises and _received == 1:
        raise Interrupted(number)
    _leave(number)


def _leave(number: int) -> NoReturn:
    """End the process. Nothing is imported or locked here: the signal may come at any moment."""
    text = describe(number)
    try:
        if _received == 1 and not _has_ended and asks_for_json(sys.argv):
            os.write(1, f'{{"error": "{text}", "exit_code": {128 + number}}}\n'.encode())
        os.write(2, f"aiohubassoc: {text}\n".encode())
    finally:  # also where they are closed
        os._exit(128 + number)


class interruptible:  # noqa: N801 -- as above
    """
    Calls *on_first* with the number of the first signal inside the block; in an event loop.

    A second signal ends the process at once.
    """

    def __init__(self, on_first: Callable[[int], None]) -> None:
        self._on_first: Callable[[int], None] | None = on_first

    def __enter__(self) -> None:
        import asyncio  # noqa: PLC0415 -- it takes long, and the handler is to be there before

        self._loop = loop = asyncio.get_running_loop()
        self._before = before = {number: signal.getsignal(number) for number in _NUMBERS}
        if before.get(_NUMBERS[-1]) is signal.SIG_IGN:
            del before[_NUMBERS[-1]]
        for number in before:
            try:
                loop.add_signal_handler(number, self._on_signal, number)
            except NotImplementedError:  # Windows
                signal.signal(
                    number, lambda got, _: loop.call_soon_threadsafe(self._on_signal, got)
                )

    def __exit__(self, *_: object) -> None:
        from contextlib import suppress  # noqa: PLC0415 -- as above

        for number, handler in self._before.items():
            with suppress(NotImplementedError):
                self._loop.remove_signal_handler(number)
            signal.signal(number, handler)

    def _on_signal(self, number: int) -> None:
        on_first, self._on_first = self._on_first, None
        if on_first is None:
            os._exit(128 + number)  # at once: no draining, no summary
        on_first(number)


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what *work* returns, run in an event loop; a signal cancels it: Interrupted."""
    import asyncio  # noqa: PLC0415 -- as above

    async def cancellable() -> _T:
        task = asyncio.create_task(work)
        received: list[int] = []

        def cancel(number: int) -> None:
            received.append(number)
            task.cancel()

        with interruptible(cancel):
            await asyncio.wait({task})
        if task.cancelled() and received:
            raise Interrupted(received[0])
        return task.result()

    return asyncio.run(cancellable())
