"""``python -m aiohubassoc``: the same command as ``aiohubassoc``."""

from __future__ import annotations

import os
import sys

# How a closed stream is opened: reading standard input and writing standard output then fail, as
# they do on a closed descriptor. What is written to standard error is discarded.
_CLOSED = (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))
# Objects allocated before a garbage collection; 700 by default. Outcomes live until they are
# reported and have no reference cycles.
_COLLECTED_AT = 20_000


def main() -> int:
    """Run the command line and return its exit code."""
    from aiohubassoc.cli.signals import install  # noqa: PLC0415 -- loads little

    install()
    _open_closed_streams()
    import gc  # noqa: PLC0415 -- a signal is heard from now on: what loads more comes after it
    from importlib.util import find_spec  # noqa: PLC0415 -- as above

    # An extra: the library works without it.
    if find_spec("cyclopts") is None or find_spec("rich") is None:
        from aiohubassoc.errors import install_command  # noqa: PLC0415 -- if asked

        sys.stderr.write(
            f"aiohubassoc: the command line needs an extra: {install_command('cli')}\n"
        )
        return 2
    from aiohubassoc.cli.app import run  # noqa: PLC0415 -- imports the extra

    gc.set_threshold(_COLLECTED_AT)  # the process is ours; a library must not do this
    return run(sys.argv[1:])


def _open_closed_streams() -> None:
    """Open the closed standard streams, so that no other file or socket gets their number."""
    for number, (name, flags) in enumerate(_CLOSED):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, flags)  # the lowest free number: usually the right one
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)
        if number:  # standard input stays None, which means closed
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
