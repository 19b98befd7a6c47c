"""Fallbacks: whether a cheaper model takes a request as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claudeflow.intake.catalog import Catalog
from claudeflow.intake.checks.messages import check_messages
from claudeflow.intake.checks.models import traits_of
from claudeflow.intake.checks.options import check_options
from claudeflow.intake.mistakes import Mistakes


def fallback_of(
    body: Mapping[str, Any], wanted: str | None, most_input_tokens: int, catalog: Catalog
) -> str | None:
    """The model that may answer a checked Messages body instead of its own; None: no other takes it.

    `wanted` is what its prompt names, else the configuration's choice counts. The API would refuse
    the body for another model where that allows fewer tokens, another way of thinking or effort, no
    forced tool, no fast mode, and so on: such a job stays with the model that was asked for.
    """
    model = wanted or catalog.fallbacks.get(body["model"])
    if model is None or model == body["model"] or model not in catalog.pools:
        return None
    traits, mistakes = traits_of(model), Mistakes()
    check_messages(body["messages"], traits, mistakes)
    check_options({**body, "model": model}, traits, mistakes)
    fits = body["max_tokens"] <= traits.max_tokens and most_input_tokens <= catalog.contexts.get(model, 0)
    return model if fits and not mistakes.found and not _thinks_too_hard(body) else None


def _thinks_too_hard(body: Mapping[str, Any]) -> bool:
    """Thinking between tools goes with an effort of `high` at most (claude-sonnet-5-5)."""
    thinking, output = body.get("thinking") or {}, body.get("output_config") or {}
    return thinking.get("type") == "between_tools" and output.get("effort") in ("xhigh", "max")
