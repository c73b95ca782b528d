"""``python -m aiohubassoc``: the same command as ``aiohubassoc``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        import cyclopts  # noqa: F401, PLC0415 -- an extra: the library works without it
        import rich  # noqa: F401, PLC0415 -- likewise
    except ImportError:
        sys.stderr.write(
            "aiohubassoc: the command line needs an extra: pip install 'aiohubassoc[cli]'\n"
        )
        return 2
    from aiohubassoc.cli.app import run  # noqa: PLC0415 -- imports the extra

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
