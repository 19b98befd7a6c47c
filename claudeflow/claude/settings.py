"""How claudeflow talks to the Claude API. Importing this must stay cheap: no SDK here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, Predicate


def is_http_url(value: str) -> bool:
    """Whether a text is an absolute HTTP address: `https://host`, with or without port and path."""
    scheme, _, rest = value.partition("://")
    return scheme in ("http", "https") and rest.strip("/") != ""


HttpUrl = Annotated[str, Predicate(is_http_url)]
PositiveSeconds = Annotated[float, Gt(0)]


@dataclass(frozen=True, slots=True)
class ClaudeSettings:
    """Where the API is, and how long one call may take.

    `attempt_timeout_s` bounds a plain call as a whole, `stream_timeout_s` a streamed one; and in a
    stream no more than `content_timeout_s` may pass without content (pings do not count), or
    `attempt_timeout_s` while the model thinks, for the newest models say nothing then.
    Calls with more than `stream_above_max_tokens` are read as a stream whatever the request says,
    because a connection that is silent for ten minutes may be cut on its way.
    The phrases mark the two "money gone" errors that have no code of their own: 400s whose message
    contains one of them, in any case, hold the queue and fail no job.
    `key_file` holds the API key; empty: the credential or the environment has it.
    """

    base_url: HttpUrl = "https://api.anthropic.com"
    key_file: str = ""
    api_version: str = "2026-10-21"
    attempt_timeout_s: PositiveSeconds = 600.0
    stream_timeout_s: PositiveSeconds = 3600.0
    content_timeout_s: PositiveSeconds = 120.0
    connect_timeout_s: PositiveSeconds = 10.0
    max_connections: Annotated[int, Ge(1)] = 10_000
    keepalive_s: PositiveSeconds = 30.0
    stream_above_max_tokens: Annotated[int, Ge(0)] = 21_333
    spend_cap_phrases: tuple[str, ...] = ("you have reached your specified",)
    credit_phrases: tuple[str, ...] = ("credit balance is too low",)


@dataclass(frozen=True, slots=True)
class EnquirySettings:
    """How clients of `/v1/messages/count_tokens` and `/v1/models` are served.

    `per_minute` is how many of their requests are handed on to the API, half of them for one
    sender; `models_for_s` how long what it says of its models is good.
    """

    per_minute: Annotated[int, Ge(1)] = 2_000
    models_for_s: Annotated[float, Ge(0), Le(86_400)] = 60.0
