"""Which modules may import which library, and which may start the simulator."""

from __future__ import annotations

import ast
import typing
from pathlib import Path

import grimp
import pytest

import aiohubassoc

# For each library, the modules or packages that may import it.
DOORS = {
    "aiohttp": {
        "_http.connections",
        "_http.failures",
        "_http.lent_session",
        "_http.network_options",
        "_http.own_session",
        "_http.transport",
        "simulator",
        "testing.mocked",
    },
    "aioresponses": {"testing.mocked"},
    "tenacity": {"_http.retry_loop"},
    "cattrs": {"_protocol.codec", "cli.run_folder"},
    "orjson": {"_protocol.codec", "_protocol.reply_codec", "shared_quota.snapshot"},
    "psycopg": {"shared_quota.postgres_store", "fleet"},
    "procrastinate": {"fleet"},
    "pyarrow": {"_run.dataframes", "files.parquet_reader", "files.results"},
    "opentelemetry": {"otel"},
    "backports": {"files.byte_source"},
    "compression": {"files.byte_source"},
    "cyclopts": {"cli"},
    "rich": {"cli"},
    "jinja2": {"html_report.page"},
    "markupsafe": {"html_report.page"},
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Return the graph of imports."""
    return grimp.build_graph(
        "aiohubassoc", include_external_packages=True, exclude_type_checking_imports=True
    )


def _importers(graph: grimp.ImportGraph, module: str) -> set[str]:
    found = graph.find_modules_that_directly_import(module)
    return {one.removeprefix("aiohubassoc.") for one in found if one.startswith("aiohubassoc.")}


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_library_is_imported_only_where_allowed(graph: grimp.ImportGraph, library: str) -> None:
    """Other modules use the library only through these."""
    importers = _importers(graph, library) if library in graph.modules else set()
    for importer in importers:
        assert any(importer == door or importer.startswith(f"{door}.") for door in DOORS[library])
    if library != "compression":  # Python 3.14's
        assert importers


def test_the_simulator_shares_no_code_with_the_client(graph: grimp.ImportGraph) -> None:
    """The simulator imports nothing of the client; only the command and the tests start it."""
    inside = {"aiohubassoc.simulator", *graph.find_descendants("aiohubassoc.simulator")}
    for module in inside:
        imported = graph.find_modules_directly_imported_by(module)
        assert not {one for one in imported - inside if one.startswith("aiohubassoc")}
        outside = graph.find_modules_that_directly_import(module) - inside
        for one in outside:
            assert one.startswith(
                ("aiohubassoc.cli.", "aiohubassoc.testing", "aiohubassoc._pytest")
            )


def test_no_type_name_twice(graph: grimp.ImportGraph) -> None:
    """Each class name exists once in the package, and does not repeat a name of typing."""
    homes: dict[str, list[str]] = {}
    for module in graph.modules:
        if module.startswith("aiohubassoc"):
            for name in _types(module):
                homes.setdefault(name, []).append(module)
    assert not {*homes} & {*typing.__all__}
    assert not {name: found for name, found in homes.items() if len(found) > 1}


def _types(module: str) -> list[str]:
    """Return the names of the classes and type aliases of a module, without underscores."""
    path = Path(aiohubassoc.__file__).parent.parent.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    names += [
        ast.unparse(node.target)
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias"
    ]
    return [name.lstrip("_") for name in names]
