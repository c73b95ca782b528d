"""What an error says of one pair, without what it says of others."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import attrs

from aiohubassoc._batching.error_ids import ids_in, is_type, plain_name
from aiohubassoc.pair import canonical_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from aiohubassoc._batching.error_ids import Context, End
    from aiohubassoc.replies import ErrorDetail

# What is said of nobody is kept with every pair: that many values, and that many details.
_MOST_KEPT: Final = 100


class Excerpts:
    """
    An error's context and details, to be kept with one pair without what they say of others.

    Args:
        context: The error's.
        details: Its details.
        known: The ids that were sent, as HubSpot writes them.
    """

    def __init__(
        self, context: Context, details: Iterable[ErrorDetail], known: Collection[str]
    ) -> None:
        self._context = _Excerpt(context, known)
        self._details = [(detail, _Excerpt(detail.context, known)) for detail in details]

    def of(self, ends: tuple[End, End]) -> tuple[Context, tuple[ErrorDetail, ...]]:
        """Return what they say of a pair with these ends, and of none."""
        details: list[ErrorDetail] = []
        for detail, excerpt in self._details:
            if len(details) == _MOST_KEPT:
                break
            context = excerpt.of(ends)
            if context is detail.context:
                details.append(detail)
            elif excerpt.speaks_of(ends):
                details.append(attrs.evolve(detail, context=context))
        return self._context.of(ends), tuple(details)


class _Excerpt:
    """One context: its values by the ids they name, as there may be thousands of either."""

    def __init__(self, context: Context, known: Collection[str]) -> None:
        self._context = context
        self._values = [(name, value) for name, values in context.items() for value in values]
        self._general: list[int] = []
        self._by_id: dict[str, list[tuple[int, str | None]]] = {}
        for number, (name, value) in enumerate(self._values):
            named = [(one, kind) for one, kind, _ in ids_in(plain_name(name), value)]
            if not named and (one := canonical_id(value.strip())) in known and not is_type(name):
                named = [(one, None)]
            for one, kind in named:
                self._by_id.setdefault(one, []).append((number, kind))
            if not named and len(self._general) < _MOST_KEPT:
                self._general.append(number)

    def of(self, ends: tuple[End, End]) -> Context:
        picked = {*self._general, *islice(self._about(ends), _MOST_KEPT)}
        if len(picked) == len(self._values):
            return self._context
        empty = (name for name, values in self._context.items() if not values)
        kept: dict[str, tuple[str, ...]] = dict.fromkeys(islice(empty, _MOST_KEPT), ())
        for number in sorted(picked):
            name, value = self._values[number]
            kept[name] = (*kept.get(name, ()), value)
        return kept

    def speaks_of(self, ends: tuple[End, End]) -> bool:
        return any(True for _ in self._about(ends))

    def _about(self, ends: tuple[End, End]) -> Iterator[int]:
        for kind, record_id in ends:
            for number, told in self._by_id.get(record_id, ()):
                if told in {None, kind}:
                    yield number
