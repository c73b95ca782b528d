"""
Fills the template of a page.

Values from outside (HubSpot, files, names) are always text, never markup, and what is invisible in
them is shown as escapes.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
import unicodedata
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import OptionsError, install_command
from aiohubassoc.html_report.charts import draw_calls, draw_pairs

if TYPE_CHECKING:
    from jinja2 import Environment

    from aiohubassoc.html_report.contents import Contents, ReadBack
    from aiohubassoc.models import Status

_TEMPLATES: Final = "templates"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MOST_LETTERS: Final = 600
# Invisible characters: controls, formats (which can reverse the order of text), surrogates, private
# use, unassigned, line and paragraph ends. The two joiners are part of words and of emoji.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS: Final = frozenset("\u200c\u200d")
_MARKS: Final = frozenset({"Mn", "Me"})
# No script stacks more marks on a letter; more of them would cover the lines above and below.
_MOST_MARKS: Final = 4
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BMP: Final = 0xFFFF
_MOST_ESCAPE: Final = 10  # letters


def check_installed() -> None:
    """Raise OptionsError if jinja2, with which reports are made, is not installed."""
    try:
        import jinja2  # noqa: F401, PLC0415 -- whether it is there
    except ImportError:
        raise OptionsError(
            f"a report needs jinja2: install it with {install_command('report')}"
        ) from None


def render(contents: Contents) -> str:
    """Return the page as HTML. It loads nothing, and its content policy forbids loading."""
    statistics = contents.statistics
    return _fill(
        "report.html.j2",
        contents=contents,
        outcomes=contents.outcomes,
        statistics=statistics,
        pairs_chart=None if statistics is None else draw_pairs(statistics),
        calls_chart=None if statistics is None else draw_calls(statistics),
    )


def render_read_back(contents: ReadBack) -> str:
    """Return the page of links that were read back, as `render` does."""
    return _fill("read_back.html.j2", contents=contents)


def _fill(template: str, **values: object) -> str:
    check_installed()
    environment = _make_environment()
    style = _read("report.css")
    page = environment.get_template(template).render(
        **values, style=environment.filters["trusted"](style), style_hash=_hash(style)
    )
    return page + "\n"


def _make_environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415
    from markupsafe import Markup, escape  # noqa: PLC0415

    def finalize(value: object) -> object:
        # Jinja calls this for every value that a template prints, so no filter can be forgotten.
        return make_visible(value, None) if type(value) is str else value

    def outside(value: str, most: int = _MOST_LETTERS) -> Markup:
        # Set apart: what it holds does not turn the text around it.
        return Markup("<bdi>") + escape(make_visible(value, most)) + Markup("</bdi>")

    environment = Environment(
        loader=FunctionLoader(_read),  # also from a zip archive
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "outside": outside,
        "trusted": Markup,  # only for the style sheet of the package
        "number": _number,
        "decimal": _decimal,
        "percent": _percent,
        "duration": _duration,
        "when": _when,
        "advice": lambda group: advise(group.status, group.category),
    }
    return environment


def _read(name: str) -> str:
    return (files(__package__) / _TEMPLATES / name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _decimal(value: float) -> str:
    """Return a number with as many digits as it needs."""
    if value >= 100 or value == int(value):  # noqa: PLR2004 -- three digits are enough
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _percent(share: float) -> str:
    """Return a share in percent; 0 % and 100 % only where it is just that."""
    percent = share * 100
    if percent in {0, 100}:
        return f"{percent:.0f} %"
    return f"{min(99.9, max(0.1, percent)):.1f} %"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:,.0f} ms" if seconds else "0 s"
    if seconds < _MINUTE:
        return f"{_decimal(round(seconds, 1))} s"
    for unit, name, smaller, smaller_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if seconds >= unit:
            whole, rest = divmod(round(seconds / smaller), unit // smaller)
            return f"{whole:,} {name}" + (f" {rest} {smaller_name}" if rest else "")
    raise AssertionError  # pragma: no cover -- a minute or more


def _when(instant: datetime | float) -> str:
    """Return an instant, aware or in Unix time (ms), in this machine's time zone."""
    if not isinstance(instant, datetime):
        instant = datetime.fromtimestamp(instant / 1000, UTC)
    local = instant.astimezone()
    offset = local.strftime("%z")
    zone = "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{local:%Y-%m-%d %H:%M:%S} {zone}"


def advise(status: Status, category: str) -> str:
    """Return what to do about pairs of *status* and *category*, in a sentence or two."""
    advice = _read_advice()
    if category in advice["by_category"]:
        return advice["by_category"][category]
    for beginning, sentence in advice["by_beginning"].items():
        if category.startswith(beginning):
            return sentence
    return advice["by_status"][status]


@cache
def _read_advice() -> dict[str, dict[str, str]]:
    return tomllib.loads((files(__package__) / "advice.toml").read_text("utf-8"))


# --- text from outside --------------------------------------------------------------------------


def make_visible(text: str, most: int | None = _MOST_LETTERS) -> str:
    """
    Return *text* with invisible characters as escapes.

    A text of more than *most* characters (None: no maximum) is cut off, followed by its length.
    """
    most = len(text) * _MOST_ESCAPE if most is None else most
    if text.isascii() and text.isprintable():
        shown, is_cut = text[:most], len(text) > most
    else:
        shown, is_cut = _escape_all(text, most)
    return f"{shown} … ({len(text):,} letters)" if is_cut else shown


def _escape_all(text: str, most: int) -> tuple[str, bool]:
    """Return the beginning of *text*, escaped, and whether that is not all of it."""
    shown: list[str] = []
    length = marks = 0
    for letter in text:
        category = unicodedata.category(letter)
        marks = marks + 1 if category in _MARKS else 0
        is_hidden = category in _INVISIBLE and letter not in _JOINERS
        piece = _escape(letter) if is_hidden or marks > _MOST_MARKS else letter
        length += len(piece)
        if length > most:
            return "".join(shown), True
        shown.append(piece)
    return "".join(shown), False


def _escape(letter: str) -> str:
    code = ord(letter)
    return _SHORT.get(letter) or (f"\\u{code:04x}" if code <= _BMP else f"\\U{code:08x}")
