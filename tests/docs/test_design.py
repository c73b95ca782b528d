"""The design page shows the package as it is; pictures are as their scripts draw them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "design.md").read_text(encoding="utf-8")


def _tree() -> set[str]:
    """Return the paths of the modules that the page's tree lists."""
    lines = PAGE.partition("```text\naiohubassoc/\n")[2].partition("```")[0].splitlines()
    found, folder = set(), ""
    for line in lines:
        name = line.split()[0]
        depth = len(line) - len(line.lstrip())
        if name.endswith("/"):
            folder = name
        elif depth > 2:
            found.add(folder + name)
        else:
            found.add(name)
    return found


def test_the_tree_has_every_module_that_links() -> None:
    """After adding a module, run benchmarks/draw_design.py."""
    package = ROOT / "aiohubassoc"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    listed = folders - {"files", "html_report", "cli", "testing", "simulator"}
    expected = {path.name for path in package.glob("*.py") if path.name != "__init__.py"}
    for folder in listed:
        modules = (package / folder).glob("*.py")
        expected |= {f"{folder}/{path.name}" for path in modules if path.name != "__init__.py"}
    assert _tree() == expected


def test_the_modules_that_the_page_names_exist() -> None:
    """In the package, or from the root."""
    named = set(re.findall(r"`([\w/]+/\w+\.py)`", PAGE))
    assert len(named) > 20
    folders = (ROOT, ROOT / "aiohubassoc")
    assert [name for name in named if not any((one / name).is_file() for one in folders)] == []


@pytest.mark.parametrize("picture", ["design", "at_the_quota"])
def test_pictures_are_as_their_script_draws_them(
    picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are not edited by hand."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    script = __import__(f"draw_{picture}")
    try:
        assert script.PICTURE.read_text(encoding="utf-8") == script.make_picture()
    finally:
        del sys.modules[script.__name__]


def test_the_table_of_imports_is_that_of_the_test() -> None:
    """Which library may be imported where."""
    source = (ROOT / "tests" / "test_imports.py").read_text(encoding="utf-8")
    doors = next(
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOORS"
    )
    table = PAGE.partition("| library | may be imported by |")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[2:]]
    shown = {name: cell for names, cell in rows for name in re.findall(r"\w+", names)}
    for library, modules in doors.items():
        for module in modules:
            assert f"`{module.replace('.', '/')}" in shown[library]


def test_the_layers_are_those_of_the_contract() -> None:
    """In their order."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = pyproject["tool"]["importlinter"]["contracts"][0]
    layers = [{name.strip() for name in layer.split("|")} for layer in contract["layers"]]
    line = next(line for line in PAGE.splitlines() if "` → `" in line)
    shown = [set(re.findall(r"`(\w+)`", part)) for part in line.split("→")]
    assert shown == [layer for layer in layers if layer != {"__main__"}]
