"""The results of a batch: line by line as they arrive, and what each of them means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from claudeflow.claude.batch_documents import MalformedBatch, read_error, read_item
from claudeflow.claude.failures import StalledStream, TruncatedStream, classify, classify_result
from claudeflow.claude.jsonl import LineReader, LineTooLong
from claudeflow.claude.reply import Progress, answered_reply
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.attempt import Failure, Interrupted, Reply
from claudeflow.domain.batch import ItemKind, ItemResult
from claudeflow.domain.job import JobError

LONGEST_LINE_BYTES = 64 << 20
"""A result is at most as large as an answer with everything that tools of the API may put into it."""

BATCH_TIER = "batch"

_UNTOUCHED = {
    ItemKind.CANCELED: JobError("batch_canceled", "its batch was canceled before the API came to it"),
    ItemKind.EXPIRED: JobError("batch_expired", "its batch ran out of time before the API came to it"),
}


async def read_items(
    chunks: AsyncIterator[bytes], patience_s: float, *, pass_over: bool = False
) -> AsyncGenerator[ItemResult, None]:
    """The results in a stream of JSONL. No more than `patience_s` may pass without data.

    `pass_over` leaves out whole lines that cannot be used.
    Raises what `failures` knows. A stream that ends properly at the end of a line is taken as whole.
    """
    reader = LineReader(LONGEST_LINE_BYTES)
    number = 0
    while (chunk := await _next(chunks, patience_s)) is not None:
        for line in _lines(reader, chunk, number):
            number += 1
            try:
                item = _item(line, number)
            except MalformedBatch:
                if pass_over:
                    continue
                raise
            yield item
    if rest := reader.rest():
        try:
            last = read_item(rest)
        except MalformedBatch:
            raise TruncatedStream("the results ended in the middle of a line") from None
        yield last


def item_reply(
    item: ItemResult, settings: ClaudeSettings, *, schema: Mapping[str, Any] | None, caches_for_1h: bool
) -> Reply:
    """What became of one request. Only a message is billed, at the batch tier."""
    match item.kind:
        case ItemKind.SUCCEEDED:
            reply = answered_reply(
                item.document,
                orjson.dumps(item.document),
                Progress(started_s=0.0, http_status=200),
                schema=schema,
                caches_for_1h=caches_for_1h,
            )
            return replace(reply, usage=replace(reply.usage, service_tier=BATCH_TIER))
        case ItemKind.ERRORED:
            failure = _failure(item.document, settings)
            return Reply(failure, request_id=failure.error.request_id, http_status=200, free=True)
        case ItemKind.CANCELED | ItemKind.EXPIRED:
            return Reply(Interrupted(_UNTOUCHED[item.kind]), free=True)


def _failure(envelope: Mapping[str, Any], settings: ClaudeSettings) -> Failure:
    try:
        return classify_result(read_error(envelope), settings)
    except MalformedBatch as error:
        return classify(error, settings)


async def _next(chunks: AsyncIterator[bytes], patience_s: float) -> bytes | None:
    """The next piece, or None at the end. The time that its reader takes in between does not count."""
    try:
        async with asyncio.timeout(patience_s) as watchdog:
            return await anext(chunks, None)
    except TimeoutError:
        if watchdog.expired():
            raise StalledStream("no results arrived for too long") from None
        raise


def _lines(reader: LineReader, chunk: bytes, number: int) -> list[bytes]:
    try:
        return reader.feed(chunk)
    except LineTooLong as error:
        raise MalformedBatch(f"after line {number} of the results {error}") from None


def _item(line: bytes, number: int) -> ItemResult:
    try:
        return read_item(line)
    except MalformedBatch as error:
        raise MalformedBatch(f"line {number} of the results cannot be used: {error}") from None
