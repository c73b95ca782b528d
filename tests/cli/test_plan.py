"""``aiohubassoc plan`` and ``link --dry-run``: what a run would do, and nothing is sent."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import FAST, TYPES, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, Result, StartPortal

_WAYS = {"plan": ("plan",), "dry run": ("link", "--dry-run")}


@pytest.fixture(params=_WAYS)
def plan(request: pytest.FixtureRequest, command: Command) -> Command:
    """Plan by either command: both are held to the same."""

    def call(*arguments: object, stdin: bytes | None = None) -> Result:
        return command(*_WAYS[request.param], *arguments, *TYPES, stdin=stdin)

    return call


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Return a file of ten pairs, two that repeat them and two rows that cannot be used."""
    return write_pairs(tmp_path / "pairs.csv", 10, "1e5,7\n2,100002\n3,100003\n ,8\n")


# --- what is reported ----------------------------------------------------------------------------


def test_json_is_one_object_and_nothing_else(plan: Command, pairs: Path) -> None:
    """Needs neither a token nor a portal."""
    result = plan(pairs, "--json", "--quota", "professional")
    assert (result.code, result.err) == (1, "")
    reported = result.reported
    assert 0 < reported.pop("seconds") < 1
    for name in ("finishes_at", "batch_finishes_at"):
        finishes_at = datetime.fromisoformat(reported.pop(name))
        assert abs(finishes_at - datetime.now(UTC)) < timedelta(minutes=5)
        assert datetime.fromisoformat(reported.pop(f"{name}_local")) == finishes_at
    counts = reported.pop("input")
    assert (counts["rows"], counts["rejected"]) == (14, 2)
    assert reported == {
        "pairs": 10,
        "duplicates": 2,
        "invalid": 2,
        "linked_before": 0,
        "failed_before": 0,
        "calls": 10,
        "batch_calls": 1,
        "quota": "190/10s",
        "days": 1,
        "daily_calls": 625_000,
        "daily_share": 10 / 625_000,
        "batch_quota": None,
        "batch_seconds": 1.0,
        "batch_days": 1,
        "batch_daily_share": 1 / 625_000,
        "largest_fan_out": {"record": "companies:100001", "other_type": "contacts", "pairs": 1},
        "association_change_events": 20,
        "invalid_lines": [
            {
                "line": 12,
                "place": "line 12",
                "problem": "from_id is '1e5', a number with an exponent: its digits may be lost: "
                "format the column as text and enter the ids again",
            },
            {"line": 15, "place": "line 15", "problem": "from_id is empty"},
        ],
    }


def test_people_are_told_the_same(plan: Command, pairs: Path) -> None:
    """Rows, what needs no call, what is sent, how long, the day, and bad rows with their lines."""
    result = plan(pairs, "--quota", "professional")
    for expected in (
        f"{pairs}: 14 rows, 10 pairs to link, 2 rejected; nothing was sent\n",
        "        2  repeat an earlier one: no call\n",
        "        2  rejected rows\n",
        "       10  to send\n",
        "One by one: 10 calls, 0 s at 190 calls per 10 s\n",
        "  0.0% of the calls of a day, would finish about ",
        "In batches of 2,000, --via batch: 1 call, about 1 s (estimate: 1 s per call), at",
        "(estimate: 1 s per call), at 10 calls per 10 s at first\n",
        "A day has 625,000 calls\n",
        "Record with most links: companies:100001, 1 link to contacts (compare with HubSpot's",
        " (compare with HubSpot's association limit)\n",
        "Events: 20 associationChange events to each app that subscribes to them, two a link\n",
        "line 12: from_id is '1e5'",
        "line 15: from_id is empty",
    ):
        assert expected in result.out
    for unexpected in ("linked before", "failed before", "days", "--daily-limit", "are read"):
        assert unexpected not in result.out


def test_what_is_not_known_is_said(plan: Command, pairs: Path) -> None:
    """Without a quota and without the calls of a day: which option tells them."""
    printed = plan(pairs).out
    assert (
        "10 calls, 0 s at 100 calls per 10 s (give --quota for your account's limit)\n" in printed
    )
    assert "The calls of a day are not known: --daily-limit, or a tier as --quota\n" in printed
    reported = plan(pairs, "--json").reported
    assert (reported["quota"], reported["daily_calls"], reported["daily_share"]) == (
        "100/10s",
        None,
        None,
    )


def test_both_ways_agree(command: Command, pairs: Path) -> None:
    """In everything but the moment."""
    options = ("--json", "--quota", "50/5s", "--share", "0.5", "--daily-limit", "4")
    reported = [command(*way, pairs, *TYPES, *options).reported for way in _WAYS.values()]
    for one in reported:
        for name in ("finishes_at", "batch_finishes_at"):
            del one[name], one[f"{name}_local"]
    assert reported[0] == reported[1]
    assert reported[0]["days"] == 3


