"""Job text: files and options → the body of a submission."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from claudeflow.intake.json_text import read_object
from claudeflow.intake.mistakes import Mistakes

STDIN = "-"


def read_source(name: str) -> bytes:
    """The bytes of a file, or of stdin for `-`. Raises UsageError."""
    if name == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise click.UsageError(f"{name}: {error.strerror}") from error


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises InvalidJob with every mistake."""
    mistakes = Mistakes()
    value = read_object(raw, mistakes)
    mistakes.raise_if_any()
    return value


def job_of(value: dict[str, Any]) -> dict[str, Any] | None:
    """The job that an object stands for: a job already, or a Messages body; None for neither."""
    if "request" in value or "prompt" in value:
        return value
    return {"request": value} if "messages" in value else None


def read_job(name: str) -> dict[str, Any]:
    """The job in a file. Raises UsageError, InvalidJob."""
    job = job_of(parse_object(read_source(name)))
    if job is None:
        raise click.UsageError(
            f'{name} is neither a Messages body (with "messages") nor a job (with "request" or "prompt")'
        )
    return job


def read_variables(inputs: Iterable[str]) -> dict[str, Any]:
    """Variables of a prompt from `FILE`, `-`, `key=value` and `key=@file`; later ones win."""
    variables: dict[str, Any] = {}
    for text in inputs:
        key, equals, value = text.partition("=")
        if not equals:
            variables.update(parse_object(read_source(text)))
        elif not key:
            raise click.UsageError(f"--input {text}: a name is missing before the =")
        else:
            variables[key] = _text_of_file(value[1:]) if value.startswith("@") else value
    return variables


def read_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """Metadata from `key=value`. Raises UsageError."""
    found: dict[str, str] = {}
    for text in pairs:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.UsageError(f"--metadata {text}: write key=value")
        found[key] = value
    return found


def dump(value: Mapping[str, Any]) -> bytes:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _text_of_file(name: str) -> str:
    try:
        return read_source(name).decode("utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name} is not UTF-8 at byte {error.start}") from error
