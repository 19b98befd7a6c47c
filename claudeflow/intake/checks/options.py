"""Checks of what steers the model: thinking, tools, output, speed and place of a request.

Values that are not known here pass when a newer API may know them; only what the API is known to
answer with 400 is a mistake.
"""

from __future__ import annotations

from typing import Any

from claudeflow.intake.checks.models import ModelTraits
from claudeflow.intake.checks.size import MOST_USES
from claudeflow.intake.mistakes import Mistakes, did_you_mean, kind_of, listed, show

REFUSED_FIELDS = {
    "temperature": "is refused since API version 2026-10-21; drop it (effort and prompt steer the answer)",
    "top_p": "is refused since API version 2026-10-21; drop it",
    "top_k": "is refused since API version 2026-10-21; drop it",
    "stream": "the daemon chooses how it reads the answer; drop it",
    "custom_id": "belongs to a Message Batch item: send `params` as `request`, the id as `dedupe_key`",
    "params": "belongs to a Message Batch item: send what is in it as `request`",
    "requests": "is a whole Message Batch: send each item's `params` as a job of its own, in NDJSON",
    "betas": "is an argument of the SDK, not a field of the Messages API; drop it",
    "extra_headers": "is an argument of the SDK, not a field of the Messages API; drop it",
    "extra_query": "is an argument of the SDK, not a field of the Messages API; drop it",
    "extra_body": "is an argument of the SDK: put its fields into `request` itself",
    "timeout": "is an argument of the SDK; for a job set `deadline` beside `request`",
}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_LEAST_THINKING_TOKENS = 1_024


def check_options(request: dict[str, Any], traits: ModelTraits, mistakes: Mistakes) -> None:
    """Check all optional fields of a request but cache markers."""
    for name in REFUSED_FIELDS.keys() & request.keys():
        mistakes.add(f"request.{name}", REFUSED_FIELDS[name])
    for name, check in _CHECKS.items():
        if request.get(name) is not None:
            check(request[name], traits, mistakes)


def _check_thinking(thinking: Any, traits: ModelTraits, mistakes: Mistakes) -> None:
    field = "request.thinking"
    if not _is_object(field, thinking, mistakes):
        return
    kind = thinking.get("type")
    if not isinstance(kind, str):
        mistakes.add(f"{field}.type", f'must be a string like "adaptive", found {kind_of(kind)}')
    elif kind in traits.refused_thinking:
        way_out = (
            '"between_tools"'
            if traits.refused_thinking == {"disabled"}
            else '"adaptive", or leave thinking out'
        )
        mistakes.add(f"{field}.type", f"this model refuses {show(kind)}; use {way_out}")
    else:
        _check_budget(f"{field}.budget_tokens", thinking, traits, mistakes)


def _check_budget(field: str, thinking: dict[str, Any], traits: ModelTraits, mistakes: Mistakes) -> None:
    if "budget_tokens" not in thinking and thinking["type"] != "enabled":
        return
    budget = thinking.get("budget_tokens")
    if not traits.takes_thinking_budget:
        mistakes.add(
            field, 'this model takes no thinking budget; use {"type": "adaptive"} and output_config.effort'
        )
    elif not isinstance(budget, int) or isinstance(budget, bool) or budget < _LEAST_THINKING_TOKENS:
        found = show(budget) if "budget_tokens" in thinking else "nothing"
        mistakes.add(field, f"must be an integer of at least {_LEAST_THINKING_TOKENS:,}, found {found}")


def _check_tool_choice(choice: Any, traits: ModelTraits, mistakes: Mistakes) -> None:
    field = "request.tool_choice"
    if not _is_object(field, choice, mistakes):
        return
    kind = choice.get("type")
    if not isinstance(kind, str):
        mistakes.add(f"{field}.type", f'must be a string like "auto", found {kind_of(kind)}')
    elif kind in {"any", "tool"} and not traits.takes_forced_tool:
        mistakes.add(
            f"{field}.type",
            f'this model refuses forced tools ({show(kind)}); use "auto" and ask in the prompt',
        )


