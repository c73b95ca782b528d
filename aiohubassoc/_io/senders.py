"""The three kinds of calls of a client: for one pair, for many, and for the links of records."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypedDict, Unpack

import attrs

from aiohubassoc._core.batch import encode_pairs
from aiohubassoc._core.endpoint_proof import EndpointProof
from aiohubassoc._core.endpoints import (
    BatchRequest,
    LookupRequest,
    create_default,
    create_default_batch,
    read_links,
)
from aiohubassoc._core.links import encode_records
from aiohubassoc._core.table import judge, judge_batch, judge_links
from aiohubassoc._io.sender import Sender
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohubassoc._http.auth import TokenSource
    from aiohubassoc._http.clock import Clock
    from aiohubassoc._http.limiter import Limiter
    from aiohubassoc._io.transport import Transport
    from aiohubassoc.options import ApiVersion, RetryPolicy


class Means(TypedDict):
    """What all of them share."""

    transport: Transport
    tokens: TokenSource
    semaphore: asyncio.Semaphore
    policy: RetryPolicy
    clock: Clock
    jitter: Callable[[], float]


@attrs.frozen
class Senders:
    """
    What makes the calls of one client, over the same connections.

    Attributes:
        single: Links one pair.
        batch: Links many.
        links: Reads to what records are linked.
        loop: The event loop that they work in.
    """

    single: Sender[Pair]
    batch: Sender[BatchRequest]
    links: Sender[LookupRequest]
    loop: asyncio.AbstractEventLoop


def senders_of(
    version: ApiVersion,
    *,
    limiter: Limiter,
    batch_limiter: Limiter,
    **shared: Unpack[Means],
) -> Senders:
    """Return the senders of a client; *batch_limiter* is for the calls for many."""
    proof = EndpointProof()  # of one base URL
    return Senders(
        Sender(
            endpoint=lambda pair: create_default(version, pair),
            judge=judge,
            limiter=limiter,
            proof=proof,
            **shared,
        ),
        Sender(
            endpoint=lambda inputs: create_default_batch(
                version, inputs.types, encode_pairs(inputs.pairs)
            ),
            judge=lambda answer, inputs, now: judge_batch(answer, inputs.types, now),
            limiter=batch_limiter,
            proof=proof,
            **shared,
        ),
        Sender(
            endpoint=lambda asked: read_links(version, asked.types, encode_records(asked.records)),
            judge=lambda answer, asked, now: judge_links(answer, asked.types, now),
            limiter=batch_limiter,
            proof=proof,
            **shared,
        ),
        asyncio.get_running_loop(),
    )
