"""Breakpoints: a request with the markers of its plan. Nothing else in it changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claudeflow.policy.caching.paths import BASE, Ttl, kind_of, levels_of
from claudeflow.policy.caching.places import Block, as_blocks, places_of
from claudeflow.policy.caching.plan import MOST_MARKS, Plan

MARKERS: Mapping[Ttl, Mapping[str, str]] = {
    "5m": {"type": "ephemeral"},
    "1h": {"type": "ephemeral", "ttl": "1h"},
}


def with_breakpoints(body: Mapping[str, Any], path: str | None, plan: Plan) -> Mapping[str, Any]:
    """The body with a marker at each level that the plan marks; one that the caller marked stays as it is.

    Where there is room for one more marker the tools have their own, so that requests with another
    system text read them.
    """
    if not plan.marks or plan.is_the_callers:
        return body
    ttls = {mark.level: mark.ttl for mark in plan.marks}
    planned = dict(body)
    for level, place in zip(reversed(levels_of(path)), reversed(places_of(body)), strict=False):
        ttl = ttls.get(level)
        if ttl is None or kind_of(level) != place.kind:
            continue
        _mark(planned, place.block, ttl)
        if place.kind == BASE and place.block.section == "system" and len(ttls) < MOST_MARKS:
            _mark_tools(planned, ttl)
    return planned


def _mark_tools(body: dict[str, Any], ttl: Ttl) -> None:
    tools = body.get("tools")
    if tools and not tools[-1].get("defer_loading"):
        _mark(body, Block("tools", -1, len(tools) - 1, tools[-1]), ttl)


def _mark(body: dict[str, Any], block: Block, ttl: Ttl) -> None:
    if block.section != "messages":
        body[block.section] = _marked(as_blocks(body[block.section]), block.index, ttl)
        return
    messages = list(body["messages"])
    message = messages[block.message]
    content = _marked(as_blocks(message["content"]), block.index, ttl)
    messages[block.message] = {**message, "content": content}
    body["messages"] = messages


def _marked(blocks: list[Any], index: int, ttl: Ttl) -> list[Any]:
    blocks[index] = {**blocks[index], "cache_control": dict(MARKERS[ttl])}
    return blocks
