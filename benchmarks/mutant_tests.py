"""
The tests of a mutant, without the start of a process, an import or a collection for each.

Two ways, both in a child of a process that has everything else in memory:

- `Nursery` collects the tests once and measures once which of them reach which line. A mutant that
  changes the inside of a function gets its code in place, in a fork, and runs only those tests, the
  quickest first.
- `passes_when_imported` is for all others, such as constants and defaults: the package is imported
  anew in a fork, with the changed module.

A fork that uses far more CPU time or memory than its tests do without a mutant is ended; so is one
that waits for something that never comes. How long that takes by the clock does not matter.
Nothing is written but to a temporary folder.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import os
import pickle
import resource
import signal
import sys
import time
import traceback
from collections import defaultdict
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import coverage
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mutants import Mutant

ROOT: Final = Path(__file__).parents[1]
_LIBRARIES: Final = (
    *("aiohttp.web", "aioresponses", "attrs", "cattrs.cols", "hypothesis.strategies", "looptime"),
    *("orjson", "pytest_asyncio", "tenacity"),
)
_OPTIONS: Final = (
    "-q",
    "-x",
    "--assert=plain",
    "-p",
    "no:randomly",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--timeout=0",
)
_CPU_SECONDS: Final = 1.0  # more than tests need
_CPU_TIMES: Final = 5.0  # as much as tests need
_MORE_MEMORY: Final = 2 << 30
_HANGS_AFTER: Final = 30.0  # seconds without any CPU time
_LOOK_EVERY: Final = 0.005

ResultT = TypeVar("ResultT")


class BrokenTestsError(Exception):
    """The tests fail without a mutant."""


@attrs.frozen
class _Reach:
    """Which tests, by their index, reach which line, and how long each takes."""

    passed: bool
    seconds: list[float]
    lines: dict[str, dict[int, list[int]]]


def import_libraries() -> None:
    """Import what the tests need besides the package, so that no fork has to."""
    os.environ["HYPOTHESIS_PROFILE"] = "quick"  # the same few draws for each mutant
    sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
    os.chdir(ROOT)
    for name in _LIBRARIES:
        importlib.import_module(name)


def passes_when_imported(
    mutant: Mutant, tests: Sequence[Sequence[str]], scratch: Path, cpu_seconds: float
) -> bool:
    """
    Return whether all tests pass where the module is imported with the change, in forks.

    Args:
        mutant: The change.
        tests: For each fork, what pytest is to run.
        scratch: For files of the tests.
        cpu_seconds: How long a fork takes without a change.
    """
    for some in tests:

        def work(some: Sequence[str] = some) -> int:
            _allow(cpu_seconds)
            sys.meta_path.insert(0, _Finder(mutant))
            code = pytest.main([*_OPTIONS, f"--basetemp={scratch / 'tmp'}", *some])
            return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else int(code)

        if not _wait(_fork(work)):
            return False
    return True


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 -- of one module
        return self._code


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, changed."""

    def __init__(self, mutant: Mutant) -> None:
        path = ROOT / mutant.path
        self._path = str(path)
        self._name = ".".join(mutant.path.with_suffix("").parts)
        self._code = compile(mutant.applied(path.read_bytes()), path, "exec")

    def find_spec(self, name: str, path: object, target: object = None) -> Any:  # noqa: ARG002, ANN401 -- importlib's
        if name != self._name:
            return None
        loader = _Loader(name, self._path, self._code)
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


def replaced_codes(before: CodeType, after: CodeType) -> dict[CodeKey, CodeType] | None:
    """
    Return the code of each function that a change is in, by the key of the code as it was.

    None: it is not inside functions only, or gives a function other inner functions.
    """
    found: dict[CodeKey, CodeType] = {}
    return found if _compare(before, after, found, is_function=False) else None


CodeKey = tuple[Any, ...]


def code_key(code: CodeType) -> CodeKey:
    """Return what tells the code of one function of a module from that of all others."""
    return code.co_qualname, code.co_firstlineno, tuple(code.co_positions())


