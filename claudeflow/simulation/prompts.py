"""Prompts that a simulation writes for workflows with structured answers: folders that the daemon loads.

They are what a team would have written: the same files, read by the same loader.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from claudeflow.domain.errors import Mistake
from claudeflow.domain.prompt import PromptTemplate
from claudeflow.prompts import survey_prompts
from claudeflow.simulation.jobs import DEFAULT_MAX_TOKENS
from claudeflow.simulation.texts import sized_text
from claudeflow.simulation.workflow import OWN_TEXT, Workflow

_USER = f"{{{{ {OWN_TEXT} }}}}"


@dataclass(frozen=True, slots=True)
class PromptFolder:
    """A prompt folder that is not written yet: its name, and what its files hold."""

    name: str
    files: Mapping[str, str]

    def write(self, into: Path) -> None:
        """Make the folder. Raises OSError."""
        folder = into / self.name
        folder.mkdir()
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")


def prompt_of(workflow: Workflow) -> PromptFolder:
    """The prompt of a workflow: its shared system text, its schema, and how its jobs share calls."""
    settings = workflow.settings
    table: dict[str, Any] = {
        "model": workflow.model.id,
        "max_tokens": settings.max_tokens or DEFAULT_MAX_TOKENS,
        "lane": workflow.lane,
        "workflow": workflow.name,
    }
    if settings.pack:
        table["pack"] = settings.pack
    return PromptFolder(
        workflow.name,
        {
            "prompt.toml": "\n".join(_toml(table)) + "\n",
            "system.md": sized_text(f"You work for {workflow.name}.", workflow.system_tokens, workflow.model),
            "user.md": _USER,
            "schema.json": orjson.dumps(workflow.schema).decode(),
        },
    )


def read_back(prompt: PromptFolder) -> tuple[PromptTemplate | None, list[Mistake]]:
    """The prompt as the daemon will load it, and what is wrong with it, by file."""
    with tempfile.TemporaryDirectory(prefix="claudeflow-prompts-") as name:
        try:
            prompt.write(Path(name))
        except OSError as error:
            return None, [Mistake(prompt.name, f"cannot be the name of a folder: {error.strerror}")]
        prompts, mistakes = survey_prompts(Path(name))
    return prompts.get(prompt.name), mistakes


def write_prompts(prompts: Iterable[PromptFolder], into: Path, beside: str) -> None:
    """Write prompts into a new folder, with links to all that is in the folder `beside`. Raises OSError."""
    into.mkdir()
    for prompt in prompts:
        prompt.write(into)
    if beside:
        for path in Path(beside).resolve().iterdir():
            (into / path.name).symlink_to(path)


def _toml(table: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The lines of a table whose keys are plain: its values first, then the tables in it."""
    for key, value in table.items():
        if not isinstance(value, Mapping):
            yield f"{_quoted(key)} = {_quoted(value)}"
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = f"{path}.{_quoted(key)}" if path else _quoted(key)
            yield f"[{inner}]"
            yield from _toml(value, inner)


def _quoted(value: Any) -> str:
    """A text, number, truth or list of such as TOML writes it, which is as JSON does."""
    return orjson.dumps(value).decode()
