"""Batches that the real API made, through the real SDK."""

from __future__ import annotations

from claudeflow.domain.attempt import Succeeded
from claudeflow.domain.batch import BatchCounts, ItemKind, ProcessingStatus, RemoteBatch
from claudeflow.domain.usage import Usage
from tests.claude.batch_calls import BODY, all_results, scripted
from tests.claude.test_recordings import recorded

RUBY, CANCEL, CURATOR = "ruby-llm-batch.yml", "ruby-llm-batch-cancel.yml", "curator-batch-results.yaml"
DAY_MS = 86_400_000
ID = "msgbatch_01GUqGVJfUzZfBnjRymfPdV3"
CREATED_MS = 1_787_150_691_493


async def test_a_recorded_batch_is_created_and_ends() -> None:
    client = scripted(*(recorded(RUBY, index) for index in range(3)))
    began = RemoteBatch(
        ID, ProcessingStatus.IN_PROGRESS, BatchCounts(processing=2), CREATED_MS, CREATED_MS + DAY_MS
    )
    assert await client.create(BODY) == began
    assert await client.retrieve(ID) == began
    assert await client.retrieve(ID) == RemoteBatch(
        ID,
        ProcessingStatus.ENDED,
        BatchCounts(succeeded=2),
        CREATED_MS,
        CREATED_MS + DAY_MS,
        ended_ms=1_787_150_817_158,
    )


async def test_recorded_results_are_answers_at_the_batch_tier() -> None:
    client = scripted(recorded(RUBY, 3))
    items = await all_results(client, ID)
    assert [(item.custom_id, item.kind) for item in items] == [
        ("0", ItemKind.SUCCEEDED),
        ("1", ItemKind.SUCCEEDED),
    ]
    replies = [client.reply_of(item, schema=None, caches_for_1h=False) for item in items]
    assert [reply.outcome for reply in replies] == [Succeeded("end_turn")] * 2
    assert replies[0].message_id == "msg_011CeCHfDwjZ4FNno3HRAaz6"
    assert replies[0].usage == Usage(
        input_tokens=20, output_tokens=5, service_tier="batch", inference_geo="not_available"
    )
    assert all(reply.usage_known and not reply.free for reply in replies)


async def test_recorded_results_without_type_tier_and_last_line_end_are_read_alike() -> None:
    client = scripted(recorded(CURATOR))
    items = await all_results(client, ID)
    replies = [client.reply_of(item, schema=None, caches_for_1h=False) for item in items]
    assert [item.custom_id for item in items] == ["0", "1", "2"]
    assert [reply.usage.service_tier for reply in replies] == ["batch"] * 3
    assert [reply.usage.output_tokens for reply in replies] == [273, 259, 313]


async def test_a_recorded_batch_is_canceled() -> None:
    client = scripted(recorded(CANCEL, 0), recorded(CANCEL, 1))
    created = await client.create(BODY)
    assert isinstance(created, RemoteBatch)
    canceled = await client.cancel(created.id)
    assert isinstance(canceled, RemoteBatch)
    assert canceled.status is ProcessingStatus.CANCELING
    assert canceled.counts == created.counts == BatchCounts(processing=1)
