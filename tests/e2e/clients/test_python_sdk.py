"""The Anthropic Python SDK of the day in front of a real daemon: both kinds, over socket and TCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anthropic
import httpx2
import pytest

from tests.e2e.clients.catalogue import MODEL, NO_SUCH_MODEL
from tests.e2e.clients.door import NAME, Door, open_door

ASKED: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "Why is the VPN down? [[answer 40 tokens]]"}],
}
SOCKET, TCP = "socket", "tcp"
AT_ONCE = 50

over_both = pytest.mark.parametrize("way", [SOCKET, TCP])


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with open_door() as opened:
        yield opened


@contextmanager
def client_of(door: Door, way: str) -> Iterator[anthropic.Anthropic]:
    """The synchronous client as its manual makes it."""
    if way == TCP:
        with anthropic.Anthropic(base_url=door.url, api_key=door.key) as client:
            yield client
        return
    transport = httpx2.HTTPTransport(uds=str(door.site.socket))
    http = anthropic.DefaultHttpxClient(transport=transport)
    with anthropic.Anthropic(base_url=NAME, api_key=door.key, http_client=http) as client:
        yield client


@asynccontextmanager
async def async_client_of(door: Door, way: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The asynchronous client as its manual makes it."""
    if way == TCP:
        async with anthropic.AsyncAnthropic(base_url=door.url, api_key=door.key) as client:
            yield client
        return
    transport = httpx2.AsyncHTTPTransport(uds=str(door.site.socket))
    http = anthropic.DefaultAsyncHttpxClient(transport=transport)
    async with anthropic.AsyncAnthropic(base_url=NAME, api_key=door.key, http_client=http) as client:
        yield client


@over_both
def test_a_message_is_the_one_that_the_api_sent(door: Door, way: str) -> None:
    with client_of(door, way) as client:
        answer = client.messages.with_raw_response.create(**ASKED)
    job_id = int(answer.headers["x-claudeflow-job-id"])
    assert answer.http_response.json() == door.result(job_id)
    message = answer.parse()
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 40
    assert message._request_id in door.request_ids()


@over_both
async def test_the_asynchronous_client_gets_the_same_message(door: Door, way: str) -> None:
    async with async_client_of(door, way) as client:
        answer = await client.messages.with_raw_response.create(**ASKED)
    stored = await asyncio.to_thread(door.result, int(answer.headers["x-claudeflow-job-id"]))
    assert answer.http_response.json() == stored


@over_both
def test_a_stream_adds_up_to_the_message_of_its_job(door: Door, way: str) -> None:
    with client_of(door, way) as client, client.messages.stream(**ASKED) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
        job_id = int(stream.response.headers["x-claudeflow-job-id"])
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert kinds.count("content_block_delta") > 1
    stored = door.result(job_id)
    assert message.model_dump(mode="json", exclude_unset=True)["content"] == stored["content"]
    assert message.usage.output_tokens == stored["usage"]["output_tokens"] == 40


@over_both
async def test_fifty_streams_at_once_bring_fifty_jobs_their_own_answers(door: Door, way: str) -> None:
    async with async_client_of(door, way) as client:

        async def ask(number: int) -> tuple[int, str]:
            messages = [{"role": "user", "content": f"Ticket {number}: the VPN. [[answer 30 tokens]]"}]
            async with client.messages.stream(**{**ASKED, "messages": messages}) as stream:
                text = await stream.get_final_text()
                return int(stream.response.headers["x-claudeflow-job-id"]), text

        heard = dict(await asyncio.gather(*(ask(number) for number in range(AT_ONCE))))
    assert len(heard) == AT_ONCE
    stored = {job_id: await asyncio.to_thread(door.result, job_id) for job_id in heard}
    assert heard == {job_id: message["content"][0]["text"] for job_id, message in stored.items()}
    assert await asyncio.to_thread(door.book_mistakes) == []


@over_both
def test_what_the_api_refuses_is_refused_in_its_own_words(door: Door, way: str) -> None:
    with client_of(door, way) as client, pytest.raises(anthropic.BadRequestError) as refused:
        client.messages.create(**ASKED, extra_body={"top_k": 5})
    assert "top_k" in str(refused.value)
    assert refused.value.request_id in door.request_ids()


