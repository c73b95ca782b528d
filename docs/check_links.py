"""
Checks the links inside the documentation: every page, picture and anchor that is named is there.

    python docs/check_links.py

It reads the built site in docs/_build/html, and the Markdown files beside it that stay in the
repository (README.md, CONTRIBUTING.md ...). Nothing is asked of the network. `make docs` runs it.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

ROOT: Final = Path(__file__).parents[1]
SITE: Final = ROOT / "docs" / "_build" / "html"
_MARKDOWN_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")


class _Page(HTMLParser):
    """The anchors of a page, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what is an anchor or a link."""
        for name, value in attrs:
            if not value:
                continue
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value)
            elif name in {"href", "src"}:
                self.links.append(value)


def find_dead_links(site: Path) -> list[str]:
    """Return the links of a built site that lead nowhere, as ``page: link``."""
    pages = {
        path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")
    }
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file() or (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].anchors
            ):
                dead.append(f"{path.relative_to(site.resolve())}: {link}")
    return sorted(set(dead))


def find_dead_files(root: Path) -> list[str]:
    """Return the links between files of the repository that lead nowhere, as ``file: link``."""
    dead = []
    for path in sorted([*root.glob("*.md"), *root.glob(".github/**/*.md")]):
        for match in _MARKDOWN_LINK.finditer(path.read_text(encoding="utf-8")):
            link = urlsplit(match[1] or match[2])
            if link.scheme or link.netloc or not link.path:
                continue
            if not (path.parent / unquote(link.path)).exists():
                dead.append(f"{path.relative_to(root)}: {link.geturl()}")
    return dead


def main() -> int:
    """Print the dead links; return 1 if there is one."""
    if not (SITE / "index.html").is_file():
        sys.stderr.write(f"{SITE} has no site: run make docs\n")
        return 1
    dead = [*find_dead_links(SITE), *find_dead_files(ROOT)]
    for line in dead:
        sys.stderr.write(f"dead link: {line}\n")
    return bool(dead)


if __name__ == "__main__":
    sys.exit(main())
