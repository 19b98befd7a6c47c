"""The SDK with its own retries at their best: enough of them to outlast every episode.

https://github.com/anthropics/anthropic-sdk-python#retries: `max_retries` is the only setting that concerns
429s; the client waits for as long as `retry-after` says, or else with exponential backoff.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anthropic
from stage import RETRIES, Call, Job, Plan, request, run


@asynccontextmanager
async def program(plan: Plan) -> AsyncIterator[Call]:
    """One client for all workers."""
    async with anthropic.AsyncAnthropic(api_key="bench", base_url=plan.url, max_retries=RETRIES) as client:

        async def call(job: Job) -> None:
            await client.messages.create(**request(job.number))

        yield call


run(program)
