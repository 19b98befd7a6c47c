"""Answers that the real API gave, through the real SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
import yaml

from claudeflow.domain.attempt import Blocked, Rejected, Reply, Succeeded, Throttled
from claudeflow.domain.hold import HoldCause
from claudeflow.domain.quota import AxisReading, Reading
from claudeflow.domain.usage import Usage
from tests.claude.calls import a_request, reply_to
from tests.support.scripted import Answer, ScriptedTransport

FOLDER = Path(__file__).parent / "recordings"
STREAMS = sorted(path.name for path in FOLDER.glob("*-stream.yaml") if "error" not in path.name)


def recorded(name: str, index: int = 0) -> Answer:
    """One answer of a recording. Its body may be text, gzip or JSON that the recorder had parsed."""
    text = (FOLDER / name).read_text()
    data = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
    calls = data if isinstance(data, list) else data.get("interactions") or data["http_interactions"]
    response = calls[index]["response"]
    status = response.get("status_code") or response["status"]["code"]
    headers = {
        header: value if isinstance(value, str) else value[0]
        for header, value in response["headers"].items()
        if header.lower() not in ("content-length", "transfer-encoding")
    }
    return Answer((_body(response),), status, headers)


def _body(response: dict[str, Any]) -> bytes:
    body = response.get("parsed_body") or response["body"]
    if "string" in body:
        body = body["string"]
    if isinstance(body, dict):
        return json.dumps(body).encode()
    return body if isinstance(body, bytes) else body.encode()


async def replay(name: str, index: int = 0) -> Reply:
    return await reply_to(recorded(name, index), a_request(stream="-stream" in name))


async def as_the_sdk_reads_it(answer: Answer) -> dict[str, Any]:
    """The message that the SDK's own stream helper makes of the same bytes."""
    http = httpx2.AsyncClient(transport=ScriptedTransport(answer))
    sdk = anthropic.AsyncAnthropic(api_key="k", base_url="http://api.test", http_client=http)
    hello: anthropic.types.MessageParam = {"role": "user", "content": "Hello"}
    async with sdk, sdk.messages.stream(model="claude-haiku-5-5", max_tokens=9, messages=[hello]) as stream:
        message = await stream.get_final_message()
    return message.to_dict(mode="json")


@pytest.mark.parametrize("name", STREAMS)
async def test_a_recorded_stream_becomes_the_message_that_the_sdk_makes_of_it(name: str) -> None:
    reply = await replay(name)
    assert isinstance(reply.outcome, Succeeded)
    ours, theirs = json.loads(reply.message or b""), await as_the_sdk_reads_it(recorded(name))
    for field in ("id", "model", "stop_reason", "content"):
        assert ours[field] == theirs[field]
    assert {name: ours["usage"].get(name) for name in theirs["usage"]} == theirs["usage"]


async def test_a_recorded_cache_write_without_a_split_is_flagged() -> None:
    reply = await replay("datadog-cache-write-stream.yaml")
    assert reply.usage == Usage(
        input_tokens=18, cache_write_5m_tokens=1_031, output_tokens=100, split_known=False
    )
    assert reply.usage_known


async def test_a_recorded_answer_gives_usage_and_reading() -> None:
    reply = await replay("datadog-plain.yaml")
    assert reply.outcome == Succeeded("end_turn")
    assert reply.request_id == "req_011CXKrywDmBQp6dUJy8utgK"
    assert reply.usage.input_tokens == 10
    assert (reply.usage.output_tokens, reply.usage.cache_read_tokens) == (21, 1)
    assert reply.usage.charged_input_tokens == 12
    assert reply.reading == Reading(
        input_tokens=AxisReading(20_000_000, 20_000_000, -1.0),
        output_tokens=AxisReading(2_500_000, 2_500_000, 0.0),
        tokens=AxisReading(22_500_000, 22_500_000, -1.0),
    )


async def test_thinking_tokens_are_told_apart() -> None:
    reply = await replay("pydantic-ai-opus-5.yaml")
    assert reply.usage == Usage(input_tokens=13, output_tokens=44, thinking_tokens=33, inference_geo="global")
    assert reply.reading is None


async def test_a_structured_answer_matches_the_schema_it_was_asked_for() -> None:
    schema = {"type": "object", "required": ["name", "age"], "properties": {"age": {"type": "integer"}}}
    answer = recorded("llm-anthropic-schema-stream.yaml")
    reply = await reply_to(answer, a_request(stream=True, schema=schema))
    assert reply.outcome == Succeeded("end_turn")
    reply = await reply_to(answer, a_request(stream=True, schema={"required": ["colour"]}))
    assert isinstance(reply.outcome, Rejected)


async def test_retry_after_on_a_good_answer_orders_nothing() -> None:
    reply = await replay("llmrb-retry-after-on-200.yml")
    assert reply.outcome == Succeeded("end_turn")
    assert reply.reading is not None
    assert reply.reading.input_tokens is not None
    assert reply.reading.input_tokens.limit == 30_000


async def test_a_recorded_rate_limit_throttles() -> None:
    reply = await replay("sdk-rate-limited.json")
    assert isinstance(reply.outcome, Throttled)
    assert reply.usage_known


async def test_a_recorded_missing_model_holds_the_model() -> None:
    for index in (0, 1):
        reply = await replay("mirascope-model-not-found.yaml", index)
        assert isinstance(reply.outcome, Blocked)
        assert reply.outcome.cause is HoldCause.MODEL_NOT_FOUND


async def test_a_recorded_wrong_key_holds_everything() -> None:
    reply = await replay("mirascope-authentication-error-stream.yaml")
    assert isinstance(reply.outcome, Blocked)
    assert reply.outcome.cause is HoldCause.AUTHENTICATION
    assert reply.request_id == reply.outcome.error.request_id is not None


async def test_a_recorded_bad_request_fails_its_job() -> None:
    reply = await replay("pydantic-ai-bad-request.yaml")
    assert isinstance(reply.outcome, Rejected)
    assert "effort" in reply.outcome.error.message


def test_every_recording_names_its_origin() -> None:
    origins = (FOLDER / "ORIGIN.md").read_text()
    assert [path.name for path in FOLDER.iterdir() if path.name not in origins] == ["ORIGIN.md"]
