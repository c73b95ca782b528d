"""The file of portals: what cannot work is an error when it is read, not in a worker at night."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from aiohubassoc import OptionsError, Quota
from aiohubassoc.cli.app import run
from aiohubassoc.fleet import FleetOptions, FleetPortal, load_portals

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("verb", ["export", "report"])
@pytest.mark.parametrize("way", ["option", "variable"])
def test_the_file_is_never_overwritten(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    way: str,
    verb: str,
) -> None:
    """By what a command writes; no database is asked before."""
    path = write(tmp_path, "[portals.acme]\n")
    monkeypatch.setenv("AIOHUBASSOC_DATABASE", "postgresql://nobody@127.0.0.1:1/none")
    options = ["--output", str(path)]
    if way == "variable" or verb == "export":
        monkeypatch.setenv("AIOHUBASSOC_PORTALS", str(path))
    else:
        options += ["--portals", str(path)]
    assert run(["fleet", verb, "1", *options]) == 2
    assert f"--output {path} would overwrite the input" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "[portals.acme]\n"


@pytest.mark.parametrize(("verb", "name"), [("export", "out.csv"), ("report", "out.html")])
def test_an_output_is_not_the_file_that_standard_output_goes_to(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    name: str,
) -> None:
    """Two writers would write over each other; no database is asked before."""
    monkeypatch.setenv("AIOHUBASSOC_DATABASE", "postgresql://nobody@127.0.0.1:1/none")
    path = tmp_path / name
    with path.open("w", encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert run(["fleet", verb, "1", "--output", str(path)]) == 2
    expected = f"--output {path} and standard output are the same file: name two"
    assert expected in capsys.readouterr().err.replace("\n", " ")


def write(folder: Path, text: str) -> Path:
    """Write a file of portals."""
    path = folder / "portals.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_option_is_the_clients(tmp_path: Path) -> None:
    """And a token's file is looked for beside the file of portals."""
    path = write(
        tmp_path,
        """
        [portals.acme]
        token_file = "token"
        quota = "100/10s"
        batch_quota = "20/10s"
        share = 0.5
        reserve_daily = 1000
        api_version = "2026-09"
        base_url = "http://crm.example"
        allow_http = true
        """,
    )
    assert load_portals(path) == {
        "acme": FleetPortal(
            "acme",
            "http://crm.example",
            Quota(100),
            Quota(20),
            0.5,
            1000,
            "2026-09",
            allow_http=True,
            token_file=str(tmp_path / "token"),
        )
    }


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ('share = "half"', "share must be"),
        ("share = 0", "share must be"),
        ("share = nan", "share must be"),
        ("reserve_daily = -1", "reserve_daily must be"),
        ("reserve_daily = 2.5", "reserve_daily must be"),
        ("reserve_daily = true", "reserve_daily must be"),
        ('allow_http = "yes"', "allow_http must be true or false"),
        ('api_version = "v9"', "api_version 'v9'"),
        ('quota = "fast"', ": quota: 'fast' is neither a quota"),
        ('batch_quota = "fast"', ": batch_quota: 'fast' is neither a quota"),
        ("batch_quota = 5", "batch_quota must be a text"),
        ('base_url = "ftp://x"', "base_url"),
        ('base_url = "http://crm.example"', "not https"),
        ('token_env = "X"', "needs one of"),
        ("nonsense = 1", "no option 'nonsense'"),
    ],
)
def test_an_option_that_cannot_work_is_named(tmp_path: Path, option: str, message: str) -> None:
    """With its portal."""
    path = write(tmp_path, f'[portals.acme]\ntoken_file = "token"\n{option}\n')
    with pytest.raises(OptionsError, match=rf"\[portals\.acme\].*{message}"):
        load_portals(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "portals = 5",
        "[portals]",
        "[portals]\nacme = 5",
        '[portals.""]\ntoken_env = "X"',
        '[portals."a\\u0000b"]\ntoken_env = "X"',
        '[portals.a]\ntoken_file = "a\\u0000b"',
        '[portals.a]\ntoken_env = " "',
        f"x = {'[' * 100_000}",
        "nonsense",
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    with pytest.raises(OptionsError, match=r"portals\.toml"):
        load_portals(write(tmp_path, text))


def test_a_file_that_cannot_be_is_refused() -> None:
    """No path holds NUL."""
    with pytest.raises(OptionsError, match="cannot read the portals"):
        load_portals("portals\0.toml")


def test_a_portal_of_a_program_is_checked_when_it_is_made() -> None:
    """As one of a file."""
    with pytest.raises(OptionsError, match="share must be"):
        FleetPortal("acme", token_env="X", share=2.0)


@pytest.mark.parametrize(
    "options",
    [
        {"via": "pigeon"},
        {"via": "batch", "batch_size": 0},
        {"batch_size": 2001},
        {"stop_after_failures": 0},
        {"stop_after_alike": -1},
    ],
)
def test_options_of_a_run_are_checked_when_they_are_made(options: dict[str, object]) -> None:
    """Not by the worker."""
    with pytest.raises(OptionsError):
        FleetOptions(**options)  # type: ignore[arg-type]
