"""Reading a Messages request as the API does: what it rejects, and what the twin needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from claudeflow.twin.errors import ApiError
from claudeflow.twin.models import Model, find_model

DEFAULT_WORKSPACE = "wrkspc_default"
VERSIONS = ("2023-01-01", "2023-06-01", "2026-10-21")
MAX_BODY_BYTES = 32 * 1024 * 1024
_NO_SAMPLING_SINCE = "2026-10-21"
_SAMPLING = ("temperature", "top_p", "top_k")
_THINKING_TYPES = ("adaptive", "enabled", "disabled", "between_tools")
_MAX_MESSAGES = 100_000


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """A valid request. `forced_tool` is the name of the tool that must be called, "" for any of them."""

    body: dict[str, Any]
    model: Model
    max_tokens: int
    stream: bool
    thinking: bool
    fast: bool
    geo: str
    schema: dict[str, Any] | None
    forced_tool: str | None
    takes_priority: bool
    workspace: str
    api_key_id: str
    client_request_id: str | None


def read_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises ApiError."""
    if len(raw) > MAX_BODY_BYTES:
        raise ApiError(413, "Request exceeds the maximum size")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The request body must be a JSON object")
    return body


def read_request(body: dict[str, Any], headers: Mapping[str, str]) -> MessageRequest:
    """Check the body of a message call. Raises ApiError with the field that is wrong."""
    version = read_version(headers)
    model = read_model(body)
    max_tokens = body.get("max_tokens")
    _require(max_tokens is not None, "max_tokens: Field required")
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 0:
        raise ApiError(400, "max_tokens: Input should be greater than or equal to 0")
    _require(
        max_tokens <= model.max_output_tokens,
        f"max_tokens: {max_tokens} > {model.max_output_tokens}, which is the maximum allowed number of "
        f"output tokens for {model.id}",
    )
    check_prompt(body, model)
    if version >= _NO_SAMPLING_SINCE:
        for name in _SAMPLING:
            _require(name not in body, f"{name}: Extra inputs are not permitted")
    thinking = _read_thinking(body, model, max_tokens)
    request = MessageRequest(
        body=body,
        model=model,
        max_tokens=max_tokens,
        stream=body.get("stream") is True,
        thinking=thinking,
        fast=_read_fast(body, model),
        geo=_read_geo(body, model),
        schema=_read_schema(body),
        forced_tool=_read_forced_tool(body, model),
        takes_priority=_read_service_tier(body) and model.takes_priority,
        workspace=headers.get("anthropic-workspace-id", ""),
        api_key_id=api_key_id(read_key(headers)),
        client_request_id=headers.get("x-client-request-id"),
    )
    if max_tokens == 0:
        _check_prewarm(request)
    return request


