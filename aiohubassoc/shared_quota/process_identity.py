"""The identity of a client's process, and whether that process has ended."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def make_identity() -> str:
    """Return a unique name for a client of this process."""
    process_id = os.getpid()
    return f"{_namespace()}/{process_id}/{_started_at(process_id)}/{secrets.token_hex(4)}"


def is_gone(identity: str) -> bool:
    """
    Return whether the process of *identity* has certainly ended.

    False if that is unknown: it runs on another machine or in another container, or this system
    does not report when processes started.
    """
    namespace, process_id, started_at, _ = identity.split("/")
    if not started_at or not namespace or namespace != _namespace():
        return False
    return _started_at(int(process_id)) != started_at


def _namespace() -> str:
    """Return the name of the machine's start and the container: process ids are unique in it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink().name}"
    except OSError:
        return ""


def _started_at(process_id: int) -> str:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    # After the name, which may hold anything, in parentheses; proc(5): 3 is the state, 22 this.
    state, *fields = status.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]
