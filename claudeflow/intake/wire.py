"""A producer's JSON → NewJob. All mistakes are reported at once, each with its field and the way out.

A job says what is asked in one of two ways: `{"request": <Messages body>}` or
`{"prompt": <name>, "input": {…}}`. docs/http.md describes every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from claudeflow.domain.errors import PromptError
from claudeflow.domain.job import NewJob, PromptRef
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.checks.cache import check_cache_markers
from claudeflow.intake.checks.messages import check_messages
from claudeflow.intake.checks.models import UNKNOWN_MODEL, ModelTraits, traits_of
from claudeflow.intake.checks.options import check_options
from claudeflow.intake.checks.size import Most, most_of
from claudeflow.intake.envelope import read_envelope
from claudeflow.intake.fallbacks import fallback_of
from claudeflow.intake.json_text import read_object, write
from claudeflow.intake.mistakes import Mistakes, did_you_mean, kind_of, listed, refuse, show
from claudeflow.policy.caching.naming import path_of
from claudeflow.policy.packing.request import item_text

_MOST_COMPARED = 100
PROMPT_FIELDS = frozenset({"system", "tools", "messages", "output_config"})  # a schema is sent as prompt


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for, in either way, with the lane and workflow that it brings along."""

    model: str
    max_tokens: int
    body: bytes
    input_bytes: int
    most: Most
    lane: str
    workflow: str
    prefix: str | None
    fallback_model: str | None
    prompt: PromptRef | None = None
    pack: str | None = None


def parse_job(raw: bytes, catalog: Catalog, *, now_ms: int, submitted_by: str | None) -> NewJob:
    """The job that `raw` asks for. Raises InvalidJob with every mistake found."""
    if len(raw) > catalog.max_body_bytes:
        raise refuse("body", f"is {len(raw):,} bytes; a job may have {catalog.max_body_bytes:,} at most")
    mistakes = Mistakes()
    job = read_object(raw, mistakes)
    return job_of(job, catalog, mistakes, now_ms=now_ms, submitted_by=submitted_by)


def job_of(
    job: dict[str, Any], catalog: Catalog, mistakes: Mistakes, *, now_ms: int, submitted_by: str | None
) -> NewJob:
    """The job that these fields ask for. Raises InvalidJob with all mistakes, earlier ones included."""
    envelope = read_envelope(job, catalog, now_ms, mistakes)
    asked = _read_asked(job, catalog, mistakes)
    mistakes.raise_if_any()
    assert asked is not None
    return NewJob(
        lane=envelope.lane or asked.lane,
        workflow=envelope.workflow or asked.workflow,
        model=asked.model,
        pool=catalog.pools[asked.model],
        max_tokens=asked.max_tokens,
        body=asked.body,
        input_bytes=asked.input_bytes,
        most_input_tokens=asked.most.input_tokens,
        most_web_searches=asked.most.web_searches,
        terms=asked.most.terms,
        fallback_model=asked.fallback_model,
        prompt=asked.prompt,
        prefix=asked.prefix,
        priority=envelope.priority,
        not_before_ms=envelope.not_before_ms,
        deadline_ms=envelope.deadline_ms,
        dedupe_key=envelope.dedupe_key,
        metadata=envelope.metadata,
        traceparent=envelope.traceparent,
        submitted_by=submitted_by,
        pack=asked.pack,
    )


def _read_asked(job: dict[str, Any], catalog: Catalog, mistakes: Mistakes) -> _Asked | None:
    request, prompt = job.get("request"), job.get("prompt")
    if request is not None and prompt is not None:
        mistakes.add(
            "prompt", "is given beside `request`; a job has either a whole request or a prompt with input"
        )
        return None
    if prompt is not None:
        return _read_prompt(prompt, job.get("input"), catalog, mistakes)
    if job.get("input") is not None:
        mistakes.add("input", "is given without `prompt`; name the prompt whose variables these are")
    if request is None:
        mistakes.add("request", 'is missing; send {"request": {…}} or {"prompt": "…", "input": {…}}')
        return None
    return _read_request(request, catalog, mistakes)


def _read_request(request: Any, catalog: Catalog, mistakes: Mistakes) -> _Asked | None:
    if not isinstance(request, dict):
        mistakes.add("request", f"must be a Messages body (an object), found {kind_of(request)}")
        return None
    model = _read_model(request, catalog, mistakes)
    traits = traits_of(model) if model else UNKNOWN_MODEL
    max_tokens = _read_max_tokens(request, traits, mistakes)
    if "messages" in request:
        check_messages(request["messages"], traits, mistakes)
    else:
        mistakes.add(
            "request.messages", f"is missing; send at least one message.{_misspelt('messages', request)}"
        )
    check_options(request, traits, mistakes)
    check_cache_markers(request, mistakes)
    body = write("request", request, mistakes)
    mistakes.raise_if_any()
    rest = {name: value for name, value in request.items() if name not in PROMPT_FIELDS}
    input_bytes = len(body) - len(write("request", rest, mistakes))
    most = most_of(request, input_bytes)
    return _Asked(
        model=model,
        max_tokens=max_tokens,
        body=body,
        input_bytes=input_bytes,
        most=most,
        lane=catalog.default_lane,
        workflow=catalog.default_workflow,
        prefix=path_of(request, catalog.cache_minimums.get(model, 0)),
        fallback_model=fallback_of(request, None, most.input_tokens, catalog),
    )


