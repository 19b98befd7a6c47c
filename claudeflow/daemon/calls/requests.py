"""A claimed job → the request that goes out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

import orjson

from claudeflow.domain.errors import PromptError
from claudeflow.domain.job import Dialect, PromptRef
from claudeflow.domain.prompt import PromptTemplate, Request
from claudeflow.policy.caching.breakpoints import with_breakpoints
from claudeflow.policy.caching.places import asks_for_1h
from claudeflow.policy.caching.plan import Plan
from claudeflow.prompts import assemble, from_json
from claudeflow.store import jobs as store_jobs
from claudeflow.store.database import Database


class Asked(Protocol):
    """What a request is made of: a claimed job, or one in a batch."""

    @property
    def model(self) -> str:
        """The model that answers."""
        ...

    @property
    def max_tokens(self) -> int:
        """How long the answer may be."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body, or the messages of a prompt."""
        ...

    @property
    def prompt(self) -> PromptRef | None:
        """The prompt, if it was asked by one."""
        ...

    @property
    def prefix(self) -> str | None:
        """Names the cacheable part."""
        ...


class Requests:
    """Builds requests; keeps each prompt version that it has met."""

    def __init__(self, store: Database) -> None:
        self._store = store
        self._versions: dict[str, PromptTemplate] = {}

    async def build(
        self, job: Asked, plan: Plan, *, streamed: bool, dialect: Dialect | None = None
    ) -> Request:
        """The job's request, with the markers of its plan. Raises PromptError.

        `streamed` says that others wait for the beginning of its answer; `dialect` is its caller's.
        """
        body = orjson.loads(job.body)
        if job.prompt is not None:
            template = await self.template(job.prompt)
            body = {**assemble(template, body), "max_tokens": job.max_tokens}
        body["model"] = job.model
        planned = with_breakpoints(body, job.prefix, plan)
        return Request(planned, streamed, _schema_of(planned), asks_for_1h(planned), dialect)

    async def schema(self, job: Asked) -> Mapping[str, Any] | None:
        """The JSON schema that the job's answer must match, if any. Raises PromptError."""
        if job.prompt is not None:
            return (await self.template(job.prompt)).schema
        return _schema_of(orjson.loads(job.body))

    async def template(self, prompt: PromptRef) -> PromptTemplate:
        """A prompt as it was when its jobs were submitted. Raises PromptError."""
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
