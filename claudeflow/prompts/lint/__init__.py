"""The leak lint: what does not belong into the stable part of a prompt, and where it belongs."""

from __future__ import annotations

from claudeflow.prompts.lint.bodies import is_body, lint_body, lint_template
from claudeflow.prompts.lint.decisions import LINT_FILE, team_settings
from claudeflow.prompts.lint.folders import is_prompt, lint_prompt, lint_prompts, unread_files
from claudeflow.prompts.lint.json_text import lint_json
from claudeflow.prompts.lint.rules import RULES, Finding, of_prompt
from claudeflow.prompts.lint.text import LintSettings, lint_text

__all__ = [
    "LINT_FILE",
    "RULES",
    "Finding",
    "LintSettings",
    "is_body",
    "is_prompt",
    "lint_body",
    "lint_json",
    "lint_prompt",
    "lint_prompts",
    "lint_template",
    "lint_text",
    "of_prompt",
    "team_settings",
    "unread_files",
]
