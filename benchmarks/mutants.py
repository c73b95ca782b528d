"""
What the tests of the rules notice: one change to their code at a time, and the tests again.

A mutant is a copy of the package with one comparison, operator, constant, condition, or returned
value changed. It runs the tests of its own folder, those of its module first, until one fails. A
mutant that no test notices has survived: a missing test, or code that does nothing.

A sample is drawn by the seed, the same share of each module, so that a part of an hour says
something of all of them. Without ``--sample`` every mutant runs until the minutes are over.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import attrs
from report import conclude, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[1]
FOLDERS: Final = ("_protocol", "_batching", "_quota")
_COPIED: Final = ("aiohubassoc", "tests", "benchmarks", "examples", "pyproject.toml")
_MOST_SURVIVORS: Final = 0.03

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
_CALLS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}


@attrs.frozen
class Mutant:
    """
    One change.

    Args:
        path: Of the module, below the root.
        start: Where the changed text begins, in bytes.
        end: Where it ends.
        text: What stands there instead.
        line: Counted from 1.
        kind: Of the change.
        before: The text that is changed.
    """

    path: Path
    start: int
    end: int
    text: str
    line: int
    kind: str
    before: str

    def __str__(self) -> str:
        """Return where it is and what changes."""
        before, after = (" ".join(text.split())[:70] for text in (self.before, self.text))
        return f"{self.path}:{self.line}: {self.kind}: {before} -> {after}"

    def applied(self, source: bytes) -> bytes:
        """Return the module with the change."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def mutants_of(path: Path, source: bytes) -> list[Mutant]:
    """Return every mutant of a module; annotations, decorators and texts are left alone."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found = []
    for node, kind, text in _changes(ast.parse(source)):
        if node.end_lineno is None or node.end_col_offset is None:
            continue
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        before = source[start:end].decode()
        found.append(Mutant(path, start, end, text, node.lineno, kind, before))
    return found


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr, str, str]]:
    for node in _code(tree):
        match node:
            case ast.Return(value=ast.expr() as value) if not _is_none(value):
                yield value, "return", "None"
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) if isinstance(
                test, ast.Name | ast.Attribute | ast.Call
            ):
                yield test, "condition", f"(not {ast.unparse(test)})"
            case ast.expr():
                yield from _changes_of_expression(node)
            case _:
                pass


def _changes_of_expression(node: ast.expr) -> Iterator[tuple[ast.expr, str, str]]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            for index, op in enumerate(ops):
                changed = [*ops[:index], _COMPARISONS[type(op)](), *ops[index + 1 :]]
                yield node, "comparison", _text(ast.Compare(left, changed, others))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            yield node, "operator", _text(ast.BinOp(left, _OPERATORS[type(op)](), right))
        case ast.BoolOp(op=op, values=values):
            other = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield node, "and/or", _text(ast.BoolOp(other, values))
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield node, "sign", _text(operand)
        case ast.Constant(value=bool() as value):
            yield node, "constant", str(not value)
        case ast.Constant(value=int() | float() as value):
            yield node, "constant", str(value + 1)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            yield node.func, "call", _CALLS[name]


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs: no annotation, no decorator, nothing that only a type checker reads."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _for_type_checkers(child):
                yield from _code(child)


def _for_type_checkers(node: ast.AST) -> bool:
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case _:
            return False


def drawn(mutants: Sequence[Mutant], count: int | None, seed: int) -> list[Mutant]:
    """Return *count* of them in a random order, of each module its share. None: all of them."""
    rng = random.Random(seed)
    mixed = rng.sample(list(mutants), len(mutants))
    if count is None or count >= len(mixed):
        return mixed
    by_path: dict[Path, list[Mutant]] = {}
    for one in mixed:
        by_path.setdefault(one.path, []).append(one)
    share = count / len(mixed)
    kept = [one for group in by_path.values() for one in group[: max(1, round(share * len(group)))]]
    return rng.sample(kept, len(kept))


class Workshop:
    """
    A copy of what the tests need, in which one mutant after the other stands.

    Args:
        folder: An empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # With the dates of the files: what the first run compiles holds until a file is changed.
        ignored = shutil.ignore_patterns("__pycache__", "results")
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy2(source, folder / name)

    def survives(self, mutant: Mutant, seconds: float) -> bool:
        """Return whether every test passes. A test run that takes longer than *seconds* fails."""
        path = self._folder / mutant.path
        source, times = path.read_bytes(), path.stat()
        try:
            path.write_bytes(mutant.applied(source))
            return self.passes(mutant.path, seconds, "-B")
        finally:
            path.write_bytes(source)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def passes(self, module: Path, seconds: float, *more: str) -> bool:
        """Return whether the tests of a module's folder pass in that time, its own first."""
        tests = Path("tests") / module.parent.name.removeprefix("_")
        own = tests / f"test_{module.stem}.py"
        # Apart: most mutants fail there, and need not wait until all are collected.
        if (self._folder / own).exists():
            return self._pass([own], seconds, more) and self._pass(
                [tests, f"--ignore={own}"], seconds, more
            )
        return self._pass([tests], seconds, more)

    def _pass(self, tests: Sequence[Path | str], seconds: float, more: Sequence[str]) -> bool:
        command = [sys.executable, *more, "-m", "pytest", "-q", "-x", "-p", "no:randomly"]
        command += ["-p", "no:cacheprovider", *map(str, tests)]
        try:
            done = subprocess.run(
                command,
                cwd=self._folder,
                env={
                    **os.environ,
                    "PYTHONPATH": str(self._folder),
                    "HYPOTHESIS_PROFILE": "quick",  # the same few draws for each mutant
                },
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=FOLDERS, metavar="FOLDER_OR_MODULE")
    parser.add_argument("--sample", type=int, help="how many; without it, all")
    parser.add_argument("--seed", type=int, default=1, help="of the sample and its order")
    parser.add_argument("--minutes", type=float, default=60.0, help="no new mutant after these")
    parser.add_argument("--jobs", type=int, default=1, help="mutants at the same time")
    parser.add_argument("--most", type=float, default=_MOST_SURVIVORS, help="share that survives")
    options = parser.parse_args()
    paths = [
        path.relative_to(ROOT)
        for folder in FOLDERS
        for path in sorted((ROOT / "aiohubassoc" / folder).glob("*.py"))
        if folder in options.only or path.stem in options.only
    ]
    everything = [one for path in paths for one in mutants_of(path, (ROOT / path).read_bytes())]
    waiting = drawn(everything, options.sample, options.seed)
    print(f"{len(everything)} mutants in {len(paths)} modules; {len(waiting)} drawn", flush=True)
    deadline = monotonic() + 60 * options.minutes
    killed: Counter[str] = Counter()
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory() as folder:
        seconds = {}
        shop = Workshop(_made(Path(folder) / "0"))
        for name in sorted({path.parent.name for path in paths}):
            begun = monotonic()
            if not shop.passes(Path("aiohubassoc", name, "__init__.py"), 600):
                print(f"the tests of {name} fail without a mutant", file=sys.stderr)
                return 2
            seconds[name] = 60 + 5 * (monotonic() - begun)
            print(f"the tests of {name} take {monotonic() - begun:.0f} s", flush=True)
        shops = [shop, *(Workshop(_made(Path(folder) / str(n))) for n in range(1, options.jobs))]

        def work(shop: Workshop) -> None:
            while waiting and monotonic() < deadline:
                mutant = waiting.pop()
                if shop.survives(mutant, seconds[mutant.path.parent.name]):
                    survivors.append(mutant)
                    print(f"survived  {mutant}", flush=True)
                else:
                    killed[str(mutant.path)] += 1

        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(work, shops))
    survived = Counter(str(one.path) for one in survivors)
    total = killed.total() + survived.total()
    rows = [
        {
            "module": path,
            "mutants": killed[path] + survived[path],
            "killed": killed[path],
            "survived": survived[path],
        }
        for path in sorted({*killed, *survived})
    ]
    if not rows:
        print("no mutant ran: more --minutes are needed", file=sys.stderr)
        return 2
    print_table(rows)
    print(f"{total} ran, {len(waiting)} did not: {survived.total() / total:.1%} survived")
    listed = [{"survivor": str(one)} for one in sorted(survivors, key=str)]
    claim = f"at most {options.most:.0%} of the mutants survive"
    return conclude("mutants", [*rows, *listed], {claim: survived.total() <= options.most * total})


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
