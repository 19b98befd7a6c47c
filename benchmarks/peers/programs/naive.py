"""What is written first: the SDK as it comes, and around it a loop that waits two seconds and tries again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anthropic
from stage import Call, Job, Plan, request, run

PAUSE_S = 2.0


@asynccontextmanager
async def program(plan: Plan) -> AsyncIterator[Call]:
    """The client retries twice by itself, which is its default."""
    async with anthropic.AsyncAnthropic(api_key="bench", base_url=plan.url) as client:

        async def call(job: Job) -> None:
            while True:
                try:
                    await client.messages.create(**request(job.number))
                except anthropic.APIError:
                    await asyncio.sleep(PAUSE_S)
                else:
                    return

        yield call


run(program)
