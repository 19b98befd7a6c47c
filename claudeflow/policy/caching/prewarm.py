"""Pre-warm: tools and system that are written shortly before a lane opens, so that no job waits for a writer.

A request with `max_tokens: 0` writes what it marks and answers nothing (Pre-warm). The write is paid
once, with or without it: without, the first job of the lane writes while the others wait until its
response begins. So a pre-warm costs one read more, and one request; a write is lost when the jobs are
gone by the opening. What it gains is that time for every job that waits, which is why it takes some.

The API refuses `max_tokens: 0` with a stream, thinking, an output format or a forced tool. The format
is part of the prefix, and whoever thinks or must use a tool would be asked for something else: such
requests are not warmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LEAD_MS = 20_000
"""How long before the opening: long enough to read any prompt, and a small part of the shortest TTL."""

_OF_THE_ANSWER = ("stream", "stop_sequences", "diagnostics")
_ONE_WORD = [{"role": "user", "content": "ok"}]
_FREE_CHOICES = ("auto", "none")


@dataclass(frozen=True, slots=True)
class WaitingPrefix:
    """Jobs of one lane that wait with the same tools and system. `job_id`: the one submitted first."""

    model: str
    prefix: str
    jobs: int
    job_id: int


def is_time(opens_ms: int | None, now_ms: int) -> bool:
    """Whether a closed lane opens so soon that its prefixes are written now."""
    return opens_ms is not None and 0 < opens_ms - now_ms <= LEAD_MS


def prewarm_body(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The request that writes what `body` marks in tools and system, and nothing else.

    None when nothing is marked there, or the API would refuse it. A top-level mark does not count:
    it would mark the end of the messages.
    """
    system = body.get("system")
    stable = [*(body.get("tools") or ()), *(system if isinstance(system, list) else ())]
    if not _is_legal(body) or not _has_marks(stable):
        return None
    rest = {name: value for name, value in body.items() if name not in _OF_THE_ANSWER}
    return {**rest, "max_tokens": 0, "messages": _ONE_WORD}


def _is_legal(body: Mapping[str, Any]) -> bool:
    output, thinking, choice = body.get("output_config"), body.get("thinking"), body.get("tool_choice")
    has_format = isinstance(output, Mapping) and output.get("format") is not None
    thinks = isinstance(thinking, Mapping) and thinking.get("type") != "disabled"
    is_forced = isinstance(choice, Mapping) and choice.get("type") not in _FREE_CHOICES
    return not (has_format or thinks or is_forced or body.get("cache_control") is not None)


def _has_marks(blocks: Iterable[Any]) -> bool:
    return any(isinstance(block, Mapping) and block.get("cache_control") is not None for block in blocks)