def read_key(headers: Mapping[str, str]) -> str:
    """The key that a request carries, "" for none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return headers.get("x-api-key") or (token if scheme.lower() == "bearer" else "")


@lru_cache(maxsize=256)
def api_key_id(key: str) -> str:
    """The id by which reports tell keys apart; it says nothing about the key."""
    return "apikey_" + blake2b(key.encode(), digest_size=12).hexdigest()


def read_version(headers: Mapping[str, str]) -> str:
    """The API version that the client asked for. Raises ApiError."""
    version = headers.get("anthropic-version")
    if version is None:
        raise ApiError(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise ApiError(400, f'anthropic-version: "{version}" is not a valid version')
    return version


def read_model(body: dict[str, Any]) -> Model:
    """The model that was asked for. Raises ApiError: 400 without one, 404 for unknown and retired ones."""
    name = body.get("model")
    if not isinstance(name, str):
        raise ApiError(400, "model: Field required")
    model = find_model(name)
    if model is None:
        raise ApiError(404, f"model: {name}")
    return model


def check_prompt(body: dict[str, Any], model: Model) -> None:
    """Check tools, system and messages. Raises ApiError."""
    messages = body.get("messages")
    if messages is None:
        raise ApiError(400, "messages: Field required")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "messages: at least one message is required")
    _require(len(messages) <= _MAX_MESSAGES, f"messages: at most {_MAX_MESSAGES:,} messages are allowed")
    for index, message in enumerate(messages):
        _check_message(index, message)
    last = messages[-1]
    if last["role"] == "assistant" and not model.takes_prefill:
        raise ApiError(
            400,
            "This model does not support assistant message prefill. "
            "The conversation must end with a user message.",
        )
    system = body.get("system")
    if system is not None:
        _check_content("system", system)
    for index, tool in enumerate(body.get("tools") or ()):
        _require(
            isinstance(tool, dict) and isinstance(tool.get("name"), str),
            f"tools.{index}.name: Field required",
        )


def _check_message(index: int, message: Any) -> None:
    if not isinstance(message, dict):
        raise ApiError(400, f"messages.{index}: Input does not match the expected shape.")
    if message.get("role") not in ("user", "assistant", "system"):
        raise ApiError(400, f"messages.{index}.role: Input should be 'user' or 'assistant'")
    content = message.get("content")
    _require(content is not None, f"messages.{index}.content: Field required")
    _check_content(f"messages.{index}.content", content)
    _require(content not in ("", []), f"messages.{index}: all messages must have non-empty content")


def _check_content(where: str, content: Any) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise ApiError(400, f"{where}: Input should be a valid string or list")
    for index, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise ApiError(400, f"{where}.{index}.type: Field required")
        if block["type"] == "text" and not isinstance(block.get("text"), str):
            raise ApiError(400, f"{where}.{index}.text: Field required")


def _read_thinking(body: dict[str, Any], model: Model, max_tokens: int) -> bool:
    thinking = body.get("thinking")
    if thinking is None:
        return False
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in _THINKING_TYPES:
        raise ApiError(400, f"thinking.type: Input should be one of {', '.join(_THINKING_TYPES)}")
    _require(kind not in model.rejected_thinking, f'thinking.type: "{kind}" is not supported for this model')
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < 1024:
            raise ApiError(
                400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
            )
        _require(max_tokens > budget, "`max_tokens` must be greater than `thinking.budget_tokens`")
    return bool(kind != "disabled")


def _read_fast(body: dict[str, Any], model: Model) -> bool:
    speed = body.get("speed") or "standard"
    _require(speed in ("standard", "fast"), "speed: Input should be 'standard' or 'fast'")
    _require(speed == "standard" or model.takes_fast, "speed: 'fast' is not supported for this model")
    return bool(speed == "fast")


def _read_service_tier(body: dict[str, Any]) -> bool:
    tier = body.get("service_tier") or "auto"
    _require(tier in ("auto", "standard_only"), "service_tier: Input should be 'auto' or 'standard_only'")
    return bool(tier == "auto")


def _read_geo(body: dict[str, Any], model: Model) -> str:
    geo = body.get("inference_geo")
    if not model.takes_geo:
        _require(geo is None, "inference_geo: not supported for this model")
        return "not_available"
    _require(geo in (None, "global", "us"), "inference_geo: Input should be 'global' or 'us'")
    return str(geo or "global")


def _read_schema(body: dict[str, Any]) -> dict[str, Any] | None:
    output = body.get("output_config")
    if output is None:
        return None
    if not isinstance(output, dict):
        raise ApiError(400, "output_config: Input should be an object")
    form = output.get("format")
    if form is None:
        return None
    if (
        not isinstance(form, dict)
        or form.get("type") != "json_schema"
        or not isinstance(form.get("schema"), dict)
    ):
        raise ApiError(400, "output_config.format: Input should be a json_schema with a schema")
    schema: dict[str, Any] = form["schema"]
    if schema.get("type") == "object":
        _require(
            schema.get("additionalProperties") is False,
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be set to false",
        )
    return schema


def _read_forced_tool(body: dict[str, Any], model: Model) -> str | None:
    choice = body.get("tool_choice")
    if choice is None:
        return None
    kind = choice.get("type") if isinstance(choice, dict) else None
    _require(
        kind in ("auto", "any", "tool", "none"), "tool_choice.type: Input should be auto, any, tool or none"
    )
    if kind in ("auto", "none"):
        return None
    _require(model.takes_forced_tool, f"tool_choice: forcing a tool is not supported for {model.id}")
    names = [tool["name"] for tool in body.get("tools") or ()]
    _require(bool(names), "tool_choice: tools: at least one tool is required")
    if kind == "any":
        return ""
    name = choice.get("name")
    _require(name in names, f"tool_choice.name: Tool '{name}' not found in provided tools")
    return str(name)


def _check_prewarm(request: MessageRequest) -> None:
    rules: tuple[tuple[Callable[[MessageRequest], bool], str], ...] = (
        (lambda wanted: wanted.stream, "stream"),
        (lambda wanted: wanted.thinking, "thinking"),
        (lambda wanted: wanted.schema is not None, "output_config.format"),
        (lambda wanted: wanted.forced_tool is not None, "a forced tool_choice"),
    )
    for broken, what in rules:
        _require(not broken(request), f"max_tokens: 0 cannot be combined with {what}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ApiError(400, message)