def test_nothing_is_sent(plan: Command, start_portal: StartPortal, pairs: Path) -> None:
    """Though there are a portal and a token."""
    portal = start_portal()
    assert plan(pairs).code == 1
    assert portal.portal.ledger.requests == 0


# --- what else a run brings about --------------------------------------------------------------


def test_rejected_rows_are_exit_code_1(plan: Command, pairs_file: Path, tmp_path: Path) -> None:
    """A plan of good rows ends with 0, though some repeat others."""
    assert plan(pairs_file).code == 0
    assert plan(write_pairs(tmp_path / "twice.csv", 3, "1,100001\n")).code == 0
    assert plan(write_pairs(tmp_path / "bad.csv", 3, "Smith,100001\n")).code == 1


def test_the_largest_fan_out(plan: Command, tmp_path: Path) -> None:
    """Of different pairs of one record with one type, at whichever end it stands."""
    lines = "7,100001\n8,100001\n8,100001\n9,5\n9,6\n9,7\n"
    pairs = write_pairs(tmp_path / "pairs.csv", 3, lines)
    expected = {"record": "companies:100001", "other_type": "contacts", "pairs": 3}
    assert plan(pairs, "--json").reported["largest_fan_out"] == expected
    (tmp_path / "none.csv").write_text("from_id,to_id\n", encoding="utf-8")
    assert plan(tmp_path / "none.csv", "--json").reported["largest_fan_out"] is None


