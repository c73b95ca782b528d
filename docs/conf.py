"""How the documentation is built: python -m sphinx -nW docs docs/_build/html."""

from aiohubassoc import __version__

project = "aiohubassoc"
author = "The aiohubassoc authors"
copyright = "2026, the aiohubassoc authors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"aiohubassoc {release}"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
default_role = "code"
# Names of other projects and of our own private modules, which have no page to point to.
nitpick_ignore_regex = [("py:.*", r".*")]
