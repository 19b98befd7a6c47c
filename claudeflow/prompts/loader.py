"""Loads prompt folders: one folder per prompt, named after it.

ticket-triage/
  prompt.toml   model, max_tokens; optional effort, lane, workflow, fallback, pack
  system.md     sent verbatim and cached: the stable part
  user.md       Jinja2 template of the volatile part
  tools.json    optional: the Messages `tools` array
  schema.json   optional: the JSON schema of a structured answer
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from claudeflow.domain.errors import Mistake, PromptError
from claudeflow.domain.prompt import PackRules, PromptTemplate
from claudeflow.domain.words import plural
from claudeflow.policy.packing.schema import lacks_field, schema_problem
from claudeflow.prompts.files import is_passed_over, read_text
from claudeflow.prompts.json_files import read_json, tool_mistakes
from claudeflow.prompts.rendering import compile_user
from claudeflow.prompts.settings import PromptSettings, read_settings, settings_mistakes
from claudeflow.prompts.versions import stable_version

REQUIRED_FILES = ("prompt.toml", "system.md", "user.md")
OPTIONAL_FILES = ("tools.json", "schema.json")
_FILES = REQUIRED_FILES + OPTIONAL_FILES
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def load_prompts(folder: Path) -> dict[str, PromptTemplate]:
    """Every prompt under `folder`, by name. Raises PromptError listing the mistakes of all folders."""
    prompts, mistakes = survey_prompts(folder)
    if mistakes:
        number = plural(len(mistakes), "mistake")
        raise PromptError("\n".join([f"{folder}: {number}", *(f"  {mistake}" for mistake in mistakes)]))
    return prompts


def survey_prompts(folder: Path) -> tuple[dict[str, PromptTemplate], list[Mistake]]:
    """The prompts under `folder` that are right, by name, and what is wrong with the others.

    Raises PromptError when the folder itself cannot be read.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.is_dir() and not is_passed_over(path.name))
    except OSError as error:
        raise PromptError(f"{folder}: the prompts folder cannot be read: {error.strerror}") from error
    readers = [_PromptFolder(path) for path in found]
    templates = [template for reader in readers if (template := reader.template()) is not None]
    mistakes = [mistake for reader in readers for mistake in reader.mistakes]
    return {template.name: template for template in templates}, mistakes


class _PromptFolder:
    """Reads one prompt folder; what is wrong with it gathers in `mistakes`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.mistakes: list[Mistake] = []

    def template(self) -> PromptTemplate | None:
        """The prompt, or None when there are mistakes."""
        self._check_names()
        settings = self._settings()
        system = self._text("system.md")
        user = self._user()
        tools = self._tools()
        schema = self._schema()
        if settings is not None and settings.pack is not None:
            self._check_pack(settings.pack, schema)
        if self.mistakes or settings is None or system is None or user is None:
            return None
        return PromptTemplate(
            name=self._folder.name,
            version=stable_version(settings.model, settings.effort, system, tools, schema),
            model=settings.model,
            max_tokens=settings.max_tokens,
            lane=settings.lane,
            workflow=settings.workflow or self._folder.name,
            system=system,
            user=user,
            effort=settings.effort,
            fallback=settings.fallback,
            pack=settings.pack,
            tools=tools,
            schema=schema,
        )

    def _note(self, file: str, message: str) -> None:
        place = os.fsencode(f"{self._folder.name}/{file}").decode(errors="backslashreplace")
        self.mistakes.append(Mistake(place, message))

    def _check_names(self) -> None:
        if not _NAME.fullmatch(self._folder.name):
            self._note("", "a prompt's name is letters, digits, dots, dashes and underscores, 64 at most")
        try:
            names = {path.name for path in self._folder.iterdir() if not is_passed_over(path.name)}
        except OSError as error:
            self._note("", f"cannot be read: {error.strerror}")
            return
        for name in sorted(names.difference(_FILES)):
            self._note(name, f"unknown file; allowed: {', '.join(_FILES)}")
        for name in REQUIRED_FILES:
            if name not in names:
                self._note(name, "missing")

    def _settings(self) -> PromptSettings | None:
        text = self._text("prompt.toml")
        if text is None:
            return None
        try:
            table = tomllib.loads(text)
        except ValueError as error:
            self._note("prompt.toml", f"not valid TOML: {error}")
            return None
        except RecursionError:
            self._note("prompt.toml", "is nested too deeply; write it flat")
            return None
        wrong = settings_mistakes(table)
        for message in wrong:
            self._note("prompt.toml", message)
        return None if wrong else read_settings(table)

    def _check_pack(self, rules: PackRules, schema: dict[str, Any] | None) -> None:
        """What jobs that share calls need beyond what each file must be by itself."""
        if self._has("tools.json"):
            self._note("tools.json", "a prompt with [pack] has no tools; remove this file, or [pack]")
        if not self._has("schema.json"):
            self._note("schema.json", "missing; a prompt with [pack] needs one, or remove [pack]")
        if schema is None:
            return
        problem = schema_problem(schema)
        if problem is not None:
            self._note("schema.json", problem)
        for field in rules.canary.fields:
            if lacks_field(schema, field):
                self._note(
                    "prompt.toml",
                    f"pack.canary.compare: found {field!r}; allowed: fields that answers by schema.json have",
                )

    def _has(self, file: str) -> bool:
        return os.path.lexists(self._folder / file)

    def _user(self) -> str | None:
        source = self._text("user.md")
        if source is None:
            return None
        try:
            compile_user(source)
        except PromptError as error:
            self._note("user.md", str(error))
        return source

    def _tools(self) -> tuple[dict[str, Any], ...]:
        tools = self._json("tools.json")
        if tools is None:
            return ()
        wrong = tool_mistakes(tools)
        for message in wrong:
            self._note("tools.json", message)
        return () if wrong else tuple(tools)

    def _schema(self) -> dict[str, Any] | None:
        schema = self._json("schema.json")
        if schema is None or isinstance(schema, dict):
            return schema
        self._note("schema.json", f"must be an object, found {type(schema).__name__}")
        return None

    def _json(self, name: str) -> Any:
        text = self._text(name)
        if text is None:
            return None
        try:
            return read_json(text)
        except PromptError as problem:
            self._note(name, str(problem))
            return None

    def _text(self, name: str) -> str | None:
        """A file's text exactly as it is, or None when it is absent or unusable."""
        try:
            text = read_text(self._folder / name)
        except FileNotFoundError:
            return None
        except PromptError as problem:
            self._note(name, str(problem))
            return None
        if not text.strip():
            self._note(name, "is empty")
            return None
        return text
