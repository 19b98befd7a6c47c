"""Prompts: named templates, and the requests that rendering them gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from claudeflow.domain.job import Dialect


class Verify(StrEnum):
    """How the answers in a pack are told apart."""

    SEAL = "seal"
    """Each answer must repeat the seal that stood at the end of its item: a mixed-up id is found."""
    ID = "id"
    """By the item's id alone: cheaper by some tokens, and blind to mixed-up ids."""


@dataclass(frozen=True, slots=True)
class CanaryRules:
    """How packed answers are checked against single ones.

    `share` of the packed jobs are asked again by a call of their own. Two answers agree when they are
    equal JSON, or their `fields` are (names of top-level keys, or paths such as `route.team`), or the
    `command` says so (both come on its standard input, exit code 0: they agree). Above
    `max_disagreement` the prompt is packed no more.
    """

    share: float = 0.0
    fields: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    max_disagreement: float = 0.05


@dataclass(frozen=True, slots=True)
class PackRules:
    """How jobs of a prompt may share a call. `max_input_tokens` is for all their own texts together."""

    max_items: int
    max_input_tokens: int = 20_000
    max_wait_s: float = 2.0
    verify: Verify = Verify.SEAL
    canary: CanaryRules = field(default_factory=CanaryRules)


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A named prompt. Everything but `user` is its stable part; `version` is that part's hash.

    `system` is sent verbatim and cached; `user` is a Jinja2 template of the volatile part.
    `schema` is the JSON schema of a structured answer, `tools` the Messages `tools` array.
    `fallback` is the cheaper model that may answer when a budget says so. `pack` is there when its jobs
    may share calls.
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
    pack: PackRules | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One Messages body that is ready to go out.

    `stream` says how it is read, not what the caller asked for; `schema` is the JSON schema that
    the answer must match, if any. `caches_for_1h` is True when any breakpoint asks for the long TTL.
    With a `dialect` any message is an answer, and its headers and query go along.
    """

    body: Mapping[str, Any]
    stream: bool = False
    schema: Mapping[str, Any] | None = None
    caches_for_1h: bool = False
    dialect: Dialect | None = None
