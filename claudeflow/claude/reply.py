"""From what a call showed to the Reply that the rest of claudeflow works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anthropic
import orjson

from claudeflow.claude.answer import is_free, judge, take
from claudeflow.claude.assembly import MessageAssembly
from claudeflow.claude.diagnostics import read_cache_miss
from claudeflow.claude.failures import classify, has_api_body, never_left, plain_headers
from claudeflow.claude.headers import read_reading
from claudeflow.claude.settings import ClaudeSettings
from claudeflow.claude.usage import is_complete, read_usage
from claudeflow.domain.attempt import Onlooker, Reply
from claudeflow.domain.prompt import Request


@dataclass(slots=True)
class Progress:
    """What one call has shown so far: filled while it runs, read when it ends, however it ends."""

    started_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    http_status: int | None = None
    first_byte_s: float | None = None
    assembly: MessageAssembly = field(default_factory=MessageAssembly)
    onlooker: Onlooker | None = None


def answered_reply(
    message: Mapping[str, Any],
    raw: bytes,
    progress: Progress,
    *,
    schema: Mapping[str, Any] | None,
    caches_for_1h: bool,
    as_it_is: bool = False,
) -> Reply:
    """The reply of a call that ended with a message, `raw` being its JSON; `as_it_is`: it is not judged."""
    usage = message.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(
        outcome=take(message) if as_it_is else judge(message, schema),
        usage=read_usage(usage, caches_for_1h=caches_for_1h),
        raw_usage=orjson.dumps(usage),
        reading=read_reading(progress.headers),
        message=raw,
        message_id=_word(message, "id"),
        request_id=progress.headers.get("request-id"),
        http_status=progress.http_status,
        model=_word(message, "model"),
        usage_known=is_complete(usage),
        free=is_free(message),
        first_byte_s=progress.first_byte_s,
        cache_miss=read_cache_miss(message),
        headers=progress.headers,
    )


def failed_reply(
    error: BaseException, progress: Progress, request: Request, settings: ClaudeSettings
) -> Reply:
    """The reply of a call that ended in one of `failures.FAILURES`."""
    if isinstance(error, anthropic.APIStatusError):
        progress.headers = plain_headers(error.response.headers)
        progress.http_status = error.status_code
    usage = progress.assembly.usage()
    sent = not never_left(error)
    return Reply(
        outcome=classify(error, settings),
        usage=read_usage(usage, caches_for_1h=request.caches_for_1h),
        raw_usage=orjson.dumps(usage),
        reading=read_reading(progress.headers),
        request_id=progress.headers.get("request-id"),
        http_status=progress.http_status,
        model=_word(progress.assembly.message or {}, "model"),
        sent=sent,
        usage_known=not sent or _cost_nothing(error, progress),
        first_byte_s=progress.first_byte_s,
        headers=progress.headers,
    )


def _cost_nothing(error: BaseException, progress: Progress) -> bool:
    """Whether the API refused before it produced anything. Whatever ends otherwise may be billed."""
    if not isinstance(error, anthropic.APIStatusError) or progress.assembly.message is not None:
        return False
    is_refusal_of_the_edge = 400 <= error.status_code < 500 and error.status_code not in (408, 499)
    return has_api_body(error) or is_refusal_of_the_edge


def _word(message: Mapping[str, Any], field: str) -> str | None:
    value = message.get(field)
    return value if isinstance(value, str) else None
