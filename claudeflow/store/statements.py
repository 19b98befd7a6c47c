"""The statements of `queries.sql`, by name."""

from __future__ import annotations

import re
from importlib import resources
from types import SimpleNamespace

_BLOCK = re.compile(r"^-- name: (\w+)\n-- (.+)\n((?:(?!-- name:).*\n?)+)", re.MULTILINE)


def load_statements() -> dict[str, str]:
    """Name → SQL, as the file has them."""
    text = resources.files("claudeflow.store").joinpath("queries.sql").read_text(encoding="utf-8")
    return {name: sql.strip().rstrip(";") for name, _, sql in _BLOCK.findall(text)}


SQL = SimpleNamespace(**load_statements())
