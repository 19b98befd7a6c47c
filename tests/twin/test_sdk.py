"""The real SDK over the twin, in process."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import httpx2
import pytest

from claudeflow.twin.engine import Twin
from claudeflow.twin.fault_script import parse_faults
from tests.twin.builders import WoundClock, a_body, a_client, a_twin, text_block


def a_faulty_twin(kind: str, clock: WoundClock | None = None, **fault: Any) -> Twin:
    return a_twin(clock, faults=parse_faults([{"kind": kind, **fault}]))


async def test_a_message_with_its_headers() -> None:
    twin = a_twin()
    async with a_client(twin) as client:
        raw = await client.messages.with_raw_response.create(**a_body())
        message = await raw.parse()

    assert raw.headers["anthropic-ratelimit-requests-remaining"] == "999"
    assert message.stop_reason == "end_turn"
    assert message.content[0].type == "text"
    line = twin.invoice().line_of(str(raw.request_id))
    assert line is not None
    assert line.tokens.output == message.usage.output_tokens


@pytest.mark.parametrize("tokens_per_s", [0.0, 80.0])
async def test_a_stream_gives_the_same_message_as_a_plain_call(tokens_per_s: float) -> None:
    twin = a_twin(tokens_per_s=tokens_per_s, latency_sigma=0.0)
    async with a_client(twin) as client:
        plain = await client.messages.create(**a_body())
        async with client.messages.stream(**a_body()) as stream:
            streamed = await stream.get_final_message()

    assert streamed.content[0].model_dump(exclude={"parsed_output"}) == plain.content[0].model_dump()
    assert streamed.usage.output_tokens == plain.usage.output_tokens
    assert [line.ending for line in twin.invoice().lines] == ["complete", "complete"]


async def test_a_paced_stream_takes_its_time() -> None:
    clock = WoundClock()
    twin = a_twin(clock, ttft_s=1.0, tokens_per_s=10.0, latency_sigma=0.0)
    began = clock.now
    async with a_client(twin) as client, client.messages.stream(**a_body()) as stream:
        message = await stream.get_final_message()

    assert clock.now - began == pytest.approx(1.0 + message.usage.output_tokens / 10.0)


async def test_structured_output_is_parsed() -> None:
    schema = {
        "type": "object",
        "properties": {"severity": {"enum": ["low", "high"]}},
        "required": ["severity"],
        "additionalProperties": False,
    }
    async with a_client(a_twin()) as client:
        message = await client.messages.create(
            **a_body(output_config={"format": {"type": "json_schema", "schema": schema}})
        )
    assert message.content[0].text in ('{"severity":"low"}', '{"severity":"high"}')


async def test_tokens_are_counted_and_models_listed() -> None:
    async with a_client(a_twin()) as client:
        counted = await client.messages.count_tokens(**a_body(max_tokens=None))
        listed = [model.id async for model in client.models.list(limit=5)]
        one = await client.models.retrieve("claude-opus-5-5")

    assert counted.input_tokens > 0
    assert len(listed) == 18
    assert (one.lifecycle, one.max_tokens, one.line) == ("active", 128_000, "opus")


async def test_cache_usage_is_split_by_ttl() -> None:
    system = [text_block(4_000, ttl="1h"), text_block(4_000, ttl="5m", fill="ticket ")]
    async with a_client(a_twin()) as client:
        wrote = (await client.messages.create(**a_body(system=system))).usage
        read = (await client.messages.create(**a_body(system=system))).usage

    assert wrote.cache_creation is not None
    assert wrote.cache_creation.ephemeral_1h_input_tokens > 0
    assert wrote.cache_creation.ephemeral_5m_input_tokens > 0
    assert read.cache_read_input_tokens == wrote.cache_creation_input_tokens


@pytest.mark.parametrize(
    ("kind", "error", "code"),
    [
        ("rate_429", anthropic.RateLimitError, None),
        ("ramp_429", anthropic.RateLimitError, "ramp_limit_exceeded"),
        ("spend_cap", anthropic.RateLimitError, "enforced_spend_limit_reached"),
        ("overloaded_529", anthropic.OverloadedError, None),
        ("error_500", anthropic.InternalServerError, None),
        ("error_502_html", anthropic.InternalServerError, None),
        ("credit_empty", anthropic.BadRequestError, None),
        ("billing_402", anthropic.PaymentRequiredError, None),
        ("auth_401", anthropic.AuthenticationError, None),
        ("org_on_hold", anthropic.BadRequestError, "organization_on_hold"),
    ],
)
async def test_errors_are_those_the_sdk_knows(
    kind: str, error: type[anthropic.APIStatusError], code: str
) -> None:
    async with a_client(a_faulty_twin(kind)) as client:
        with pytest.raises(error) as caught:
            await client.messages.create(**a_body())
    assert caught.value.error_code == code


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "claude-2"}, anthropic.NotFoundError),
        ({"max_tokens": -1}, anthropic.BadRequestError),
    ],
)
async def test_wrong_requests_are_errors_the_sdk_knows(
    changes: dict[str, Any], error: type[Exception]
) -> None:
    async with a_client(a_twin()) as client:
        with pytest.raises(error):
            await client.messages.create(**a_body(**changes))


async def test_a_reset_before_the_headers_is_a_connection_error() -> None:
    async with a_client(a_faulty_twin("conn_reset")) as client:
        with pytest.raises(anthropic.APIConnectionError):
            await client.messages.create(**a_body())


async def test_an_outage_is_a_connection_error_of_which_nothing_was_sent() -> None:
    async with a_client(a_faulty_twin("outage")) as client:
        with pytest.raises(anthropic.APIConnectionError) as caught:
            await client.messages.create(**a_body())
    assert isinstance(caught.value.__cause__, httpx2.ConnectError)


async def test_a_reset_within_a_stream_is_a_protocol_error() -> None:
    async with a_client(a_faulty_twin("reset_mid_stream")) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            async with client.messages.stream(**a_body()) as stream:
                await stream.get_final_message()


async def test_a_truncated_stream_looks_like_a_message_without_stop_reason() -> None:
    async with a_client(a_faulty_twin("truncate")) as client, client.messages.stream(**a_body()) as stream:
        assert (await stream.get_final_message()).stop_reason is None


async def test_an_error_within_a_stream_has_status_200_and_a_type() -> None:
    async with a_client(a_faulty_twin("stream_error")) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            async with client.messages.stream(**a_body()) as stream:
                await stream.get_final_message()
    assert (caught.value.status_code, caught.value.type) == (200, "overloaded_error")


async def test_a_cancelled_call_is_noticed_and_billed() -> None:
    clock = WoundClock(runs=False)
    twin = a_twin(clock, tokens_per_s=10.0, latency_sigma=0.0)
    async with a_client(twin) as client:
        question = [{"role": "user", "content": "[[answer 100 tokens]]"}]
        task = asyncio.ensure_future(client.messages.create(**a_body(messages=question)))
        await clock.sleeping.wait()
        clock.advance(2.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    (line,) = twin.invoice().lines
    assert (line.ending, line.tokens.output) == ("abandoned", 20)


async def test_a_stream_that_is_left_early_is_noticed_and_billed() -> None:
    twin = a_twin(tokens_per_s=50.0)
    async with a_client(twin) as client, client.messages.stream(**a_body()) as stream:
        async for event in stream:
            if event.type == "content_block_delta":
                break

    (line,) = twin.invoice().lines
    assert line.ending == "abandoned"
    assert line.tokens.output == 12


async def test_an_instant_twin_never_sleeps() -> None:
    clock = WoundClock()
    async with a_client(a_twin(clock)) as client:
        await client.messages.create(**a_body())
        async with client.messages.stream(**a_body()) as stream:
            await stream.get_final_message()
    assert clock.slept_s == []
