"""``aiohubassoc check``."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs
from cyclopts import Parameter
from rich.markup import escape

from aiohubassoc.account import CheckState
from aiohubassoc.cli import signals
from aiohubassoc.cli.connection import Connection, name_token_source
from aiohubassoc.cli.hints import compose, list_portal, suggest_type
from aiohubassoc.cli.options import AccessOptions, Flag, Flat, PortalOptions, check_input
from aiohubassoc.cli.report import ExitCode
from aiohubassoc.cli.run_folder import Command
from aiohubassoc.cli.summary import print_portal
from aiohubassoc.cli.terminal import print_lines, print_result, stderr, stdout
from aiohubassoc.files.hubspot import TypeNames, standard_type
from aiohubassoc.files.layout import Layout

if TYPE_CHECKING:
    from rich.console import Console

    from aiohubassoc.account import AccountCheck, CheckItem

_COLORS: Final = {
    CheckState.OK: "green",
    CheckState.FAILED: "bold red",
    CheckState.UNKNOWN: "yellow",
}
_WIDTH: Final = len("association limits")
# Seconds after which it says that it waits.
_SILENT_SECONDS: Final = 2.0


def check(
    *,
    from_type: Annotated[str, Parameter(name="--from")],
    to_type: Annotated[str, Parameter(name="--to")],
    portal: Annotated[PortalOptions, Flat] = PortalOptions(),
    token: Annotated[AccessOptions, Flat] = AccessOptions(),
    json_: Flag = False,
) -> int:
    """
    Check the account before a run and return the exit code; `help.md` says which.

    Args:
        from_type: The object type of the first records, such as contacts, 0-1 or p12345_cars.
        to_type: The object type of the second records.
        json_: Print one JSON object with the result on standard output, and nothing else.
    """
    layout = Layout(from_type=from_type, to_type=to_type)
    check_input(layout)
    names = TypeNames()  # "contacts" and "contact" are said as one
    from_type, to_type = names.name(from_type, "--from"), names.name(to_type, "--to")
    with ExitStack() as stack:
        command = Command((), layout, portal)
        connection = Connection.open(stack, command, token)
        found = signals.run(_check(connection, from_type, to_type))
    source = "the simulated portal" if portal.simulate else name_token_source(token)
    items = [_in_full(item, source, (from_type, to_type)) for item in found.items]
    if json_:
        about = {"portal": connection.portal, "from": from_type, "to": to_type}
        print_result(about | {"token_source": source} | _to_json(found, items))
    else:
        console = stdout()
        print_portal(connection.portal, console, more=connection.details)
        _print(items, console)
        again = "Fix what failed, then check again."
        options = {"--from": from_type, "--to": to_type, **list_portal(command, token)}
        ready = f"Next: {compose('link', ['FILE'], options)}"
        print_lines([ready if found.ok else again], console)
    if found.item("token").state is CheckState.FAILED:
        return ExitCode.UNAUTHORIZED
    return ExitCode.ALL_LINKED if found.ok else ExitCode.SOME_FAILED


async def _check(connection: Connection, from_type: str, to_type: str) -> AccountCheck:
    note = asyncio.get_running_loop().call_later(
        _SILENT_SECONDS,
        stderr().print,
        "Waiting for HubSpot: it is slow, or cannot be reached, or the quota is used up",
    )
    try:
        async with connection.make_client() as client:
            return await client.check(from_type, to_type)
    finally:
        note.cancel()


def _in_full(item: CheckItem, source: str, types: tuple[str, str]) -> CheckItem:
    """Return *item* with where the token came from, or which object type may be meant."""
    if item.name == "token":
        return attrs.evolve(item, text=f"from {source}: {item.text}")
    if item.name == "object types" and item.cure is not None:
        unknown = (one for one in types if repr(one) in item.text and standard_type(one) is None)
        meant = suggest_type(next(unknown, ""))
        return attrs.evolve(item, cure=item.cure.rstrip(".") + (meant or "."))
    return item


def _print(items: list[CheckItem], console: Console) -> None:
    for item in items:
        color = _COLORS[item.state]
        console.print(f"[{color}]{item.state:<7}[/]  {item.name:<{_WIDTH}}  {escape(item.text)}")
        if item.cure is not None:
            console.print(f"{'':<{_WIDTH + 11}}{escape(item.cure)}")


def _to_json(found: AccountCheck, items: list[CheckItem]) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "items": [attrs.asdict(item) for item in items],
        "scopes": attrs.asdict(found.scopes),
        "portal_id": found.portal_id,
        "time_zone": found.time_zone,
        "utc_offset_seconds": found.utc_offset and found.utc_offset.total_seconds(),
        "quota": found.quota and str(found.quota),
        "daily_limit": found.daily_limit,
        "daily_left": found.daily_left,
        "resets_at": found.resets_at and found.resets_at.isoformat(),
        "records_at_limit": found.records_at_limit,
    }
