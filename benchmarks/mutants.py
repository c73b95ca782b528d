"""
What the tests of the rules notice: one change to their code at a time, and the tests again.

A mutant is the package with one comparison, operator, constant, condition, or returned value
changed. It runs the tests of its own folder that come to it, until one fails. A mutant that no test
notices has survived: a missing test, or code that does nothing. How that is fast enough for all of
them: `mutant_tests.py`.

Left alone are the sizes of parts in which long work is done: any size gives the same result.

A sample is drawn by the seed, the same share of each module, so that a part of an hour says
something of all of them. Without ``--sample`` every mutant runs until the minutes are over.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import resource
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import filterfalse
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import attrs
from mutant_tests import ROOT, BrokenTestsError, import_libraries, nurse, passes_when_imported
from report import RESULTS, conclude, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FOLDERS: Final = ("_protocol", "_batching", "_quota")
_MOST_SURVIVORS: Final = 0.03
_SIZES_OF_PARTS: Final = re.compile(
    r"_AT_ONCE\Z|(?:_LONG|_PART|_PIECE|\bWHOLE)_BYTES\Z|_LONGEST_PIECE\Z"
)

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
_WITH_BLOCKS: Final = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.AsyncFor),
    *(ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match),
)
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
        statement: The lines of the statement around it, of one with a block up to the change.
    """

    path: Path
    start: int
    end: int
    text: str
    line: int
    kind: str
    before: str
    statement: range

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
    for statement, node, kind, text in _changes(ast.parse(source)):
        if node.end_lineno is None or node.end_col_offset is None:
            continue
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        before = source[start:end].decode()
        last = node if isinstance(statement, _WITH_BLOCKS) else statement
        around = range(statement.lineno, (last.end_lineno or node.lineno) + 1)
        found.append(Mutant(path, start, end, text, node.lineno, kind, before, around))
    return found


def _changes(tree: ast.Module) -> Iterator[tuple[ast.stmt, ast.expr, str, str]]:
    for part in filterfalse(_for_type_checkers, tree.body):
        for statement, node in _code(part, part):
            for change in _changes_of(node):
                yield statement, *change


def _changes_of(node: ast.AST) -> Iterator[tuple[ast.expr, str, str]]:
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


def _code(node: ast.AST, statement: ast.stmt) -> Iterator[tuple[ast.stmt, ast.AST]]:
    """
    Yield what runs, each with its statement.

    Left out are annotations, decorators, what only a type checker reads, and sizes of parts.
    """
    if isinstance(node, ast.AnnAssign) and _SIZES_OF_PARTS.search(ast.unparse(node.target)):
        return
    if isinstance(node, ast.Compare | ast.BinOp) and any(
        isinstance(one, ast.Name) and _SIZES_OF_PARTS.search(one.id) for one in ast.walk(node)
    ):
        return
    statement = node if isinstance(node, ast.stmt) else statement
    yield statement, node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _for_type_checkers(child):
                yield from _code(child, statement)


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


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=FOLDERS, metavar="FOLDER_OR_MODULE")
    parser.add_argument("--sample", type=int, help="how many; without it, all")
    parser.add_argument("--again", action="store_true", help="those that survived the last time")
    parser.add_argument("--seed", type=int, default=1, help="of the sample and its order")
    parser.add_argument("--minutes", type=float, default=240.0, help="no new mutant after these")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at the same time")
    parser.add_argument("--most", type=float, default=_MOST_SURVIVORS, help="share that survives")
    options = parser.parse_args()
    paths = [
        path.relative_to(ROOT)
        for folder in FOLDERS
        for path in sorted((ROOT / "aiohubassoc" / folder).glob("*.py"))
        if folder in options.only or path.stem in options.only
    ]
    everything = [one for path in paths for one in mutants_of(path, (ROOT / path).read_bytes())]
    if options.again:
        last = json.loads((RESULTS / "mutants.json").read_text(encoding="utf-8"))["rows"]
        survivors = {row.get("survivor") for row in last}
        everything = [one for one in everything if str(one) in survivors]
    waiting = drawn(everything, options.sample, options.seed)
    print(f"{len(everything)} mutants in {len(paths)} modules; {len(waiting)} drawn", flush=True)
    try:
        verdicts = judge(waiting, options.jobs, monotonic() + 60 * options.minutes)
    except BrokenTestsError as error:
        print(f"the tests fail without a mutant:\n{error}", file=sys.stderr)
        return 2
    rows = [
        {
            "module": str(path),
            "mutants": ran.total(),
            "killed": ran[True],
            "survived": ran[False],
        }
        for path in paths
        if (ran := Counter(killed for one, killed in verdicts if one.path == path))
    ]
    if not rows:
        print("no mutant ran: more --minutes are needed", file=sys.stderr)
        return 2
    print_table(rows)
    survived = sorted(str(one) for one, killed in verdicts if not killed)
    share = len(survived) / len(verdicts)
    print(f"{len(verdicts)} ran, {len(waiting) - len(verdicts)} did not: {share:.1%} survived")
    listed = [{"survivor": one} for one in survived]
    claim = f"at most {options.most:.0%} of the mutants survive"
    return conclude("mutants", [*rows, *listed], {claim: share <= options.most})


