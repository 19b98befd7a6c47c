"""A Messages request → the job that asks for the same.

Where the API is the judge, it judges: only what the daemon itself needs to read is checked here. So
fields, betas and block types that nobody here knows go through, and so does what an older version of the
API still takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from claudeflow.domain.job import NewJob
from claudeflow.intake.catalog import Catalog
from claudeflow.intake.checks.messages import MOST_MESSAGES
from claudeflow.intake.checks.size import most_of
from claudeflow.intake.desks.messages import Ask
from claudeflow.intake.envelope import Envelope
from claudeflow.intake.fallbacks import fallback_of
from claudeflow.intake.http.errors import ModelNotFound
from claudeflow.intake.json_text import check_values, write
from claudeflow.intake.messages.headers import read_dialect, read_max_wait_s, read_ours
from claudeflow.intake.mistakes import Mistakes, did_you_mean, kind_of, refuse, show
from claudeflow.intake.wire import PROMPT_FIELDS
from claudeflow.policy.access.grants import Standing
from claudeflow.policy.caching.naming import path_of

_LARGEST = 2**31 - 1
_WHOLE_OBJECTS = ("output_config", "thinking", "tool_choice", "metadata")


def read_ask(
    raw: bytes,
    headers: Mapping[str, str],
    query: str,
    catalog: Catalog,
    *,
    now_ms: int,
    by: Standing,
) -> Ask:
    """What a caller asks for; header names in lower case. Raises InvalidJob, ModelNotFound."""
    mistakes = Mistakes()
    body = _read_body(raw)
    envelope = read_ours(headers, catalog, now_ms, mistakes)
    patience_s = read_max_wait_s(headers, mistakes)
    stream = _read_stream(body.pop("stream", None), mistakes)
    _check_shape(body, mistakes)
    mistakes.raise_if_any()
    _check_model(body, catalog)
    written = write("body", body, mistakes)
    mistakes.raise_if_any()
    job = _job_of(body, written, envelope, catalog)
    told = replace(job, submitted_by=by.caller.name, dialect=read_dialect(headers, query))
    return Ask(told, by, stream, patience_s)


def _job_of(body: Mapping[str, Any], written: bytes, envelope: Envelope, catalog: Catalog) -> NewJob:
    """The job for a body that has the shape it must have, `written` as JSON."""
    rest = {name: value for name, value in body.items() if name not in PROMPT_FIELDS}
    input_bytes = len(written) - len(orjson.dumps(rest))
    most = most_of(body, input_bytes)
    return NewJob(
        lane=envelope.lane or catalog.default_lane,
        workflow=envelope.workflow or catalog.default_workflow,
        model=body["model"],
        pool=catalog.pools[body["model"]],
        max_tokens=body["max_tokens"],
        body=written,
        input_bytes=input_bytes,
        most_input_tokens=most.input_tokens,
        most_web_searches=most.web_searches,
        terms=most.terms,
        fallback_model=fallback_of(body, None, most.input_tokens, catalog),
        prefix=path_of(body, catalog.cache_minimums.get(body["model"], 0)),
        priority=envelope.priority,
        deadline_ms=envelope.deadline_ms,
        traceparent=envelope.traceparent,
    )


def _read_body(raw: bytes) -> dict[str, Any]:
    check_values(raw)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise refuse("body", f"the request body is not valid JSON: {error.msg} at {where}") from None
    if not isinstance(body, dict):
        raise refuse("body", f"must be a JSON object, found {kind_of(body)}")
    return body


def _read_stream(value: Any, mistakes: Mistakes) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    mistakes.add("stream", f"must be true or false, found {kind_of(value)}")
    return False


def _check_model(body: Mapping[str, Any], catalog: Catalog) -> None:
    model = body["model"]
    if model in catalog.pools:
        return
    hint = did_you_mean(model, catalog.pools)
    raise ModelNotFound(
        f"{show(model)} has no price here, so its cost could not be booked.{hint} If the name is right, "
        "add its price to the file named by `[prices] file` in the configuration."
    )


def _check_shape(body: Mapping[str, Any], mistakes: Mistakes) -> None:
    """What is read here must have the shape that the API documents."""
    model, most = body.get("model"), body.get("max_tokens")
    if not isinstance(model, str) or not model:
        mistakes.add("model", _found("model", body, "must be the name of a model"))
    if type(most) is not int or not 0 <= most <= _LARGEST:
        mistakes.add("max_tokens", _found("max_tokens", body, "must be a whole number from 0"))
    for name in _WHOLE_OBJECTS:
        if body.get(name) is not None and not isinstance(body[name], dict):
            mistakes.add(name, _found(name, body, "must be an object"))
    system, tools = body.get("system"), body.get("tools")
    if system is not None and not isinstance(system, str):
        _check_blocks("system", system, mistakes)
    if tools is not None:
        _check_blocks("tools", tools, mistakes)
    _check_messages(body, mistakes)


def _check_messages(body: Mapping[str, Any], mistakes: Mistakes) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list):
        mistakes.add("messages", _found("messages", body, "must be a list with at least one message"))
        return
    if not messages:
        mistakes.add("messages", "is empty; send at least one message")
        return
    if len(messages) > MOST_MESSAGES:
        mistakes.add("messages", f"has {len(messages):,} messages; the API takes {MOST_MESSAGES:,} at most")
        return
    for index, message in enumerate(messages):
        field = f"messages.{index}"
        if not isinstance(message, dict):
            mistakes.add(field, f"must be an object, found {kind_of(message)}")
        elif not isinstance(message.get("role"), str):
            mistakes.add(f"{field}.role", _found("role", message, 'must be "user" or "assistant"'))
        elif not isinstance(message.get("content"), str):
            if "content" not in message:
                mistakes.add(f"{field}.content", "is missing")
            else:
                _check_blocks(f"{field}.content", message["content"], mistakes)


def _check_blocks(field: str, blocks: Any, mistakes: Mistakes) -> None:
    if not isinstance(blocks, list):
        mistakes.add(field, f"must be a list of objects, found {kind_of(blocks)}")
        return
    for index, block in enumerate(blocks):
        if not isinstance(block, dict):
            mistakes.add(f"{field}.{index}", f"must be an object, found {kind_of(block)}")


def _found(name: str, within: Mapping[str, Any], rule: str) -> str:
    if name not in within:
        return f"is missing; {rule.replace('must be', 'send')}"
    return f"{rule}, found {show(within[name]) if name == 'max_tokens' else kind_of(within[name])}"
