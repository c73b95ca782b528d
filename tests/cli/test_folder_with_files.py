"""``--run`` with a folder that is there: a run folder, an empty one, or one with other files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import TYPES, write_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command, StartPortal


@pytest.mark.parametrize("given", [".", "..", "{here}"])
def test_a_folder_with_other_files_is_no_run_folder(
    link: Command,
    command: Command,
    start_portal: StartPortal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    given: str,
) -> None:
    """A run folder is not created in a folder that has other files."""
    portal = start_portal()
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    pairs = write_pairs(here / "pairs.csv", 2)
    run = given.format(here=here)
    for result in (link(pairs, "--run", run), command("plan", pairs, *TYPES, "--run", run)):
        assert result.code == 2
        assert f"{run} is no run folder and has other files, such as " in result.err
        assert "name a new folder, such as --run " in result.err
    assert [one.name for one in here.iterdir()] == ["pairs.csv"]
    assert not portal.portal.ledger.requests
    assert link(pairs, "--run", "runs/first").code == 0


def test_an_empty_folder_becomes_a_run_folder(
    link: Command, start_portal: StartPortal, pairs_file: Path, folder: Path
) -> None:
    """Also one in which a run was killed at once, and the root of a new disk."""
    start_portal()
    folder.mkdir(parents=True)
    for name in ("lock.db", "quota.db", ".hidden"):
        (folder / name).touch()
    (folder / "lost+found").mkdir()
    assert link(pairs_file, "--run", folder).code == 0
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    assert link(pairs_file, "--run", folder).code == 0
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
