"""``aiohubassoc resume``."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar  # noqa: F401 -- `SendOptions` is read here

import attrs

from aiohubassoc.cli import options, run_folder
from aiohubassoc.cli.hints import after_move
from aiohubassoc.cli.link import link_pairs
from aiohubassoc.cli.options import Flag, PaceOptions, SendOptions, Share
from aiohubassoc.errors import InputError, OptionsError
from aiohubassoc.journal.header import UTC_OFFSET

_GroupT = TypeVar("_GroupT", PaceOptions, SendOptions)


@attrs.frozen
class LastPaceOptions(PaceOptions):
    """
    How fast to go, if not as in the last run.

    Args:
        quota: starter, professional, enterprise, limit-increase, oauth, or as 190/10s. Upper
            limit; default: as in the last run of the folder.
        share: The part of the quota to use, such as 0.5 or 50%; the rest is for others. Default:
            as in the last run of the folder.
        concurrency: The most requests in flight, 1 to 1000; default: as in the last run of the
            folder.
        reserve_daily: Calls of the day to leave for others, such as 50000 or 10%. The run stops
            there, where HubSpot says how many are left. Default: as in the last run of the folder.
        shared_quota: Share the quota with other processes: sqlite:///FILE for those of this
            machine, postgresql://... for those of many machines; default: as in the last run of
            the folder.
        shared_key: Name of the shared quota: one for each HubSpot account and app; default: as in
            the last run of the folder.
    """

    # None: not given, as 1.0 is a change of an earlier 0.5. Only `_merge` reads it.
    share: Share | None = None  # type: ignore[assignment]


@attrs.frozen
class LastSendOptions(SendOptions):
    """
    How pairs are sent, and whether links are read, if not as in the last run.

    Args:
        batch_size: The most pairs of a batch, 1 to 2000; default: as in the last run of the
            folder.
        batch_quota: Batch calls and reads in a window, such as 20/10s. Upper limit; default: as in
            the last run of the folder.
        via: put, a call for each pair, or batch, a call for up to 2,000 pairs; default: as in the
            last run of the folder.
    """


def resume(
    folder: str,
    /,
    *,
    pace: Annotated[LastPaceOptions, options.Flat] = LastPaceOptions(),
    send: Annotated[LastSendOptions, options.Flat] = LastSendOptions(),
    token: Annotated[options.AccessOptions, options.Flat] = options.AccessOptions(),
    output: Annotated[options.OutputOptions, options.Flat] = options.OutputOptions(),
    retry_failed: Flag = False,
    force: Flag = False,
    stop_after_alike: int | None = None,
    no_check: options.NoCheck = False,
    uvloop: options.Uvloop = False,
) -> int:
    """
    Resume the run of a folder, and return the exit code of ``link``.

    Args:
        folder: The run folder.
        retry_failed: Send pairs again that failed in an earlier run, wholly or in part.
        force: Continue although the input has changed.
        stop_after_alike: Stop once HubSpot has refused this many pairs in a row for the same
            reason, as of link. 0: never.
    """
    with run_folder.open_folder(folder) as reader:
        if not reader.sessions():
            raise OptionsError(
                f"no run of {folder} has begun: the first was killed at once, or its disk was "
                "full. Give its command again"
            )
        header = reader.header()
        command = run_folder.Command.from_header(header)
        check = command.check
        if stop_after_alike is not None:
            check = attrs.evolve(check, stop_after_alike=stop_after_alike)
        command = attrs.evolve(
            command,
            pace=_merge(pace, command.pace),
            send=_merge_send(send, command.send),
            check=check,
        )
        table = None
        if run_folder.is_from_pipe(header):
            if not reader.is_read_to_its_end():
                raise OptionsError(
                    f"the input was {command.names}, and it was not read to its end: give it "
                    f"again, with the same command and --run {folder}"
                )
            table = run_folder.FolderTable(reader)
            # Rejected rows were reported before, and cannot be fixed any more.
            check = attrs.evolve(command.check, skip_invalid=True, strict=False)
            command = attrs.evolve(command, check=check)
        given = run_folder.FolderOptions(folder, retry_failed, force)
        is_done = run_folder.is_complete(reader) and not retry_failed
        checks_account = not (no_check or command.portal.simulate or is_done)
        call = run_folder.LinkCall(
            *(command, token, output, given, uvloop),
            checks_account=checks_account,
            utc_offset_seconds=header.get(UTC_OFFSET),
        )
        if table is None and (problem := run_folder.find_input_problem(command)) is not None:
            raise InputError(f"{problem}. {after_move(folder, command, token)}")
        return link_pairs(call, table)


def _merge_send(new: SendOptions, old: SendOptions) -> SendOptions:
    both = _merge(new, old)
    # What was kept for batches says nothing of single calls, and would be refused with them.
    if not both.is_batch:
        both = attrs.evolve(both, batch_size=new.batch_size)
    if not both.makes_batch_calls:
        both = attrs.evolve(both, batch_quota=new.batch_quota)
    return both


def _merge(new: _GroupT, old: _GroupT) -> _GroupT:
    changes = {
        field.name: getattr(new, field.name)
        for field in attrs.fields(type(new))
        if getattr(new, field.name) != field.default
    }
    return attrs.evolve(old, **changes)
