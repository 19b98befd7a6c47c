"""inspect_ai's client: as many connections as the provider bears, found by trying.

https://inspect.aisi.org.uk/models-concurrency.html: adaptive connections are the recommended mode and
the default; "a rule of thumb for `max` is (tier RPM x average request seconds) / 60". Retries are
unlimited unless limited, with exponential backoff, on top of the two of the SDK that heed `retry-after`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import ceil

from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.util import AdaptiveConcurrency
from stage import Call, Job, Plan, request, run


@asynccontextmanager
async def program(plan: Plan) -> AsyncIterator[Call]:
    """`Model.generate` for each job."""
    body = request(0)
    connections = AdaptiveConcurrency(max=ceil(plan.rpm * plan.answer_s / 60))
    config = GenerateConfig(max_tokens=body["max_tokens"], adaptive_connections=connections)
    model = get_model(f"anthropic/{body['model']}", base_url=plan.url, api_key="bench", config=config)

    async def call(job: Job) -> None:
        output = await model.generate(request(job.number)["messages"][0]["content"])
        if output.error:
            raise RuntimeError(output.error)

    yield call


run(program)
