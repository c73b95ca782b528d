"""
Keeps short words with hyphens on one line in console blocks: `--skip-linked`, `new-pairs.csv`.

Console blocks fold long lines on a narrow screen, and browsers break lines behind hyphens.
In the text a URL or path that is longer than the line of a phone may be broken behind a slash.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

_BLOCK = re.compile(r'<div class="highlight-console .*?</pre>', re.DOTALL)
# Outside tags. Longer words may be broken, or they would not fit on a phone.
_WORD = re.compile(r"(?<![\w&-])(?=[^\s<>]*-)[\w./-]{3,32}(?![\w-])(?![^<>]*>)")
# A word in the text that does not fit on a line of a phone.
_LONG = re.compile(r'<span class="pre">([^<]{37,})</span>')


def keep_words(html: str) -> str:
    """Return *html* with each such word of a console block in a `span` of the class `word`."""
    return _BLOCK.sub(
        lambda block: _WORD.sub(r'<span class="word">\g<0></span>', block[0]),
        html,
    )


def break_long_words(html: str) -> str:
    """Return *html* with each such word of the text in a `span` of the class `long`."""
    return _LONG.sub(
        lambda word: f'<span class="pre long">{word[1].replace("/", "/<wbr>")}</span>', html
    )


def _change(
    app: Sphinx, name: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    del app, name, template, doctree
    if "body" in context:
        context["body"] = break_long_words(keep_words(context["body"]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in the build."""
    app.connect("html-page-context", _change)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
