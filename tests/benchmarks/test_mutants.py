"""The mutants: what is changed, and that a change that no test notices is said."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING

import mutants
import pytest
from mutant_tests import code_key, replaced_codes

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
ONLY_SCRIPTS = shutil.ignore_patterns("results", "peers", "__pycache__")
# With 8 that no test sees, a loop that never ends if it is changed, and a line without a test.
ONE = """MANY = 7
MORE = 8


def count(limit):
    found = 0
    while found < limit: found += 1
    return found


def unknown():
    return 0
"""
TEST_ONE = """from aiohubassoc._quota.one import MANY, count


def test_one():
    assert MANY == 7
    assert [0, 3] == [count(0), count(3)]
"""
MODULE = Path("aiohubassoc/_quota/one.py")


def changed(source: str) -> list[str]:
    """Return the source of each mutant."""
    code = source.encode()
    return [one.applied(code).decode() for one in mutants.mutants_of(MODULE, code)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", ["x = (a <= b)"]),
        ("x = a not in b", ["x = (a in b)"]),
        ("x = a + b", ["x = (a - b)"]),
        ("x = a and b", ["x = (a or b)"]),
        ("x = not a", ["x = (a)"]),
        ("x = True", ["x = False"]),
        ("x = 7", ["x = 8"]),
        ("x = min(a, b)", ["x = max(a, b)"]),
        ("def f():\n    return a", ["def f():\n    return None"]),
        ("if a:\n    b", ["if (not a):\n    b"]),
        ("é = 'é', 1", ["é = 'é', 2"]),
    ],
)
def test_each_kind_of_change(source: str, expected: list[str]) -> None:
    """One change each."""
    assert changed(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "x: Literal[1]",
        "def f(a: Literal[1]) -> Literal[2]: ...",
        "@attrs.define(eq=False)\nclass A: ...",
        "if TYPE_CHECKING:\n    X = 1",
        "'''A text.'''",
        "def f():\n    return None",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    """What only type checkers read, and texts."""
    assert changed(source) == []


@pytest.mark.parametrize("name", ["_quota/pacer.py", "_batching/batch.py", "_protocol/headers.py"])
def test_every_mutant_of_a_module_is_python(name: str) -> None:
    """And differs from it."""
    source = (ROOT / "aiohubassoc" / name).read_bytes()
    same = ast.dump(ast.parse(source))
    for one in mutants.mutants_of(Path(name), source):
        assert ast.dump(ast.parse(one.applied(source))) != same, one


def test_a_sample_has_its_share_of_each_module() -> None:
    """The same one for the same seed."""
    sources = {"a": b"x = 1\n" * 90, "b": b"x = 1\n" * 10}
    every = [
        one for name, source in sources.items() for one in mutants.mutants_of(Path(name), source)
    ]
    drawn = mutants.drawn(every, 20, seed=3)
    assert [str(one.path) for one in drawn].count("a") == 18
    assert len(drawn) == 20
    assert mutants.drawn(every, 20, seed=3) == drawn
    assert mutants.drawn(every, 20, seed=4) != drawn
    assert sorted(map(str, mutants.drawn(every, None, seed=1))) == sorted(map(str, every))


def _replaced(before: str, after: str) -> set[str] | None:
    codes = [compile(source, "one.py", "exec") for source in (before, after)]
    replaced = replaced_codes(*codes)
    return None if replaced is None else {key[0] for key in replaced}


@pytest.mark.parametrize(
    ("before", "after", "functions"),
    [
        ("def f():\n    return 1", "def f():\n    return 2", {"f"}),
        ("class A:\n    def f(self):\n        return 1", "class A:\n    def f(self): 2", {"A.f"}),
        ("def f(a):\n    return [a for b in a]", "def f(a): return [b for b in a]", None),
        ("f = lambda a: a + 1", "f = lambda a: a - 1", {"<lambda>"}),
        ("X = 1", "X = 2", None),
        ("def f(a=1): ...", "def f(a=2): ...", None),
        ("class A:\n    x = 1", "class A:\n    x = 2", None),
        ("X = [a + 1 for a in ()]", "X = [a - 1 for a in ()]", None),
        ("def f(a):\n    return lambda: a", "def f(a):\n    return None", None),
    ],
)
def test_what_is_changed_in_place(before: str, after: str, functions: set[str] | None) -> None:
    """The inside of functions, unless it was run when the module was imported."""
    assert _replaced(before, after) == functions


def test_a_function_gets_its_changed_code() -> None:
    """And is found by the code that it had."""
    names: dict[str, Callable[[int], int]] = {}
    source = "def f(a):\n    return a + 1\n"
    before, after = (compile(text, "one.py", "exec") for text in (source, source.replace("+", "-")))
    exec(before, names)  # noqa: S102 -- a function of two lines
    replaced = replaced_codes(before, after)
    assert replaced is not None
    function = names["f"]
    assert isinstance(function, FunctionType)
    function.__code__ = replaced[code_key(function.__code__)]
    assert function(1) == 0


@pytest.mark.looptime(False)
@pytest.mark.timeout(600)
def test_what_no_test_notices_is_said(tmp_path: Path) -> None:
    """A constant, a condition in place, one that never ends, and one that no test comes to."""
    home = tmp_path / "project"
    (home / "aiohubassoc" / "_quota").mkdir(parents=True)
    (home / "tests" / "quota").mkdir(parents=True)
    (home / "aiohubassoc" / "_quota" / "__init__.py").write_text("")
    for name in ("__init__.py", "_pytest_plugin.py"):  # pytest loads it wherever it is installed
        (home / "aiohubassoc" / name).write_text("")
    (home / "aiohubassoc" / "_quota" / "one.py").write_text(ONE)
    (home / "tests" / "quota" / "test_one.py").write_text(TEST_ONE)
    (home / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    shutil.copytree(ROOT / "benchmarks", home / "benchmarks", ignore=ONLY_SCRIPTS)
    done = subprocess.run(
        [sys.executable, "benchmarks/mutants.py", "--only", "_quota"],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    survived = {line for line in done.stdout.splitlines() if line.startswith("survived")}
    assert survived == {
        "survived  aiohubassoc/_quota/one.py:2: constant: 8 -> 9",
        "survived  aiohubassoc/_quota/one.py:12: return: 0 -> None",
        "survived  aiohubassoc/_quota/one.py:12: constant: 0 -> 1",
    }, done.stdout
