"""Paths → findings of the lint: prompts, saved requests, lists of jobs, texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claudeflow.cli.exits import Exit
from claudeflow.cli.output import note
from claudeflow.cli.problems import Failure

if TYPE_CHECKING:
    from claudeflow.prompts.lint import Finding, LintSettings

LARGEST_BYTES = 32 * 1024 * 1024
LISTS_OF_JOBS = (".jsonl", ".ndjson")
_PARTS_OF_PROMPT = ("system.md", "tools.json", "schema.json")


def findings_of(path: Path) -> list[Finding]:
    """What the lint finds at a path. Raises Failure, PromptError."""
    from claudeflow.prompts.lint import is_prompt, lint_prompt, lint_prompts

    if not path.is_dir():
        return _file_findings(path)
    if is_prompt(path):
        return lint_prompt(path)
    if any(is_prompt(inner) for inner in path.iterdir() if inner.is_dir()):
        return lint_prompts(path)
    return _texts_findings(path)


def mistakes_at(path: Path) -> list[str]:
    """Which files of the prompts at a path cannot be looked at, each with the reason."""
    from claudeflow.prompts.lint import is_prompt, unread_files

    if not path.is_dir():
        return []
    prompts = [path] if is_prompt(path) else sorted(inner for inner in path.iterdir() if is_prompt(inner))
    return [mistake for prompt in prompts for mistake in unread_files(prompt)]


def _texts_findings(folder: Path) -> list[Finding]:
    """Those of the files in a folder without prompts; what is no text is named and left out."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    texts = [path for path in files if path.name != "lint.toml"]
    if not texts:
        raise Failure(
            Exit.USAGE, f"{folder}: neither a prompt (no system.md), nor a folder of prompts or of texts"
        )
    found: list[Finding] = []
    for path in texts:
        try:
            found += _file_findings(path)
        except Failure as problem:
            if problem.exit_code is Exit.FAILED:
                raise
            note(f"{problem} (left out)")
    return found


def _file_findings(path: Path) -> list[Finding]:
    from claudeflow.prompts.lint import lint_json, lint_text, of_prompt, team_settings

    is_part = (path.parent / "prompt.toml").is_file()
    settings = team_settings(path.parent.parent if is_part else path.parent)
    if path.suffix in LISTS_OF_JOBS:
        return _jobs_findings(path, settings)
    text = _text(path)
    if path.suffix == ".json":
        _check_json(path, text)
    if path.name in ("tools.json", "schema.json"):
        found = lint_json(text, str(path), settings)
    else:
        body = _body(text)
        found = _body_findings(body, path, settings) if body else lint_text(text, str(path), settings)
    return [of_prompt(one) for one in found] if is_part and path.name in _PARTS_OF_PROMPT else found


def _jobs_findings(path: Path, settings: LintSettings) -> list[Finding]:
    """Those of every request in a list of jobs, by line; what several share is looked at and told once."""
    found: dict[Finding, Finding] = {}
    looked: set[bytes] = set()
    jobs = list(_jobs(path))
    for number, job in jobs:
        body = _body_of(job)
        stable = _stable(body) if body else b""
        if body is None or stable in looked:
            continue
        looked.add(stable)
        for one in _body_findings(body, path, settings):
            part = one.file.removeprefix(f"{path}: ")
            found.setdefault(one, replace(one, file=f"{path}: line {number}: {part}"))
    if not jobs:
        raise Failure(Exit.USAGE, f"{path}: no line holds a job or a request")
    return list(found.values())


def _jobs(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The lines that are jobs or requests, each with its number."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Failure(Exit.USAGE, f"{path}: line {number}: not valid JSON") from error
        if _body_of(value) is not None or (isinstance(value, dict) and "prompt" in value):
            yield number, value


def _check_json(path: Path, text: str) -> None:
    """Raise Failure for text that is no JSON: of what follows its mistake nothing is known."""
    try:
        json.loads(text)
    except ValueError as error:
        raise Failure(Exit.FAILED, f"{path}: not valid JSON: {error}") from error
    except RecursionError as error:
        raise Failure(Exit.FAILED, f"{path}: is nested too deeply; make it flatter") from error


def _body(text: str) -> Mapping[str, Any] | None:
    try:
        return _body_of(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _body_of(value: Any) -> Mapping[str, Any] | None:
    """The Messages body that a value is, or that a job or a line of a batch holds."""
    from claudeflow.prompts.lint import is_body

    if isinstance(value, dict):
        value = value.get("request", value.get("params", value))
    return value if is_body(value) else None


def _body_findings(body: Mapping[str, Any], path: Path, settings: LintSettings) -> list[Finding]:
    from claudeflow.prompts.lint import lint_body

    return lint_body(body, str(path), settings)


def _stable(body: Mapping[str, Any]) -> bytes:
    """What the lint reads of a body, as a short name."""
    from claudeflow.prompts.lint.bodies import answer_schema, stable_texts

    read = [body.get("tools"), answer_schema(body), stable_texts(body)]
    return hashlib.sha256(json.dumps(read).encode()).digest()


def _text(path: Path) -> str:
    from claudeflow.domain.errors import PromptError
    from claudeflow.prompts.files import read_regular

    is_list = path.suffix in LISTS_OF_JOBS
    try:
        data = read_regular(path, -1 if is_list else LARGEST_BYTES + 1)
    except PermissionError:
        raise
    except PromptError as error:
        raise Failure(Exit.USAGE, f"{path}: {error}") from error
    except OSError as error:
        raise Failure(Exit.USAGE, f"{path}: {error.strerror or 'cannot be read'}") from error
    if len(data) > LARGEST_BYTES and not is_list:
        raise Failure(Exit.USAGE, f"{path}: is larger than 32 MiB, which no request may be")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Failure(
            Exit.USAGE, f"{path}: not UTF-8 at byte {error.start}; only text is looked at"
        ) from error