def _read_model(request: dict[str, Any], catalog: Catalog, mistakes: Mistakes) -> str:
    model = request.get("model")
    field = "request.model"
    if isinstance(model, str) and model in catalog.pools:
        return model
    if model is None:
        misspelt = _misspelt("model", request)
        mistakes.add(field, f"is missing; models with a price are {listed(catalog.pools)}.{misspelt}")
    elif not isinstance(model, str) or not model:
        mistakes.add(field, f"must be the name of a model, found {kind_of(model)}")
    else:
        mistakes.add(field, _unpriced(model, catalog))
    return ""


def _unpriced(model: str, catalog: Catalog) -> str:
    hint = did_you_mean(model, catalog.pools)
    way_out = "If the name is right, add its price to the file named by `[prices] file` in the configuration."
    return f"{show(model)} has no price here, so its cost could not be booked.{hint} {way_out}"


def _read_max_tokens(request: dict[str, Any], traits: ModelTraits, mistakes: Mistakes) -> int:
    value = request.get("max_tokens")
    field = "request.max_tokens"
    if value is None:
        misspelt = _misspelt("max_tokens", request)
        mistakes.add(
            field, f"is missing; say how long the answer may be, from 1 to {traits.max_tokens:,}.{misspelt}"
        )
    elif not isinstance(value, int) or isinstance(value, bool):
        mistakes.add(field, f"must be an integer from 1 to {traits.max_tokens:,}, found {show(value)}")
    elif value == 0:
        mistakes.add(
            field, "is 0, which only warms the cache; the daemon does that itself: ask for 1 or more"
        )
    elif not 1 <= value <= traits.max_tokens:
        mistakes.add(field, f"must be from 1 to {traits.max_tokens:,} for this model, found {show(value)}")
    else:
        return value
    return 0


def _misspelt(name: str, request: dict[str, Any]) -> str:
    """A remark when a key of the request looks like the missing `name`."""
    alike = [key for key in islice(request, _MOST_COMPARED) if did_you_mean(key, (name,))]
    return f" Found {show(alike[0])}: did you mean {show(name)}?" if alike else ""


def _read_prompt(name: Any, variables: Any, catalog: Catalog, mistakes: Mistakes) -> _Asked | None:
    template = catalog.prompts.get(name) if isinstance(name, str) else None
    if template is None:
        hint = did_you_mean(name, catalog.prompts) if isinstance(name, str) else ""
        mistakes.add("prompt", f"found {show(name)}; prompts are {listed(catalog.prompts)}.{hint}")
    if variables is not None and not isinstance(variables, dict):
        mistakes.add("input", f"must be an object of the prompt's variables, found {kind_of(variables)}")
        return None
    if template is None:
        return None
    lane = template.lane or catalog.default_lane
    if template.model not in catalog.pools:
        mistakes.add("prompt", f"its model {_unpriced(template.model, catalog)}")
    most_tokens = traits_of(template.model).max_tokens
    if template.max_tokens > most_tokens:
        found = f"{template.max_tokens:,} is above {most_tokens:,}, the most of its model"
        mistakes.add("prompt", f"its max_tokens {found}")
    if lane not in catalog.lanes:
        mistakes.add("prompt", f"its lane {show(lane)} is not configured; lanes are {listed(catalog.lanes)}")
    return _render(template, variables or {}, lane, catalog, mistakes)


def _render(
    template: PromptTemplate, variables: Mapping[str, Any], lane: str, catalog: Catalog, mistakes: Mistakes
) -> _Asked | None:
    try:
        rendered = catalog.render(template, variables)
    except PromptError as error:
        mistakes.add("input", str(error))
        return None
    whole = write("input", rendered, mistakes)
    if len(whole) > catalog.max_body_bytes:
        mistakes.add(
            "input", f"renders to {len(whole):,} bytes; the API takes {catalog.max_body_bytes:,} at most"
        )
    most = most_of(rendered, len(whole))
    return _Asked(
        model=template.model,
        max_tokens=template.max_tokens,
        body=write("input", rendered["messages"], mistakes),
        input_bytes=len(whole),
        most=most,
        lane=lane,
        workflow=template.workflow or catalog.default_workflow,
        prefix=_prefix_of(template, rendered, catalog) if whole else None,
        fallback_model=fallback_of(rendered, template.fallback, most.input_tokens, catalog),
        prompt=PromptRef(template.name, template.version),
        pack=_pack_of(template, rendered),
    )


def _pack_of(template: PromptTemplate, rendered: Mapping[str, Any]) -> str | None:
    """As what the job may share a call; None when it cannot."""
    if template.pack is None or item_text(rendered["messages"]) is None:
        return None
    return f"{template.name}@{template.version}"


def _prefix_of(template: PromptTemplate, rendered: Mapping[str, Any], catalog: Catalog) -> str | None:
    return path_of(rendered, catalog.cache_minimums.get(template.model, 0), template.version)
