"""
Who is measured, and the environments in which others run.

The clients of others are installed at pinned versions, when first asked for, into a folder of
their own: ``$XDG_CACHE_HOME/aiohubassoc/benchmarks``, ``~/.cache`` where that is not set.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
from contenders import Contender

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SCRIPTS: Final = Path(__file__).parent / "peers"
_PYTHON_PEERS: Final = (
    "aiohttp==3.14.5",
    "httpx==0.28.1",
    "hubspot-api-client==12.0.0",
    "hubspot-sdk[aiohttp]==0.1.0a9",
)
_NODE_PEERS: Final = ("@hubspot/api-client@14.0.1",)


@attrs.frozen
class Peer:
    """
    A way to link pairs.

    Attributes:
        name: For tables.
        script: In the folder `peers`.
        arguments: For it.
        home: ``"own"``: the environment that runs the benchmark; ``"python"`` or ``"node"``.
    """

    name: str
    script: str
    arguments: tuple[str, ...] = ()
    home: str = "own"

    def contender(self) -> Contender:
        """Return a process of it, installed first if it is not yet."""
        command: Sequence[str | Path]
        if self.home == "own":
            command, folder = [sys.executable], None
        elif self.home == "python":
            folder = _installed_python_home()
            command = [folder / "bin" / "python"]
        else:
            folder = _node_home()
            command = ["node"]
        return Contender([*command, _SCRIPTS / self.script, *self.arguments], folder)


BARE = Peer("bare aiohttp", "bare_aiohttp.py", ("asyncio",))
BARE_UVLOOP = Peer("bare aiohttp, uvloop", "bare_aiohttp.py", ("uvloop",))
OURS = Peer("aiohubassoc, link_each", "ours.py", ("link_each", "asyncio"))
OURS_UVLOOP = Peer("aiohubassoc, link_each, uvloop", "ours.py", ("link_each", "uvloop"))
OURS_ONE = Peer("aiohubassoc, create_default by tasks", "ours.py", ("create_default", "asyncio"))
OURS_AT_QUOTA = Peer("aiohubassoc", "ours.py", ("link_each", "asyncio", "190"))
NAIVE = Peer("naive gather, tenacity, aiohttp", "naive_gather.py")
HTTPX = Peer("httpx", "over_httpx.py", home="python")
THREADS = Peer("hubspot-api-client 12 in threads", "official_threads.py", ("default",), "python")
THREADS_RETRYING = Peer(
    "the same, documented retries", "official_threads.py", ("documented",), "python"
)
SDK_HTTPX = Peer("hubspot-sdk 0.1.0a9 on httpx", "official_sdk.py", ("httpx", "default"), "python")
SDK_AIOHTTP = Peer(
    "hubspot-sdk 0.1.0a9 on aiohttp", "official_sdk.py", ("aiohttp", "default"), "python"
)
SDK_RETRYING = Peer("the same, 20 retries", "official_sdk.py", ("aiohttp", "20"), "python")
NODE = Peer("@hubspot/api-client 14, Node", "official_node.mjs", ("0", "none"), "node")
NODE_RETRYING = Peer("@hubspot/api-client 14, retries", "official_node.mjs", ("6", "none"), "node")
NODE_LIMITED = Peer(
    "the same, documented limiter", "official_node.mjs", ("6", "documented"), "node"
)
BARE_BATCH = Peer("bare aiohttp and orjson, batches", "bare_batch.py", ("asyncio",))
OURS_BATCH = Peer("aiohubassoc, link_each, batches", "ours_batch.py", ("asyncio",))
OURS_BATCH_PEAK = Peer("aiohubassoc, link_each, batches", "ours_batch.py", ("peak",))
OURS_BATCH_IDENTIFY = Peer("aiohubassoc", "ours_batch.py", ("identify",))
THREADS_BATCH = Peer(
    "hubspot-api-client 12, batches", "official_threads_batch.py", ("link",), "python"
)
THREADS_BATCH_IDENTIFY = Peer(
    "hubspot-api-client 12", "official_threads_batch.py", ("identify",), "python"
)
SDK_BATCH = Peer("hubspot-sdk 0.1.0a9, batches", "official_sdk_batch.py", ("link",), "python")
SDK_BATCH_IDENTIFY = Peer("hubspot-sdk 0.1.0a9", "official_sdk_batch.py", ("identify",), "python")


def available(peers: Iterable[Peer]) -> list[Peer]:
    """Return those that can run here, and print which cannot and why."""
    there = []
    for peer in peers:
        if peer.home == "node" and not (shutil.which("node") and shutil.which("npm")):
            print(f"left out, as there is no node and npm: {peer.name}")
        else:
            there.append(peer)
    return there


def _home(kind: str, packages: Sequence[str]) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256("\n".join((python, *packages)).encode()).hexdigest()[:12]
    return cache / "aiohubassoc" / "benchmarks" / f"{kind}-{digest}"


def python_home() -> Path:
    """Return the environment of the clients in Python, which may not be there yet."""
    return _home("python", _PYTHON_PEERS)


def _installed_python_home() -> Path:
    home = python_home()
    done = home / "done"
    if not done.exists():
        print(f"installing into {home}: {', '.join(_PYTHON_PEERS)}", flush=True)
        venv.create(home, with_pip=True, clear=True)
        pip: list[str | Path] = [
            home / "bin" / "python",
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--quiet",
        ]
        subprocess.run([*pip, "install", *_PYTHON_PEERS], check=True)
        done.touch()
    return home


def _node_home() -> Path:
    home = _home("node", _NODE_PEERS)
    done = home / "done"
    if not done.exists():
        print(f"installing into {home}: {', '.join(_NODE_PEERS)}", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", *_NODE_PEERS]
        subprocess.run(npm, cwd=home, check=True)
        done.touch()
    return home
