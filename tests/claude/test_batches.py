"""Batches over a scripted other side: what is sent, and what becomes of what comes back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from claudeflow.claude.batches import BatchClient
from claudeflow.domain.attempt import Rejected, Transient
from claudeflow.domain.batch import BatchCounts, BatchTrouble, ProcessingStatus, RemoteBatch, ResultsBroken
from tests.claude.batch_calls import (
    BODY,
    CREATED_MS,
    ID,
    URL,
    a_batch,
    a_batch_client,
    a_page,
    all_results,
    results_answer,
    scripted,
    trouble,
)
from tests.support.scripted import Answer, ScriptedTransport, error_answer, json_answer

DAY_MS = 86_400_000
IN_PROGRESS = RemoteBatch(
    ID, ProcessingStatus.IN_PROGRESS, BatchCounts(processing=3), CREATED_MS, CREATED_MS + DAY_MS
)
Ask = Callable[[BatchClient], Awaitable[object]]

ASKING: dict[str, Ask] = {
    "create": lambda client: client.create(BODY),
    "retrieve": lambda client: client.retrieve(ID),
    "recent": lambda client: client.recent(0),
    "cancel": lambda client: client.cancel(ID),
}
EACH_WAY = pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)


def made_at(second: int, batch_id: str) -> dict[str, Any]:
    return a_batch(id=batch_id, created_at=f"2026-11-22T10:00:{second:02}Z")


async def test_create_sends_the_body_as_it_is_and_without_a_copy() -> None:
    transport = ScriptedTransport(json_answer(a_batch()))
    body = BODY + b" " * 100_000
    assert await a_batch_client(transport).create(body) == IN_PROGRESS
    sent = transport.requests[0]
    assert (sent.method, str(sent.url)) == ("POST", URL)
    assert sent.content is body
    assert sent.headers["anthropic-version"] == "2026-10-21"
    assert sent.headers["content-type"] == "application/json"
    assert "idempotency-key" not in sent.headers


async def test_retrieve_tells_how_far_a_batch_is() -> None:
    ended = a_batch(
        processing_status="ended",
        request_counts={"processing": 0, "succeeded": 4, "errored": 3, "canceled": 2, "expired": 1},
        ended_at="2026-11-22T11:00:01.5+01:00",
        archived_at="2026-12-21T10:00:00Z",
        results_url="http://evil.test/results",
    )
    transport = ScriptedTransport(json_answer(ended, retry_after="10"))
    batch = await a_batch_client(transport).retrieve(ID)
    assert batch == RemoteBatch(
        ID,
        ProcessingStatus.ENDED,
        BatchCounts(0, 4, 3, 2, 1),
        CREATED_MS,
        CREATED_MS + DAY_MS,
        ended_ms=1_795_341_601_500,
        archived_ms=1_797_847_200_000,
    )
    assert [(request.method, str(request.url)) for request in transport.requests] == [("GET", f"{URL}/{ID}")]


async def test_cancel_asks_once_and_tells_what_became_of_it() -> None:
    transport = ScriptedTransport(json_answer(a_batch(processing_status="canceling")))
    batch = await a_batch_client(transport).cancel(ID)
    assert isinstance(batch, RemoteBatch)
    assert batch.status is ProcessingStatus.CANCELING
    assert [(request.method, str(request.url)) for request in transport.requests] == [
        ("POST", f"{URL}/{ID}/cancel")
    ]


async def test_a_base_url_may_have_a_path_of_its_own() -> None:
    transport = ScriptedTransport(json_answer(a_batch()), results_answer())
    client = a_batch_client(transport, base_url="http://api.test/proxy/")
    await client.retrieve(ID)
    await all_results(client)
    assert [request.url.path for request in transport.requests] == [
        f"/proxy/v1/messages/batches/{ID}",
        f"/proxy/v1/messages/batches/{ID}/results",
    ]


async def test_recent_reads_page_after_page_until_older_ones_come() -> None:
    transport = ScriptedTransport(
        json_answer(a_page(made_at(50, "b5"), made_at(40, "b4"), has_more=True)),
        json_answer(a_page(made_at(30, "b3"), made_at(20, "b2"), has_more=True)),
    )
    found = await a_batch_client(transport).recent(1_795_341_600_000 + 30_000)
    assert isinstance(found, list)
    assert [batch.id for batch in found] == ["b5", "b4", "b3"]
    queries = [dict(request.url.params.items()) for request in transport.requests]
    assert queries == [{"limit": "100"}, {"limit": "100", "after_id": "b4"}]


async def test_recent_ends_where_the_list_does() -> None:
    assert await scripted(json_answer(a_page())).recent(0) == []
    found = await scripted(
        json_answer(a_page(made_at(40, "b4"), has_more=True)), json_answer(a_page(made_at(30, "b3")))
    ).recent(0)
    assert isinstance(found, list)
    assert [batch.id for batch in found] == ["b4", "b3"]


async def test_a_batch_of_the_very_moment_is_recent() -> None:
    found = await scripted(json_answer(a_page(a_batch()))).recent(CREATED_MS)
    assert found == [IN_PROGRESS]
    assert await scripted(json_answer(a_page(a_batch()))).recent(CREATED_MS + 1) == []


async def test_a_list_that_goes_round_in_circles_is_trouble_and_no_endless_loop() -> None:
    page = json_answer(a_page(a_batch(), has_more=True))
    found = trouble(await scripted(page, page, page).recent(0))
    assert found.failure.error.type == "malformed_response"


async def test_a_page_that_fails_fails_the_whole_list() -> None:
    first = json_answer(a_page(a_batch(), has_more=True))
    found = trouble(await scripted(first, error_answer(500, "api_error")).recent(0))
    assert isinstance(found.failure, Transient)


async def test_the_key_in_use_is_asked_for_at_every_request() -> None:
    keys = iter(["first", "create", "retrieve", "recent", "cancel", "results"])
    batch = json_answer(a_batch())
    transport = ScriptedTransport(batch, batch, json_answer(a_page()), batch, results_answer())
    client = a_batch_client(transport, lambda: next(keys))
    for ask in ASKING.values():
        await ask(client)
    await all_results(client)
    sent = [request.headers["authorization"] for request in transport.requests]
    assert sent == ["Bearer create", "Bearer retrieve", "Bearer recent", "Bearer cancel", "Bearer results"]


@pytest.mark.parametrize(
    "batch_id",
    ["", "..", "a/b", "../../v1/files", "a?limit=1", "a#b", "a%2Fb", "a b", "a\n", "ä", "a.b", "x" * 201],
)
async def test_a_hostile_id_is_never_sent(batch_id: str) -> None:
    transport = ScriptedTransport()
    client = a_batch_client(transport)
    for value in (await client.retrieve(batch_id), await client.cancel(batch_id)):
        found = trouble(value)
        assert isinstance(found.failure, Rejected)
        assert not found.may_have_arrived
        assert not found.is_missing
    with pytest.raises(ResultsBroken) as broken:
        await all_results(client, batch_id)
    assert not broken.value.trouble.may_have_arrived
    assert transport.requests == []


DROPPED = object()


@EACH_WAY
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", DROPPED),
        ("id", 7),
        ("id", "../other"),
        ("processing_status", DROPPED),
        ("processing_status", "paused"),
        ("request_counts", DROPPED),
        ("request_counts", [1, 2]),
        ("request_counts", {"processing": 1}),
        ("request_counts", {"processing": "1", "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}),
        ("request_counts", {"processing": -1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}),
        ("created_at", DROPPED),
        ("created_at", "yesterday"),
        ("created_at", 1_795_341_600),
        ("created_at", "2026-11-22T10:00:00"),
        ("expires_at", None),
        ("ended_at", "soon"),
        ("archived_at", 5),
    ],
)
async def test_a_batch_in_another_shape_is_trouble_that_names_the_field(
    ask: Ask, field: str, value: Any
) -> None:
    batch = {**a_batch(), field: value}
    if value is DROPPED:
        del batch[field]
    # What is asked for as a list is one, and for the others `data` is one more field that nobody knows.
    answer = json_answer({**batch, "data": [batch], "has_more": False})
    found = trouble(await ask(scripted(answer)))
    assert isinstance(found.failure, Transient)
    assert found.failure.error.type == "malformed_response"
    assert field in found.failure.error.message
    assert found.may_have_arrived


@EACH_WAY
@pytest.mark.parametrize(
    "answer",
    [
        json_answer([]),
        json_answer(None),
        json_answer("batch"),
        Answer((b"<html>SECRET</html>",), 200, {"content-type": "text/html"}),
        Answer((b"",), 200, {"content-type": "application/json"}),
        Answer((b'{"id":"SECRET',), 200, {"content-type": "application/json"}),
    ],
    ids=["list", "null", "text", "page", "nothing", "cut"],
)
async def test_an_answer_that_is_no_batch_is_trouble(ask: Ask, answer: Answer) -> None:
    found = trouble(await ask(scripted(answer)))
    assert isinstance(found.failure, Transient)
    assert found.failure.error.type == "malformed_response"
    assert "SECRET" not in str(found)
    assert found.may_have_arrived


@pytest.mark.parametrize(
    "page",
    [
        {"data": {}, "has_more": False},
        {"data": [], "has_more": None},
        {"data": [], "has_more": True, "last_id": None},
        {"data": [], "has_more": True, "last_id": "a/b"},
        {"data": [None], "has_more": False},
    ],
)
async def test_a_page_in_another_shape_is_trouble(page: Any) -> None:
    found = await scripted(json_answer(page)).recent(0)
    assert isinstance(found, BatchTrouble)
    assert found.failure.error.type == "malformed_response"
