"""A prompt template's version, and its form in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from claudeflow.domain.errors import PromptError
from claudeflow.domain.prompt import CanaryRules, PackRules, PromptTemplate, Verify

_VERSION_CHARS = 16


def stable_version(
    model: str,
    effort: str | None,
    system: str,
    tools: Sequence[Mapping[str, Any]],
    schema: Mapping[str, Any] | None,
) -> str:
    """The hash of a prompt's stable part: equal versions share cached prefixes. 16 hex digits.

    Every byte counts, the key order of `tools` and `schema` too: it is part of the cached prefix.
    """
    stable = {"model": model, "effort": effort, "system": system, "tools": list(tools), "schema": schema}
    return hashlib.sha256(orjson.dumps(stable)).hexdigest()[:_VERSION_CHARS]


def to_json(template: PromptTemplate) -> bytes:
    """The template as JSON, for `from_json`."""
    return orjson.dumps(template)


def from_json(stored: bytes) -> PromptTemplate:
    """The template that `to_json` wrote, equal to the original. Raises PromptError."""
    try:
        fields = orjson.loads(stored)
        pack = fields.get("pack")
        rules = None if pack is None else _pack_rules(pack)
        return PromptTemplate(**{**fields, "tools": tuple(fields["tools"]), "pack": rules})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PromptError(f"a stored prompt template cannot be read: {error}") from error


def _pack_rules(stored: Mapping[str, Any]) -> PackRules:
    canary = stored["canary"]
    lists = {key: tuple(canary[key]) for key in ("fields", "command")}
    return PackRules(
        **{**stored, "verify": Verify(stored["verify"]), "canary": CanaryRules(**{**canary, **lists})}
    )
