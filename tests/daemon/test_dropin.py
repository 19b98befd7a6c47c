"""The drop-in endpoint: the real SDK over the socket, a daemon, and a twin behind it."""

from __future__ import annotations

from pathlib import Path

from claudeflow.domain.job import JobState
from tests.support.dropin import QUESTION, door


async def test_the_sdk_gets_the_message_byte_for_byte_and_a_job_is_in_the_books(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        raw = await at.sdk.messages.with_raw_response.create(**QUESTION)
        message = await raw.parse()
        [job] = await at.jobs()
        assert job.state is JobState.SUCCEEDED
        assert await at.bench.parts.desk.answer(job.id) == raw.http_response.content
        assert raw.headers["x-claudeflow-job-id"] == str(job.id)
        assert raw.headers["request-id"] == message._request_id
        assert raw.headers["anthropic-ratelimit-requests-limit"] == "1000000"
        assert await at.bench.book_mistakes() == []


async def test_a_stream_reads_as_from_the_api(tmp_path: Path) -> None:
    async with door(tmp_path) as at:
        async with at.sdk.messages.stream(**QUESTION) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            message = await stream.get_final_message()
        [job] = await at.jobs()
        assert text == message.to_dict()["content"][0]["text"]  # type: ignore[index]
        assert job.state is JobState.SUCCEEDED
        assert await at.bench.book_mistakes() == []
