"""Builders for the tests of batches: requests, and a client that asks the twin without an SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from claudeflow.twin.engine import Twin
from claudeflow.twin.wire import HttpAnswer, HttpCall
from tests.twin.builders import HEADERS, a_body, json_of, read_all

PATH = "/v1/messages/batches"


def an_item(custom_id: str, **changes: Any) -> dict[str, Any]:
    """A request of a batch; `changes` are those of its params."""
    asked = {"messages": [{"role": "user", "content": f"Explain ticket {custom_id} to its owner, please."}]}
    return {"custom_id": custom_id, "params": a_body(**{**asked, **changes})}


def some_items(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [an_item(f"job-{number}", **changes) for number in range(count)]


def a_batch_call(
    method: str, path: str = "", body: Any = None, *, headers: Mapping[str, str] = HEADERS
) -> HttpCall:
    head, _, query = path.partition("?")
    raw = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""
    return HttpCall(method, PATH + head, query, headers, raw)


async def asked(twin: Twin, method: str, path: str = "", body: Any = None, **more: Any) -> HttpAnswer:
    return await twin.handle(a_batch_call(method, path, body, **more))


async def created(twin: Twin, items: list[dict[str, Any]], **more: Any) -> str:
    """The id of a new batch."""
    answer = await asked(twin, "POST", "", {"requests": items}, **more)
    assert answer.status == 200, answer.body
    batch_id: str = json_of(answer)["id"]
    return batch_id


async def told(twin: Twin, batch_id: str) -> dict[str, Any]:
    """What the API says of a batch."""
    document: dict[str, Any] = json_of(await asked(twin, "GET", f"/{batch_id}"))
    return document


async def result_lines(twin: Twin, batch_id: str) -> list[dict[str, Any]]:
    answer = await asked(twin, "GET", f"/{batch_id}/results")
    assert answer.status == 200, answer.body
    return [orjson.loads(line) for line in (await read_all(answer)).splitlines()]


async def results(twin: Twin, batch_id: str) -> dict[str, dict[str, Any]]:
    """The results by custom id."""
    return {line["custom_id"]: line["result"] for line in await result_lines(twin, batch_id)}


def kinds(found: Mapping[str, dict[str, Any]]) -> dict[str, int]:
    """How many results there are of each type."""
    counts: dict[str, int] = {}
    for result in found.values():
        counts[result["type"]] = counts.get(result["type"], 0) + 1
    return counts
