"""``aiohubassoc check``: its lines, its JSON and its exit codes."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from aiohubassoc.cli import check as check_command
from aiohubassoc.simulator import Latency
from aiohubassoc.simulator.records import ObjectTypes
from tests.cli.conftest import TOKEN, TYPES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, Result, StartPortal

WRITE = ["crm.objects.contacts.write", "crm.objects.companies.write"]
READ = ["crm.objects.contacts.read", "crm.objects.companies.read"]


@pytest.fixture
def check(command: Command, start_portal: StartPortal, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Check a portal with these settings."""

    def call(*arguments: object, token: str | None = TOKEN, **settings: Any) -> Result:
        portal = start_portal(**settings)
        if token is not None:
            monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", token)
        return command("check", *TYPES, "--base-url", portal.base_url, *arguments)

    return call


def _states(result: Result) -> dict[str, str]:
    return {item["name"]: item["state"] for item in result.reported["items"]}


def test_an_account_that_is_ready(check: Any) -> None:
    """Exit code 0; a line for each item, and the next command."""
    result = check(daily_limit=625_000, quota_limit=190)
    assert (result.code, result.err) == (0, "")
    portal, *lines, last = result.out.splitlines()
    assert portal.startswith("Portal: http://127.0.0.1:")
    assert [line.split()[0] for line in lines] == ["ok"] * 9
    assert "from HUBSPOT_ACCESS_TOKEN: accepted" in result.out
    assert "portal 12345, time zone US/Eastern (UTC-05:00)" in result.out
    assert "190 calls in 10 s" in result.out
    assert "624,995 of 625,000 calls left; they reset at 2026-" in result.out
    assert last == "Next: aiohubassoc link FILE --from contacts --to companies"


def test_json(check: Any) -> None:
    """One object with every item and its state, the scopes, and the values."""
    result = check("--json", daily_limit=625_000, quota_limit=190, scopes=(*WRITE[:1], *READ))
    assert result.code == 1
    reported = result.reported
    assert reported["ok"] is False
    assert reported["scopes"] == {"has": [WRITE[0], *READ], "lacks": [WRITE[1]]}
    assert _states(result)["scopes"] == "failed"
    (cure,) = [item["cure"] for item in reported["items"] if item["cure"]]
    assert cure == f"Add {WRITE[1]} to the app or service key of the token."
    assert (reported["from"], reported["to"]) == ("contacts", "companies")
    assert reported["token_source"] == "HUBSPOT_ACCESS_TOKEN"
    assert (reported["portal_id"], reported["time_zone"]) == (12345, "US/Eastern")
    assert (reported["utc_offset_seconds"], reported["quota"]) == (-18_000, "190/10s")
    assert (reported["daily_limit"], reported["daily_left"]) == (625_000, 624_995)
    assert reported["resets_at"].startswith("2026-")
    assert reported["records_at_limit"] == 0


@pytest.mark.parametrize(
    ("settings", "name", "cure"),
    [
        ({"scopes": ("oauth",)}, "scopes", "Add crm.objects.contacts.write"),
        ({"daily_limit": 5}, "daily limit", "Start the run after"),
        (
            {"limited_records": (("contacts", "1", "companies", 50_000),)},
            "association limits",
            "Leave their pairs out",
        ),
    ],
)
def test_what_a_run_would_meet(check: Any, settings: dict[str, Any], name: str, cure: str) -> None:
    """Exit code 1, and the cure below its line."""
    result = check(**settings)
    assert result.code == 1
    lines = result.out.splitlines()
    failed = next(index for index, line in enumerate(lines) if line.startswith(f"failed   {name}"))
    assert lines[failed + 1].strip().startswith(cure)
    assert lines[-1] == "Fix what failed, then check again."


