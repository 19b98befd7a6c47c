"""Jobs, requests and catalogs that are right, with changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from claudeflow.domain.errors import InvalidJob, PromptError
from claudeflow.domain.job import NewJob
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.wire import parse_job

NOW_MS = 1_795_338_000_000  # 2026-11-22T09:00:00Z
GONE = object()

MODELS = {
    "claude-opus-5-5": "opus-5.5",
    "claude-sonnet-5-5": "sonnet-5.x",
    "claude-haiku-5-5": "haiku-5.5",
    "claude-haiku-4-5": "haiku-4.5",
    "claude-sonnet-4-5-20250929": "sonnet-4.x",
    "claude-fable-5-2": "fable-5.x",
    "claude-opus-4-8": "opus-4.x",
}
TRIAGE = PromptTemplate(
    name="triage",
    version="3f0c9a",
    model="claude-haiku-5-5",
    max_tokens=700,
    lane="interactive",
    workflow="ticket-triage",
    system="You sort tickets.",
    user="Ticket: {{ ticket }}",
)


def render(template: PromptTemplate, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the prompts package does, for templates with the one variable `ticket`."""
    unknown = variables.keys() - {"ticket"}
    if unknown:
        raise PromptError(f"prompt {template.name} has no variable {min(unknown)}; it has ticket")
    if "ticket" not in variables:
        raise PromptError(f"prompt {template.name} needs the variable ticket")
    return {
        "model": template.model,
        "max_tokens": template.max_tokens,
        "system": template.system,
        "messages": [{"role": "user", "content": f"Ticket: {variables['ticket']}"}],
    }


def a_catalog(**changes: Any) -> Catalog:
    """Two lanes, seven models, one prompt."""
    catalog = Catalog(
        lanes=frozenset({"interactive", "bulk"}),
        default_lane="bulk",
        pools=MODELS,
        prompts={"triage": TRIAGE},
        render=render,
    )
    return replace(catalog, **changes)


def a_request(**changes: Any) -> dict[str, Any]:
    """A Messages body; a change to GONE drops the field."""
    request = {
        "model": "claude-haiku-5-5",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    return {key: value for key, value in {**request, **changes}.items() if value is not GONE}


def a_job(**changes: Any) -> dict[str, Any]:
    """A job with a whole request; a change to GONE drops the field."""
    job = {"request": a_request(), **changes}
    return {key: value for key, value in job.items() if value is not GONE}


def asking(**changes: Any) -> dict[str, Any]:
    """A job whose request has changes."""
    return a_job(request=a_request(**changes))


def saying(*messages: Any, **changes: Any) -> dict[str, Any]:
    """A job with these messages."""
    return asking(messages=list(messages), **changes)


def user(content: Any) -> dict[str, Any]:
    """A user message."""
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    """An assistant message."""
    return {"role": "assistant", "content": content}


def raw(job: Any) -> bytes:
    """What a producer would send."""
    return job if isinstance(job, bytes) else json.dumps(job).encode()


def parsed(job: Any, catalog: Catalog | None = None, submitted_by: str = "ops") -> NewJob:
    """The job that is read from it."""
    return parse_job(raw(job), catalog or a_catalog(), now_ms=NOW_MS, submitted_by=submitted_by)


def mistakes_of(job: Any, catalog: Catalog | None = None) -> dict[str, str]:
    """Field → message of everything that is wrong with it."""
    try:
        parsed(job, catalog)
    except InvalidJob as error:
        return {mistake.field: mistake.message for mistake in error.mistakes}
    return {}
