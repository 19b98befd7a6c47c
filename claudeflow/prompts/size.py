"""How large a prompt's stable part is, in tokens, before any call has counted it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from claudeflow.domain.prompt import PromptTemplate
from claudeflow.policy.limits.estimate import TOKENS_PER_BYTE

UNSURE = 0.25
"""By how much the guess may be wrong, either way."""


@dataclass(frozen=True, slots=True)
class StableSize:
    """Guessed tokens of a stable part against the least that the model caches; None: not known for it."""

    tokens: int
    minimum_tokens: int | None

    @property
    def is_enough(self) -> bool:
        """Whether the part is probably cached."""
        return self.minimum_tokens is None or self.tokens >= self.minimum_tokens

    @property
    def is_close(self) -> bool:
        """Whether the guess is too near to the minimum to be relied on."""
        return self.minimum_tokens is not None and abs(self.tokens / self.minimum_tokens - 1) <= UNSURE

    def __str__(self) -> str:
        if self.minimum_tokens is None:
            return f"about {self.tokens:,} tokens; the price list does not know the model's minimum"
        verdict = "enough" if self.is_enough else "too little to be cached"
        close = " (a close guess)" if self.is_close else ""
        return f"about {self.tokens:,} tokens, minimum {self.minimum_tokens:,}: {verdict}{close}"


def template_size(template: PromptTemplate, minimum_tokens: int | None) -> StableSize:
    """The size of a prompt's stable part: tools, answer schema and system."""
    parts: list[Any] = [list(template.tools)] if template.tools else []
    parts += [template.schema] if template.schema is not None else []
    return _size(parts, [template.system], minimum_tokens)


def body_size(body: Mapping[str, Any], minimum_tokens: int | None) -> StableSize:
    """The size of what should be cached of a Messages body."""
    from claudeflow.prompts.lint.bodies import answer_schema, stable_texts

    parts: list[Any] = [part for part in (body.get("tools"), answer_schema(body)) if part]
    return _size(parts, [text for _, text in stable_texts(body)], minimum_tokens)


def text_size(text: str, minimum_tokens: int | None) -> StableSize:
    """The size of a text that should be cached."""
    return _size([], [text], minimum_tokens)


def _size(parts: list[Any], texts: list[str], minimum_tokens: int | None) -> StableSize:
    size = sum(len(orjson.dumps(part)) for part in parts) + sum(len(text.encode()) for text in texts)
    return StableSize(round(size * TOKENS_PER_BYTE), minimum_tokens)
