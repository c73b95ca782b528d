"""The mutants: what is changed, and that a change that no test notices is said."""

from __future__ import annotations

import ast
from pathlib import Path

import mutants
import pytest

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
    source = (mutants.ROOT / "aiohubassoc" / name).read_bytes()
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
