"""``python -m aiohubassoc``: the same command as ``aiohubassoc``."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> int:
    """Run the command line and return its exit code."""
    # An extra: the library works without it.
    if find_spec("cyclopts") is None or find_spec("rich") is None:
        sys.stderr.write(
            "aiohubassoc: the command line needs an extra: pip install 'aiohubassoc[cli]'\n"
        )
        return 2
    from aiohubassoc.cli.app import run  # noqa: PLC0415 -- imports the extra

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
