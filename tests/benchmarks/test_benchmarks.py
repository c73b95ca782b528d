"""Each benchmark runs, and what it claims besides times holds on a small scale."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from postgres import why_not

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


@pytest.mark.looptime(False)
@pytest.mark.timeout(600)  # on a busy machine a part of them takes minutes
@pytest.mark.parametrize(
    "command",
    [
        (
            "quota.py",
            "--pairs",
            "60",
            "--limit",
            "40",
            "--windows",
            "1",
            "--scenario-windows",
            "0",
            "--untimed",
            "--only-ours",
        ),
        (
            *("shared.py", "--parts", "quota", "--untimed", "--limit", "40", "--windows", "1"),
            *("--pairs", "120", "--processes", "4"),
        ),
        (
            *("shared.py", "--parts", "hits", "--untimed", "--hits", "1", "--limit", "40"),
            *("--hit-window", "1", "--hit-pairs", "160"),
        ),
        pytest.param(
            (
                *("shared.py", "--parts", "postgres", "--limit", "40", "--hit-window", "1"),
                *("--hit-pairs", "160", "--stores", "postgresql", "--untimed"),
            ),
            marks=pytest.mark.skipif(bool(why_not()), reason=why_not() or ""),
        ),
        ("faults.py", "--pairs", "300", "--lasting-pairs", "500"),
        ("memory.py", "--pairs", "200", "2000", "--most-tasks", "200"),
        ("join.py", "--rows", "2000"),
        (
            "throughput.py",
            "--series",
            "1",
            "--rounds",
            "2",
            "--pairs",
            "60",
            "--without-peers",
            "--untimed",
        ),
        (
            "batch.py",
            "--series",
            "1",
            "--rounds",
            "2",
            "--pairs",
            "2500",
            "--bare-pairs",
            "60",
            "--memory-pairs",
            "2500",
            "10000",
            "--split-batches",
            "2",
            "--without-peers",
            "--untimed",
        ),
        ("modules.py",),
        ("overhead.py", "--rounds", "2", "--pairs", "60"),
        ("startup.py", "--rounds", "1", "--untimed"),
        (
            "journal.py",
            "--series",
            "1",
            "--rounds",
            "1",
            "--pairs",
            "60",
            "--fill-pairs",
            "2000",
            "6000",
            "--untimed",
        ),
        ("nightly.py", "--pairs", "3000", "--new-share", "0.02"),
        ("run_report.py", "--pairs", "2000", "--untimed"),
        ("fuzz.py", "--seconds", "2"),
        ("kills.py", "--kills", "4", "--pairs", "150"),
        ("kills.py", "--kills", "4", "--pairs", "300", "--via", "batch"),
        (
            "hostile_files.py",
            "--untimed",
            "--only",
            "line-without-end.csv",
            "commas-of-16-mb.csv.gz",
            "header-of-500000-columns.csv",
            "ids-by-ids-in-one-row.csv",
            "nested-500000-deep.jsonl",
            "entities.xlsx",
            "attribute-of-45-mb.xlsx",
            "lists-of-texts-of-1-mb.parquet",
            "--commands",
            "plan",
        ),
        (
            "hostile_files.py",
            "--untimed",
            "--only",
            "cells-of-four-byte-characters.csv.gz",
            "shared-texts-of-four-byte-characters.xlsx",
        ),
        pytest.param(
            ("inputs.py", "--rows", "1000", "20000", "--taken", "300", "--untimed"),
            marks=pytest.mark.skipif(
                not Path("/proc/self/status").exists(), reason="this system has no /proc"
            ),
        ),
    ],
    ids=lambda command: command[0],
)
def test_benchmarks(command: tuple[str, ...]) -> None:
    """Exit code 0, and no claim that does not hold."""
    script, *options = command
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, *options],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok  " in done.stdout
    assert "NO  " not in done.stdout


def test_a_claim_that_does_not_hold_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or the runs above would prove nothing."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import report  # noqa: PLC0415 -- a script's sibling

    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    assert report.conclude("x", [{"a": 1}], {"fine": True, "wrong": False}) == 1
    assert "NO  wrong" in capsys.readouterr().out
    assert '"wrong": false' in (tmp_path / "results" / "x.json").read_text(encoding="utf-8")
    assert report.conclude("x", [{"a": 1}], {"fine": True}) == 0


@pytest.fixture
def lean_server(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script with the server of the benchmarks."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import lean_server  # noqa: PLC0415 -- a script's sibling

    return lean_server


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_the_lean_server_answers_batches_in_pieces(lean_server: ModuleType, size: int) -> None:
    """Each batch is answered once with both directions of its pairs, wherever it is cut."""
    pairs = [(str(number), str(number + 1000)) for number in range(1, 41)]
    body = json.dumps({"inputs": [{"from": {"id": a}, "to": {"id": b}} for a, b in pairs]})
    head = (
        "POST /crm/v4/associations/contacts/companies/batch/associate/default HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sent = (head + body).encode() * 2
    transport = Mock()
    connection = lean_server._Connection()
    connection.connection_made(transport)
    before = connection.count
    for start in range(0, len(sent), size):
        connection.data_received(sent[start : start + size])
    assert connection.count == before + 2 * len(pairs)
    first, second = (call.args[0] for call in transport.write.call_args_list)
    assert first == second
    results = json.loads(first.partition(b"\r\n\r\n")[2])["results"]
    reported = [
        (each["from"]["id"], each["to"]["id"], each["associationSpec"]["associationTypeId"])
        for each in results
    ]
    both = [(a, b, 279) for a, b in pairs] + [(b, a, 280) for a, b in pairs]
    assert sorted(reported) == sorted(both)
    assert reported not in (both, both[::-1])
