"""
Link HubSpot CRM records in bulk: as fast as the quota allows, never above, truthfully.

The public names are listed in `__init__.pyi`. Each is loaded when it is first used: importing the
package is cheap.
"""

from importlib import import_module

__version__ = "0.1.0"


def _read_homes() -> dict[str, str]:
    """Return the module of each public name: those after "as" in the imports of the stub."""
    homes, module = {}, ""
    with open(f"{__file__}i", encoding="utf-8") as stub:  # noqa: PTH123 -- pathlib takes longer
        words = iter(stub.read().split())
    for word in words:
        if word == "from":
            module = next(words)
        elif word == "as":
            homes[next(words).rstrip(",")] = module
    return homes


def __getattr__(name: str) -> object:
    names = globals()
    if name == "_HOMES":
        value: object = _read_homes()
    elif name == "__all__":
        value = sorted([*__getattr__("_HOMES"), "__version__"])
    elif name in (homes := names.get("_HOMES") or __getattr__("_HOMES")):
        value = getattr(import_module(homes[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    names[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
