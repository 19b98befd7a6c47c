"""The stable part of a Messages body → findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claudeflow.domain.prompt import PromptTemplate
from claudeflow.prompts.lint.json_text import dumped, lint_json
from claudeflow.prompts.lint.rules import Finding
from claudeflow.prompts.lint.text import LintSettings, lint_text


def lint_body(
    body: Mapping[str, Any], file: str = "body", settings: LintSettings | None = None
) -> list[Finding]:
    """The leaks in what should be cached of a body: tools, answer schema and system.

    `system` counts up to its last `cache_control`, or as a whole when there is none in it. Lines and
    columns are those within the part that the finding names, such as `body: system[0]`.
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
    return found


def is_body(value: Any) -> bool:
    """Whether a parsed JSON value is a Messages body."""
    return isinstance(value, dict) and ("messages" in value or "system" in value) and "job" not in value


def stable_texts(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The texts of `system` that should be cached, each with its name."""
    system = body.get("system")
    if isinstance(system, str):
        return [("system", system)]
    blocks = [block for block in system or [] if isinstance(block, Mapping)]
    marked = [number for number, block in enumerate(blocks) if "cache_control" in block]
    stable = blocks[: marked[-1] + 1] if marked else blocks
    return [(f"system[{number}]", str(block.get("text", ""))) for number, block in enumerate(stable)]


def answer_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON schema that a body asks its answer to match: it is a part of the prefix."""
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, Mapping) else None
    schema = wanted.get("schema") if isinstance(wanted, Mapping) else None
    return schema if isinstance(schema, Mapping) else None
