"""The site builds without warnings, has no dead links, and its tables are complete."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import aiohubassoc
import aiohubassoc.simulator
import aiohubassoc.testing
from aiohubassoc._protocol.account_replies import _TYPES, find_scopes
from aiohubassoc.cli.app import make_app

pytestmark = pytest.mark.looptime(False)

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = "\n".join(
    page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md"))
)
PICTURES = sorted(path for path in DOCS.rglob("*.svg") if "_build" not in path.parts)
PUBLIC: dict[str, list[str]] = {
    package.__name__: getattr(package, "__all__")  # noqa: B009 -- made when it is asked for
    for package in (aiohubassoc, aiohubassoc.simulator, aiohubassoc.testing)
}
# The width of a picture on a phone of 390 pixels.
PHONE = 358


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-nW", "-q", "-b", "html", str(DOCS), str(out)]
    done = subprocess.run(
        [*command, "-d", str(out / ".doctrees")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return out


def test_no_link_of_the_site_is_dead(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages, pictures and anchors; and files of the repository."""
    monkeypatch.syspath_prepend(str(DOCS))
    check = importlib.import_module("check_links")
    assert check.find_dead_links(site) == []
    assert check.find_dead_files(ROOT) == []


def test_a_dead_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the test above would prove nothing."""
    monkeypatch.syspath_prepend(str(DOCS))
    check = importlib.import_module("check_links")
    (tmp_path / "b.html").write_text('<p id="here">', encoding="utf-8")
    page = '<a href="b.html#here"><a href="b.html#gone"><a href="c.html"><img src="d.png">'
    (tmp_path / "a.html").write_text(page, encoding="utf-8")
    assert check.find_dead_links(tmp_path) == [
        "a.html: b.html#gone",
        "a.html: c.html",
        "a.html: d.png",
    ]
    (tmp_path / "README.md").write_text("[a](a.html) [gone](e.md)", encoding="utf-8")
    assert check.find_dead_files(tmp_path) == ["README.md: e.md"]


def test_every_option_of_the_program_is_on_its_page(site: Path) -> None:
    """The page is made from the program, so none can be missing."""
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    words = re.sub(r"<[^>]+>", " ", page).split()
    app = make_app()
    for command in app:
        if command.startswith("-"):
            continue
        assert f'id="aiohubassoc-{command}"' in page
        # A group of commands has no options: its commands have.
        commands = [app[command][name] for name in app[command] if not name.startswith("-")]
        for one in commands or [app[command]]:
            for argument in one.assemble_argument_collection():
                names = [name for name in argument.names if name.startswith("--")]
                assert not names or set(names) & set(words), names


def test_every_page_that_code_names_is_among_the_sources() -> None:
    """By its title in the first column."""
    page = (DOCS / "reference" / "sources.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (\[?[A-Z].*?) \|", page, re.MULTILINE)
    titles = tuple(
        title for cell in cells for title in re.sub(r"[][]|\(.*?\)", "", cell).split(", ")
    )
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in Path(aiohubassoc.__path__[0]).rglob("*.py")
    )
    named = re.findall(r"\bHubSpot, ([A-Z].{30})", re.sub(r"\s+(#\s+)?", " ", code))
    assert len(named) > len(titles)
    assert [name for name in named if not name.startswith(titles)] == []


def test_llms_txt_lists_every_page(site: Path) -> None:
    """`llms.txt` lists them, and each is there as Markdown."""
    listed = set(
        re.findall(r"\]\(([\w/-]+\.md)\)", (site / "llms.txt").read_text(encoding="utf-8"))
    )
    pages = {
        page.relative_to(DOCS).as_posix()
        for page in DOCS.rglob("*.md")
        if "_build" not in page.parts
    }
    assert listed == pages - {"index.md"}
    texts = {page: (site / page).read_text(encoding="utf-8") for page in pages}
    assert [page for page, text in texts.items() if re.search(r"{(eval-rst|include)}", text)] == []
    assert "--skip-linked" in texts["reference/commands.md"]
    assert "async link_all(" in texts["reference/client.md"]


def test_the_site_says_which_version_it_is_of(site: Path) -> None:
    """Changes that no version has yet are not of the last version; the table has each version."""
    changelog = (DOCS.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    (unreleased,) = re.findall(
        r"^## \[Unreleased\]\n(.*?)^## ", changelog, re.MULTILINE | re.DOTALL
    )
    version = aiohubassoc.__version__ + ("+unreleased" if unreleased.strip() else "")
    title = re.search("<title>(.*?)</title>", (site / "index.html").read_text(encoding="utf-8"))
    assert title is not None
    assert title[1] == f"aiohubassoc {version}"
    page = (DOCS / "reference" / "versions.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d.*?)\] - (.*)", changelog, re.MULTILINE)
    assert re.findall(r"^\| (\d\S*) \| ([\d-]+) \|", page, re.MULTILINE) == released


def test_the_copy_button_copies_only_commands(site: Path) -> None:
    """No prompt and no output."""
    script = (site / "_static" / "copybutton.js").read_text(encoding="utf-8")
    assert re.search(r"copybuttonPromptText|'\\\\\$ '|\\\\\$ ", script)
    assert "copybutton.js" in (site / "how-to" / "csv.html").read_text(encoding="utf-8")


def is_imported_so(name: str) -> bool:
    """Return whether *name* is the shortest public path."""
    package, _, last = name.rpartition(".")
    shortest = [found for found, names in PUBLIC.items() if last in names] or [package]
    return package in shortest and not any(part.startswith("_") for part in name.split("."))


def test_the_reference_shows_names_as_they_are_imported() -> None:
    """None under a private module."""
    shown = re.findall(r"^\.\. auto(?!module)\w+:: ([\w.]+)$", REFERENCE, re.MULTILINE)
    assert [name for name in shown if not is_imported_so(name)] == []
    assert len(shown) > 80


@pytest.mark.parametrize(
    "name", ["aiohubassoc.client.AssociationClient", "aiohubassoc._http.Limit"]
)
def test_private_and_longer_paths_are_found(name: str) -> None:
    """Otherwise the other tests would prove nothing."""
    assert not is_imported_so(name)


def test_no_page_of_the_reference_shows_a_private_path(site: Path) -> None:
    """Neither in a signature nor as the type of an attribute."""
    for page in (site / "reference").glob("*.html"):
        text = re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))
        shown = set(re.findall(r"aiohubassoc(?:\.\w+)*\.[A-Z]\w+", text))
        assert {name for name in shown if not is_imported_so(name)} == set()
        assert "attr_dict" not in text


def test_the_reference_has_every_public_name() -> None:
    """Each once."""
    shown = re.findall(r"^\.\. auto\w+:: ([\w.]+)$", REFERENCE, re.MULTILINE)
    for package, names in PUBLIC.items():
        for name in set(names) - {"__version__", "Fault", "serve"}:
            assert shown.count(f"{package}.{name}") == 1, name


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_pictures_fit_a_phone_and_a_dark_page(picture: Path) -> None:
    """Their letters are large enough, and their colours follow light and dark mode."""
    root = ET.parse(picture).getroot()  # noqa: S314 -- our own
    width = float(root.attrib["viewBox"].split()[2])
    text = picture.read_text(encoding="utf-8")
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:\w+ )?(\d+)px", text)]
    assert min(sizes) * PHONE / width >= 8.5
    assert "prefers-color-scheme: dark" in text


def test_the_picture_of_a_run_is_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its script runs, in a terminal, and draws what was printed."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    script = importlib.import_module("draw_terminal")
    printed = script.run_in_terminal(["--version"])
    assert printed.strip() == aiohubassoc.__version__
    picture = script.make_picture("aiohubassoc demo", f"\x1b[1;32m{printed}\x1b[0m")
    root = ET.fromstring(picture)  # noqa: S314 -- our own
    texts = [(one.text, one.get("class")) for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [
        ("$", "dim"),
        ("aiohubassoc demo", "bold"),
        (aiohubassoc.__version__, "good bold"),
    ]
    drawn = script.PICTURE.read_text(encoding="utf-8")
    assert "2,000 pairs" in drawn
    assert "Verified" in drawn


def test_the_table_of_scopes_is_that_of_the_program() -> None:
    """Row by row."""
    page = (DOCS / "reference" / "scopes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| `([\d-]+)` \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert [(name, type_id) for name, type_id, _, _ in rows] == [
        (name, type_id) for name, _, type_id in map(str.split, _TYPES.split(","))
    ]
    for name, _, write, read in rows:
        assert tuple(re.findall(r"`(.*?)`", write)) == find_scopes(name, "write")
        assert tuple(re.findall(r"`(.*?)`", read)) == find_scopes(name, "read")


COMMANDS = Path(aiohubassoc.__file__).parent / "cli"
# Wherever the program has them.
(EXIT_CODES,) = (
    [int(code) for code in importlib.import_module(f"aiohubassoc.cli.{path.stem}").ExitCode]
    for path in COMMANDS.glob("*.py")
    if "class ExitCode(" in path.read_text(encoding="utf-8")
)
TROUBLE = (DOCS / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", sorted(EXIT_CODES))
def test_every_exit_code_is_explained(code: int) -> None:
    """In the table."""
    assert re.search(rf"^\| {code} \| [^|]+ \| [^|]+ \|$", TROUBLE, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(n for n in PUBLIC["aiohubassoc"] if n.endswith("Error")))
def test_every_error_is_explained(name: str) -> None:
    """Each with what to do."""
    if name != "StandardError":  # a part of a reply
        assert f"`{name}`" in TROUBLE


@pytest.mark.parametrize(
    "message", re.findall(r'"([^"]+)"', " ".join(re.findall(r"^### (.*)$", TROUBLE, re.MULTILINE)))
)
def test_messages_that_are_explained_exist(message: str) -> None:
    """The messages exist in the program."""
    package = Path(aiohubassoc.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    shown = "\n".join(re.findall(r"^```console\n(.*?)^```", TROUBLE, re.MULTILINE | re.DOTALL))
    assert message in source or message in shown


def test_options_are_not_broken_on_a_phone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words with hyphens in console blocks, not those in tags, in other blocks, or very long."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    keep_words = importlib.import_module("unbroken_words").keep_words
    begin, end = '<div class="highlight-console notranslate"><pre>', "</pre></div>"
    long = "-".join(["word"] * 10)
    page = f'{begin}<span class="a-b">x</span> --skip-linked {long} a.csv{end}<p>--all</p>'
    kept = '<span class="word">--skip-linked</span>'
    assert keep_words(page) == page.replace("--skip-linked", kept)


def test_long_urls_are_broken_behind_a_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the text; other code stays on one line."""
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    break_long_words = importlib.import_module("unbroken_words").break_long_words
    short, long = "/".join(["word"] * 7), "/".join(["word"] * 8)
    page = f'<span class="pre">{short}</span>/{long} <span class="pre">{long}</span>'
    broken = f'<span class="pre long">{long.replace("/", "/<wbr>")}</span>'
    assert break_long_words(page) == page.replace(f'<span class="pre">{long}</span>', broken)
