"""The options that several commands share: frozen groups that are handed on whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import attrs
from cyclopts import Parameter, default_name_transform

from aiohubassoc._batching.batch import MOST_PAIRS
from aiohubassoc.errors import OptionsError
from aiohubassoc.files.byte_source import STDIN
from aiohubassoc.files.hubspot import TypeNames
from aiohubassoc.files.layout import Layout
from aiohubassoc.options import Quota
from aiohubassoc.pair import OBJECT_TYPE_FORMS, Pair
from aiohubassoc.shared_quota.quota import SharedQuota

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

# Where the name of a field is not that of its option.
_NAMES: Final = {"from_type": "from", "to_type": "to"}


def option_name(field: str) -> str:
    """Return what the command line calls an argument, without its dashes."""
    return _NAMES.get(field) or default_name_transform(field)


Flag: TypeAlias = Annotated[bool, Parameter(negative="", show_default=False)]
# Options that several commands have, each with its help.
Json: TypeAlias = Annotated[
    Flag, Parameter(help="Print one JSON object on standard output, and nothing else.")
]
NoCheck: TypeAlias = Annotated[
    Flag,
    Parameter(
        help="Do not ask HubSpot about the token and the object types before the first pair."
    ),
]
Uvloop: TypeAlias = Annotated[
    Flag, Parameter(help="Use uvloop, which costs less CPU; it must be installed.")
]
Files: TypeAlias = Annotated[list[str], Parameter(allow_leading_hyphen=True, negative="")]


def _to_share(_: object, tokens: Sequence[Token]) -> float:
    """Return a share as typed: a number, or a percentage as --reserve-daily takes it."""
    text = tokens[0].value.strip()
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a part such as 0.5 nor a percentage such as 50%"
        ) from None


LogFormat: TypeAlias = Literal["text", "json"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
Share: TypeAlias = Annotated[float, Parameter(converter=_to_share)]
# Flags have no opposite: nothing here is true by default.
Flat: Final = Parameter(
    name="*",
    name_transform=option_name,
    negative="",
    show_default=lambda value: None if value is None or value is False else str(value),
)
InputOptions: TypeAlias = Annotated[Layout, Flat]


@attrs.frozen
class QuotaOptions:
    """
    The quota, and how much of it to use.

    Args:
        quota: starter, professional, enterprise, limit-increase, oauth, or as 190/10s. Upper limit.
            Without it: start at 100/10s and adopt the limit HubSpot reports.
        share: The part of the quota to use, such as 0.5 or 50%; the rest is for others.
        concurrency: The most requests in flight, 1 to 1000; 64 if not given.
    """

    quota: str | None = None
    share: Share = 1.0
    concurrency: int | None = None

    def parsed_quota(self) -> Quota | None:
        """Return the quota, None if none is given; raise OptionsError if it is not one."""
        return None if self.quota is None else parse_quota("--quota", self.quota)


@attrs.frozen
class PaceOptions(QuotaOptions):
    """
    How fast to go.

    Args:
        reserve_daily: Calls of the day to leave for others, such as 50000 or 10%. The run stops
            there, where HubSpot says how many are left.
        strict_quota: Never exceed the quota, even with unusual network delays; 1 to 2 % slower.
        shared_quota: Share the quota with other processes: sqlite:///FILE for those of this
            machine, postgresql://... for those of many machines. Without it a run folder keeps one
            for its own runs.
        shared_key: Name of the shared quota: one for each HubSpot account and app; "default" if
            not given.
    """

    reserve_daily: str | None = None
    strict_quota: Flag = False
    shared_quota: str | None = None
    shared_key: str | None = None

    def check(self) -> None:
        self.parsed_quota()
        self.reserve()
        self.shared()

    def shared(self) -> SharedQuota | None:
        """Return the shared quota, None if none is given; raise OptionsError for what is none."""
        if self.shared_quota is None:
            if self.shared_key is not None:
                raise OptionsError("--shared-key is for --shared-quota")
            return None
        try:
            key = {} if self.shared_key is None else {"key": self.shared_key}
            return SharedQuota(self.shared_quota, **key)
        except OptionsError as error:
            text = str(error).replace("url must", "--shared-quota must", 1)
            raise OptionsError(text.replace("key must", "--shared-key must", 1)) from None

    def reserve(self) -> float | None:
        """Return the reserve as calls (an int) or a share (a float, 0 to 1), or OptionsError."""
        if self.reserve_daily is None:
            return None
        number = self.reserve_daily.strip().replace("_", "")
        try:
            return float(number[:-1]) / 100 if number.endswith("%") else int(number)
        except ValueError:
            raise OptionsError(
                f"--reserve-daily {self.reserve_daily!r} is neither a number of calls nor a "
                "percentage such as 10%"
            ) from None


@attrs.frozen
class BatchOptions:
    """
    How many pairs a batch has, and how many batches there are.

    Args:
        batch_size: The most pairs of a batch, 1 to 2000; 2000 if not given.
        batch_quota: Batch calls and reads in a window, such as 20/10s. Upper limit. Without it:
            start at 10/10s and rise while HubSpot throttles none.
    """

    batch_size: int | None = None
    batch_quota: str | None = None

    @property
    def size(self) -> int:
        size = MOST_PAIRS if self.batch_size is None else self.batch_size
        if not 1 <= size <= MOST_PAIRS:
            raise OptionsError(f"--batch-size must be 1 to {MOST_PAIRS:,}, not {size:,}")
        return size

    def parsed_batch_quota(self) -> Quota | None:
        """Return the batch quota, None if none is given; raise OptionsError if it is not one."""
        return None if self.batch_quota is None else parse_quota("--batch-quota", self.batch_quota)


@attrs.frozen
class SendOptions(BatchOptions):
    """
    How pairs are sent, and whether links are read.

    Args:
        via: put, a call for each pair, or batch, a call for up to 2,000 pairs; put if not given.
        skip_linked: Ask HubSpot first which pairs are linked already; these are skipped.
        verify: At the end of the run, read back what it reports as linked.
    """

    via: Literal["put", "batch"] | None = None
    skip_linked: Flag = False
    verify: Flag = False

    @property
    def is_batch(self) -> bool:
        return self.via == "batch"

    @property
    def makes_batch_calls(self) -> bool:
        """Whether any call is for many pairs, or reads links."""
        return self.is_batch or self.makes_reads

    @property
    def makes_reads(self) -> bool:
        return self.skip_linked or self.verify

    def check(self) -> None:
        if self.size and self.batch_size is not None and not self.is_batch:
            raise OptionsError("--batch-size is for --via batch: other calls hold one pair each")
        if self.parsed_batch_quota() is not None and not self.makes_batch_calls:
            raise OptionsError(
                "--batch-quota is for --via batch, --skip-linked and --verify: single calls keep "
                "--quota"
            )


@attrs.frozen
class AddressOptions:
    """
    Where HubSpot is.

    Args:
        base_url: Where HubSpot's API is; else HUBSPOT_BASE_URL, else HubSpot itself.
        api_version: v4, 2026-03, 2026-09, or a later one as YYYY-MM or YYYY-MM-beta.
        allow_http: Send the token unencrypted to another machine.
    """

    base_url: str | None = None
    api_version: str = "v4"
    allow_http: Flag = False


@attrs.frozen
class PortalOptions(AddressOptions):
    """
    Where to; the help of what is inherited is inherited, too.

    Args:
        simulate: Send to a simulated portal on this machine instead of HubSpot.
    """

    simulate: Flag = False


@attrs.frozen
class AccessOptions:
    """
    How to get to HubSpot: what may be secret, and no run folder keeps.

    Args:
        token_file: Read the access token from this file instead of HUBSPOT_ACCESS_TOKEN. It is
            read again when HubSpot refuses the token.
        token_command: Use what this command prints as the access token. It is split into words
            as a shell does, but no shell runs it; it has 60 s. It is run again when HubSpot
            refuses the token.
        token_stdin: Read the access token from the first line of standard input.
        proxy: Go through this proxy, such as http://proxy:3128. Without it: HTTPS_PROXY, unless
            NO_PROXY has the host.
    """

    token_file: str | None = None
    token_command: str | None = None
    token_stdin: Flag = False
    proxy: str | None = None

    def check(self, inputs: Sequence[str]) -> None:
        """Raise OptionsError where standard input would hold both the pairs and the token."""
        if self.token_stdin and STDIN in inputs:
            raise OptionsError("standard input holds either the pairs or the token")


@attrs.frozen
class CheckOptions:
    """
    What to do about rejected rows and failures.

    Args:
        skip_invalid: Skip rows that cannot be used.
        strict: Stop at the first row that cannot be used.
        stop_after_failures: Stop once this many pairs have failed.
        stop_after_alike: Stop once HubSpot has refused this many pairs in a row for the same
            reason and linked none between them; ten times as many where each refusal names a
            record of the pair refused. 0: never.
        require_rows: Return exit code 1 if the input has no rows.
    """

    skip_invalid: Flag = False
    strict: Flag = False
    stop_after_failures: int | None = None
    stop_after_alike: int = 50
    require_rows: Flag = False

    def check(self) -> None:
        check_stops(self.stop_after_failures, self.stop_after_alike)


@attrs.frozen
class PrintOptions:
    """
    What to print and log, and what to run at the end.

    Args:
        stream: Print one JSON object a line on standard output for each pair as it completes, and
            nothing else.
        json_: Print one JSON object with the result on standard output, and nothing else.
        on_end: Run this command at the end, with any result, with the JSON object of --json on
            its standard input. It is split into words as a shell does, but no shell runs it; it
            has 60 s. If it fails, that is printed and changes no exit code.
        log_format: text, or json: each line on standard error is then a JSON object with time,
            level, message and what it is about; with --log-file those of that file.
        log_level: Log from this level on: debug, info, warning or error. Without it: info if
            --log-format json or --log-file is given, else only what a summary does not say.
        log_file: Append log lines to this file instead of printing them on standard error.
    """

    stream: Flag = False
    json_: Flag = False
    on_end: str | None = None
    log_format: LogFormat = "text"
    log_level: LogLevel | None = None
    log_file: str | None = None

    def check(self) -> None:
        if self.stream and self.json_:
            raise OptionsError("give --stream or --json: both are for standard output")


@attrs.frozen
class OutputOptions(PrintOptions):
    """
    What to print and write, and where.

    Args:
        failures: Write the rows that failed, were rejected or not sent to this file, with the
            reason: as CSV, or as its name ends: .jsonl or .parquet.
        report: Write a report of the run to this file, as HTML that needs no network.
        ordered: Print the lines of --stream in the order of the input.
    """

    failures: str | None = None
    report: str | None = None
    ordered: Flag = False

    def check(self) -> None:
        super().check()
        if self.ordered and not self.stream:
            raise OptionsError("--ordered is for --stream: only there the order shows")


def parse_quota(option: str, text: str) -> Quota:
    """Return the quota that *option* gives; OptionsError: it is none."""
    try:
        return Quota.parse(text)
    except OptionsError as error:
        raise OptionsError(f"{option}: {error}") from None


def check_stops(after_failures: int | None, after_alike: int) -> None:
    if after_failures is not None and after_failures < 1:
        raise OptionsError("--stop-after-failures must be 1 or more")
    if after_alike < 0:
        raise OptionsError("--stop-after-alike must be 1 or more, or 0 for never")


def check_input(layout: Layout) -> None:
    for option, object_type in (("--from", layout.from_type), ("--to", layout.to_type)):
        if object_type is not None:
            try:
                TypeNames().name(Pair(object_type, 1, object_type, 1).from_type, option)
            except ValueError:
                message = f"{option} {object_type!r} is not an object type. Use {OBJECT_TYPE_FORMS}"
                raise OptionsError(message) from None


def to_options(group: attrs.AttrsInstance) -> dict[str, Any]:
    """Return the values of a group by the names of their options."""
    return {
        f"--{option_name(field.name)}": getattr(group, field.name)
        for field in attrs.fields(type(group))
    }


def given(group: attrs.AttrsInstance) -> dict[str, Any]:
    """Return the options of a group whose value is not the default."""
    defaults = to_options(type(group)())
    return {name: value for name, value in to_options(group).items() if value != defaults[name]}
