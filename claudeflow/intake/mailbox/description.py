"""A mailbox's description: who owns it and what it may ask for. Producers cannot write this file."""

from __future__ import annotations

import json
import re
import tomllib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claudeflow.domain.errors import ConfigError, Mistake

NAME_FORM = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MOST_ROW_BYTES = 32 * 1024 * 1024
MOST_KEEP_DAYS = 3_650
SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class Description:
    """One mailbox. Its rows become jobs of `workflow` in one of `lanes`, submitted by `owner`.

    `uuid` tells it from others that had its name. Rows of more than `max_row_bytes` are refused; what is
    done is kept for `keep_days`.
    """

    name: str
    uuid: str
    owner: str
    group: str
    workflow: str
    lanes: tuple[str, ...]
    max_row_bytes: int = 1024 * 1024
    keep_days: int = 14


def new_uuid() -> str:
    """A name for a mailbox that no other has."""
    return uuid.uuid4().hex


def to_toml(found: Description) -> str:
    """The text of the file."""
    rows = [
        "# A mailbox of claudeflow: what its rows may become. Changes are taken up while the daemon runs.",
        f"uuid = {json.dumps(found.uuid)}",
        f"owner = {json.dumps(found.owner)}",
        f"group = {json.dumps(found.group)}",
        f"workflow = {json.dumps(found.workflow)}",
        f"lanes = {json.dumps(list(found.lanes))}",
        "# Rows above this are refused.",
        f"max_row_bytes = {found.max_row_bytes}",
        "# So long answered rows are kept, and answers that nobody reads.",
        f"keep_days = {found.keep_days}",
    ]
    return "\n".join(rows) + "\n"


def read_description(path: Path) -> Description:
    """What a description file says. Raises ConfigError with every mistake."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        said = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise ConfigError(str(path), [Mistake("", said or "cannot be read")]) from problem
    return described(path.name.removesuffix(SUFFIX), tables, str(path))


def described(name: str, tables: dict[str, Any], source: str) -> Description:
    """The description that these values make. Raises ConfigError with every mistake."""
    mistakes = [Mistake(key, "no such key") for key in tables if key not in _FORMS]
    if not NAME_FORM.fullmatch(name):
        form = "must be 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first"
        mistakes.append(Mistake("name", f"{form}; found {json.dumps(name)}"))
    for key, (check, form) in _FORMS.items():
        if key not in tables:
            if key not in _OPTIONAL:
                mistakes.append(Mistake(key, "is missing"))
        elif not check(tables[key]):
            mistakes.append(Mistake(key, f"must be {form}"))
    if mistakes:
        raise ConfigError(source, mistakes)
    return Description(name=name, **{**tables, "lanes": tuple(tables["lanes"])})


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and NAME_FORM.fullmatch(value) is not None


def _is_lanes(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_text(lane) for lane in value)


def _is_within(least: int, most: int) -> Any:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


_OPTIONAL = frozenset({"max_row_bytes", "keep_days"})
_FORMS: dict[str, tuple[Any, str]] = {
    "uuid": (_is_text, "text that no other mailbox has"),
    "owner": (_is_text, "a login name"),
    "group": (_is_text, "a group"),
    "workflow": (_is_name, "a workflow: 1 to 64 of a-z, 0-9, '.', '_' and '-'"),
    "lanes": (_is_lanes, "a list of at least one lane"),
    "max_row_bytes": (_is_within(1024, MOST_ROW_BYTES), f"from 1,024 to {MOST_ROW_BYTES:,}"),
    "keep_days": (_is_within(1, MOST_KEEP_DAYS), f"whole days from 1 to {MOST_KEEP_DAYS:,}"),
}
