"""The options that several commands share, each group as it is kept in a run folder."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import attrs
from cyclopts import Parameter

from aiohubassoc.errors import OptionsError
from aiohubassoc.files.layout import Layout
from aiohubassoc.options import Quota
from aiohubassoc.pair import Pair

Flag: TypeAlias = Annotated[bool, Parameter(negative="", show_default=False)]
Flat: Final = Parameter(name="*")


@attrs.frozen
class InputOptions:
    """
    What the input is like.

    Args:
        from_: The object type of the first ids, such as contacts, 0-1 or p12345_cars.
        to: The object type of the second ids.
        from_column: The column or key of the first ids; else from_id, or Record ID as HubSpot
            exports it.
        to_column: The column or key of the second ids; else to_id, or an Associated ... IDs column
            as HubSpot exports it.
        format: csv, tsv, jsonl, parquet or excel; else told by the file's name and content.
        delimiter: What stands between the columns; else a comma, in TSV a tab.
        encoding: Of text, such as cp1252 or utf-16.
        sheet: The sheet of a workbook; else the first that is visible.
        any_id: Take any text as a record id, not only digits.
        include_hidden: Read hidden rows and sheets of a workbook too.
    """

    from_: Annotated[str | None, Parameter(name="--from")] = None
    to: str | None = None
    from_column: str | None = None
    to_column: str | None = None
    format: str | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    sheet: str | None = None
    any_id: Flag = False
    include_hidden: Flag = False

    def layout(self) -> Layout:
        """
        Return it as tables know it.

        Raises:
            OptionsError: an option that cannot work.
        """
        for option, kind in (("--from", self.from_), ("--to", self.to)):
            if kind is not None:
                _check_type(option, kind)
        return Layout(
            self.from_,
            self.to,
            self.from_column,
            self.to_column,
            self.format,
            self.delimiter,
            self.encoding,
            self.sheet,
            self.any_id,
            self.include_hidden,
        )


@attrs.frozen
class PaceOptions:
    """
    How fast to go.

    Args:
        quota: starter, professional, enterprise, limit-increase, oauth, or as 190/10s. It is never
            exceeded. Without it: begin with 100/10s and take what HubSpot names.
        share: The part of the quota to use, such as 0.5; the rest is for others.
        reserve_daily: Calls of the day to leave for others, such as 50000 or 10%. The run stops
            there, where HubSpot says how many are left.
        strict_quota: Never send a call too many whatever the network does, at 1 to 2 % less speed.
        concurrency: The most requests on the wire at once; 64 if not given.
    """

    quota: str | None = None
    share: float = 1.0
    reserve_daily: str | None = None
    strict_quota: Flag = False
    concurrency: int | None = None

    def parsed_quota(self) -> Quota | None:
        """
        Return the quota; None if none is given.

        Raises:
            OptionsError: it is none.
        """
        return None if self.quota is None else Quota.parse(self.quota)

    def reserve(self) -> float | None:
        """
        Return the reserve as calls (an int) or as a share (a float from 0 to 1); None: none.

        Raises:
            OptionsError: it is neither.
        """
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

    def over(self, other: PaceOptions) -> PaceOptions:
        """Return *other* with what is given here in its place."""
        given = {
            field.name: getattr(self, field.name)
            for field in attrs.fields(PaceOptions)
            if getattr(self, field.name) != field.default
        }
        return attrs.evolve(other, **given)


@attrs.frozen
class AddressOptions:
    """
    Where HubSpot is.

    Args:
        base_url: Where HubSpot's API is; else HUBSPOT_BASE_URL, else HubSpot itself.
        api_version: v4, 2026-03 or 2026-09.
        allow_http: Send the token unencrypted to another machine.
    """

    base_url: str | None = None
    api_version: str = "v4"
    allow_http: Flag = False


@attrs.frozen
class PortalOptions(AddressOptions):
    """
    Where to.

    Args:
        base_url: Where HubSpot's API is; else HUBSPOT_BASE_URL, else HubSpot itself.
        api_version: v4, 2026-03 or 2026-09.
        allow_http: Send the token unencrypted to another machine.
        simulate: Send to a simulated portal on this machine instead of HubSpot.
    """

    simulate: Flag = False


@attrs.frozen
class TokenOptions:
    """
    Where the access token is.

    Args:
        token_file: Read the access token from this file instead of HUBSPOT_ACCESS_TOKEN.
        token_stdin: Read the access token from the first line of standard input.
    """

    token_file: str | None = None
    token_stdin: Flag = False


@attrs.frozen
class TellOptions:
    """
    What to tell, and where.

    Args:
        failures: Write the rows that did not come through to this file, with the reason: as CSV,
            or as JSON Lines where its name ends with .jsonl.
        stream: Print one JSON object a line on standard output for each pair, as it is settled,
            and nothing else.
        ordered: Print them in the order of the input.
        json_: Print one JSON object with the result on standard output, and nothing else.
    """

    failures: str | None = None
    stream: Flag = False
    ordered: Flag = False
    json_: Annotated[Flag, Parameter(name="--json")] = False

    def check(self) -> None:
        """
        Raise OptionsError for what does not go together.

        Raises:
            OptionsError: it does not.
        """
        if self.stream and self.json_:
            raise OptionsError("give --stream or --json: both are for standard output")
        if self.ordered and not self.stream:
            raise OptionsError("--ordered is for --stream: only there the order shows")


@attrs.frozen
class CheckOptions:
    """
    What to do about bad rows and failures.

    Args:
        skip_invalid: Go on without rows that cannot be used.
        strict: Stop at a row that cannot be used, wherever it stands.
        stop_after_failures: Stop once so many pairs failed.
    """

    skip_invalid: Flag = False
    strict: Flag = False
    stop_after_failures: int | None = None

    def check(self) -> None:
        """
        Raise OptionsError for a number that cannot work.

        Raises:
            OptionsError: it cannot.
        """
        if self.stop_after_failures is not None and self.stop_after_failures < 1:
            raise OptionsError("--stop-after-failures must be 1 or more")


def plain(group: Any) -> dict[str, Any]:  # noqa: ANN401 -- any of the groups above
    """Return a group as it is kept."""
    return attrs.asdict(group)


def option_of(name: str) -> str:
    """Return the option of a group's field of this name."""
    return f"--{name.rstrip('_').replace('_', '-')}"


def given(group: Any) -> dict[str, Any]:  # noqa: ANN401 -- any of the groups above
    """Return the options of a group that are not as they are without being given."""
    return {
        option_of(field.name): getattr(group, field.name)
        for field in attrs.fields(type(group))
        if getattr(group, field.name) != field.default
    }


def _check_type(option: str, kind: str) -> None:
    try:
        Pair(kind, 1, kind, 1)
    except ValueError:
        raise OptionsError(f"{option} {kind!r} is not an object type") from None
