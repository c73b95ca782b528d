"""
The state of pacers as JSON: every attribute except those that the client's options set.

The classes are those of `aiohubassoc._quota`. If one of them gets another attribute, or another
meaning, `FORMAT` is raised: tests/shared_quota/test_snapshot.py pins them.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import attrs
import orjson

from aiohubassoc._quota import adaptive_limit
from aiohubassoc._quota.adaptive_limit import AdaptiveLimit
from aiohubassoc._quota.causes import Causes, Cut, MisjudgedMoments
from aiohubassoc._quota.pacer import Cooldown
from aiohubassoc._quota.token_bucket import RoundTrips, TokenBucket
from aiohubassoc.options import Quota

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT: Final = 5  # the version of what stands in a row's state

# Parts of a pacer that stay and get new attributes; and those that are made anew.
_IN_PLACE: Final = (AdaptiveLimit, Causes, Cooldown, Cut, MisjudgedMoments, RoundTrips)
_FROZEN: Final = {
    "Quota": Quota,
    "_Level": adaptive_limit._Level,  # noqa: SLF001 -- it is kept with its owner
}
# Of options, and so of each client.
_OPTIONS: Final = frozenset({"_given", "_share", "_most", "_reserve", "_strict"})
# More moments than that are rounded up to `_STEPS` steps of their span: what is read and written
# for each call must not grow with the quota.
_MOST_MOMENTS: Final = 2000
_STEPS: Final = 1000
_SHORTEST_STEP: Final = 1e-6
# Responses that could be overtaken by one that comes later.
_REMEMBERED_SECONDS: Final = 60.0


def dump(owner: object, now: float) -> dict[str, Any]:
    """Return the attributes of a pacer, or a budget, as JSON can hold them."""
    return {
        name: _dumped(value, now) for name, value in vars(owner).items() if name not in _OPTIONS
    }


def load(owner: object, state: dict[str, Any]) -> None:
    """Give a pacer or a budget the attributes of a state; ValueError: it is not one of these."""
    attributes = vars(owner)
    if names := (attributes.keys() - _OPTIONS) ^ state.keys():
        raise ValueError(f"{type(owner).__name__} has other attributes: {sorted(names)}")
    for name, value in state.items():
        had = attributes[name]
        if isinstance(had, _IN_PLACE):
            load(had, value[type(had).__name__])
        elif isinstance(had, deque):
            setattr(owner, name, deque(value, had.maxlen))
        else:
            setattr(owner, name, _loaded(value))


def to_bytes(state: dict[str, Any]) -> bytes:
    """Return a state as JSON, with the checksum of what follows: a database has none itself."""
    body = orjson.dumps(state)
    return b'{"crc":%d,%b' % (crc32(body), body[1:])


def from_bytes(text: bytes) -> dict[str, Any]:
    """Return the state that stands in JSON, or raise ValueError: it is none, or damaged."""
    state = orjson.loads(text)
    if not isinstance(state, dict):
        raise ValueError("it is no object")  # noqa: TRY004 -- JSON has no types to be wrong
    if state.pop("crc", None) not in {None, crc32(b"{" + text.partition(b",")[2])}:
        raise ValueError("its checksum is wrong")
    return state


def _dumped(value: object, now: float) -> Any:  # noqa: ANN401 -- JSON
    name = type(value).__name__
    match value:
        case float():
            dumped: Any = value if math.isfinite(value) else {"float": str(value)}
        case TokenBucket():
            dumped = {name: _dumped_bucket(value, now)}
        case _ if isinstance(value, _IN_PLACE):
            dumped = {name: dump(value, now)}
        case Quota() | adaptive_limit._Level():  # noqa: SLF001 -- see above
            fields = attrs.asdict(value, recurse=False)
            dumped = {name: {key: _dumped(one, now) for key, one in fields.items()}}
        case tuple():
            dumped = {"tuple": [_dumped(one, now) for one in value]}
        case deque():
            dumped = [moment for moment in value if moment >= now - _REMEMBERED_SECONDS]
        case _:
            dumped = value
    return dumped


def _dumped_bucket(bucket: TokenBucket, now: float) -> dict[str, Any]:
    state = dict(vars(bucket))
    before = now - bucket.memory - bucket.quota.window
    counted = [moment for moment in state["_counted"] if moment >= before]
    moments = {"_counted": counted} | {
        name: [moment for moment in state[name] if moment >= before]
        for name in ("_rejected", "_throttled")
    }
    state["_first"] = max(0, state["_first"] - len(state["_counted"]) + len(counted))
    if len(counted) > _MOST_MOMENTS:
        step = max(_SHORTEST_STEP, (counted[-1] - counted[0]) / _STEPS)
        state |= {name: _steps(each, step) for name, each in moments.items()}
        state["_first"] = 0  # some of them moved on: those that are back are found again
    else:
        state |= {name: {"at": each} for name, each in moments.items()}
    state["quota"] = _dumped(bucket.quota, now)
    return state


def _steps(moments: Iterable[float], step: float) -> dict[str, Any]:
    counts = Counter(math.ceil(moment / step) for moment in moments)
    return {"step": step, "counts": sorted(counts.items())}


def _loaded(value: Any) -> Any:  # noqa: ANN401 -- JSON
    if not isinstance(value, dict):
        return value
    if "step" in value:
        step = value["step"]
        return list(chain.from_iterable(repeat(at * step, n) for at, n in value["counts"]))
    ((name, content),) = value.items()
    match name:
        case "at":
            loaded = content
        case "float":
            loaded = float(content)
        case "tuple":
            loaded = tuple(_loaded(one) for one in content)
        case "TokenBucket":
            loaded = TokenBucket(_loaded(content["quota"]))
            if names := vars(loaded).keys() ^ content.keys():
                raise ValueError(f"{name} has other attributes: {sorted(names)}")
            for key, one in content.items():
                setattr(loaded, key, _loaded(one))
        case _:
            loaded = _FROZEN[name](**{key: _loaded(one) for key, one in content.items()})
    return loaded
