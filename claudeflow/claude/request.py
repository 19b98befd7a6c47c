"""What goes over the wire for one request."""

from __future__ import annotations

from typing import Any

import orjson

from claudeflow.domain.prompt import Request


def goes_streamed(request: Request, stream_above_max_tokens: int) -> bool:
    """Whether the answer is read as a stream. A pre-warm (`max_tokens` 0) never is: the API refuses it."""
    max_tokens = request.body.get("max_tokens")
    if max_tokens == 0:
        return False
    return request.stream or (isinstance(max_tokens, int) and max_tokens > stream_above_max_tokens)


def wire_body(request: Request, streamed: bool) -> bytes:
    """The request's JSON: the body unchanged, but for `stream`, which says how we read the answer.

    Raises TypeError when the body cannot be written as JSON.
    """
    body: dict[str, Any] = {**request.body}
    body.pop("stream", None)
    if streamed:
        body["stream"] = True
    return orjson.dumps(body)
