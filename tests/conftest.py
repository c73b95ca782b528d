"""Fixtures and settings of all tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aioresponses.core
import looptime
import pytest
from hypothesis import HealthCheck, settings
from pytest_asyncio import is_async_test

from aiohubassoc.testing.mocked import ResponseWithWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

# The speed at which a machine draws examples is not tested.
_ANY_SPEED = (HealthCheck.too_slow,)
settings.register_profile("default", deadline=None, suppress_health_check=_ANY_SPEED)
# For "make quick": few examples of each property, always the same.
_QUICK_EXAMPLES = 5
settings.register_profile(
    "quick", settings.get_profile("default"), max_examples=_QUICK_EXAMPLES, derandomize=True
)
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
settings.load_profile(_PROFILE)
_OWN_SETTINGS = "_hypothesis_internal_use_settings"  # where @settings keeps them; not exported


_TESTS = Path(__file__).parent
# Their code is not the package's, or runs in processes. Measuring takes half to twice the time of a
# test again, most of it in the libraries that are not measured. What a random test comes to differs
# from run to run.
_NOT_MEASURED = {"benchmarks", "docs", "security", "test_repository.py"}

# In the background of a shell, or under nohup, these signals are ignored, also by each process that
# a test starts and interrupts.
for _name, _handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
    if (_number := getattr(signal, _name, None)) is not None and (
        signal.getsignal(_number) is signal.SIG_IGN
    ):
        signal.signal(_number, _handler)


class _Outside:
    """
    Who may call an event loop from outside: a socket that it watches, or another thread.

    looptime turns the loop so many times before each jump of its clock, to let them. Where there is
    nobody, that was most of the time of a test.

    Attributes:
        threads: How many there were when the test began.
    """

    threads = 1

    @classmethod
    def turns(cls, loop: Any) -> int:
        own = 1  # the socket by which threads wake it
        is_alone = len(loop._selector.get_map()) <= own and threading.active_count() <= cls.threads
        return 0 if is_alone else 42


# Not exported. Under another name in a later version the tests are slow again, and no more.
setattr(  # noqa: B010
    looptime.LoopTimeEventLoop,
    "_LoopTimeEventLoop__noop_cycles",
    property(_Outside.turns, lambda loop, given: None),
)

# For the tests that call aioresponses themselves.
setattr(aioresponses.core, "ClientResponse", ResponseWithWriter)  # noqa: B010 -- not exported


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Measure the coverage of named cases of the package only; limit the examples of a quick run.

    Profiles do not change the examples of tests with a fixed number of them.
    """
    for item in items:
        is_random = getattr(getattr(item, "function", None), "is_hypothesis_test", False)
        if is_random or not _NOT_MEASURED.isdisjoint(item.path.relative_to(_TESTS).parts):
            item.add_marker(pytest.mark.no_cover)
    if _PROFILE != "quick":
        return
    for item in items:
        law = item.function if isinstance(item, pytest.Function) else None
        own = getattr(law, _OWN_SETTINGS, None)
        if own is not None and own.max_examples > _QUICK_EXAMPLES:
            setattr(law, _OWN_SETTINGS, settings(own, max_examples=_QUICK_EXAMPLES))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """
    Close the event loop that pytest-asyncio leaves behind on Python 3.11, after each test.

    Its asking for the current loop makes one that nobody closes (pytest-dev/pytest-asyncio#724).
    With warnings as errors the ResourceWarning would fail whichever test runs when it is collected:
    after `asyncio.run` in a test nothing refers to it.
    """
    yield
    if sys.version_info >= (3, 14):
        return
    local = getattr(asyncio.get_event_loop_policy(), "_local", None)
    loop = getattr(local, "_loop", None)
    if loop is not None and not loop.is_running():
        loop.close()


@pytest.fixture(autouse=True)
def _no_task_left_behind(request: pytest.FixtureRequest) -> None:
    """Fail an async test that leaves a task running; give other tests no event loop."""
    _Outside.threads = threading.active_count()
    if not is_async_test(request.node):
        asyncio.set_event_loop(None)  # looptime asks for the current loop, which would make one
        return
    request.getfixturevalue("_tasks_end")


@pytest.fixture
async def _tasks_end() -> AsyncIterator[None]:
    _refuse_other_threads(asyncio.get_running_loop())
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left


def _refuse_other_threads(loop: asyncio.AbstractEventLoop) -> None:
    """
    Fail what schedules a callback from another thread, as asyncio's debug mode does.

    That mode also keeps where each future, task and callback was made: a turn of the loop takes
    forty times as long.
    """
    own = threading.get_ident()

    def in_own_thread(schedule: Callable[..., asyncio.Handle]) -> Callable[..., asyncio.Handle]:
        def checked(*args: Any, **options: Any) -> asyncio.Handle:
            if threading.get_ident() != own:
                raise RuntimeError("the event loop belongs to another thread")
            return schedule(*args, **options)

        return checked

    for name in ("call_soon", "call_at"):  # futures, tasks and call_later call these
        setattr(loop, name, in_own_thread(getattr(loop, name)))


async def settle() -> None:
    """Let every task run that can; no time passes."""
    for _ in range(20):
        await asyncio.sleep(0)  # noqa: TID251 -- the one place: a turn of the loop, no waiting


async def pass_time(seconds: float) -> None:
    """Let virtual time pass: the loop's clock jumps ahead when nothing is left to do."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over