def _check_tools(tools: Any, _traits: ModelTraits, mistakes: Mistakes) -> None:
    field = "request.tools"
    if not isinstance(tools, list):
        mistakes.add(field, f"must be a list of tools, found {kind_of(tools)}")
        return
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if not _is_object(f"{field}[{index}]", tool, mistakes):
            continue
        name = tool.get("name")
        if isinstance(name, str) and name in names:
            mistakes.add(f"{field}[{index}].name", f"{show(name)} is used twice; tool names must differ")
        elif isinstance(name, str):
            names.add(name)
        if tool.get("input_schema") is not None:
            _is_object(f"{field}[{index}].input_schema", tool["input_schema"], mistakes)
        uses = tool.get("max_uses")
        if uses is not None and not (type(uses) is int and 0 <= uses <= MOST_USES):
            rule = f"must be an integer from 0 to {MOST_USES:,}, found {show(uses)}"
            mistakes.add(f"{field}[{index}].max_uses", rule)


def _check_output_config(config: Any, _traits: ModelTraits, mistakes: Mistakes) -> None:
    field = "request.output_config"
    if not _is_object(field, config, mistakes):
        return
    _check_choice(f"{field}.effort", config.get("effort"), _EFFORTS, mistakes)
    shape = config.get("format")
    if shape is None or not _is_object(f"{field}.format", shape, mistakes):
        return
    if not isinstance(shape.get("type"), str):
        mistakes.add(f"{field}.format.type", f'must be "json_schema", found {kind_of(shape.get("type"))}')
    elif shape["type"] == "json_schema":
        _is_object(f"{field}.format.schema", shape.get("schema"), mistakes)


def _check_system(system: Any, _traits: ModelTraits, mistakes: Mistakes) -> None:
    field = "request.system"
    if isinstance(system, str):
        return
    if not isinstance(system, list):
        mistakes.add(field, f"must be text or a list of text blocks, found {kind_of(system)}")
        return
    for index, block in enumerate(system):
        if not isinstance(block, dict) or not isinstance(block.get("text"), str) or not block["text"]:
            mistakes.add(
                f"{field}[{index}]", 'must be a block like {"type": "text", "text": "…"} that is not empty'
            )


def _check_stop_sequences(value: Any, _traits: ModelTraits, mistakes: Mistakes) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        mistakes.add("request.stop_sequences", "must be a list of strings that are not empty")


def _check_metadata(value: Any, _traits: ModelTraits, mistakes: Mistakes) -> None:
    field = "request.metadata"
    if _is_object(field, value, mistakes) and not isinstance(value.get("user_id", ""), str | None):
        mistakes.add(f"{field}.user_id", f"must be a string, found {kind_of(value['user_id'])}")


def _check_speed(speed: Any, traits: ModelTraits, mistakes: Mistakes) -> None:
    _check_choice("request.speed", speed, ("standard", "fast"), mistakes)
    if speed == "fast" and not traits.takes_fast:
        mistakes.add("request.speed", "this model has no fast mode; drop it or choose a model that has one")


def _check_service_tier(tier: Any, _traits: ModelTraits, mistakes: Mistakes) -> None:
    _check_choice("request.service_tier", tier, ("auto", "standard_only"), mistakes)


def _check_geo(geo: Any, traits: ModelTraits, mistakes: Mistakes) -> None:
    if not isinstance(geo, str):
        mistakes.add("request.inference_geo", f'must be a string like "us", found {kind_of(geo)}')
    elif not traits.takes_geo:
        mistakes.add("request.inference_geo", "models before 4.6 refuse it; drop it or choose a newer model")


def _check_choice(field: str, value: Any, allowed: tuple[str, ...], mistakes: Mistakes) -> None:
    if value is None or value in allowed:
        return
    hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
    mistakes.add(field, f"found {show(value)}; allowed are {listed(allowed)}.{hint}")


def _is_object(field: str, value: Any, mistakes: Mistakes) -> bool:
    if isinstance(value, dict):
        return True
    mistakes.add(field, f"must be an object, found {kind_of(value)}")
    return False


_CHECKS = {
    "thinking": _check_thinking,
    "tool_choice": _check_tool_choice,
    "tools": _check_tools,
    "output_config": _check_output_config,
    "system": _check_system,
    "stop_sequences": _check_stop_sequences,
    "metadata": _check_metadata,
    "speed": _check_speed,
    "service_tier": _check_service_tier,
    "inference_geo": _check_geo,
}
