"""A cheaper model is named only where it takes the request as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from claudeflow.intake.fallbacks import fallback_of
from tests.intake.builders import a_catalog

OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"
SMALL = "claude-haiku-4-5"
TOOLS = [{"name": "look_up", "input_schema": {"type": "object"}}]


def fallback(cheaper: str, wanted: str | None = None, most: int = 1_000, **body: Any) -> str | None:
    models = (OPUS, SONNET, HAIKU, SMALL)
    catalog = replace(
        a_catalog(),
        pools=dict.fromkeys(models, "a pool"),
        fallbacks={OPUS: cheaper},
        contexts={OPUS: 1_000_000, SONNET: 1_000_000, HAIKU: 1_000_000, SMALL: 200_000},
    )
    whole = {"model": OPUS, "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}], **body}
    return fallback_of(whole, wanted, most, catalog)


def test_a_plain_request_falls_back_to_what_the_configuration_or_its_prompt_names() -> None:
    assert fallback(SONNET) == SONNET
    assert fallback(SONNET, wanted=HAIKU) == HAIKU
    assert fallback(OPUS) is None
    assert fallback(SONNET, model=HAIKU) is None
    assert fallback("claude-of-tomorrow") is None


@pytest.mark.parametrize(
    ("cheaper", "body"),
    [
        (SMALL, {"max_tokens": 100_000}),
        (SMALL, {"most": 300_000}),
        (HAIKU, {"speed": "fast"}),
        (HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "max_tokens": 4_000}),
        (SONNET, {"thinking": {"type": "disabled"}}),
        (SONNET, {"tools": TOOLS, "tool_choice": {"type": "any"}}),
        (SONNET, {"thinking": {"type": "between_tools"}, "output_config": {"effort": "max"}}),
        (SONNET, {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "{"}]}),
    ],
)
def test_a_request_that_the_cheaper_model_refuses_stays(cheaper: str, body: dict[str, Any]) -> None:
    assert fallback(cheaper, **body) is None


@pytest.mark.parametrize(
    ("cheaper", "body"),
    [
        (HAIKU, {"max_tokens": 100_000, "most": 900_000}),
        (HAIKU, {"tools": TOOLS, "tool_choice": {"type": "any"}}),
        (HAIKU, {"thinking": {"type": "adaptive"}}),
        (SONNET, {"thinking": {"type": "between_tools"}, "output_config": {"effort": "high"}}),
    ],
)
def test_a_request_that_it_takes_may_fall_back(cheaper: str, body: dict[str, Any]) -> None:
    assert fallback(cheaper, **body) == cheaper
