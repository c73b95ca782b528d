"""What a response of any status means, as a sender finds out: a reply or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohubassoc._protocol import reply_codec
from aiohubassoc._protocol.classify import judge_pair_refusal, judge_refusal
from aiohubassoc._protocol.codec import finish
from aiohubassoc._protocol.verdicts import (
    judge_account_reply,
    judge_batch_reply,
    judge_links_reply,
    judge_pair_reply,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aiohubassoc import Pair
    from aiohubassoc._protocol.verdicts import Response, Verdict
    from aiohubassoc.replies import DefaultAssociations


def decode_reply(body: bytes) -> DefaultAssociations:
    """Return the reply that it holds."""
    return finish(reply_codec.decode_reply(body))


_SUCCESS = range(200, 300)


def judge(response: Response, pair: Pair, now: Callable[[], datetime]) -> Verdict:
    """Return what it means for a pair."""
    if response.status in _SUCCESS:
        return judge_pair_reply(response, pair)
    return judge_pair_refusal(response, pair, now())


def judge_batch(response: Response, types: tuple[str, str], now: Callable[[], datetime]) -> Verdict:
    """Return what it means for a batch."""
    if response.status in _SUCCESS:
        return finish(judge_batch_reply(response))
    return judge_refusal(response, types, now())


def judge_links(response: Response, types: tuple[str, str], now: Callable[[], datetime]) -> Verdict:
    """Return what it means for a lookup of links."""
    if response.status in _SUCCESS:
        return finish(judge_links_reply(response))
    return judge_refusal(response, types, now())


def judge_account(
    response: Response, types: tuple[str, str], now: Callable[[], datetime]
) -> Verdict:
    """Return what it means for a call about the account."""
    if response.status in _SUCCESS:
        return judge_account_reply(response)
    return judge_refusal(response, types, now())
