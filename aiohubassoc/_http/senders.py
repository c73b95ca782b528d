"""The senders of a client, by kind of call: one pair, many pairs, lookups, the account."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import attrs

from aiohubassoc._batching.attribution import judge_batch
from aiohubassoc._batching.batch import encode_pairs
from aiohubassoc._http.sender import Sender
from aiohubassoc._protocol.classify import judge_pair_refusal, judge_refusal
from aiohubassoc._protocol.codec import decode_error_in_steps
from aiohubassoc._protocol.links import encode_records
from aiohubassoc._protocol.requests import (
    AccountRequest,
    BatchRequest,
    LookupRequest,
    create_default,
    create_default_batch,
    read_links,
)
from aiohubassoc._protocol.verdicts import (
    judge_account_reply,
    judge_links_reply,
    judge_pair_reply,
)
from aiohubassoc.pair import Pair

if TYPE_CHECKING:
    from datetime import datetime

    from aiohubassoc._http.limiter_interface import Limiter
    from aiohubassoc._http.retry_loop import Dependencies
    from aiohubassoc._protocol.codec import Steps
    from aiohubassoc._protocol.verdicts import Response, Verdict


@attrs.frozen
class Senders:
    """The senders of one client, over the same connections."""

    single: Sender[Pair]  # links one pair
    batch: Sender[BatchRequest]  # links many pairs
    links: Sender[LookupRequest]  # reads to which records others are linked
    account: Sender[AccountRequest]  # reads data of the account
    loop: asyncio.AbstractEventLoop  # the one that they serve


def _judge_refusal(
    response: Response, request: BatchRequest | LookupRequest | AccountRequest, now: datetime
) -> Steps[Verdict]:
    response.error = yield from decode_error_in_steps(response.body)
    return judge_refusal(response, request.types, now)


def make_senders(
    version: str, shared: Dependencies, *, limiter: Limiter, batch_limiter: Limiter
) -> Senders:
    """Return the senders of a client; *batch_limiter* limits batch calls and lookups."""
    return Senders(
        Sender(
            shared,
            limiter,
            endpoint=partial(create_default, version),
            judge_reply=judge_pair_reply,
            judge_refusal=judge_pair_refusal,
        ),
        Sender(
            shared,
            batch_limiter,
            endpoint=lambda inputs: create_default_batch(
                version, inputs.types, encode_pairs(inputs.pairs)
            ),
            judge_reply=lambda response, inputs: judge_batch(response, inputs.pairs),
            judge_refusal=_judge_refusal,
        ),
        Sender(
            shared,
            batch_limiter,
            endpoint=lambda asked: read_links(version, asked.types, encode_records(asked.records)),
            judge_reply=lambda response, _: judge_links_reply(response),
            judge_refusal=_judge_refusal,
        ),
        Sender(
            shared,
            limiter,
            endpoint=lambda request: request.endpoint,
            judge_reply=lambda response, _: judge_account_reply(response),
            judge_refusal=_judge_refusal,
        ),
        asyncio.get_running_loop(),
    )
