"""The SDK behind a token bucket that was told the true limit: what nobody knows who does not read headers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anthropic
from stage import MAX_TOKENS, RETRIES, Call, Job, Plan, request, run

BURST_S = 1.0
"""So much may be made up for when the loop was late."""


class TokenBucket:
    """Lets calls through in the order in which they came, `per_s` of them a second."""

    def __init__(self, per_s: float) -> None:
        self._interval_s = 1 / per_s
        self._next = time.monotonic()

    async def take(self) -> None:
        """Return when the next call may go."""
        now = time.monotonic()
        self._next = max(self._next, now - BURST_S)
        mine, self._next = self._next, self._next + self._interval_s
        await asyncio.sleep(max(0.0, mine - now))


@asynccontextmanager
async def program(plan: Plan) -> AsyncIterator[Call]:
    """Requests only: they are the limit that is reached first."""
    assert plan.otpm >= plan.rpm * MAX_TOKENS, "the output limit would need a bucket of its own"
    bucket = TokenBucket(plan.rpm / 60)
    async with anthropic.AsyncAnthropic(api_key="bench", base_url=plan.url, max_retries=RETRIES) as client:

        async def call(job: Job) -> None:
            await bucket.take()
            await client.messages.create(**request(job.number))

        yield call


run(program)
