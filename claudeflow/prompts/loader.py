"""Loads prompt folders: one folder per prompt, named after it.

ticket-triage/
  prompt.toml   model, max_tokens; optional effort, lane, workflow, fallback
  system.md     sent verbatim and cached: the stable part
  user.md       Jinja2 template of the volatile part
  tools.json    optional: the Messages `tools` array
  schema.json   optional: the JSON schema of a structured answer
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import orjson

from claudeflow.domain.errors import Mistake, PromptError
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.prompts.rendering import compile_user
from claudeflow.prompts.settings import PromptSettings, settings_mistakes
from claudeflow.prompts.versions import stable_version

REQUIRED_FILES = ("prompt.toml", "system.md", "user.md")
OPTIONAL_FILES = ("tools.json", "schema.json")
_FILES = REQUIRED_FILES + OPTIONAL_FILES
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def load_prompts(folder: Path) -> dict[str, PromptTemplate]:
    """Every prompt under `folder`, by name. Raises PromptError listing the mistakes of all folders."""
    try:
        found = sorted(path for path in folder.iterdir() if path.is_dir() and not _is_ignored(path))
    except OSError as error:
        raise PromptError(f"{folder}: the prompts folder cannot be read: {error.strerror}") from error
    readers = [_PromptFolder(path) for path in found]
    templates = [template for reader in readers if (template := reader.template()) is not None]
    mistakes = [mistake for reader in readers for mistake in reader.mistakes]
    if mistakes:
        raise PromptError("\n".join([f"{folder}: {len(mistakes)} mistake(s)", *(f"  {m}" for m in mistakes)]))
    return {template.name: template for template in templates}


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name.endswith("~")


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
            tools=tools,
            schema=schema,
        )

    def _note(self, file: str, message: str) -> None:
        self.mistakes.append(Mistake(f"{self._folder.name}/{file}", message))

    def _check_names(self) -> None:
        if not _NAME.fullmatch(self._folder.name):
            self._note("", "a prompt's name is letters, digits, dots, dashes and underscores, 64 at most")
        try:
            names = {path.name for path in self._folder.iterdir() if not _is_ignored(path)}
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
        except tomllib.TOMLDecodeError as error:
            self._note("prompt.toml", f"not valid TOML: {error}")
            return None
        wrong = settings_mistakes(table)
        for message in wrong:
            self._note("prompt.toml", message)
        return None if wrong else PromptSettings(**table)

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
        named = isinstance(tools, list) and all(isinstance(tool, dict) and "name" in tool for tool in tools)
        if not named:
            self._note("tools.json", "must be an array of objects, each with a name")
            return ()
        return tuple(tools)

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
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            self._note(name, f"not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}")
            return None
        if value is None:
            self._note(name, "must not be null; without the file there is none")
        return value

    def _text(self, name: str) -> str | None:
        """A file's text exactly as it is, or None when it is absent or unusable."""
        try:
            text = (self._folder / name).read_bytes().decode()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            self._note(name, f"not valid UTF-8 at byte {error.start}")
            return None
        except OSError as error:
            self._note(name, f"cannot be read: {error.strerror}")
            return None
        if not text.strip():
            self._note(name, "is empty")
            return None
        return text
