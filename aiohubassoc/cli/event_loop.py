"""Which event loop a command runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc.errors import OptionsError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


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
