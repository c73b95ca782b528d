"""
Links types to where the reference documents them: under their public names.

A class says that it is of `aiohubassoc.models`; readers import it from `aiohubassoc`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohubassoc
import aiohubassoc.simulator
import aiohubassoc.testing

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

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


def _resolve(app: Sphinx, environment: BuildEnvironment, node: Element, content: Element) -> Any:  # noqa: ANN401 -- as Sphinx has it
    public = find_public_name(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or public is None:
        return None
    domain = environment.domains.python_domain
    return domain.resolve_xref(
        environment, node["refdoc"], app.builder, "obj", public, node, content
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
