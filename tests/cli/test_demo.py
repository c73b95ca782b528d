"""``aiohubassoc demo``: it must notice when what was reported is not true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiohubassoc import Outcome, Pair, Quota, Status, TransportError
from aiohubassoc.cli import simulate
from aiohubassoc.cli.simulate import compare
from aiohubassoc.errors import InputError
from tests.cli.conftest import write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command

PAIR = Pair("contacts", 1, "companies", 2)
LINK = ("contacts", "1", "companies", "2", 1)


def _outcome(status: Status, error: TransportError | None = None) -> Outcome:
    return Outcome(0, PAIR, status, error=error, maybe_applied=error is not None)


@pytest.mark.parametrize("portal_refuses", [False, True])
def test_it_runs_and_agrees(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, portal_refuses: bool
) -> None:
    """Over a real socket, with a separate portal process; an early end is reported as such."""
    monkeypatch.setattr(simulate, "_EXAMPLE", write_pairs(tmp_path / "pairs.csv", 150))
    monkeypatch.setattr(simulate, "_QUOTA", Quota(150, 1.0))
    if portal_refuses:
        monkeypatch.setattr("aiohubassoc.cli.connection.AssociationClient", _with_wrong_token)
    result = command("demo")
    if portal_refuses:
        assert result.code == 4
        assert "Stopped early" in result.out
    else:
        assert result.code == 0, result
        assert "150 pairs" in result.out
        assert "Verified: the simulator's records match every outcome." in result.out


def _with_wrong_token(_: str, **options: object) -> object:
    from aiohubassoc import AssociationClient  # noqa: PLC0415 -- the real one

    return AssociationClient("wrong", **options)  # type: ignore[arg-type]


def test_a_disagreement_is_told(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 1."""
    monkeypatch.setattr(simulate, "_EXAMPLE", write_pairs(tmp_path / "pairs.csv", 3))
    monkeypatch.setattr(simulate, "compare", lambda *_: ["a [b] disagrees"])
    result = command("demo")
    assert result.code == 1
    assert "The portal disagrees: a [b] disagrees" in result.out
    assert "match every outcome" not in result.out


def test_an_installation_without_the_example(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 2 and its name."""
    monkeypatch.setattr(simulate, "_EXAMPLE", tmp_path / "none.csv")
    result = command("demo")
    assert (result.code, "none.csv is missing" in result.err) == (2, True)
    with pytest.raises(InputError):
        simulate.demo()


@pytest.mark.parametrize(
    ("status", "error", "links", "reported"),
    [
        (Status.LINKED, None, [LINK], []),
        (Status.PARTIAL, None, [LINK], []),
        (Status.FAILED, None, [], []),
        (Status.FAILED, TransportError("cut", maybe_applied=True), [LINK], []),
        (Status.FAILED, TransportError("cut", maybe_applied=True), [], []),
        (Status.LINKED, None, [], ["is reported as linked, but is not there"]),
        (Status.FAILED, None, [LINK], ["is reported as failed, but is there"]),
        (Status.LINKED, None, [LINK, ("deals", "1", "notes", "2", 1)], ["was not reported"]),
    ],
)
def test_what_agrees(
    status: Status,
    error: TransportError | None,
    links: list[tuple[str, str, str, str, int]],
    reported: list[str],
) -> None:
    """Both ways, and an unknown answer leaves both open."""
    wrong = compare([PAIR], [_outcome(status, error)], links)
    assert len(wrong) == len(reported)
    for line, end in zip(wrong, reported, strict=True):
        assert line.endswith(end)


@pytest.mark.parametrize("count", [0, 2])
def test_each_pair_has_one_outcome(count: int) -> None:
    """No more, no less."""
    wrong = compare([PAIR], [_outcome(Status.FAILED)] * count, [])
    assert wrong == [f"contacts 1 companies 2 has {count} outcomes"]
