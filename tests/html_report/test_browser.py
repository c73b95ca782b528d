"""The page in a browser: its DOM, its policy, and its width on a phone. Needs Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from aiohubassoc.html_report.page import render
from tests.html_report.conftest import Page, contents, page
from tests.html_report.test_page import HOSTILE, UNSEEN

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for found in map(shutil.which, _NAMES) if found), None)

pytestmark = [
    pytest.mark.looptime(False),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]

# Measures a page in a frame as wide as a phone, and a desktop's window.
_FRAMES = """
<!DOCTYPE html><body>{frames}<script>
onload = () => {{
  const found = [...document.querySelectorAll("iframe")].map(
    one => one.contentDocument.documentElement.scrollWidth + "/" + one.clientWidth);
  document.body.replaceChildren("measured " + found.join(" "));
}};
</script>
"""


def browse(html: Path, tmp_path: Path, *options: str) -> tuple[str, str]:
    """Return the DOM that the browser makes of a page, and what it logs."""
    ran = subprocess.run(
        [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"),
            *options,
            html.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return ran.stdout.decode("utf-8"), ran.stderr.decode("utf-8", "replace")


def _save(text: str, tmp_path: Path) -> Path:
    html = tmp_path / "run.html"
    html.write_text(render(contents(text)), encoding="utf-8")
    return html


def test_hostile_text_is_text_in_the_dom(tmp_path: Path) -> None:
    """A browser makes the same elements of it as of plain words, and runs nothing."""
    text = " ".join([*HOSTILE.values(), *UNSEEN.values()])
    dom, log = browse(_save(text, tmp_path), tmp_path)
    tags = [tag for tag, _ in Page(dom).tags]
    expected = [tag for tag, _ in page("words").tags]
    assert tags == expected
    assert "<script>alert(1)" not in dom
    # What its policy forbids would be named in the log: the style sheet has the right hash.
    assert "Content Security Policy" not in log
    assert "evil.example" not in log


@pytest.mark.parametrize("text", ["words", "w" * 3_000, "\u202e" * 3_000])
def test_the_page_is_as_wide_as_the_screen(text: str, tmp_path: Path) -> None:
    """On a phone and on a desktop, however long a word is."""
    html = _save(text, tmp_path)
    frames = "".join(
        f'<iframe src="{html.name}" width="{width}" height="900"></iframe>' for width in (390, 1280)
    )
    wrapper = tmp_path / "frames.html"
    wrapper.write_text(_FRAMES.format(frames=frames), encoding="utf-8")
    dom, _ = browse(wrapper, tmp_path, "--allow-file-access-from-files")
    measured = re.search(r"measured (\d+)/(\d+) (\d+)/(\d+)", dom)
    assert measured is not None
    phone, phone_screen, desktop, desktop_screen = map(int, measured.groups())
    assert phone <= phone_screen
    assert desktop <= desktop_screen