def _compare(
    before: CodeType, after: CodeType, found: dict[CodeKey, CodeType], *, is_function: bool
) -> bool:
    inner = [
        [const for const in code.co_consts if isinstance(const, CodeType)]
        for code in (before, after)
    ]
    if len(inner[0]) != len(inner[1]) or before.co_freevars != after.co_freevars:
        return False
    own = [
        (
            code.co_code,
            code.co_names,
            [repr(c) for c in code.co_consts if not isinstance(c, CodeType)],
        )
        for code in (before, after)
    ]
    if own[0] != own[1] and not is_function:
        return False
    if is_function:
        found[code_key(before)] = after
    return all(
        _compare(old, new, found, is_function=_is_kept(new, is_function=is_function))
        for old, new in zip(*inner, strict=True)
    )


def _is_kept(code: CodeType, *, is_function: bool) -> bool:
    """Return whether it runs later than its module, given whether what it stands in does."""
    is_class = not code.co_flags & inspect.CO_NEWLOCALS
    is_comprehension = code.co_name in {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
    return not is_class and (is_function or not is_comprehension)


class Nursery:
    """
    The tests of a folder, collected, and its mutants, one fork each.

    Args:
        mutants: Of the folder.
        jobs: Forks at the same time.
        until: No further mutant then, of the monotonic clock.
        send: Called with each mutant and whether it was killed. None: it must be imported.
    """

    def __init__(
        self,
        mutants: Sequence[Mutant],
        jobs: int,
        until: float,
        send: Callable[[Mutant, bool | None], None],
    ) -> None:
        self._mutants = mutants
        self._jobs = jobs
        self._until = until
        self._send = send
        self._has_failed = False
        self._codes: dict[Path, tuple[bytes, CodeType]] = {}
        self._functions: dict[str, list[FunctionType]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what fails."""
        self._has_failed = self._has_failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests for each mutant instead of once."""
        if session.testsfailed:
            raise BrokenTestsError("not all tests can be collected")
        items = session.items
        reach = _result(lambda: self._measure(items))
        if not reach.passed:
            raise BrokenTestsError("a test fails without a mutant")
        folders = {str(ROOT / path.parent) for path in {one.path for one in self._mutants}}
        for each in gc.get_objects():
            if isinstance(each, FunctionType):
                name = each.__code__.co_filename
                if os.path.dirname(name) in folders:  # noqa: PTH120 -- of every function there is
                    self._functions[name].append(each)
        gc.collect()
        gc.freeze()  # or each fork would copy what its collector looks at
        self._work(items, reach)
        return True

    def _measure(self, items: Sequence[pytest.Item]) -> _Reach:
        measured = coverage.Coverage(
            data_file=None,
            config_file=False,
            include=[f"{ROOT / one.path}" for one in self._mutants],
            messages=False,
        )
        seconds = []
        measured.start()
        for index, item in enumerate(items):
            measured.switch_context(str(index))
            began = time.process_time()
            self._run(item, items[index + 1] if index + 1 < len(items) else None)
            seconds.append(time.process_time() - began)
        measured.stop()
        data = measured.get_data()
        lines = {
            path: {
                line: [int(context) for context in contexts if context]
                for line, contexts in data.contexts_by_lineno(path).items()
            }
            for path in data.measured_files()
        }
        return _Reach(not self._has_failed, seconds, lines)

    def _run(self, item: pytest.Item, following: pytest.Item | None) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _work(self, items: Sequence[pytest.Item], reach: _Reach) -> None:
        running: dict[int, tuple[Mutant, _Watch]] = {}
        waiting = list(self._mutants)
        while waiting or running:
            if waiting and time.monotonic() >= self._until:
                waiting.clear()
            if waiting and len(running) < self._jobs:
                mutant = waiting.pop()
                pid = self._begin(mutant, items, reach)
                if pid is None:
                    self._send(mutant, None)
                else:
                    running[pid] = mutant, _Watch(pid)
                continue
            time.sleep(_LOOK_EVERY)
            for pid, (mutant, watch) in list(running.items()):
                status = watch.look()
                if status is not None:
                    del running[pid]
                    self._send(mutant, status != 0)

    def _begin(self, mutant: Mutant, items: Sequence[pytest.Item], reach: _Reach) -> int | None:
        """Begin a fork; None where the change is not inside functions, or no test comes there."""
        path = ROOT / mutant.path
        if mutant.path not in self._codes:
            source = path.read_bytes()
            self._codes[mutant.path] = source, compile(source, path, "exec")
        source, before = self._codes[mutant.path]
        codes = replaced_codes(before, compile(mutant.applied(source), path, "exec"))
        lines = reach.lines.get(str(path), {})
        reached = {one for line in mutant.statement for one in lines.get(line, ())}
        if codes is None or not reached:
            return None
        order = sorted(reached, key=reach.seconds.__getitem__)

        def work() -> int:
            for function in self._functions[str(path)]:
                code = codes.get(code_key(function.__code__))
                if code is not None:
                    function.__code__ = code
            for one, following in zip(order, [*order[1:], None], strict=True):
                _allow(reach.seconds[one])
                self._run(items[one], None if following is None else items[following])
                if self._has_failed:
                    return 1
            return 0

        return _fork(work)


def nurse(
    mutants: Sequence[Mutant], tests: Sequence[str], *, jobs: int, until: float, scratch: Path
) -> Iterator[tuple[int, bool | None]]:
    """
    Run the mutants of a folder, and yield the index of each with whether it was killed.

    Args:
        mutants: Of one folder.
        tests: Paths for pytest.
        jobs: How many at the same time.
        until: No further one then, of the monotonic clock.
        scratch: For files of the tests.

    Raises:
        BrokenTestsError: the tests fail without a mutant; what pytest printed is the message.
    """
    numbers = {id(mutant): index for index, mutant in enumerate(mutants)}
    reading, writing = os.pipe()
    log = scratch / "log"

    def work() -> int:
        def send(mutant: Mutant, killed: bool | None) -> None:  # noqa: FBT001 -- as it came
            verdict = "?" if killed is None else str(int(killed))
            os.write(writing, f"{numbers[id(mutant)]} {verdict}\n".encode())

        options = ["-p", "no:cov", f"--basetemp={scratch / 'tmp'}", *tests]
        return int(pytest.main([*_OPTIONS, *options], [Nursery(mutants, jobs, until, send)]))

    pid = _fork(work, is_mutant=False, log=log)
    os.close(writing)
    with open(reading, encoding="ascii") as lines:  # noqa: PTH123 -- a descriptor
        for line in lines:
            number, verdict = line.split()
            yield int(number), None if verdict == "?" else verdict == "1"
    if os.waitpid(pid, 0)[1] not in {0, int(pytest.ExitCode.NO_TESTS_COLLECTED) << 8}:
        raise BrokenTestsError(log.read_text(errors="replace"))


def _allow(cpu_seconds: float) -> None:
    """Allow this process so much more, as tests take, and end it beyond."""
    most = int(time.process_time() + _CPU_SECONDS + _CPU_TIMES * cpu_seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


def _fork(work: Callable[[], int], *, is_mutant: bool = True, log: Path | None = None) -> int:
    """Begin *work* in a fork whose exit code is what it returns, and return its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        out = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if is_mutant:
            used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            most = used * resource.getpagesize() + _MORE_MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        code = work()
    except BaseException:  # noqa: BLE001 -- nothing of it goes on beyond the fork
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int) -> bool:
    """Return whether a fork ended well, and end it if it hangs."""
    watch = _Watch(pid)
    while (status := watch.look()) is None:
        time.sleep(_LOOK_EVERY)
    return status == 0


class _Watch:
    """Looks whether a fork has ended, and ends it if it does nothing any more."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._used = ""
        self._used_at = self._looked_at = time.monotonic()

    def look(self) -> int | None:
        """Return how it ended; None: it has not."""
        ended, status = os.waitpid(self._pid, os.WNOHANG)
        if ended:
            return status
        now = time.monotonic()
        if now >= self._looked_at + 1.0:
            self._looked_at = now
            fields = Path(f"/proc/{self._pid}/stat").read_text(encoding="ascii").split()
            used = " ".join(fields[13:15])
            if used != self._used:
                self._used, self._used_at = used, now
            elif now >= self._used_at + _HANGS_AFTER:
                os.kill(self._pid, signal.SIGKILL)
        return None


def _result(work: Callable[[], ResultT]) -> ResultT:
    """Return what *work* comes to in a fork."""
    reading, writing = os.pipe()

    def send() -> int:
        with open(writing, "wb") as pipe:  # noqa: PTH123 -- a descriptor
            pickle.dump(work(), pipe)
        return 0

    pid = _fork(send, is_mutant=False)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 -- likewise
        data = pipe.read()
    os.waitpid(pid, 0)
    result: ResultT = pickle.loads(data)  # noqa: S301 -- from a fork of this process
    return result