def test_an_older_version_of_the_api_that_the_client_speaks_is_spoken_with_the_api(door: Door) -> None:
    headers = {"anthropic-version": "2023-06-01"}
    with client_of(door, SOCKET) as client:
        message = client.messages.create(**ASKED, extra_headers=headers, extra_body={"temperature": 0.5})
    assert message.stop_reason == "end_turn"


def test_a_tool_is_called_and_its_result_taken(door: Door) -> None:
    tool: Any = {
        "name": "look_up",
        "description": "Looks a host up.",
        "input_schema": {
            "type": "object",
            "properties": {"host": {"type": "string", "enum": ["vpn-1", "vpn-2"]}},
            "required": ["host"],
            "additionalProperties": False,
        },
    }
    with client_of(door, SOCKET) as client:
        asked = client.messages.create(**ASKED, tools=[tool], tool_choice={"type": "tool", "name": "look_up"})
        [call] = [block for block in asked.content if block.type == "tool_use"]
        assert (asked.stop_reason, call.input["host"]) in {("tool_use", "vpn-1"), ("tool_use", "vpn-2")}
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "it is up"}
        turns = [
            *ASKED["messages"],
            {"role": "assistant", "content": [block.model_dump() for block in asked.content]},
            {"role": "user", "content": [result]},
        ]
        told = client.messages.create(**{**ASKED, "messages": turns}, tools=[tool])
    assert told.stop_reason == "end_turn"


@over_both
def test_tokens_are_counted_and_models_listed_by_the_api(door: Door, way: str) -> None:
    before = door.newest()
    with client_of(door, way) as client:
        counted = client.messages.count_tokens(model=MODEL, messages=ASKED["messages"])
        message = client.messages.create(**ASKED)
        assert counted.input_tokens == message.usage.input_tokens
        assert MODEL in {model.id for model in client.models.list()}
        assert client.models.retrieve(MODEL).id == MODEL
    assert door.newest() == before + 1


def test_lane_and_workflow_come_by_headers_and_mistakes_in_them_are_told(door: Door) -> None:
    with client_of(door, SOCKET) as client:
        named = {"x-claudeflow-workflow": "triage", "x-claudeflow-priority": "5"}
        answer = client.messages.with_raw_response.create(**ASKED, extra_headers=named)
        job = door.ask("GET", f"/v1/jobs/{answer.headers['x-claudeflow-job-id']}")
        assert (job["workflow"], job["priority"]) == ("triage", 5)
        with pytest.raises(anthropic.BadRequestError, match="x-claudeflow-lane"):
            client.messages.create(**ASKED, extra_headers={"x-claudeflow-lane": "no-such-lane"})


def test_over_tcp_a_key_that_is_no_token_is_not_let_in(door: Door) -> None:
    for key in ("sk-ant-api03-somebodys", f"{door.key[:-1]}#"):
        client = anthropic.Anthropic(base_url=door.url, api_key=key)
        with client, pytest.raises(anthropic.AuthenticationError):
            client.messages.create(**ASKED)


def test_a_client_that_asks_too_often_is_told_in_the_apis_words_when_to_come_back(door: Door) -> None:
    made = door.site.cli("token", "create", "brake", "--jobs-per-min", "2")
    assert made.returncode == 0, made.stderr
    before = door.newest()
    with anthropic.Anthropic(base_url=door.url, api_key=made.stdout.strip(), max_retries=0) as client:
        for _ in range(2):
            client.messages.create(**ASKED)
        with pytest.raises(anthropic.RateLimitError, match="2 jobs a minute") as refused:
            client.messages.create(**ASKED)
        assert int(refused.value.response.headers["retry-after"]) >= 1
    assert door.newest() == before + 2


def test_a_model_without_a_price_is_not_found(door: Door) -> None:
    with client_of(door, SOCKET) as client, pytest.raises(anthropic.NotFoundError, match="has no price"):
        client.messages.create(**{**ASKED, "model": NO_SUCH_MODEL})