def judge(mutants: Sequence[Mutant], jobs: int, until: float) -> list[tuple[Mutant, bool]]:
    """
    Return each mutant that ran with whether a test noticed it.

    One whose code was changed in place, and that survived, is imported as well: what was computed
    from it while the package was imported may tell.

    Raises:
        BrokenTestsError: the tests fail without a mutant.
    """
    import_libraries()
    verdicts: list[tuple[Mutant, bool]] = []

    def note(mutant: Mutant, *, killed: bool) -> None:
        verdicts.append((mutant, killed))
        if not len(verdicts) % 100:
            print(f"{len(verdicts)} of {len(mutants)}", flush=True)
        if not killed:
            print(f"survived  {mutant}", flush=True)

    with tempfile.TemporaryDirectory() as home:
        scratch = Path(home)
        to_import: list[Mutant] = []
        for folder in sorted({one.path.parent.name for one in mutants}):
            of_folder = [one for one in mutants if one.path.parent.name == folder]
            tests = f"tests/{folder.removeprefix('_')}"
            began = monotonic()
            for index, killed in nurse(of_folder, [tests], jobs=jobs, until=until, scratch=scratch):
                if killed:
                    note(of_folder[index], killed=True)
                else:
                    to_import.append(of_folder[index])
            print(f"{folder}: {monotonic() - began:.0f} s", flush=True)
        print(f"{len(to_import)} of them are to be imported", flush=True)
        needed = cpu_when_imported(to_import, scratch)

        def work(mutant: Mutant) -> None:
            if monotonic() < until:
                tests, seconds = tests_of(mutant), needed[mutant.path.parent]
                note(mutant, killed=not passes_when_imported(mutant, tests, scratch, seconds))

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(work, to_import))
    return verdicts


def cpu_when_imported(mutants: Sequence[Mutant], scratch: Path) -> dict[Path, float]:
    """
    Return the CPU seconds that the tests of each folder take without a change.

    Raises:
        BrokenTestsError: they fail.
    """
    needed = {}
    for one in {one.path.parent: one for one in mutants}.values():
        same, before = attrs.evolve(one, text=one.before), _cpu_of_forks()
        if not passes_when_imported(same, tests_of(same), scratch, 600.0):
            raise BrokenTestsError(f"those of {one.path.parent}, when it is imported")
        needed[one.path.parent] = _cpu_of_forks() - before
    return needed


def _cpu_of_forks() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tests_of(mutant: Mutant) -> list[list[str]]:
    """Return the tests of its module, which most mutants fail, and the others of its folder."""
    folder = Path("tests") / mutant.path.parent.name.removeprefix("_")
    own = folder / f"test_{mutant.path.stem}.py"
    if (ROOT / own).exists():
        return [[str(own)], [str(folder), f"--ignore={own}"]]
    return [[str(folder)]]


if __name__ == "__main__":
    sys.exit(main())
