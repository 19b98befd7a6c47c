"""Builders for calls over a scripted transport."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2

from claudeflow.claude.client import ClaudeClient
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.domain.attempt import Reply
from claudeflow.domain.prompt import Request
from tests.support.scripted import Answer, ScriptedTransport, Silence

SETTINGS = ClaudeSettings(base_url="http://api.test")
BODY = {
    "model": "claude-haiku-5-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}


def a_request(*, stream: bool = False, schema: dict[str, Any] | None = None, **body: Any) -> Request:
    return Request({**BODY, **body}, stream=stream, schema=schema)


def a_client(transport: httpx2.AsyncBaseTransport, **settings: Any) -> ClaudeClient:
    http = httpx2.AsyncClient(transport=transport)
    return ClaudeClient(replace(SETTINGS, **settings), "sk-ant-test", http)


async def reply_to(
    answer: Answer | Exception | Silence, request: Request | None = None, **settings: Any
) -> Reply:
    """The reply to one call that gets this answer."""
    client = a_client(ScriptedTransport(answer), **settings)
    try:
        return await client.send(request or a_request())
    finally:
        await client.aclose()
