"""A generation as the JSON of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from claudeflow.twin.billing import Tokens
from claudeflow.twin.diagnostics import Diagnosis
from claudeflow.twin.generation import Generation
from claudeflow.twin.replies import Reply
from claudeflow.twin.request import MessageRequest


@dataclass(frozen=True, slots=True)
class Written:
    """What the JSON of a message is made of; of `tokens` the input kinds count."""

    id: str
    request: MessageRequest
    reply: Reply
    tokens: Tokens
    service_tier: str
    diagnosis: Diagnosis | None = None

    def json(self, *, complete: bool = True) -> dict[str, Any]:
        """The message: whole, or as `message_start` shows it."""
        reply = self.reply
        usage = _usage(self, reply.tokens if complete else min(1, reply.tokens))
        if complete:
            usage["output_tokens_details"] = {"thinking_tokens": reply.thinking_tokens}
            usage |= _server_tool_use(reply)
        return {
            "model": self.request.model.id,
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "content": list(reply.blocks) if complete else [],
            "stop_reason": reply.stop_reason if complete else None,
            "stop_sequence": reply.stop_sequence if complete else None,
            "stop_details": stop_details(reply) if complete else None,
            "diagnostics": self.diagnosis,
            "usage": usage,
        }


def _usage(written: Written, output_tokens: int) -> dict[str, Any]:
    """`usage` of a message, with `output_tokens` as known at that moment."""
    request, tokens = written.request, written.tokens
    usage: dict[str, Any] = {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.write_5m + tokens.write_1h,
        "cache_read_input_tokens": tokens.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.write_5m,
            "ephemeral_1h_input_tokens": tokens.write_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": written.service_tier,
        "inference_geo": request.geo,
    }
    if request.fast:
        usage["speed"] = "fast"
    return usage


def message_json(generation: Generation, *, complete: bool) -> dict[str, Any]:
    """The answer to a message call: whole, or as `message_start` shows it."""
    order = generation.order
    tier = "priority" if generation.priority else "standard"
    written = Written(
        order.visit.message_id, order.request, order.reply, order.plan.tokens, tier, order.diagnosis
    )
    return written.json(complete=complete)


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
