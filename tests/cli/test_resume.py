"""``aiohubassoc resume``: continues with what the folder keeps; the token is not kept."""

from __future__ import annotations

import asyncio
import json
import shlex
from typing import TYPE_CHECKING

import pytest

from aiohubassoc import AssociationClient, Journal, Pair
from aiohubassoc.cli.run_folder import Command as KeptCommand, open_folder
from tests.cli.conftest import FAST, TOKEN, TYPES, read_rows, sent_to, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal

CANARY = "pat-canary-7f3e"


def test_the_options_are_kept(
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Columns, types, delimiter, encoding, version, what is not usable; wherever one stands."""
    portal = start_portal(daily_limit=2)
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    rows = "Größe;Deal;Note\n1;11;a\n1e5;12;b\n3;13;c\n4;14;d\n"
    (tmp_path / "there" / "pairs.txt").write_text(rows, encoding="cp1252")
    options = [*FAST, "--from-column", "Größe", "--to-column", "Deal", "--delimiter", ";"]
    options += ["--encoding", "cp1252", "--from", "p12345_cars", "--to", "deals"]
    options += ["--api-version", "2026-09", "--skip-invalid", "--concurrency", "1"]
    assert command("link", "--no-check", "pairs.txt", "--run", folder, *options).code == 3
    next_day = start_portal(instead_of=portal)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    reported = command("resume", "--no-check", folder, "--json").reported
    assert (reported["linked"], reported["skipped"], reported["invalid"]) == (1, 2, 1)
    assert list(map(tuple, next_day.portal.ledger.links)) == [("p12345_cars", "4", "deals", "14")]


def test_the_whole_quota_after_a_part_of_it(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """A share is kept until another is given, which may be all of it."""
    start_portal()
    assert link(pairs_file, "--run", folder, "--share", "0.5", "--limit", "1").code == 0

    def resumed(*options: str) -> float:
        assert command("resume", "--no-check", folder, *options).code == 0
        with open_folder(str(folder)) as reader:
            return KeptCommand.from_header(reader.header()).pace.share

    assert [resumed(), resumed("--share", "1"), resumed()] == [0.5, 1.0, 1.0]


def test_the_help_names_the_last_run(command: Command) -> None:
    """No value of `link` that an option has if it is not given is that of `resume`."""
    printed = " ".join(command("resume", "--help").out.replace("│", " ").split())
    for option in ("quota", "share", "concurrency", "via", "batch-size", "batch-quota"):
        text = printed.partition(f" --{option} ")[2].partition(" --")[0].lower()
        assert "default: as in the last run of the folder" in text, option
    for value in ("if not given", "[default: 1.0]", "start at"):
        assert value not in printed


def test_the_portal_is_kept(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
) -> None:
    """Whatever the environment says by then."""
    portal = start_portal(daily_limit=4)
    assert link(pairs_file, "--run", folder).code == 3
    portal = start_portal(instead_of=portal)
    other = start_portal()
    assert command("resume", "--no-check", folder, "--json").reported["linked"] == 6
    assert (portal.portal.ledger.requests, other.portal.ledger.requests) == (6, 0)


def test_options_that_are_given_win_and_are_kept(
    link: Command, command: Command, start_portal: StartPortal, tmp_path: Path, folder: Path
) -> None:
    """A reserve of the day that ends the run holds in the next one, until another is given."""
    portal = start_portal(daily_limit=1000)
    pairs = write_pairs(tmp_path / "pairs.csv", 60)
    call = ("--run", folder, "--reserve-daily", "990", "--concurrency", "1")
    assert link(pairs, *call).code == 3
    linked = len(portal.portal.ledger.links)
    assert command("resume", "--no-check", folder).code == 3
    assert len(portal.portal.ledger.links) <= linked + 1
    assert command("resume", "--no-check", folder, "--reserve-daily", "98%").code == 3
    linked = len(portal.portal.ledger.links)
    assert 15 <= linked <= 21
    assert command("resume", "--no-check", folder).code == 3
    assert len(portal.portal.ledger.links) <= linked + 1
    assert command("resume", "--no-check", folder, "--reserve-daily", "0").code == 0
    assert set(sent_to(portal).values()) == {1}
    assert len(sent_to(portal)) == 60


@pytest.mark.parametrize("name", ["run", "my run", "it's [bold]$HOME"])
def test_what_it_says_to_do_can_be_done(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    *,
    name: str,
) -> None:
    """The command that a run and its status tell is good for a shell, whatever the folder."""
    portal = start_portal(daily_limit=4)
    reported = link(pairs_file, "--run", pairs_file.parent / name).out
    reported += command("status", pairs_file.parent / name).out
    start_portal(instead_of=portal)
    lines = [line for line in reported.splitlines() if line.startswith("To continue: ")]
    assert len(lines) == 2
    for line in lines:
        program, *arguments = shlex.split(line.removeprefix("To continue: "))
        assert program == "aiohubassoc"
        assert command(*arguments).code == 0


@pytest.mark.parametrize("way", ["--json", "--stream", "--failures"])
def test_it_tells_what_link_tells(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    folder: Path,
    *,
    way: str,
) -> None:
    """In the way that is asked for, of every pair."""
    start_portal(records_up_to=100_009)
    link(pairs_file, "--run", folder)
    if way == "--failures":
        failures = pairs_file.with_name("failures.csv")
        assert command("resume", "--no-check", folder, way, failures).code == 1
        assert [row["to_id"] for row in read_rows(failures)] == ["100010"]
        return
    result = command("resume", "--no-check", folder, way)
    assert result.code == 1
    if way == "--json":
        assert (result.reported["total"], result.reported["failed"], result.reported["run"]) == (
            10,
            1,
            str(folder),
        )
    else:
        assert [line["ok"] for line in result.lines].count(True) == 9
        assert len(result.lines) == 10


def test_options_that_cannot_work(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Exit code 2; the folder can be used as before."""
    portal = start_portal()
    link(pairs_file, "--run", folder)
    for options, reported in (
        (("--quota", "fast"), "quota"),
        (("--share", "0"), "share"),
        (("--stream", "--json"), "give --stream or --json"),
        (("--ordered",), "--ordered is for --stream"),
        (("--from", "deals"), "--from"),
        (("--failures", pairs_file), "would overwrite the input"),
        (("--token-file", "/nowhere/token"), "cannot read the token"),
    ):
        result = command("resume", "--no-check", folder, *options)
        assert (result.code, reported in result.err) == (2, True), result
    assert portal.portal.ledger.requests == 10
    assert command("resume", "--no-check", folder).code == 0


def test_a_program_goes_on_with_its_own_folder(
    command: Command, start_portal: StartPortal, folder: Path
) -> None:
    """``resume`` cannot: the pairs are the program's. What is there can be read, though."""
    portal = start_portal(records_up_to=4)

    async def program() -> None:
        async with AssociationClient("simulated-token", base_url=portal.base_url) as client:
            pairs = [Pair("contacts", n, "companies", n + 1, tag={"n": n}) for n in range(1, 5)]
            await client.link_all(pairs, journal=Journal(folder))

    asyncio.run(program())
    result = command("resume", "--no-check", folder)
    assert result.code == 2
    assert "was made by a program: continue with that program" in result.err
    result = command("verify", folder)
    assert result.code == 2
    assert "was made by a program: read its pairs back with that program" in result.err
    reported = command("status", folder, "--json").reported
    assert (reported["linked"], reported["failed"], reported["state"]) == (3, 1, "complete")
    assert (reported["inputs"], reported["input_rows"]) == (None, None)
    exported = command("export", folder, "--linked", "--format", "jsonl").lines
    assert [
        (one["from_type"], one["from_id"], one["to_type"], one["to_id"]) for one in exported
    ] == [("contacts", str(n), "companies", str(n + 1)) for n in (1, 2, 3)]
    assert [one["tag"] for one in exported] == [{"n": n} for n in (1, 2, 3)]
    assert "status,category,message" in command("export", folder).out


# --- the token ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["environment", "file", "standard input", "refused"])
def test_the_token_is_not_in_the_folder(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    *,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """Wherever it came from, and though it is refused: it must be given again to continue."""
    start_portal(tokens=("another" if way == "refused" else CANARY,), records_up_to=100_005)
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    token_file = pairs_file.with_name("token")
    token_file.write_text(CANARY, encoding="utf-8")
    options: dict[str, tuple[object, ...]] = {
        "file": ("--token-file", token_file),
        "standard input": ("--token-stdin",),
    }
    if way in {"environment", "refused"}:
        monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", CANARY)
    stdin = CANARY.encode() if way == "standard input" else None
    result = link(pairs_file, "--run", folder, *options.get(way, ()), stdin=stdin)
    assert result.code == (4 if way == "refused" else 1)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert CANARY not in result.out + result.err
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN", raising=False)
    again = command("resume", "--no-check", folder)
    assert (again.code, "no access token" in again.err) == (2, True)


def test_the_token_on_standard_input_where_the_pairs_were(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    pairs_file: Path,
    *,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are in the folder now."""
    portal = start_portal(tokens=("another",))
    assert link("-", "--run", folder, stdin=pairs_file.read_bytes()).code == 4
    start_portal(instead_of=portal)
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    again = command("resume", folder, "--token-stdin", "--json", stdin=TOKEN.encode())
    assert (again.code, again.reported["linked"]) == (0, 10)


def test_a_refused_token_settles_nothing(
    link: Command, command: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Once there is a good one every pair is sent."""
    portal = start_portal(tokens=("another",))
    assert link(pairs_file, "--run", folder).code == 4
    assert json.loads(command("status", folder, "--json").out)["unprocessed"] == 10
    start_portal(instead_of=portal)
    assert command("resume", "--no-check", folder, "--json").reported["linked"] == 10


def test_simulated_runs_share_a_folder(command: Command, pairs_file: Path, folder: Path) -> None:
    """Their portal has another address each time; HubSpot itself is another job."""
    call = ("link", pairs_file, "--run", folder, *TYPES, *FAST)
    assert command(*call, "--simulate", "--json").reported["linked"] == 10
    assert command("resume", "--no-check", folder, "--json").reported["skipped"] == 10
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUBSPOT_ACCESS_TOKEN", "none")
        result = command(*call, "--no-check")
    assert result.code == 2
    assert "portal was 'a simulated portal' and is 'https://api.hubapi.com'" in result.err
