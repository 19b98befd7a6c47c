"""The prompts and jobs that ship as examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from claudeflow.domain.prompt import PromptTemplate
from claudeflow.prompts import load_prompts, render
from claudeflow.simulation.examples import find_examples
from claudeflow.testing import assert_cacheable

EXAMPLES = find_examples()
PROMPTS = load_prompts(EXAMPLES / "prompts")
UNSUPPORTED = {"minimum", "maximum", "minLength", "maxLength", "pattern", "multipleOf", "$ref", "maxItems"}

every_prompt = pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for inner in schema.values():
            yield from subschemas(inner)


def example_jobs() -> list[dict[str, Any]]:
    lines = (EXAMPLES / "jobs" / "twenty.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_there_are_six_prompts_for_six_workflows_in_three_lanes() -> None:
    assert len(PROMPTS) == 6
    assert len({prompt.workflow for prompt in PROMPTS.values()}) == 6
    assert {prompt.lane for prompt in PROMPTS.values()} == {"interactive", "standard", "bulk"}


@every_prompt
def test_the_stable_part_can_be_cached_with_much_to_spare(prompt: PromptTemplate) -> None:
    assert_cacheable(prompt)
    assert_cacheable(prompt, min_tokens=3 * 512)


@every_prompt
def test_schemas_keep_to_what_structured_outputs_support(prompt: PromptTemplate) -> None:
    for schema in subschemas(prompt.schema):
        assert not UNSUPPORTED & schema.keys()
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])


def test_ticket_labels_are_those_of_the_data() -> None:
    schema = PROMPTS["ticket-triage"].schema
    assert schema is not None
    text = (EXAMPLES / "inputs" / "intents" / "banking77-categories.json").read_text(encoding="utf-8")

    assert schema["properties"]["label"]["enum"] == sorted(json.loads(text))


@pytest.mark.parametrize(("name", "field"), [("ticket-triage", "label"), ("helpdesk-routing", "intent")])
def test_every_label_is_explained_to_the_model(name: str, field: str) -> None:
    prompt = PROMPTS[name]
    assert prompt.schema is not None

    unexplained = [
        label for label in prompt.schema["properties"][field]["enum"] if label not in prompt.system
    ]

    assert unexplained == []


def test_every_intent_in_the_data_can_be_answered() -> None:
    schema = PROMPTS["helpdesk-routing"].schema
    assert schema is not None
    text = (EXAMPLES / "inputs" / "intents" / "clinc150-test-800.jsonl").read_text(encoding="utf-8")

    assert {json.loads(line)["intent"] for line in text.splitlines()} <= set(
        schema["properties"]["intent"]["enum"]
    )


def test_the_twenty_example_jobs_name_real_prompts_and_render() -> None:
    jobs = example_jobs()

    assert len(jobs) == 20
    for job in jobs:
        body = job["request"] if "request" in job else render(PROMPTS[job["prompt"]], job["input"])
        assert body["messages"][0]["content"].strip()


def test_the_example_message_is_a_messages_body() -> None:
    body = json.loads((EXAMPLES / "jobs" / "message.json").read_text(encoding="utf-8"))

    assert {"model", "max_tokens", "messages"} <= body.keys()
