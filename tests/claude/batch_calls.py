"""Builders for requests about batches over a scripted transport."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx2

from claudeflow.claude.batches import BatchClient
from claudeflow.claude.client import KeyInUse
from claudeflow.domain.batch import BatchTrouble, ItemResult
from tests.claude.calls import SETTINGS
from tests.support.scripted import RESPONSE_HEADERS, Answer, ScriptedTransport, Silence, Step

URL = "http://api.test/v1/messages/batches"
ID = "msgbatch_01"
BODY = b'{"requests":[{"custom_id":"j1-1","params":{"model":"claude-haiku-5-5"}}]}'
CREATED_MS = 1_795_341_600_123
"""2026-11-22T10:00:00.123Z."""


def a_batch(**fields: Any) -> dict[str, Any]:
    """A batch as the API tells of it."""
    return {
        "id": ID,
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {"processing": 3, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "ended_at": None,
        "created_at": "2026-11-22T10:00:00.123456+00:00",
        "expires_at": "2026-11-23T10:00:00.123456Z",
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
        **fields,
    }


def a_page(*batches: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    """A page of the list of batches."""
    ends = {"first_id": batches[0]["id"], "last_id": batches[-1]["id"]} if batches else {}
    return {"data": list(batches), "has_more": has_more, **ends}


def a_line(custom_id: str, result: dict[str, Any]) -> bytes:
    """A line of results."""
    return json.dumps({"custom_id": custom_id, "result": result}).encode() + b"\n"


def results_answer(*steps: Step, content_type: str = "application/x-jsonl") -> Answer:
    """Results that arrive step by step."""
    return Answer(steps, 200, {**RESPONSE_HEADERS, "content-type": content_type})


def a_batch_client(
    transport: httpx2.AsyncBaseTransport, api_key: str | KeyInUse = "sk-ant-test", **settings: Any
) -> BatchClient:
    """A client whose network is this transport."""
    return BatchClient(replace(SETTINGS, **settings), api_key, httpx2.AsyncClient(transport=transport))


def scripted(*answers: Answer | Exception | Silence, **settings: Any) -> BatchClient:
    """A client that gets these answers in turn."""
    return a_batch_client(ScriptedTransport(*answers), **settings)


async def all_results(client: BatchClient, batch_id: str = ID) -> list[ItemResult]:
    """Every result of a batch."""
    return [item async for item in client.results(batch_id)]


def trouble(value: object) -> BatchTrouble:
    """What came back, which must be trouble."""
    assert isinstance(value, BatchTrouble)
    return value
