"""
Runs the commands of the documentation and writes what they print below them.

    python docs/show_output.py              writes it into the pages
    python docs/show_output.py --check      names the pages that are out of date; exit code 1

A page takes part that has the line "% docs/show_output.py runs these commands" in it (README: as a
comment of HTML). In its blocks of ```console each line that begins with "$ aiohubassoc" is run, in
order, in a new folder with the files of `make_files`, against a simulated portal whose address is
then shown as HubSpot's. A line "..." in an output stands for lines left out. A line for a shell is
run if it begins with one of `_PROGRAMS`. Not run are blocks below a line "% not run", other lines
for a shell, commands that run until Ctrl-C, and those that need a folder of another machine: what
stands below them stays as it is.
tests/docs/test_show_output.py compares; times, dates, and ids of requests may differ.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohubassoc.cli.app import run
from aiohubassoc.simulator import PortalSettings, portal_process

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
_MARK: Final = "docs/show_output.py runs these commands"
PAGES: Final = tuple(
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "_build" not in page.parts
    and re.search(rf"^(% |<!-- ){_MARK}( -->)?$", page.read_text(encoding="utf-8"), re.MULTILINE)
)
# "% not run" above a block leaves it as it is.
_BLOCK: Final = re.compile(r"^(?<!^% not run\n)(```console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# For a shell, without an end, of another machine, or a minute of work.
_NOT_RUN: Final = re.compile(r"^(simulate|demo)\b|[|<>;]|\.\.\.|/run/|/var/|--uvloop")
# What stands for programs that a page pipes from; None for those that every system has.
_PROGRAMS: Final = {
    "printf": None,
    "aws": "printf 'from_id,to_id\\n101,201\\n102,202\\n' | gzip",
    "gcloud": "printf 'from_id,to_id\\n101,201\\n102,202\\n'",
    "pass": "echo simulated-token",
    "psql": "printf 'contact_id,company_id\\n101,201\\n102,202\\n'",
}
_PORTAL: Final = (
    (re.compile(r"Portal: http://127\.0\.0\.1:\d+"), "Portal: api.hubapi.com"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "https://api.hubapi.com"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "api.hubapi.com"),
    (re.compile(r", HUBSPOT_BASE_URL\)"), ")"),
)
_VARYING: Final = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (
        re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?( [A-Z]{3,4}|[+-]\d\d:?\d\d)?"),
        "DATE",
    ),
    (re.compile(r"\b[\d,]+\.\d+ s\b"), "SECONDS"),
    (re.compile(r"\b[\d,.]+ pairs/s"), "SPEED"),
    (
        re.compile(r"[\d,]+ of [\d,]+ responses? (were errors|was an error) \([\d.]+%\)"),
        "ERROR SHARE",
    ),
    (re.compile(r"\bprocess \d+"), "PROCESS"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "RUN"),
    (re.compile(r"(\"seconds\": )[\d.]+"), r"\1SECONDS"),
    (re.compile(r"[\d,]+ of [\d,]+ calls left"), "CALLS LEFT"),
)
# This Python's aiohubassoc in a shell.
_SHELL_COMMAND: Final = (
    f"aiohubassoc() {{ PYTHONPATH={shlex.quote(str(ROOT))} "
    f'{shlex.quote(sys.executable)} -W ignore -m aiohubassoc "$@"; }}'
)
# A portal that lets commands be quick, with the records 1 to 1,000 of every type.
_USUAL: Final = PortalSettings(quota_limit=2000, quota_window=10.0, records_up_to=1000, seed=3)
# What a page shows that the usual portal does not do.
_PORTALS: Final = {
    **dict.fromkeys(
        ("README.md", "first-run.md"), PortalSettings(daily_limit=625_000, records_up_to=1000)
    ),
    "check.md": PortalSettings(
        scopes=(
            "crm.objects.contacts.write",
            "crm.objects.contacts.read",
            "crm.objects.companies.read",
        ),
    ),
}


def make_files(folder: Path) -> None:
    """Write the files that the pages name; one pair names a company that does not exist."""
    rows = [f"{number},{number % 40 + 201}" for number in range(101, 251)]
    rows[7] = "108,99999"
    (folder / "pairs.csv").write_text("\n".join(["from_id,to_id", *rows, ""]), encoding="utf-8")
    (folder / "export.csv").write_text(
        "Deal ID,Contact ID,Stage\n301,101,won\n302,102,open\n", encoding="utf-8"
    )
    (folder / "hubspot-export.csv").write_text(
        "Record ID,First Name,Associated Company IDs\n"
        "101,Ann,201\n102,Bo,201;202\n103,Cy,\n104,Di,203\n",
        encoding="utf-8",
    )
    (folder / "deals.csv").write_text(
        "Record ID,Deal Name,Associated Contact IDs,Associated Company IDs\n"
        "301,Ten chairs,101,201\n302,A desk,102,202\n",
        encoding="utf-8",
    )
    (folder / "contacts.csv").write_text(
        "Record ID,First Name,Email,Contact owner,Company Name\n"
        "101,Ann,ann@example.com,Lee,Example Ltd\n102,Bo,bo@example.com,Lee,example ltd\n"
        "103,Cy,cy@example.org,,\n104,Di,,,Other\n",
        encoding="utf-8",
    )
    (folder / "companies.csv").write_text(
        "Record ID,Company name,Company Domain Name\n201,Example Ltd,example.com\n"
        "202,Other,www.example.net\n",
        encoding="utf-8",
    )
    (folder / "old-contacts.csv").write_text(
        "Record ID,Name,Company key\n101,Ann,A1\n102,Bo,A2\n103,Cy,A9\n", encoding="utf-8"
    )
    (folder / "new-companies.csv").write_text(
        "Record ID,Name,Old key\n201,Example Ltd,A1\n202,Other,A2\n", encoding="utf-8"
    )
    (folder / "imported.csv").write_text(
        "Contact ID,Company ID\n101,201\n102,202\n", encoding="utf-8"
    )
    (folder / "other-columns.csv").write_text("Contact,Firm\n101,201\n", encoding="utf-8")
    (folder / "damaged.csv").write_text("from_id,to_id\n5.12E+08,201\n102,201\n", encoding="utf-8")
    (folder / "emails.csv").write_text("from_id,to_id\nann@example.com,201\n", encoding="utf-8")
    (folder / "latin.csv").write_bytes("from_id,to_id,name\n101,201,Jörg\n".encode("cp1252"))
    (folder / "january.csv").write_text("from_id,to_id\n101,201\n102,202\n", encoding="utf-8")
    (folder / "february.csv.gz").write_bytes(gzip.compress(b"from_id,to_id\n103,201\n104,203\n"))
    (folder / "hubspot-token").write_text("simulated-token\n", encoding="utf-8")
    (folder / "hubspot-token").chmod(0o600)
    _make_program(folder / "notify", "cat > /dev/null")


def _make_program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    file.chmod(0o755)


def run_page(text: str, base_url: str, folder: Path) -> str:
    """Return *text* with the output of each of its commands, which are run in *folder*."""
    make_files(folder)

    def run_block(match: re.Match[str]) -> str:
        lines: list[str] = []
        # Each command with what stands below it.
        for part in re.split(r"^(?=\$ )", match[2], flags=re.MULTILINE):
            command, *shown = part.splitlines() or [""]
            output = _run(command)
            printed = shown if output is None else _clean(output, folder)
            lines += [command, *(shown if _is_shown(printed, shown) else printed)] if part else []
        return "\n".join([match[1], *lines, "```"])

    programs = folder / "programs"
    programs.mkdir()
    for name, script in _PROGRAMS.items():
        if script is not None:
            _make_program(programs / name, script)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HUBSPOT_BASE_URL": base_url,
        "HUBSPOT_ACCESS_TOKEN": "simulated-token",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TZ": "UTC",
    }
    before, arguments = dict(os.environ), sys.argv
    sys.argv = ["aiohubassoc"]
    os.environ.update(environment)
    try:
        with contextlib.chdir(folder):
            return _BLOCK.sub(run_block, text)
    finally:
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(before)


def normalize(text: str) -> str:
    """Return *text* without what differs from run to run."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return text


