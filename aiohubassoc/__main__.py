"""``python -m aiohubassoc``: the same command as ``aiohubassoc``."""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec
from typing import Final

# Objects allocated before a garbage collection; 700 by default. Outcomes live until they are
# reported and have no reference cycles.
_COLLECTED_AT: Final = 20_000


def main() -> int:
    """Run the command line and return its exit code."""
    # An extra: the library works without it.
    if find_spec("cyclopts") is None or find_spec("rich") is None:
        sys.stderr.write(
            "aiohubassoc: the command line needs an extra: pip install 'aiohubassoc[cli]'\n"
        )
        return 2
    from aiohubassoc.cli.app import run  # noqa: PLC0415 -- imports the extra

    gc.set_threshold(_COLLECTED_AT)  # the program is ours here: a library must not do so
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