def test_an_unknown_object_type(
    command: Command, start_portal: StartPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, with its name."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
    url = start_portal().base_url
    result = command("check", "--from", "contact", "--to", "compnies", "--base-url", url, "--json")
    assert (result.code, _states(result)["object types"]) == (1, "failed")
    assert "'compnies'" in result.out
    (cure,) = [item["cure"] for item in result.reported["items"] if item["name"] == "object types"]
    assert cure.endswith("such as 2-1234567. Did you mean companies?")


@pytest.mark.parametrize(("type_", "says"), [("leads", "'leads'"), ("x" * 128, "'xxx")])
def test_an_unknown_object_type_without_a_similar_name(
    command: Command,
    start_portal: StartPortal,
    monkeypatch: pytest.MonkeyPatch,
    type_: str,
    says: str,
) -> None:
    """One of HubSpot's own that the account lacks, or a long one: exit code 1, no other name."""
    find = ObjectTypes.find
    monkeypatch.setattr(
        ObjectTypes, "find", lambda self, name: None if name == type_ else find(self, name)
    )
    url = start_portal().base_url
    result = command("check", "--from", "contacts", "--to", type_, "--base-url", url, "--json")
    assert (result.code, _states(result)["object types"]) == (1, "failed")
    assert f"HubSpot does not know {says}" in result.out
    (cure,) = [item["cure"] for item in result.reported["items"] if item["name"] == "object types"]
    assert cure.endswith("such as 2-1234567.")


def test_two_names_of_one_type_are_said_as_one(
    command: Command, start_portal: StartPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name that comes first."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
    url = start_portal().base_url
    result = command("check", "--from", "contacts", "--to", "contact", "--base-url", url)
    assert result.code == 0
    assert "HubSpot knows contacts\n" in result.out
    assert "no contacts at the limit of 50,000 links to contacts\n" in result.out
    assert result.out.endswith("aiohubassoc link FILE --from contacts --to contacts\n")


def test_a_refused_token(check: Any) -> None:
    """Exit code 4, with where it came from; the rest is not checked."""
    result = check("--json", token="wrong")
    assert result.code == 4
    states = _states(result)
    assert (states.pop("connection"), states.pop("token")) == ("ok", "failed")
    assert set(states.values()) == {"unknown"}
    assert "from HUBSPOT_ACCESS_TOKEN: refused: 401" in result.out
    assert result.out.count('"not checked"') == len(states)
    assert "wrong" not in result.out


def test_a_slow_check_says_what_it_waits_for(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a quota that is used up."""
    monkeypatch.setattr(check_command, "_SILENT_SECONDS", 0.0)
    result = check(latency=Latency(before_median=0.05, after_median=0.05))
    assert (result.code, result.err.count("Waiting for HubSpot")) == (0, 1)


def test_a_portal_without_a_connection(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is said once, and the rest is not checked."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
    with socket.socket() as bound:  # it does not listen
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        result = command("check", "--from", "contacts", "--to", "deals", "--base-url", url)
    assert result.code == 1
    assert (result.out.count("no response from"), result.out.count("not checked")) == (1, 8)
    assert "not reported" not in result.out


@pytest.mark.parametrize("how", ["refused_calls", "unknown_calls"])
def test_what_hubspot_does_not_say(check: Any, how: str) -> None:
    """Is no failure."""
    result = check(headers="none", **{how: ("details", "usage", "token_info", "limits")})
    assert result.code == 0
    assert result.out.count("not reported by HubSpot") == 5


def test_where_the_token_came_from(
    command: Command, start_portal: StartPortal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file, standard input or the other variable."""
    url = start_portal().base_url
    file = tmp_path / "token"
    file.write_text(TOKEN, encoding="utf-8")
    base = ("check", *TYPES, "--base-url", url)
    assert f"from {file}: accepted" in command(*base, "--token-file", file).out
    stdin = command(*base, "--token-stdin", stdin=f"{TOKEN}\n".encode())
    assert "from standard input: accepted" in stdin.out
    monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
    monkeypatch.setenv("PRIVATE_APP_ACCESS_TOKEN", TOKEN)
    assert "from PRIVATE_APP_ACCESS_TOKEN: accepted" in command(*base).out


def test_a_portal_that_is_not_there(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1: the connection failed."""
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", TOKEN)
    result = command("check", *TYPES, "--base-url", "http://127.0.0.1:9", "--json")
    assert (result.code, _states(result)["connection"]) == (1, "failed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "contacts"), "--to"),
        (("--from", "a b", "--to", "companies"), "--from 'a b' is not an object type"),
        ((*TYPES,), "no access token"),
        ((*TYPES, "--token-file", "/nowhere"), "cannot read the token"),
    ],
)
def test_usage(command: Command, arguments: tuple[str, ...], message: str) -> None:
    """Exit code 2, and nothing on standard output."""
    result = command("check", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_simulated_portal(command: Command) -> None:
    """Needs no token."""
    result = command("check", *TYPES, "--simulate")
    assert result.code == 0
    assert result.out.startswith("Simulated portal")
    assert "from the simulated portal: accepted" in result.out
