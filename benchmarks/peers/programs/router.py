"""LiteLLM's Router with one deployment, told the true limits, and its priority scheduler.

https://docs.litellm.ai/docs/routing: `simple-shuffle` is "recommended for best performance in
production"; `rpm` and `tpm` per deployment; `num_retries`, where a 429's `retry-after` is waited for.
https://docs.litellm.ai/docs/scheduler: `priority`, the lower the sooner.

Tried and worse here, by goodput and waits: `usage-based-routing-v2` and `enforce_model_rate_limits`, which
spend a minute's allowance at once and then stop until the clock's next minute, and cooldowns after 429
(`allowed_fails_policy`), during which the router fails what comes instead of holding it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import litellm
from litellm import Router
from stage import INTERACTIVE, RETRIES, Call, Job, Plan, request, run

FIRST, LAST = 0, 100

litellm.telemetry = False


@asynccontextmanager
async def program(plan: Plan) -> AsyncIterator[Call]:
    """`acompletion` with a priority for each job."""
    body = request(0)
    deployment = {
        "model": f"anthropic/{body['model']}",
        "api_base": plan.url,
        "api_key": "bench",
        "rpm": plan.rpm,
        "tpm": plan.itpm + plan.otpm,
    }
    router = Router(
        model_list=[{"model_name": "claude", "litellm_params": deployment}],
        routing_strategy="simple-shuffle",
        num_retries=RETRIES,
    )

    async def call(job: Job) -> None:
        await router.acompletion(
            model="claude",
            messages=request(job.number)["messages"],
            max_tokens=body["max_tokens"],
            priority=FIRST if job.lane == INTERACTIVE else LAST,
        )

    yield call


run(program)
