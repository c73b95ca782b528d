"""How the documentation is built: python -m sphinx -nW docs docs/_build/html."""

import sys
from pathlib import Path

from aiohubassoc import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "aiohubassoc"
author = "The aiohubassoc authors"
copyright = "2026, the aiohubassoc authors"
version = release = __version__
_changelog = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
if _changelog.partition("\n## [Unreleased]")[2].partition("\n## [")[0].strip():
    release += "+unreleased"  # the pages show what the last version does not do

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "cyclopts.ext.sphinx",  # the reference of all options, from the program itself
    "public_names",
    "llms_txt",
    "unbroken_words",
]
exclude_patterns = ["_build", "_ext"]
html_theme = "furo"
html_title = f"aiohubassoc {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]

# Only what is typed is copied: neither prompts nor comments behind a command, nor its output.
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
copybutton_line_continuation_character = "\\"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
default_role = "code"
smartquotes_action = "qe"  # no dashes: "--verify" is an option
# Names of other projects and of our own private modules, which have no page to point to.
nitpick_ignore_regex = [("py:.*", r".*")]
