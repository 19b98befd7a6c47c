"""Prompts: named templates, and the requests that rendering them gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A named prompt. Everything but `user` is its stable part; `version` is that part's hash.

    `system` is sent verbatim and cached; `user` is a Jinja2 template of the volatile part.
    `schema` is the JSON schema of a structured answer, `tools` the Messages `tools` array.
    `fallback` is the cheaper model that may answer when a budget says so.
    """

    name: str
    version: str
    model: str
    max_tokens: int
    lane: str
    workflow: str
    system: str
    user: str
    effort: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One Messages body that is ready to go out.

    `stream` says how it is read, not what the caller asked for; `schema` is the JSON schema that
    the answer must match, if any. `caches_for_1h` is True when any breakpoint asks for the long TTL.
    """

    body: Mapping[str, Any]
    stream: bool = False
    schema: Mapping[str, Any] | None = None
    caches_for_1h: bool = False
