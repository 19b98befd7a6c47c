"""A generation as the JSON of its answer."""

from __future__ import annotations

from typing import Any

from claudeflow.twin.generation import Generation
from claudeflow.twin.replies import Reply


def usage_json(generation: Generation, output_tokens: int) -> dict[str, Any]:
    """`usage` of a message, with `output_tokens` as known at that moment."""
    request, tokens = generation.order.request, generation.order.plan.tokens
    usage: dict[str, Any] = {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.write_5m + tokens.write_1h,
        "cache_read_input_tokens": tokens.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.write_5m,
            "ephemeral_1h_input_tokens": tokens.write_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": "priority" if generation.priority else "standard",
        "inference_geo": request.geo,
    }
    if request.fast:
        usage["speed"] = "fast"
    return usage


def message_json(generation: Generation, *, complete: bool) -> dict[str, Any]:
    """The message: whole, or as `message_start` shows it."""
    order = generation.order
    reply = order.reply
    usage = usage_json(generation, reply.tokens if complete else min(1, reply.tokens))
    if complete:
        usage["output_tokens_details"] = {"thinking_tokens": reply.thinking_tokens}
        usage |= _server_tool_use(reply)
    return {
        "model": order.request.model.id,
        "id": order.visit.message_id,
        "type": "message",
        "role": "assistant",
        "content": list(reply.blocks) if complete else [],
        "stop_reason": reply.stop_reason if complete else None,
        "stop_sequence": reply.stop_sequence if complete else None,
        "stop_details": stop_details(reply) if complete else None,
        "diagnostics": order.diagnosis,
        "usage": usage,
    }


def stop_details(reply: Reply) -> dict[str, Any] | None:
    """Why the model refused, if it did."""
    if reply.refusal_category is None:
        return None
    return {"type": "refusal", "category": reply.refusal_category, "explanation": None}


def final_delta(reply: Reply) -> dict[str, Any]:
    """`delta` of the last `message_delta`."""
    return {
        "stop_reason": reply.stop_reason,
        "stop_sequence": reply.stop_sequence,
        "stop_details": stop_details(reply),
    }


def final_usage(generation: Generation) -> dict[str, Any]:
    """Cumulative `usage` of the last `message_delta`, which lacks split, tier, geo and speed."""
    tokens, reply = generation.order.plan.tokens, generation.order.reply
    return {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.write_5m + tokens.write_1h,
        "cache_read_input_tokens": tokens.read,
        "output_tokens": reply.tokens,
        "output_tokens_details": {"thinking_tokens": reply.thinking_tokens},
        **_server_tool_use(reply),
    }


def _server_tool_use(reply: Reply) -> dict[str, Any]:
    """What was searched and fetched; messages without either do not speak of it."""
    used = reply.server_tools
    if not used.searches and not used.fetches:
        return {}
    return {"server_tool_use": {"web_search_requests": used.searches, "web_fetch_requests": used.fetches}}
