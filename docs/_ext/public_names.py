"""
Shows names as readers import them, and links types to where the reference documents them.

A class says that it is of `aiohubassoc.models`; readers import it from `aiohubassoc`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docutils import nodes

import aiohubassoc
import aiohubassoc.simulator
import aiohubassoc.testing

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

# What attrs writes for a default into the __init__ that it makes, and ours for "nothing given".
_MADE_DEFAULT = re.compile(r"attr_dict\['\w+'\]\.default|\b_[A-Z]+\b")
_PACKAGES = (aiohubassoc, aiohubassoc.simulator, aiohubassoc.testing)


def find_public_name(target: str) -> str | None:
    """Return the name under which *target* is documented; None for what is not public."""
    name = target.rpartition(".")[2]
    if target != name and not target.startswith("aiohubassoc."):
        return None
    for package in _PACKAGES:
        if name in package.__all__:
            return f"{package.__name__}.{name}"
    return None


def _resolve(
    app: Sphinx, environment: BuildEnvironment, node: nodes.Element, content: nodes.Element
) -> nodes.Element | None:
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    public = find_public_name(target)
    if public is None:
        is_ours = target.startswith("aiohubassoc.")  # such as the variable of a generic class
        return nodes.emphasis("", target.rpartition(".")[2]) if is_ours else None
    domain = environment.domains.python_domain
    return domain.resolve_xref(
        environment, node["refdoc"], app.builder, "obj", public, node, content
    )


def _draw_dashes(_app: Sphinx, document: nodes.document, _name: str) -> None:
    """Make the dash behind a parameter one; smartquotes would make one of each option too."""
    for text in list(document.findall(nodes.Text)):
        if text.astext() == " -- ":
            text.parent.replace(text, nodes.Text(" \N{EN DASH} "))


def _clean_signature(
    _app: Sphinx,
    _what: str,
    _name: str,
    _object: object,
    _options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    return signature and _MADE_DEFAULT.sub("...", signature), returned


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("missing-reference", _resolve)
    app.connect("doctree-resolved", _draw_dashes)
    app.connect("autodoc-process-signature", _clean_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
