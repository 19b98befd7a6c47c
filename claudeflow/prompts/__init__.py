"""Prompt folders on disk and how they become requests."""

from __future__ import annotations

from claudeflow.prompts.loader import load_prompts, survey_prompts
from claudeflow.prompts.rendering import assemble, render
from claudeflow.prompts.versions import from_json, stable_version, to_json

__all__ = ["assemble", "from_json", "load_prompts", "render", "stable_version", "survey_prompts", "to_json"]
