"""Batches on the twin, from their creation to the meaning of their results."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson
import pytest

from claudeflow.claude.batches import BatchClient
from claudeflow.domain.attempt import Interrupted, Rejected, Reply, Succeeded
from claudeflow.domain.batch import BatchCounts, ItemKind, ProcessingStatus, RemoteBatch, ResultsBroken
from claudeflow.twin.engine import Twin
from claudeflow.twin.settings import TwinSettings
from claudeflow.twin.transport import TwinTransport
from tests.claude.batch_calls import all_results, trouble
from tests.claude.calls import BODY, SETTINGS
from tests.support.clocks import WoundClock


def a_creation(**bodies: dict[str, Any]) -> bytes:
    requests = [{"custom_id": custom_id, "params": body} for custom_id, body in bodies.items()]
    return orjson.dumps({"requests": requests})


def on_a_twin(clock: WoundClock) -> tuple[BatchClient, Twin]:
    twin = Twin(TwinSettings(batch_start_s=60.0), clock)
    http = httpx2.AsyncClient(transport=TwinTransport(twin))
    return BatchClient(SETTINGS, "key", http), twin


def known(value: object) -> RemoteBatch:
    assert isinstance(value, RemoteBatch)
    return value


async def replies_of(client: BatchClient, batch: RemoteBatch) -> dict[str, Reply]:
    return {
        item.custom_id: client.reply_of(item, schema=None, caches_for_1h=False)
        for item in await all_results(client, batch.id)
    }


async def test_a_batch_is_created_answered_and_read() -> None:
    clock = WoundClock()
    client, twin = on_a_twin(clock)
    created = known(await client.create(a_creation(good=BODY, bad={**BODY, "max_tokens": -1})))
    assert created.status is ProcessingStatus.IN_PROGRESS
    assert await client.recent(0) == [created]
    with pytest.raises(ResultsBroken):
        await all_results(client, created.id)
    clock.advance(120.0)
    ended = known(await client.retrieve(created.id))
    assert (ended.status, ended.counts) == (ProcessingStatus.ENDED, BatchCounts(succeeded=1, errored=1))
    replies = await replies_of(client, ended)
    assert isinstance(replies["good"].outcome, Succeeded)
    assert isinstance(replies["bad"].outcome, Rejected)
    (line,) = twin.invoice().lines
    usage = replies["good"].usage
    assert (usage.input_tokens, usage.output_tokens) == (line.tokens.input, line.tokens.output)
    assert usage.service_tier == "batch"


async def test_a_batch_is_canceled_before_it_began() -> None:
    clock = WoundClock()
    client, twin = on_a_twin(clock)
    created = known(await client.create(a_creation(one=BODY, two=BODY)))
    assert known(await client.cancel(created.id)).status is not ProcessingStatus.IN_PROGRESS
    ended = known(await client.retrieve(created.id))
    assert ended.counts == BatchCounts(canceled=2)
    assert {item.kind for item in await all_results(client, created.id)} == {ItemKind.CANCELED}
    assert {type(reply.outcome) for reply in (await replies_of(client, ended)).values()} == {Interrupted}
    assert twin.invoice().lines == []


async def test_a_batch_that_was_never_created_is_missing_and_a_bad_one_is_refused() -> None:
    client, _ = on_a_twin(WoundClock())
    assert trouble(await client.retrieve("msgbatch_none")).is_missing
    refused = trouble(await client.create(b'{"requests":[]}'))
    assert isinstance(refused.failure, Rejected)
    assert not refused.may_have_arrived
