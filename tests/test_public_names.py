"""The public names of the package."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import aiohubassoc

NAMES: list[str] = getattr(aiohubassoc, "__all__")  # noqa: B009 -- made when it is asked for
HOMES: dict[str, str] = getattr(aiohubassoc, "_HOMES")  # noqa: B009 -- made when it is asked for


def test_every_public_name_is_there() -> None:
    """`__all__` is sorted and complete, and each name can be imported."""
    assert sorted(NAMES) == NAMES
    assert {*HOMES, "__version__"} == set(NAMES)
    for name in NAMES:
        assert getattr(aiohubassoc, name) is not None
        assert name in dir(aiohubassoc)


def test_every_public_name_is_defined_where_it_is_imported_from() -> None:
    """A name is loaded from the module that defines it."""
    for name, home in HOMES.items():
        assert getattr(import_module(home), name) is getattr(aiohubassoc, name)


def test_every_public_class_is_documented() -> None:
    """Each class, and each public method of it, has a docstring."""
    for name in NAMES:
        value = getattr(aiohubassoc, name)
        if not isinstance(value, type):
            continue
        assert value.__doc__, name
        for attribute, member in vars(value).items():
            if callable(member) and not attribute.startswith("_"):
                assert member.__doc__, f"{name}.{attribute}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(aiohubassoc, "nothing")  # noqa: B009 -- the access is the point


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import aiohubassoc` imports neither aiohttp nor other slow modules."""
    code = (
        "import sys, aiohubassoc; "
        "print([m for m in ('aiohttp', 'asyncio', 'attr', 'cattrs', 'tenacity') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout
