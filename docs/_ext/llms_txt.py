"""
Writes what programs read: `llms.txt`, the list of pages, and each page's Markdown beside its HTML.

The form is that of https://llmstxt.org (read 2026-11-28): a title, a summary, lists of links.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

from docutils import nodes
from sphinx.writers.text import TextTranslator

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.builders.text import TextBuilder

_SUMMARY_LENGTH = 200
# In a page whose text comes from the program or another file: its source has none.
_GENERATED = ("{eval-rst}", "{include}")


def _summarize(page: nodes.document) -> str:
    """Return the first paragraph of a page, cut at the end of a sentence if it is long."""
    for paragraph in page.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if text and not isinstance(paragraph.parent, nodes.list_item | nodes.entry):
            if len(text) > _SUMMARY_LENGTH and ". " in text:
                text = text.partition(". ")[0] + "."
            return text
    return ""


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    environment, out = app.env, Path(app.outdir)
    intro, sections = "", dict[str, list[str]]()
    for name in sorted(environment.found_docs):
        source = Path(environment.doc2path(name))
        copy = out / f"{name}.md"
        copy.parent.mkdir(parents=True, exist_ok=True)
        title = environment.titles[name].astext()
        page = environment.get_doctree(name)
        summary = _summarize(page)
        shutil.copyfile(source, copy)
        if any(one in source.read_text(encoding="utf-8") for one in _GENERATED):
            page = environment.get_and_resolve_doctree(name, app.builder)
            page.walkabout(text := TextTranslator(page, cast("TextBuilder", app.builder)))
            copy.write_text(text.body, encoding="utf-8")
        section = name.partition("/")[0] if "/" in name else "start"
        if name == app.config.root_doc:
            intro = f"# {title}\n\n> {summary}\n\nVersion {app.config.release}.\n"
        else:
            line = f"- [{title}]({name}.md)" + (f": {summary}" if summary else "")
            sections.setdefault(section, []).append(line)
    parts = [intro]
    for section in ("start", *sorted(sections.keys() - {"start"})):
        lines = "\n".join(sections[section])
        parts.append(f"## {section.replace('-', ' ').capitalize()}\n\n{lines}\n")
    (out / "llms.txt").write_text("\n".join(parts), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