def test_events_are_of_what_would_be_sent(
    link: Command, plan: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Two a link; what the run folder has as linked fires none."""
    start_portal()
    assert plan(pairs_file, "--json").reported["association_change_events"] == 20
    link(pairs_file, "--run", folder)
    assert plan(pairs_file, "--run", folder, "--json").reported["association_change_events"] == 0


def test_the_finish_is_told_in_local_time(
    plan: Command, pairs_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To people and in JSON, whatever the zone of the machine."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        reported = plan(pairs_file, "--json").reported
        printed = plan(pairs_file).out
    time.tzset()
    assert reported["finishes_at_local"].endswith("+05:45")
    assert reported["batch_finishes_at_local"].endswith("+05:45")
    assert printed.count(" +0545\n") == 2


# --- time and the day --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "quota", "daily_calls"),
    [
        (("--quota", "starter"), "100/10s", 250_000),
        (("--quota", "Professional"), "190/10s", 625_000),
        (("--quota", "enterprise"), "190/10s", 1_000_000),
        (("--quota", "enterprise", "--share", "0.5"), "95/10s", 1_000_000),
        (("--quota", "limit-increase"), "250/10s", None),
        (("--quota", "50/5s", "--daily-limit", "5000"), "50/5s", 5000),
        (("--quota", "professional", "--daily-limit", "5000"), "190/10s", 5000),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_quota_and_the_calls_of_a_day(
    plan: Command, pairs: Path, *, options: tuple[str, ...], quota: str, daily_calls: int | None
) -> None:
    """A tier's name says both (HubSpot, API usage guidelines); what is given wins."""
    reported = plan(pairs, "--json", *options).reported
    assert (reported["quota"], reported["daily_calls"]) == (quota, daily_calls)
    assert reported["daily_share"] == (None if daily_calls is None else 10 / daily_calls)


def test_time_goes_with_the_quota(plan: Command, tmp_path: Path) -> None:
    """1,000 calls at 100 in 10 s go in 10 bursts; half of the quota takes twice as long."""
    pairs = write_pairs(tmp_path / "many.csv", 1000)
    whole = plan(pairs, "--json", "--quota", "100/10s").reported["seconds"]
    half = plan(pairs, "--json", "--quota", "100/10s", "--share", "0.5").reported["seconds"]
    assert 90 < whole < 100
    assert 190 < half < 200
    assert (
        f"One by one: 1,000 calls, 1 min {whole - 60:.0f} s at 100 calls per 10 s"
        in plan(pairs).out
    )


def test_fewer_on_the_wire_take_longer(plan: Command, tmp_path: Path) -> None:
    """Where the quota would allow more."""
    pairs = write_pairs(tmp_path / "many.csv", 1000)
    options = ("--json", "--quota", "1000/1s", "--concurrency")
    assert (
        plan(pairs, *options, "2").reported["seconds"]
        > 5 * plan(pairs, *options, "64").reported["seconds"]
    )


def test_more_than_a_day(plan: Command, tmp_path: Path) -> None:
    """Says how many days, and when the last of them ends."""
    pairs = write_pairs(tmp_path / "many.csv", 1000)
    options = ("--quota", "professional", "--daily-limit", "300")
    reported = plan(pairs, *options, "--json").reported
    assert (reported["days"], reported["daily_share"]) == (4, 1000 / 300)
    finishes = datetime.fromisoformat(reported["finishes_at"]) - datetime.now(UTC)
    assert timedelta(days=2, hours=23) < finishes < timedelta(days=3, hours=1)
    printed = plan(pairs, *options).out
    assert "  333.3% of the calls of a day, 4 days, would finish about" in printed
    assert "  0.3% of the calls of a day, would finish about" in printed


# --- batches -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "calls", "seconds"),
    [
        ((), 1, 1.0),  # all in one
        (("--batch-size", "1"), 24, 22.0),  # ten, then eleven, then the rest
        (("--batch-size", "5", "--batch-quota", "1/100s"), 5, 403.6),
        (("--batch-size", "5", "--batch-quota", "1000/1s"), 5, 3.0),  # two at once
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_batches_take(
    command: Command,
    tmp_path: Path,
    options: tuple[str, ...],
    *,
    calls: int,
    seconds: float,
) -> None:
    """At their own pace, whatever that of single calls is; both commands say the same."""
    pairs = write_pairs(tmp_path / "pairs.csv", 24)
    for way in (("plan",), ("link", "--dry-run", "--via", "batch")):
        reported = command(*way, pairs, *TYPES, "--json", "--daily-limit", "4", *options).reported
        assert (reported["calls"], reported["days"]) == (24, 6)
        assert (reported["batch_calls"], reported["batch_days"]) == (calls, -(-calls // 4))
        assert reported["batch_seconds"] == pytest.approx(seconds, abs=1.0)
        assert reported["batch_daily_share"] == calls / 4


def test_a_batch_quota_is_told(command: Command, pairs: Path) -> None:
    """As it is given: it does not rise."""
    result = command("plan", pairs, *TYPES, "--batch-quota", "5/10s", "--batch-size", "10")
    assert (
        "of 10, --via batch: 1 call, about 1 s (estimate: 1 s per call), at 5 calls per 10 s\n"
        in result.out
    )


@pytest.mark.parametrize("option", ["--skip-linked", "--verify"])
def test_calls_that_read_are_not_reckoned(command: Command, pairs: Path, option: str) -> None:
    """It is said that they come on top."""
    result = command("link", "--dry-run", pairs, *TYPES, option)
    assert "Links are read besides (--skip-linked, --verify), up to 1,000" in result.out


# --- a run folder ------------------------------------------------------------------------------


def test_a_run_folder_is_taken_into_account(
    link: Command, plan: Command, start_portal: StartPortal, pairs: Path, folder: Path
) -> None:
    """What is linked needs no call, and what failed none unless it is asked for."""
    portal = start_portal(records_up_to=100_005, daily_limit=8)
    assert link(pairs, "--run", folder, "--concurrency", "1", "--skip-invalid").code == 3
    reported = plan(pairs, "--run", folder, "--json").reported
    counts = ("pairs", "duplicates", "invalid", "linked_before", "failed_before", "calls")
    assert [reported[name] for name in counts] == [10, 2, 2, 5, 3, 2]
    again = plan(pairs, "--run", folder, "--retry-failed", "--json").reported
    assert [again[name] for name in counts] == [10, 2, 2, 5, 0, 5]
    printed = plan(pairs, "--run", folder).out
    assert "        5  linked before, according to the run folder: no call\n" in printed
    assert "        3  failed before: reported again; sent with --retry-failed\n" in printed
    next_day = start_portal(instead_of=portal)
    link(pairs, "--run", folder, "--skip-invalid")
    assert next_day.portal.ledger.requests == reported["calls"]
    assert plan(pairs, "--run", folder, "--json").reported["calls"] == 0
    assert "        0  to send\n" in plan(pairs, "--run", folder).out


def test_a_run_folder_of_another_run_is_not_proposed(
    command: Command, start_portal: StartPortal, pairs: Path, *, folder: Path
) -> None:
    """`link` would refuse it; its reason is on standard error."""
    start_portal()
    command("link", "--no-check", pairs, *TYPES, "--run", folder, "--skip-invalid")
    again = command("plan", pairs, *TYPES, "--run", folder)
    assert "holds another run" not in again.err
    other = command("plan", pairs, "--from", "deals", *TYPES[2:], "--run", folder)
    assert "pairs.csv: --from was 'contacts' and is 'deals'" in other.err
    assert "aiohubassoc link" not in other.out
    assert other.code == again.code


def test_a_run_folder_is_not_made(plan: Command, pairs: Path, folder: Path) -> None:
    """It is only asked, and it may not be there yet."""
    assert plan(pairs, "--run", folder, "--json").reported["calls"] == 10
    assert not folder.parent.exists()


# --- inputs ------------------------------------------------------------------------------------


def test_several_files_and_standard_input(plan: Command, pairs: Path, tmp_path: Path) -> None:
    """Duplicates across them too; bad rows are reported with their file."""
    more = tmp_path / "more.csv"
    more.write_text("from_id,to_id\n1,100001\n77,88\n1e5,9\n", encoding="utf-8")
    reported = plan(pairs, more, "-", "--json", stdin=b"from_id,to_id\n77,88\n99,88\n").reported
    assert (reported["pairs"], reported["duplicates"], reported["invalid"]) == (12, 4, 3)
    assert reported["invalid_lines"][-1]["place"] == f"line 4 of {more}"
    assert f"{pairs} and 1 more: 17 rows, 11 pairs to link, 3 rejected" in plan(pairs, more).out


def test_batches_are_of_one_kind_each(plan: Command, tmp_path: Path) -> None:
    """2,000 pairs at most, of the same object types."""
    rows = "".join(f"{n},{n},{'deals' if n > 2001 else ''}\n" for n in range(1, 2004))
    (tmp_path / "many.csv").write_text(f"from_id,to_id,to_type\n{rows}", encoding="utf-8")
    reported = plan(tmp_path / "many.csv", "--json").reported
    assert (reported["calls"], reported["batch_calls"]) == (2003, 3)


def test_many_bad_rows_are_counted_and_cut(plan: Command, tmp_path: Path) -> None:
    """The first hundred in JSON, the first twenty for people."""
    pairs = write_pairs(tmp_path / "bad.csv", 3, "1e5,7\n" * 150)
    reported = plan(pairs, "--json").reported
    assert (reported["invalid"], len(reported["invalid_lines"])) == (150, 100)
    assert "  ... and 130 more\n" in plan(pairs).out


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (("--quota", "fast"), "quota"),
        (("--share", "0"), "share"),
        (("--share", "1.5"), "share"),
        (("--concurrency", "0"), "concurrency"),
        (("--concurrency", "1001"), "concurrency"),
        (("--daily-limit", "0"), "--daily-limit must be 1 or more"),
        (("--batch-size", "2001"), "--batch-size must be 1 to 2,000, not 2,001"),
        (("--batch-quota", "fast"), "--batch-quota: 'fast' is neither a quota"),
        (("--delimiter", ";;"), "--delimiter"),
        (("--from-column", "none"), "has no column 'none'"),
        (("-x",), "-x"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_work(
    command: Command, pairs: Path, *, options: tuple[str, ...], reported: str
) -> None:
    """Exit code 2 and the option, as for the run itself."""
    for way in (("plan",), ("link", "--dry-run", "--via", "batch")):
        result = command(*way, pairs, *TYPES, *options)
        assert (result.code, reported in result.err, result.out) == (2, True, ""), way
        assert "Traceback" not in result.err


def test_no_room_for_temporary_files(
    plan: Command, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5."""
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    result = plan(pairs)
    assert (result.code, "Cannot write" in result.err, result.out) == (5, True, "")


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (("--stream", "--json"), "give --stream or --json"),
        (("--ordered",), "--ordered is for --stream"),
        (("--retry-failed",), "--retry-failed is for a run folder: give --run"),
        (("--force",), "--force is for a run folder: give --run"),
        (("--stop-after-failures", "0"), "--stop-after-failures must be 1 or more"),
        (("--reserve-daily", "some"), "--reserve-daily 'some' is neither"),
        (("--failures", "pairs.csv"), "would overwrite the input"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_dry_run_refuses_what_the_run_would(
    command: Command,
    pairs: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    options: tuple[str, ...],
    reported: str,
) -> None:
    """Or it would promise what then cannot be done."""
    monkeypatch.chdir(pairs.parent)
    result = command("link", "--dry-run", "pairs.csv", *TYPES, *options)
    assert (result.code, reported in result.err) == (2, True)


def test_the_calls_of_a_day_are_not_for_a_run(
    command: Command, start_portal: StartPortal, pairs: Path
) -> None:
    """HubSpot tells a run itself how many are left: an option without effect is refused."""
    start_portal()
    result = command("link", pairs, *TYPES, *FAST, "--daily-limit", "5", "--skip-invalid")
    assert (result.code, "--daily-limit is for --dry-run" in result.err) == (2, True)