def _is_shown(printed: list[str], shown: list[str]) -> bool:
    """Return whether *shown* is the output, where a line "..." stands for any lines."""
    lines = normalize("\n".join(shown)).splitlines()
    pattern = "".join(r"(.*\n)*" if line == "..." else re.escape(line) + r"\n" for line in lines)
    return re.fullmatch(pattern, "".join(f"{normalize(line)}\n" for line in printed)) is not None


def _run(line: str) -> str | None:
    """Run a command and return what it prints; None if it cannot be run here."""
    words = shlex.split(line.removeprefix("$ "), comments=True) if line[:2] == "$ " else []
    if words and words[0] in _PROGRAMS:
        script = f"{_SHELL_COMMAND}\n{line.removeprefix('$ ')}"
        done = subprocess.run(  # noqa: S603 -- a line of our own pages
            ["sh", "-c", script],  # noqa: S607 -- wherever it is
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.stdout
    if words[:1] != ["aiohubassoc"] or _NOT_RUN.search(shlex.join(words[1:])):
        return None
    out = io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", FutureWarning)  # of the end of v4, from a date on
        run(words[1:])
    return out.getvalue()


def _clean(text: str, folder: Path) -> list[str]:
    """Return the lines of an output, with HubSpot's address and without that of this machine."""
    for pattern, replacement in _PORTAL:
        text = pattern.sub(replacement, text)
    return [line.rstrip() for line in text.replace(f"{folder}/", "").splitlines()]


def show_pages(pages: tuple[Path, ...] = PAGES) -> Iterator[tuple[Path, str, str]]:
    """Yield each page, its text, and its text with the output of today."""
    for page in pages:
        text = page.read_text(encoding="utf-8")
        settings = _PORTALS.get(page.name, _USUAL)
        with portal_process(settings) as portal, tempfile.TemporaryDirectory() as folder:
            yield page, text, run_page(text, portal.base_url, Path(folder))


def main() -> int:
    """Write or compare every page."""
    is_check, stale = "--check" in sys.argv, []
    for page, text, shown in show_pages():
        if normalize(text) != normalize(shown):
            stale.append(page)
            if not is_check:
                page.write_text(shown, encoding="utf-8")
    for page in stale:
        sys.stdout.write(f"{'out of date' if is_check else 'wrote'}: {page.relative_to(ROOT)}\n")
    return bool(stale) if is_check else 0


if __name__ == "__main__":
    sys.exit(main())
