"""The stable part of a Messages body → findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from claudeflow.domain.prompt import PromptTemplate
from claudeflow.policy.caching.places import Block, blocks_of
from claudeflow.prompts.lint.json_text import dumped, lint_json
from claudeflow.prompts.lint.rules import Finding, of_prompt
from claudeflow.prompts.lint.text import LintSettings, lint_text


def lint_body(
    body: Mapping[str, Any], file: str = "body", settings: LintSettings | None = None
) -> list[Finding]:
    """The leaks in what should be cached of a body: tools, answer schema, and what `stable_blocks` gives.

    Lines and columns are those within the part that the finding names, such as `body: system[0]`.
    """
    found: list[Finding] = []
    if tools := body.get("tools"):
        found += lint_json(dumped(tools), f"{file}: tools", settings)
    if schema := answer_schema(body):
        found += lint_json(dumped(schema), f"{file}: output_config.format.schema", settings)
    for name, text in stable_texts(body):
        found += lint_text(text, f"{file}: {name}", settings)
    return found


def lint_template(template: PromptTemplate, settings: LintSettings | None = None) -> list[Finding]:
    """The leaks in a loaded prompt."""
    name = template.name
    found = lint_text(template.system, f"{name}/system.md", settings)
    if template.tools:
        found += lint_json(dumped(template.tools), f"{name}/tools.json", settings)
    if template.schema is not None:
        found += lint_json(dumped(template.schema), f"{name}/schema.json", settings)
    return [of_prompt(one) for one in found]


def is_body(value: Any) -> bool:
    """Whether a parsed JSON value is a Messages body."""
    return isinstance(value, dict) and ("messages" in value or "system" in value) and "job" not in value


def stable_texts(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The texts of system and messages that should be cached, each with its name."""
    found = [(name_of(body, block), block.content.get("text")) for block in stable_blocks(body)]
    return [(name, text) for name, text in found if isinstance(text, str)]


def stable_blocks(body: Mapping[str, Any]) -> list[Block]:
    """The blocks of system and messages that should be cached: all up to the caller's last `cache_control`.

    Without any it is system as a whole. A conversation that is marked at its very end grows from call to
    call: then only what is marked before its first answer counts.
    """
    given = body.get("messages")
    messages = given if isinstance(given, list) else []
    read = {"system": body.get("system"), "messages": messages}
    blocks = [block for block in blocks_of(read) if isinstance(block.content, Mapping)]
    answered = _first_answer(messages)
    grows = bool(blocks) and answered < blocks[-1].message and _is_marked(blocks[-1])
    marked = [
        number
        for number, block in enumerate(blocks)
        if _is_marked(block) and not (grows and block.message >= answered)
    ]
    return blocks[: marked[-1] + 1] if marked else [block for block in blocks if block.message < 0]


def name_of(body: Mapping[str, Any], block: Block) -> str:
    """Where a block of system or messages stands, such as `messages[0].content[1]`."""
    if block.message < 0:
        return "system" if isinstance(body["system"], str) else f"system[{block.index}]"
    name = f"messages[{block.message}].content"
    return name if isinstance(body["messages"][block.message]["content"], str) else f"{name}[{block.index}]"


def _first_answer(messages: Sequence[Any]) -> int:
    """The number of the first message of the assistant; that after the last when there is none."""
    roles = [message.get("role") if isinstance(message, Mapping) else None for message in messages]
    return roles.index("assistant") if "assistant" in roles else len(roles)


def _is_marked(block: Block) -> bool:
    inner = block.content.get("content")
    parts = [block.content, *(inner if isinstance(inner, list) else ())]
    return any(isinstance(part, Mapping) and part.get("cache_control") is not None for part in parts)


def answer_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON schema that a body asks its answer to match: it is a part of the prefix."""
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, Mapping) else None
    schema = wanted.get("schema") if isinstance(wanted, Mapping) else None
    return schema if isinstance(schema, Mapping) else None
