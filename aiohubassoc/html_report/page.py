"""Fills the template of a page; values from outside are always text, never markup."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from aiohubassoc.errors import OptionsError, install_command
from aiohubassoc.html_report.charts import draw_calls, draw_pairs
from aiohubassoc.html_report.outside_text import MOST_LETTERS, make_visible

if TYPE_CHECKING:
    from jinja2 import Environment

    from aiohubassoc.html_report.contents import Contents, ReadBack

_TEMPLATES: Final = "templates"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def check_installed() -> None:
    """
    Return if reports can be made.

    Raises:
        OptionsError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401, PLC0415 -- whether it is there
    except ImportError:
        raise OptionsError(
            f"a report needs jinja2: install it with {install_command('report')}"
        ) from None


def render(contents: Contents) -> str:
    """
    Return the page as HTML. It loads nothing, and its content policy forbids loading.

    Raises:
        OptionsError: jinja2 is not installed.
    """
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
    """
    Return the page of links that were read back, as `render` does.

    Raises:
        OptionsError: jinja2 is not installed.
    """
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
    from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound  # noqa: PLC0415
    from markupsafe import Markup, escape  # noqa: PLC0415

    class Loader(BaseLoader):
        """Loads the package's templates, also from a zip archive."""

        def get_source(self, environment: Environment, template: str) -> tuple[str, str, None]:
            del environment
            try:
                return _read(template), template, None
            except FileNotFoundError:
                raise TemplateNotFound(template) from None

    def finalize(value: object) -> object:
        # Jinja calls this for every value that a template prints, so no filter can be forgotten.
        return make_visible(value, None) if type(value) is str else value

    def outside(value: str, most: int = MOST_LETTERS) -> Markup:
        # Set apart: what it holds does not turn the text around it.
        return Markup("<bdi>") + escape(make_visible(value, most)) + Markup("</bdi>")

    environment = Environment(
        loader=Loader(),
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
