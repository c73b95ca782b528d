"""Calls that Windows or macOS lack always have a fallback."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "aiohubassoc"

# Modules and names that Python has on no Windows (Python, Standard library, "Availability").
MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog", "posix", "crypt"}
NAMES = {
    "os": {
        *("fork", "forkpty", "getuid", "geteuid", "getgid", "setuid", "setsid", "getpgid"),
        *("killpg", "chown", "fchown", "lchown", "fchmod", "chroot", "mkfifo", "mknod", "nice"),
        *("sched_setaffinity", "sched_getaffinity", "posix_fallocate", "posix_fadvise", "statvfs"),
        *("wait", "wait3", "wait4", "WNOHANG", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "uname"),
        *("getloadavg", "sysconf", "pread", "pwrite", "sendfile", "setpriority", "initgroups"),
    },
    "signal": {
        *("SIGKILL", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE"),
        *("SIGWINCH", "SIGSTOP", "SIGCONT", "SIGTSTP", "alarm", "setitimer", "pause"),
        *("pthread_kill", "pthread_sigmask", "sigwait", "siginterrupt"),
    },
    "socket": {"AF_UNIX", "socketpair_unix", "SO_REUSEPORT", "MSG_DONTWAIT"},
    "time": {"tzset", "clock_gettime", "CLOCK_MONOTONIC"},
}
METHODS = {"add_signal_handler", "remove_signal_handler", "create_unix_connection"}
# Linux only: neither macOS nor Windows has them.
PATHS = ("/proc", "/sys/", "/dev/", "/tmp", "/etc/", "/var/")  # noqa: S108 -- looked for


def finds(source: str) -> list[tuple[int, str]]:
    """
    Return the lines and names of what some systems lack and nothing guards.

    A guard is an ``if`` or a conditional expression that asks for `sys.platform`, `os.name`, or
    `hasattr`; or a ``try`` whose handler names the error that the lack of it raises.
    """
    found: list[tuple[int, str]] = []
    _search(ast.parse(source), found)
    return found


def _search(node: ast.AST, found: list[tuple[int, str]]) -> None:
    for name, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        if (
            (isinstance(node, ast.If | ast.IfExp) and name != "test" and _asks(node.test))
            or (isinstance(node, ast.Try) and name == "body" and _catches(node))
            or (isinstance(node, ast.With) and name == "body" and _suppresses(node))
        ):
            continue
        # A path that is not there raises OSError, which a missing name does not.
        is_guarded = isinstance(node, ast.Try) and name == "body" and _catches(node, _NO_PATH)
        inside: list[tuple[int, str]] = []
        for child in children:
            if isinstance(child, ast.AST):
                if (lack := _lack(child)) is not None:
                    inside.append((getattr(child, "lineno", 0), lack))
                _search(child, inside)
        found += [one for one in inside if not (is_guarded and one[1].startswith("/"))]


def _asks(test: ast.expr) -> bool:
    text = ast.unparse(test)
    return "sys.platform" in text or "os.name" in text or "hasattr(" in text


_NO_PATH = {"OSError", "FileNotFoundError"}
_LACKS = {"AttributeError", "ImportError", "ModuleNotFoundError", "NotImplementedError"}


def _catches(node: ast.Try, errors: set[str] | None = None) -> bool:
    wanted = _LACKS if errors is None else errors
    return any(
        handler.type is not None and wanted & set(_names(handler.type)) for handler in node.handlers
    )


def _suppresses(node: ast.With) -> bool:
    return any(
        "suppress" in ast.unparse(item.context_expr) and _LACKS & set(_names(item.context_expr))
        for item in node.items
    )


def _names(node: ast.AST) -> list[str]:
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]


def _lack(node: ast.AST) -> str | None:
    used: list[str] = []
    match node:
        case ast.Import(names=names):
            used = [each.name for each in names if each.name in MODULES]
        case ast.ImportFrom(module=str() as module, names=names):
            lacking = NAMES.get(module, set())
            used = [module] if module in MODULES else []
            used += [each.name for each in names if each.name in lacking]
        case ast.Attribute(value=ast.Name(id=module), attr=attr) if attr in NAMES.get(module, ()):
            used = [f"{module}.{attr}"]
        case ast.Attribute(attr=attr) if attr in METHODS:
            used = [attr]
        case ast.Constant(value=str() as text) if text.startswith(PATHS) and " " not in text:
            used = [text]
        case _:
            pass
    return used[0] if used else None


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_no_call_is_missing_on_windows_or_macos(path: Path) -> None:
    """Each such call has a fallback."""
    assert finds(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "from os import fork",
        "os.kill(pid, signal.SIGKILL)",
        "loop.add_signal_handler(2, end)",
        "open('/proc/self/status')",
        "if quiet:\n    os.fchmod(1, 2)",
        "try:\n    os.chown('x', 1, 1)\nexcept OSError:\n    pass",
        "if sys.platform == 'win32':\n    pass\nos.getuid()",
    ],
)
def test_calls_without_a_fallback_are_found(source: str) -> None:
    """Otherwise the test above would prove nothing."""
    assert len(finds(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "if sys.platform != 'win32':\n    import fcntl",
        "os.fchmod(1, 2) if hasattr(os, 'fchmod') else None",
        "try:\n    import resource\nexcept ImportError:\n    resource = None",
        "with contextlib.suppress(NotImplementedError):\n    loop.add_signal_handler(2, end)",
        "os.kill(pid, signal.SIGTERM)",
    ],
)
def test_calls_with_a_fallback_are_accepted(source: str) -> None:
    """They are not reported."""
    assert finds(source) == []
