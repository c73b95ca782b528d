"""What SECURITY.md promises, a test keeps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py(?:::\w+)?)`", TEXT)))


@pytest.mark.parametrize("named", NAMED)
def test_a_named_test_exists(named: str) -> None:
    """By its file, and by its name in there."""
    path, _, name = named.partition("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    assert f"def {name or 'test_'}" in source or path.startswith("benchmarks/")


def test_each_promise_names_its_test() -> None:
    """But for those about files that are kept beside the code."""
    part = TEXT[TEXT.index("## Guarantees") : TEXT.index("## Not protected")]
    promises = [line for line in part.splitlines() if line.startswith("- **")]
    assert len(promises) > 5
    for promise in promises:
        assert "`tests/" in promise or promise.startswith("- **Dependencies"), promise
