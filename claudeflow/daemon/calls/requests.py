"""A claimed job → the request that goes out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from claudeflow.domain.errors import PromptError
from claudeflow.domain.job import Job, PromptRef
from claudeflow.domain.prompt import PromptTemplate, Request
from claudeflow.policy.caching.breakpoints import with_breakpoints
from claudeflow.policy.caching.places import asks_for_1h
from claudeflow.policy.caching.plan import Plan
from claudeflow.prompts import assemble, from_json
from claudeflow.store import jobs as store_jobs
from claudeflow.store.database import Database


class Requests:
    """Builds requests; keeps each prompt version that it has met."""

    def __init__(self, store: Database) -> None:
        self._store = store
        self._versions: dict[str, PromptTemplate] = {}

    async def build(self, job: Job, plan: Plan, *, streamed: bool) -> Request:
        """The job's request, with the markers of its plan. Raises PromptError.

        `streamed` says that others wait for the beginning of its answer.
        """
        body = orjson.loads(job.body)
        if job.prompt is not None:
            template = await self._template(job.prompt)
            body = {**assemble(template, body), "max_tokens": job.max_tokens}
        body["model"] = job.model
        planned = with_breakpoints(body, job.prefix, plan)
        return Request(
            planned, stream=streamed, schema=_schema_of(planned), caches_for_1h=asks_for_1h(planned)
        )

    async def _template(self, prompt: PromptRef) -> PromptTemplate:
        known = self._versions.get(prompt.version)
        if known is None:
            stored = await self._store.read(partial(store_jobs.prompt_version, version=prompt.version))
            if stored is None:
                raise PromptError(f"version {prompt.version} of prompt {prompt.name} is not in the store")
            known = self._versions[prompt.version] = from_json(stored)
        return known


def _schema_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON schema that the answer must match (`output_config.format`), if any."""
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, Mapping) else None
    schema = wanted.get("schema") if isinstance(wanted, Mapping) else None
    return schema if isinstance(schema, Mapping) else None
