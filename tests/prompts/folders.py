"""Prompt folders for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, str | bytes | None]

FILES = {
    "prompt.toml": 'model = "claude-haiku-5-5"\nmax_tokens = 100\n',
    "system.md": "You sort letters.\n",
    "user.md": "Sort {{ letters }}.\n",
}


def a_prompt(root: Path, changed: Files | None = None, name: str = "sorter") -> Path:
    """Write a good prompt folder, with some files changed, or left out where the content is None."""
    folder = root / name
    folder.mkdir(parents=True)
    for file, content in {**FILES, **(changed or {})}.items():
        if content is not None:
            (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
